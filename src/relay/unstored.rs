//! What rooms hold in memory because it cannot be written down, or is not to be: counted over all of them.

use std::sync::Arc;

use parking_lot::Mutex;

/// What some rooms hold together.
#[derive(Clone, Debug, Default)]
pub(super) struct Unstored(Arc<Mutex<Sum>>);

#[derive(Debug, Default)]
struct Sum {
    rooms: usize,
    bytes: usize,
}

/// What one of them holds, until this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    all: Unstored,
    bytes: usize,
}

impl Unstored {
    /// One more room, which holds so much.
    pub(super) fn share(&self, bytes: usize) -> Share {
        let mut sum = self.0.lock();
        sum.rooms += 1;
        sum.bytes += bytes;
        Share {
            all: self.clone(),
            bytes,
        }
    }

    /// What they hold together.
    pub(super) fn bytes(&self) -> usize {
        self.0.lock().bytes
    }
}

impl Share {
    /// The room holds so much now.
    pub(super) fn set(&mut self, bytes: usize) {
        let mut sum = self.all.0.lock();
        sum.bytes = sum.bytes - self.bytes + bytes;
        self.bytes = bytes;
    }

    /// Whether the room may hold so much more, where all together may hold `most`: as long as they do not,
    /// and then as long as it has less than its part of that. One that takes all leaves the others theirs.
    pub(super) fn admits(&self, more: usize, most: usize) -> bool {
        let sum = self.all.0.lock();
        let fits = |held: usize, most: usize| held.saturating_add(more) <= most;
        fits(sum.bytes, most) || fits(self.bytes, most / sum.rooms)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut sum = self.all.0.lock();
        sum.rooms -= 1;
        sum.bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_takes_all_leaves_the_others_their_part() {
        let all = Unstored::default();
        let mut greedy = all.share(70);
        let modest = all.share(10);
        assert!(greedy.admits(20, 100) && modest.admits(20, 100));
        greedy.set(90);
        assert!(!greedy.admits(1, 100) && !greedy.admits(usize::MAX, 100));
        assert!(modest.admits(40, 100) && !modest.admits(41, 100));
        drop(greedy);
        assert_eq!(all.bytes(), 10);
        assert!(modest.admits(90, 100));
    }
}
