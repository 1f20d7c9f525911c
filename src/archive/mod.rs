//! Room files: a room's attributes and its history, saved to be opened again.
//!
//! Two formats. [`Format::Mixer`] is what the add-on itself downloads and uploads: attributes, then
//! frames, no checks. [`Format::Mixdesk`] is ours: versioned, every record with a checksum, and with
//! who sent what when. Both are written and read frame by frame, so a room larger than memory works.
//!
//! [`open`] tells the formats apart by their first bytes and gives an [`Archive`], an iterator that
//! at its end says whether the file was [`Ending::Whole`]. [`create`] gives a [`Writer`], which
//! replaces the file of that name only when all of the room is on the disk.
//!
//! Below: `mixer` and `mixdesk` are the formats over any [`Read`](std::io::Read) or
//! [`Write`](std::io::Write); `record` is the layer of checked records that ours is made of, and
//! that the relay's journal can append to, since a kill in the middle of a write only tears the end
//! off.
//!
//! Everything here is synchronous: callers run it where blocking is allowed.
//!
//! Invariant: nothing here panics, whatever the bytes, and no length that a file claims is allocated
//! before that many bytes are known to be there.

mod create;
mod entry;
mod error;
mod history;
pub mod journal;
mod mixdesk;
mod mixer;
mod open;
mod record;

#[cfg(test)]
mod hostile_tests;

pub use create::{Writer, create};
pub use entry::{Ending, Entry, Format, Maker, Origin, unix_millis};
pub use error::ArchiveError;
pub use history::{Command, History};
pub use mixdesk::{Heading, MixdeskReader, MixdeskWriter, SENDER_BYTES};
pub use mixer::{MixerReader, MixerWriter};
pub use open::{Archive, open};
pub use record::{RECORD_HEADER_BYTES, Record, RecordReader, RecordWriter};

use crate::protocol::{Frame, FrameLimits, HEADER_BYTES};

/// Longest text of a room's attributes, in bytes. A relay of ours refuses to keep so many.
pub const ATTRIBUTES_BYTES: usize = 16 << 20;

/// Largest command that a room's file can hold, in bytes, header not counted: what fits a record together
/// with what says who sent it.
pub const COMMAND_BYTES: u64 = {
    let (copy, journal) = (mixdesk::METADATA_BYTES, journal::BESIDE_FRAMES_BYTES);
    let beside = if copy > journal { copy } else { journal };
    u32::MAX as u64 - (HEADER_BYTES + beside) as u64
};

/// Largest frames in a file. Unlike on the wire this protects nobody, since memory follows what the
/// file really holds.
const FRAME_LIMITS: FrameLimits = FrameLimits {
    command_bytes: COMMAND_BYTES,
    control_bytes: FrameLimits::DEFAULT.control_bytes,
};

/// Whether a frame can be part of a file.
fn check(frame: &Frame) -> Result<(), ArchiveError> {
    if !frame.kind().is_room_command() {
        return Err(ArchiveError::NotARoomCommand(frame.kind()));
    }
    let bytes = frame.payload().len() as u64;
    if bytes > FRAME_LIMITS.command_bytes {
        return Err(ArchiveError::TooLarge {
            what: "a message",
            bytes,
            limit: FRAME_LIMITS.command_bytes,
        });
    }
    Ok(())
}
