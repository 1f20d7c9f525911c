//! Two runtimes: a busy lane for those who carry much, a calm one for all others. So a small edit does not
//! queue behind another room's heavy traffic, neither for a turn nor for a core: the calm lane's threads
//! mostly sleep, and who mostly sleeps is woken first.
//!
//! Who is on which lane changes while they run, and nothing else does: a task goes over between two of its
//! turns, as it stands.

use std::future::{Future, poll_fn};
use std::num::NonZero;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::time::{Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::cores::{give_way, step_back};
use crate::net::Line;

/// Who carries so many bytes, …
const MUCH_BYTES: u64 = 256 << 10;
/// … or has its turns for so long, which few bytes can cost as well, …
const MUCH_TIME: Duration = Duration::from_millis(25);
/// … within this time is busy, …
const MUCH_WITHIN: Duration = Duration::from_millis(100);
/// … until it needs longer than this for as much.
const CALM_AFTER: Duration = Duration::from_secs(2);

/// How many threads the calm lane has: a quarter of the processor's cores, as Blender runs beside it. On few cores a
/// second one only costs time: a small edit to eight people takes a third longer.
#[must_use]
pub fn calm_threads() -> usize {
    (cores() / 4).max(1)
}

/// How many threads the busy lane has: as many, but two where there are two cores. One alone would be what heavy traffic
/// waits for, while another core rests; and others' work goes first anyway.
fn busy_threads() -> usize {
    calm_threads().max(2).min(cores())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Something whose task runs on one lane or the other.
pub(super) trait Carrier: Send + Sync + 'static {
    /// How many bytes it has carried so far.
    fn carried(&self) -> u64;

    /// Called on the lane that its task has come to.
    fn arrived(&self) {}
}

impl Carrier for Line {
    fn carried(&self) -> u64 {
        Line::carried(self)
    }

    fn arrived(&self) {
        // It works as before then, only that the other lane's threads hear first when something comes.
        if let Err(error) = self.move_here() {
            tracing::debug!("a connection stays with its old runtime: {error}");
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Calm,
    Busy,
}

/// The two lanes; only the calm one where that is a runtime on the thread that started it: who has it so wants
/// all on that thread.
#[derive(Debug)]
pub(super) struct Lanes {
    calm: Handle,
    /// Started when somebody is busy; `None` inside where the system would not have it. Belongs to a task on
    /// the calm lane, so that it ends with that, whatever runs on it.
    busy: OnceLock<Option<(Handle, DropGuard)>>,
    rule: Rule,
}

impl Lanes {
    /// With the runtime that this is called in as the calm lane.
    pub(super) fn here() -> Arc<Self> {
        Self::with(Rule::USUAL)
    }

    fn with(rule: Rule) -> Arc<Self> {
        Arc::new(Self {
            calm: Handle::current(),
            busy: OnceLock::new(),
            rule,
        })
    }

    fn is_one(&self) -> bool {
        self.calm.runtime_flavor() == RuntimeFlavor::CurrentThread
    }

    /// Runs `work` to its end, on the lane where `carrier` belongs by what it carries.
    pub(super) fn spawn(
        self: &Arc<Self>,
        tasks: &TaskTracker,
        carrier: impl Carrier,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        if self.is_one() {
            tasks.spawn_on(work, &self.calm);
            return;
        }
        let journey = Journey {
            judge: Judge::new(self.rule, carrier.carried(), Instant::now()),
            lanes: Arc::clone(self),
            tasks: tasks.clone(),
            carrier,
            work: Box::pin(work),
        };
        tasks.spawn_on(journey.begin(), &self.calm);
    }

    /// Without threads of its own the busy lane is the calm one.
    fn handle(&self, lane: Lane) -> &Handle {
        if lane == Lane::Calm {
            return &self.calm;
        }
        let busy = self.busy.get_or_init(|| {
            let runtime = Builder::new_multi_thread()
                .thread_name("mixdesk-busy")
                .worker_threads(busy_threads())
                .on_thread_start(step_back)
                .enable_all()
                .build()
                .inspect_err(|error| tracing::warn!("no lane for heavy traffic: {error}"))
                .ok()?;
            let (handle, gone) = (runtime.handle().clone(), CancellationToken::new());
            let (busy, until) = (Busy(Some(runtime)), gone.clone());
            self.calm.spawn(async move {
                let _busy = busy;
                until.cancelled().await;
            });
            Some((handle, gone.drop_guard()))
        });
        busy.as_ref().map_or(&self.calm, |(handle, _)| handle)
    }
}

/// The busy lane's runtime. To drop it waits for nobody.
struct Busy(Option<Runtime>);

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A task on its way from lane to lane.
struct Journey<C> {
    lanes: Arc<Lanes>,
    tasks: TaskTracker,
    judge: Judge,
    carrier: C,
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<C: Carrier> Journey<C> {
    async fn begin(mut self) {
        if let Some(lane) = self.stretch().await {
            self.go_on(lane);
        }
    }

    async fn come_over(self) {
        self.carrier.arrived();
        self.begin().await;
    }

    /// Not `async`: a task that starts its like.
    fn go_on(self, lane: Lane) {
        let (lanes, tasks) = (Arc::clone(&self.lanes), self.tasks.clone());
        tasks.spawn_on(self.come_over(), lanes.handle(lane));
    }

    /// Works until the work is done, or belongs on another lane: that. Whatever it waits for then, it asks
    /// for again on that lane, as the first thing there is a turn.
    async fn stretch(&mut self) -> Option<Lane> {
        let Self {
            judge,
            carrier,
            work,
            ..
        } = self;
        let mut until_calm = judge.calm_at().map(wait_until);
        poll_fn(|context| {
            let began = Instant::now();
            if work.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            let mut now = Instant::now();
            judge.took(now.duration_since(began));
            if judge.lane == Lane::Busy {
                give_way();
            }
            loop {
                if let Some(lane) = judge.look(carrier.carried(), now) {
                    return Poll::Ready(Some(lane));
                }
                // Who has become quiet is not to find out only with the next small edit.
                let Some(waiting) = &mut until_calm else {
                    return Poll::Pending;
                };
                ready!(waiting.as_mut().poll(context));
                now = Instant::now();
                until_calm = judge.calm_at().map(wait_until);
            }
        })
        .await
    }
}

fn wait_until(at: Instant) -> Pin<Box<Sleep>> {
    Box::pin(sleep_until(at.into()))
}

/// Who is busy.
#[derive(Clone, Copy, Debug)]
struct Rule {
    much_bytes: u64,
    much_time: Duration,
    much_within: Duration,
    calm_after: Duration,
}

impl Rule {
    const USUAL: Self = Self {
        much_bytes: MUCH_BYTES,
        much_time: MUCH_TIME,
        much_within: MUCH_WITHIN,
        calm_after: CALM_AFTER,
    };
}

/// Says on which lane somebody belongs.
#[derive(Debug)]
struct Judge {
    rule: Rule,
    lane: Lane,
    /// From when on, and from how many bytes, it counts.
    since: Instant,
    from: u64,
    /// What its turns took since then.
    spent: Duration,
}

impl Judge {
    fn new(rule: Rule, carried: u64, now: Instant) -> Self {
        Self {
            rule,
            lane: Lane::Calm,
            since: now,
            from: carried,
            spent: Duration::ZERO,
        }
    }

    /// It had a turn that took so long.
    fn took(&mut self, spent: Duration) {
        self.spent += spent;
    }

    /// When somebody busy belongs to the calm lane, if it does not carry much until then.
    fn calm_at(&self) -> Option<Instant> {
        (self.lane == Lane::Busy).then(|| self.since + self.rule.calm_after)
    }

    /// The other lane, if it belongs there by now.
    fn look(&mut self, carried: u64, now: Instant) -> Option<Lane> {
        let is_much =
            carried - self.from >= self.rule.much_bytes || self.spent >= self.rule.much_time;
        let took = now.saturating_duration_since(self.since);
        let lane = match self.lane {
            Lane::Calm if is_much && took <= self.rule.much_within => Lane::Busy,
            Lane::Busy if took >= self.rule.calm_after => Lane::Calm,
            lane => lane,
        };
        if is_much || lane != self.lane {
            (self.since, self.from, self.spent) = (now, carried, Duration::ZERO);
        }
        let changes = lane != self.lane;
        self.lane = lane;
        changes.then_some(lane)
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
