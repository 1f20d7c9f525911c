//! The thread that speaks mDNS: which networks it is in, whether it is sound, and its end.

use std::sync::Arc;
use std::time::Duration;

use mdns_sd::{
    DaemonEvent, IfKind, IfPredicate, Metrics, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo,
};
use tokio::time::{sleep, timeout};

use super::near::is_spoken_to;
use super::{DiscoveryError, SERVICE};

/// How long the network is left alone after something went wrong.
pub(super) const PAUSE: Duration = Duration::from_secs(10);
/// How often a daemon is asked whether it is sound.
const HEALTH_EVERY: Duration = Duration::from_secs(5);
/// Records that a daemon may remember. A network of a thousand computers has some thousands; each has 9,000 bytes at
/// most, and mostly a hundred.
const RECORDS: i64 = 8_192;
/// Times that it may have noted down to wake at: two for each record that it has heard of, until that expires.
const TIMERS: i64 = 500_000;
/// How long it may take to answer that. It reads all that waits at its sockets first, and on a busy computer it waits
/// for its turn; nothing is gained by giving up on it early.
const HEALTH_PATIENCE: Duration = Duration::from_secs(30);
/// How long its end is waited for.
const END_PATIENCE: Duration = Duration::from_secs(2);
/// A goodbye is repeated after 120 ms.
const GOODBYE: Duration = Duration::from_millis(200);

/// What is logged when a daemon is not sound.
pub(super) const FLOODED: &str = "mDNS is flooded with announcements, or has ended by itself";

/// What it counts that grows with what others say.
const RECORD_COUNTS: [&str; 6] = [
    "cached-ptr",
    "cached-srv",
    "cached-txt",
    "cached-addr",
    "cached-nsec",
    "cached-subtype",
];

/// The thread. Dropping this ends it, with a goodbye for what it announces.
pub(super) struct Daemon {
    handle: ServiceDaemon,
    events: Receiver<DaemonEvent>,
}

impl Daemon {
    /// Starts the thread, in all networks that may be spoken to.
    ///
    /// # Errors
    /// When the system allows no thread or no means to wake it. That the mDNS port cannot be used is no error here:
    /// then nothing is heard.
    pub(super) fn start(hidden: &Arc<[String]>) -> Result<Self, DiscoveryError> {
        let handle = ServiceDaemon::new().map_err(DiscoveryError::Start)?;
        let hidden = Arc::clone(hidden);
        let others = IfPredicate::new(move |interface| !is_spoken_to(interface, &hidden));
        let prepared = handle
            .disable_interface(IfKind::Predicate(others))
            .and_then(|()| handle.monitor());
        match prepared {
            Ok(events) => Ok(Self { handle, events }),
            Err(error) => {
                let _ended = handle.shutdown();
                Err(DiscoveryError::Start(error))
            }
        }
    }

    /// What happens to it. `None` when it has ended. Nothing is lost when this is not awaited to its end.
    pub(super) async fn event(&self) -> Option<DaemonEvent> {
        self.events.recv_async().await.ok()
    }

    /// Announces a service, or what has changed about it.
    ///
    /// The crate's own asking whether the name is free is not used: having found another it still answers under the
    /// old name, and each change of the records would be asked about, kept for ever, and hide the service for a second.
    pub(super) fn announce(&self, mut service: ServiceInfo) -> mdns_sd::Result<()> {
        service.set_requires_probe(false);
        self.handle.register(service)
    }

    /// Starts to look for sessions, or tells all that are known once more.
    pub(super) fn browse(&self) -> mdns_sd::Result<Receiver<ServiceEvent>> {
        self.handle.browse(SERVICE)
    }

    /// Asks the network whether an instance is still there; it is told to be removed if nobody says so in time.
    pub(super) fn doubt(&self, fullname: String) {
        let patience = mdns_sd::VERIFY_TIMEOUT_DEFAULT;
        if let Err(error) = self.handle.verify(fullname, patience) {
            tracing::debug!("asking for a host: {error}");
        }
    }

    /// Waits until it answers no more, or remembers too much.
    pub(super) async fn unsound(&self) {
        loop {
            sleep(HEALTH_EVERY).await;
            let Ok(metrics) = self.handle.get_metrics() else {
                return;
            };
            match timeout(HEALTH_PATIENCE, metrics.recv_async()).await {
                Ok(Ok(metrics)) if is_small(&metrics) => {}
                _ => return,
            }
        }
    }

    /// Takes back what is announced, if anything is, as often as mDNS wants it, and ends the thread.
    pub(super) async fn say_goodbye(self, fullname: Option<String>) {
        if let Some(fullname) = fullname
            && let Ok(told) = self.handle.unregister(&fullname)
            && let Ok(Ok(_)) = timeout(END_PATIENCE, told.recv_async()).await
        {
            sleep(GOODBYE).await;
        }
        self.end().await;
    }

    /// Starts one, and tries again after a while as long as that does not work.
    pub(super) async fn start_at_last(hidden: &Arc<[String]>) -> Self {
        loop {
            match Self::start(hidden) {
                Ok(daemon) => return daemon,
                Err(error) => tracing::warn!("{error}"),
            }
            sleep(PAUSE).await;
        }
    }

    /// Ends the thread, with one goodbye for what it announces, and waits for that.
    pub(super) async fn end(self) {
        let _ended = timeout(END_PATIENCE, self.end_at_last()).await;
    }

    /// The same, however long that takes: one that drowns in packets ends when it has read them, and there must not be
    /// another beside it.
    pub(super) async fn end_at_last(self) {
        if let Ok(ended) = self.handle.shutdown() {
            let _ended = ended.recv_async().await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Nothing to do when it has ended.
        let _ended = self.handle.shutdown();
    }
}

fn is_small(metrics: &Metrics) -> bool {
    let count = |name: &str| metrics.get(name).copied().unwrap_or(0);
    let records = RECORD_COUNTS.into_iter().map(count).sum::<i64>();
    records <= RECORDS && count("timer") <= TIMERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_records_or_timers_are_too_many() {
        let metrics = |name: &str, count| Metrics::from([(name.to_owned(), count)]);
        assert!(is_small(&Metrics::new()));
        assert!(is_small(&metrics("cached-txt", RECORDS)));
        assert!(!is_small(&metrics("cached-txt", RECORDS + 1)));
        assert!(!is_small(&metrics("timer", TIMERS + 1)));
    }
}
