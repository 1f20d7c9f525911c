//! Listing the sessions of others.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mdns_sd::{Receiver, ServiceEvent};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

use super::check::check;
use super::daemon::{Daemon, FLOODED, PAUSE};
use super::list::{Check, List};
use super::near::{Network, best_first, networks};
use super::{DiscoveryError, Found, record};

/// Hosts that are connected to at the same time.
const CHECKS: usize = 8;
/// The list is shown at most this often: hosts are heard of in bursts.
const SHOW_EVERY: Duration = Duration::from_millis(50);
/// How long what is known about our own networks counts.
const NETWORKS_FOR: Duration = Duration::from_secs(3);
/// How often the daemon is asked for those who found no place in the list.
const MORE_EVERY: Duration = Duration::from_secs(5);
/// Events taken at once, so that nothing else waits long for a flood.
const EVENTS: usize = 64;

/// Lists the sessions in this network. Dropping it ends that.
#[derive(Debug)]
pub struct Browser {
    found: watch::Receiver<Arc<[Found]>>,
    look: Arc<Notify>,
    _end: DropGuard,
}

impl Browser {
    /// Starts to look, in all networks but those of the interfaces named, of containers and of virtual machines.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system allows no thread for it.
    pub fn start(hidden_interfaces: &[String]) -> Result<Self, DiscoveryError> {
        let hidden = Arc::from(hidden_interfaces);
        let daemon = Daemon::start(&hidden)?;
        let (show, found) = watch::channel(Arc::from([]));
        let (look, end) = (Arc::new(Notify::new()), CancellationToken::new());
        let task = Task {
            hidden,
            show,
            look: Arc::clone(&look),
            end: end.clone(),
            list: List::default(),
            checks: JoinSet::new(),
            networks: Vec::new(),
            networks_at: None,
        };
        tokio::spawn(task.run(daemon).instrument(tracing::info_span!("browse")));
        Ok(Self {
            found,
            look,
            _end: end.drop_guard(),
        })
    }

    /// What is found, those known longest first; changes as hosts come, go and change.
    #[must_use]
    pub fn found(&self) -> watch::Receiver<Arc<[Found]>> {
        self.found.clone()
    }

    /// Asks all hosts now whether they answer, rather than within a minute: somebody looks at the list, or could not
    /// connect. The answers are there two seconds later.
    pub fn look_again(&self) {
        self.look.notify_one();
    }
}

struct Task {
    hidden: Arc<[String]>,
    show: watch::Sender<Arc<[Found]>>,
    look: Arc<Notify>,
    end: CancellationToken,
    list: List,
    checks: JoinSet<(Check, Option<SocketAddr>)>,
    networks: Vec<Network>,
    networks_at: Option<Instant>,
}

/// Why a daemon is needed no longer.
enum End {
    Stopped,
    /// It has ended, or remembers too much.
    Unsound,
}

impl Task {
    async fn run(mut self, mut daemon: Daemon) {
        loop {
            match self.serve(&daemon).await {
                End::Stopped => return daemon.end().await,
                End::Unsound => {
                    tracing::warn!("{FLOODED}; sessions are looked for again in a while");
                }
            }
            let another = async {
                daemon.end_at_last().await;
                sleep(PAUSE).await;
                Daemon::start_at_last(&self.hidden).await
            };
            daemon = tokio::select! {
                () = self.end.cancelled() => return,
                daemon = another => daemon,
            };
            self.list.start_anew(now());
        }
    }

    /// Lists with one daemon, as long as that goes well.
    async fn serve(&mut self, daemon: &Daemon) -> End {
        let Ok(mut events) = daemon.browse() else {
            return End::Unsound;
        };
        let mut show_at: Option<Instant> = None;
        let mut unsound = pin!(daemon.unsound());
        let mut more = interval(MORE_EVERY);
        more.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while self.checks.len() < CHECKS
                && let Some(due) = self.list.due(now())
            {
                self.checks.spawn(async move {
                    let answer = check(&due.addresses).await;
                    (due, answer)
                });
            }
            let check_at = self.list.next_due().filter(|_| self.checks.len() < CHECKS);
            tokio::select! {
                () = self.end.cancelled() => return End::Stopped,
                event = events.recv_async() => {
                    let Ok(event) = event else {
                        return End::Unsound;
                    };
                    self.take(event, &events).await;
                }
                Some(checked) = self.checks.join_next() => {
                    if let Ok((check, answer)) = checked
                        && let Some(doubted) = self.list.answered(&check, answer, now())
                    {
                        daemon.doubt(doubted);
                    }
                }
                () = sleep_until(later(check_at.map(Instant::from_std))), if check_at.is_some() => continue,
                () = self.look.notified() => self.list.check_all(now()),
                () = sleep_until(later(show_at)), if show_at.is_some() => {
                    show_at = None;
                    self.show();
                    continue;
                }
                () = &mut unsound => return End::Unsound,
                _ = more.tick(), if self.list.is_overfull() => {
                    if self.list.takes_more() {
                        match daemon.browse() {
                            Ok(anew) => events = anew,
                            Err(_) => return End::Unsound,
                        }
                    }
                    continue;
                }
            }
            show_at = show_at.or_else(|| Some(Instant::now() + SHOW_EVERY));
        }
    }

    /// Takes in what has happened: `event`, and some of what waits behind it.
    async fn take(&mut self, event: ServiceEvent, events: &Receiver<ServiceEvent>) {
        let more = std::iter::from_fn(|| events.try_recv().ok()).take(EVENTS);
        for event in std::iter::once(event).chain(more) {
            match event {
                ServiceEvent::ServiceResolved(service) => {
                    if let Some(heard) = record::heard(&service) {
                        self.look_at_networks().await;
                        let near = best_first(&heard.addresses, heard.port, &self.networks);
                        self.list.heard(heard, near, now(), SystemTime::now());
                    }
                }
                ServiceEvent::ServiceRemoved(_, fullname) => self.list.gone(&fullname),
                _ => {}
            }
        }
    }

    async fn look_at_networks(&mut self) {
        if self
            .networks_at
            .is_some_and(|at| at.elapsed() < NETWORKS_FOR)
        {
            return;
        }
        let hidden = Arc::clone(&self.hidden);
        self.networks = spawn_blocking(move || networks(&hidden))
            .await
            .unwrap_or_default();
        self.networks_at = Some(Instant::now());
    }

    fn show(&self) {
        let found = self.list.found();
        self.show.send_if_modified(|shown| {
            let is_new = **shown != *found;
            if is_new {
                *shown = found.into();
            }
            is_new
        });
    }
}

/// The list counts in the system's time, which is also the runtime's unless a test stops it.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// For a branch of `select!` that is only waited for when there is a time.
fn later(at: Option<Instant>) -> Instant {
    at.unwrap_or_else(Instant::now)
}
