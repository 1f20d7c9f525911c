//! The machine all this runs on.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::process_figures::kilobytes;

/// The facts without which no figure means anything, one a line.
pub(crate) fn facts() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or("unknown", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = read("/proc/meminfo");
    let memory = kilobytes(&memory, "MemTotal:").unwrap_or(0);
    format!(
        "{cores} cores of {model}, {} GB memory, {} {}, {}\nload before: {}",
        memory >> 20,
        std::env::consts::OS,
        read("/proc/sys/kernel/osrelease").trim(),
        date(SystemTime::now()),
        load()
    )
}

/// How many programs wanted to run in the last 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The day in UTC. The rule is that of the Gregorian calendar, counted from 1 March of year 0 in eras
/// of 400 years.
fn date(now: SystemTime) -> String {
    const UNIX_EPOCH_DAY: u64 = 719_468;
    const ERA_DAYS: u64 = 146_097;
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let day = seconds / 86_400 + UNIX_EPOCH_DAY;
    let (era, day) = (day / ERA_DAYS, day % ERA_DAYS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!(
        "{:04}-{month:02}-{day_of_month:02}",
        era * 400 + year + next
    )
}

/// How much the cores have worked, to see what others took of the machine during a measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    all: u64,
    ours: u64,
    idle: u64,
}

impl Work {
    /// So far. Unknown where there is no `/proc`.
    pub(crate) fn so_far() -> Option<Self> {
        // What is no number, or is below 0, keeps its place.
        let numbers = |text: &str| -> Vec<u64> {
            text.split_whitespace()
                .map(|word| word.parse().unwrap_or(0))
                .collect()
        };
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let cores = numbers(stat.lines().next()?);
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        let own = numbers(own.rsplit_once(") ")?.1);
        // user, nice, system, idle, iowait, irq, softirq, steal. Interrupts belong to nobody.
        let [
            _cpu,
            user,
            nice,
            system,
            idle,
            iowait,
            _irq,
            _softirq,
            steal,
            ..,
        ] = cores[..]
        else {
            return None;
        };
        // Counted from the first after the name: utime, stime and those of the children that have ended.
        let ours = own.get(11..15)?.iter().sum();
        Some(Self {
            all: user + nice + system + steal,
            ours,
            idle: idle + iowait,
        })
    }

    /// The share of the machine that others took since then, 0 to 1.
    pub(crate) fn of_others_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        let others = all.saturating_sub(self.ours.saturating_sub(before.ours));
        let time = all + self.idle.saturating_sub(before.idle);
        others as f64 / (time.max(1)) as f64
    }
}

/// Lets this thread, and those that it starts, run only where nobody else wants the core. What stands for other
/// computers must not take away the one that is measured.
#[expect(unsafe_code, reason = "no library that we have sets this")]
pub(crate) fn step_aside() -> Result<(), String> {
    let nothing = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread, and the call only reads `nothing`, which lives until it returns.
    let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const nothing) };
    if set == 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(format!("the load cannot step aside: {error}"))
}
