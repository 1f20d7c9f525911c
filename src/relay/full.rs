//! Why something was not added to a room.

use thiserror::Error;

/// Why something was not taken in, as a sentence for who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Full {
    /// The room is as large as it may be.
    #[error("The room is full: the server keeps {0} bytes of a room. Nothing more is taken in.")]
    Room(u64),
    /// All rooms together are as large as they may be.
    #[error(
        "The server is full: it keeps {0} bytes of all rooms. Nothing more is taken in until rooms are closed."
    )]
    Rooms(u64),
    /// All peers of the sender's address have added as much to rooms as they may.
    #[error(
        "Your address is full: the server keeps {0} bytes of rooms from one address. Nothing more is taken in \
         from there until rooms with what you sent are closed."
    )]
    Address(u64),
    /// The sender has added as much to rooms as it may.
    #[error(
        "You are full: the server keeps {0} bytes of rooms from one connection. Nothing more is taken in from \
         you until rooms with what you sent are closed."
    )]
    Peer(u64),
    /// The room is in memory alone, and too large for that.
    #[error(
        "The room is full: the server keeps rooms in its memory only, and this one takes {0} bytes of it already. \
         Nothing more is taken in."
    )]
    Kept(u64),
    /// Rooms are in memory alone, and all together take too much of it.
    #[error(
        "The server is full: it keeps rooms in its memory only, and they take {0} bytes of it already, this one's \
         part included. Nothing more is taken in until rooms are closed."
    )]
    KeptOfAll(u64),
    /// The journal cannot be written, and too much is in memory alone.
    #[error(
        "The server cannot write rooms to its disk, and {0} bytes of this one are in its memory \
         already. Nothing more is taken in until its disk takes it."
    )]
    Memory(u64),
    /// The journals cannot be written, and too much of all rooms is in memory alone.
    #[error(
        "The server cannot write rooms to its disk, and {0} bytes of them are in its memory already, this \
         one's part included. Nothing more is taken in until its disk takes it."
    )]
    Memories(u64),
}
