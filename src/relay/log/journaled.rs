//! What the keeper and the pen do with a log, who write its journal.

use std::sync::Arc;
use std::time::Instant;

use super::{
    Fate, INDEX_EVERY_BYTES, Inner, JournalNews, Log, Mode, Seq, Stored, WORK_BLOCKS, WORK_BYTES,
    Work,
};
use crate::protocol::Attributes;
use crate::relay::block::Block;
use crate::relay::cold::ColdFile;

impl Log {
    /// Waits until there is something to write down.
    pub(in crate::relay) async fn work_to_do(&self) {
        self.work.notified().await;
    }

    /// What is to be written down next; `None` when there is nothing.
    pub(in crate::relay) fn work(&self) -> Option<Work> {
        let inner = self.inner.lock();
        let mut bytes = 0;
        let blocks: Vec<_> = inner
            .unstored()
            .take(WORK_BLOCKS)
            .take_while(|block| {
                let fits = bytes < WORK_BYTES;
                bytes += block.memory_bytes();
                fits
            })
            .cloned()
            .collect();
        (inner.has_notes() || !blocks.is_empty()).then(|| {
            let mut notes = inner.notes.clone();
            let is_after_more = |at| {
                let rest = inner.unstored().nth(blocks.len());
                rest.is_some_and(|rest| rest.first < at)
            };
            if notes.whole_at.is_some_and(is_after_more) {
                // The attributes come another time.
                (notes.attributes, notes.number) = (Attributes::default(), inner.notes_taken);
            }
            Work { notes, blocks }
        })
    }

    /// Whether there is something to be written down.
    pub(in crate::relay) fn has_work(&self) -> bool {
        self.inner.lock().has_work()
    }

    /// What becomes of the file, if the room has ended.
    pub(in crate::relay) fn fate(&self) -> Option<Fate> {
        self.inner.lock().notes.ended
    }

    /// There is a file now.
    pub(in crate::relay) fn has_file(&self, file: Arc<ColdFile>, bytes: u64) {
        self.inner.lock().file = Some(Stored {
            file,
            bytes,
            index: vec![(Seq::default(), bytes)],
        });
    }

    /// The file that is read from.
    pub(in crate::relay) fn file(&self) -> Option<Arc<ColdFile>> {
        let inner = self.inner.lock();
        inner.file.as_ref().map(|stored| Arc::clone(&stored.file))
    }

    /// The file is as it is to be again; `anew`: it is another one, with the same in it.
    pub(in crate::relay) fn is_good(&self, anew: Option<Arc<ColdFile>>) {
        {
            let mut inner = self.inner.lock();
            if let (Some(stored), Some(anew)) = (&mut inner.file, anew) {
                stored.file = anew;
            }
            inner.recover();
        }
        self.ring();
    }

    /// The keeper is to look at the file, whether or not there is something to write down.
    pub(in crate::relay) fn look_after_file(&self) {
        self.work.notify_one();
    }

    /// The room has ended, and nobody is in it who would read from its file.
    pub(in crate::relay) fn let_go_of_file(&self) -> Option<Stored> {
        self.inner.lock().file.take()
    }

    /// This work stands in the file, which is good up to byte `bytes`; `places` says where the blocks
    /// start there.
    pub(in crate::relay) fn stored(&self, work: &Work, places: &[u64], bytes: u64) {
        {
            let mut inner = self.inner.lock();
            if let Some(stored) = &mut inner.file {
                stored.bytes = bytes;
                for (block, place) in work.blocks.iter().zip(places) {
                    let last = stored.index.last().map_or(0, |(_, place)| *place);
                    if *place >= last + INDEX_EVERY_BYTES {
                        stored.index.push((block.first, *place));
                    }
                }
            }
            if let Some(last) = work.blocks.last() {
                inner.stored = inner.stored.max(last.end());
                inner.unstored_bytes = if inner.mode == Mode::Failing {
                    // Some of the work may have been buried meanwhile.
                    inner.unstored().map(Block::memory_bytes).sum()
                } else {
                    let written = work.blocks.iter().map(Block::memory_bytes).sum();
                    inner.unstored_bytes.saturating_sub(written)
                };
            }
            // Once only: written again behind what has come since, it would drop that as well.
            if inner.notes.cleared == work.notes.cleared {
                inner.notes.cleared = None;
            }
            inner.notes_taken = inner.notes_taken.max(work.notes.number);
            if inner.notes.number == work.notes.number {
                inner.notes.attributes = Attributes::default();
                inner.notes.whole_at = None;
            }
            inner.recover();
        }
        // Also for senders who wait, whether or not there is something new to read.
        self.ring();
        self.inner.lock().settle(self.keep, Instant::now());
    }

    /// The journal cannot be written for now: the room goes on in memory. `true` when this is new.
    pub(in crate::relay) fn fails(&self, why: &str) -> bool {
        self.fails_while(|_| true, why)
    }

    /// The same, if there is something to be written down: who writes may just have come to an end. What is known to be
    /// the trouble stays it.
    pub(in crate::relay) fn hangs(&self, why: &str) -> bool {
        self.fails_while(|inner| inner.has_work() && inner.trouble.is_none(), why)
    }

    fn fails_while(&self, is_so: impl FnOnce(&Inner) -> bool, why: &str) -> bool {
        let new = {
            let mut inner = self.inner.lock();
            if !is_so(&inner) {
                return false;
            }
            inner.mode = Mode::Failing;
            // What a room leaves behind is counted by its keeper.
            if inner.share.is_none() && inner.notes.ended.is_none() {
                let all = self.unstored.get();
                inner.share = all.map(|all| all.share(inner.unstored_bytes));
            }
            let new = inner.trouble.replace(why.to_owned()).is_none();
            if new {
                inner.news = Some(JournalNews::Fails(why.to_owned()));
            }
            inner.publish();
            new
        };
        // Also for senders who wait, whether or not there is something to read.
        self.ring();
        new
    }

    /// Whether the journal is written again, and nobody has been told yet.
    pub(in crate::relay) fn has_trouble_ended(&self) -> bool {
        self.inner.lock().news == Some(JournalNews::Recovered)
    }

    /// How the journal does, if that has changed since it was last asked.
    pub(in crate::relay) fn take_journal_news(&self) -> Option<JournalNews> {
        self.inner.lock().news.take()
    }

    /// Why the journal cannot be written, if it cannot.
    pub(in crate::relay) fn trouble(&self) -> Option<String> {
        self.inner.lock().trouble.clone()
    }
}
