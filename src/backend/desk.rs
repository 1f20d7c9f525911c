//! The task behind the window: carries out actions, and publishes what is.

mod colleagues;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet, block_in_place};
use tokio::time::Instant;

use super::action::{Action, Notice};
use super::compose;
use super::doctor::Finding;
use super::handle::Remote;
use super::hosted::{Hosted, Turn};
use super::link::{Happened, Link, QUICK};
use super::logging::LogTail;
use super::opening::{Destination, open, session_failure};
use super::programs::{follow_blender, open_folder};
use super::settings::{
    DEFAULT_PORT, MAX_NAME_CHARS, MAX_SESSION_BYTES, RECENT_HOSTS, Settings, short,
};
use super::settings_file::SettingsFile;
use super::surroundings::Surroundings;
use super::transfer::{self, Ends};
use super::view::{BlenderProgram, Failure, Level, Membership, RoomState, Status, Transfer, View};
use crate::blender::{self, Installation};
use crate::net::Target;
use crate::reach::{Announcement, Typed, TypedError, understand};
use crate::relay::{GuestError, Progress};
use crate::session::{Command, Event, Identity, Phase, Snapshot};

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

    fn connect(&mut self, host: &str, port: u16) {
        self.disconnect();
        self.view.failure = None;
        self.view.tried = None;
        let destination = match understand(host, port) {
            Ok(Typed::Target(target)) => {
                self.view.settings.host.clone_from(&target.host);
                self.view.settings.port = target.port;
                self.save_soon();
                self.view.tried = (!target.is_local()).then(|| target.to_string());
                Destination::Target(target)
            }
            Ok(Typed::Invite(invite)) => {
                self.view.tried = Some(invite.to_string());
                Destination::Invite(invite)
            }
            Err(error) => return self.fail(host_failure(error)),
        };
        let target = destination.title();
        tracing::info!(target, "connecting");
        self.view.status = Status::Connecting { target };
        // The port of a relay that is being stopped is free only when that is done.
        let mut ending = std::mem::take(&mut self.ending);
        let identity = self.identity();
        let hosting = self.view.settings.hosting(Some(&self.rooms_folder));
        let (progress_in, progress) = watch::channel(Progress::default());
        let task = tokio::spawn(async move {
            while ending.join_next().await.is_some() {}
            open(destination, identity, hosting, &progress_in).await
        });
        self.link = Link::Opening {
            task,
            progress,
            began: std::time::Instant::now(),
            show_at: Instant::now() + QUICK,
        };
    }

    fn disconnect(&mut self) {
        self.stop_transfer();
        match std::mem::replace(&mut self.link, Link::Offline) {
            Link::Offline => {}
            Link::Opening { task, .. } => {
                // Not aborted: a relay it may have started must end in order. It reads no more rooms.
                self.ending.spawn(async move {
                    if let Ok(Ok(opened)) = task.await {
                        drop(opened.session);
                        if let Some(relay) = opened.relay {
                            relay.stop().await;
                        }
                    }
                });
            }
            Link::Open { session, .. } => {
                let hosted = self.hosted.take();
                self.ending.spawn(async move {
                    session.stop().await;
                    if let Some(hosted) = hosted {
                        hosted.stop().await;
                    }
                });
                tracing::info!("disconnected");
            }
        }
        self.view.status = Status::Offline;
        self.surroundings.hide();
        self.view.waiting.clear();
        self.view.attempts.clear();
        self.view.rooms.clear();
        self.view.people = 0;
        self.view.membership = Membership::Out;
        self.view.bringing_back = None;
        self.view.keeps_rooms = false;
        self.view.recent_rooms.clear();
        self.view.trouble = None;
    }

    /// Takes in what happened on the link.
    fn follow(&mut self, happened: Happened) {
        match happened {
            Happened::Opened(opened) => {
                let opened = *opened;
                self.view.bringing_back = None;
                self.hosted = opened.relay.map(Hosted::new);
                if let Some(hosted) = &self.hosted {
                    hosted.show(&mut self.view);
                    let announcement = Announcement {
                        name: self.view.settings.session(),
                        port: hosted.port(),
                        rooms: 0,
                        people: 0,
                        asks: hosted.asks(),
                        version: env!("CARGO_PKG_VERSION").to_owned(),
                    };
                    self.surroundings.host(announcement, &self.view.settings);
                    let (notice, failure) = hosted.brought_back();
                    if let Some(Notice { level, text }) = notice {
                        self.notice(level, text);
                    }
                    if let Some(failure) = failure {
                        self.fail(failure);
                    }
                }
                if opened.by_invite {
                    self.view.settings.host.clone_from(&opened.target.host);
                    self.view.settings.port = opened.target.port;
                    self.save_soon();
                }
                self.link = Link::Open {
                    target: opened.target,
                    found_here: opened.found_here,
                    room: opened.room,
                    greeted: false,
                    session: opened.session,
                };
                // It may have changed since the session was asked for.
                self.tell_identity();
            }
            Happened::NotOpened(failure) => {
                self.link = Link::Offline;
                self.view.status = Status::Offline;
                self.view.bringing_back = None;
                self.fail(failure);
            }
            Happened::BringsBack(bringing_back) => self.view.bringing_back = Some(bringing_back),
            Happened::Changed(snapshot) => self.take_in(&snapshot),
            Happened::Event(event) => self.tell(event),
            Happened::Ended => {
                self.disconnect();
                self.fail(Failure {
                    what: "The connection ended without a reason.".to_owned(),
                    advice: "Press Connect again. The log says more.".to_owned(),
                });
            }
        }
    }

    fn take_in(&mut self, snapshot: &Snapshot) {
        let Link::Open {
            target,
            found_here,
            greeted,
            room,
            ..
        } = &mut self.link
        else {
            return;
        };
        let (target, found_here) = (target.clone(), *found_here);
        match &snapshot.phase {
            Phase::Connecting => return,
            Phase::Failed(why) => {
                // It may look through all programs for the one that holds the port.
                let failure = block_in_place(|| session_failure(why, found_here));
                self.surroundings.look_again();
                self.disconnect();
                return self.fail(failure);
            }
            // The server goes on for everybody else, and this connection is back within a second.
            Phase::Lost { why, .. } if self.hosted.is_some() => {
                tracing::warn!("our own connection to the server here: {why}");
            }
            Phase::Lost { retry_at, why } => {
                // What is on the relay cannot be seen now. The list stays where it is, so that nothing
                // jumps when the connection is there again.
                for room in &mut self.view.rooms {
                    room.state = RoomState::Unknown;
                    room.members.clear();
                }
                self.view.membership = compose::membership(&snapshot.membership);
                self.view.status = Status::Lost {
                    target: target.to_string(),
                    retry_at: *retry_at,
                    why: session_failure(why, false),
                };
                return;
            }
            Phase::Online => {
                let first = !std::mem::replace(greeted, true);
                if let Some(room) = room.take() {
                    self.ask(Command::Join(room));
                }
                self.view.status = match &self.hosted {
                    Some(hosted) => Status::Hosting {
                        port: hosted.port(),
                    },
                    None => Status::Connected {
                        target: target.to_string(),
                        on_this_computer: target.is_local(),
                    },
                };
                if first && found_here {
                    self.notice(
                        Level::Info,
                        format!(
                            "A server was already running here, on port {}.",
                            target.port
                        ),
                    );
                }
                if first {
                    self.remember_host(&target);
                    // Where it was listed as one that does not answer.
                    self.surroundings.look_again();
                }
            }
        }
        self.view.people = snapshot.clients.len();
        self.view.rooms = compose::rooms(snapshot);
        self.view.membership = compose::membership(&snapshot.membership);
        if let Some(hosted) = &self.hosted {
            hosted.show(&mut self.view);
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

    fn remember_host(&mut self, target: &Target) {
        let host = if target.port == DEFAULT_PORT {
            target.host.clone()
        } else {
            target.to_string()
        };
        let recent = &mut self.view.settings.recent_hosts;
        recent.retain(|other| *other != host);
        recent.insert(0, host);
        recent.truncate(RECENT_HOSTS);
        self.save_soon();
    }

    fn tell(&mut self, event: Event) {
        let ours = self.view.membership.room().map(str::to_owned);
        let concerns_us = |room: &String| self.hosted.is_some() || ours.as_ref() == Some(room);
        match event {
            Event::PersonEntered { name, room } if concerns_us(&room) => {
                self.notice(Level::Info, format!("{name} joined “{room}”."));
            }
            Event::PersonLeft { name, room } if concerns_us(&room) => {
                self.notice(Level::Info, format!("{name} left “{room}”."));
            }
            Event::Refused(what) => self.fail(Failure {
                what,
                advice: "Nothing was changed.".to_owned(),
            }),
            Event::Told(text) => self.notice(
                Level::Warning,
                format!("A message from the server or somebody connected: {text}"),
            ),
            Event::RoomGone(room) => tracing::info!(room, "gone"),
            Event::Entered(room) => tracing::info!(room, "we are in"),
            Event::Left(room) => tracing::info!(room, "we are out"),
            Event::PersonEntered { .. } | Event::PersonLeft { .. } | Event::RoomCommand { .. } => {}
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

fn host_failure(error: TypedError) -> Failure {
    Failure {
        what: format!("{error}."),
        advice: "Type what your colleague sent you, such as 192.168.0.48 or 192.168.0.48:12800."
            .to_owned(),
    }
}
