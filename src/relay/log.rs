//! A room's history and its live commands: an append-only log that members read with a cursor.
//!
//! The sender appends once and waits for nobody's reading; a member is a number, the next command to
//! read, so a stalled one costs nothing here. Replay and live are the same read: there is no seam at
//! which a command could be lost or doubled.
//!
//! Commands are held in blocks, as they arrived. Where the room has a journal, a block is shown to
//! members only when it stands in the file ([`Log::stored`]), and older blocks are then held by the
//! file alone: [`Read::Cold`] says that a member is to be served from there. Ephemeral commands are
//! held for a while only. A command that a merge has superseded still reaches every member, as
//! protocol.md asks ("live commands with none lost"); only a replay skips it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

mod journaled;
mod memory;

use super::PeerId;
use super::account::{Account, Bill, Budget};
use super::block::{self, Block};
use super::card::Card;
use super::cold::ColdFile;
use super::full::Full;
use super::unstored::{Share, Unstored};
use crate::archive::{Command, History, unix_millis};
use crate::protocol::{Attributes, Run, attribute};

/// Blocks that one read looks at, given or not, so that the lock is held for microseconds.
const BATCH_BLOCKS: usize = 256;
/// Bytes that one read gives at most, but for a single larger frame.
const BATCH_BYTES: usize = 1 << 20;
/// Commands that wait to be written down take at most this much, about; more senders wait for.
const STAGED_BYTES: usize = 8 << 20;
/// What comes after so long a rest is written down where it comes in. What follows sooner is left to the
/// keeper, which takes more of it at once.
const REST: Duration = Duration::from_millis(1);
/// What is written down in one go, but for a single larger frame.
const WORK_BYTES: usize = 4 << 20;
/// … and as many blocks, each of which takes its time, however small it is.
const WORK_BLOCKS: usize = 1024;
/// A larger block, which is a single frame, is read from the file where it stands there: who takes it slowly,
/// or not at all, would hold it in memory.
pub(super) const LARGE_BYTES: usize = 4 << 20;
/// As many members are served in the place of their own tasks, one after the other; more wait less where
/// each has its turn.
const SERVED_AT_ONCE: usize = 32;
/// How far apart in the file the places are that are remembered.
pub(super) const INDEX_EVERY_BYTES: u64 = 256 << 10;

/// A position in a room's log. Numbers only grow, and some are skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seq(pub(super) u64);

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    /// Bytes of memory for commands that need not be there: ephemeral ones, and those that stand in the
    /// file as well.
    pub(super) bytes: usize,
    /// How long those are held.
    pub(super) age: Duration,
    /// Largest room.
    pub(super) room_bytes: u64,
    /// Most bytes that are held in memory alone where the journal cannot be written.
    pub(super) unstored_bytes: usize,
}

/// What the room's attributes say of its history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) command_count: u64,
    pub(super) byte_size: u64,
}

/// How far somebody is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lag {
    pub(super) commands: u64,
    /// About.
    pub(super) bytes: u64,
}

/// Where the commands are, besides in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// Nowhere.
    #[default]
    Memory,
    /// In the journal, before anybody sees them.
    Journal,
    /// They will be in the journal when it can be written again.
    Failing,
}

/// What becomes of the file when the room ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes to the recent rooms.
    Recent,
    /// It never held a whole room.
    Discard,
}

/// Somebody who wants to know when there is something to read.
pub(super) trait Listener: Send + Sync + std::fmt::Debug {
    /// There is something to read. `at_once`: it may be passed on here and now; `true` when it was.
    fn ring(&self, at_once: bool) -> bool;
}

/// Who writes down what is appended, in the place of the keeper.
pub(super) trait Scribe: Send + Sync + std::fmt::Debug {
    /// Writes down what there is to write, if that is done at once. `false` when the keeper has something
    /// to do then.
    fn write_down(&self, log: &Log) -> bool;
}

/// A room's log.
#[derive(Debug)]
pub(super) struct Log {
    /// Short and never held across an await: appending and batched reading only.
    inner: Mutex<Inner>,
    /// Rings when members see more, or the journal has come further: for senders who wait.
    further: watch::Sender<()>,
    /// The members. Copied when one comes or goes, and never locked while they are rung.
    listeners: Mutex<Arc<Vec<Weak<dyn Listener>>>>,
    /// The figures have changed since they were told.
    figures_changed: AtomicBool,
    /// Rings when there is something for the keeper. One waiter, so a stored permit is enough.
    work: Notify,
    scribe: OnceLock<Arc<dyn Scribe>>,
    /// Of all rooms that have a scribe.
    unstored: OnceLock<Unstored>,
    keep: Keep,
}

/// How the journal does, as far as it is worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JournalNews {
    /// It cannot be written, because of this.
    Fails(String),
    /// It is written again, with all that came meanwhile.
    Recovered,
}

#[derive(Debug, Default)]
struct Inner {
    blocks: VecDeque<Block>,
    /// Whose the bytes are that the room takes, superseded commands included.
    bill: Bill,
    /// Of all blocks.
    memory_bytes: usize,
    /// Of blocks of ephemeral commands.
    ephemeral_bytes: usize,
    /// What of the dead bytes was left when they were last buried: the rest of blocks that are not wholly dead.
    unburied_bytes: usize,
    /// Of kept blocks that do not stand in the file.
    unstored_bytes: usize,
    /// The same among those of all rooms, while it cannot be written.
    share: Option<Share>,
    next: Seq,
    /// Up to where members can read.
    published: Seq,
    /// Up to where everything stands in the file that is kept.
    stored: Seq,
    /// Up to where what is kept is only in the file.
    evicted: Seq,
    /// Up to where everything is in the history, and on the bill.
    noted: Seq,
    history: History,
    mode: Mode,
    file: Option<Stored>,
    notes: Notes,
    /// Up to this number they stand in the file.
    notes_taken: u64,
    /// With the note of this number the room said last that it is whole.
    whole_with: u64,
    news: Option<JournalNews>,
    /// Why the journal cannot be written.
    trouble: Option<String>,
}

/// The file as far as it is written.
#[derive(Debug)]
pub(super) struct Stored {
    file: Arc<ColdFile>,
    bytes: u64,
    /// Where in the file some records stand, by the position of their first command.
    index: Vec<(Seq, u64)>,
}

/// What else is to be written down.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    pub(super) attributes: Attributes,
    pub(super) cleared: Option<Seq>,
    pub(super) ended: Option<Fate>,
    /// Where the room said that it is whole: not written down before all that came before that.
    pub(super) whole_at: Option<Seq>,
    number: u64,
}

/// What is to be written down next.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) notes: Notes,
    pub(super) blocks: Vec<Block>,
}

impl Work {
    /// Of the frames and attributes.
    pub(super) fn bytes(&self) -> usize {
        let frames = self.blocks.iter().map(|block| block.run.wire().len());
        self.notes.attributes.size_bytes() + frames.sum::<usize>()
    }
}

/// A room that was brought back from its file.
#[derive(Debug)]
pub(super) struct Restored {
    pub(super) history: History,
    pub(super) next: Seq,
    pub(super) file: Arc<ColdFile>,
    pub(super) bytes: u64,
    pub(super) index: Vec<(Seq, u64)>,
}

/// Whether there was more than one read gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    Yes,
    No,
}

/// What one read gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Frames to send, in order, and where to read on.
    Batch(Vec<Bytes>, Seq, More),
    /// These are only in the file.
    Cold(Range<Seq>),
}

/// Where in the file to begin.
#[derive(Debug)]
pub(super) struct ColdPlace {
    pub(super) file: Arc<ColdFile>,
    pub(super) at: u64,
    /// The file is good up to here.
    pub(super) end: u64,
}

impl Log {
    /// A log in memory.
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            inner: Mutex::default(),
            further: watch::Sender::new(()),
            listeners: Mutex::default(),
            figures_changed: AtomicBool::new(false),
            work: Notify::new(),
            scribe: OnceLock::new(),
            unstored: OnceLock::new(),
            keep,
        }
    }

    /// A log in memory for good: what is in it counts as `unstored`.
    pub(super) fn in_memory(keep: Keep, unstored: &Unstored) -> Self {
        let log = Self::new(keep);
        log.inner.lock().share = Some(unstored.share(0));
        log
    }

    /// A log whose commands are shown only when they stand in a file.
    pub(super) fn journaled(keep: Keep) -> Self {
        let log = Self::new(keep);
        log.inner.lock().mode = Mode::Journal;
        log
    }

    /// A log that goes on with its file.
    pub(super) fn restored(keep: Keep, budget: &Arc<Budget>, restored: Restored) -> Self {
        let log = Self::journaled(keep);
        let mut inner = log.inner.lock();
        inner.next = restored.next;
        inner.published = restored.next;
        inner.stored = restored.next;
        inner.evicted = restored.next;
        inner.noted = restored.next;
        inner.history = restored.history;
        inner.bill = Bill::of_restored(budget, restored.bytes);
        inner.file = Some(Stored {
            file: restored.file,
            bytes: restored.bytes,
            index: restored.index,
        });
        drop(inner);
        log
    }

    /// Appends commands of one sender, in order. `true` when the figures changed and nobody has been
    /// asked to tell them yet.
    ///
    /// # Errors
    /// When there is no room for them. Nothing is appended then.
    pub(super) fn append(&self, sender: &Arc<Card>, run: Run, now: Instant) -> Result<bool, Full> {
        let wire_bytes = run.wire().len();
        let parts: Vec<_> = block::parts(run).collect();
        // What is only passed on stays nowhere.
        let kept = parts.iter().filter(|(kept, _)| *kept);
        let bytes = kept.map(|(_, run)| block::memory_bytes(run) as u64).sum();
        let (shown, is_kept, at_once) = {
            let mut inner = self.inner.lock();
            inner.admit(self.keep, wire_bytes)?;
            if bytes > 0 {
                sender.account.take(bytes)?;
            }
            let arrived_millis = unix_millis(SystemTime::now());
            let newest = inner.blocks.back().map(|newest| newest.at);
            for (kept, run) in parts {
                let (first, start_bytes) = (inner.next, inner.end_bytes());
                inner.push(Block {
                    first,
                    sender: Arc::clone(sender),
                    run,
                    kept,
                    at: now,
                    arrived_millis,
                    start_bytes,
                });
            }
            let rested = |newest| now.saturating_duration_since(newest) >= REST;
            // In trouble the keeper alone tries again.
            let at_once = inner.mode == Mode::Journal && newest.is_none_or(rested);
            (inner.publish(), bytes > 0, at_once)
        };
        // The members first: what else there is to do, they need not wait for.
        if shown {
            self.ring();
        }
        if is_kept {
            let scribe = self.scribe.get().filter(|_| at_once);
            if !scribe.is_some_and(|scribe| scribe.write_down(self)) {
                self.work.notify_one();
            }
        }
        self.inner.lock().settle(self.keep, now);
        Ok(!self.figures_changed.swap(true, Ordering::AcqRel))
    }

    /// From now on `scribe` writes, and the log's keeper. What cannot be written counts as `unstored`.
    pub(super) fn is_written_by(&self, scribe: Arc<dyn Scribe>, unstored: Unstored) {
        // Both are there from the start on.
        let _first = self.scribe.set(scribe);
        let _first = self.unstored.set(unstored);
    }

    /// Tells everybody that something has come further: the members first, as senders seldom wait.
    fn ring(&self) {
        let listeners = Arc::clone(&self.listeners.lock());
        let mut served = 0;
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            served += usize::from(listener.ring(served < SERVED_AT_ONCE));
        }
        self.further.send_replace(());
    }

    /// From now on `listener` hears when something can be read.
    pub(super) fn listen(&self, listener: Weak<dyn Listener>) {
        let mut listeners = self.listeners.lock();
        // Copies only while somebody rings.
        let all = Arc::make_mut(&mut *listeners);
        if all.len() == all.capacity() {
            all.retain(|other| other.strong_count() > 0);
        }
        if !all.iter().any(|other| Weak::ptr_eq(other, &listener)) {
            all.push(listener);
        }
    }

    /// `listener` hears no more.
    pub(super) fn unlisten(&self, listener: &Weak<dyn Listener>) {
        let mut listeners = self.listeners.lock();
        Arc::make_mut(&mut *listeners).retain(|other| !Weak::ptr_eq(other, listener));
    }

    /// Waits until what was appended is written down, but for a little.
    pub(super) async fn caught_up(&self) {
        let is_behind = || {
            let inner = self.inner.lock();
            let hidden = inner.published < inner.next;
            let staged = inner.unstored_bytes + inner.ephemeral_bytes;
            inner.mode == Mode::Journal
                && (inner.unstored_bytes > STAGED_BYTES
                    || hidden && staged > STAGED_BYTES + self.keep.bytes)
        };
        if is_behind() {
            let mut further = self.further.subscribe();
            // The sender of the bell is here, so it cannot be gone.
            let _seen = further.wait_for(|()| !is_behind()).await;
        }
    }

    /// Throws the history away. Cursors stay as they are: what comes gets new numbers.
    pub(super) fn clear(&self) {
        let mut inner = self.inner.lock();
        inner.note_history();
        let next = inner.next;
        inner.history.clear(next.0);
        inner.note(|notes| notes.cleared = Some(next));
        drop(inner);
        self.figures_changed.store(true, Ordering::Release);
        self.work.notify_one();
    }

    /// Counts attributes that a peer changes: each change stays in the room's file.
    ///
    /// # Errors
    /// When there is no room for them. Nothing is counted then.
    pub(super) fn charge(&self, account: &Arc<Account>, bytes: usize) -> Result<(), Full> {
        let mut inner = self.inner.lock();
        inner.admit(self.keep, bytes)?;
        account.take(bytes as u64)?;
        inner.bill.add(account, bytes as u64);
        Ok(())
    }

    /// Notes attributes of the room that have changed.
    pub(super) fn note_attributes(&self, changed: &Attributes) {
        let mut inner = self.inner.lock();
        let next = inner.next;
        let whole = changed.flag(attribute::JOINABLE) == Some(true);
        inner.note(|notes| {
            notes.attributes.update(changed.clone());
            if whole {
                notes.whole_at = Some(next);
            }
        });
        if whole {
            inner.whole_with = inner.notes.number;
        }
        drop(inner);
        self.work.notify_one();
    }

    /// The room has ended: nothing is appended any more, and what it took is nobody's.
    pub(super) fn end(&self, fate: Fate) {
        let mut inner = self.inner.lock();
        inner.note(|notes| notes.ended = Some(fate));
        inner.share = None;
        inner.note_history();
        inner.bill = Bill::default();
        drop(inner);
        self.work.notify_one();
    }

    /// Whether there is more than members see by now: it is being written down.
    pub(super) fn has_hidden(&self) -> bool {
        let inner = self.inner.lock();
        inner.published < inner.next
            || inner.mode == Mode::Journal && inner.notes_taken < inner.whole_with
    }

    /// The number that the next command will get.
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
        let mut inner = self.inner.lock();
        inner.note_history();
        Figures {
            command_count: inner.history.commands(),
            byte_size: inner.history.bytes(),
        }
    }

    /// What is in memory, in bytes, about.
    pub(super) fn memory_bytes(&self) -> usize {
        self.inner.lock().memory_bytes
    }

    /// How far somebody is behind who reads on at `cursor`: what is being written down, nobody is behind.
    pub(super) fn lag(&self, cursor: Seq) -> Lag {
        let inner = self.inner.lock();
        let next = inner.blocks.get(block::from(&inner.blocks, cursor));
        let hidden = inner
            .blocks
            .get(block::from(&inner.blocks, inner.published));
        let end = hidden.map_or_else(|| inner.end_bytes(), |hidden| hidden.start_bytes);
        let hot = next.map_or(0, |next| end.saturating_sub(next.start_bytes));
        let cold = inner.file.as_ref().filter(|_| cursor < inner.evicted);
        let cold = cold.map_or(0, |file| file.place(inner.evicted) - file.place(cursor));
        Lag {
            commands: inner.published.0.saturating_sub(cursor.0),
            bytes: hot + cold,
        }
    }

    /// Forgets what need not be in memory and is too old.
    pub(super) fn sweep(&self, now: Instant) {
        let mut inner = self.inner.lock();
        inner.settle(self.keep, now);
        if inner.dead_bytes() > 0 {
            inner.bury(0, self.keep.age, now);
        }
        if let Some(stored) = &inner.file {
            stored.file.forget_chunks();
        }
    }

    /// Whether there is something in memory that will be too old some time.
    pub(super) fn has_to_be_swept(&self) -> bool {
        let inner = self.inner.lock();
        match inner.mode {
            Mode::Memory | Mode::Failing => inner.dead_bytes() > 0,
            Mode::Journal => !inner.blocks.is_empty(),
        }
    }

    /// What of the room is not in its file, in bytes of memory, and how much that may be while the file cannot be
    /// written.
    pub(super) fn unstored_bytes(&self) -> (usize, usize) {
        (self.inner.lock().unstored_bytes, self.keep.unstored_bytes)
    }

    /// Reads from `cursor` up to `until`, as a replay: all of the history, whoever sent it. Nothing before the
    /// file says that the room is whole: one that does not is not brought back.
    pub(super) fn replay(&self, cursor: Seq, until: Seq) -> Read {
        let mut inner = self.inner.lock();
        if inner.mode == Mode::Journal && inner.notes_taken < inner.whole_with {
            return Read::Batch(Vec::new(), cursor, More::No);
        }
        inner.note_history();
        inner.read(cursor, until, Block::replayed)
    }

    /// Reads from `cursor` on, live: everything but the member's own commands. Adds to `passing` the bytes of large
    /// ones that are ephemeral: who has them may soon be the only one.
    pub(super) fn live(&self, cursor: Seq, member: PeerId, passing: &Cell<usize>) -> Read {
        self.inner.lock().read(cursor, Seq(u64::MAX), |block, _| {
            if block.sender.id == member {
                return None;
            }
            let bytes = block.run.wire().len();
            if !block.kept && bytes > LARGE_BYTES {
                passing.set(passing.get() + bytes);
            }
            Some(block.run.wire().clone())
        })
    }

    /// Where in the file to look for what stands from `cursor` on.
    pub(super) fn cold_place(&self, cursor: Seq) -> Option<ColdPlace> {
        let inner = self.inner.lock();
        let stored = inner.file.as_ref()?;
        Some(ColdPlace {
            file: Arc::clone(&stored.file),
            at: stored.place(cursor),
            end: stored.bytes,
        })
    }

    /// Which of these commands are not part of the history any more.
    pub(super) fn superseded(&self, positions: Range<u64>) -> Vec<Range<u64>> {
        let mut inner = self.inner.lock();
        inner.note_history();
        inner.history.superseded(positions).collect()
    }
}

impl Stored {
    /// Where to begin to look for what stands from `cursor` on.
    fn place(&self, cursor: Seq) -> u64 {
        let after = self.index.partition_point(|(seq, _)| *seq <= cursor);
        let entry = after.checked_sub(1).and_then(|at| self.index.get(at));
        entry.map_or(0, |(_, place)| *place)
    }
}

impl Inner {
    fn admit(&self, keep: Keep, bytes: usize) -> Result<(), Full> {
        let stored = self.file.as_ref().map_or(0, |file| file.bytes);
        if stored + (self.unstored_bytes + bytes) as u64 > keep.room_bytes {
            return Err(Full::Room(keep.room_bytes));
        }
        let in_memory = bytes + block::BLOCK_BYTES;
        if self.mode != Mode::Journal && self.unstored_bytes + in_memory > keep.unstored_bytes {
            let full = match self.mode {
                Mode::Memory => Full::Kept,
                Mode::Journal | Mode::Failing => Full::Memory,
            };
            return Err(full(keep.unstored_bytes as u64));
        }
        if self
            .share
            .as_ref()
            .is_some_and(|share| !share.admits(in_memory, keep.unstored_bytes))
        {
            let full = match self.mode {
                Mode::Memory => Full::KeptOfAll,
                Mode::Journal | Mode::Failing => Full::Memories,
            };
            return Err(full(keep.unstored_bytes as u64));
        }
        Ok(())
    }

    fn push(&mut self, block: Block) {
        self.next = block.end();
        self.memory_bytes += block.memory_bytes();
        if !block.kept {
            self.ephemeral_bytes += block.memory_bytes();
        } else {
            self.unstored_bytes += block.memory_bytes();
        }
        self.blocks.push_back(block);
    }

    /// Takes into the history, and onto the bill, what came since.
    fn note_history(&mut self) {
        let since = block::from(&self.blocks, self.noted);
        for block in self.blocks.range(since..).filter(|block| block.kept) {
            self.bill
                .add(&block.sender.account, block.memory_bytes() as u64);
            for (position, frame) in block.positions().zip(block.run.iter()) {
                self.history.push(Command {
                    position,
                    kind: frame.header.kind,
                    wire_bytes: frame.wire.len() as u64,
                    path: frame.leading_string(),
                });
            }
        }
        self.noted = self.next;
    }

    /// What is to be done for commands that have come, and that nobody waits for.
    fn settle(&mut self, keep: Keep, now: Instant) {
        self.note_history();
        self.evict(keep, now);
        if let Some(share) = &mut self.share {
            share.set(self.unstored_bytes);
        }
    }

    fn note(&mut self, note: impl FnOnce(&mut Notes)) {
        note(&mut self.notes);
        self.notes.number += 1;
    }

    /// The journal can be written.
    fn recover(&mut self) {
        self.mode = Mode::Journal;
        self.share = None;
        // All that members have seen meanwhile is in the file only when the last of it is.
        let is_seen = |next: &Block| next.first < self.published;
        if self.trouble.is_some() && !self.unstored().next().is_some_and(is_seen) {
            self.trouble = None;
            self.news = Some(JournalNews::Recovered);
        }
        self.publish();
    }

    /// What is to stand in the file, and does not yet.
    fn unstored(&self) -> impl Iterator<Item = &Block> {
        let unstored = block::from(&self.blocks, self.stored);
        let unstored = self.blocks.range(unstored..);
        unstored.filter(|block| block.kept)
    }

    /// Whether something was noted that does not stand in the file yet.
    fn has_notes(&self) -> bool {
        self.notes.number != self.notes_taken
    }

    fn has_work(&self) -> bool {
        self.has_notes() || self.unstored().next().is_some()
    }

    /// Shows members what they may see. Whether that is more than before.
    fn publish(&mut self) -> bool {
        let waits = match self.mode {
            Mode::Memory | Mode::Failing => None,
            Mode::Journal => self.unstored().next(),
        };
        let published = waits.map_or(self.next, |block| block.first);
        if self.mode == Mode::Journal {
            // What is not kept need not be looked at again.
            self.stored = self.stored.max(published);
        }
        let is_more = published > self.published;
        self.published = published.max(self.published);
        is_more
    }

    fn read<P: IntoIterator<Item = Bytes>>(
        &self,
        cursor: Seq,
        until: Seq,
        pieces: impl Fn(&Block, &History) -> P,
    ) -> Read {
        if cursor < self.evicted.min(until) {
            return Read::Cold(cursor..self.evicted.min(until));
        }
        let until = until.min(self.published);
        let (mut given, mut bytes) = (Vec::new(), 0);
        for (looked_at, block) in self
            .blocks
            .iter()
            .skip(block::from(&self.blocks, cursor))
            .take_while(|block| block.first < until)
            .enumerate()
        {
            if looked_at >= BATCH_BLOCKS || bytes >= BATCH_BYTES {
                return Read::Batch(given, block.first, More::Yes);
            }
            let before = given.len();
            given.extend(pieces(block, &self.history));
            let taken = given.iter().skip(before).map(Bytes::len).sum::<usize>();
            let is_in_file = block.kept && block.end() <= self.stored;
            if taken > LARGE_BYTES && is_in_file && self.lets_go_of_large() {
                given.truncate(before);
                return if given.is_empty() {
                    Read::Cold(block.first..block.end())
                } else {
                    Read::Batch(given, block.first, More::Yes)
                };
            }
            bytes += taken;
        }
        Read::Batch(given, cursor.max(until), More::No)
    }

    /// Whether large commands are read from the file. While it cannot be written it may not be readable, and a room
    /// that has ended may have let it go.
    fn lets_go_of_large(&self) -> bool {
        self.mode == Mode::Journal && self.file.is_some()
    }

    /// Where the next block starts.
    fn end_bytes(&self) -> u64 {
        self.blocks.back().map_or(0, Block::end_bytes)
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
