//! The folder of the rooms' files: those that live, those that ended lately, and what was damaged.
//!
//! A room that lives is `NAME-TIME.mixdesk` in the folder itself. When it ends it moves to `recent/`,
//! where it stays for a number of days and within a number of bytes. A file with damage in it is kept
//! as it was in `damaged/`. One program uses a folder at a time; another one takes the next, `rooms-2`, and
//! whose turn it is later takes over what a program left there that is gone.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::cold::{ColdFile, is_at};
use super::disk::Disk;
use super::folder::{
    LOCK, RECENT, RENEWING, finish_renewals, finish_repairs, lock, put_in_place, renewing,
    set_aside, sync_names, take_over, vacant_place, with_extension,
};
use super::guests::Origin;
use super::pen::Open;
use super::recent::{self, Aged, Clock, EXTENSION, Recent, Stay, rooms};
use crate::archive::journal::{JournalWriter, scan};
use crate::archive::{ArchiveError, Heading, unix_millis};

/// How many rooms that ended at most, however small.
const RECENT_ROOMS: usize = 1000;
/// How many programs of one user can host at the same time and keep their rooms.
const FOLDERS: u32 = 9;
/// As much of a room's name as goes into the name of its file, in bytes: with what comes before and behind it no more
/// than every system's names may have, which is 143 bytes where files are encrypted one by one, else 255.
const NAME_BYTES: usize = 100;

/// Where rooms are kept, and for how long after their end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// The folder, made when it is needed.
    pub folder: PathBuf,
    /// How long a room that ended is kept.
    pub recent_for: Duration,
    /// How many bytes all of those may take; the oldest go first.
    pub recent_bytes: u64,
}

/// The folder, held by this program alone as soon as it can be had.
#[derive(Debug)]
pub(super) struct Shelf {
    keeping: Keeping,
    held: OnceLock<Held>,
    /// One at a time takes the folder.
    taking: Mutex<Tried>,
    /// Rings when a room has come to the recent ones or left them.
    changed: watch::Sender<()>,
    pub(super) disk: Disk,
    /// Which guests have made which of the recent rooms, as far as they ended since this program runs.
    makers: Mutex<HashMap<String, Origin>>,
    /// Rooms may be too old or too many; one at a time looks.
    overfull: AtomicBool,
    expiring: Mutex<()>,
}

/// Whether the folder was to be had before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tried {
    #[default]
    Never,
    InVain,
}

#[derive(Debug)]
struct Held {
    folder: PathBuf,
    /// Let go of by the system however this program ends.
    lock: Mutex<File>,
}

impl Held {
    /// Makes the folder again where somebody took it away.
    fn mend(&self) -> io::Result<()> {
        let mut ours = self.lock.lock();
        fs::create_dir_all(self.folder.join(RECENT))?;
        if !is_at(&ours, &self.folder.join(LOCK)) {
            let taken = || io::Error::other("another program keeps its rooms there now");
            *ours = lock(&self.folder)?.ok_or_else(taken)?;
        }
        Ok(())
    }

    /// When this was last looked after: the lock says so.
    fn seen(&self) -> io::Result<SystemTime> {
        self.lock.lock().metadata()?.modified()
    }

    fn is_seen(&self, now: SystemTime) {
        if let Err(error) = self.lock.lock().set_modified(now) {
            tracing::debug!("the time was not kept: {error}");
        }
    }
}

impl Shelf {
    /// Holds no folder yet: [`take`](Self::take) does.
    pub(super) fn new(keeping: Keeping) -> Self {
        Self {
            keeping,
            held: OnceLock::new(),
            taking: Mutex::default(),
            changed: watch::Sender::new(()),
            disk: Disk::default(),
            makers: Mutex::default(),
            overfull: AtomicBool::new(false),
            expiring: Mutex::default(),
        }
    }

    /// Takes the folder, or the next one where another program has it, unless that is done; gives it. Takes
    /// over what is in folders of programs that are gone. Blocks.
    ///
    /// # Errors
    /// When it cannot be had. It may be tried again.
    pub(super) fn take(&self) -> io::Result<&Path> {
        let mut taking = self.taking.lock();
        if let Some(held) = self.held.get() {
            return Ok(&held.folder);
        }
        let tried = std::mem::replace(&mut *taking, Tried::InVain);
        let wanted = &self.keeping.folder;
        for number in 1..=FOLDERS {
            let folder = numbered(wanted, number);
            let is_new = !folder.exists();
            fs::create_dir_all(folder.join(RECENT))?;
            let Some(lock) = lock(&folder)? else {
                continue;
            };
            if is_new {
                sync_names(&folder);
            }
            let held = Held {
                folder,
                lock: Mutex::new(lock),
            };
            let held = self.held.get_or_init(|| held);
            for number in number + 1..=FOLDERS {
                let left = numbered(wanted, number);
                if let Err(error) = take_over(&left, &held.folder) {
                    let left = left.display();
                    tracing::warn!("the rooms in {left} stay there for now: {error}");
                }
            }
            if tried == Tried::InVain {
                // Nobody brings them back any more: people work already.
                for path in rooms(&held.folder)? {
                    tracing::warn!(file = %path.display(), "a room of the last time is under the recent ones");
                    self.retire_if_it_can(&path);
                }
            }
            if let Err(error) = finish_renewals(&held.folder.join(RECENT)) {
                tracing::warn!("what was being written anew stays as it is: {error}");
            }
            self.expire(SystemTime::now());
            self.changed.send_replace(());
            return Ok(&held.folder);
        }
        Err(io::Error::other(format!(
            "{FOLDERS} other programs keep their rooms there"
        )))
    }

    fn mend(&self) -> io::Result<()> {
        self.held.get().map_or(Ok(()), Held::mend)
    }

    /// Where the rooms' files are, or are to be.
    pub(super) fn folder(&self) -> &Path {
        let held = self.held.get();
        held.map_or(&self.keeping.folder, |held| &held.folder)
    }

    /// Whether it is this program's.
    pub(super) fn is_held(&self) -> bool {
        self.held.get().is_some()
    }

    /// Rings when a room has come to the recent ones or left them.
    pub(super) fn bell(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Starts a room's file.
    pub(super) fn create(&self, heading: &Heading) -> Result<Open, ArchiveError> {
        let folder = self.take().map_err(ArchiveError::Open)?;
        self.mend().map_err(ArchiveError::Open)?;
        let name = file_name(&heading.room, SystemTime::now());
        for number in 1.. {
            let name = match number {
                1 => format!("{name}.{EXTENSION}"),
                number => format!("{name}-{number}.{EXTENSION}"),
            };
            let path = folder.join(&name);
            // So that it does not meet the other when it ends.
            if folder.join(RECENT).join(&name).exists() {
                continue;
            }
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let started = JournalWriter::create(file, heading);
                    if started.is_err() {
                        self.remove(&path);
                    }
                    return Ok(Open::new(path, started?));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(ArchiveError::Write(error)),
            }
        }
        Err(ArchiveError::Incomplete)
    }

    /// Puts aside what was being written anew when the last program ended, where none of those that are
    /// [alive](Self::living) is that room's; gives where it is then.
    pub(super) fn put_unfinished_aside(&self) -> io::Result<Vec<PathBuf>> {
        let mut aside = Vec::new();
        for path in with_extension(self.folder(), RENEWING)? {
            if path.with_extension(EXTENSION).exists() {
                fs::remove_file(&path)?;
            } else {
                aside.push(self.set_aside(&path)?);
            }
        }
        Ok(aside)
    }

    /// The files of rooms that were alive when the last program ended, by name.
    pub(super) fn living(&self) -> io::Result<Vec<PathBuf>> {
        let folder = self.take()?;
        finish_repairs(folder)?;
        rooms(folder)
    }

    /// Puts a room that has ended to the recent ones, and makes place; gives where its file is then. `maker`: the guest
    /// who made it, if one did. Blocks.
    ///
    /// # Errors
    /// When it cannot be moved. It may be tried again.
    pub(super) fn retire(&self, path: &Path, maker: Option<Origin>) -> io::Result<PathBuf> {
        if let Err(error) = self.mend() {
            tracing::warn!("the folder of the rooms is gone: {error}");
        }
        // What it was last written is when it ended. Before others see it there: it may be an old file.
        if let Ok(file) = OpenOptions::new().append(true).open(path)
            && let Err(error) = file.set_modified(SystemTime::now())
        {
            tracing::debug!("the time of a room's end was not kept: {error}");
        }
        self.put_to_recent(path, maker)
    }

    /// The same, and the log hears of it where that cannot be.
    pub(super) fn retire_if_it_can(&self, path: &Path) {
        if let Err(error) = self.retire(path, None) {
            stays(path, &error);
        }
    }

    /// Puts a room back to the recent ones, as it was.
    pub(super) fn put_back(&self, path: &Path) {
        if let Err(error) = self.put_to_recent(path, None) {
            stays(path, &error);
        }
    }

    fn put_to_recent(&self, path: &Path, maker: Option<Origin>) -> io::Result<PathBuf> {
        let name = path.file_name().unwrap_or_default();
        let to = self.folder().join(RECENT).join(name);
        fs::rename(path, &to)?;
        if let Some(maker) = maker {
            let id = name.to_string_lossy().into_owned();
            self.makers.lock().insert(id, maker);
        }
        self.make_place();
        self.changed.send_replace(());
        // Last, as it may take long.
        sync_names(path);
        sync_names(&to);
        Ok(to)
    }

    /// Looks after the recent rooms, which get older. What the clock says now is believed from then on. Blocks.
    pub(super) fn look_after_recent(&self) {
        if let Some(held) = self.held.get() {
            self.make_place();
            held.is_seen(SystemTime::now());
        }
    }

    /// Removes recent rooms that are too old or too many.
    fn make_place(&self) {
        self.overfull.store(true, Ordering::SeqCst);
        // Whoever looks just now looks again: so one thread does, however many rooms end at once.
        while self.overfull.load(Ordering::SeqCst) {
            let Some(_expiring) = self.expiring.try_lock() else {
                break;
            };
            if self.overfull.swap(false, Ordering::SeqCst) {
                self.expire(SystemTime::now());
            }
        }
    }

    /// Puts a copy of a room that lives to the recent ones. Blocks.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(super) fn keep_copy(&self, path: &Path) -> io::Result<()> {
        let mut name = OsString::from("2-");
        name.push(path.file_name().unwrap_or_default());
        // Not that of the room itself, which comes there as well when it ends.
        let to = vacant_place(&self.folder().join(RECENT), Path::new(&name));
        let copied = fs::copy(path, &to).and_then(|_bytes| {
            let copy = OpenOptions::new().append(true).open(&to)?;
            copy.set_modified(SystemTime::now())?;
            self.disk.sync(&copy, 0)
        });
        copied.inspect_err(|_error| {
            let _removed = fs::remove_file(&to);
        })?;
        // The room itself may be emptied next.
        sync_names(&to);
        self.changed.send_replace(());
        Ok(())
    }

    /// The rooms that ended, latest first. Blocks.
    pub(super) fn recent(&self) -> Vec<Recent> {
        let held = self.held.get();
        held.map_or_else(Vec::new, |held| recent::all_in(&held.folder.join(RECENT)))
    }

    /// Takes a recent room's file back among those that live.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be moved.
    pub(super) fn take_back(&self, id: &str) -> io::Result<PathBuf> {
        let from = self.recent_path(id)?;
        let to = self.folder().join(id);
        if to.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(&from, &to)?;
        self.makers.lock().remove(id);
        self.changed.send_replace(());
        sync_names(&to);
        sync_names(&from);
        Ok(to)
    }

    /// Removes a recent room for good.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be removed.
    pub(super) fn forget(&self, id: &str) -> io::Result<()> {
        fs::remove_file(self.recent_path(id)?)?;
        self.makers.lock().remove(id);
        self.changed.send_replace(());
        Ok(())
    }

    fn recent_path(&self, id: &str) -> io::Result<PathBuf> {
        // An id is one of ours, and no way to somewhere else.
        let is_name = Path::new(id).file_name().is_some_and(|name| name == id);
        match self.held.get() {
            Some(held) if is_name => Ok(held.folder.join(RECENT).join(id)),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn expire(&self, now: SystemTime) {
        let seen = self.held.get().and_then(|held| held.seen().ok());
        // What nobody knows was long ago.
        let seen = seen.unwrap_or(SystemTime::UNIX_EPOCH);
        let stay = Stay {
            rooms: RECENT_ROOMS,
            bytes: self.keeping.recent_bytes,
            age: self.keeping.recent_for,
        };
        let paths = rooms(&self.folder().join(RECENT)).unwrap_or_default();
        let files = paths.iter().filter_map(|path| Aged::of(path)).collect();
        let over = stay.over(files, &self.makers.lock(), Clock { now, seen });
        for Aged { id, .. } in over {
            match self.forget(&id) {
                Ok(()) => tracing::info!(file = id, "a recent room was removed"),
                Err(error) => tracing::warn!("an old room could not be removed: {error}"),
            }
        }
    }

    pub(super) fn remove(&self, path: &Path) {
        if let Err(error) = fs::remove_file(path) {
            tracing::warn!("a room's file could not be removed: {error}");
        }
    }

    /// Puts a file aside that cannot be used, as it is.
    pub(super) fn set_aside(&self, path: &Path) -> io::Result<PathBuf> {
        set_aside(self.folder(), path)
    }

    /// Writes the first `bytes` of a room's file anew and puts that to `path`: the file itself is not there
    /// any more, or the disk did not take all of it. Blocks.
    ///
    /// # Errors
    /// When that cannot be written, or what is left of the file is not what was written. What is at `path` is as
    /// it was then.
    pub(super) fn renew(&self, path: &Path, from: &ColdFile, bytes: u64) -> io::Result<File> {
        self.mend()?;
        let anew = renewing(path);
        let renewed = File::create(&anew).and_then(|mut to| {
            from.copy_to(&mut to, bytes)?;
            self.disk.sync(&to, 0)?;
            check_whole(&anew, bytes)?;
            if path.exists() && !from.is_at(path) {
                self.replace(&anew, path)?;
            } else {
                put_in_place(&anew, path, || Ok(()))?;
            }
            Ok(to)
        });
        renewed.inspect_err(|_error| {
            // Where that fails as well, the next start does it.
            let _removed = fs::remove_file(&anew);
        })
    }

    /// Puts a whole file in the place of another one, which is put aside; gives where that is then.
    pub(super) fn replace(&self, whole: &Path, path: &Path) -> io::Result<PathBuf> {
        let aside = put_in_place(whole, path, || self.set_aside(path))?;
        sync_names(&aside);
        Ok(aside)
    }
}

/// The next start takes it for a room that lives.
fn stays(path: &Path, error: &io::Error) {
    let file = path.display();
    tracing::warn!(
        "{file} is not under the recent rooms, and comes back with the next start: {error}"
    );
}

/// Whether a file is a journal of so many bytes, all of them good.
fn check_whole(path: &Path, bytes: u64) -> io::Result<()> {
    let found = scan(File::open(path)?, |_| {}, |_| true).map_err(io::Error::other)?;
    if found.damaged.is_empty() && found.torn_bytes == 0 && found.good_bytes == bytes {
        return Ok(());
    }
    Err(io::Error::other("what was written before is damaged"))
}

fn numbered(folder: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return folder.to_owned();
    }
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    folder.with_file_name(name)
}

/// The rooms that ended whose files are in `folder` or in those of other programs beside it, latest
/// first. Only looks, so that it does not matter who has the folders. Blocks.
#[must_use]
pub fn recent_rooms(folder: &Path) -> Vec<Recent> {
    let folders = (1..=FOLDERS).map(|number| numbered(folder, number));
    let all = folders.flat_map(|folder| recent::all_in(&folder.join(RECENT)));
    recent::latest_first(all.collect())
}

/// What a room's file is called: its name as far as every system allows it, and when it was made.
fn file_name(room: &str, now: SystemTime) -> String {
    let allowed = |c: char| c.is_alphanumeric() || " -_().".contains(c);
    let mut name = String::new();
    for c in room.chars().map(|c| if allowed(c) { c } else { '_' }) {
        if name.len() + c.len_utf8() > NAME_BYTES {
            break;
        }
        name.push(c);
    }
    let name = name.trim_matches([' ', '.']);
    format!("{name}-{}", unix_millis(now))
}

#[cfg(test)]
#[path = "shelf_tests.rs"]
pub(super) mod tests;
