//! A room's history and its live commands: an append-only log that members read with a cursor.
//!
//! The sender appends once and waits for nobody; a member is a number, the next entry to read, so a
//! stalled one costs nothing here. Replay and live are the same read: there is no seam at which a
//! command could be lost or doubled.
//!
//! Two lists share one numbering. `kept` is the history. `live` holds what is delivered to those who
//! are in the room and then forgotten: the ephemeral kinds, and entries that a merge took out of the
//! history. (A merged-away command still reaches every member, as protocol.md asks: "live commands
//! with none lost". Only a replay skips it.)

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::PeerId;
use crate::protocol::Frame;

/// Frames that one read gives at most, so that the lock is held for microseconds.
const BATCH_FRAMES: usize = 256;
/// Entries that one read looks at, given or not.
const BATCH_ENTRIES: usize = 4 * BATCH_FRAMES;
/// Bytes that one read gives at most, but for a single larger frame.
const BATCH_BYTES: usize = 1 << 20;

/// What an entry takes in memory besides its frame's bytes, about. The smallest frame has 14.
const ENTRY_BYTES: usize = 128;

/// A position in a room's log. Numbers only grow, and some are skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seq(u64);

#[derive(Debug)]
struct Entry {
    seq: Seq,
    sender: PeerId,
    frame: Frame,
    at: Instant,
}

impl Entry {
    fn memory_bytes(&self) -> usize {
        self.frame.wire_len() + ENTRY_BYTES
    }
}

/// How much of the live list is kept for members who are behind: bytes of memory, and age.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    pub(super) bytes: usize,
    pub(super) age: Duration,
}

/// What the room's attributes say of its history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) command_count: u64,
    pub(super) byte_size: u64,
}

/// A room's log.
#[derive(Debug)]
pub(super) struct Log {
    /// Short and never held across an await: appending and batched reading only.
    inner: Mutex<Inner>,
    /// The next number to be given. Rung after unlocking; a level, so no wake-up is lost.
    head: watch::Sender<Seq>,
    /// The figures have changed since they were told.
    figures_changed: AtomicBool,
    keep: Keep,
}

#[derive(Debug, Default)]
struct Inner {
    kept: VecDeque<Entry>,
    live: VecDeque<Entry>,
    next: Seq,
    kept_bytes: u64,
    live_bytes: usize,
}

/// What one read gave.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Frames to send, in order.
    pub(super) frames: Vec<Bytes>,
    /// Where to read on.
    pub(super) cursor: Seq,
}

impl Log {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            inner: Mutex::default(),
            head: watch::Sender::new(Seq::default()),
            figures_changed: AtomicBool::new(false),
            keep,
        }
    }

    /// Appends commands of one sender, in order. `true` when the figures changed and nobody has
    /// been asked to tell them yet.
    pub(super) fn append(
        &self,
        sender: PeerId,
        frames: impl IntoIterator<Item = Frame>,
        now: Instant,
    ) -> bool {
        let next = {
            let mut inner = self.inner.lock();
            for frame in frames {
                inner.push(sender, frame, now);
            }
            inner.prune(self.keep, now);
            inner.next
        };
        self.head.send_replace(next);
        !self.figures_changed.swap(true, Ordering::AcqRel)
    }

    /// Throws the history away. Cursors stay as they are: what comes gets new numbers.
    pub(super) fn clear(&self) {
        let mut inner = self.inner.lock();
        inner.kept.clear();
        inner.kept_bytes = 0;
        drop(inner);
        self.figures_changed.store(true, Ordering::Release);
    }

    /// Rings when something was appended. What it says now counts as seen.
    pub(super) fn bell(&self) -> watch::Receiver<Seq> {
        self.head.subscribe()
    }

    /// The number that the next entry will get.
    pub(super) fn head(&self) -> Seq {
        self.inner.lock().next
    }

    /// The figures, if they have changed since they were last taken.
    pub(super) fn take_changed_figures(&self) -> Option<Figures> {
        self.figures_changed
            .swap(false, Ordering::AcqRel)
            .then(|| self.figures())
    }

    pub(super) fn figures(&self) -> Figures {
        let inner = self.inner.lock();
        Figures {
            command_count: inner.kept.len() as u64,
            byte_size: inner.kept_bytes,
        }
    }

    /// Forgets live commands that are too old or too many. `true` while some are left.
    pub(super) fn prune(&self, now: Instant) -> bool {
        let mut inner = self.inner.lock();
        inner.prune(self.keep, now);
        !inner.live.is_empty()
    }

    /// Reads from `cursor` up to `replay_until`, as a replay: all of the history, whoever sent it,
    /// and nothing that is live only.
    pub(super) fn replay(&self, cursor: Seq, replay_until: Seq) -> Batch {
        let inner = self.inner.lock();
        let start = inner.kept.partition_point(|entry| entry.seq < cursor);
        let mut batch = Filling::new(cursor);
        for entry in inner
            .kept
            .iter()
            .skip(start)
            .take_while(|entry| entry.seq < replay_until)
        {
            if batch.is_full() {
                return batch.stop();
            }
            batch.take(entry, true);
        }
        batch.finish(replay_until)
    }

    /// Reads from `cursor` on, live: everything but the member's own commands.
    pub(super) fn live(&self, cursor: Seq, member: PeerId) -> Batch {
        let inner = self.inner.lock();
        let from = |list: &VecDeque<Entry>| list.partition_point(|entry| entry.seq < cursor);
        let mut kept = inner.kept.iter().skip(from(&inner.kept)).peekable();
        let mut live = inner.live.iter().skip(from(&inner.live)).peekable();
        let mut batch = Filling::new(cursor);
        loop {
            let entry = match (kept.peek(), live.peek()) {
                (Some(a), Some(b)) if a.seq < b.seq => kept.next(),
                (_, Some(_)) => live.next(),
                _ => kept.next(),
            };
            let Some(entry) = entry else {
                return batch.finish(inner.next);
            };
            if batch.is_full() {
                return batch.stop();
            }
            batch.take(entry, entry.sender != member);
        }
    }
}

impl Inner {
    fn push(&mut self, sender: PeerId, frame: Frame, at: Instant) {
        let seq = self.next;
        self.next = Seq(seq.0 + 1);
        let entry = Entry {
            seq,
            sender,
            frame,
            at,
        };
        if entry.frame.kind().is_ephemeral() {
            self.live_bytes += entry.memory_bytes();
            self.live.push_back(entry);
            return;
        }
        if self
            .kept
            .back()
            .is_some_and(|last| replaces(&entry.frame, &last.frame))
            && let Some(old) = self.kept.pop_back()
        {
            self.kept_bytes -= old.frame.wire_len() as u64;
            self.live_bytes += old.memory_bytes();
            let place = self.live.partition_point(|other| other.seq < old.seq);
            self.live.insert(place, old);
        }
        self.kept_bytes += entry.frame.wire_len() as u64;
        self.kept.push_back(entry);
    }

    fn prune(&mut self, keep: Keep, now: Instant) {
        while let Some(oldest) = self.live.pop_front_if(|oldest| {
            self.live_bytes > keep.bytes || now.saturating_duration_since(oldest.at) > keep.age
        }) {
            self.live_bytes -= oldest.memory_bytes();
        }
    }
}

/// The merge rule: same mergeable kind, same leading string.
fn replaces(new: &Frame, last: &Frame) -> bool {
    new.kind().is_mergeable()
        && new.kind() == last.kind()
        && new
            .leading_string()
            .is_some_and(|path| last.leading_string() == Some(path))
}

struct Filling {
    batch: Batch,
    entries: usize,
    bytes: usize,
}

impl Filling {
    fn new(cursor: Seq) -> Self {
        Self {
            batch: Batch {
                frames: Vec::new(),
                cursor,
            },
            entries: 0,
            bytes: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.batch.frames.len() >= BATCH_FRAMES
            || self.entries >= BATCH_ENTRIES
            || self.bytes >= BATCH_BYTES
    }

    fn take(&mut self, entry: &Entry, give: bool) {
        self.entries += 1;
        self.batch.cursor = Seq(entry.seq.0 + 1);
        if give {
            self.bytes += entry.frame.wire_len();
            self.batch.frames.push(entry.frame.wire().clone());
        }
    }

    /// There is more; read on where this stopped.
    fn stop(self) -> Batch {
        self.batch
    }

    /// All up to `end` has been read.
    fn finish(mut self, end: Seq) -> Batch {
        self.batch.cursor = self.batch.cursor.max(end);
        self.batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Kind;
    use proptest::prelude::*;

    const A: PeerId = PeerId(1);
    const B: PeerId = PeerId(2);
    const KEEP: Keep = Keep {
        bytes: 1 << 20,
        age: Duration::from_secs(30),
    };

    fn command(kind: u16, path: &str, rest: &str) -> Frame {
        let mut payload = u32::try_from(path.len()).unwrap().to_le_bytes().to_vec();
        payload.extend_from_slice(path.as_bytes());
        payload.extend_from_slice(rest.as_bytes());
        Frame::new(Kind(kind), &payload)
    }

    fn all_live(log: &Log, mut cursor: Seq, member: PeerId) -> Vec<Bytes> {
        let mut all = Vec::new();
        loop {
            let batch = log.live(cursor, member);
            all.extend(batch.frames);
            if batch.cursor == cursor {
                return all;
            }
            cursor = batch.cursor;
        }
    }

    fn all_replayed(log: &Log) -> Vec<Bytes> {
        let (mut cursor, head) = (Seq::default(), log.head());
        let mut all = Vec::new();
        while cursor < head {
            let batch = log.replay(cursor, head);
            assert!(batch.cursor > cursor, "a replay always gets on");
            all.extend(batch.frames);
            cursor = batch.cursor;
        }
        all
    }

    #[test]
    fn a_merge_shortens_the_history_but_loses_nothing_live() {
        let log = Log::new(KEEP);
        let sent = [
            command(201, "Cube", "1"),
            command(201, "Cube", "22"),
            command(201, "Lamp", "3"),
        ];
        log.append(A, sent.clone(), Instant::now());
        assert_eq!(
            log.figures(),
            Figures {
                command_count: 2,
                byte_size: 24 + 23
            }
        );
        assert_eq!(
            all_replayed(&log),
            [sent[1].wire().clone(), sent[2].wire().clone()]
        );
        assert_eq!(all_live(&log, Seq::default(), B).len(), 3);
        assert!(all_live(&log, Seq::default(), A).is_empty());
    }

    #[test]
    fn a_joiner_that_is_overtaken_by_a_merge_gets_the_newer_one_once() {
        let log = Log::new(KEEP);
        log.append(
            A,
            [command(140, "x", ""), command(201, "Cube", "1")],
            Instant::now(),
        );
        let head = log.head();
        let first = log.replay(Seq::default(), Seq(1));
        assert_eq!(first.frames.len(), 1);
        log.append(A, [command(201, "Cube", "2")], Instant::now());
        let rest = log.replay(first.cursor, head);
        assert!(rest.frames.is_empty(), "the old one is out of the history");
        assert_eq!(rest.cursor, head);
        assert_eq!(
            all_live(&log, head, B),
            [command(201, "Cube", "2").into_wire()]
        );
    }

    #[test]
    fn live_commands_are_forgotten_by_age_and_by_size() {
        let start = Instant::now();
        let log = Log::new(Keep {
            bytes: 2 * (18 + ENTRY_BYTES),
            age: Duration::from_secs(30),
        });
        log.append(A, (0..10).map(|_| Frame::new(Kind::FRAME, &[0; 4])), start);
        assert_eq!(all_live(&log, Seq::default(), B).len(), 2, "18 bytes each");
        assert!(log.prune(start + Duration::from_secs(30)));
        assert!(!log.prune(start + Duration::from_secs(31)));
        assert!(all_live(&log, Seq::default(), B).is_empty());
        assert_eq!(log.figures(), Figures::default());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Send { by: u64, kind: u16, path: u8 },
        Join,
        Read { reader: usize },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let kinds = prop_oneof![Just(140u16), Just(201), Just(202), Just(205), Just(206)];
        prop::collection::vec(
            prop_oneof![
                6 => (0..3u64, kinds, 0..2u8).prop_map(|(by, kind, path)| Step::Send { by, kind, path }),
                1 => Just(Step::Join),
                4 => (0..5usize).prop_map(|reader| Step::Read { reader }),
            ],
            1..120,
        )
    }

    struct Reader {
        id: PeerId,
        cursor: Seq,
        join_head: Seq,
        /// Histories this reader might be given: the one at the join, less what merges have taken.
        expected_live: Vec<Bytes>,
        history_at_join: Vec<Bytes>,
        got_replay: Vec<Bytes>,
        got_live: Vec<Bytes>,
    }

    impl Reader {
        fn read_once(&mut self, log: &Log) {
            let replaying = self.cursor < self.join_head;
            let batch = if replaying {
                log.replay(self.cursor, self.join_head)
            } else {
                log.live(self.cursor, self.id)
            };
            self.cursor = batch.cursor;
            if replaying {
                &mut self.got_replay
            } else {
                &mut self.got_live
            }
            .extend(batch.frames);
        }
    }

    proptest! {
        /// Against a naive model: the history is a plain list with the merge rule; each reader has a
        /// queue of its own.
        #[test]
        fn cursors_see_what_queues_would(steps in steps()) {
            let log = Log::new(KEEP);
            let mut history: Vec<Frame> = Vec::new();
            let mut readers: Vec<Reader> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Send { by, kind, path } => {
                        let frame = if kind == 206 {
                            Frame::new(Kind(kind), b"")
                        } else {
                            command(kind, &path.to_string(), &number.to_string())
                        };
                        log.append(PeerId(by), [frame.clone()], Instant::now());
                        for reader in readers.iter_mut().filter(|reader| reader.id != PeerId(by)) {
                            reader.expected_live.push(frame.wire().clone());
                        }
                        if kind == 205 {
                            continue;
                        }
                        if history.last().is_some_and(|last| {
                            (201..=204).contains(&kind) && last.kind() == frame.kind()
                                && last.leading_string() == frame.leading_string()
                        }) {
                            history.pop();
                        }
                        history.push(frame);
                    }
                    Step::Join => readers.push(Reader {
                        // The first three readers are senders as well.
                        id: PeerId(readers.len() as u64),
                        cursor: Seq::default(),
                        join_head: log.head(),
                        expected_live: Vec::new(),
                        history_at_join: history.iter().map(|frame| frame.wire().clone()).collect(),
                        got_replay: Vec::new(),
                        got_live: Vec::new(),
                    }),
                    Step::Read { reader } => {
                        if let Some(reader) = readers.get_mut(reader) {
                            reader.read_once(&log);
                        }
                    }
                }
            }
            for reader in &mut readers {
                loop {
                    let before = reader.cursor;
                    reader.read_once(&log);
                    if reader.cursor == before {
                        break;
                    }
                }
                prop_assert_eq!(&reader.got_live, &reader.expected_live);
                // A merge during the replay takes away at most the last entry of the history.
                let whole = reader.history_at_join.len();
                prop_assert!(reader.got_replay.len() == whole || reader.got_replay.len() + 1 == whole);
                prop_assert_eq!(&reader.got_replay[..], &reader.history_at_join[..reader.got_replay.len()]);
            }
            let history: Vec<_> = history.into_iter().map(Frame::into_wire).collect();
            let bytes: usize = history.iter().map(Bytes::len).sum();
            let figures = Figures { command_count: history.len() as u64, byte_size: bytes as u64 };
            prop_assert_eq!(log.figures(), figures);
            prop_assert_eq!(all_replayed(&log), history);
        }
    }
}
