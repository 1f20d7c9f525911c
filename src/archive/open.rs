//! Opening a room file of either format.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::entry::Groups;
use super::journal::{self, JournalFrames};
use super::mixdesk::MAGIC;
use super::{ArchiveError, Ending, Entry, Format, Maker, MixdeskReader, MixerReader};
use crate::protocol::{Attributes, attribute};

/// Our mark and a version.
const VERSIONED_BYTES: usize = MAGIC.len() + 4;
/// Bytes that are read ahead of small records.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// An open room file: what it says of the room, and an iterator over the room's history. The frames
/// before an error are good.
#[derive(Debug)]
pub struct Archive<R = File> {
    room: String,
    attributes: Attributes,
    maker: Option<Maker>,
    commands: Commands<R>,
    groups: Groups,
}

#[derive(Debug)]
enum Commands<R> {
    Mixer(MixerReader<R>),
    Mixdesk(MixdeskReader<BufReader<R>>),
    Journal(Box<JournalFrames<R>>),
}

/// Opens a room file. Its format is told by its first bytes, not by its name.
///
/// # Errors
/// When it cannot be read, is no room file or one of a newer program, or ends before the room's
/// attributes do.
pub fn open(path: &Path) -> Result<Archive, ArchiveError> {
    let file = File::open(path).map_err(ArchiveError::Open)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Archive::read(file, &stem)
}

impl<R: Read + Seek> Archive<R> {
    /// Reads a file from its start. `name` is the room's unless the file says another, which those
    /// of Mixer never do.
    ///
    /// # Errors
    /// As [`open`].
    pub fn read(mut from: R, name: &str) -> Result<Self, ArchiveError> {
        let failed = |source| ArchiveError::Read { at: 0, source };
        let total_bytes = from.seek(SeekFrom::End(0)).map_err(failed)?;
        from.rewind().map_err(failed)?;
        let mut first = Vec::with_capacity(VERSIONED_BYTES);
        from.by_ref()
            .take(VERSIONED_BYTES as u64)
            .read_to_end(&mut first)
            .map_err(failed)?;
        from.rewind().map_err(failed)?;
        let (magic, version) = first.split_at_checked(MAGIC.len()).unwrap_or((&first, &[]));
        if magic == MAGIC && version == journal::VERSION.to_le_bytes() {
            let (heading, frames) = JournalFrames::open(from)?;
            return Ok(Self {
                room: heading.room,
                attributes: heading.attributes,
                maker: Some(heading.maker),
                commands: Commands::Journal(Box::new(frames)),
                groups: Groups::default(),
            });
        }
        // The start of our mark is enough: a file that was cut off there gets the right words.
        if !magic.is_empty() && MAGIC.starts_with(magic) {
            let from = BufReader::with_capacity(READ_AHEAD_BYTES, from);
            let (heading, reader) = MixdeskReader::open(from, total_bytes)?;
            return Ok(Self {
                room: heading.room,
                attributes: heading.attributes,
                maker: Some(heading.maker),
                commands: Commands::Mixdesk(reader),
                groups: Groups::default(),
            });
        }
        let (attributes, reader) = MixerReader::open(from)?;
        Ok(Self {
            room: name.to_owned(),
            attributes,
            maker: None,
            commands: Commands::Mixer(reader),
            groups: Groups::default(),
        })
    }
}

impl<R: Read> Archive<R> {
    /// How the file is written.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.commands {
            Commands::Mixer(_) => Format::Mixer,
            Commands::Mixdesk(_) | Commands::Journal(_) => Format::Mixdesk,
        }
    }

    /// The room's name. Mixer's files do not have it: there it is the file's name without its
    /// extension.
    #[must_use]
    pub fn room(&self) -> &str {
        &self.room
    }

    /// The room's attributes at the time it was saved, with those that the relay sets.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The Blender that the room was made with, where the attributes say it.
    #[must_use]
    pub fn blender_version(&self) -> Option<String> {
        self.attributes.text(attribute::BLENDER_VERSION)
    }

    /// The Mixer that the room was made with, where the attributes say it.
    #[must_use]
    pub fn mixer_version(&self) -> Option<String> {
        self.attributes.text(attribute::MIXER_VERSION)
    }

    /// What made the file. Mixer's files do not say.
    #[must_use]
    pub fn maker(&self) -> Option<&Maker> {
        self.maker.as_ref()
    }

    /// How the file ends; `None` before the end is reached, and for ever after an error.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        match &self.commands {
            Commands::Mixer(reader) => reader.ending(),
            Commands::Mixdesk(reader) => reader.ending(),
            Commands::Journal(frames) => frames.ending(),
        }
    }

    /// Frames so far that are no room commands and were not given; the add-on saves such by mistake.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        match &self.commands {
            Commands::Mixer(reader) => reader.skipped(),
            Commands::Mixdesk(_) | Commands::Journal(_) => 0,
        }
    }

    /// Batches begun and not ended by the frames so far. A Blender that joins freezes until that
    /// many GROUP_ENDs come, so a restore adds them.
    #[must_use]
    pub fn open_groups(&self) -> u64 {
        self.groups.open
    }

    /// GROUP_ENDs so far that end no batch. The add-on raises an error at each, so a restore leaves
    /// out a GROUP_END that makes this grow.
    #[must_use]
    pub fn stray_group_ends(&self) -> u64 {
        self.groups.stray_ends
    }
}

impl<R: Read> Iterator for Archive<R> {
    type Item = Result<Entry, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = match &mut self.commands {
            Commands::Mixer(reader) => reader.next(),
            Commands::Mixdesk(reader) => reader.next(),
            Commands::Journal(frames) => frames.next(),
        };
        if let Some(Ok(entry)) = &entry {
            self.groups.count(entry.frame.kind());
        }
        entry
    }
}
