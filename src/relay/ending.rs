//! Why the relay ends a connection that would go on by itself.

use thiserror::Error;

/// Who ends a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The host, with these last words.
    Host(String),
    /// A limit.
    Limit(Exceeded),
}

/// A limit that ends a connection. The text is a sentence without its end, about whoever exceeded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Exceeded {
    /// It was a slow member for too long.
    #[error("it was more than {bytes} bytes behind its room for {seconds} s")]
    Slow {
        /// See [`Limits::slow_bytes`](super::Limits::slow_bytes).
        bytes: u64,
        /// See [`Limits::slow_seconds`](super::Limits::slow_seconds).
        seconds: u64,
    },
    /// Messages that are on their way in take more than so many bytes.
    #[error(
        "messages that have not arrived whole took more than {0} bytes, and its was the largest"
    )]
    Arriving(u64),
}

impl Exceeded {
    /// What whoever exceeded it is told.
    pub(super) fn told(self) -> String {
        match self {
            Self::Slow { bytes, seconds } => format!(
                "You were more than {bytes} bytes behind your room for {seconds} seconds. Join it again when your \
                 connection is faster."
            ),
            Self::Arriving(limit) => format!(
                "The server closed the connection: messages that have not arrived whole take more than {limit} bytes \
                 of its memory, and yours is the largest."
            ),
        }
    }
}
