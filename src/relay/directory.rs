//! Figures for the host: a read-only picture of rooms and peers, and of what is kept of rooms.

use std::path::Path;
use std::time::SystemTime;

use tokio::sync::watch;

use super::hub::Hub;
use super::library::Library;
use super::log::Lag;
use super::recent::Recent;
use super::serve::Relay;

/// Who is connected and which rooms there are, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// In the order in which they connected.
    pub peers: Vec<PeerFigures>,
    /// By name.
    pub rooms: Vec<RoomFigures>,
    /// Rooms that have ended and cannot be written down to their end: their names, and why not.
    pub ended_in_trouble: Vec<(String, String)>,
    /// Those of them that were given up, as they held too much memory together: what was not written down is
    /// lost.
    pub lost: Vec<(String, String)>,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFigures {
    /// Its id on the wire, `ip:port`.
    pub client_id: String,
    /// What it calls itself.
    pub name: Option<String>,
    /// The room it is in.
    pub room: Option<String>,
    /// Since when it is connected.
    pub since: SystemTime,
    /// Bytes of messages that came from it.
    pub bytes_in: u64,
    /// Bytes of messages that went to it.
    pub bytes_out: u64,
    /// Commands of its room that it has not been given yet.
    pub lag_commands: u64,
    /// What those take on the wire, about.
    pub lag_bytes: u64,
    /// How often it asked for what it may not have, or sent more than it may.
    pub refusals: u64,
}

/// One room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomFigures {
    /// Its name.
    pub name: String,
    /// How many are in it.
    pub members: usize,
    /// Commands of its history.
    pub commands: u64,
    /// What those take on the wire. Its growth is the difference of two of these.
    pub bytes: u64,
    /// What of the room is in memory, in bytes, about.
    pub memory_bytes: usize,
    /// Why it is not written down, if it is not: it is lost when this program ends.
    pub trouble: Option<String>,
}

impl Hub {
    pub(super) fn directory(&self) -> Directory {
        self.with_state(|state| Directory {
            peers: state
                .peers
                .values()
                .map(|peer| {
                    let (bytes_in, bytes_out) = peer.card.flowed();
                    let Lag { commands, bytes } = peer.outbox.lag();
                    PeerFigures {
                        client_id: peer.client_id.clone(),
                        name: peer.card.name().map(|name| name.to_string()),
                        room: peer.room.clone(),
                        since: peer.card.since,
                        bytes_in,
                        bytes_out,
                        lag_commands: commands,
                        lag_bytes: bytes,
                        refusals: peer.card.refusals(),
                    }
                })
                .collect(),
            rooms: state
                .rooms
                .iter()
                .map(|(name, room)| {
                    let figures = room.log.figures();
                    RoomFigures {
                        name: name.clone(),
                        members: room.members.len(),
                        commands: figures.command_count,
                        bytes: figures.byte_size,
                        memory_bytes: room.log.memory_bytes(),
                        trouble: room.log.trouble(),
                    }
                })
                .collect(),
            ended_in_trouble: state
                .ended
                .iter()
                .filter_map(|(name, log)| Some((name.clone(), log.upgrade()?.trouble()?)))
                .collect(),
            lost: self
                .library()
                .map(|library| library.leftovers.lost())
                .unwrap_or_default(),
        })
    }
}

impl Relay {
    /// Who is connected and which rooms there are.
    #[must_use]
    pub fn directory(&self) -> Directory {
        self.hub.directory()
    }

    /// Rooms that were brought back when this relay started.
    #[must_use]
    pub fn brought_back(&self) -> &[String] {
        &self.revived.rooms
    }

    /// Those of them of which parts were damaged: what could be read is back.
    #[must_use]
    pub fn repaired(&self) -> &[String] {
        &self.revived.repaired
    }

    /// Rooms that could not be brought back when this relay started, as sentences.
    #[must_use]
    pub fn not_brought_back(&self) -> &[String] {
        &self.revived.lost
    }

    /// Why rooms are not kept, if they were to be. They are as soon as it can be put right.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        let is_kept = |library: &Library| library.shelf.is_held();
        let trouble = self.revived.trouble.as_deref();
        trouble.filter(|_| !self.hub.library().is_some_and(is_kept))
    }

    /// Where rooms are kept, if they are.
    #[must_use]
    pub fn rooms_folder(&self) -> Option<&Path> {
        self.hub.library().map(|library| library.shelf.folder())
    }

    /// Rooms that ended and can be brought back. Look for them where blocking is allowed.
    #[must_use]
    pub fn recent_rooms(&self) -> RecentRooms {
        RecentRooms(self.hub.library().map(|library| library.shelf.clone()))
    }

    /// Brings back a room that has ended, by its [`Recent::id`]. Gives its name.
    ///
    /// # Errors
    /// When that does not work, in words. It is then still under the recent rooms, but for a file in which nothing can be
    /// read: that is put aside.
    pub fn reopen(
        &self,
        id: String,
    ) -> impl Future<Output = Result<String, String>> + Send + 'static {
        let (library, hub) = (self.hub.library().cloned(), self.hub.clone());
        async move {
            match library {
                Some(library) => library.reopen(&hub, &id).await,
                None => Err("Rooms are not kept.".to_owned()),
            }
        }
    }
}

/// The rooms that ended, as their files are.
#[derive(Clone, Debug)]
pub struct RecentRooms(Option<std::sync::Arc<super::shelf::Shelf>>);

impl RecentRooms {
    /// Rings when a room has come to these or left them. What they are now counts as seen. `None` when
    /// rooms are not kept.
    #[must_use]
    pub fn bell(&self) -> Option<watch::Receiver<()>> {
        self.0.as_ref().map(|shelf| shelf.bell())
    }

    /// All of them, latest first. Blocks.
    #[must_use]
    pub fn list(&self) -> Vec<Recent> {
        self.0
            .as_ref()
            .map(|shelf| shelf.recent())
            .unwrap_or_default()
    }

    /// Removes one for good, by its [`Recent::id`]. Blocks.
    ///
    /// # Errors
    /// When its file is not there or cannot be removed.
    pub fn forget(&self, id: &str) -> std::io::Result<()> {
        self.0
            .as_ref()
            .ok_or_else(|| std::io::ErrorKind::NotFound.into())
            .and_then(|shelf| shelf.forget(id))
    }
}
