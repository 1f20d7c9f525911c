//! What the start-up script tells, and how to say it to people.

use std::fmt;

use serde_json::Value;

/// Characters of a detail that are kept: as much as fits a line or two on screen.
const DETAIL_CHARS: usize = 300;

/// How far a started Blender is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Blender starts; the script has not begun its work.
    Starting,
    /// It reaches for the relay: `host:port`, and why the last attempt failed.
    Connecting(String),
    /// It is connected and waits: for what.
    Waiting(String),
    /// It receives the room.
    Joining,
    /// It makes the room.
    Creating,
    /// It is in the room: what it found there, and its versions.
    Joined(String),
    /// It is not in the room and does not try again. Blender itself may go on.
    Failed(Failure),
    /// Blender was closed.
    Ended,
}

/// Why Blender did not get into the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What sort of reason.
    pub reason: Reason,
    /// What goes with it: versions, an address, the technical line. May be empty.
    pub detail: String,
}

/// What kept Blender out of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No Mixer is installed in this Blender.
    AddonMissing,
    /// A Mixer is installed, but it does not load.
    AddonBroken,
    /// Nobody knows the host's name.
    UnknownHost,
    /// Nobody takes the connection.
    NoRelay,
    /// Something took the connection, but does not speak as a Mixer server.
    NoAnswer,
    /// The room to join is not there.
    RoomMissing,
    /// The room to make is there already.
    RoomExists,
    /// Blender or Mixer differ from the room's.
    VersionsDiffer,
    /// The server did not let us in.
    Refused,
    /// The connection broke on the way in.
    ConnectionLost,
    /// Blender ended by itself before it was in the room.
    Crashed,
    /// Anything else.
    Other,
}

impl State {
    /// Whether the script's work is done: in the room, or not to be.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Joined(_) | Self::Failed(_) | Self::Ended)
    }

    /// What is going on, as a sentence or two for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Starting => {
                "Blender is starting. The first time can take half a minute.".to_owned()
            }
            Self::Connecting(detail) => with("Blender is connecting", detail),
            Self::Waiting(detail) => with("Blender is waiting", detail),
            Self::Joining => "Blender is receiving the room.".to_owned(),
            Self::Creating => "Blender is making the room.".to_owned(),
            Self::Joined(detail) => with("Blender is in the room", detail),
            Self::Failed(failure) => format!("{} {}", failure.what(), failure.advice()),
            Self::Ended => "Blender was closed.".to_owned(),
        }
    }

    /// Reads a status file's text. `None` when it is not, or not yet, one.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let status: Value = serde_json::from_slice(text).ok()?;
        let text_of = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or_default();
        let detail = readable(text_of("detail"));
        Some(match text_of("state") {
            "starting" => Self::Starting,
            "connecting" => Self::Connecting(detail),
            "waiting" => Self::Waiting(detail),
            "joining" => Self::Joining,
            "creating" => Self::Creating,
            "joined" => Self::Joined(detail),
            "failed" => Self::Failed(Failure {
                reason: Reason::parse(text_of("reason")),
                detail,
            }),
            _ => return None,
        })
    }
}

impl Reason {
    fn parse(text: &str) -> Self {
        match text {
            "addon-missing" => Self::AddonMissing,
            "addon-broken" => Self::AddonBroken,
            "unknown-host" => Self::UnknownHost,
            "no-relay" => Self::NoRelay,
            "no-answer" => Self::NoAnswer,
            "room-missing" => Self::RoomMissing,
            "room-exists" => Self::RoomExists,
            "versions-differ" => Self::VersionsDiffer,
            "refused" => Self::Refused,
            "connection-lost" => Self::ConnectionLost,
            _ => Self::Other,
        }
    }
}

impl Failure {
    /// What happened and why, as a sentence.
    #[must_use]
    pub fn what(&self) -> String {
        let what = match self.reason {
            Reason::AddonMissing => "The Mixer add-on is not installed in this Blender",
            Reason::AddonBroken => "The Mixer add-on does not load in this Blender",
            Reason::UnknownHost => "Blender cannot find the host",
            Reason::NoRelay => "No server answers Blender",
            Reason::NoAnswer => "Something answers Blender, but it is not a Mixer server",
            Reason::RoomMissing => "The room is not on the server",
            Reason::RoomExists => "A room of that name exists already",
            Reason::VersionsDiffer => "The versions differ",
            Reason::Refused => "The server did not let Blender into the room",
            Reason::ConnectionLost => "Blender lost the connection on its way into the room",
            Reason::Crashed => "Blender ended before it was in the room",
            Reason::Other => "Blender could not enter the room",
        };
        with(what, &self.detail)
    }

    /// What to do about it, as a sentence.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self.reason {
            Reason::AddonMissing => {
                "Install Mixer in Blender's preferences under Add-ons, or choose another Blender in the settings."
            }
            Reason::AddonBroken => {
                "Mixer 1.0 was made for Blender 2.9 and does not load in Blender 4. \
                 Choose an older Blender in the settings, or install a Mixer made for this one."
            }
            Reason::UnknownHost => {
                "Check the host's spelling, or use its IPv4 address; Mixer knows no IPv6."
            }
            Reason::NoRelay => {
                "Check that the server still runs, and that a firewall lets Blender reach it."
            }
            Reason::NoAnswer => "Check the port with the person who hosts.",
            Reason::RoomMissing => {
                "Look at the list of rooms: it may have been closed or have another name."
            }
            Reason::RoomExists => "Join that room, or choose another name.",
            Reason::VersionsDiffer => "Use the Blender and Mixer that the room was made with.",
            Reason::Refused | Reason::ConnectionLost => {
                "Try again; if it stays so, ask the person who hosts."
            }
            Reason::Crashed => {
                "Start this Blender by itself to see whether it works, or choose another in the settings."
            }
            Reason::Other => "Connect by hand in Blender: sidebar (N), Mixer, Connect, Join Room.",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())
    }
}

/// A sentence with what goes with it.
fn with(sentence: &str, detail: &str) -> String {
    if detail.is_empty() {
        format!("{sentence}.")
    } else {
        format!("{sentence}: {}.", detail.trim_end_matches('.'))
    }
}

/// One line of bounded length: a detail can hold what a stranger's server sent.
pub(super) fn readable(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let line = line.trim();
    match line.char_indices().nth(DETAIL_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{DETAIL_CHARS, Failure, Reason, State};

    fn parse(text: &str) -> Option<State> {
        State::parse(text.as_bytes())
    }

    #[test]
    fn a_status_becomes_a_state() {
        let detail = "d".to_owned();
        let table = [
            (r#"{"state":"starting"}"#, State::Starting),
            (
                r#"{"state":"connecting","detail":"d"}"#,
                State::Connecting(detail.clone()),
            ),
            (
                r#"{"state":"waiting","detail":"d"}"#,
                State::Waiting(detail.clone()),
            ),
            (r#"{"state":"joining","detail":"d"}"#, State::Joining),
            (r#"{"state":"creating"}"#, State::Creating),
            (
                r#"{"state":"joined","detail":"d","blender":"3.4.1","new":[1]}"#,
                State::Joined(detail.clone()),
            ),
            (
                r#"{"state":"failed","reason":"addon-missing","detail":"d"}"#,
                State::Failed(Failure {
                    reason: Reason::AddonMissing,
                    detail: detail.clone(),
                }),
            ),
            (
                r#"{"state":"failed","reason":"made-up-later","detail":"d"}"#,
                State::Failed(Failure {
                    reason: Reason::Other,
                    detail,
                }),
            ),
        ];
        for (text, state) in table {
            assert_eq!(parse(text), Some(state), "{text}");
        }
    }

    #[test]
    fn what_is_no_status_is_not_taken_for_one() {
        let table = [
            "",
            "{",
            "null",
            "[]",
            "7",
            r#""joined""#,
            "{}",
            r#"{"state":7}"#,
            r#"{"state":"dancing"}"#,
        ];
        for text in table {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(State::parse(&[0xff, 0xfe]), None);
    }

    #[test]
    fn a_detail_of_another_type_is_none_at_all() {
        for text in [
            r#"{"state":"waiting","detail":7}"#,
            r#"{"state":"waiting","detail":null}"#,
        ] {
            assert_eq!(parse(text), Some(State::Waiting(String::new())), "{text}");
        }
    }

    #[test]
    fn a_detail_is_one_line_of_bounded_length() {
        let text = format!(
            r#"{{"state":"waiting","detail":"a\nb\u001b{}"}}"#,
            "ä".repeat(1000)
        );
        let Some(State::Waiting(detail)) = parse(&text) else {
            panic!("{text}")
        };
        assert!(detail.starts_with("a b ä"));
        assert_eq!(detail.chars().count(), DETAIL_CHARS + 1);
    }

    #[test]
    fn every_sentence_ends_once() {
        let reasons = [
            Reason::AddonMissing,
            Reason::AddonBroken,
            Reason::UnknownHost,
            Reason::NoRelay,
            Reason::NoAnswer,
            Reason::RoomMissing,
            Reason::RoomExists,
            Reason::VersionsDiffer,
            Reason::Refused,
            Reason::ConnectionLost,
            Reason::Crashed,
            Reason::Other,
        ];
        for detail in ["", "the room has Blender 3.6", "No answer."] {
            for reason in reasons {
                let failure = Failure {
                    reason,
                    detail: detail.to_owned(),
                };
                for sentence in [failure.what(), failure.advice().to_owned()] {
                    assert!(
                        sentence.ends_with('.') && !sentence.ends_with(".."),
                        "{sentence}"
                    );
                }
            }
            assert!(
                State::Connecting(detail.to_owned())
                    .sentence()
                    .ends_with('.')
            );
        }
    }

    #[test]
    fn a_failure_says_what_happened_and_what_to_do() {
        let failure = Failure {
            reason: Reason::AddonMissing,
            detail: "Blender 3.4.1".to_owned(),
        };
        assert_eq!(
            State::Failed(failure).sentence(),
            "The Mixer add-on is not installed in this Blender: Blender 3.4.1. Install Mixer in Blender's preferences \
             under Add-ons, or choose another Blender in the settings."
        );
    }
}
