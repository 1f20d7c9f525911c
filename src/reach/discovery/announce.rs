//! Announcing our session.

use std::collections::BTreeSet;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mdns_sd::{DaemonEvent, Receiver, ServiceEvent};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::Instrument;

use super::daemon::{Daemon, FLOODED, PAUSE};
use super::{Announcement, DiscoveryError, record};

/// How long is listened for hosts that have the name already; they answer within 120 ms (RFC 6762, 6) …
const LISTEN: Duration = Duration::from_millis(400);
/// … and up to this much longer, so that of two who start together one hears the other.
const LISTEN_JITTER_MILLIS: u64 = 400;
/// People come and go in crowds; the network hears of it at most this often.
const UPDATE_EVERY: Duration = Duration::from_secs(5);
/// An announcement is repeated once, as the first may be lost (RFC 6762, 8.3); not within a second of it.
const REPEAT_AFTER: Duration = Duration::from_millis(1_200);
/// After so many clashes somebody is at play, and each is followed by a pause.
const CLASHES: u32 = 8;
/// How long taking the announcement back may take: the goodbye, twice, and the thread's end.
const STOP_PATIENCE: Duration = Duration::from_secs(1);
/// Names of others that are remembered while a free one is looked for.
const NAMES: usize = 1_024;

/// Announces a session to this network. Dropping it takes the announcement back.
#[derive(Debug)]
pub struct Announcer {
    wanted: watch::Sender<Announcement>,
    task: JoinHandle<()>,
}

impl Announcer {
    /// Starts to announce, in all networks but those of the interfaces named, of containers and of virtual machines.
    /// Others see it within a second: the network is asked first whether the name is free. Beside another host of that
    /// name ours gets a number, `Studio (2)`, which Mixdesk does not show.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system allows no thread for it.
    pub fn start(
        announcement: Announcement,
        hidden_interfaces: &[String],
    ) -> Result<Self, DiscoveryError> {
        let hidden = Arc::from(hidden_interfaces);
        let daemon = Daemon::start(&hidden)?;
        let (wanted, asked) = watch::channel(announcement);
        let task = Task {
            hidden,
            asked,
            host: record::host(),
        };
        let task = tokio::spawn(task.run(daemon).instrument(tracing::info_span!("announce")));
        Ok(Self { wanted, task })
    }

    /// Says something new about the session. Told to the network at most every five seconds; the latest counts.
    pub fn update(&self, announcement: Announcement) {
        self.wanted.send_if_modified(|wanted| {
            let is_new = *wanted != announcement;
            *wanted = announcement;
            is_new
        });
    }

    /// Takes the announcement back. Takes a second at most, mostly a quarter.
    pub async fn stop(self) {
        let Self { wanted, task } = self;
        drop(wanted);
        if timeout(STOP_PATIENCE, task).await.is_err() {
            tracing::debug!("taking the announcement back took too long");
        }
    }
}

struct Task {
    hidden: Arc<[String]>,
    asked: watch::Receiver<Announcement>,
    /// The same as long as this lives, so that others see one host.
    host: String,
}

/// Why a daemon is needed no longer.
enum End {
    /// Nobody wants to announce any more.
    Stopped,
    /// The session is called otherwise.
    OtherName,
    /// Another host has the same name, and the better right to it.
    Clash,
    /// It has ended, or remembers too much.
    Unsound,
}

impl Task {
    async fn run(mut self, mut daemon: Daemon) {
        let mut clashes = 0;
        loop {
            let (end, fullname) = self.serve(&daemon).await;
            let goes_on = match end {
                End::Stopped => return daemon.say_goodbye(fullname).await,
                End::OtherName => {
                    daemon.say_goodbye(fullname).await;
                    true
                }
                End::Clash => {
                    daemon.say_goodbye(fullname).await;
                    clashes += 1;
                    clashes <= CLASHES || self.pause(ready(())).await
                }
                End::Unsound => {
                    tracing::warn!("{FLOODED}; ours is made again in a while");
                    self.pause(daemon.end_at_last()).await
                }
            };
            if !goes_on {
                return;
            }
            daemon = tokio::select! {
                biased;
                daemon = Daemon::start_at_last(&self.hidden) => daemon,
                () = stopped(&mut self.asked) => return,
            };
        }
    }

    /// Announces with one daemon, as long as that goes well. Tells what has to be taken back, too.
    async fn serve(&mut self, daemon: &Daemon) -> (End, Option<String>) {
        let Ok(heard) = daemon.browse() else {
            return (End::Unsound, None);
        };
        let plain = record::label(&self.asked.borrow().name);
        let label = match self.free(&plain, &heard).await {
            Ok(label) => label,
            Err(end) => return (end, None),
        };
        if label != plain {
            tracing::info!("announced as “{label}”, as “{plain}” is another host's");
        }
        let end = self.announce(daemon, &heard, &plain, &label).await;
        (end, Some(record::fullname(&label)))
    }

    /// Listens for a moment, and tells a name that nobody has.
    async fn free(&mut self, plain: &str, heard: &Receiver<ServiceEvent>) -> Result<String, End> {
        let mut taken = BTreeSet::new();
        let jitter = record::chance() % LISTEN_JITTER_MILLIS;
        let end = Instant::now() + LISTEN + Duration::from_millis(jitter);
        loop {
            tokio::select! {
                () = sleep_until(end) => break,
                changed = self.asked.changed() => {
                    if changed.is_err() {
                        return Err(End::Stopped);
                    }
                    if record::label(&self.asked.borrow().name) != plain {
                        return Err(End::OtherName);
                    }
                }
                event = heard.recv_async() => match event {
                    Ok(ServiceEvent::ServiceFound(_, fullname)) if taken.len() < NAMES => {
                        taken.insert(fullname.to_lowercase());
                    }
                    Ok(_) => {}
                    Err(_) => return Err(End::Unsound),
                },
            }
        }
        let numbered = (2..).map(|number: u32| format!("{plain} ({number})"));
        std::iter::once(plain.to_owned())
            .chain(numbered)
            .find(|label| !taken.contains(&record::fullname(label).to_lowercase()))
            .ok_or(End::Unsound)
    }

    async fn announce(
        &mut self,
        daemon: &Daemon,
        heard: &Receiver<ServiceEvent>,
        plain: &str,
        label: &str,
    ) -> End {
        let fullname = record::fullname(label).to_lowercase();
        if self.tell(daemon, label).is_err() {
            return End::Unsound;
        }
        let mut told = Instant::now();
        let mut due = Some(told + REPEAT_AFTER);
        let mut unsound = pin!(daemon.unsound());
        loop {
            tokio::select! {
                changed = self.asked.changed() => {
                    if changed.is_err() {
                        return End::Stopped;
                    }
                    if record::label(&self.asked.borrow().name) != plain {
                        return End::OtherName;
                    }
                    due = due.or(Some(Instant::now().max(told + UPDATE_EVERY)));
                }
                event = heard.recv_async() => match event {
                    Ok(ServiceEvent::ServiceResolved(other))
                        if other.fullname.to_lowercase() == fullname
                            && !other.host.eq_ignore_ascii_case(&self.host) =>
                    {
                        // Both see the same two names, and one of them gives way.
                        if other.host.to_lowercase() < self.host {
                            return End::Clash;
                        }
                        due = Some(told + REPEAT_AFTER);
                    }
                    // The one who gives way takes back what is ours as well.
                    Ok(ServiceEvent::ServiceRemoved(_, other)) if other.to_lowercase() == fullname => {
                        due = Some(told + REPEAT_AFTER);
                    }
                    Ok(_) => {}
                    Err(_) => return End::Unsound,
                },
                event = daemon.event() => match event {
                    None => return End::Unsound,
                    Some(DaemonEvent::IpAdd(ip)) => {
                        tracing::debug!("announced from {ip} as well");
                        due = due.or(Some(Instant::now() + REPEAT_AFTER));
                    }
                    Some(DaemonEvent::Error(error)) => tracing::warn!("mDNS: {error}"),
                    Some(_) => {}
                },
                () = sleep_until(due.unwrap_or(told)), if due.is_some() => {
                    (due, told) = (None, Instant::now());
                    if self.tell(daemon, label).is_err() {
                        return End::Unsound;
                    }
                }
                () = &mut unsound => return End::Unsound,
            }
        }
    }

    fn tell(&mut self, daemon: &Daemon, label: &str) -> mdns_sd::Result<()> {
        let announcement = self.asked.borrow_and_update().clone();
        record::service(&announcement, label, &self.host)
            .and_then(|service| daemon.announce(service))
            .inspect_err(|error| tracing::warn!("announcing “{label}”: {error}"))
    }

    /// Waits for something and then a while; `false` when nobody wants to announce any more.
    async fn pause(&mut self, first: impl Future<Output = ()>) -> bool {
        let over = async {
            first.await;
            sleep(PAUSE).await;
        };
        tokio::select! {
            () = stopped(&mut self.asked) => false,
            () = over => true,
        }
    }
}

/// Resolves when nobody wants to announce any more.
async fn stopped(asked: &mut watch::Receiver<Announcement>) {
    while asked.changed().await.is_ok() {}
}
