//! The session on a socket: connects, greets, retries, publishes what is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::back_off::BackOff;
use super::command::{Command, Identity};
use super::event::Event;
use super::machine::{MIRROR_BYTES, Machine};
use super::membership::Membership;
use crate::net::{Connected, FrameReader, Patience, Target, Why, connect, write_frames};
use crate::protocol::{Frame, FrameLimits, NamedAttributes};

/// How long one address may take to answer.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a relay may say nothing before it has said who it is.
const GREETING_PATIENCE: Duration = Duration::from_secs(5);
/// How long all of the greeting may take while something comes.
const LONGEST_GREETING: Duration = Duration::from_secs(60);
/// How long a relay that asks its host first may say nothing: ours says every minute that we wait.
const ASKING_PATIENCE: Duration = Duration::from_secs(150);
/// How many events are told at once at most.
const EVENTS_A_TELLING: usize = 64;
/// How long a relay may stop in the middle of a frame. As long as a stalled network may heal.
const STALL_PATIENCE: Duration = Duration::from_secs(60);
/// How long a relay may take nothing of what we send.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);
/// A connection that held for so long was a good one: the next loss starts with a short wait again.
const STEADY: Duration = Duration::from_secs(30);
/// An error that is older than this when the connection ends has nothing to do with it.
const LAST_WORDS_HOLD: Duration = Duration::from_secs(5);
/// A list of all clients or rooms is one message, and a relay of ours may send up to its own limit.
pub(super) const FRAME_LIMITS: FrameLimits = FrameLimits {
    control_bytes: MIRROR_BYTES as u64,
    ..FrameLimits::DEFAULT
};
/// How often what is gets published at most.
const PUBLISH_EVERY: Duration = Duration::from_millis(30);
/// Commands and events that may wait.
const WAITING: usize = 64;

/// What a session is to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the relay is.
    pub target: Target,
    /// Who we are to others.
    pub identity: Identity,
    /// Tell every room command as an [`Event::RoomCommand`].
    pub reports_commands: bool,
    /// The longest wait between two attempts after a loss.
    pub longest_wait: Duration,
}

impl Config {
    /// What an ordinary session does: tells no commands, and waits up to 30 s after a loss.
    #[must_use]
    pub fn new(target: Target, identity: Identity) -> Self {
        Self {
            target,
            identity,
            reports_commands: false,
            longest_wait: Duration::from_secs(30),
        }
    }
}

/// Where a session stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Reaching for the relay for the first time.
    Connecting,
    /// Connected, and all lists are here.
    Online,
    /// The connection broke; it is tried again.
    Lost {
        /// When the next attempt starts; in the past while it runs.
        retry_at: Instant,
        /// Why it broke, or why the last attempt failed.
        why: Why,
    },
    /// It could not be connected in the first place. Nothing more will happen.
    Failed(Why),
}

/// What is, at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Where the session stands.
    pub phase: Phase,
    /// Our id.
    pub me: Option<String>,
    /// Everybody who is connected, by id.
    pub clients: Arc<NamedAttributes>,
    /// All rooms, by name.
    pub rooms: Arc<NamedAttributes>,
    /// Our own place among the rooms.
    pub membership: Membership,
}

/// A session that runs. Dropping it ends it.
#[derive(Debug)]
pub struct Session {
    commands: mpsc::Sender<Command>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    events: mpsc::Receiver<Event>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Session {
    /// Starts a session on a task of the present runtime. `first`: a connection that is there already.
    #[must_use]
    pub fn start(config: Config, first: Option<Connected>) -> Self {
        let machine = Machine::new(config.identity.clone(), config.reports_commands);
        let (commands_in, commands) = mpsc::channel(WAITING);
        let (events_in, events) = mpsc::channel(WAITING);
        let (snapshot_in, snapshot) =
            watch::channel(Arc::new(snapshot(&machine, Phase::Connecting)));
        let stop = CancellationToken::new();
        let span = tracing::info_span!("session", target = %config.target);
        let driver = Driver {
            target: config.target,
            longest_wait: config.longest_wait,
            machine,
            commands,
            events: events_in,
            snapshot: snapshot_in,
            phase: Phase::Connecting,
            published: Instant::now(),
        };
        let stopped = stop.clone();
        let task = tokio::spawn(
            async move {
                tokio::select! {
                    () = driver.run(first) => {}
                    () = stopped.cancelled() => {}
                }
            }
            .instrument(span),
        );
        Self {
            commands: commands_in,
            snapshot,
            events,
            stop,
            task,
        }
    }

    /// Asks the session for something. `false` when too many requests wait.
    pub fn command(&self, command: Command) -> bool {
        self.commands.try_send(command).is_ok()
    }

    /// What is, always the newest.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Waits until what is has changed since the last call. `false` when the session has ended. Cancel
    /// safe.
    pub async fn changed(&mut self) -> bool {
        self.snapshot.changed().await.is_ok()
    }

    /// The next event; `None` when the session has ended. Cancel safe.
    pub async fn event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// A receiver of what is, and the events, to be waited for side by side.
    pub fn parts(
        &mut self,
    ) -> (
        &mut watch::Receiver<Arc<Snapshot>>,
        &mut mpsc::Receiver<Event>,
    ) {
        (&mut self.snapshot, &mut self.events)
    }

    /// Ends the session and waits until its connection is closed.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::error!("the session ended badly: {error}");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn snapshot(machine: &Machine, phase: Phase) -> Snapshot {
    Snapshot {
        phase,
        me: machine.me.clone(),
        clients: Arc::clone(&machine.clients),
        rooms: Arc::clone(&machine.rooms),
        membership: machine.membership.clone(),
    }
}

struct Driver {
    target: Target,
    longest_wait: Duration,
    machine: Machine,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    phase: Phase,
    published: Instant,
}

impl Driver {
    async fn run(mut self, mut first: Option<Connected>) {
        let mut back_off = BackOff::new(self.longest_wait);
        loop {
            let connected = match first.take() {
                Some(connected) => Ok(connected),
                None => connect(&self.target, CONNECT_PATIENCE)
                    .await
                    .map_err(|error| Why::from_connect(error, &self.target)),
            };
            let began = Instant::now();
            let why = match connected {
                Ok(Connected { stream, address }) => {
                    tracing::info!(%address, "reached");
                    self.serve(stream).await
                }
                Err(why) => why,
            };
            tracing::warn!("{why}");
            self.machine.on_lost();
            if self.phase == Phase::Connecting {
                self.phase = Phase::Failed(why);
                self.publish();
                return;
            }
            if self.phase == Phase::Online && began.elapsed() >= STEADY {
                back_off.reset();
            }
            let retry_at = Instant::now() + back_off.next();
            self.phase = Phase::Lost { retry_at, why };
            self.publish();
            self.wait_until(retry_at).await;
        }
    }

    /// Waits for the next attempt; what is asked meanwhile is answered.
    async fn wait_until(&mut self, retry_at: Instant) {
        let mut waiting = std::pin::pin!(tokio::time::sleep_until(retry_at.into()));
        loop {
            tokio::select! {
                () = &mut waiting => return,
                Some(command) = self.commands.recv() => {
                    self.machine.on_command(Instant::now(), command);
                    self.tell().await;
                }
            }
        }
    }

    /// One connection, from the greeting to its end.
    async fn serve(&mut self, stream: TcpStream) -> Why {
        let mut last_words = None;
        let why = self.exchange(stream, &mut last_words).await;
        // An error that comes right before the end is its reason, however the end itself looks.
        match (why, last_words) {
            (
                Why::Closed(target, None) | Why::ClosedEarly(target) | Why::Broke(target, _),
                Some((at, words)),
            ) if Instant::now().duration_since(at) < LAST_WORDS_HOLD => {
                Why::Closed(target, Some(words))
            }
            (why, _) => why,
        }
    }

    async fn exchange(
        &mut self,
        mut stream: TcpStream,
        last_words: &mut Option<(Instant, String)>,
    ) -> Why {
        let (reader, mut writer) = stream.split();
        let patience = Patience {
            first: GREETING_PATIENCE,
            stall: STALL_PATIENCE,
        };
        let mut reader = FrameReader::new(reader, FRAME_LIMITS, patience);
        // A long list over a slow line comes bit by bit, which is not the same as nothing.
        let mut last_read = tokio::time::Instant::now();
        let mut greeting_ends = last_read + LONGEST_GREETING;
        self.machine.on_connected();
        loop {
            let mut out: VecDeque<_> = self
                .machine
                .outgoing
                .drain(..)
                .map(Frame::into_wire)
                .collect();
            if let Err(error) = write_frames(&mut writer, &mut out, WRITE_PATIENCE).await {
                return Why::from_write(&error, &self.target, self.machine.is_answered());
            }
            let online = self.phase == Phase::Online;
            let quiet_ends = if self.machine.is_told_to_wait() {
                greeting_ends = last_read + ASKING_PATIENCE + LONGEST_GREETING;
                last_read + ASKING_PATIENCE
            } else {
                (last_read + GREETING_PATIENCE).min(greeting_ends)
            };
            tokio::select! {
                filled = reader.fill() => match filled {
                    Ok(1..) => last_read = tokio::time::Instant::now(),
                    Ok(0) if self.machine.is_answered() => return Why::Closed(self.target.clone(), None),
                    Ok(0) => return Why::ClosedEarly(self.target.clone()),
                    Err(error) => return Why::from_read(error, &self.target, self.machine.is_answered()),
                },
                Some(command) = self.commands.recv() => self.machine.on_command(Instant::now(), command),
                () = tokio::time::sleep_until((self.published + PUBLISH_EVERY).into()), if self.machine.changed && online => {}
                () = tokio::time::sleep_until(quiet_ends), if !online => return self.half_greeted(),
            }
            loop {
                let frame = match reader.arrived() {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(error) => {
                        return Why::from_read(
                            error.into(),
                            &self.target,
                            self.machine.is_answered(),
                        );
                    }
                };
                if let Err(error) = self.machine.on_frame(Instant::now(), &frame) {
                    return Why::from_wire(&error, &self.target);
                }
                let words = self
                    .machine
                    .events
                    .iter()
                    .rev()
                    .find_map(|event| match event {
                        Event::Told(text) | Event::Refused(text) => Some(text.clone()),
                        _ => None,
                    });
                if let Some(words) = words {
                    *last_words = Some((Instant::now(), words));
                }
                // Told in batches: each telling shows a copy of all that is known.
                if self.machine.events.len() >= EVENTS_A_TELLING {
                    self.tell().await;
                }
            }
            if self.machine.is_online() && !online {
                tracing::info!("online");
                self.phase = Phase::Online;
                self.publish();
            }
            if self.machine.changed && self.published.elapsed() >= PUBLISH_EVERY {
                if self.machine.is_overfull() {
                    let what = "it lists more than any session has".to_owned();
                    return Why::Nonsense(self.target.clone(), what);
                }
                self.publish();
            }
            self.tell().await;
        }
    }

    /// The greeting did not end in time.
    fn half_greeted(&self) -> Why {
        let target = self.target.clone();
        if self.machine.is_answered() {
            Why::Broke(
                target,
                "it stopped in the middle of its greeting".to_owned(),
            )
        } else {
            Why::Silent(target)
        }
    }

    /// Passes on what happened. Waits while nobody takes it: the relay keeps the rest.
    async fn tell(&mut self) {
        if self.machine.events.is_empty() {
            return;
        }
        // What happened is told after what is, so that whoever hears of it sees it too.
        let commands_only = |event: &Event| matches!(event, Event::RoomCommand { .. });
        if !self.machine.events.iter().all(commands_only) {
            self.publish();
        }
        for event in self.machine.events.drain(..) {
            if self.events.send(event).await.is_err() {
                return;
            }
        }
    }

    fn publish(&mut self) {
        self.machine.changed = false;
        self.published = Instant::now();
        self.snapshot
            .send_replace(Arc::new(snapshot(&self.machine, self.phase.clone())));
    }
}
