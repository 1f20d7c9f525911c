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
use super::guests::Origin;
use super::lanes::Carrier;
use super::log::{Fate, Log, Scribe, Work};
use super::shelf::{Shelf, sync_names};
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
    /// Its room has ended, and all of it is written: it only has to be put where it is to be.
    ended: bool,
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
            ended: false,
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
        if (open.as_ref()).is_some_and(|open| open.doubt.is_some() || open.ended) {
            return AtOnce::Slow;
        }
        let Some(work) = log.work() else {
            return AtOnce::Nothing;
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
        let ended = work.as_ref().and_then(|work| work.notes.ended);
        if ended == Some(Fate::Discard) {
            self.discard(&mut open, log);
            return Ok(Goes::NoFurther);
        }
        self.settle_doubt(&mut open, log, ended.is_some())
            .map_err(|error| self.fails(log, &error, ended.is_some()))?;
        if let Some(work) = work {
            self.write(&mut open, log, &work)?;
            if let Some(open) = &mut *open {
                open.ended = work.notes.ended.is_some();
            }
        }
        if log.has_work() || open.as_ref().is_none_or(|open| !open.ended) {
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
        let brought = {
            // Who brings it just then may be the one who is told.
            let _bringing = self.bringing.lock();
            self.shelf.disk.sync(&file, ended.synced)
        };
        let missed = || io::Error::other("the disk did not take it");
        let brought = match brought {
            Ok(()) if self.missed.load(Ordering::Acquire) => Err(missed()),
            brought => brought,
        };
        match (brought, read) {
            (Err(_), Some(read)) if read.is_at(path) => {
                self.shelf.renew(path, read, bytes)?;
                let room = self.room();
                tracing::warn!(parent: None, room, "the file of the room that ended is written anew");
                Ok(())
            }
            (brought, _) => brought,
        }
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
        let brought = {
            let _bringing = pen.bringing.lock();
            let brought = pen.shelf.disk.sync(&file, from);
            if brought.is_err() {
                pen.missed.store(true, Ordering::Release);
            }
            brought
        };
        let (doubt, what) = match brought {
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
mod tests {
    use super::*;
    use crate::archive::journal::{Step, scan};
    use crate::protocol::{Attributes, Frame, Kind, Run, attribute};
    use crate::relay::PeerId;
    use crate::relay::account::Account;
    use crate::relay::card::Card;
    use crate::relay::limits::Limits;
    use crate::relay::shelf::tests::{heading, shelf};

    const EDIT_BYTES: usize = 100;

    /// A room with a pen and no keeper.
    struct Scene {
        log: Arc<Log>,
        pen: Arc<Pen>,
        #[cfg_attr(not(unix), expect(dead_code, reason = "only kept until the end"))]
        folder: tempfile::TempDir,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let shelf = Arc::new(shelf(folder.path()));
            Self {
                log: Log::journaled(Limits::default().keep()).into(),
                pen: Pen::new(shelf, heading("Room"), None, None, Arc::default()).into(),
                folder,
            }
        }

        /// One whose file is there, with an edit.
        fn begun() -> Self {
            let scene = Self::new();
            scene.edit(EDIT_BYTES);
            assert_eq!(scene.pen.write_on(&scene.log), Ok(Goes::On));
            scene
        }

        fn path(&self) -> PathBuf {
            let open = self.pen.open.lock();
            open.as_ref().unwrap().path.clone()
        }

        /// What stands in the file, if it is a whole one.
        fn positions(&self) -> Option<u64> {
            let mut next = 0;
            let scan = scan(
                File::open(self.path()).ok()?,
                |step| {
                    if let Step::Commands { positions, .. } = step {
                        assert_eq!(positions.start, next);
                        next = positions.end;
                    }
                },
                |_| true,
            );
            let scan = scan.ok()?;
            (scan.damaged.is_empty() && scan.torn_bytes == 0).then_some(next)
        }

        fn edit(&self, bytes: usize) {
            let card = Card::new(PeerId(1), "10.0.0.1:1".to_owned(), Account::boundless());
            let run = Run::from(Frame::new(Kind(140), &vec![7; bytes]));
            self.log
                .append(&Arc::new(card), run, Instant::now())
                .unwrap();
        }
    }

    #[test]
    fn little_is_written_at_once_and_the_keeper_hears_when_it_is_to_be_synced() {
        let scene = Scene::new();
        let Scene { log, pen, .. } = &scene;
        assert_eq!(pen.write_at_once(log), AtOnce::Nothing);
        scene.edit(EDIT_BYTES);
        assert_eq!(pen.write_at_once(log), AtOnce::Slow, "there is no file yet");
        assert_eq!(pen.write_on(log).unwrap(), Goes::On);
        assert!(!log.has_work());
        scene.edit(EDIT_BYTES);
        pen.shelf.disk.forget();
        assert_eq!(pen.write_at_once(log), AtOnce::Written(ToSync::Known));
        pen.to_sync(log).unwrap().bring();
        assert!(!pen.is_unsynced());
        scene.edit(EDIT_BYTES);
        pen.shelf.disk.forget();
        assert_eq!(pen.write_at_once(log), AtOnce::Written(ToSync::New));
        assert!(pen.is_unsynced());
        scene.edit(AT_ONCE_BYTES);
        pen.shelf.disk.forget();
        assert_eq!(pen.write_at_once(log), AtOnce::Slow, "that is much");
        assert_eq!(pen.write_on(log).unwrap(), Goes::On);
        assert_eq!(pen.write_at_once(log), AtOnce::Nothing);
    }

    #[test]
    fn a_pen_that_is_in_use_is_not_waited_for() {
        let scene = Scene::begun();
        let Scene { log, pen, .. } = &scene;
        let writing = pen.open.lock();
        assert_eq!(pen.write_at_once(log), AtOnce::Busy);
        assert!(pen.to_sync(log).is_none());
        scene.edit(EDIT_BYTES);
        assert!(log.has_work(), "it waits for whoever writes");
        drop(writing);
        pen.shelf.disk.forget();
        assert!(pen.write_down(log));
        assert!(!log.has_work());
    }

    #[test]
    fn the_end_of_a_room_is_for_a_thread_that_may_wait() {
        let scene = Scene::begun();
        let Scene { log, pen, .. } = &scene;
        pen.shelf.disk.forget();
        log.end(Fate::Recent);
        assert_eq!(pen.write_at_once(log), AtOnce::Slow);
        assert_eq!(pen.write_on(log).unwrap(), Goes::NoFurther);
        assert_eq!(pen.shelf.recent().len(), 1);
    }

    #[test]
    fn what_the_disk_did_not_take_is_written_anew() {
        let scene = Scene::begun();
        let Scene { log, pen, .. } = &scene;
        let before = std::fs::read(scene.path()).unwrap();
        pen.open.lock().as_mut().unwrap().doubt = Some(Doubt::NotOnDisk);
        assert_eq!(
            pen.write_at_once(log),
            AtOnce::Slow,
            "without work, as well"
        );
        let old = log.file().unwrap();
        assert_eq!(pen.write_on(log), Ok(Goes::On));
        assert!(!old.is_at(&scene.path()) && log.file().unwrap().is_at(&scene.path()));
        assert_eq!(std::fs::read(scene.path()).unwrap(), before);
        scene.edit(EDIT_BYTES);
        pen.shelf.disk.forget();
        assert!(matches!(pen.write_at_once(log), AtOnce::Written(_)));
        assert_eq!(scene.positions(), Some(2));
        assert_eq!(log.trouble(), None);
    }

    #[test]
    fn a_file_of_which_too_little_is_left_stays_in_trouble() {
        let scene = Scene::begun();
        let Scene { log, pen, .. } = &scene;
        let good = std::fs::read(scene.path()).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        std::fs::write(scene.path(), &bad).unwrap();
        pen.open.lock().as_mut().unwrap().doubt = Some(Doubt::NotOnDisk);
        scene.edit(EDIT_BYTES);
        assert_eq!(pen.write_on(log), Err(Unwritten { ended: false }));
        assert!(log.trouble().unwrap().contains("damaged"));
        assert_eq!(std::fs::read(scene.path()).unwrap(), bad);
        assert!(!Shelf::renewing(&scene.path()).exists());
        std::fs::write(scene.path(), &good).unwrap();
        assert_eq!(pen.write_on(log), Ok(Goes::On));
        assert_eq!((log.trouble(), scene.positions()), (None, Some(2)));
    }

    #[cfg(unix)]
    #[test]
    fn a_disk_that_does_not_take_a_file_is_asked_and_believed() {
        let scene = Scene::begun();
        let Scene { log, pen, .. } = &scene;
        let mut to_disk = pen.to_sync(log).unwrap();
        to_disk.file = crate::relay::disk::tests::no_file();
        to_disk.bring();
        let doubt = pen.open.lock().as_ref().unwrap().doubt;
        assert_eq!(doubt, Some(Doubt::NotOnDisk));
    }

    #[cfg(unix)]
    #[test]
    fn what_the_disk_did_not_take_is_written_anew_though_the_room_has_ended() {
        let scene = Scene::begun();
        let Scene { log, pen, .. } = &scene;
        let before = std::fs::read(scene.path()).unwrap();
        let old = log.file().unwrap();
        let mut to_disk = pen.to_sync(log).unwrap();
        to_disk.file = crate::relay::disk::tests::no_file();
        std::thread::scope(|scope| {
            let mut open = pen.open.lock();
            let bringing = scope.spawn(|| to_disk.bring());
            while !pen.missed.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            pen.retire(&mut open, log).unwrap();
            drop(open);
            assert!(!bringing.join().unwrap());
        });
        let recent = pen.shelf.folder().join("recent");
        let recent: Vec<_> = std::fs::read_dir(recent).unwrap().flatten().collect();
        let [recent] = &recent[..] else {
            panic!("{recent:?}")
        };
        assert!(!old.is_at(&recent.path()), "it is another file");
        assert_eq!(std::fs::read(recent.path()).unwrap(), before);
    }

    // Elsewhere a folder whose files are open keeps its name.
    #[cfg(unix)]
    #[test]
    fn a_room_that_cannot_be_put_to_the_recent_ones_is_tried_again() {
        let scene = Scene::begun();
        let Scene { log, pen, .. } = &scene;
        let recent = pen.shelf.folder().join("recent");
        std::fs::remove_dir(&recent).unwrap();
        std::fs::write(&recent, "in the way").unwrap();
        log.end(Fate::Recent);
        for _ in 0..2 {
            assert_eq!(pen.write_on(log), Err(Unwritten { ended: true }));
            assert_eq!(pen.write_at_once(log), AtOnce::Slow);
        }
        std::fs::remove_file(&recent).unwrap();
        assert_eq!(pen.write_on(log), Ok(Goes::NoFurther));
        assert_eq!(pen.shelf.recent().len(), 1);
    }

    #[test]
    fn that_a_room_is_not_whole_is_written_before_what_comes_then() {
        let scene = Scene::begun();
        let Scene { log, pen, .. } = &scene;
        for joinable in [false, true] {
            let joinable = Attributes::default().with_flag(attribute::JOINABLE, joinable);
            log.note_attributes(&joinable);
            scene.edit(EDIT_BYTES);
            assert_eq!(pen.write_on(log), Ok(Goes::On));
        }
        let mut order = Vec::new();
        let step = |step: Step<'_>| match step {
            Step::Commands { positions, .. } => order.push(format!("{positions:?}")),
            Step::Attributes(changed) => order.push(changed.to_string()),
            Step::Cleared(_) => {}
        };
        scan(File::open(scene.path()).unwrap(), step, |_| true).unwrap();
        let [no, yes] = [false, true].map(|whole| format!(r#"{{"joinable": {whole}}}"#));
        assert_eq!(order, ["0..1", &no, "1..2", "2..3", &yes]);
    }

    #[cfg(unix)]
    #[test]
    fn members_are_told_in_words() {
        let scene = Scene::new();
        let full = io::Error::from_raw_os_error(28);
        let full = ArchiveError::Write(full);
        scene.pen.fails(&scene.log, &full, false);
        let told = scene.log.trouble().unwrap();
        assert!(!told.is_empty() && !told.contains("28"), "{told}");
    }

    // Elsewhere files that are open cannot be taken away so easily.
    #[cfg(unix)]
    #[test]
    fn a_file_that_was_taken_away_is_written_anew() {
        let scene = Scene::begun();
        let Scene { log, pen, .. } = &scene;
        std::fs::remove_file(scene.path()).unwrap();
        scene.edit(EDIT_BYTES);
        assert_eq!(pen.write_on(log), Ok(Goes::On));
        pen.to_sync(log).unwrap().bring();
        assert_eq!(pen.write_on(log), Ok(Goes::On));
        assert_eq!(scene.positions(), Some(2));
        // Something else lies there now.
        std::fs::remove_file(scene.path()).unwrap();
        std::fs::write(scene.path(), "by hand").unwrap();
        log.end(Fate::Recent);
        assert_eq!(pen.write_on(log), Ok(Goes::NoFurther));
        let recent = pen.shelf.recent();
        assert_eq!(recent[0].room, "Room");
        let aside = pen.shelf.folder().join("damaged").join(&recent[0].id);
        assert_eq!(std::fs::read(aside).unwrap(), b"by hand");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_is_gone_for_a_while_is_told_until_it_is_back() {
        let scene = Scene::begun();
        let Scene { log, pen, .. } = &scene;
        let aside = scene.folder.path().join("aside");
        std::fs::rename(pen.shelf.folder(), &aside).unwrap();
        std::fs::write(pen.shelf.folder(), "in the way").unwrap();
        pen.to_sync(log).unwrap().bring();
        for _ in 0..2 {
            assert_eq!(pen.write_on(log), Err(Unwritten { ended: false }));
            assert!(log.trouble().is_some());
            scene.edit(EDIT_BYTES);
        }
        std::fs::remove_file(pen.shelf.folder()).unwrap();
        std::fs::rename(&aside, pen.shelf.folder()).unwrap();
        assert_eq!(pen.write_on(log), Ok(Goes::On));
        assert_eq!((log.trouble(), log.has_work()), (None, false));
        assert_eq!(scene.positions(), Some(3));
    }

    // Elsewhere a folder whose files are open keeps its name.
    #[cfg(unix)]
    #[test]
    fn a_folder_that_cannot_be_written_is_told_once_until_it_can() {
        let scene = Scene::new();
        let Scene { log, pen, .. } = &scene;
        let folder = scene.folder.path().join("rooms");
        let aside = scene.folder.path().join("aside");
        std::fs::rename(&folder, &aside).unwrap();
        std::fs::write(&folder, "in the way").unwrap();
        scene.edit(EDIT_BYTES);
        assert_eq!(pen.write_on(log), Err(Unwritten { ended: false }));
        assert!(log.trouble().is_some());
        log.end(Fate::Recent);
        assert_eq!(pen.write_on(log), Err(Unwritten { ended: true }));
        std::fs::remove_file(&folder).unwrap();
        std::fs::rename(&aside, &folder).unwrap();
        assert_eq!(pen.write_on(log), Ok(Goes::NoFurther));
        assert_eq!(log.trouble(), None);
        assert!(!log.has_work());
        assert_eq!(pen.shelf.recent().len(), 1);
    }
}
