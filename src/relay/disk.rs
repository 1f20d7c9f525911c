//! How the disk does, as all keepers of a relay see it together.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

#[cfg(target_os = "linux")]
use super::cores::give_way;

/// A disk that took longer than this for a write is slow …
const SLOW: Duration = Duration::from_millis(20);
/// … and is left to other threads for so long at least, …
const SLOW_FOR: Duration = Duration::from_secs(1);
/// … and for so many times what it took: the next write may take that long as well.
const SLOW_TIMES: u32 = 10;
/// Where a write was slow while a file was being brought to the disk, those that come at such a time are left to
/// other threads for so long. On most disks they need not wait for that.
const SLOW_IN_SYNC_FOR: Duration = Duration::from_secs(60);

/// A disk that nobody wrote to for so long may have to wake, or a server may have to be found again.
const AWAKE_FOR: Duration = Duration::from_secs(10);

/// So much of a file is handed to the disk at once: until that is done a system may let nobody else have its core.
#[cfg(target_os = "linux")]
const PIECE_BYTES: u64 = 256 << 10;

/// How the disk does. A small write that waits for it on a thread of the runtime would hold up all rooms.
#[derive(Debug, Default)]
pub(super) struct Disk {
    slow: Mutex<Slow>,
    /// Files that are being brought to the disk.
    syncs: AtomicUsize,
    /// Those of them that take long.
    late: Arc<AtomicUsize>,
}

/// Until when the disk counts as slow.
#[derive(Debug, Default)]
struct Slow {
    /// When it was last written to.
    written: Option<Instant>,
    until: Option<Instant>,
    /// While files are being brought to it.
    in_sync_until: Option<Instant>,
    /// Writes that have not returned: when each began, and after how long it counts as slow.
    under_way: Vec<(Instant, Duration)>,
}

/// A write is under way until this is dropped.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    disk: &'a Disk,
    began: Instant,
    patience: Duration,
}

/// A file takes long to come to the disk, until this is dropped.
#[derive(Debug)]
pub(super) struct LateSync(Arc<AtomicUsize>);

impl LateSync {
    /// Whether it is the only one: of what is so of the disk people need to hear once.
    pub(super) fn is_only_one(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }
}

impl Drop for LateSync {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A file is being brought to the disk until this is dropped.
#[derive(Debug)]
struct Syncing<'a>(&'a Disk);

impl Disk {
    /// Whether a small write is likely to be done at once.
    pub(super) fn is_quick(&self, now: Instant) -> bool {
        let slow = self.slow.lock();
        let is_over = |until: Option<Instant>| until.is_none_or(|until| until <= now);
        let awake = slow
            .written
            .is_some_and(|at| now.saturating_duration_since(at) < AWAKE_FOR);
        let hangs = |(began, patience): &(Instant, Duration)| {
            now.saturating_duration_since(*began) > *patience
        };
        if slow.under_way.iter().any(hangs) {
            return false;
        }
        awake && is_over(slow.until) && (!self.is_syncing() || is_over(slow.in_sync_until))
    }

    /// A write begins, a small one or not: as long as one takes too long no other is likely to be done at once.
    pub(super) fn begins(&self, small: bool, now: Instant) -> Writing<'_> {
        let patience = if small { SLOW } else { SLOW_FOR };
        self.slow.lock().under_way.push((now, patience));
        Writing {
            disk: self,
            began: now,
            patience,
        }
    }

    /// A write took so long. `in_sync`: a file was [being brought](Self::is_syncing) to the disk when it began.
    pub(super) fn took(&self, time: Duration, in_sync: bool, now: Instant) {
        let mut slow = self.slow.lock();
        slow.written = slow.written.max(Some(now));
        if time <= SLOW {
            return;
        }
        let until = now + SLOW_FOR.max(time.saturating_mul(SLOW_TIMES));
        slow.until = slow.until.max(Some(until));
        if in_sync || self.is_syncing() {
            slow.in_sync_until = Some(now + SLOW_IN_SYNC_FOR);
        }
        if time > SLOW_FOR {
            tracing::warn!("the disk took {:.1} s for a write", time.as_secs_f32());
        }
    }

    /// Whether any file is being brought to the disk.
    pub(super) fn is_syncing(&self) -> bool {
        self.syncs.load(Ordering::Relaxed) > 0
    }

    /// Brings a file to the disk. Of it what comes before `from` has been brought there, as far as that is known.
    /// Blocks.
    pub(super) fn sync(&self, file: &File, from: u64) -> io::Result<()> {
        let _syncing = self.syncing();
        begin_to_write(file, from);
        file.sync_data()
    }

    /// Bringing a file to it takes long.
    pub(super) fn late(&self) -> LateSync {
        self.late.fetch_add(1, Ordering::Relaxed);
        LateSync(Arc::clone(&self.late))
    }

    fn syncing(&self) -> Syncing<'_> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Syncing(self)
    }
}

/// Has the system begin to write a file to the disk, a piece at a time. The rest of a sync is then to wait, and not to work
/// through all of it at once. Where that is not to be had a sync does it all, and tells why.
#[cfg(target_os = "linux")]
fn begin_to_write(file: &File, from: u64) {
    let end = file.metadata().map_or(0, |metadata| metadata.len());
    let mut at = from;
    while at < end && hand_over(file, at) {
        at += PIECE_BYTES;
        give_way();
    }
}

/// Elsewhere nothing does only that.
#[cfg(not(target_os = "linux"))]
fn begin_to_write(_file: &File, _from: u64) {}

/// Has the system begin to write one piece. `false` where it does not do that.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no library that we have asks for this")]
fn hand_over(file: &File, at: u64) -> bool {
    use std::os::fd::AsRawFd;

    let (Ok(at), Ok(bytes)) = (i64::try_from(at), i64::try_from(PIECE_BYTES)) else {
        return false;
    };
    // SAFETY: the descriptor is open, as `file` is borrowed, and the call is given no memory.
    let begun =
        unsafe { libc::sync_file_range(file.as_raw_fd(), at, bytes, libc::SYNC_FILE_RANGE_WRITE) };
    begun == 0
}

#[cfg(test)]
impl Disk {
    /// As if it was just written to and was never slow: disks of test machines are.
    pub(super) fn forget(&self) {
        *self.slow.lock() = Slow {
            written: Some(Instant::now()),
            ..Slow::default()
        };
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let under_way = &mut self.disk.slow.lock().under_way;
        let this = (self.began, self.patience);
        if let Some(at) = under_way.iter().position(|other| *other == this) {
            under_way.swap_remove(at);
        }
    }
}

impl Drop for Syncing<'_> {
    fn drop(&mut self) {
        self.0.syncs.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Something that is open and that no disk takes.
    #[cfg(unix)]
    pub(in crate::relay) fn no_file() -> File {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        File::from(std::os::fd::OwnedFd::from(one))
    }

    #[test]
    fn one_slow_write_is_enough_for_all() {
        let (disk, now) = (Disk::default(), Instant::now());
        disk.took(SLOW, false, now);
        assert!(disk.is_quick(now));
        disk.took(Duration::from_secs(5), false, now);
        disk.took(Duration::from_millis(30), false, now);
        let before = now + Duration::from_secs(49);
        disk.took(SLOW, false, before);
        assert!(!disk.is_quick(before));
        assert!(disk.is_quick(now + Duration::from_secs(50)));
    }

    #[test]
    fn a_disk_that_was_slow_while_it_was_synced_is_not_tried_then() {
        let (disk, now) = (Disk::default(), Instant::now());
        let (one, other) = (disk.syncing(), disk.syncing());
        disk.took(SLOW, false, now);
        drop(one);
        assert!(disk.is_quick(now), "most are");
        drop(other);
        // The end of that is what the write waited for.
        disk.took(2 * SLOW, true, now);
        let soon = now + SLOW_FOR;
        assert!(disk.is_quick(soon));
        let _again = disk.syncing();
        assert!(!disk.is_quick(soon));
        let later = now + SLOW_IN_SYNC_FOR;
        disk.took(SLOW, false, later);
        assert!(disk.is_quick(later));
    }

    #[test]
    fn while_a_write_does_not_return_no_other_is_tried_at_once() {
        let (disk, now) = (Disk::default(), Instant::now());
        disk.took(Duration::ZERO, false, now);
        let (small, large) = (disk.begins(true, now), disk.begins(false, now));
        assert!(disk.is_quick(now + SLOW));
        assert!(!disk.is_quick(now + 2 * SLOW));
        drop(small);
        assert!(disk.is_quick(now + SLOW_FOR), "much takes its time");
        assert!(!disk.is_quick(now + 2 * SLOW_FOR));
        drop(large);
        assert!(disk.is_quick(now + 2 * SLOW_FOR));
    }

    // What is no file of a disk cannot be brought to one.
    #[cfg(unix)]
    #[test]
    fn the_system_is_asked_to_bring_a_file_to_the_disk() {
        let disk = Disk::default();
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        for from in [0, 1 << 19, 1 << 20, u64::MAX] {
            disk.sync(&file, from).unwrap();
        }
        assert!(disk.sync(&no_file(), 0).is_err());
    }

    #[test]
    fn a_disk_that_rested_is_not_waited_for() {
        let (disk, now) = (Disk::default(), Instant::now());
        assert!(!disk.is_quick(now), "nobody knows");
        disk.took(Duration::ZERO, false, now);
        assert!(disk.is_quick(now + AWAKE_FOR / 2));
        assert!(!disk.is_quick(now + AWAKE_FOR));
    }
}
