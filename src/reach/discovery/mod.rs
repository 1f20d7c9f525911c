//! Sessions on this network: announcing ours, and listing those of others (mDNS, RFC 6762; DNS-SD, RFC 6763).
//!
//! Reading order: `record.rs` says how a session is written down and read, `near.rs` which addresses count, `list.rs`
//! what is shown; all three are pure. `daemon.rs` wraps the thread that speaks mDNS, `check.rs` connects to see who
//! answers. `announce.rs` and `browse.rs` are a task each that puts them together.
//!
//! # What it costs
//!
//! An [`Announcer`] and a [`Browser`] have one thread each (the crate's `mDNS_daemon`), which sleeps in the system's
//! `poll`, and a task each. With nothing going on the thread wakes every five seconds to look for new networks, and
//! as often to be asked for its health: some 80 wake-ups and 16 ms of one core a minute, for each of the two. A
//! question is sent after 1, 2, 4, … seconds up to an hour. Entries are connected to once a minute (see `list.rs`).
//!
//! The crate's channels are bounded: a hundred commands, a hundred of its own events (more are lost), and a thousand
//! of a search (more end the search, which is then begun anew). It never waits for us, and it ends by a command only.
//!
//! # What is bounded
//!
//! Everybody in the network may say anything. What is listed is bounded in number and in length, is rid of characters
//! that could fool a reader, and leads only into networks that this computer is in. The crate's memory of what it has
//! heard has no bound of its own: it is counted, and thrown away with its thread when it grows too large. One hole is
//! left: the thread looks for commands only when it has read all packets, so whoever sends faster than it reads, at
//! tens of thousands a second, keeps it from ending as long as that lasts.

mod announce;
mod browse;
mod check;
mod daemon;
mod list;
mod near;
mod record;

use std::net::SocketAddr;
use std::time::SystemTime;

use thiserror::Error;

pub use announce::Announcer;
pub use browse::Browser;

/// The service's type, as DNS-SD writes it.
const SERVICE: &str = "_mixer-relay._tcp.local.";

/// What is said of a session that is hosted here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The session's name. Longer ones than DNS-SD's 63 bytes are cut in other programs' lists.
    pub name: String,
    /// The TCP port of the relay.
    pub port: u16,
    /// How many rooms there are.
    pub rooms: u32,
    /// How many people are connected.
    pub people: u32,
    /// Whether somebody new waits until the host lets them in.
    pub asks: bool,
    /// The version of this program.
    pub version: String,
}

/// A session that somebody hosts in this network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What tells it from all others, as long as it is listed. Not for people's eyes.
    pub id: String,
    /// The session's name, made harmless to show. Two hosts may use the same.
    pub name: String,
    /// Where to connect to, best first; never empty.
    pub addresses: Vec<SocketAddr>,
    /// The version of the program that hosts; empty where it does not tell.
    pub version: String,
    /// How many rooms there are, where that is told.
    pub rooms: Option<u32>,
    /// How many people are connected, where that is told.
    pub people: Option<u32>,
    /// Whether the host has to let in who is new.
    pub asks: bool,
    /// Announced by this very process.
    pub is_ours: bool,
    /// When it was first heard of.
    pub since: SystemTime,
    /// Whether it answers.
    pub answer: Answer,
}

impl Found {
    /// The address to connect to: the one that has answered, else the best.
    #[must_use]
    pub fn best(&self) -> Option<SocketAddr> {
        match self.answer {
            Answer::Answers(address) => Some(address),
            Answer::Unknown | Answer::Silent => self.addresses.first().copied(),
        }
    }
}

/// Whether a host that announces itself takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not known yet; for our own session never asked.
    Unknown,
    /// It takes connections at this address.
    Answers(SocketAddr),
    /// None of its addresses took a connection within two seconds: a firewall, or a program that is gone.
    Silent,
}

/// Why sessions on this network can be neither announced nor listed.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    /// The thread for it could not be started.
    #[error(
        "Sessions on this network cannot be found: the system did not let mDNS start ({0}). Start Mixdesk again, or give \
         your colleagues the address."
    )]
    Start(mdns_sd::Error),
}
