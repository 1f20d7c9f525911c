//! The journal of a room: a file that grows with it, so that nothing is lost when the program is killed.
//!
//! The same mark as a saved copy, version 2, a salt (u32), and then records. A record is a header,
//! `length` u32, CRC-32 of the body u32, CRC-32 of those eight bytes u32 (begun with the salt; all
//! little-endian), and a body of `length` bytes: the length of its head (u32), the head (serde with
//! bincode's standard configuration), and for commands then their frames as on the wire.
//!
//! - The first record is the room as it was made; later ones change its attributes, say that its
//!   history was dropped, or hold the commands of one sender that arrived together: position, kind and
//!   size of each, sender, time of arrival. A journal holds superseded commands too: a reader applies
//!   the merge rule, so that the room can be opened as it was at any moment.
//! - Records are only ever appended. What a kill tears is the last one, which nobody has seen yet.
//! - The salt is a file's own, so that no peer can send bytes that look like a record of it.
//!
//! `write.rs` appends; `scan.rs` reads a whole file, checks it, and finds its way after damage;
//! `cut.rs` cuts the frames of a part of a file out of chunks of it, without I/O; `frames.rs` reads the
//! history that a whole file ends with.

mod cut;
mod frames;
mod scan;
#[cfg(test)]
mod tests;
mod write;

use std::ops::Range;

use bincode::config::{self, Config};
use bincode::serde::{borrow_decode_from_slice, encode_into_std_write};
use serde::{Deserialize, Serialize};

use super::mixdesk::{self, MAGIC};
use super::record::{
    RECORD_HEADER_BYTES as HEADER_BYTES, decode_header as decode_record_header,
    encode_header as encode_record_header,
};
use super::{ATTRIBUTES_BYTES, ArchiveError, Heading, SENDER_BYTES};
use crate::protocol::{FrameRef, Kind, Run};

pub use cut::{CutError, Cutter};
pub use frames::JournalFrames;
pub use scan::{Scan, Step, peek, scan};
pub use write::JournalWriter;

/// The version of a file that is a journal.
pub(super) const VERSION: u32 = 2;
/// Mark, version and salt.
const FILE_HEADER_BYTES: usize = MAGIC.len() + 8;
/// The length of a head.
const HEAD_LENGTH_BYTES: usize = 4;
/// Most commands in one record.
pub const RECORD_COMMANDS: usize = 8192;
/// No room gets as far. What says it did is damaged: there would be no numbers for what comes next.
const LAST_POSITION: u64 = 1 << 62;
/// A room that has got further than this cannot go on: there may not be numbers enough for what comes.
pub const LAST_START: u64 = LAST_POSITION / 2;
/// Largest head of commands: two strings as long as may be, at most eight bytes a command, and a few
/// numbers.
const COMMANDS_HEAD_BYTES: usize = 2 * SENDER_BYTES + 8 * RECORD_COMMANDS + 64;
/// What a record of commands has besides their frames, at most.
pub(super) const BESIDE_FRAMES_BYTES: usize = HEAD_LENGTH_BYTES + COMMANDS_HEAD_BYTES;
/// Largest head.
const HEAD_BYTES: usize = mixdesk::ROOM_BYTES;

fn head_config() -> impl Config {
    config::standard().with_limit::<HEAD_BYTES>()
}

/// What stands at the start of a record's body. Strings are borrowed.
#[derive(Debug, Serialize, Deserialize)]
enum Head<'a> {
    Room {
        room: &'a str,
        /// Values as they were written.
        attributes: &'a str,
        program: &'a str,
        made_millis: u64,
    },
    Commands(#[serde(borrow)] CommandsHead<'a>),
    /// These have changed.
    Attributes {
        attributes: &'a str,
        at_millis: u64,
    },
    /// Everything before this position is not part of the history any more.
    Cleared {
        before: u64,
    },
}

/// Commands of one sender that arrived together.
#[derive(Debug, Serialize, Deserialize)]
struct CommandsHead<'a> {
    /// Of the first one; the others follow by one.
    position: u64,
    /// Number of the sender's connection in that run of the relay.
    peer: u64,
    sender_id: &'a str,
    #[serde(borrow)]
    sender_name: Option<&'a str>,
    arrived_millis: u64,
    frames: Vec<Mark>,
}

/// One frame that follows the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    kind: u16,
    /// Header included.
    wire_bytes: u32,
}

impl Mark {
    fn of(frame: &FrameRef<'_>) -> Self {
        Self {
            kind: frame.header.kind.0,
            // Files hold no larger frames.
            wire_bytes: u32::try_from(frame.wire.len()).unwrap_or(u32::MAX),
        }
    }

    fn kind(self) -> Kind {
        Kind(self.kind)
    }
}

impl CommandsHead<'_> {
    fn positions(&self) -> Range<u64> {
        self.position..self.position + self.frames.len() as u64
    }

    fn wire_bytes(&self) -> u64 {
        let sizes = self.frames.iter().map(|mark| u64::from(mark.wire_bytes));
        sizes.sum()
    }
}

/// Something to write down.
#[derive(Clone, Copy, Debug)]
pub enum Note<'a> {
    /// Commands.
    Commands {
        /// Of the first one; the others follow by one.
        position: u64,
        /// Who sent them.
        sender: Sender<'a>,
        /// When the relay got them, in milliseconds since 1970 (Unix time).
        arrived_millis: u64,
        /// What they are.
        run: &'a Run,
    },
    /// Attributes of the room that have changed, values as they were written.
    Attributes {
        /// As a JSON object.
        attributes: &'a str,
        /// When, in milliseconds since 1970 (Unix time).
        at_millis: u64,
    },
    /// Everything before this position is not part of the history any more.
    Cleared(u64),
}

/// Who sent commands.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// Number of its connection in this run of the relay.
    pub peer: u64,
    /// Its id, `ip:port`.
    pub id: &'a str,
    /// Its name at that time.
    pub name: Option<&'a str>,
}

fn decode_head(bytes: &[u8]) -> Option<Head<'_>> {
    let (head, taken) = borrow_decode_from_slice::<Head<'_>, _>(bytes, head_config()).ok()?;
    let fits = match &head {
        Head::Commands(commands) => {
            commands.frames.len() <= RECORD_COMMANDS && commands.position <= LAST_POSITION
        }
        Head::Cleared { before } => *before <= LAST_POSITION,
        Head::Room { .. } | Head::Attributes { .. } => true,
    };
    (fits && taken == bytes.len()).then_some(head)
}

fn encode_head(head: &Head<'_>, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
    let bytes = encode_into_std_write(head, out, head_config())
        .map_err(|error| ArchiveError::Write(std::io::Error::other(error)))?;
    // bincode asks for the limit only when it reads.
    if bytes > HEAD_BYTES {
        return Err(ArchiveError::TooLarge {
            what: "a record's head",
            bytes: bytes as u64,
            limit: HEAD_BYTES as u64,
        });
    }
    Ok(())
}

/// The head of a file's first record.
fn room_head<'a>(heading: &'a Heading, attributes: &'a str) -> Result<Head<'a>, ArchiveError> {
    mixdesk::check_heading(heading, attributes)?;
    Ok(Head::Room {
        room: &heading.room,
        attributes,
        program: &heading.maker.program,
        made_millis: heading.maker.made_millis,
    })
}

const _: () = assert!(COMMANDS_HEAD_BYTES <= HEAD_BYTES && ATTRIBUTES_BYTES <= HEAD_BYTES);
