//! What the system says about the processes that are measured. Linux only.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The processes of one group: what was started, and what that started in turn.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pids: Vec<u32>,
}

/// Memory at one moment, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// RssAnon: what the program holds itself. Files that the system caches for it do not count.
    pub(crate) anonymous: u64,
    /// VmRSS: the same with the pages of files it has mapped.
    pub(crate) resident: u64,
}

impl Memory {
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            anonymous: self.anonymous.max(other.anonymous),
            resident: self.resident.max(other.resident),
        }
    }
}

/// A field of `/proc/PID/stat` after the name, which may hold anything but ends at the last bracket.
fn stat_field(pid: u32, field: usize) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(field)?.parse().ok()
}

/// Bytes that the system has still to write to its disks.
fn unwritten() -> Result<u64, String> {
    let path = "/proc/meminfo";
    let told = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let sum = ["Dirty:", "Writeback:"]
        .iter()
        .filter_map(|name| kilobytes(&told, name))
        .sum::<u64>();
    Ok(sum << 10)
}

/// A field of a file that has one a line.
pub(crate) fn kilobytes(told: &str, name: &str) -> Option<u64> {
    let line = told.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

impl Group {
    /// The group as it is now.
    pub(crate) fn of(leader: u32) -> Result<Self, String> {
        /// Counted from the first field after the name.
        const PROCESS_GROUP: usize = 2;
        let entries = fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
        let pids: Vec<u32> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| stat_field(*pid, PROCESS_GROUP) == Some(leader))
            .collect();
        if pids.is_empty() {
            return Err(format!("process {leader} has ended"));
        }
        Ok(Self { pids })
    }

    pub(crate) fn memory(&self) -> Result<Memory, String> {
        let mut sum = Memory::default();
        for pid in &self.pids {
            let path = format!("/proc/{pid}/status");
            let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            let field = |name: &str| {
                let bytes = kilobytes(&status, name).map(|kilobytes| kilobytes << 10);
                bytes.ok_or_else(|| format!("{path} has no {name}"))
            };
            sum.anonymous += field("RssAnon:")?;
            sum.resident += field("VmRSS:")?;
        }
        Ok(sum)
    }

    /// How long each thread that there is has run so far, by its number, in nanoseconds: a tick of 10 ms is too coarse
    /// here.
    fn threads(&self) -> Result<HashMap<OsString, u64>, String> {
        let mut threads = HashMap::new();
        for pid in &self.pids {
            let path = format!("/proc/{pid}/task");
            let tasks = fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?;
            for task in tasks.flatten() {
                // A thread may end between being listed and being read.
                let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
                let ran = text.split_whitespace().next();
                if let Some(ran) = ran.and_then(|ran| ran.parse().ok()) {
                    threads.insert(task.file_name(), ran);
                }
            }
        }
        Ok(threads)
    }

    /// The time that all threads together have run so far. What one that has ended had, is missing.
    fn cpu(&self) -> Result<Duration, String> {
        Ok(Duration::from_nanos(self.threads()?.values().sum()))
    }

    /// Waits for so long: the share of a core that was used meanwhile, 0 to the number of cores. Threads that end
    /// count as well, but for the last part of their time.
    pub(crate) fn cpu_for(&self, time: Duration) -> Result<f64, String> {
        const LOOK: Duration = Duration::from_millis(500);
        let sum = |threads: &HashMap<OsString, u64>| threads.values().sum::<u64>();
        let start = Instant::now();
        let mut threads = self.threads()?;
        let before = sum(&threads);
        while start.elapsed() < time {
            std::thread::sleep(LOOK.min(time.saturating_sub(start.elapsed())));
            threads.extend(self.threads()?);
        }
        let used = Duration::from_nanos(sum(&threads) - before);
        Ok(used.as_secs_f64() / start.elapsed().as_secs_f64())
    }

    /// Waits until the group has nothing left to do: until it uses less than a hundredth of a core for a
    /// while, and what was written is on the disk, or at most for some seconds, as there are relays that
    /// never rest.
    pub(crate) fn settle(&self) -> Result<(), String> {
        const LOOK: Duration = Duration::from_millis(200);
        const LONGEST: Duration = Duration::from_secs(15);
        const UNWRITTEN: u64 = 16 << 20;
        let start = Instant::now();
        let mut before = self.cpu()?;
        while start.elapsed() < LONGEST {
            std::thread::sleep(LOOK);
            let now = self.cpu()?;
            if now.saturating_sub(before) < LOOK / 100 && unwritten()? < UNWRITTEN {
                break;
            }
            before = now;
        }
        Ok(())
    }
}

/// Looks at a group's memory all the time, for the most there was.
#[derive(Debug)]
pub(crate) struct Watch {
    end: mpsc::Sender<()>,
    thread: JoinHandle<Result<Memory, String>>,
}

impl Watch {
    pub(crate) fn start(group: &Group) -> Result<Self, String> {
        const BETWEEN: Duration = Duration::from_millis(10);
        let group = group.clone();
        let (end, ended) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("memory watch".to_owned())
            .spawn(move || {
                let mut most = group.memory()?;
                while ended.recv_timeout(BETWEEN) == Err(mpsc::RecvTimeoutError::Timeout) {
                    most = most.max(group.memory()?);
                }
                Ok(most.max(group.memory()?))
            })
            .map_err(|error| format!("no thread to watch the memory: {error}"))?;
        Ok(Self { end, thread })
    }

    /// The most there was from the start until now.
    pub(crate) fn most(self) -> Result<Memory, String> {
        drop(self.end);
        self.thread
            .join()
            .unwrap_or_else(|_panic| Err("the memory watch ended early".to_owned()))
    }
}
