//! How often something may happen: rules without clocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::protocol::Kind;

/// A pace, and a reserve that lets some happen at once. What happened is a debt that time pays back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// What one of them costs, and time pays.
    each: Duration,
    /// The debt may become as large as this.
    reserve: Duration,
    debt: Duration,
    /// When the debt was that.
    at: Instant,
}

impl Pace {
    /// `a_second` of them, and `at_once` after a rest. Neither is less than one.
    pub(super) fn new(a_second: u32, at_once: u32, now: Instant) -> Self {
        Self::every(Duration::from_secs(1) / a_second.max(1), at_once, now)
    }

    /// One in so long, and `at_once` after a rest, which is never less than one.
    pub(super) fn every(each: Duration, at_once: u32, now: Instant) -> Self {
        Self {
            each,
            reserve: each.saturating_mul(at_once.max(1)),
            debt: Duration::ZERO,
            at: now,
        }
    }

    fn pay(&mut self, now: Instant) {
        let paid = now.saturating_duration_since(self.at);
        self.debt = self.debt.saturating_sub(paid);
        self.at = self.at.max(now);
    }

    /// Takes one.
    ///
    /// # Errors
    /// How long to wait until it can be taken; nothing was taken.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.pay(now);
        let after = self.debt.saturating_add(self.each);
        if after > self.reserve {
            return Err(after.saturating_sub(self.reserve));
        }
        self.debt = after;
        Ok(())
    }

    /// Takes `count` at any rate; returns how long to wait before doing what they are for.
    fn borrow(&mut self, count: u32, now: Instant) -> Duration {
        self.pay(now);
        self.debt = self.debt.saturating_add(self.each.saturating_mul(count));
        self.debt.saturating_sub(self.reserve)
    }

    /// Whether nothing is owed: it might as well be new.
    pub(super) fn is_rested(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= self.debt
    }
}

/// How many seconds' worth of messages may come at once: a Blender whose artist lets go of a long
/// stroke, or that joins a room, sends what it had gathered.
const MESSAGES_AT_ONCE_SECONDS: u32 = 5;
/// A list of all clients or rooms is written anew for each that asks, and counts for so many messages.
/// A Blender asks once.
const LIST_MESSAGES: u32 = 20;
/// Who sends no more than so many a second, which is more than an artist does, need not wait because of
/// what others send.
const MODEST_MESSAGES_A_SECOND: u32 = 100;

/// Messages a second, and whose.
#[derive(Debug)]
struct Measured {
    pace: Pace,
    a_second: u32,
}

impl Measured {
    fn new(a_second: u32, now: Instant) -> Self {
        let at_once = a_second.saturating_mul(MESSAGES_AT_ONCE_SECONDS);
        Self {
            pace: Pace::new(a_second, at_once, now),
            a_second,
        }
    }
}

/// The pace of several peers' messages together.
#[derive(Clone, Debug)]
pub(super) struct SharedPace(Arc<Mutex<Measured>>);

impl SharedPace {
    pub(super) fn new(a_second: u32, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(Measured::new(a_second, now))))
    }
}

/// The pace of one peer's messages to the relay.
#[derive(Debug)]
pub(super) struct MessagePace {
    own: Measured,
    modest: Measured,
    /// Of its address and of all.
    shared: Vec<(Crowd, SharedPace)>,
    /// It has been told that it is too fast, and has not rested since.
    told: bool,
}

/// Whose messages are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crowd {
    /// Those of the peer alone.
    Peer,
    /// Those of its address.
    Address,
    /// Everybody's.
    All,
}

/// A message has to wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Late {
    pub(super) wait: Duration,
    /// Because of these …
    pub(super) crowd: Crowd,
    /// … which are more than so many a second.
    pub(super) a_second: u32,
    /// It is the first since the peer last rested.
    pub(super) first: bool,
}

impl MessagePace {
    pub(super) fn new(a_second: u32, shared: Vec<(Crowd, SharedPace)>, now: Instant) -> Self {
        Self {
            own: Measured::new(a_second, now),
            modest: Measured::new(MODEST_MESSAGES_A_SECOND, now),
            shared,
            told: false,
        }
    }

    /// Counts a message. What it gives is to be waited for before the message is dealt with.
    pub(super) fn count(&mut self, kind: Kind, now: Instant) -> Option<Late> {
        if self.told && self.own.pace.is_rested(now) && self.modest.pace.is_rested(now) {
            self.told = false;
        }
        let weight = match kind {
            Kind::LIST_CLIENTS | Kind::LIST_ROOMS => LIST_MESSAGES,
            _ => 1,
        };
        let own = &mut self.own;
        let mut late = (own.pace.borrow(weight, now), Crowd::Peer, own.a_second);
        let is_modest = (0..weight).all(|_| self.modest.pace.take(now).is_ok());
        for (crowd, pace) in self.shared.iter().filter(|_| !is_modest) {
            let mut shared = pace.0.lock();
            let wait = shared.pace.borrow(weight, now);
            if wait > late.0 {
                late = (wait, *crowd, shared.a_second);
            }
        }
        let (wait, crowd, a_second) = late;
        (!wait.is_zero()).then(|| Late {
            wait,
            crowd,
            a_second,
            first: !std::mem::replace(&mut self.told, true),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn some_at_once_and_then_at_the_pace() {
        let start = Instant::now();
        let mut pace = Pace::new(10, 3, start);
        for _ in 0..3 {
            assert_eq!(pace.take(start), Ok(()));
        }
        assert_eq!(pace.take(start), Err(SECOND / 10));
        assert_eq!(pace.take(start + SECOND / 20), Err(SECOND / 20));
        assert_eq!(pace.take(start + SECOND / 10), Ok(()));
        assert!(!pace.is_rested(start + SECOND / 10));
        assert!(pace.is_rested(start + SECOND / 10 + 3 * SECOND / 10));
    }

    #[test]
    fn a_clock_that_goes_backward_gives_nothing_away() {
        let start = Instant::now() + SECOND;
        let mut pace = Pace::new(1, 1, start);
        assert_eq!(pace.take(start), Ok(()));
        assert_eq!(pace.take(start - SECOND), Err(SECOND));
        assert_eq!(pace.take(start), Err(SECOND));
    }

    #[test]
    fn who_is_too_fast_is_told_once_until_it_rests() {
        let start = Instant::now();
        let mut pace = MessagePace::new(100, Vec::new(), start);
        for _ in 0..500 {
            assert_eq!(pace.count(Kind::CLIENT_ID, start), None);
        }
        let mut now = start;
        for number in 0..1000 {
            let late = pace.count(Kind::CLIENT_ID, now).unwrap();
            assert_eq!((late.first, late.wait), (number == 0, SECOND / 100));
            now += late.wait;
        }
        assert_eq!(now - start, 10 * SECOND, "it goes on at its pace");
        now += 5 * SECOND;
        for _ in 0..500 {
            assert_eq!(pace.count(Kind::CLIENT_ID, now), None);
        }
        assert!(pace.count(Kind::CLIENT_ID, now).unwrap().first);
    }

    #[test]
    fn many_who_are_fast_together_wait_and_who_is_modest_does_not() {
        let start = Instant::now();
        let shared = SharedPace::new(2000, start);
        let peer = || MessagePace::new(2000, vec![(Crowd::Address, shared.clone())], start);
        let (mut flooders, mut artist) = ([(); 10].map(|()| peer()), peer());
        let (mut late, mut next) = (0, [start; 10]);
        for millisecond in 0..10_000 {
            let now = start + Duration::from_millis(millisecond);
            for (flooder, next) in flooders.iter_mut().zip(&mut next) {
                if *next > now {
                    continue;
                }
                if let Some(one) = flooder.count(Kind::CLIENT_ID, now) {
                    assert_eq!((one.crowd, one.a_second), (Crowd::Address, 2000));
                    *next = now + one.wait;
                    late += 1;
                }
            }
            if millisecond.is_multiple_of(10) {
                assert_eq!(artist.count(Kind::CLIENT_ID, now), None);
            }
        }
        // Of 100 in 10 ms 20 are let through.
        assert!(late > 10_000, "{late}");
    }

    #[test]
    fn lists_count_for_more() {
        let start = Instant::now();
        let mut pace = MessagePace::new(100, Vec::new(), start);
        for _ in 0..500 / LIST_MESSAGES {
            assert_eq!(pace.count(Kind::LIST_ROOMS, start), None);
        }
        let late = pace.count(Kind::LIST_CLIENTS, start).unwrap();
        assert_eq!(late.wait, LIST_MESSAGES * SECOND / 100);
    }

    proptest! {
        #[test]
        fn never_more_than_the_reserve_and_the_pace(
            a_second in 0u32..5000,
            at_once in 0u32..500,
            steps in prop::collection::vec(0u64..200_000, 1..500),
        ) {
            let start = Instant::now();
            let (mut pace, mut now, mut taken) = (Pace::new(a_second, at_once, start), start, 0u32);
            for step in steps {
                now += Duration::from_micros(step);
                taken += u32::from(pace.take(now).is_ok());
                let paid = f64::from(a_second.max(1)) * (now - start).as_secs_f64();
                prop_assert!(f64::from(taken) <= f64::from(at_once.max(1)) + paid + 1.0);
            }
        }

        #[test]
        fn any_numbers_will_do(a_second: u32, at_once: u32, counts in prop::collection::vec(any::<u32>(), 1..20)) {
            let start = Instant::now();
            let mut pace = Pace::new(a_second, at_once, start);
            for count in counts {
                let _taken = pace.take(start);
                let _wait = pace.borrow(count, start);
            }
        }
    }
}
