//! What can go wrong with a room file, in sentences that a person can act on.

use std::io;

use thiserror::Error;

use crate::protocol::{JsonError, Kind};

/// Why a room file cannot be read or written. Positions are byte offsets from the file's start.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The file is not there, or may not be read.
    #[error("the file cannot be opened: {0}")]
    Open(#[source] io::Error),
    /// The disk failed in the middle. What was given before is good.
    #[error("reading the file failed at byte {at}: {source}")]
    Read {
        /// Where.
        at: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("this is not a room file, neither of Mixer nor of Mixdesk")]
    NotARoomFile,
    /// The file's format is one that this program does not know yet.
    #[error(
        "this file was made by a newer Mixdesk (file version {version}): update Mixdesk to open it"
    )]
    Newer {
        /// The file's version.
        version: u32,
    },
    /// There is too little even for the room's name and attributes.
    #[error(
        "the file ends after {bytes} bytes, before the room's attributes do: saving or copying it \
         never came to an end, so look for another copy"
    )]
    NoHeading {
        /// The file's size.
        bytes: u64,
    },
    /// The attributes are not what Python's `json` module reads.
    #[error("the room's attributes are not valid, so this is no room file or a damaged one: {0}")]
    Attributes(#[from] JsonError),
    /// The bytes contradict themselves. What was given before is good.
    #[error("the file is damaged at byte {at}: {what}; all that stands before can still be used")]
    Damaged {
        /// Where what cannot be read starts.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The room has something that its file cannot hold.
    #[error("{what} of {bytes} bytes is larger than the {limit} bytes that a room file can hold")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The largest that can be.
        limit: u64,
    },
    /// Only room commands make a room's history.
    #[error("{0} is not part of a room's content and cannot be saved")]
    NotARoomCommand(Kind),
    /// The disk is full, or the folder may not be written to.
    #[error("the room cannot be saved: {0}; a file of that name from before is untouched")]
    Write(#[source] io::Error),
    /// An earlier write failed, so the file would have a hole.
    #[error("the room is not saved, because writing an earlier part of it failed")]
    Incomplete,
}
