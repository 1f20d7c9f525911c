//! What happens once, to be told once.

use crate::protocol::Kind;

/// Something that happened once.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// We are in a room.
    Entered(String),
    /// We are out of a room.
    Left(String),
    /// What we asked for was not done: why, as a sentence.
    Refused(String),
    /// The relay or somebody connected to it says something went wrong.
    Told(String),
    /// Somebody else entered a room.
    PersonEntered {
        /// Their name.
        name: String,
        /// The room's name.
        room: String,
    },
    /// Somebody else left a room, or is gone.
    PersonLeft {
        /// Their name.
        name: String,
        /// The room's name.
        room: String,
    },
    /// A room is gone.
    RoomGone(String),
    /// A command of the room we are in came by.
    RoomCommand {
        /// Its message type.
        kind: Kind,
        /// Its bytes, header included.
        bytes: usize,
        /// It belongs to the history that was replayed to us, and is not new.
        replayed: bool,
    },
}
