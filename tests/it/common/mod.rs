//! What the tests share: a relay on a free port that keeps its rooms in a folder, the program as a process,
//! a client that knows nothing of the library's own reading and writing, what a room's history has to be,
//! and recordings of real Blenders.

// The tests of faults need the most of it, and are Linux's.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

pub(crate) mod arena;
pub(crate) mod client;
pub(crate) mod history;
pub(crate) mod meter;
pub(crate) mod noise;
pub(crate) mod ports;
pub(crate) mod program;
pub(crate) mod recording;
pub(crate) mod skip;
pub(crate) mod trips;

use std::cell::RefCell;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mixdesk::net::Bind;
use mixdesk::relay::{Bound, Guests, Keeping, Limits, Progress, Relay, bind};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::watch;

pub(crate) use client::Client;
use ports::free_port;
pub(crate) use program::Program;

/// How long anything may take before a test gives up. Long, as these machines are shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A relay on a free port of the loopback interface.
pub(crate) fn relay() -> Relay {
    relay_with(Limits::default())
}

pub(crate) fn relay_with(limits: Limits) -> Relay {
    relay_for(Guests::default(), limits)
}

/// A relay whose port another one is to have after it. The systems give it to nobody meanwhile.
pub(crate) async fn relay_before_another() -> Relay {
    let (guests, limits) = (Guests::default(), Limits::default());
    relay_in(&folder_of_this_thread(), free_port(), guests, limits).await
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
    relay_for(guests, limits)
}

pub(crate) fn relay_for(guests: Guests, limits: Limits) -> Relay {
    let (runtime, folder) = (Handle::current(), folder_of_this_thread());
    let starting = relay_in(&folder, 0, guests, limits);
    // A thread of the runtime must not wait; what this waits for, files, has threads of its own.
    std::thread::scope(|scope| scope.spawn(|| runtime.block_on(starting)).join().unwrap())
}

thread_local! {
    static FOLDERS: RefCell<Vec<TempDir>> = const { RefCell::new(Vec::new()) };
}

/// A folder for a relay. It goes with the test's thread: then the runtime is gone, and whoever wrote there to the end.
pub(crate) fn folder_of_this_thread() -> PathBuf {
    let folder = tempfile::Builder::new()
        .prefix("relay-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    let path = folder.path().to_owned();
    FOLDERS.with_borrow_mut(|folders| folders.push(folder));
    path
}

/// A relay that keeps its rooms in this folder, and brings back what was alive there. Port 0 takes any.
pub(crate) async fn relay_in(folder: &Path, port: u16, guests: Guests, limits: Limits) -> Relay {
    let (progress, _look) = watch::channel(Progress::default());
    let keeping = Keeping {
        folder: folder.join("rooms"),
        recent_for: Duration::from_secs(60 * 60),
        recent_bytes: 1 << 30,
    };
    let relay = here(port)
        .start_keeping(limits, guests, keeping, &progress)
        .await;
    assert_eq!(relay.trouble(), None);
    relay
}

/// A relay whose rooms end with it, as that of the program where they are not to be kept.
pub(crate) fn relay_in_memory() -> Relay {
    here(0).start(Limits::default(), Guests::default())
}

fn here(port: u16) -> Bound {
    bind(Bind::Only(IpAddr::V4(Ipv4Addr::LOCALHOST)), port).unwrap()
}

/// Waits, but not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} took too long"))
}
