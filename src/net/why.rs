//! Why a relay cannot be reached, or the connection to it ended.

use std::time::Duration;

use thiserror::Error;

use super::connect::ConnectError;
use super::read::{ReadError, io_words};
use super::target::Target;
use super::write::WriteError;
use crate::protocol::{Foreign, FrameError, WireError};

/// Why a relay cannot be reached, or the connection to it ended. The text says what happened;
/// [`advice`](Self::advice) says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Why {
    /// The name leads nowhere.
    #[error("No computer is known by the name “{name}”.", name = .0.host)]
    UnknownName(Target),
    /// The name could not be looked up in time.
    #[error("The name “{name}” could not be looked up: no answer came.", name = .0.host)]
    LookupTimedOut(Target),
    /// The computer is there, but nothing listens on the port.
    #[error("Nobody answers at {0}. The computer is there, but no server runs on that port.")]
    Refused(Target),
    /// Nothing came back.
    #[error("{0} did not answer within {patience} s.", patience = .1.as_secs_f32())]
    TimedOut(Target, Duration),
    /// The network says that there is no way.
    #[error("There is no way to {0} from this computer: {1}.")]
    Unreachable(Target, String),
    /// Something answers that is not a relay.
    #[error("Something answers at {0}, but it is not a Mixer server: it spoke {spoken}.", spoken = .1.words())]
    NotMixer(Target, Foreign),
    /// Something took the connection and says nothing a relay would say.
    #[error("Something takes connections at {0}, but does not answer like a Mixer server.")]
    Silent(Target),
    /// It closed the connection before it said who it is.
    #[error("{0} closed the connection before it answered.")]
    ClosedEarly(Target),
    /// It closed the connection, with its last words if it had any.
    #[error("{0} closed the connection{words}.", words = last_words(.1.as_deref()))]
    Closed(Target, Option<String>),
    /// The connection broke.
    #[error("The connection to {0} broke: {1}.")]
    Broke(Target, String),
    /// What came makes no sense.
    #[error("{0} sent something that is not Mixer: {1}.")]
    Nonsense(Target, String),
}

fn last_words(words: Option<&str>) -> String {
    words.map_or_else(String::new, |words| {
        format!(" and said: {}", words.trim_end_matches('.'))
    })
}

impl Why {
    /// What to do about it, as a sentence.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::UnknownName(_) => {
                "Check the spelling, or ask your colleague for the address with numbers, such as 192.168.0.48."
            }
            Self::LookupTimedOut(_) => {
                "Check that this computer is connected to the network, or use the address with numbers."
            }
            Self::Refused(target) if target.is_local() => {
                "Connect again to start a server on this computer."
            }
            Self::Refused(_) => {
                "Ask your colleague to press Connect first, and to read you the address and port again."
            }
            Self::TimedOut(..) => {
                "Check the address. If it is right, a firewall or router keeps you out: both of you must be in the \
                 same network or VPN, or the host must let people in from the internet."
            }
            Self::Unreachable(..) => {
                "Check that this computer is connected to the network or VPN of the host."
            }
            Self::NotMixer(..) | Self::Silent(_) | Self::Nonsense(..) => {
                "Check the port: Mixer's is 12800 unless the host chose another."
            }
            Self::ClosedEarly(_) => {
                "The server may be full or about to close. Try again in a moment."
            }
            Self::Closed(..) => "Ask the host whether the session is over.",
            Self::Broke(..) => "Check the network or VPN of both computers.",
        }
    }

    /// Why connecting failed.
    #[must_use]
    pub fn from_connect(error: ConnectError, target: &Target) -> Self {
        let target = target.clone();
        match error {
            ConnectError::Unknown { .. } => Self::UnknownName(target),
            ConnectError::LookupTimedOut { .. } => Self::LookupTimedOut(target),
            ConnectError::Refused(_) => Self::Refused(target),
            ConnectError::TimedOut { patience, .. } => Self::TimedOut(target, patience),
            ConnectError::Unreachable { error, .. } => Self::Unreachable(target, io_words(&error)),
        }
    }

    /// Why nothing more can be read. `answered`: something that only a relay would say has come before.
    #[must_use]
    pub fn from_read(error: ReadError, target: &Target, answered: bool) -> Self {
        let target = target.clone();
        match error {
            ReadError::Frame(FrameError::NotMixer(foreign)) => Self::NotMixer(target, foreign),
            ReadError::Silent(_) => Self::Silent(target),
            ReadError::Io(_) | ReadError::Truncated if !answered => Self::ClosedEarly(target),
            ReadError::Frame(error) => Self::Nonsense(target, error.to_string()),
            ReadError::Io(error) => Self::Broke(target, io_words(&error)),
            error @ (ReadError::Truncated | ReadError::Stalled(_)) => {
                Self::Broke(target, error.to_string())
            }
        }
    }

    /// Why nothing more can be written. `answered`: something that only a relay would say has come before.
    #[must_use]
    pub fn from_write(error: &WriteError, target: &Target, answered: bool) -> Self {
        match error {
            WriteError::Io(_) if !answered => Self::ClosedEarly(target.clone()),
            WriteError::Io(error) => Self::Broke(target.clone(), io_words(error)),
            WriteError::Stalled(_) | WriteError::Dead => {
                Self::Broke(target.clone(), error.to_string())
            }
        }
    }

    /// Why a message was not understood.
    #[must_use]
    pub fn from_wire(error: &WireError, target: &Target) -> Self {
        Self::Nonsense(target.clone(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_sentences() {
        let target = || Target {
            host: "studio".into(),
            port: 12800,
        };
        for why in [
            Why::UnknownName(target()),
            Why::LookupTimedOut(target()),
            Why::Refused(target()),
            Why::TimedOut(target(), Duration::from_secs(5)),
            Why::Unreachable(target(), "no route to host".into()),
            Why::NotMixer(target(), Foreign::Http),
            Why::Silent(target()),
            Why::ClosedEarly(target()),
            Why::Closed(target(), None),
            Why::Closed(target(), Some("The server is closing.".into())),
            Why::Broke(target(), "reset".into()),
            Why::Nonsense(target(), "x".into()),
        ] {
            let text = why.to_string();
            assert!(
                text.contains("studio") && text.ends_with('.') && !text.ends_with(".."),
                "{text}"
            );
            assert!(why.advice().ends_with('.'), "{why:?}");
        }
    }
}
