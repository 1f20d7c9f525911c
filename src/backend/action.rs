//! What the user asks of the backend, and the news that come back once.

use std::net::IpAddr;

use super::settings::{Theme, WindowPlace};
use super::view::Level;

/// Something the user asks for. Each is answered by a changed [`View`](super::View), a [`Notice`], or both.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Connect to `host`; a local host starts our own relay when none listens on the port.
    /// `host` may carry a port of its own (`studio:12900`, `[fe80::1]:12900`), which then counts.
    Connect {
        /// As typed: a name, an IPv4 or IPv6 address, with or without a port.
        host: String,
        /// The port to use when `host` has none.
        port: u16,
    },
    /// Leave the relay, or stop hosting; stops a connection attempt or a retry as well.
    Disconnect,
    /// Enter a room.
    JoinRoom(String),
    /// Leave the room we are in.
    LeaveRoom,
    /// Make an empty room that any version may join, and keep it open.
    CreateRoom(String),
    /// Delete an empty room.
    DeleteRoom(String),
    /// Say whether a room stays when the last one leaves.
    SetKeepOpen {
        /// Its name.
        room: String,
        /// Whether it stays.
        keep_open: bool,
    },
    /// Choose the name and colour that others see.
    SetIdentity {
        /// The name.
        name: String,
        /// Red, green, blue, each from 0 to 1.
        color: [f32; 3],
    },
    /// Choose a file, then save a copy of a room into it.
    SaveRoom(String),
    /// Choose a file, then make a room from it.
    RestoreRoom,
    /// Stop the save or restore under way.
    StopTransfer,
    /// Bring back a room that has ended, by its [`id`](super::RecentRoom::id).
    ReopenRoom(String),
    /// Remove a room that has ended for good, by its [`id`](super::RecentRoom::id).
    ForgetRecentRoom(String),
    /// Start Blender in a room.
    OpenInBlender(String),
    /// Follow the system's light or dark theme, or choose one.
    SetTheme(Theme),
    /// Remember where the window is.
    PlaceWindow(WindowPlace),
    /// Ask the router to let people from the internet connect while we host, or take that back.
    SetInternet(bool),
    /// Announce the sessions that we host on this network, or do not.
    SetAnnounce(bool),
    /// Choose what the sessions that we host are called; `None` for the name of whoever hosts.
    SetSessionName(Option<String>),
    /// Ask a server on the internet how it sees this network's address.
    FindPublicAddress,
    /// Connect to a session announced on this network, by its [`id`](super::NearbyHost::id).
    ConnectNearby(String),
    /// Let all in who wait at an address, and all who come from there later.
    LetIn(IpAddr),
    /// Turn all away who wait at an address, and for five minutes all who come from there.
    TurnAway(IpAddr),
    /// Check the connection to a host, as `host` or `host:port`; without one, whether colleagues can reach
    /// this computer.
    RunDoctor(Option<String>),
    /// Stop the check under way; what it found stays.
    StopDoctor,
    /// Put away what the check has found, and stop it if it still runs.
    CloseDoctor,
    /// Take back the failure shown.
    DismissFailure,
    /// Show the log files in the system's file browser.
    OpenLogFolder,
    /// End the program in order.
    Quit,
}

/// News to show once, for a short while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How bad.
    pub level: Level,
    /// A sentence.
    pub text: String,
}
