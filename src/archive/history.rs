//! What of a room's commands makes its history: the merge rule of protocol.md, applied as they come.

use std::ops::Range;

use crate::protocol::Kind;

/// Longest path that is compared, in bytes. Blender's own are at most some hundred.
pub(super) const PATH_BYTES: usize = 64 << 10;

/// As many places are remembered at which something was superseded: 16 MiB of memory. Beyond them a command is
/// superseded no more, unless it stands next to the last that was. A replay is longer then, and ends the same.
const PLACES: usize = 1 << 20;

/// Counts a room's history, and remembers which commands are not part of it any more.
///
/// Commands are known by their positions, which only grow. A command that was superseded by a newer
/// one stays where it is, in memory or in a file; this says that a replay skips it.
#[derive(Clone, Debug, Default)]
pub struct History {
    commands: u64,
    bytes: u64,
    /// Sorted, apart from one another.
    superseded: Vec<Range<u64>>,
    last: Option<Last>,
}

#[derive(Clone, Debug)]
struct Last {
    position: u64,
    kind: Kind,
    wire_bytes: u64,
    path: Option<Vec<u8>>,
}

/// What the merge rule looks at.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    /// Its place in the room's log.
    pub position: u64,
    /// The message type.
    pub kind: Kind,
    /// Bytes on the wire, header included.
    pub wire_bytes: u64,
    /// The string that leads its payload, if it holds one.
    pub path: Option<&'a [u8]>,
}

impl History {
    /// Takes in the next command, which must not be an ephemeral one. Nothing happens when it was dropped
    /// before it came.
    pub fn push(&mut self, command: Command<'_>) {
        let gone = self.superseded.last();
        if gone.is_some_and(|gone| gone.contains(&command.position)) {
            return;
        }
        let path = command
            .path
            .filter(|path| command.kind.is_mergeable() && path.len() <= PATH_BYTES);
        self.commands += 1;
        self.bytes += command.wire_bytes;
        let (is_full, end) = (self.superseded.len() >= PLACES, gone.map(|gone| gone.end));
        if let Some(last) = &mut self.last
            && path.is_some()
            && (!is_full || end == Some(last.position))
            && last.kind == command.kind
            && last.path.as_deref() == path
        {
            let old = std::mem::replace(&mut last.position, command.position);
            let old_bytes = std::mem::replace(&mut last.wire_bytes, command.wire_bytes);
            self.commands -= 1;
            self.bytes -= old_bytes;
            self.supersede(old..command.position);
            return;
        }
        self.last = Some(Last {
            position: command.position,
            kind: command.kind,
            wire_bytes: command.wire_bytes,
            path: path.map(<[u8]>::to_vec),
        });
    }

    /// Drops everything before a position, and all there is so far.
    pub fn clear(&mut self, before: u64) {
        let last = self.last.as_ref().map(|last| last.position + 1);
        let gone = self.superseded.last().map(|gone| gone.end);
        let before = last.max(gone).map_or(before, |end| before.max(end));
        *self = Self::default();
        self.supersede(0..before);
    }

    fn supersede(&mut self, range: Range<u64>) {
        match self.superseded.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.superseded.push(range),
        }
    }

    /// How many commands there are.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// What they take on the wire.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The parts of `range` that are not part of the history any more, in order.
    pub fn superseded(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let first = self
            .superseded
            .partition_point(|gone| gone.end <= range.start);
        self.superseded
            .iter()
            .skip(first)
            .take_while(move |gone| gone.start < range.end)
            .cloned()
    }

    /// Whether nothing of `range` is part of the history any more.
    #[must_use]
    pub fn is_wholly_superseded(&self, range: Range<u64>) -> bool {
        self.superseded(range.clone())
            .next()
            .is_some_and(|gone| gone.start <= range.start && gone.end >= range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn command(position: u64, kind: u16, path: Option<&[u8]>) -> Command<'_> {
        Command {
            position,
            kind: Kind(kind),
            wire_bytes: 20 + position,
            path,
        }
    }

    #[test]
    fn only_the_last_one_of_the_same_kind_and_path_is_replaced() {
        let mut history = History::default();
        for (position, kind, path) in [
            (0, 201, Some(&b"Cube"[..])),
            (1, 201, Some(b"Cube")),
            (5, 201, Some(b"Cube")),
            (6, 202, Some(b"Cube")),
            (7, 201, Some(b"Cube")),
            (8, 201, Some(b"Lamp")),
            (9, 140, Some(b"Lamp")),
            (10, 140, Some(b"Lamp")),
            (11, 201, None),
            (12, 201, None),
        ] {
            history.push(command(position, kind, path));
        }
        assert!(history.superseded(0..100).eq(std::iter::once(0..5)));
        assert_eq!((history.commands(), history.bytes()), (8, 160 + 68));
        assert!(history.is_wholly_superseded(0..5));
        assert!(!history.is_wholly_superseded(0..6));
        history.clear(13);
        assert!(history.superseded(2..100).eq(std::iter::once(0..13)));
        assert_eq!((history.commands(), history.bytes()), (0, 0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut history = History::default();
        let places = PLACES as u64;
        let mut position = 0;
        for _ in 0..places + 10 {
            for path in [&b"A"[..], b"A", b"B"] {
                history.push(command(position, 201, Some(path)));
                position += 1;
            }
        }
        assert_eq!(history.superseded.len(), PLACES);
        assert_eq!(history.commands(), 2 * places + 30, "the rest is all there");
        let more = 3 * (places - 1)..3 * (places + 10);
        assert_eq!(history.superseded(more).count(), 1);
    }

    #[test]
    fn what_is_dropped_stays_dropped() {
        let mut history = History::default();
        history.push(command(7, 140, None));
        for before in [3, 0, 5] {
            history.clear(before);
            assert!(history.superseded(0..100).eq(std::iter::once(0..8)));
            assert_eq!(history.commands(), 0);
        }
        history.push(command(8, 140, None));
        assert!(!history.is_wholly_superseded(8..9));
        history.clear(20);
        for position in [18, 19, 20] {
            history.push(command(position, 140, None));
        }
        assert_eq!((history.commands(), history.bytes()), (1, 40));
        assert!(history.superseded(0..100).eq(std::iter::once(0..20)));
    }

    #[test]
    fn a_path_too_long_to_compare_is_never_replaced() {
        let long = vec![b'x'; PATH_BYTES + 1];
        let mut history = History::default();
        history.push(command(0, 201, Some(&long)));
        history.push(command(1, 201, Some(&long)));
        assert_eq!(history.commands(), 2);
    }

    proptest! {
        /// Against the rule as protocol.md words it, on a plain list.
        #[test]
        fn it_counts_what_a_list_would_hold(
            commands in prop::collection::vec((prop_oneof![Just(140u16), Just(201), Just(202)], 0..3u8, 1..3u64), 0..60)
        ) {
            let (mut history, mut list, mut position) = (History::default(), Vec::new(), 0);
            for (kind, path, step) in commands {
                position += step;
                let path = [path];
                let path = (path[0] < 2).then_some(&path[..]);
                history.push(command(position, kind, path));
                let merges = kind > 200 && path.is_some();
                if merges && list.last().is_some_and(|(_, k, p)| (*k, p) == (kind, &path.map(<[u8]>::to_vec))) {
                    list.pop();
                }
                list.push((position, kind, path.map(<[u8]>::to_vec)));
            }
            let kept: Vec<u64> = list.iter().map(|(position, ..)| *position).collect();
            prop_assert_eq!(history.commands(), kept.len() as u64);
            prop_assert_eq!(history.bytes(), kept.iter().map(|position| 20 + position).sum::<u64>());
            let gone: Vec<_> = history.superseded(0..position + 1).collect();
            for kept in &kept {
                prop_assert!(!gone.iter().any(|gone| gone.contains(kept)));
            }
        }
    }
}
