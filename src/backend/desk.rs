//! The task behind the window: carries out actions, and publishes what is.

mod colleagues;
mod connection;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet, block_in_place};
use tokio::time::Instant;

use super::action::{Action, Notice};
use super::doctor::Finding;
use super::handle::Remote;
use super::hosted::{Hosted, Turn};
use super::link::Link;
use super::logging::LogTail;
use super::programs::{follow_blender, open_folder};
use super::settings::{MAX_NAME_CHARS, MAX_SESSION_BYTES, Settings, short};
use super::settings_file::SettingsFile;
use super::surroundings::Surroundings;
use super::transfer::{self, Ends};
use super::view::{BlenderProgram, Failure, Level, Transfer, View};
use crate::blender::{self, Installation};
use crate::net::Target;
use crate::relay::GuestError;
use crate::session::{Command, Identity};

/// How long after a change the settings are written, so that typing does not write each letter.
const SAVE_AFTER: Duration = Duration::from_millis(400);
/// How often new log lines reach the window at most.
const LOG_EVERY: Duration = Duration::from_millis(250);
/// News from the tasks of the desk that may wait.
const NEWS_WAITING: usize = 64;

/// Wakes the window: something changed. May be called from any thread.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// What the tasks of the desk tell it.
#[derive(Debug)]
pub(super) enum News {
    /// The Blenders of this computer were looked for.
    Blenders(Vec<Installation>),
    /// Something to show for a moment.
    Notice(Notice),
    /// Something that did not work.
    Failure(Failure),
    /// How far a save or restore is; `None` when it has ended.
    Transfer(Option<Transfer>),
}

pub(super) struct Desk {
    remote: Remote,
    wake: Wake,
    log: LogTail,
    file: SettingsFile,
    view: View,
    link: Link,
    hosted: Option<Hosted>,
    surroundings: Surroundings,
    /// Invites that other starts of this program hand over.
    invites: mpsc::Receiver<String>,
    /// What the check of the connection finds, while it runs.
    findings: Option<mpsc::Receiver<Finding>>,
    /// Relays that are being stopped, and other work that must end before the program does.
    ending: JoinSet<()>,
    news_in: mpsc::Sender<News>,
    news: mpsc::Receiver<News>,
    transfer: Option<JoinHandle<()>>,
    blender: Option<Installation>,
    blender_folder: PathBuf,
    rooms_folder: PathBuf,
    /// A notice waits that the window has not been woken for.
    noticed: bool,
    save_at: Option<Instant>,
    log_at: Option<Instant>,
}

/// What the desk needs to know of the place it runs in.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) log: LogTail,
    pub(super) log_folder: Option<PathBuf>,
    pub(super) file: SettingsFile,
    /// Where Blender's start-up script and its status file go.
    pub(super) blender_folder: PathBuf,
    /// Where the rooms that we host are kept, unless the settings say another folder.
    pub(super) rooms_folder: PathBuf,
    pub(super) surroundings: Surroundings,
    /// Invites that other starts of this program hand over.
    pub(super) invites: mpsc::Receiver<String>,
    /// Something to tell at the start.
    pub(super) notice: Option<Notice>,
}

impl Desk {
    pub(super) fn new(remote: Remote, wake: Wake, settings: Settings, place: Place) -> Self {
        let (news_in, news) = mpsc::channel(NEWS_WAITING);
        let view = View {
            settings,
            log_folder: place.log_folder,
            ..View::default()
        };
        if let Some(notice) = place.notice {
            // The channel is new, so there is room.
            let _waiting = news_in.try_send(News::Notice(notice));
        }
        Self {
            remote,
            wake,
            log: place.log,
            file: place.file,
            view,
            link: Link::Offline,
            hosted: None,
            surroundings: place.surroundings,
            invites: place.invites,
            findings: None,
            ending: JoinSet::new(),
            news_in,
            news,
            transfer: None,
            blender: None,
            blender_folder: place.blender_folder,
            rooms_folder: place.rooms_folder,
            noticed: false,
            save_at: None,
            log_at: Some(Instant::now()),
        }
    }

    /// Runs until the user quits, the window is gone, or `quit` resolves.
    pub(super) async fn run(mut self, quit: impl Future<Output = ()>) {
        let mut quit = std::pin::pin!(quit);
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
        self.look_for_blender();
        let mut log_bell = self.log.bell();
        self.publish();
        loop {
            tokio::select! {
                action = self.remote.actions.recv() => match action {
                    None | Some(Action::Quit) => break,
                    Some(action) => self.act(action),
                },
                () = &mut quit => break,
                Some(news) = self.news.recv() => self.hear(news),
                happened = self.link.next() => self.follow(happened),
                turn = next_turn(&mut self.hosted) => self.look_after(turn),
                () = at(self.save_at) => self.save(),
                () = self.surroundings.changed() => {}
                Some(invite) = self.invites.recv() => self.invited(&invite),
                finding = next_finding(&mut self.findings) => self.found(finding),
                _ = log_bell.changed(), if self.log_at.is_none() => {
                    self.log_at = Some(Instant::now() + LOG_EVERY);
                    continue;
                }
                () = at(self.log_at) => {
                    self.log_at = None;
                    self.view.log = Arc::new(self.log.lines());
                }
                Some(ended) = self.ending.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!("a task ended badly: {error}");
                    }
                    continue;
                }
            }
            self.publish();
        }
        self.end().await;
    }

    /// Ends in order: writes the settings, leaves the relay, stops our own.
    async fn end(mut self) {
        if self.save_at.is_some() {
            self.save();
        }
        self.disconnect();
        let ending = &mut self.ending;
        tokio::join!(
            async { while ending.join_next().await.is_some() {} },
            self.surroundings.leave()
        );
        self.view.quitting = true;
        self.publish();
        tracing::info!("ended");
    }

    /// Shows what is, if it is not what is shown.
    fn publish(&mut self) {
        self.look_around();
        let changed = self.remote.view.send_if_modified(|shown| {
            let changed = **shown != self.view;
            if changed {
                *shown = Arc::new(self.view.clone());
            }
            changed
        });
        if changed || std::mem::take(&mut self.noticed) {
            (self.wake)();
        }
    }

    fn notice(&mut self, level: Level, text: String) {
        if self
            .remote
            .notices
            .try_send(Notice { level, text })
            .is_err()
        {
            tracing::debug!("a notice was dropped: too many wait to be shown");
        }
        self.noticed = true;
    }

    fn fail(&mut self, failure: Failure) {
        tracing::warn!("{}", failure.what);
        self.view.failure = Some(failure);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect { host, port } => self.connect(&host, port),
            Action::Disconnect => self.disconnect(),
            Action::JoinRoom(room) => self.ask(Command::Join(room)),
            Action::LeaveRoom => self.ask(Command::Leave),
            Action::CreateRoom(room) => self.ask(Command::Create(room)),
            Action::DeleteRoom(room) => self.ask(Command::Delete(room)),
            Action::SetKeepOpen { room, keep_open } => {
                self.ask(Command::SetKeepOpen(room, keep_open));
            }
            Action::SetIdentity { name, color } => self.set_identity(&name, color),
            Action::SaveRoom(room) => {
                let news = self.news_in.clone();
                self.transfer(|ends| transfer::save(ends, room, news));
            }
            Action::RestoreRoom => {
                let news = self.news_in.clone();
                self.transfer(|ends| transfer::restore(ends, news));
            }
            Action::StopTransfer => self.stop_transfer(),
            Action::ReopenRoom(id) => self.for_recent(|hosted| hosted.reopen(id)),
            Action::ForgetRecentRoom(id) => self.for_recent(|hosted| hosted.forget(id)),
            Action::OpenInBlender(room) => self.open_in_blender(room),
            Action::SetTheme(theme) => {
                self.view.settings.theme = theme;
                self.save_soon();
            }
            Action::PlaceWindow(place) => {
                self.view.settings.window = Some(place);
                self.save_soon();
            }
            Action::SetInternet(internet) => {
                self.view.settings.internet = internet;
                self.show_as_set();
            }
            Action::SetAnnounce(announce) => {
                self.view.settings.announce = announce;
                self.show_as_set();
            }
            Action::SetSessionName(name) => {
                let name = name.map(|name| short(&name, MAX_SESSION_BYTES).to_owned());
                self.view.settings.session_name = name.filter(|name| !name.is_empty());
                self.show_as_set();
            }
            Action::ConnectNearby(id) => self.connect_nearby(&id),
            Action::LetIn(address) => self.decide(|hosted| hosted.let_in(address)),
            Action::TurnAway(address) => self.decide(|hosted| {
                hosted.turn_away(address);
                Ok(())
            }),
            Action::RunDoctor(host) => self.examine(host),
            Action::StopDoctor => self.found(None),
            Action::CloseDoctor => {
                self.found(None);
                self.view.doctor = None;
            }
            Action::DismissFailure => self.view.failure = None,
            Action::OpenLogFolder => self.open_log_folder(),
            Action::FindPublicAddress => {
                let servers = &self.view.settings.stun_servers;
                self.surroundings.find_public(servers);
            }
            Action::Quit => {}
        }
    }

    fn ask(&mut self, command: Command) {
        self.view.failure = None;
        match &self.link {
            Link::Open { session, .. } if session.command(command) => {}
            Link::Open { .. } => self.fail(Failure {
                what: "Too many requests wait to be answered.".to_owned(),
                advice: "Wait a moment and try again.".to_owned(),
            }),
            Link::Offline | Link::Opening { .. } => self.fail(not_connected()),
        }
    }

    fn identity(&self) -> Identity {
        Identity {
            name: self.view.settings.name.clone(),
            color: self.view.settings.color,
        }
    }

    fn set_identity(&mut self, name: &str, color: [f32; 3]) {
        self.view.settings.name = name.chars().take(MAX_NAME_CHARS).collect();
        self.view.settings.color = color;
        self.tell_identity();
        // The session is called after its host.
        self.show_as_set();
    }

    fn tell_identity(&self) {
        if let Link::Open { session, .. } = &self.link
            && !session.command(Command::SetIdentity(self.identity()))
        {
            tracing::warn!("others do not see the new name yet: the session is busy");
        }
    }

    /// Takes in what there is about our own relay.
    fn look_after(&mut self, turn: Turn) {
        let Some(hosted) = &mut self.hosted else {
            return;
        };
        let said = hosted.take(turn);
        hosted.show(&mut self.view);
        match said {
            None => {}
            Some(Ok(Notice { level, text })) => self.notice(level, text),
            Some(Err(failure)) => self.fail(failure),
        }
    }

    fn for_recent(&mut self, work: impl FnOnce(&mut Hosted)) {
        self.view.failure = None;
        match &mut self.hosted {
            Some(hosted) => {
                work(hosted);
                hosted.show(&mut self.view);
            }
            None => self.fail(not_connected()),
        }
    }

    /// Carries out what the user has decided about somebody, and keeps it for the next time.
    fn decide(&mut self, decision: impl FnOnce(&mut Hosted) -> Result<(), GuestError>) {
        let Some(hosted) = &mut self.hosted else {
            return;
        };
        let decided = decision(hosted);
        hosted.show(&mut self.view);
        self.view.settings.guests = hosted.guests();
        self.save_soon();
        if let Err(error) = decided {
            self.fail(Failure {
                what: format!("That address cannot be let in: {error}."),
                advice: "What is decided about addresses is kept in settings.toml.".to_owned(),
            });
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Notice(notice) => self.notice(notice.level, notice.text),
            News::Failure(failure) => self.fail(failure),
            // What a stopped transfer still said does not count.
            News::Transfer(transfer) => {
                self.view.transfer = transfer.filter(|_| self.transfer.is_some());
            }
            News::Blenders(found) => {
                self.blender = found.into_iter().next();
                self.view.blender = self.blender.as_ref().map(|installation| BlenderProgram {
                    path: installation.path.clone(),
                    label: installation.version.as_ref().map_or_else(
                        || "Blender".to_owned(),
                        |version| format!("Blender {version}"),
                    ),
                });
            }
        }
    }

    fn look_for_blender(&self) {
        self.tell_later(|| News::Blenders(blender::find()));
    }

    /// Does something that may block on a thread of its own, and hears of it later.
    fn tell_later(&self, work: impl FnOnce() -> News + Send + 'static) {
        let news = self.news_in.clone();
        tokio::task::spawn_blocking(move || {
            // When the desk has gone, nobody needs to know.
            let _told = news.blocking_send(work());
        });
    }

    /// Where a program on this computer finds the relay that we are connected to.
    fn own_target(&self) -> Option<Target> {
        match (&self.hosted, &self.link) {
            (Some(hosted), _) => Some(Target {
                host: "127.0.0.1".to_owned(),
                port: hosted.port(),
            }),
            (None, Link::Open { target, .. }) => Some(target.clone()),
            _ => None,
        }
    }

    /// Starts a save or restore; there is one at a time.
    fn transfer<F: Future<Output = ()> + Send + 'static>(&mut self, start: impl FnOnce(Ends) -> F) {
        if self
            .transfer
            .as_ref()
            .is_some_and(|task| !task.is_finished())
        {
            return self.notice(
                Level::Warning,
                "One save or restore after the other.".to_owned(),
            );
        }
        let Some(target) = self.own_target() else {
            return self.fail(not_connected());
        };
        self.view.failure = None;
        let name = format!("{} (file)", self.view.settings.name);
        let identity = Identity {
            name,
            ..self.identity()
        };
        self.transfer = Some(tokio::spawn(start(Ends { target, identity })));
    }

    fn stop_transfer(&mut self) {
        if let Some(task) = self.transfer.take() {
            task.abort();
        }
        if self.view.transfer.take().is_some() {
            self.notice(Level::Info, "Stopped. Nothing was changed.".to_owned());
        }
    }

    fn open_in_blender(&mut self, room: String) {
        self.view.failure = None;
        let (Some(target), Some(installation)) = (self.own_target(), self.blender.clone()) else {
            return self.fail(Failure {
                what: "Blender cannot be started.".to_owned(),
                advice: "Install Blender, connect to a server, and try again.".to_owned(),
            });
        };
        let launch = blender::Launch {
            host: target.host,
            port: target.port,
            room,
            user: self.view.settings.name.clone(),
            mode: blender::Mode::Join,
        };
        let (news, folder) = (self.news_in.clone(), self.blender_folder.clone());
        tokio::spawn(follow_blender(installation, launch, folder, news));
    }

    fn open_log_folder(&mut self) {
        let Some(folder) = self.view.log_folder.clone() else {
            return;
        };
        if let Err(error) = open_folder(&folder) {
            self.fail(Failure {
                what: format!("The log folder could not be shown: {error}."),
                advice: format!("It is {}.", folder.display()),
            });
        }
    }

    fn save_soon(&mut self) {
        self.save_at = Some(Instant::now() + SAVE_AFTER);
    }

    /// Writes the settings. Disks may be slow, and the other tasks of this thread are not to wait.
    fn save(&mut self) {
        self.save_at = None;
        if let Err(error) = block_in_place(|| self.file.save(&self.view.settings)) {
            tracing::warn!("the settings could not be written: {error}");
            self.notice(
                Level::Warning,
                format!("Your settings could not be kept: {error}."),
            );
        }
    }
}

/// What is to be done next for our own relay; nothing, without one.
async fn next_turn(hosted: &mut Option<Hosted>) -> Turn {
    match hosted {
        Some(hosted) => hosted.next().await,
        None => std::future::pending().await,
    }
}

/// What the check of the connection finds next, `None` at its end; nothing, without one.
async fn next_finding(findings: &mut Option<mpsc::Receiver<Finding>>) -> Option<Finding> {
    match findings {
        Some(findings) => findings.recv().await,
        None => std::future::pending().await,
    }
}

/// Waits until then; for ever if there is no then.
async fn at(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}

fn not_connected() -> Failure {
    Failure {
        what: "There is no connection to a server.".to_owned(),
        advice: "Press Connect first.".to_owned(),
    }
}
