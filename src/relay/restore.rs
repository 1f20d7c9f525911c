//! Bringing a room back from its file. Blocks.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::cold::ColdFile;
use super::folder::renewing;
use super::log::{INDEX_EVERY_BYTES, Restored, Seq};
use super::pen::Open;
use super::room::vacant;
use super::shelf::Shelf;
use crate::archive::journal::{JournalWriter, LAST_START, Scan, Step, scan};
use crate::archive::{ArchiveError, Heading, History};
use crate::protocol::{Attributes, EMPTY_COMMANDS, attribute};

/// A room as its file has it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) heading: Heading,
    /// As they were last.
    pub(super) attributes: Attributes,
    pub(super) restored: Restored,
    pub(super) open: Open,
    /// What its history holds is not wanted.
    pub(super) vacated: bool,
    /// Parts of its file were damaged.
    pub(super) repaired: bool,
}

impl Found {
    /// What the file holds, as far as it says.
    pub(super) fn content(&self) -> Content {
        let commands = self.restored.history.commands();
        // What says that it was whole may be what was damaged.
        let is_whole = self.attributes.flag(attribute::JOINABLE) == Some(true)
            || self.repaired && commands > 0;
        let awaits = self.attributes.raw(attribute::AWAITS_SCENE).is_some();
        match (is_whole, awaits) {
            (true, _) => Content::Whole,
            (false, true) if commands <= EMPTY_COMMANDS => Content::Vacant,
            (false, true) => Content::Filling,
            (false, false) if commands == 0 => Content::Nothing,
            (false, false) => Content::Part,
        }
    }

    /// Makes it a room that waits for its people, with what there is of it.
    pub(super) fn make_joinable(&mut self) {
        let joinable = Attributes::default()
            .with_flag(attribute::JOINABLE, true)
            .with_flag(attribute::KEEP_OPEN, true);
        self.attributes.update(joinable);
    }

    /// Makes it a room that waits for a scene.
    pub(super) fn vacate(&mut self) {
        self.attributes.update(vacant(&self.heading.room));
        self.vacated = true;
        self.make_joinable();
    }
}

/// What there is of a room in its file. That it is whole is not written where the disk was full by then, and
/// people may have worked in it all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Whole,
    /// It was made without a scene, and nobody has brought one.
    Vacant,
    /// It was made without a scene, and this is a part of the one that somebody brought, or all of it.
    Filling,
    /// Perhaps all of it, perhaps only a part.
    Part,
    /// Its maker had not sent anything yet.
    Nothing,
}

/// What a file says, read once from start to end.
struct Picture {
    scan: Scan,
    attributes: Attributes,
    history: History,
    next: Seq,
    index: Vec<(Seq, u64)>,
}

/// Reads a room's file, and repairs it where it is damaged. A file that cannot be used is put aside.
/// `progress` hears of the bytes that are through, and stops by giving `false`.
///
/// # Errors
/// When the room cannot be brought back. Its file is then still on the shelf, or was put aside.
pub(super) fn restore(
    shelf: &Shelf,
    path: &Path,
    mut progress: impl FnMut(u64) -> bool,
) -> Result<Found, ArchiveError> {
    let picture = match look(path, &mut progress) {
        Ok(picture) => picture,
        Err(
            error @ (ArchiveError::NotARoomFile
            | ArchiveError::NoHeading { .. }
            | ArchiveError::Attributes(_)
            | ArchiveError::Damaged { .. }),
        ) => {
            let aside = shelf.set_aside(path).map_err(ArchiveError::Write)?;
            tracing::error!(file = %aside.display(), "a room's file was put aside: {error}");
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    let Picture { scan, .. } = &picture;
    let torn = scan.torn_bytes > 0 && !scan.only_cut_off;
    let repaired = torn || !scan.damaged.is_empty();
    let picture = if repaired {
        let aside = repair(shelf, path, scan).map_err(ArchiveError::Write)?;
        tracing::error!(
            room = scan.heading.room,
            parts = scan.damaged.len() + usize::from(torn),
            file = %aside.display(),
            "the room's file was damaged: what can still be read is brought back, the file as it was is kept"
        );
        look(path, &mut progress)?
    } else {
        if scan.torn_bytes > 0 {
            tracing::warn!(
                room = scan.heading.room,
                bytes = scan.torn_bytes,
                "the torn end of the room's file is cut off: nobody had received it"
            );
        }
        picture
    };
    open(path, picture, repaired)
}

fn open(path: &Path, picture: Picture, repaired: bool) -> Result<Found, ArchiveError> {
    let Picture {
        scan,
        attributes,
        history,
        next,
        index,
    } = picture;
    let file = OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(ArchiveError::Open)?;
    let writer = JournalWriter::resume(file, scan.salt, scan.good_bytes)?;
    let cold = ColdFile::new(File::open(path).map_err(ArchiveError::Open)?, scan.salt);
    Ok(Found {
        heading: scan.heading,
        attributes,
        restored: Restored {
            history,
            next,
            file: Arc::new(cold),
            bytes: scan.good_bytes,
            index,
        },
        open: Open::new(path.to_owned(), writer),
        vacated: false,
        repaired,
    })
}

fn look(path: &Path, progress: &mut impl FnMut(u64) -> bool) -> Result<Picture, ArchiveError> {
    let file = File::open(path).map_err(ArchiveError::Open)?;
    let mut changes = Attributes::default();
    let mut history = History::default();
    let (mut next, mut taken) = (Seq::default(), 0);
    let mut index: Vec<(Seq, u64)> = Vec::new();
    let scan = scan(
        file,
        |step| match step {
            Step::Commands {
                at,
                positions,
                commands,
            } => {
                // What damage has put out of order would be given twice.
                if positions.start < taken {
                    return;
                }
                taken = positions.end;
                let last = index.last().map(|(_, place)| *place);
                if last.is_none_or(|place| at >= place + INDEX_EVERY_BYTES) {
                    index.push((Seq(positions.start), at));
                }
                next = next.max(Seq(positions.end));
                commands.for_each(|command| history.push(command));
            }
            Step::Attributes(changed) => drop(changes.update(changed)),
            Step::Cleared(before) => {
                next = next.max(Seq(before));
                history.clear(before);
            }
        },
        progress,
    )?;
    if next > Seq(LAST_START) {
        return Err(ArchiveError::Damaged {
            at: scan.good_bytes,
            what: "its commands are numbered higher than any room's",
        });
    }
    let mut attributes = scan.heading.attributes.clone();
    attributes.update(changes);
    if let Some((first, _)) = index.first_mut() {
        *first = Seq::default();
    } else {
        index.push((Seq::default(), scan.good_bytes));
    }
    Ok(Picture {
        scan,
        attributes,
        history,
        next,
        index,
    })
}

/// Writes the good parts of a file anew, puts the file aside, and the new one in its place.
fn repair(shelf: &Shelf, path: &Path, scan: &Scan) -> io::Result<std::path::PathBuf> {
    let anew = renewing(path);
    copy_good_parts(path, scan, &anew).inspect_err(|_error| shelf.remove(&anew))?;
    shelf.replace(&anew, path)
}

fn copy_good_parts(path: &Path, scan: &Scan, copy: &Path) -> io::Result<()> {
    let mut from = File::open(path)?;
    let mut to = File::create(copy)?;
    for good in scan.good_parts() {
        from.seek(SeekFrom::Start(good.start))?;
        io::copy(&mut from.by_ref().take(good.end - good.start), &mut to)?;
    }
    to.sync_all()
}
