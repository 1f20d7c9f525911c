//! What of a log leaves memory, and when.

use std::time::{Duration, Instant};

use super::{Inner, Keep, Mode};
use crate::relay::block;

impl Inner {
    /// Forgets the oldest blocks that stand in the file or are ephemeral, while there is too much or
    /// they are too old.
    pub(super) fn evict(&mut self, keep: Keep, now: Instant) {
        let (stored, published) = (self.stored, self.published);
        while let Some(oldest) = self.blocks.pop_front_if(|oldest| {
            let too_much = self.memory_bytes > keep.bytes;
            let too_old = now.saturating_duration_since(oldest.at) > keep.age;
            let dispensable = if oldest.kept {
                oldest.end() <= stored
            } else {
                oldest.end() <= published
            };
            dispensable && (too_much || too_old)
        }) {
            self.memory_bytes -= oldest.memory_bytes();
            if oldest.kept {
                self.evicted = oldest.end();
            } else {
                self.ephemeral_bytes -= oldest.memory_bytes();
            }
        }
        // Half of them at a time, and no search for what was not to be had the last time, so that this is seldom.
        let dead = self.dead_bytes();
        let half = keep.bytes / 2;
        if dead > self.unburied_bytes.max(half) + half {
            self.bury(dead - half, keep.age, now);
        }
    }

    /// Whether all of the room is in memory: what is superseded need not stay for a file then.
    fn is_in_memory_alone(&self) -> bool {
        match self.mode {
            Mode::Memory => true,
            Mode::Failing => self.file.is_none(),
            Mode::Journal => false,
        }
    }

    /// What of the memory, about, is for commands that nobody who joins gets and that will not go into a
    /// file: ephemeral ones, and without a file superseded ones too.
    pub(super) fn dead_bytes(&self) -> usize {
        if !self.is_in_memory_alone() {
            return self.ephemeral_bytes;
        }
        let needed = usize::try_from(self.history.bytes()).unwrap_or(usize::MAX);
        self.memory_bytes
            .saturating_sub(self.blocks.len() * block::BLOCK_BYTES)
            .saturating_sub(needed)
    }

    /// Forgets blocks that nobody who joins gets, and that will not go into a file: the oldest `bytes` of
    /// them, and those older than `age`.
    pub(super) fn bury(&mut self, mut bytes: usize, age: Duration, now: Instant) {
        let in_memory_alone = self.is_in_memory_alone();
        let is_search = bytes > 0;
        let Self {
            blocks,
            history,
            published,
            memory_bytes,
            ephemeral_bytes,
            unstored_bytes,
            ..
        } = self;
        let mut end_bytes = blocks.front().map_or(0, |oldest| oldest.start_bytes);
        blocks.retain_mut(|block| {
            let too_old = now.saturating_duration_since(block.at) > age;
            let buried = (bytes > 0 || too_old)
                && block.end() <= *published
                && (in_memory_alone || !block.kept)
                && block.is_dead(history);
            if buried {
                bytes = bytes.saturating_sub(block.run.wire().len());
                *memory_bytes -= block.memory_bytes();
                let of_its_sort = if block.kept {
                    &mut *unstored_bytes
                } else {
                    &mut *ephemeral_bytes
                };
                *of_its_sort -= block.memory_bytes();
            } else {
                block.start_bytes = end_bytes;
                end_bytes = block.end_bytes();
            }
            !buried
        });
        let dead = self.dead_bytes();
        self.unburied_bytes = if is_search {
            dead
        } else {
            dead.min(self.unburied_bytes)
        };
    }
}
