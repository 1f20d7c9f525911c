//! The picture the window paints: plain values, made by the backend, never changed by the window.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::examination::Examination;
use super::reaching::{Attempt, Nearby, Share, Waiting};
use super::settings::Settings;
use crate::protocol::EMPTY_COMMANDS;

/// Everything the window shows, as it is at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Where the connection stands.
    pub status: Status,
    /// What to give to colleagues; present while this computer hosts.
    pub share: Option<Share>,
    /// The sessions announced on this network.
    pub nearby: Nearby,
    /// Who waits to be let in while this computer hosts, who came first first.
    pub waiting: Vec<Waiting>,
    /// Who reached this computer while it hosts and did not get in, the latest first.
    pub attempts: Vec<Attempt>,
    /// The check of the connection that was asked for, until it is closed.
    pub doctor: Option<Examination>,
    /// The rooms of the relay, by name.
    pub rooms: Vec<Room>,
    /// Everybody connected to the relay, in a room or not, ourselves included.
    pub people: usize,
    /// Our own place among the rooms.
    pub membership: Membership,
    /// What *Connect* last meant, if that was not this computer: a host and port, or an invite.
    pub tried: Option<String>,
    /// Why the last thing asked for did not work. Stays until dismissed or tried again.
    pub failure: Option<Failure>,
    /// A save or restore under way.
    pub transfer: Option<Transfer>,
    /// How far bringing back the rooms of the last time is, when that takes a while.
    pub bringing_back: Option<BringingBack>,
    /// Rooms that end go to the recent ones: this computer hosts, and can write them down.
    pub keeps_rooms: bool,
    /// Rooms that ended and can be brought back, latest first; only while this computer hosts.
    pub recent_rooms: Vec<RecentRoom>,
    /// Why rooms that should be written down are not. Stays until that is put right.
    pub trouble: Option<Failure>,
    /// The Blender that *Open in Blender* would start.
    pub blender: Option<BlenderProgram>,
    /// What is remembered between starts.
    pub settings: Settings,
    /// The newest log lines, oldest first.
    pub log: Arc<Vec<LogLine>>,
    /// The folder that holds the log files.
    pub log_folder: Option<PathBuf>,
    /// How often somebody wanted to see the window from outside; when that grows it comes to the front.
    pub attention: u32,
    /// The program is ending: the window should close.
    pub quitting: bool,
}

/// Where the connection stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Status {
    /// Not connected, and not trying.
    #[default]
    Offline,
    /// Reaching for a relay, or starting our own.
    Connecting {
        /// What is being reached, as `host:port`.
        target: String,
    },
    /// Our own relay runs, and we are connected to it.
    Hosting {
        /// The port it listens on.
        port: u16,
    },
    /// Connected to a relay that is not ours.
    Connected {
        /// What we are connected to, as `host:port`.
        target: String,
        /// It runs on this computer, started by another program.
        on_this_computer: bool,
    },
    /// The connection broke; it is tried again by itself.
    Lost {
        /// What is being reached, as `host:port`.
        target: String,
        /// When the next attempt starts; in the past while it runs.
        retry_at: Instant,
        /// Why the connection broke or the last attempt failed.
        why: Failure,
    },
}

impl Status {
    /// Whether requests about rooms can be answered now.
    #[must_use]
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Hosting { .. } | Self::Connected { .. })
    }
}

/// A room of the relay.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    /// Its name, unique on the relay.
    pub name: String,
    /// Who is in it, ourselves first, then by name.
    pub members: Vec<Person>,
    /// Bytes of its history, headers included.
    pub size_bytes: u64,
    /// Entries of its history.
    pub edits: u64,
    /// The Blender version it was made with.
    pub blender_version: String,
    /// The Mixer version it was made with.
    pub mixer_version: String,
    /// Any version may join.
    pub ignores_versions: bool,
    /// It stays when the last one leaves.
    pub keep_open: bool,
    /// Its content is all there, so that it can be joined.
    pub joinable: bool,
    /// It was made without a scene, and its relay asks the first Blender for one.
    pub awaits_scene: bool,
    /// What can be done with it.
    pub state: RoomState,
    /// Bytes that its history grew by in the last second; known while we host.
    pub growth_bytes: u64,
    /// Why it is not written down, if we host and it should be.
    pub trouble: Option<String>,
}

impl Room {
    /// Whether nobody has brought a scene into it yet.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.edits <= EMPTY_COMMANDS
    }
}

/// What can be done with a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomState {
    /// Its maker is still sending the scene; nobody can join yet.
    Uploading,
    /// People are in it, and one can join.
    Ready,
    /// Nobody is in it, and one can join.
    Empty,
    /// We are on the way in.
    Joining,
    /// We are in it.
    YouAreIn,
    /// It was there when the connection broke; nothing more can be said of it.
    Unknown,
}

/// Somebody connected to the relay.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The id the relay gave, unique among those connected.
    pub id: String,
    /// The name they chose, or their address.
    pub name: String,
    /// The colour they chose: red, green, blue, each from 0 to 1.
    pub color: Option<[f32; 3]>,
    /// Blender's mode in words: `Object mode`, `Sculpt`.
    pub mode: Option<String>,
    /// The scene they look at, and its frame.
    pub scene: Option<(String, i64)>,
    /// The address they connect from.
    pub address: String,
    /// This is us.
    pub is_me: bool,
    /// What flows between the relay and them; known while we host.
    pub flow: Option<Flow>,
}

/// What flows between our relay and somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Bytes that came from them.
    pub from_bytes: u64,
    /// Bytes that went to them.
    pub to_bytes: u64,
    /// Bytes of their room that they have not been given yet, when that lasts.
    pub lag_bytes: u64,
    /// How often they asked for what they may not have, or sent more than they may.
    pub refusals: u64,
}

/// Our own place among the rooms.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Membership {
    /// In no room.
    #[default]
    Out,
    /// Making a room.
    Creating {
        /// Its name.
        room: String,
    },
    /// Receiving a room's history.
    Joining {
        /// Its name.
        room: String,
        /// Bytes received.
        received_bytes: u64,
        /// Bytes to receive, as far as known at the start.
        total_bytes: u64,
        /// When it began.
        since: Instant,
    },
    /// In a room.
    In {
        /// Its name.
        room: String,
    },
    /// Waiting for the relay to let us out.
    Leaving {
        /// Its name.
        room: String,
    },
}

impl Membership {
    /// The room we are in, or on the way in or out of.
    #[must_use]
    pub fn room(&self) -> Option<&str> {
        match self {
            Self::Out => None,
            Self::Creating { room }
            | Self::Joining { room, .. }
            | Self::In { room }
            | Self::Leaving { room } => Some(room),
        }
    }
}

/// Something that did not work: what happened, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened and why, as a sentence.
    pub what: String,
    /// What to do about it, as a sentence.
    pub advice: String,
}

/// A save or restore under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Transfer {
    /// Saving to a file, or restoring from one.
    pub direction: TransferDirection,
    /// The room.
    pub room: String,
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes in all, as far as known.
    pub total_bytes: u64,
    /// When it began.
    pub since: Instant,
}

/// Rooms of the last time on their way back.
#[derive(Clone, Debug, PartialEq)]
pub struct BringingBack {
    /// Bytes read.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
    /// When it began.
    pub since: Instant,
}

/// A room that ended and can be brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentRoom {
    /// What to ask for it by.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Bytes that it takes on the disk.
    pub size_bytes: u64,
    /// When it ended.
    pub ended: SystemTime,
    /// It is on its way back.
    pub reopening: bool,
}

/// Which way a transfer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferDirection {
    /// A room into a file.
    Save,
    /// A file into a new room.
    Restore,
}

/// A Blender found on this computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlenderProgram {
    /// The program.
    pub path: PathBuf,
    /// What to call it: `Blender 3.6` where the place tells the version, else `Blender`.
    pub label: String,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When, of the day in UTC: `14:03:07 UTC`.
    pub time: String,
    /// How bad.
    pub level: Level,
    /// What happened.
    pub text: String,
}

/// How bad a log line or a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For information.
    Info,
    /// Something to look at.
    Warning,
    /// Something failed.
    Error,
}
