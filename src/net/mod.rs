//! Frames over any byte stream: reading, writing, reaching a host, listening on a port.
//!
//! Nothing here knows what frames mean. Every wait has an end: a peer that stops in the middle of a
//! frame, never says anything, or takes nothing off our hands is an error with its own sentence.

mod connect;
mod line;
mod listen;
#[cfg(test)]
mod pair;
mod pulse;
mod read;
mod target;
mod why;
mod write;

pub use connect::{ConnectError, Connected, connect};
pub use line::Line;
pub use listen::{Bind, canonical, listen, prepare, raise_open_files};
#[cfg(test)]
pub(crate) use pair::pair;
pub use pulse::Pulse;
pub use read::{FrameReader, Patience, ReadError, io_words};
pub use target::{Target, TargetError, parse_port};
pub use why::Why;
pub use write::{
    DEAD_AFTER, FEEL_EVERY, MAX_SLICES, WriteError, advance, while_alive, write_frames,
};

/// How many bytes one system call, and one turn of somebody who sends, reads or writes at most. Then others get their turn: a
/// bulk transfer must not hold up somebody's small edit. It is the same both ways: in larger turns a sender would run ahead of
/// those who read. Less at a time wakes the readers more often than the turns are worth.
pub const TURN_BYTES: usize = 256 << 10;
