//! What the tests share: a relay on a free port, the program as a process, a client that knows
//! nothing of the library's own reading and writing, what a room's history has to be, and recordings
//! of real Blenders.

// The tests of faults need the most of it, and are Linux's.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

pub(crate) mod arena;
pub(crate) mod client;
pub(crate) mod history;
pub(crate) mod meter;
pub(crate) mod noise;
pub(crate) mod program;
pub(crate) mod recording;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use mixdesk::net::Bind;
use mixdesk::relay::{Guests, Limits, Relay, bind};

pub(crate) use client::Client;
pub(crate) use program::Program;

/// How long anything may take before a test gives up. Long, as these machines are shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A relay on a free port of the loopback interface.
pub(crate) fn relay() -> Relay {
    relay_with(Limits::default())
}

pub(crate) fn relay_with(limits: Limits) -> Relay {
    bind(Bind::Only(IpAddr::V4(Ipv4Addr::LOCALHOST)), 0)
        .unwrap()
        .start(limits, Guests::default())
}

/// A relay that asks its host before it lets anybody in, from this computer too.
pub(crate) fn asking_relay() -> Relay {
    let limits = Limits {
        spare_this_computer: false,
        ..Limits::default()
    };
    let guests = Guests {
        ask: true,
        ..Guests::default()
    };
    bind(Bind::Only(IpAddr::V4(Ipv4Addr::LOCALHOST)), 0)
        .unwrap()
        .start(limits, guests)
}

/// Waits, but not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} took too long"))
}
