//! What writes a room's journal: one pen a room, which its keeper has, and whoever brings a few commands
//! while the keeper does not use it. To wake the keeper for those takes longer than to write them.

use std::fs::File;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::cold::ColdFile;
use super::cores::give_way;
use super::disk::Disk;
use super::folder::sync_names;
use super::guests::Origin;
use super::lanes::Carrier;
use super::log::{Fate, Log, Scribe, Work};
use super::shelf::Shelf;
use super::words::plain;
use crate::archive::journal::{JournalWriter, Note, Sender};
use crate::archive::{ArchiveError, Heading, unix_millis};

/// Work up to this size is written where the task runs, on a disk that is quick.
const AT_ONCE_BYTES: usize = 16 << 10;

/// To write a file of more than this anew takes long enough to be told.
const TOLD_BYTES: u64 = 16 << 20;

/// Why a room is not written down as long as a write does not return.
const HANGS: &str = "the disk does not answer";

/// A room's pen.
#[derive(Debug)]
pub(super) struct Pen {
    heading: Heading,
    /// Who made the room, if a guest did while this program runs.
    guest: Option<Origin>,
    /// The journal, if it is there. Held while it is written, and never waited for on a runtime's thread;
    /// under it the log's lock is taken.
    open: Mutex<Option<Open>>,
    shelf: Arc<Shelf>,
    /// Rings when something is to be told to people.
    tell: Arc<Notify>,
    /// Something was written since the file was last brought to the disk.
    unsynced: AtomicBool,
    /// The file is new, and its name was not brought to the disk yet.
    unnamed: AtomicBool,
    /// Held while the file is brought to the disk. Under it no other lock is taken.
    bringing: Mutex<()>,
    /// The disk did not take what was written. A system tells that once, to whoever asks first.
    missed: AtomicBool,
    /// Bytes of commands that were written.
    written: AtomicU64,
}

/// A journal that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) path: PathBuf,
    writer: JournalWriter,
    /// Up to where the file was handed to the disk by now, or was there when it was opened.
    synced: u64,
    doubt: Option<Doubt>,
}

/// Why a file may not be what the next start is to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// It is not where it was.
    Gone,
    /// The disk did not take what was written, and the system may have forgotten it.
    NotOnDisk,
}

impl Open {
    pub(super) fn new(path: PathBuf, writer: JournalWriter) -> Self {
        Self {
            path,
            synced: writer.written_bytes(),
            writer,
            doubt: None,
        }
    }
}

/// What came of writing where the task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtOnce {
    /// There was something, and it stands in the file.
    Written(ToSync),
    /// There is nothing to write.
    Nothing,
    /// Somebody else writes, who tells the keeper if something is left.
    Busy,
    /// It takes its time: for a thread that may wait.
    Slow,
    /// The file was not to be written. People hear of it.
    Failed,
}

/// Whether the keeper knows that the file is to be brought to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToSync {
    Known,
    New,
}

/// How a room goes on once something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goes {
    On,
    /// It has ended, and its file is where it is to be.
    NoFurther,
}

/// The file was not to be written. People hear of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unwritten {
    /// Of a room that had ended by then.
    pub(super) ended: bool,
}

impl Pen {
    /// `guest`: who made the room, if a guest did while this program runs. `tell` rings when something is to
    /// be told to people.
    pub(super) fn new(
        shelf: Arc<Shelf>,
        heading: Heading,
        guest: Option<Origin>,
        open: Option<Open>,
        tell: Arc<Notify>,
    ) -> Self {
        Self {
            heading,
            guest,
            open: Mutex::new(open),
            shelf,
            tell,
            unsynced: AtomicBool::new(false),
            unnamed: AtomicBool::new(false),
            bringing: Mutex::default(),
            missed: AtomicBool::new(false),
            written: AtomicU64::new(0),
        }
    }

    /// Writes what there is to write, if it is little, and the disk quick.
    pub(super) fn write_at_once(&self, log: &Log) -> AtOnce {
        let Some(mut open) = self.open.try_lock() else {
            return AtOnce::Busy;
        };
        if open.as_ref().is_some_and(|open| open.doubt.is_some()) {
            return AtOnce::Slow;
        }
        let Some(work) = log.work() else {
            // Of a room that has ended the file is still to be put where it is to be.
            let is_left = open.is_some() && log.fate().is_some();
            return if is_left {
                AtOnce::Slow
            } else {
                AtOnce::Nothing
            };
        };
        let is_quick = open.is_some()
            && work.notes.ended.is_none()
            && work.bytes() <= AT_ONCE_BYTES
            && self.shelf.disk.is_quick(Instant::now());
        if !is_quick {
            return AtOnce::Slow;
        }
        self.write(&mut open, log, &work)
            .map_or(AtOnce::Failed, AtOnce::Written)
    }

    /// Writes what there is to write. Where the room has ended, and all is written, puts its file where it
    /// is to be. Blocks.
    pub(super) fn write_on(&self, log: &Log) -> Result<Goes, Unwritten> {
        let mut open = self.open.lock();
        let work = log.work();
        let fate = log.fate();
        if fate == Some(Fate::Discard) {
            self.discard(&mut open, log);
            return Ok(Goes::NoFurther);
        }
        let ended = fate.is_some();
        self.settle_doubt(&mut open, log, ended)
            .map_err(|error| self.fails(log, &error, ended))?;
        if let Some(work) = work {
            self.write(&mut open, log, &work)?;
        }
        if !ended || log.has_work() {
            return Ok(Goes::On);
        }
        self.retire(&mut open, log)
            .map(|()| Goes::NoFurther)
            .map_err(|error| {
                let room = self.room();
                tracing::warn!(parent: None, room, "the room that ended is not under the recent ones yet: {error}");
                Unwritten { ended: true }
            })
    }

    /// The room's name.
    pub(super) fn room(&self) -> &str {
        &self.heading.room
    }

    /// Puts the file of a room that has ended where it is to be, even if not all is written. Blocks.
    pub(super) fn give_up(&self, log: &Log) {
        let room = self.room();
        if log.has_work() {
            tracing::error!(room, "what was not written down is lost");
        }
        if let Err(error) = self.retire(&mut self.open.lock(), log) {
            tracing::error!(
                room,
                "the room comes back with the next start, as if it had not ended: {error}"
            );
        }
    }

    /// Writes work down, shows it to the members, and sees to it that people hear how it went.
    fn write(&self, open: &mut Option<Open>, log: &Log, work: &Work) -> Result<ToSync, Unwritten> {
        let (started, in_sync) = (Instant::now(), self.shelf.disk.is_syncing());
        // Much takes its time on any disk.
        let small = work.bytes() <= AT_ONCE_BYTES;
        let writing = self.shelf.disk.begins(small, started);
        let written = self.try_write(open, log, work);
        drop(writing);
        if small {
            let now = Instant::now();
            let took = now.duration_since(started);
            self.shelf.disk.took(took, in_sync, now);
        }
        let (places, end) =
            written.map_err(|error| self.fails(log, &error, work.notes.ended.is_some()))?;
        log.stored(work, &places, end);
        self.written
            .fetch_add(work.bytes() as u64, Ordering::Relaxed);
        self.tell_of_recovery(log);
        let was_known = self.unsynced.swap(true, Ordering::AcqRel);
        Ok(if was_known {
            ToSync::Known
        } else {
            ToSync::New
        })
    }

    /// Sees to it that people hear that the room is not written down.
    fn fails(&self, log: &Log, error: &ArchiveError, ended: bool) -> Unwritten {
        let error = match error {
            ArchiveError::Write(error) | ArchiveError::Open(error) => error.to_string(),
            error => error.to_string(),
        };
        if log.fails(&plain(&error)) {
            self.tell_of_trouble(&error);
        }
        Unwritten { ended }
    }

    /// Sees to it that people hear that a write does not come to its end, and that members go on.
    pub(super) fn hangs(&self, log: &Log) {
        if log.hangs(HANGS) {
            self.tell_of_trouble(HANGS);
        }
    }

    fn tell_of_trouble(&self, why: &str) {
        let room = &self.heading.room;
        tracing::error!(parent: None, room, "the room is not written down: {why}");
        self.tell.notify_one();
    }

    fn tell_of_recovery(&self, log: &Log) {
        if log.has_trouble_ended() {
            let room = &self.heading.room;
            tracing::info!(parent: None, room, "the room is written down again");
            self.tell.notify_one();
        }
    }

    /// Writes the file anew where it is not what the next start is to find. Whether it is where it was is
    /// looked at again, and in any case when the room has `ended`.
    fn settle_doubt(
        &self,
        open: &mut Option<Open>,
        log: &Log,
        ended: bool,
    ) -> Result<(), ArchiveError> {
        let (Some(open), Some(file)) = (open, log.file()) else {
            return Ok(());
        };
        if open.doubt.is_none() && !ended {
            return Ok(());
        }
        let room = &self.heading.room;
        let anew = if open.doubt == Some(Doubt::NotOnDisk) || !file.is_at(&open.path) {
            open.doubt.get_or_insert(Doubt::Gone);
            let (salt, bytes) = (open.writer.salt(), open.writer.written_bytes());
            if bytes > TOLD_BYTES {
                // Nobody is to wait for it.
                let meanwhile = io::Error::other("its file is being written anew");
                self.fails(log, &ArchiveError::Write(meanwhile), ended);
            }
            let new = self.shelf.renew(&open.path, &file, bytes);
            let new = new.map_err(ArchiveError::Write)?;
            tracing::warn!(parent: None, room, "the room's file is written anew");
            open.writer = JournalWriter::resume(new, salt, bytes)?;
            let cold = File::open(&open.path).map_err(ArchiveError::Open)?;
            Some(Arc::new(ColdFile::new(cold, salt)))
        } else {
            None
        };
        open.doubt = None;
        self.missed.store(false, Ordering::Release);
        log.is_good(anew);
        self.tell_of_recovery(log);
        Ok(())
    }

    /// Gives where the blocks start in the file, and where that ends now.
    fn try_write(
        &self,
        open: &mut Option<Open>,
        log: &Log,
        work: &Work,
    ) -> Result<(Vec<u64>, u64), ArchiveError> {
        let Open { writer, .. } = match open {
            Some(open) => open,
            None => {
                let new = self.shelf.create(&self.heading)?;
                let cold = File::open(&new.path).map_err(|error| {
                    // Else each time that this is tried again leaves one.
                    self.shelf.remove(&new.path);
                    ArchiveError::Open(error)
                })?;
                self.unnamed.store(true, Ordering::Relaxed);
                let cold = ColdFile::new(cold, new.writer.salt());
                log.has_file(Arc::new(cold), new.writer.written_bytes());
                open.insert(new)
            }
        };
        let places = gather(writer, work).inspect_err(|_error| writer.forget())?;
        writer.write_out_in_pieces(give_way)?;
        Ok((places, writer.written_bytes()))
    }

    /// Whether something was written since the file was last brought to the disk.
    pub(super) fn is_unsynced(&self) -> bool {
        self.unsynced.load(Ordering::Acquire)
    }

    /// The disk that it writes to.
    pub(super) fn disk(&self) -> &Disk {
        &self.shelf.disk
    }

    /// The file, to be brought to the disk with all that is written by now; `None` while somebody writes.
    pub(super) fn to_sync(self: &Arc<Self>, log: &Arc<Log>) -> Option<ToDisk> {
        let mut open = self.open.try_lock()?;
        let open = open.as_mut()?;
        let file = open.writer.file().try_clone().ok()?;
        // What is written from now on may not be part of it.
        self.unsynced.store(false, Ordering::Release);
        Some(ToDisk {
            file,
            from: mem::replace(&mut open.synced, open.writer.written_bytes()),
            path: open.path.clone(),
            pen: Arc::clone(self),
            log: Arc::clone(log),
        })
    }

    /// The room never was whole: nobody needs its file. The last who closes it pays for its end.
    fn discard(&self, open: &mut Option<Open>, log: &Log) {
        drop(log.let_go_of_file());
        if let Some(Open { path, writer, .. }) = open.take() {
            drop(writer);
            // Where that fails, the next start does it.
            self.shelf.remove(&path);
        }
    }

    /// The room has ended.
    fn retire(&self, open: &mut Option<Open>, log: &Log) -> io::Result<()> {
        let Some(Open { path, .. }) = open else {
            return Ok(());
        };
        let path = self.shelf.retire(path, self.guest)?;
        let read = log.file();
        drop(log.let_go_of_file());
        if let Some(ended) = open.take() {
            // Last, as it may take long and the program may be waiting to end.
            if let Err(error) = self.bring_all(ended, &path, read.as_deref()) {
                let (room, path) = (self.room(), path.display());
                tracing::error!(parent: None, room, "{path} may not hold what was written: {error}");
            }
        }
        Ok(())
    }

    /// Brings the file of a room that has ended, which is at `path`, to the disk, and writes it anew from what is `read` of
    /// it where the disk did not take it. Blocks.
    fn bring_all(&self, ended: Open, path: &Path, read: Option<&ColdFile>) -> io::Result<()> {
        let (bytes, file) = (ended.writer.written_bytes(), ended.writer.into_file());
        let brought = self.bring(&file, ended.synced);
        if !self.missed.load(Ordering::Acquire) {
            return Ok(());
        }
        let Some(read) = read.filter(|read| read.is_at(path)) else {
            return brought.and_then(|()| Err(io::Error::other("the disk did not take it")));
        };
        self.shelf.renew(path, read, bytes)?;
        let room = self.room();
        tracing::warn!(parent: None, room, "the file of the room that ended is written anew");
        Ok(())
    }

    /// Brings a file to the disk, of which what comes before `from` is there; one at a time, as any of them may be who
    /// is told that something was [missed](Self::missed). Blocks.
    fn bring(&self, file: &File, from: u64) -> io::Result<()> {
        let _bringing = self.bringing.lock();
        let brought = self.shelf.disk.sync(file, from);
        if brought.is_err() {
            self.missed.store(true, Ordering::Release);
        }
        brought
    }
}

impl Carrier for Arc<Pen> {
    fn carried(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

impl Scribe for Pen {
    fn write_down(&self, log: &Log) -> bool {
        match self.write_at_once(log) {
            // More may have come meanwhile, and whoever was to write it may have found the pen in use. So
            // this looks again now that it is free.
            AtOnce::Written(ToSync::Known) | AtOnce::Nothing => !log.has_work(),
            AtOnce::Written(ToSync::New) | AtOnce::Busy | AtOnce::Slow | AtOnce::Failed => false,
        }
    }
}

/// A file that is to be brought to the disk.
#[derive(Debug)]
pub(super) struct ToDisk {
    file: File,
    /// What comes before was handed to it another time.
    from: u64,
    path: PathBuf,
    pen: Arc<Pen>,
    log: Arc<Log>,
}

impl ToDisk {
    /// Looks as well whether the file is still where it was. `false` when what was written is not on the disk. Blocks.
    pub(super) fn bring(self) -> bool {
        let Self {
            file,
            from,
            path,
            pen,
            log,
        } = self;
        let (doubt, what) = match pen.bring(&file, from) {
            Err(error) => (Doubt::NotOnDisk, error.to_string()),
            Ok(()) if log.file().is_some_and(|file| !file.is_at(&path)) => {
                (Doubt::Gone, "the file is not there any more".to_owned())
            }
            Ok(()) => {
                if pen.unnamed.swap(false, Ordering::Relaxed) {
                    sync_names(&path);
                }
                return true;
            }
        };
        // None where the room has ended meanwhile, and its file was put away, by somebody who looks after this then.
        if let Some(open) = &mut *pen.open.lock() {
            let (room, path) = (&pen.heading.room, path.display());
            tracing::error!(room, "{path} does not hold what was written: {what}");
            if open.doubt != Some(Doubt::NotOnDisk) {
                open.doubt = Some(doubt);
            }
        }
        // Once the pen is free: whoever found it in use counts on that.
        log.look_after_file();
        false
    }
}

#[cfg(all(test, unix))]
impl Pen {
    /// As if somebody wrote until this is dropped.
    pub(super) fn hold(&self) -> impl Drop {
        self.open.lock()
    }
}

/// Gathers work; gives where its blocks start in the file.
fn gather(writer: &mut JournalWriter, work: &Work) -> Result<Vec<u64>, ArchiveError> {
    if let Some(before) = work.notes.cleared {
        writer.add(Note::Cleared(before.0))?;
    }
    // That the room is whole comes last. All else, and that it is not whole any more, is to be known before what
    // comes then.
    let is_whole = work.notes.whole_at.is_some();
    if !is_whole {
        add_attributes(writer, work)?;
    }
    let mut places = Vec::with_capacity(work.blocks.len());
    for block in &work.blocks {
        let name = block.sender.name();
        places.push(writer.add(Note::Commands {
            position: block.first.0,
            sender: Sender {
                peer: block.sender.id.0,
                id: &block.sender.client_id,
                name: name.as_deref(),
            },
            arrived_millis: block.arrived_millis,
            run: &block.run,
        })?);
    }
    if is_whole {
        add_attributes(writer, work)?;
    }
    Ok(places)
}

fn add_attributes(writer: &mut JournalWriter, work: &Work) -> Result<(), ArchiveError> {
    if work.notes.attributes.is_empty() {
        return Ok(());
    }
    let attributes = &work.notes.attributes.to_string();
    let at_millis = unix_millis(SystemTime::now());
    writer
        .add(Note::Attributes {
            attributes,
            at_millis,
        })
        .map(drop)
}

#[cfg(test)]
#[path = "pen_tests.rs"]
mod tests;
