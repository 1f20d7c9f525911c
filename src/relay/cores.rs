//! The processor's cores, which heavy traffic leaves to small edits, and to Blender, first. Where there are enough of
//! them nobody waits, and what is here costs next to nothing.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

/// By so much heavy traffic's threads are nicer to others than usual: where cores are scarce they have a third of what
/// the calm lane, and Blender, may take, which is still hundreds of megabytes a second.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Who has a core for longer than this after it was left to them may have much to do themselves. It is left to them again
/// only after as long, twice as long the next time they take so much, and so on …
const LONG: Duration = Duration::from_millis(1);
/// … up to so many times as long: who could use the core all the time gets little of it in this way.
const MOST_TIMES: u32 = 64;

/// Lets this thread have less of a core than others that want it.
#[cfg(target_os = "linux")]
pub(super) fn step_back() {
    use rustix::process::{getpriority_process, nice};

    // A thread begins as nice as the one that started it.
    let more = getpriority_process(None).map_or(NICE, |nice| NICE - nice);
    if let Err(error) = nice(more.max(0)) {
        tracing::debug!("heavy traffic does not step back: {error}");
    }
}

/// Elsewhere that is not for one thread alone.
#[cfg(not(target_os = "linux"))]
pub(super) fn step_back() {}

/// Leaves this thread's core to others that wait for it. To be called by whoever carries much, after each piece of it:
/// a system lets a thread that works without a pause keep its core for milliseconds, whoever waits.
pub(super) fn give_way() {
    thread_local! {
        static MANNERS: Cell<Manners> = const { Cell::new(Manners::NEW) };
    }
    let (mut manners, before) = (MANNERS.get(), Instant::now());
    if manners.gives_way(before) {
        thread::yield_now();
        manners.gave_way(before, Instant::now());
        MANNERS.set(manners);
    }
}

/// When a thread gives way.
#[derive(Clone, Copy, Debug)]
struct Manners {
    /// Not before then.
    again: Option<Instant>,
    /// For how long it does not, the next time that somebody has its core for long: in times of that.
    times: u32,
}

impl Manners {
    const NEW: Self = Self {
        again: None,
        times: 1,
    };

    fn gives_way(self, now: Instant) -> bool {
        self.again.is_none_or(|again| again <= now)
    }

    fn gave_way(&mut self, before: Instant, after: Instant) {
        let took = after.saturating_duration_since(before);
        if took <= LONG {
            *self = Self::NEW;
            return;
        }
        self.again = Some(after + took * self.times);
        self.times = MOST_TIMES.min(self.times * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of a core that others get of somebody who never rests, if they use it for so long each time.
    fn given(to_others: Duration) -> f64 {
        const PIECE: Duration = Duration::from_micros(100);
        let start = Instant::now();
        let (mut manners, mut now, mut given) = (Manners::NEW, start, Duration::ZERO);
        while now < start + Duration::from_secs(10) {
            now += PIECE;
            if manners.gives_way(now) {
                manners.gave_way(now, now + to_others);
                now += to_others;
                given += to_others;
            }
        }
        given.as_secs_f64() / (now - start).as_secs_f64()
    }

    #[test]
    fn who_could_use_all_of_a_core_gets_little_by_manners() {
        let share = given(Duration::from_millis(4));
        assert!((0.01..0.03).contains(&share), "{share}");
    }

    #[test]
    fn who_wants_little_gets_it_each_time() {
        let share = given(Duration::from_micros(100));
        assert!((0.4..0.6).contains(&share), "{share}");
    }

    #[test]
    fn one_long_time_is_no_habit() {
        let (mut manners, mut now) = (Manners::NEW, Instant::now());
        for took in [2 * LONG, LONG, 2 * LONG] {
            assert!(manners.gives_way(now));
            manners.gave_way(now, now + took);
            now += took;
            assert_eq!(manners.gives_way(now), took <= LONG);
            now += 2 * LONG;
        }
    }

    // A thread of its own: what it is stays with it.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_steps_back_once() {
        use rustix::process::getpriority_process;

        let usual = getpriority_process(None).unwrap();
        let stepped = thread::spawn(|| {
            step_back();
            let once = getpriority_process(None).unwrap();
            let inherits = thread::spawn(|| {
                step_back();
                getpriority_process(None).unwrap()
            });
            (once, inherits.join().unwrap())
        });
        let nice = NICE.max(usual);
        assert_eq!(stepped.join().unwrap(), (nice, nice));
        assert_eq!(getpriority_process(None).unwrap(), usual);
    }
}
