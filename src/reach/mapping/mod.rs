//! A port of the router that leads to this computer, so that people from the internet can connect.
//!
//! A [`Mapping`] owns a task (`keep.rs`) that asks the router (`ask.rs`) by PCP, NAT-PMP and UPnP (`pcp.rs`,
//! `nat_pmp.rs`, `upnp.rs`, behind `way.rs`), keeps what it gave, and removes it in the end. What has become of it is a
//! [`MappingState`] with words for people (`state.rs`). `router.rs` says whom to ask, `memory.rs` remembers what was got
//! over a crash, and `survey.rs` looks how the router stands without asking for anything.
//!
//! A router is as hostile as any other peer: every wait here has an end of our own, whatever the crates wait. Answers
//! of PCP and NAT-PMP are datagrams of a fixed largest size. Of UPnP, `igd-next` reads at most 1 MiB a page and 64
//! levels of XML, and follows only addresses of the device that answered.

mod ask;
mod keep;
mod memory;
mod nat_pmp;
mod pcp;
mod router;
mod state;
pub mod survey;
mod upnp;
mod way;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use state::{ByHand, Mapped, MappedBy, MappingState, NoRouter, Shared};

/// How long the router may take to remove a mapping.
const STOP_PATIENCE: Duration = Duration::from_millis(1500);

/// What is wanted of the router.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The port of this computer, and the one asked for outside.
    pub port: u16,
    /// The only address that is listened on. `None` or an unspecified one: all.
    pub only: Option<IpAddr>,
    /// What people read in the router's list of ports.
    pub description: String,
    /// A file that remembers the mapping, so that after a crash it is known again. Used by one [`Mapping`] at a time: a
    /// second one goes without.
    pub memory: Option<PathBuf>,
    /// The protocols to try.
    pub ways: Vec<MappedBy>,
    /// How long and how often.
    pub pace: Pace,
}

impl Wanted {
    /// The port by any protocol, at the usual pace, remembered nowhere.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self {
            port,
            only: None,
            description: "Mixdesk".to_owned(),
            memory: None,
            ways: MappedBy::ALL.to_vec(),
            pace: Pace::default(),
        }
    }
}

/// How long is waited, and how often looked again.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// For the router's answer.
    pub patience: Duration,
    /// How long the router is to keep the mapping when it is not asked again. It is renewed when half of what the router
    /// granted is over.
    pub lease: Duration,
    /// From one look at whether the mapping stands to the next. Routers that restart forget, and their clocks do not
    /// always tell.
    pub look: Duration,
    /// From one try in vain to the next, which is doubled each time.
    pub again_first: Duration,
    /// The longest of those.
    pub again_last: Duration,
    /// The same when the router has answered and refused.
    pub again_refused: Duration,
    /// From one look at this computer's own address to the next.
    pub glance: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(3),
            // Far less than the two hours of RFC 6886: what a crash or a pulled cable leaves behind is gone soon.
            lease: Duration::from_secs(20 * 60),
            look: Duration::from_secs(60),
            again_first: Duration::from_secs(5),
            again_last: Duration::from_secs(60),
            again_refused: Duration::from_secs(10 * 60),
            glance: Duration::from_secs(3),
        }
    }
}

/// A mapping that is asked for and kept until this is stopped or dropped.
#[derive(Debug)]
pub struct Mapping {
    state: watch::Receiver<MappingState>,
    bell: Arc<Notify>,
    ended: DropGuard,
    task: JoinHandle<()>,
}

impl Mapping {
    /// Begins to ask, on the runtime of the caller.
    #[must_use]
    pub fn start(wanted: Wanted) -> Self {
        let (told, state) = watch::channel(MappingState::Asking);
        let bell = Arc::new(Notify::new());
        let ended = CancellationToken::new();
        let keeper = keep::Keeper {
            wanted,
            told,
            bell: Arc::clone(&bell),
            ended: ended.clone(),
        };
        let span = tracing::info_span!("mapping");
        let task = tokio::spawn(tracing::Instrument::instrument(keeper.keep(), span));
        Self {
            state,
            bell,
            ended: ended.drop_guard(),
            task,
        }
    }

    /// What has become of it, and what becomes of it.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<MappingState> {
        self.state.clone()
    }

    /// Looks again now, for who knows that the network has changed. It is noticed without, only later.
    pub fn look_again(&self) {
        self.bell.notify_one();
    }

    /// Removes the mapping, and waits for that: as long as the router may take to answer what it is being asked, and then
    /// to remove. Only when this has returned another mapping of the same port may begin. Who cannot wait so long gives up
    /// waiting; then, and when this is only dropped, it is removed as well if the runtime lives that long.
    pub async fn stop(self) {
        let Self { ended, task, .. } = self;
        drop(ended);
        if let Err(error) = task.await {
            tracing::error!("keeping the mapping ended badly: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stop_waits_until_the_router_has_answered_what_it_was_asked() {
        let (_told, state) = watch::channel(MappingState::Asking);
        let ended = CancellationToken::new();
        let asked_to_end = ended.clone();
        let has_ended = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&has_ended);
        let mapping = Mapping {
            state,
            bell: Arc::default(),
            ended: ended.drop_guard(),
            task: tokio::spawn(async move {
                asked_to_end.cancelled().await;
                sleep(Pace::default().patience + STOP_PATIENCE).await;
                ends.store(true, Ordering::Relaxed);
            }),
        };
        mapping.stop().await;
        assert!(has_ended.load(Ordering::Relaxed));
    }
}
