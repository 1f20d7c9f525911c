//! Room files: a room's attributes and its history, saved to be opened again.
//!
//! Two formats. [`Format::Mixer`] is what the add-on itself downloads and uploads: attributes, then
//! frames, no checks. [`Format::Mixdesk`] is ours: versioned, every record with a checksum, and with
//! who sent what when. Both are written and read frame by frame, so a room larger than memory works.
//!
//! Everything here is synchronous: callers run it where blocking is allowed.
//!
//! Invariant: nothing here panics, whatever the bytes, and no length that a file claims is allocated
//! before that many bytes are known to be there.

mod entry;
mod error;
mod record;

pub use entry::{Ending, Entry, Format, Maker, Origin};
pub use error::ArchiveError;
pub use record::{RECORD_HEADER_BYTES, Record, RecordReader, RecordWriter};
