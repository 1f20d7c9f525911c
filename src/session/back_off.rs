//! How long to wait before the next attempt.

use std::time::Duration;

/// After the first loss; doubles from there.
const FIRST: Duration = Duration::from_secs(1);

/// Waits of a connection that is tried again and again.
#[derive(Debug)]
pub(super) struct BackOff {
    longest: Duration,
    attempts: u32,
}

impl BackOff {
    /// Waits that grow up to `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            longest,
            attempts: 0,
        }
    }

    /// How long to wait before the next attempt.
    pub(super) fn next(&mut self) -> Duration {
        let wait = FIRST
            .saturating_mul(1 << self.attempts.min(16))
            .min(self.longest);
        self.attempts += 1;
        wait
    }

    /// An attempt has worked: start over.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_start_over() {
        let mut back_off = BackOff::new(Duration::from_secs(30));
        let waits: Vec<_> = (0..7).map(|_| back_off.next().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        back_off.reset();
        assert_eq!(back_off.next(), FIRST);
    }
}
