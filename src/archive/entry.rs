//! What a room file gives and takes.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::protocol::{Frame, Kind};

/// How a room file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The add-on's own.
    Mixer,
    /// Ours.
    Mixdesk,
}

impl Format {
    /// The usual end of a file's name, without the dot. Only a habit: files are recognised by their
    /// first bytes, and the add-on has no habit at all.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mixer => "mixer",
            Self::Mixdesk => "mixdesk",
        }
    }
}

/// One command of a room's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The command as it stood on the wire.
    pub frame: Frame,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a command came from. Mixer's own files only have positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Its place in the room's log; for a file of Mixer its place in the file, from 0.
    pub position: u64,
    /// The sender's id, `ip:port`.
    pub sender_id: Option<String>,
    /// The sender's name at that time.
    pub sender_name: Option<String>,
    /// When the relay got it, in milliseconds since 1970 (Unix time); 0 when not known.
    pub arrived_millis: u64,
}

/// What made a file, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    /// Program and version, such as `Mixdesk 0.1.0`.
    pub program: String,
    /// When, in milliseconds since 1970 (Unix time).
    pub made_millis: u64,
}

impl Maker {
    /// This program, at this time.
    #[must_use]
    pub fn this_program(now: SystemTime) -> Self {
        Self {
            program: concat!("Mixdesk ", env!("CARGO_PKG_VERSION")).to_owned(),
            made_millis: unix_millis(now),
        }
    }
}

/// Unix time in milliseconds, as files hold it: 0 for what was before 1970.
#[must_use]
pub fn unix_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// After a whole entry, as it should. (A file that was cut exactly between two entries looks the
    /// same.)
    Whole,
    /// In the middle of an entry: it was still being written, or copying it stopped.
    CutOff {
        /// Where the torn entry starts; the file up to there is good.
        at: u64,
        /// Bytes from there to the file's end, which are of no use.
        lost_bytes: u64,
    },
}

/// Batches that were begun and ended, which a joining Blender counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Groups {
    pub(super) open: u64,
    pub(super) stray_ends: u64,
}

impl Groups {
    pub(super) fn count(&mut self, kind: Kind) {
        match kind {
            Kind::GROUP_BEGIN => self.open += 1,
            Kind::GROUP_END if self.open == 0 => self.stray_ends += 1,
            Kind::GROUP_END => self.open -= 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_nest_and_ends_may_be_stray() {
        let mut groups = Groups::default();
        for kind in [133, 132, 140, 132, 133, 140, 132].map(Kind) {
            groups.count(kind);
        }
        assert_eq!((groups.open, groups.stray_ends), (2, 1));
    }
}
