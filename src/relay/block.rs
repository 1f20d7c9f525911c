//! What a room's log is made of: commands of one sender that arrived together.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::card::Card;
use super::log::Seq;
use crate::archive::History;
use crate::protocol::Run;

/// What a block takes in memory besides its bytes, about. The smallest command has 14.
pub(super) const BLOCK_BYTES: usize = 160;

/// Who reads on is mostly no more blocks behind.
const NEWEST: usize = 4;

/// Commands of one sender that arrived together, numbered one after the other.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) first: Seq,
    pub(super) sender: Arc<Card>,
    pub(super) run: Run,
    /// They are part of the history unless superseded; else they are ephemeral, all of them.
    pub(super) kept: bool,
    pub(super) at: Instant,
    /// Unix time.
    pub(super) arrived_millis: u64,
    /// How many bytes stand before it in the log, from some point on.
    pub(super) start_bytes: u64,
}

impl Block {
    /// The number after the last one.
    pub(super) fn end(&self) -> Seq {
        Seq(self.first.0 + self.run.frames() as u64)
    }

    pub(super) fn positions(&self) -> Range<u64> {
        self.first.0..self.end().0
    }

    pub(super) fn memory_bytes(&self) -> usize {
        memory_bytes(&self.run)
    }

    /// Where the next block starts.
    pub(super) fn end_bytes(&self) -> u64 {
        self.start_bytes + self.run.wire().len() as u64
    }

    /// Whether nobody who joins gets anything of it.
    pub(super) fn is_dead(&self, history: &History) -> bool {
        !self.kept || history.is_wholly_superseded(self.positions())
    }

    /// What of it is part of the history, as it stood on the wire.
    pub(super) fn replayed(&self, history: &History) -> Vec<Bytes> {
        if !self.kept {
            return Vec::new();
        }
        let mut gone = history.superseded(self.positions()).peekable();
        if gone.peek().is_none() {
            return vec![self.run.wire().clone()];
        }
        let (mut pieces, mut start, mut at) = (Vec::new(), None, 0);
        for (position, frame) in self.positions().zip(self.run.iter()) {
            while gone.next_if(|gone| gone.end <= position).is_some() {}
            if gone.peek().is_some_and(|gone| gone.contains(&position)) {
                pieces.extend(start.take().map(|start| self.run.wire().slice(start..at)));
            } else {
                start.get_or_insert(at);
            }
            at += frame.wire.len();
        }
        pieces.extend(start.map(|start| self.run.wire().slice(start..at)));
        pieces
    }
}

/// What commands that come together take, in memory and about that in a file, with all that is noted of them.
pub(super) fn memory_bytes(run: &Run) -> usize {
    run.wire().len() + BLOCK_BYTES
}

/// Splits a run where kept and ephemeral commands meet. None of the parts holds memory for another.
pub(super) fn parts(run: Run) -> impl Iterator<Item = (bool, Run)> {
    let whole = run.frames();
    let mut rest = Some(run).filter(|_| whole > 0);
    std::iter::from_fn(move || {
        let run = rest.take()?;
        let mut kinds = run.iter().map(|frame| !frame.header.kind.is_ephemeral());
        let kept = kinds.next()?;
        let same = 1 + kinds.take_while(|other| *other == kept).count();
        if same == whole {
            return Some((kept, run));
        }
        let (first, after) = run.split(same);
        rest = Some(after).filter(|after| after.frames() > 0);
        Some((kept, first.detached()))
    })
}

/// The first of `blocks` that reaches beyond `cursor`. It is mostly one of the newest.
pub(super) fn from(blocks: &VecDeque<Block>, cursor: Seq) -> usize {
    let newest = blocks.iter().rev().take(NEWEST);
    let beyond = newest.take_while(|block| block.end() > cursor).count();
    if beyond < NEWEST {
        return blocks.len() - beyond;
    }
    blocks.partition_point(|block| block.end() <= cursor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Frame, Kind};

    fn run(kinds: impl IntoIterator<Item = u16>) -> Run {
        let frames = kinds
            .into_iter()
            .map(|kind| Frame::new(Kind(kind), b"").into_wire());
        Run::from_wire(frames.flatten().collect::<Vec<_>>().into()).unwrap()
    }

    #[test]
    fn a_run_is_split_where_kept_and_ephemeral_commands_meet() {
        let kinds = [140, 140, 205, 140, 139, 1000, 201];
        let whole = run(kinds);
        let parts: Vec<_> = parts(whole.clone()).collect();
        let of_parts: Vec<_> = parts
            .iter()
            .map(|(kept, run)| (*kept, run.frames()))
            .collect();
        assert_eq!(
            of_parts,
            [(true, 2), (false, 1), (true, 1), (false, 2), (true, 1)]
        );
        let again: Vec<u8> = parts
            .iter()
            .flat_map(|(_, run)| run.wire().to_vec())
            .collect();
        assert_eq!(again, whole.wire()[..]);
        assert_eq!(super::parts(run([])).count(), 0);
    }

    #[test]
    fn what_is_all_of_one_sort_is_not_copied() {
        let whole = run([140; 100]);
        let (kept, part) = parts(whole.clone()).next().unwrap();
        assert!(kept);
        assert_eq!(part.wire().as_ptr(), whole.wire().as_ptr());
    }

    #[test]
    fn a_run_of_very_many_parts_is_split_in_one_go() {
        const PARTS: usize = 400_000;
        let started = Instant::now();
        let kinds = [140, 205].into_iter().cycle().take(PARTS);
        assert_eq!(parts(run(kinds)).count(), PARTS);
        // To copy the rest for each part is a terabyte: hours here.
        assert!(started.elapsed().as_secs() < 60);
    }
}
