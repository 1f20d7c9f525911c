//! Our own place among the rooms.

use std::time::Instant;

/// Our own place among the rooms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Membership {
    /// In no room.
    #[default]
    Out,
    /// Making a room; waiting to be asked for its content.
    Creating {
        /// Its name.
        room: String,
    },
    /// Asked to join, or receiving the history.
    Joining {
        /// Its name.
        room: String,
        /// Bytes received.
        received_bytes: u64,
        /// Bytes to receive, as the room's attributes said when it began.
        total_bytes: u64,
        /// When it began.
        since: Instant,
        /// The history has begun to come, so it is no longer refused.
        begun: bool,
    },
    /// In a room.
    In {
        /// Its name.
        room: String,
    },
    /// Asked to leave.
    Leaving {
        /// Its name.
        room: String,
    },
}

impl Membership {
    /// The room we are in, or on the way in or out of.
    #[must_use]
    pub fn room(&self) -> Option<&str> {
        match self {
            Self::Out => None,
            Self::Creating { room }
            | Self::Joining { room, .. }
            | Self::In { room }
            | Self::Leaving { room } => Some(room),
        }
    }
}
