//! What the window shows of how colleagues reach this computer, and this computer them: plain values.

use std::net::IpAddr;
use std::time::SystemTime;

use super::view::Failure;
use crate::reach::{Typed, understand};

/// What to tell colleagues so that they can connect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Share {
    /// What the session is called, in colleagues' lists and in the invite.
    pub session: String,
    /// The port to give with each address.
    pub port: u16,
    /// The addresses, best first. Empty when this computer has no network.
    pub addresses: Vec<Address>,
    /// Whether people from the internet can come in.
    pub internet: Internet,
    /// This network's address as the internet sees it, asked for where the router does not tell.
    pub public: PublicAddress,
    /// One text that carries every way in. Empty while there is none.
    pub invite: String,
}

impl Share {
    /// The address to show large: the best one that colleagues can use.
    #[must_use]
    pub fn primary(&self) -> Option<&Address> {
        self.addresses
            .first()
            .filter(|address| address.for_colleagues)
    }

    /// The invite to one room; empty while there is none.
    #[must_use]
    pub fn invite_for(&self, room: &str) -> String {
        match understand(&self.invite, self.port) {
            Ok(Typed::Invite(invite)) => invite.for_room(room).to_string(),
            Ok(Typed::Target(_)) | Err(_) => String::new(),
        }
    }
}

/// One address of this computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address itself.
    pub ip: IpAddr,
    /// What it is, in words: `LAN`, `VPN (ZeroTier)`, `Docker – not for colleagues`.
    pub label: String,
    /// Whether a colleague could reach us there.
    pub for_colleagues: bool,
}

/// What came of asking the router to let people in from the internet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Internet {
    /// Nobody wants that.
    #[default]
    Off,
    /// The router is being asked.
    Asking,
    /// People can come in.
    Open {
        /// What to give to them, as `address:port`.
        address: String,
        /// Why they can, as a sentence without its end.
        what: String,
        /// What may still be in the way, as a sentence.
        advice: Option<String>,
    },
    /// They cannot, or not by what the router could be asked for.
    Blocked {
        /// What happened and why, as a sentence.
        what: String,
        /// What to do about it, in sentences.
        advice: String,
        /// What to type into the router, where that helps.
        by_hand: Option<ByHand>,
    },
}

/// The numbers of a port forwarding, as routers ask for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByHand {
    /// Always `TCP`.
    pub protocol: &'static str,
    /// The port that people on the internet connect to.
    pub outside: u16,
    /// This computer's address in its network.
    pub inside: String,
    /// The port that we listen on.
    pub port: u16,
}

impl ByHand {
    /// The numbers on one line, to send to whoever looks after the router.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{}, outside port {} → {}, port {}",
            self.protocol, self.outside, self.inside, self.port
        )
    }
}

/// This network's address as the internet sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PublicAddress {
    /// Nobody has asked.
    #[default]
    NotAsked,
    /// A server on the internet is being asked.
    Asking,
    /// What it said.
    Known {
        /// The address, with the port where it must be told.
        address: String,
    },
    /// It could not be found out.
    Unknown(Failure),
}

/// The sessions announced on this network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nearby {
    /// One entry a host, in an order that stays.
    pub hosts: Vec<NearbyHost>,
    /// Why nobody is looked for, as a sentence.
    pub off: Option<String>,
}

/// A session announced on this network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearbyHost {
    /// What to ask for it by.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Its best address, with the port where it must be told.
    pub address: String,
    /// How many rooms it has, where it says so.
    pub rooms: Option<u32>,
    /// How many people are connected to it, where it says so.
    pub people: Option<u32>,
    /// The program that hosts, by version; empty where it does not say.
    pub version: String,
    /// Its host is asked before somebody new may come in.
    pub asks: bool,
    /// Since when it has been announced here.
    pub since: SystemTime,
    /// It is announced, but does not answer.
    pub silent: bool,
    /// It is the session that we host ourselves.
    pub is_ours: bool,
}

/// Somebody who waits to be let in; perhaps with several connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// From where.
    pub address: IpAddr,
    /// Since when.
    pub since: SystemTime,
}

/// Somebody who reached this computer, and did not get in; or several times alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// From where.
    pub address: String,
    /// Why, without the end of the sentence: `it spoke HTTP (a web browser or web server)`.
    pub why: String,
    /// When, the last time.
    pub at: SystemTime,
    /// How many times.
    pub times: u64,
}
