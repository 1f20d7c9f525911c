//! Appending to a journal.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};

use bytes::Bytes;

use super::{
    CommandsHead, HEAD_LENGTH_BYTES, HEADER_BYTES, Head, MAGIC, Mark, Note, RECORD_COMMANDS,
    VERSION, encode_head, encode_record_header, room_head,
};
use crate::archive::{ArchiveError, Heading, mixdesk};

/// Slices of one system call.
const MAX_SLICES: usize = 512;
/// Bytes of one system call. Until it returns a system may let nobody else have its core; of fewer bytes at once it makes
/// smaller pieces in its memory, each of which takes its time.
const CALL_BYTES: usize = 256 << 10;
/// Frames of a record up to this size are copied, so that they are summed up and written in one piece with what
/// stands before them.
const COPIED_BYTES: usize = 4 << 10;
/// What is held for the next records while nothing is gathered: so many bytes, …
const SPARE_BYTES: usize = 64 << 10;
/// … and pieces.
const SPARE_PIECES: usize = 64;

/// Writes a journal: gathers records, and writes what is gathered in one go.
#[derive(Debug)]
pub struct JournalWriter {
    file: File,
    salt: u32,
    /// Up to where the file is written, which is after a whole record.
    written: u64,
    /// What is gathered, one after the other: the records' headers and heads, and frames that are copied.
    copied: Vec<u8>,
    /// What is gathered, in order: how much of `copied`, and the frames that follow it.
    pieces: Vec<(usize, Bytes)>,
    gathered: u64,
    /// A write failed, and what it left could not be cut off yet.
    torn: bool,
}

impl JournalWriter {
    /// Starts a journal in a new, empty file.
    ///
    /// # Errors
    /// When a name or the attributes are too long, or writing fails.
    pub fn create(file: File, heading: &Heading) -> Result<Self, ArchiveError> {
        // Half of the bits of a hash with a random key.
        let [s0, s1, s2, s3, ..] = RandomState::new().hash_one(&heading.room).to_le_bytes();
        let salt = u32::from_le_bytes([s0, s1, s2, s3]);
        let mut writer = Self::resume(file, salt, 0)?;
        writer.copied.extend_from_slice(&MAGIC);
        writer.copied.extend_from_slice(&VERSION.to_le_bytes());
        writer.copied.extend_from_slice(&salt.to_le_bytes());
        writer.append(writer.copied.len(), Bytes::new());
        let attributes = heading.attributes.to_string();
        writer.gather(&room_head(heading, &attributes)?, Bytes::new())?;
        writer.write_out()?;
        Ok(writer)
    }

    /// Goes on with a journal that is good up to byte `good_bytes`; what stands behind is cut off.
    ///
    /// # Errors
    /// When the file cannot be cut.
    pub fn resume(file: File, salt: u32, good_bytes: u64) -> Result<Self, ArchiveError> {
        let mut writer = Self {
            file,
            salt,
            written: good_bytes,
            copied: Vec::new(),
            pieces: Vec::new(),
            gathered: 0,
            torn: false,
        };
        writer.cut().map_err(ArchiveError::Write)?;
        Ok(writer)
    }

    /// Adds a record to what is gathered. Returns where in the file it starts.
    ///
    /// # Errors
    /// When it is larger than a record can be. Nothing is gathered then.
    pub fn add(&mut self, note: Note<'_>) -> Result<u64, ArchiveError> {
        let at = self.written + self.gathered;
        match note {
            Note::Attributes {
                attributes,
                at_millis,
            } => {
                let head = Head::Attributes {
                    attributes,
                    at_millis,
                };
                self.gather(&head, Bytes::new())?;
            }
            Note::Cleared(before) => self.gather(&Head::Cleared { before }, Bytes::new())?,
            Note::Commands {
                position,
                sender,
                arrived_millis,
                run,
            } => {
                if run.frames() > RECORD_COMMANDS {
                    return Err(ArchiveError::TooLarge {
                        what: "a record of commands",
                        bytes: run.wire().len() as u64,
                        limit: RECORD_COMMANDS as u64,
                    });
                }
                let head = Head::Commands(CommandsHead {
                    position,
                    peer: sender.peer,
                    sender_id: mixdesk::cut(sender.id),
                    sender_name: sender.name.map(mixdesk::cut),
                    arrived_millis,
                    frames: run.iter().map(|frame| Mark::of(&frame)).collect(),
                });
                self.gather(&head, run.wire().clone())?;
            }
        }
        Ok(at)
    }

    fn gather(&mut self, head: &Head<'_>, wire: Bytes) -> Result<(), ArchiveError> {
        let start = self.copied.len();
        self.copied
            .extend_from_slice(&[0; HEADER_BYTES + HEAD_LENGTH_BYTES]);
        let body = start + HEADER_BYTES;
        let sized = encode_head(head, &mut self.copied).and_then(|()| {
            let head_bytes = self.copied.len() - body - HEAD_LENGTH_BYTES;
            let total = self.copied.len() - body + wire.len();
            let too_large = |_| ArchiveError::TooLarge {
                what: "a record",
                bytes: total as u64,
                limit: u32::MAX.into(),
            };
            Ok((
                u32::try_from(head_bytes).map_err(too_large)?,
                u32::try_from(total).map_err(too_large)?,
            ))
        });
        let (head_bytes, total) = match sized {
            Ok(sizes) => sizes,
            Err(error) => {
                self.copied.truncate(start);
                return Err(error);
            }
        };
        if let Some(place) = self.copied.get_mut(body..body + HEAD_LENGTH_BYTES) {
            place.copy_from_slice(&head_bytes.to_le_bytes());
        }
        let wire = if wire.len() <= COPIED_BYTES {
            self.copied.extend_from_slice(&wire);
            Bytes::new()
        } else {
            wire
        };
        let mut sum = crc32fast::Hasher::new();
        sum.update(self.copied.get(body..).unwrap_or_default());
        sum.update(&wire);
        let header = encode_record_header(self.salt, total, sum.finalize());
        if let Some(place) = self.copied.get_mut(start..body) {
            place.copy_from_slice(&header);
        }
        self.append(self.copied.len() - start, wire);
        Ok(())
    }

    /// What comes next: so much of what is copied, and the frames that follow it.
    fn append(&mut self, copied: usize, wire: Bytes) {
        self.gathered += (copied + wire.len()) as u64;
        match self.pieces.last_mut() {
            Some((before, none)) if none.is_empty() => {
                *before += copied;
                *none = wire;
            }
            _ => self.pieces.push((copied, wire)),
        }
    }

    /// Writes what is gathered.
    ///
    /// # Errors
    /// When writing fails. The file is as it was before then, and nothing is gathered any more.
    pub fn write_out(&mut self) -> Result<(), ArchiveError> {
        self.write_out_in_pieces(|| {})
    }

    /// As [`write_out`](Self::write_out), and calls `between` between two pieces of it.
    ///
    /// # Errors
    /// As there.
    pub fn write_out_in_pieces(&mut self, between: impl FnMut()) -> Result<(), ArchiveError> {
        let (written, gathered) = (self.try_write(between), self.gathered);
        self.forget();
        match written {
            Ok(()) => {
                self.written += gathered;
                Ok(())
            }
            Err(error) => {
                // If even this fails it is tried again before the next write.
                self.torn = self.cut().is_err();
                Err(ArchiveError::Write(error))
            }
        }
    }

    /// Forgets what is gathered.
    pub fn forget(&mut self) {
        self.gathered = 0;
        self.copied.clear();
        self.copied.shrink_to(SPARE_BYTES);
        self.pieces.clear();
        self.pieces.shrink_to(SPARE_PIECES);
    }

    fn try_write(&mut self, mut between: impl FnMut()) -> io::Result<()> {
        if self.torn {
            self.cut()?;
            self.torn = false;
        }
        let mut slices = Vec::with_capacity((2 * self.pieces.len()).min(MAX_SLICES));
        let (mut copied, mut bytes) = (&self.copied[..], 0);
        for (count, wire) in &self.pieces {
            let (before, rest) = copied.split_at(*count);
            copied = rest;
            for part in before.chunks(CALL_BYTES).chain(wire.chunks(CALL_BYTES)) {
                if slices.len() == MAX_SLICES || bytes + part.len() > CALL_BYTES {
                    write_all(&mut self.file, &mut slices)?;
                    between();
                    slices.clear();
                    bytes = 0;
                }
                slices.push(IoSlice::new(part));
                bytes += part.len();
            }
        }
        write_all(&mut self.file, &mut slices)
    }

    /// Cuts the file where it is good, and stands there.
    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.written)?;
        self.file.seek(SeekFrom::Start(self.written)).map(drop)
    }

    /// Up to where the file is written.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.written
    }

    /// What is written to.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What was written to.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    /// The file's own number, which its records' checksums begin with.
    #[must_use]
    pub fn salt(&self) -> u32 {
        self.salt
    }
}

fn write_all(to: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match to.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
