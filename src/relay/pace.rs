//! How often something may happen: rules without clocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::limits::{LINE_EVERY, LINES_A_SECOND, LINES_AT_ONCE, LINES_OF_ADDRESS_AT_ONCE};
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
        self.take_some(1, now)
    }

    /// Takes `count`, or none of them.
    ///
    /// # Errors
    /// How long to wait until they can be taken; nothing was taken.
    fn take_some(&mut self, count: u32, now: Instant) -> Result<(), Duration> {
        self.pay(now);
        let after = self.debt.saturating_add(self.each.saturating_mul(count));
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

    /// Whether no more is owed than the reserve.
    fn is_in_time(&mut self, now: Instant) -> bool {
        self.pay(now);
        self.debt <= self.reserve
    }

    /// Whether nothing is owed: it might as well be new.
    pub(super) fn is_rested(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= self.debt
    }
}

/// How fast something is told to everybody that is only of interest as it is last: what changes faster is told less often.
#[derive(Debug, Default)]
pub(super) struct NewsPace {
    pace: Option<Pace>,
    /// Whoever changes it has been told that it is too fast.
    told: bool,
}

impl NewsPace {
    const UNIT_BYTES: usize = 1 << 10;

    fn pace(&mut self, bytes_a_second: usize, now: Instant) -> &mut Pace {
        let a_second = u32::try_from(bytes_a_second / Self::UNIT_BYTES).unwrap_or(u32::MAX);
        self.pace
            .get_or_insert_with(|| Pace::new(a_second, a_second, now))
    }

    /// Whether something may be told now, however much it is.
    pub(super) fn is_in_time(&mut self, bytes_a_second: usize, now: Instant) -> bool {
        self.pace(bytes_a_second, now).is_in_time(now)
    }

    /// So many bytes are told.
    pub(super) fn count(&mut self, bytes: usize, bytes_a_second: usize, now: Instant) {
        let units = u32::try_from(bytes.div_ceil(Self::UNIT_BYTES)).unwrap_or(u32::MAX);
        self.pace(bytes_a_second, now).borrow(units, now);
    }

    /// Whether nothing is owed: it might as well be new.
    pub(super) fn is_rested(&self, now: Instant) -> bool {
        self.pace.is_none_or(|pace| pace.is_rested(now))
    }

    /// Something has to wait. Whether whoever changes it is to be told, which is once.
    pub(super) fn is_late(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }
}

/// Lines of the log, at a pace.
#[derive(Debug)]
pub(super) struct Lines {
    pace: Pace,
    /// Those that were left out since the last that was not.
    left_out: u64,
}

impl Lines {
    /// Those about one address.
    pub(super) fn of_address(now: Instant) -> Self {
        Self::new(Pace::every(LINE_EVERY, LINES_OF_ADDRESS_AT_ONCE, now))
    }

    /// Those about all peers.
    pub(super) fn of_all(now: Instant) -> Self {
        Self::new(Pace::new(LINES_A_SECOND, LINES_AT_ONCE, now))
    }

    fn new(pace: Pace) -> Self {
        Self { pace, left_out: 0 }
    }

    /// Whether there is place for another line.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let taken = self.pace.take(now).is_ok();
        self.left_out += u64::from(!taken);
        taken
    }

    /// How many were left out since this was asked the last time.
    pub(super) fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }

    /// Whether nothing is owed: it might as well be new.
    pub(super) fn is_rested(&self, now: Instant) -> bool {
        self.pace.is_rested(now)
    }
}

/// How many seconds' worth of messages may come at once: a Blender whose artist lets go of a long
/// stroke, or that joins a room, sends what it had gathered.
const MESSAGES_AT_ONCE_SECONDS: u32 = 5;
/// A list of all clients or rooms is written anew for each that asks, and counts for so many messages.
/// A Blender asks once.
const LIST_MESSAGES: u32 = 20;
/// A message counts for one more with every so many bytes: to read these takes as long as all else that is done
/// for one. Attributes of 30 kB ten times a second, some hundred selected objects whose artist moves the view, are
/// still [modest](MODEST_MESSAGES_A_SECOND).
const SIZED_BYTES: usize = 4 << 10;
/// Who sends no more than so many a second, which is more than an artist does, need not wait because of
/// what others send.
const MODEST_MESSAGES_A_SECOND: u32 = 100;

/// For how many messages one counts.
fn weight(kind: Kind, payload_bytes: usize) -> u32 {
    let one = match kind {
        Kind::LIST_CLIENTS | Kind::LIST_ROOMS => LIST_MESSAGES,
        _ => 1,
    };
    let sized = u32::try_from(payload_bytes / SIZED_BYTES).unwrap_or(u32::MAX);
    sized.saturating_add(one)
}

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

    /// Whether nothing is owed: it might as well be new.
    pub(super) fn is_rested(&self, now: Instant) -> bool {
        self.0.lock().pace.is_rested(now)
    }
}

/// The pace of one peer's messages to the relay.
#[derive(Debug)]
pub(super) struct MessagePace {
    own: Measured,
    modest: Measured,
    /// Of its address first, if that is bounded, and of all.
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

    /// Counts a message. What this gives is to be waited for, one after the other, before the message is dealt with.
    pub(super) fn waits(&mut self, kind: Kind, payload_bytes: usize, now: Instant) -> Waits<'_> {
        if self.told && self.own.pace.is_rested(now) && self.modest.pace.is_rested(now) {
            self.told = false;
        }
        let weight = weight(kind, payload_bytes);
        let is_modest = self.modest.pace.take_some(weight, now).is_ok();
        Waits {
            paces: if is_modest { 1 } else { 1 + self.shared.len() },
            next: 0,
            weight,
            pace: self,
        }
    }
}

/// What a message has to wait for. Of those who share a pace it takes something only once it had to wait for nothing else
/// any more: else who is far too fast alone would have all wait for it.
#[derive(Debug)]
pub(super) struct Waits<'a> {
    pace: &'a mut MessagePace,
    weight: u32,
    /// How many paces there are, its own first, …
    paces: usize,
    /// … and how many of them have counted it.
    next: usize,
}

impl Waits<'_> {
    /// The next one; `None` when the message can be dealt with.
    pub(super) fn next(&mut self, now: Instant) -> Option<Late> {
        while self.next < self.paces {
            let count = |measured: &mut Measured| {
                let wait = measured.pace.borrow(self.weight, now);
                (wait, measured.a_second)
            };
            let ((wait, a_second), crowd) = match self.next.checked_sub(1) {
                None => (count(&mut self.pace.own), Crowd::Peer),
                Some(shared) => match self.pace.shared.get(shared) {
                    Some((crowd, shared)) => (count(&mut shared.0.lock()), *crowd),
                    None => return None,
                },
            };
            self.next += 1;
            if !wait.is_zero() {
                return Some(Late {
                    wait,
                    crowd,
                    a_second,
                    first: !std::mem::replace(&mut self.pace.told, true),
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    impl MessagePace {
        /// The first that a message has to wait for.
        pub(in crate::relay) fn count(
            &mut self,
            kind: Kind,
            payload_bytes: usize,
            now: Instant,
        ) -> Option<Late> {
            self.waits(kind, payload_bytes, now).next(now)
        }
    }

    #[test]
    fn who_is_far_too_fast_has_only_those_of_its_address_wait() {
        let start = Instant::now();
        let [address, other] = [(); 2].map(|()| SharedPace::new(8000, start));
        let all = SharedPace::new(20_000, start);
        let peer = |address: &SharedPace| {
            let shared = vec![(Crowd::Address, address.clone()), (Crowd::All, all.clone())];
            MessagePace::new(2000, shared, start)
        };
        for _ in 0..256 {
            let _late = peer(&address).count(Kind::SEND_ERROR, 16 << 20, start);
        }
        // Not modest.
        let late = peer(&other).count(Kind::SEND_ERROR, 1 << 20, start);
        assert_eq!(late, None);
    }

    #[test]
    fn who_is_too_fast_in_every_way_waits_for_one_after_the_other() {
        let start = Instant::now();
        let shared = [(Crowd::Address, 80), (Crowd::All, 90)];
        let shared = shared.map(|(crowd, a_second)| (crowd, SharedPace::new(a_second, start)));
        let mut pace = MessagePace::new(70, shared.to_vec(), start);
        let mut waits = pace.waits(Kind::SEND_ERROR, 4 << 20, start);
        let mut crowds = Vec::new();
        let mut now = start;
        while let Some(late) = waits.next(now) {
            assert_eq!(late.first, crowds.is_empty());
            crowds.push(late.crowd);
            now += late.wait;
        }
        assert_eq!(crowds, [Crowd::Peer, Crowd::Address, Crowd::All]);
    }

    #[test]
    fn what_changes_fast_is_told_less_often() {
        const A_SECOND: usize = 64 << 10;
        let start = Instant::now();
        let mut pace = NewsPace::default();
        let mut told = 0;
        for tenth in 0..600 {
            let now = start + tenth * SECOND / 10;
            if pace.is_in_time(A_SECOND, now) {
                pace.count(100_000, A_SECOND, now);
                told += 100_000;
            }
        }
        let most = 61 * A_SECOND + 2 * 100_000;
        assert!((55 * A_SECOND..most).contains(&told), "{told}");
        assert!(!pace.is_rested(start + 60 * SECOND) && pace.is_rested(start + 70 * SECOND));
    }

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
            assert_eq!(pace.count(Kind::CLIENT_ID, 0, start), None);
        }
        let mut now = start;
        for number in 0..1000 {
            let late = pace.count(Kind::CLIENT_ID, 0, now).unwrap();
            assert_eq!((late.first, late.wait), (number == 0, SECOND / 100));
            now += late.wait;
        }
        assert_eq!(now - start, 10 * SECOND, "it goes on at its pace");
        now += 5 * SECOND;
        for _ in 0..500 {
            assert_eq!(pace.count(Kind::CLIENT_ID, 0, now), None);
        }
        assert!(pace.count(Kind::CLIENT_ID, 0, now).unwrap().first);
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
                if let Some(one) = flooder.count(Kind::CLIENT_ID, 0, now) {
                    assert_eq!((one.crowd, one.a_second), (Crowd::Address, 2000));
                    *next = now + one.wait;
                    late += 1;
                }
            }
            if millisecond.is_multiple_of(10) {
                assert_eq!(artist.count(Kind::CLIENT_ID, 0, now), None);
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
            assert_eq!(pace.count(Kind::LIST_ROOMS, 0, start), None);
        }
        let late = pace.count(Kind::LIST_CLIENTS, 0, start).unwrap();
        assert_eq!(late.wait, LIST_MESSAGES * SECOND / 100);
    }

    #[test]
    fn lines_that_are_left_out_are_counted() {
        let start = Instant::now();
        let mut lines = Lines::of_address(start);
        let at_once = LINES_OF_ADDRESS_AT_ONCE;
        let taken = (0..at_once + 7).filter(|_| lines.take(start)).count();
        assert_eq!(taken, at_once as usize);
        assert!(lines.take(start + LINE_EVERY));
        assert_eq!((lines.take_left_out(), lines.take_left_out()), (7, 0));
        let rested = start + (at_once + 1) * LINE_EVERY;
        assert!(!lines.is_rested(rested - LINE_EVERY) && lines.is_rested(rested));
    }

    #[test]
    fn large_messages_count_for_more() {
        let start = Instant::now();
        let mut pace = MessagePace::new(2000, Vec::new(), start);
        // 16 MiB each: five seconds' worth at once is not even three.
        let mut now = start;
        for _ in 0..10 {
            let late = pace.count(Kind::SEND_ERROR, 16 << 20, now);
            now += late.map_or(Duration::ZERO, |late| late.wait);
        }
        let bytes_a_second = 10.0 * f64::from(16 << 20) / (now - start).as_secs_f64();
        assert!(bytes_a_second < 14e6, "{bytes_a_second}");
    }

    /// What a Blender says of its scenes while somebody moves the view, with thousands of objects selected.
    #[test]
    fn artists_with_much_selected_do_not_wait() {
        let start = Instant::now();
        let (address, all) = (SharedPace::new(8000, start), SharedPace::new(20_000, start));
        let crowds = || vec![(Crowd::Address, address.clone()), (Crowd::All, all.clone())];
        let count = |pace: &mut MessagePace, bytes, now| {
            pace.count(Kind::SET_CLIENT_CUSTOM_ATTRIBUTES, bytes, now)
        };
        let peer = || MessagePace::new(2000, crowds(), start);
        let (mut greedy, mut studio) = (peer(), [(); 60].map(|()| peer()));
        let mut avid = [(); 5].map(|()| peer());
        for tenth in 0..600 {
            let now = start + tenth * SECOND / 10;
            for pace in &mut avid {
                assert_eq!(count(pace, 400 << 10, now), None);
            }
            for pace in &mut studio {
                assert_eq!(count(pace, 30 << 10, now), None);
            }
        }
        // Others take all that there is for everybody; who is modest does not wait all the same.
        let now = start + 60 * SECOND;
        for _ in 0..100 {
            let _late = count(&mut greedy, 16 << 20, now);
        }
        for fifth in 5..300 {
            let now = now + fifth * SECOND / 5;
            for pace in &mut studio {
                assert_eq!(count(pace, 30 << 10, now), None);
            }
        }
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
                let _taken = pace.take_some(count, start);
                let _wait = pace.borrow(count, start);
            }
        }
    }
}
