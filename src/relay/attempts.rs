//! Attempts that failed, and why: what the host looks at when somebody cannot get in.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::SystemTime;

use thiserror::Error;

use super::guests::Origin;
use crate::protocol::{Foreign, cut, harmless};

/// How many are kept.
const KEPT: usize = 200;
/// How many of one origin are kept, so that one cannot wash those of all others away.
const KEPT_OF_ONE: usize = 20;
/// Longest text that a reason keeps, in characters: it may hold what a peer said.
const TEXT_CHARS: usize = 300;

/// Why an attempt failed. The text is a sentence without its end, about whoever tried.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failed {
    /// It is no Mixer at all.
    #[error("it spoke {}", .0.words())]
    Foreign(Foreign),
    /// It never sent a whole message.
    #[error("it finished no message within {0} s of connecting")]
    Silent(u64),
    /// It broke a rule that ends a connection.
    #[error("cut off: {0}")]
    CutOff(String),
    /// It could not enter a room: versions, a scene that is not there yet, …
    #[error("refused: {0}")]
    Refused(String),
    /// So many are connected that there was no place.
    #[error("refused: the server was full, with {0} people")]
    Full(usize),
    /// Somebody is connected who is called the same: its address and port.
    #[error("refused: {0} is connected already")]
    Twin(String),
    /// It is banned, for this reason.
    #[error("refused: banned{}", because(.0))]
    Banned(String),
    /// The host did not let it in.
    #[error("refused: the host said no")]
    Denied,
    /// The host did not answer within so many seconds.
    #[error("it was not let in within {0} s")]
    Unanswered(u64),
    /// It went away before the host had answered.
    #[error("it gave up waiting to be let in")]
    GaveUp,
    /// So many others wait for the host that there was no place to wait.
    #[error("refused: too many others waited to be let in")]
    Crowded,
    /// There are so many connections from its address.
    #[error("refused: {0} connections from its address at the same time")]
    TooMany(usize),
    /// So many a second came from its address.
    #[error("refused: more than {0} connections a second from its address")]
    TooFast(u32),
}

fn because(reason: &str) -> String {
    match reason.trim().trim_end_matches('.') {
        "" => String::new(),
        reason => format!(": {reason}"),
    }
}

/// What somebody is told whom the host sends away.
pub(super) fn verdict(what: &str, reason: &str) -> String {
    format!("The host has {what} you{}.", because(reason))
}

impl Failed {
    /// What whoever tried is told; `None` where it would not understand, or has been told already.
    pub(super) fn told(&self) -> Option<String> {
        Some(match self {
            Self::Foreign(_) | Self::Refused(_) | Self::CutOff(_) | Self::GaveUp => return None,
            Self::Silent(_) => format!("The server closed the connection: {self}."),
            Self::Full(people) => {
                format!("This server is full: {people} people are connected. Try again later.")
            }
            Self::Twin(client_id) => format!(
                "The server closed the connection: {client_id}, which is your address, is connected already. Connect \
                 again."
            ),
            Self::Banned(reason) => verdict("banned", reason),
            Self::Denied => "The host did not let you in.".to_owned(),
            Self::Unanswered(_) => "The host did not answer. Try again later.".to_owned(),
            Self::Crowded => "Too many others wait to be let in. Try again later.".to_owned(),
            Self::TooMany(count) => format!(
                "There are {count} connections from your address already. Close one of them first."
            ),
            Self::TooFast(a_second) => format!(
                "More than {a_second} connections a second came from your address. Try again in a moment."
            ),
        })
    }

    fn shortened(self) -> Self {
        match self {
            Self::CutOff(text) => Self::CutOff(short(&text)),
            Self::Refused(text) => Self::Refused(short(&text)),
            other => other,
        }
    }
}

/// It is shown among other lines, and is not to look like some.
fn short(text: &str) -> String {
    cut(&harmless(text), TEXT_CHARS).into_owned()
}

/// An attempt that failed, or several that failed alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When, the last time.
    pub at: SystemTime,
    /// From where.
    pub address: IpAddr,
    /// Why.
    pub why: Failed,
    /// How many times.
    pub count: u64,
}

/// The last attempts that failed, oldest first. Bounded.
#[derive(Debug, Default)]
pub(super) struct Attempts(VecDeque<Attempt>);

impl Attempts {
    pub(super) fn record(&mut self, address: IpAddr, why: Failed, at: SystemTime) {
        let (why, origin) = (why.shortened(), Origin::from(address));
        let of_one = |old: &Attempt| Origin::from(old.address) == origin;
        let same = self.0.iter().position(|old| of_one(old) && old.why == why);
        let count = 1 + same
            .and_then(|same| self.0.remove(same))
            .map_or(0, |old| old.count);
        if self.0.iter().filter(|old| of_one(old)).count() >= KEPT_OF_ONE {
            let oldest = self.0.iter().position(of_one);
            oldest.and_then(|oldest| self.0.remove(oldest));
        }
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Attempt {
            at,
            address,
            why,
            count,
        });
    }

    pub(super) fn list(&self) -> Vec<Attempt> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn the_same_again_is_counted() {
        let mut attempts = Attempts::default();
        let later = UNIX_EPOCH + Duration::from_secs(9);
        attempts.record(ip(1), Failed::Denied, UNIX_EPOCH);
        attempts.record(ip(2), Failed::Denied, UNIX_EPOCH);
        attempts.record(ip(1), Failed::Crowded, UNIX_EPOCH);
        attempts.record(ip(1), Failed::Denied, later);
        let got: Vec<_> = attempts.list();
        let got: Vec<_> = got
            .iter()
            .map(|one| (one.address, one.why.clone(), one.count, one.at))
            .collect();
        assert_eq!(
            got,
            [
                (ip(2), Failed::Denied, 1, UNIX_EPOCH),
                (ip(1), Failed::Crowded, 1, UNIX_EPOCH),
                (ip(1), Failed::Denied, 2, later)
            ]
        );
    }

    #[test]
    fn one_cannot_wash_the_others_away() {
        let mut attempts = Attempts::default();
        attempts.record(ip(1), Failed::Foreign(Foreign::Http), UNIX_EPOCH);
        for number in 0..10_000 {
            attempts.record(ip(2), Failed::Refused(number.to_string()), UNIX_EPOCH);
        }
        let list = attempts.list();
        assert_eq!(list.len(), 1 + KEPT_OF_ONE);
        assert_eq!(
            list[0].why.to_string(),
            "it spoke HTTP (a web browser or web server)"
        );
        assert_eq!(list[KEPT_OF_ONE].why, Failed::Refused("9999".into()));
        for number in 0..=255 {
            attempts.record(ip(number), Failed::Refused("x".repeat(9999)), UNIX_EPOCH);
        }
        let list = attempts.list();
        assert_eq!(list.len(), KEPT);
        assert!(list.iter().all(|one| one.why.to_string().len() < 400));
    }

    #[test]
    fn what_a_peer_said_cannot_look_like_another_line() {
        let mut attempts = Attempts::default();
        let forged = "There is no room “x\n192.0.2.9 reached us\u{202e}”.";
        let whys: [fn(String) -> Failed; 2] = [Failed::Refused, Failed::CutOff];
        for why in whys {
            attempts.record(ip(1), why(forged.to_owned()), UNIX_EPOCH);
        }
        for attempt in attempts.list() {
            let why = attempt.why.to_string();
            assert!(
                why.contains("“x\u{fffd}192.0.2.9 reached us\u{fffd}”"),
                "{why}"
            );
        }
    }

    #[test]
    fn sentences_are_sentences() {
        for why in [
            Failed::Silent(20),
            Failed::Full(4096),
            Failed::Twin("192.0.2.1:50000".into()),
            Failed::Banned(String::new()),
            Failed::Banned("noise.".into()),
            Failed::Denied,
            Failed::Unanswered(600),
            Failed::Crowded,
            Failed::TooMany(256),
            Failed::TooFast(20),
        ] {
            let told = why.told().unwrap();
            assert!(told.ends_with('.') && !told.ends_with(".."), "{told}");
            assert!(!why.to_string().ends_with('.'), "{why}");
        }
        assert_eq!(
            Failed::Banned(" noise. ".into()).told().unwrap(),
            "The host has banned you: noise."
        );
        assert_eq!(Failed::GaveUp.told(), None);
    }
}
