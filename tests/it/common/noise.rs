//! Chance that can be repeated.

use std::hash::{BuildHasher, RandomState};

/// Sets the seed of tests that are different every time.
const SEED: &str = "MIXDESK_SEED";

/// Numbers that look random and are the same every time.
#[derive(Clone, Debug)]
pub(crate) struct Noise(u64);

impl Noise {
    /// `seed` must not be 0.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another seed at every run; printed, and taken from the environment if it is there, so that a
    /// failure can be looked for again.
    pub(crate) fn of_this_run() -> Self {
        let seed = std::env::var(SEED).map_or_else(
            |_| RandomState::new().hash_one(()),
            |seed| seed.parse().unwrap(),
        );
        println!("{SEED}={seed}");
        Self(seed.max(1))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 to less than `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // The lowest bits of this kind of generator are its worst.
        (self.next() >> 11) % end
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..count.div_ceil(8))
            .flat_map(|_| self.next().to_le_bytes())
            .collect();
        bytes.truncate(count);
        bytes
    }
}
