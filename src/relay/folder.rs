//! A folder of rooms' files, whoever has it: what is in the way is put aside, what was cut short is finished, and what a
//! program left that is gone is taken over.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::recent::{EXTENSION, rooms};

pub(super) const RECENT: &str = "recent";
const DAMAGED: &str = "damaged";
/// A file that is written anew, all of it, on its way to the place of the other one.
const REPAIRING: &str = "repairing";
/// A file that is being written anew, perhaps only a part of it.
pub(super) const RENEWING: &str = "renewing";
pub(super) const LOCK: &str = "lock";

/// Where a file is written anew until it is whole.
pub(super) fn renewing(path: &Path) -> PathBuf {
    path.with_extension(RENEWING)
}

/// Puts a whole file to `path` once `make_place` has made place for it; gives what that gave. What is cut short in between
/// [is finished](finish_repairs) by the next start.
pub(super) fn put_in_place<T>(
    whole: &Path,
    path: &Path,
    make_place: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let repairing = path.with_extension(REPAIRING);
    fs::rename(whole, &repairing)?;
    let made = make_place()?;
    fs::rename(&repairing, path)?;
    sync_names(path);
    Ok(made)
}

/// Puts a file aside that cannot be used, as it is: within the `rooms` that it is of.
pub(super) fn set_aside(rooms: &Path, path: &Path) -> io::Result<PathBuf> {
    let folder = rooms.join(DAMAGED);
    fs::create_dir_all(&folder)?;
    let to = vacant_place(&folder, path);
    fs::rename(path, &to)?;
    Ok(to)
}

/// A name in a folder that nothing there has: that of `path`, or one like it.
pub(super) fn vacant_place(folder: &Path, path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut to = folder.join(&*name);
    for number in 2.. {
        if !to.exists() {
            break;
        }
        to = folder.join(format!("{number}-{name}"));
    }
    to
}

/// Brings to the disk that a file of this name is in its folder, or is not any more. Blocks.
#[cfg(unix)]
pub(super) fn sync_names(path: &Path) {
    let Some(folder) = path.parent() else { return };
    // Not every system can, and the files themselves are there.
    if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
        tracing::debug!("the names in a folder may not be on the disk yet: {error}");
    }
}

/// Elsewhere the system does so by itself.
#[cfg(not(unix))]
pub(super) fn sync_names(_path: &Path) {}

/// Makes the folder this program's; `None` where it is another's.
pub(super) fn lock(folder: &Path) -> io::Result<Option<File>> {
    let lock = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(folder.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Moves what is in the folder of a program that is gone.
pub(super) fn take_over(left: &Path, to: &Path) -> io::Result<()> {
    // Without a lock it is not one of ours.
    if !left.join(LOCK).is_file() {
        return Ok(());
    }
    let Some(_lock) = lock(left)? else {
        return Ok(());
    };
    finish_repairs(left)?;
    for part in ["", RECENT] {
        let from = left.join(part);
        if !from.is_dir() {
            continue;
        }
        let mut last = None;
        for path in rooms(&from)? {
            let target = to.join(part).join(path.file_name().unwrap_or_default());
            if target.exists() {
                continue;
            }
            fs::rename(&path, &target)?;
            tracing::info!(file = %target.display(), "taken over from a program that is gone");
            last = Some(target);
        }
        // All of them are in one folder.
        if let Some(last) = last {
            sync_names(&last);
        }
    }
    for path in with_extension(left, RENEWING)? {
        let target = to.join(path.file_name().unwrap_or_default());
        if !target.exists() {
            fs::rename(&path, &target)?;
        }
    }
    Ok(())
}

pub(super) fn with_extension(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == extension) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// A recent room that was being written anew when the last program ended: what is whole of that takes its place.
pub(super) fn finish_renewals(recent: &Path) -> io::Result<()> {
    for path in with_extension(recent, REPAIRING)? {
        fs::rename(&path, path.with_extension(EXTENSION))?;
    }
    for path in with_extension(recent, RENEWING)? {
        fs::remove_file(&path)?;
    }
    Ok(())
}

/// A file that was written anew, and is whole, takes the place of the old one, which is set aside. What was cut short of
/// that is done.
pub(super) fn finish_repairs(folder: &Path) -> io::Result<()> {
    for path in with_extension(folder, REPAIRING)? {
        let target = path.with_extension(EXTENSION);
        if target.exists() {
            set_aside(folder, &target)?;
        }
        fs::rename(&path, &target)?;
    }
    Ok(())
}
