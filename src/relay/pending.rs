//! What peers leave in memory by not reading: of one, of all of its address, of all. Answers that wait, and
//! apart from these what is being written to one and in memory for it alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a peer may leave lying, in bytes, however much others do: answers to what a Blender asks when
/// it connects.
const FAIR_SHARE_BYTES: usize = 64 << 10;

/// How much may wait: bytes of memory, about.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingLimits {
    pub(super) of_one: usize,
    pub(super) of_address: usize,
    pub(super) of_all: usize,
}

/// What waits for one peer, counted with what waits for the others.
#[derive(Debug)]
pub(super) struct Pending {
    bytes: usize,
    of_address: Arc<AtomicUsize>,
    of_all: Arc<AtomicUsize>,
    limits: PendingLimits,
}

impl Pending {
    pub(super) fn new(
        limits: PendingLimits,
        of_address: Arc<AtomicUsize>,
        of_all: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            bytes: 0,
            of_address,
            of_all,
            limits,
        }
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.of_address.fetch_add(bytes, Ordering::Relaxed);
        self.of_all.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn remove(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.of_address.fetch_sub(bytes, Ordering::Relaxed);
        self.of_all.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// It is so much now, in the place of what was before.
    pub(super) fn set(&mut self, bytes: usize) {
        self.remove(self.bytes);
        self.add(bytes);
    }

    /// The limit that is exceeded. Where those of several are, only who has more than a fair share is
    /// to blame.
    pub(super) fn exceeds(&self) -> Option<usize> {
        let greedy = self.bytes > FAIR_SHARE_BYTES;
        let limits = self.limits;
        [
            (true, self.bytes, limits.of_one),
            (
                greedy,
                self.of_address.load(Ordering::Relaxed),
                limits.of_address,
            ),
            (greedy, self.of_all.load(Ordering::Relaxed), limits.of_all),
        ]
        .into_iter()
        .find_map(|(counts, bytes, limit)| (counts && bytes > limit).then_some(limit))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.remove(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PendingLimits = PendingLimits {
        of_one: 100 << 10,
        of_address: 150 << 10,
        of_all: 200 << 10,
    };

    #[test]
    fn who_takes_much_is_to_blame_and_nobody_else() {
        let (there, all) = (Arc::default(), Arc::default());
        let peer = || Pending::new(LIMITS, Arc::clone(&there), Arc::clone(&all));
        let (mut a, mut b, mut c) = (peer(), peer(), peer());
        a.add(100 << 10);
        assert_eq!(a.exceeds(), None);
        a.add(1);
        assert_eq!(a.exceeds(), Some(LIMITS.of_one));
        a.remove(1);
        b.add(70 << 10);
        c.add(10);
        assert_eq!(a.exceeds(), Some(LIMITS.of_address));
        assert_eq!(b.exceeds(), Some(LIMITS.of_address));
        assert_eq!(c.exceeds(), None, "it did nothing");
        drop(a);
        assert_eq!(b.exceeds(), None);
        b.set(150 << 10);
        assert_eq!(b.exceeds(), Some(LIMITS.of_one));
        b.set(70 << 10);
        assert_eq!(b.exceeds(), None);

        let mut elsewhere = Pending::new(LIMITS, Arc::default(), Arc::clone(&all));
        elsewhere.add(90 << 10);
        let mut third = Pending::new(LIMITS, Arc::default(), Arc::clone(&all));
        third.add(70 << 10);
        assert_eq!(third.exceeds(), Some(LIMITS.of_all));
        assert_eq!(c.exceeds(), None);
        drop((b, c, elsewhere, third));
        assert_eq!(all.load(Ordering::Relaxed), 0);
        assert_eq!(there.load(Ordering::Relaxed), 0);
    }
}
