//! The listener: binds a port, accepts peers, ends in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::entrance;
use super::feel;
use super::guests::Guests;
use super::hub::Hub;
use super::lanes::Lanes;
use super::library::{Library, Progress, Revived};
use super::limits::{DRAIN, Limits, SWEEP_EVERY, TELL_EVERY};
use super::pace::Pace;
use super::shelf::Keeping;
use super::slow;
use crate::net::{Bind, Line, canonical, listen, prepare};

/// After an accept that failed (too many open files, mostly) the next waits this long.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);
/// … and so often the log takes a line about it: it may last as long as the relay does.
const ACCEPT_LINE_EVERY: Duration = Duration::from_secs(60);

/// Why the relay cannot listen.
#[derive(Debug, Error)]
pub enum RelayError {
    /// Another program has the port.
    #[error("port {0} is taken by another program")]
    Taken(u16),
    /// The system does not let this user have the port.
    #[error("the system does not allow this user to listen on port {0}")]
    Forbidden(u16),
    /// Something else.
    #[error("cannot listen on port {port}: {error}")]
    Other {
        /// The port asked for.
        port: u16,
        /// What the system said.
        error: io::Error,
    },
}

/// A relay that has its port and does not run yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// Takes a port. Port 0 takes any free one. Must run within a tokio runtime.
///
/// # Errors
/// When the port cannot be had.
pub fn bind(bind: Bind, port: u16) -> Result<Bound, RelayError> {
    let listener = listen(bind, port).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => RelayError::Taken(port),
        io::ErrorKind::PermissionDenied => RelayError::Forbidden(port),
        _ => RelayError::Other { port, error },
    })?;
    let address = listener
        .local_addr()
        .map_err(|error| RelayError::Other { port, error })?;
    Ok(Bound { listener, address })
}

impl Bound {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts a relay whose rooms live in memory, and end with it. `guests`: what the host has decided
    /// before about who may connect.
    #[must_use]
    pub fn start(self, limits: Limits, guests: Guests) -> Relay {
        let hub = Arc::new(Hub::new(limits, guests, None));
        self.run(hub, Revived::default(), Lanes::here())
    }

    /// Brings the rooms back that were alive when the last relay there was killed, then starts. Who
    /// connects meanwhile waits. Where the folder cannot be used the rooms live in memory until it can, and
    /// [`Relay::trouble`] says why.
    ///
    /// When the last receiver of `progress` is gone this stops: the relay has no rooms then, and the next
    /// start finds all of them.
    pub async fn start_keeping(
        self,
        limits: Limits,
        guests: Guests,
        keeping: Keeping,
        progress: &watch::Sender<Progress>,
    ) -> Relay {
        let lanes = Lanes::here();
        let library = Library::new(keeping, Arc::clone(&lanes));
        let taken = library.take_folder().await;
        let hub = Arc::new(Hub::new(limits, guests, Some(library.clone())));
        let revived = match taken {
            Ok(()) => library.revive_all(&hub, progress).await,
            Err(why) => {
                tracing::error!("rooms are not kept: {why}");
                Revived {
                    trouble: Some(why),
                    ..Revived::default()
                }
            }
        };
        let relay = self.run(hub, revived, lanes);
        // Whoever has the folder is waited for at the end: the next relay is to have it.
        let looking = library.clone().look_after_recent(relay.shutdown.clone());
        relay.tasks.spawn(looking);
        if !library.shelf.is_held() {
            relay
                .tasks
                .spawn(library.await_folder(relay.shutdown.clone()));
        }
        relay
    }

    pub(super) fn run(self, hub: Arc<Hub>, revived: Revived, lanes: Arc<Lanes>) -> Relay {
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let address = self.address;
        tasks.spawn(tell(Arc::clone(&hub), shutdown.clone()));
        tasks.spawn(feel::watch(Arc::clone(&hub), shutdown.clone()));
        if hub.limits().slow_seconds > 0 {
            tasks.spawn(slow::watch(Arc::clone(&hub), shutdown.clone()));
        }
        tasks.spawn(
            accept(
                self.listener,
                Arc::clone(&hub),
                lanes,
                shutdown.clone(),
                tasks.clone(),
            )
            .instrument(tracing::info_span!("relay", port = address.port())),
        );
        tasks.close();
        Relay {
            address,
            hub,
            revived,
            shutdown,
            tasks,
        }
    }
}

/// A relay that runs. Dropping it ends it without waiting; [`stop`](Self::stop) waits.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    pub(super) hub: Arc<Hub>,
    pub(super) revived: Revived,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Relay {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many peers are connected.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.hub.peers()
    }

    /// How many rooms there are.
    #[must_use]
    pub fn rooms(&self) -> usize {
        self.hub.rooms()
    }

    /// Stops accepting, gives every peer what is ready for it, and closes; then puts the rooms' files
    /// aside. Takes at most about two seconds, however slow the peers are, and two more for a slow disk.
    pub async fn stop(self) {
        self.shutdown.cancel();
        if tokio::time::timeout(2 * DRAIN, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("{} connections did not end in time", self.tasks.len());
        }
        if !self.hub.end_rooms(2 * DRAIN).await {
            tracing::warn!("the rooms' files were not all put aside in time");
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn accept(
    listener: TcpListener,
    hub: Arc<Hub>,
    lanes: Arc<Lanes>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
) {
    let mut missed = Missed::new(Instant::now());
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok((stream, address)) => (stream, canonical(address)),
            Err(error) => {
                match missed.count(Instant::now()) {
                    Some(0) => tracing::warn!("a connection could not be accepted: {error}"),
                    Some(others) => tracing::warn!(
                        "a connection could not be accepted: {error}; and so {others} times before"
                    ),
                    None => {}
                }
                tokio::time::sleep(ACCEPT_BACK_OFF).await;
                continue;
            }
        };
        let Some(visit) = hub.door.knock(address) else {
            continue;
        };
        let (hub, shutdown) = (Arc::clone(&hub), shutdown.clone());
        let span = tracing::info_span!("peer", %address);
        if let Err(error) = prepare(&stream) {
            span.in_scope(|| tracing::debug!("gone before it was served: {error}"));
            continue;
        }
        let line = Line::new(stream);
        let (reader, writer, to_rest) = (line.clone(), line.clone(), Some(line.clone()));
        let serving = entrance::serve(reader, writer, to_rest, visit, hub, shutdown, span);
        lanes.spawn(&tasks, line, serving);
    }
}

/// Connections that could not be accepted.
#[derive(Debug)]
struct Missed {
    lines: Pace,
    /// Since the last line about one.
    count: u64,
}

impl Missed {
    fn new(now: Instant) -> Self {
        Self {
            lines: Pace::every(ACCEPT_LINE_EVERY, 1, now),
            count: 0,
        }
    }

    /// Counts one; how many there were before that the log does not tell of, if it is to tell of this.
    fn count(&mut self, now: Instant) -> Option<u64> {
        if self.lines.take(now).is_ok() {
            return Some(std::mem::take(&mut self.count));
        }
        self.count += 1;
        None
    }
}

/// Tells changes as soon as there are any, and then at most every [`TELL_EVERY`].
async fn tell(hub: Arc<Hub>, shutdown: CancellationToken) {
    let mut sweeping = false;
    loop {
        let sweep = async {
            if sweeping {
                tokio::time::sleep(SWEEP_EVERY).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = hub.changed() => {}
            () = sweep => {}
        }
        sweeping = hub.tell(Instant::now());
        tokio::time::sleep(TELL_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_accepted_is_a_line_a_minute() {
        let start = Instant::now();
        let mut missed = Missed::new(start);
        let mut told = Vec::new();
        for tenth in 0..=1200 {
            let now = start + tenth * ACCEPT_BACK_OFF;
            told.extend(missed.count(now));
        }
        assert_eq!(told, [0, 599, 599]);
    }
}
