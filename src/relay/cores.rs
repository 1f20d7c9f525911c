//! The processor's cores, which heavy traffic leaves to small edits, and to Blender, first. Where there are enough of
//! them nobody waits, and what is here costs next to nothing.

use std::cell::Cell;
#[cfg(target_os = "linux")]
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// By so much heavy traffic's threads are nicer to others than usual: where cores are scarce they have a third of what
/// the calm lane, and Blender, may take, which is still hundreds of megabytes a second.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// So long a small edit's thread may have a core while others want it: the least that Linux takes …
#[cfg(target_os = "linux")]
const SHORT_TURN: Duration = Duration::from_micros(100);
/// … and one of heavy traffic: longer than the turns of all who asked for none, which are 0.7 to 3 ms. Who has shorter
/// turns and comes from its sleep need not wait until a longer one is over.
#[cfg(target_os = "linux")]
const LONG_TURN: Duration = Duration::from_millis(10);

/// Who has a core for longer than this after it was left to them may have much to do themselves. It is left to them again
/// only after as long, twice as long the next time they take so much, and so on …
const LONG: Duration = Duration::from_millis(1);
/// … up to so many times as long: who could use the core all the time gets little of it in this way.
const MOST_TIMES: u32 = 64;

/// Lets this thread have a core as soon as it wakes, if it mostly sleeps. Over a longer time it has no more of it
/// than before. What it starts has the usual turns. Before Linux 6.12, and on other systems, nothing changes.
pub fn come_first() {
    #[cfg(target_os = "linux")]
    take_turns_of(SHORT_TURN);
}

/// Lets this thread have less of a core than others that want it, and later.
#[cfg(target_os = "linux")]
pub(super) fn step_back() {
    use rustix::process::{getpriority_process, nice};

    take_turns_of(LONG_TURN);

    // A thread begins as nice as the one that started it.
    let more = getpriority_process(None).map_or(NICE, |nice| NICE - nice);
    if let Err(error) = nice(more.max(0)) {
        tracing::debug!("heavy traffic does not step back: {error}");
    }
}

/// Elsewhere that is not for one thread alone.
#[cfg(not(target_os = "linux"))]
pub(super) fn step_back() {}

/// Has this thread keep a core for so long at a time while others want it. Before Linux 6.12 the system takes no notice.
#[cfg(target_os = "linux")]
fn take_turns_of(turn: Duration) {
    let set = scheduling().and_then(|mut asked| {
        if asked.sched_policy != libc::SCHED_OTHER.cast_unsigned() {
            // Whoever started the program has ordered how it runs.
            return Ok(());
        }
        asked.sched_runtime = u64::try_from(turn.as_nanos()).unwrap_or(u64::MAX);
        // Not for those that it starts: one of them may be Blender.
        asked.sched_flags |= u64::from(libc::SCHED_FLAG_RESET_ON_FORK.cast_unsigned());
        set_scheduling(&asked)
    });
    if let Err(error) = set {
        tracing::debug!("a thread's turns stay as they are: {error}");
    }
}

/// What it calls the first form of its structure: all that is needed here.
#[cfg(target_os = "linux")]
const SCHED_ATTR_BYTES: u32 = 48;
#[cfg(target_os = "linux")]
const _: () = assert!(size_of::<libc::sched_attr>() == 48);

/// How the system schedules this thread; `sched_runtime` are its turns in nanoseconds, 0 before Linux 6.12.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no library that we have asks this")]
fn scheduling() -> io::Result<libc::sched_attr> {
    let mut told = libc::sched_attr {
        size: SCHED_ATTR_BYTES,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: 0 is the calling thread, and the system writes at most so many bytes into `told`, which has as many
    // and lives until it returns.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_sched_getattr,
            0,
            &raw mut told,
            SCHED_ATTR_BYTES,
            0,
        )
    };
    succeeded(answer).map(|()| told)
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no library that we have asks for this")]
fn set_scheduling(asked: &libc::sched_attr) -> io::Result<()> {
    // SAFETY: 0 is the calling thread, and the system only reads `asked`, as many bytes as `size` in it says.
    let answer = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const *asked, 0) };
    succeeded(answer)
}

#[cfg(target_os = "linux")]
fn succeeded(answer: libc::c_long) -> io::Result<()> {
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

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

    #[cfg(target_os = "linux")]
    fn turn() -> Duration {
        Duration::from_nanos(scheduling().unwrap().sched_runtime)
    }

    // A thread of its own: what it is stays with it.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_small_edit_s_thread_takes_short_turns_and_one_of_heavy_traffic_long_ones() {
        let usual = turn();
        if usual.is_zero() {
            // Before Linux 6.12.
            return;
        }
        let turns = thread::spawn(|| {
            come_first();
            let heavy = thread::spawn(|| {
                let inherited = turn();
                step_back();
                (inherited, turn())
            });
            (turn(), heavy.join().unwrap())
        });
        assert_eq!(turns.join().unwrap(), (SHORT_TURN, (usual, LONG_TURN)));
        assert!(SHORT_TURN < usual && usual < LONG_TURN, "{usual:?}");
        assert_eq!(turn(), usual);
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
