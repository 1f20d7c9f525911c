//! How the disk does, as all keepers of a relay see it together.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A disk that took longer than this for a write is slow …
const SLOW: Duration = Duration::from_millis(20);
/// … and is left to other threads for so long at least, …
const SLOW_FOR: Duration = Duration::from_secs(1);
/// … and for so many times what it took: the next write may take that long as well.
const SLOW_TIMES: u32 = 10;

/// How the disk does. A small write that waits for it on a thread of the runtime would hold up all rooms.
#[derive(Debug, Default)]
pub(super) struct Disk {
    slow_until: Mutex<Option<Instant>>,
    /// Files that are being brought to the disk: writes to others wait for that as well.
    syncs: AtomicUsize,
}

/// A file is being brought to the disk until this is dropped.
#[derive(Debug)]
struct Syncing<'a>(&'a Disk);

impl Disk {
    /// Whether a small write is likely to be done at once.
    pub(super) fn is_quick(&self, now: Instant) -> bool {
        self.syncs.load(Ordering::Relaxed) == 0
            && self.slow_until.lock().is_none_or(|until| until <= now)
    }

    /// A write took so long.
    pub(super) fn took(&self, time: Duration, now: Instant) {
        if time <= SLOW {
            return;
        }
        let until = now + SLOW_FOR.max(time.saturating_mul(SLOW_TIMES));
        let mut slow_until = self.slow_until.lock();
        *slow_until = slow_until.max(Some(until));
        if time > SLOW_FOR {
            tracing::warn!("the disk took {:.1} s for a write", time.as_secs_f32());
        }
    }

    /// Brings a file to the disk. Blocks.
    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        let _syncing = self.syncing();
        file.sync_data()
    }

    fn syncing(&self) -> Syncing<'_> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Syncing(self)
    }
}

impl Drop for Syncing<'_> {
    fn drop(&mut self) {
        self.0.syncs.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_write_is_enough_for_all() {
        let (disk, now) = (Disk::default(), Instant::now());
        disk.took(SLOW, now);
        assert!(disk.is_quick(now));
        disk.took(Duration::from_secs(5), now);
        disk.took(Duration::from_millis(30), now);
        assert!(!disk.is_quick(now + Duration::from_secs(49)));
        assert!(disk.is_quick(now + Duration::from_secs(50)));
    }

    #[test]
    fn no_disk_is_quick_that_is_being_synced() {
        let (disk, now) = (Disk::default(), Instant::now());
        let (one, other) = (disk.syncing(), disk.syncing());
        drop(one);
        assert!(!disk.is_quick(now));
        drop(other);
        assert!(disk.is_quick(now));
    }
}
