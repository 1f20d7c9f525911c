//! Serving members from a room's file: the parts of its log that are not in memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use same_file::Handle;
use thiserror::Error;
use tokio::task::coop::consume_budget;
use tokio::task::spawn_blocking;

use super::PeerId;
use super::log::{Log, Seq};
use crate::archive::journal::{CutError, Cutter};

/// What is read from a file at once.
const CHUNK_BYTES: u64 = 256 << 10;
/// How many chunks one member is given at once. They are its own while it takes them.
const CHUNKS_A_READ: usize = 2;
/// How many chunks are kept for others who are about as far: whole classes join at once.
const CHUNKS: usize = 32;

/// Why a member cannot be served from the file.
#[derive(Debug, Error)]
pub(super) enum ColdError {
    #[error("the room's file cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Damaged(#[from] CutError),
    #[error("the room has no file")]
    NoFile,
}

/// A room's file, to be read from.
#[derive(Debug)]
pub(super) struct ColdFile {
    file: File,
    salt: u32,
    /// Short and never held across an await.
    chunks: Mutex<Chunks>,
}

/// What was read last.
#[derive(Debug, Default)]
struct Chunks {
    /// Whole chunks, by their number.
    read: VecDeque<(u64, Bytes)>,
    /// The memory of one that nobody has any more, for the next: new memory takes the system longer than reading does.
    spare: Option<BytesMut>,
}

impl Chunks {
    fn get(&self, number: u64, length: u64) -> Option<Bytes> {
        let mut read = self.read.iter();
        let (_, chunk) =
            read.find(|(other, chunk)| *other == number && chunk.len() as u64 >= length)?;
        Some(chunk.clone())
    }

    fn put(&mut self, number: u64, chunk: Bytes) {
        self.read.retain(|(other, _)| *other != number);
        self.read.push_back((number, chunk));
        if self.read.len() > CHUNKS {
            let oldest = self.read.pop_front();
            self.spare = oldest.and_then(|(_, chunk)| chunk.try_into_mut().ok());
        }
    }
}

impl ColdFile {
    pub(super) fn new(file: File, salt: u32) -> Self {
        Self {
            file,
            salt,
            chunks: Mutex::default(),
        }
    }

    /// Whether that is the file at `path`, as far as one can see.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        is_at(&self.file, path)
    }

    /// Writes the first `bytes` of it to another file. Blocks.
    pub(super) fn copy_to(&self, to: &mut File, bytes: u64) -> io::Result<()> {
        let mut at = 0;
        while at < bytes {
            let count = CHUNK_BYTES.min(bytes - at);
            let mut chunk = vec![0; usize::try_from(count).map_err(io::Error::other)?];
            read_exact_at(&self.file, &mut chunk, at)?;
            to.write_all(&chunk)?;
            at += count;
        }
        Ok(())
    }

    /// Forgets what was read.
    pub(super) fn forget_chunks(&self) {
        *self.chunks.lock() = Chunks::default();
    }

    /// Reads from `at` to the end of the chunk, but not beyond `end`.
    async fn chunk(self: &Arc<Self>, at: u64, end: u64) -> io::Result<Bytes> {
        let number = at / CHUNK_BYTES;
        let start = number * CHUNK_BYTES;
        let length = CHUNK_BYTES.min(end.saturating_sub(start));
        let cached = self.chunks.lock().get(number, length);
        let chunk = match cached {
            Some(chunk) => chunk,
            None => self.read_chunk(number, length).await?,
        };
        let skip = usize::try_from(at - start).unwrap_or(usize::MAX);
        let until = usize::try_from(length).unwrap_or(usize::MAX);
        if skip >= until || until > chunk.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(chunk.slice(skip..until))
    }

    async fn read_chunk(self: &Arc<Self>, number: u64, length: u64) -> io::Result<Bytes> {
        let file = Arc::clone(self);
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let at = number * CHUNK_BYTES;
        let is_whole = length as u64 == CHUNK_BYTES;
        // Only who is given all of that memory is to hold it.
        let spare = is_whole.then(|| self.chunks.lock().spare.take());
        let mut bytes = spare.flatten().unwrap_or_default();
        bytes.resize(length, 0);
        if !read_cached(&self.file, &mut bytes, at) {
            let read = move || {
                read_exact_at(&file.file, &mut bytes, at)?;
                io::Result::Ok(bytes)
            };
            bytes = spawn_blocking(read).await.map_err(io::Error::other)??;
        }
        let chunk = bytes.freeze();
        if is_whole {
            self.chunks.lock().put(number, chunk.clone());
        }
        Ok(chunk)
    }
}

/// Whether an open file is the one at `path`, as far as one can see.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let there = match Handle::from_path(path) {
        Ok(there) => there,
        Err(error) => {
            let gone = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
            return !gone.contains(&error.kind());
        }
    };
    let ours = file.try_clone().and_then(Handle::from_file);
    ours.is_ok_and(|ours| ours == there)
}

/// Reads what the system has in memory, which needs no other thread. `false` when that is not all.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, bytes: &mut [u8], at: u64) -> bool {
    use rustix::io::{ReadWriteFlags, preadv2};
    let length = bytes.len();
    let buffers = &mut [io::IoSliceMut::new(bytes)];
    preadv2(file, buffers, at, ReadWriteFlags::NOWAIT).is_ok_and(|read| read == length)
}

/// Reads what the system has in memory; here it does not say.
#[cfg(not(target_os = "linux"))]
fn read_cached(_file: &File, _bytes: &mut [u8], _at: u64) -> bool {
    false
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        let read = file.seek_read(bytes, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = bytes.get_mut(read..).unwrap_or_default();
        at += read as u64;
    }
    Ok(())
}

/// Which commands a member is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    /// Replay: what is not part of the history any more.
    Superseded,
    /// Live: its own.
    Own(PeerId),
}

/// A member's way through a part of the file.
#[derive(Debug)]
pub(super) struct Cold {
    log: Arc<Log>,
    file: Arc<ColdFile>,
    at: u64,
    end: u64,
    until: Seq,
    skip: Skip,
    cutter: Cutter,
}

impl Cold {
    pub(super) fn open(log: &Arc<Log>, range: &Range<Seq>, skip: Skip) -> Result<Self, ColdError> {
        let place = log.cold_place(range.start).ok_or(ColdError::NoFile)?;
        Ok(Self {
            log: Arc::clone(log),
            cutter: Cutter::new(place.file.salt, range.start.0, range.end.0),
            file: place.file,
            at: place.at,
            end: place.end,
            until: range.end,
            skip,
        })
    }

    /// Appends the next frames, or parts of them, to `out`: a few chunks at most, perhaps nothing.
    pub(super) async fn read(&mut self, out: &mut VecDeque<Bytes>) -> Result<(), ColdError> {
        for _ in 0..CHUNKS_A_READ {
            if self.is_done() {
                return Ok(());
            }
            self.read_chunk(u64::MAX, out).await?;
        }
        // So that something else can be written, if it is not a very large frame.
        self.end_frame(out).await
    }

    /// Appends what is left of the frame that was begun, a chunk of it at most.
    pub(super) async fn end_frame(&mut self, out: &mut VecDeque<Bytes>) -> Result<(), ColdError> {
        self.at += self.cutter.skip();
        if self.is_between_frames() {
            return Ok(());
        }
        self.read_chunk(self.cutter.left(), out).await
    }

    /// Takes in the rest of a chunk, but no more than `most` bytes of it.
    async fn read_chunk(&mut self, most: u64, out: &mut VecDeque<Bytes>) -> Result<(), ColdError> {
        // What the system has in memory comes at once, and others are to get their turn.
        consume_budget().await;
        self.at += self.cutter.skip();
        if self.is_done() {
            return Ok(());
        }
        let mut bytes = self.file.chunk(self.at, self.end).await?;
        bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        self.at += bytes.len() as u64;
        let (log, skip) = (&self.log, self.skip);
        let skipped = |positions: Range<u64>, peer| match skip {
            Skip::Superseded => log.superseded(positions),
            Skip::Own(member) if member.0 == peer => vec![positions],
            Skip::Own(_) => Vec::new(),
        };
        Ok(self.cutter.feed(bytes, skipped, out)?)
    }

    pub(super) fn is_done(&self) -> bool {
        // What is missing at the end was ephemeral, or is not in the file for another reason.
        self.cutter.is_done() || (self.at >= self.end && self.cutter.is_between_frames())
    }

    /// Where to read on.
    pub(super) fn cursor(&self) -> Seq {
        if self.is_done() {
            self.until
        } else {
            Seq(self.cutter.cursor())
        }
    }

    /// Whether it goes on there, for the same member in the same room.
    pub(super) fn continues(&self, log: &Arc<Log>, from: Seq, skip: Skip) -> bool {
        Arc::ptr_eq(&self.log, log) && self.skip == skip && self.cursor() == from && !self.is_done()
    }

    /// Whether something else may be written now.
    pub(super) fn is_between_frames(&self) -> bool {
        self.cutter.is_between_frames()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(number: u64) -> Bytes {
        Bytes::from(vec![u8::try_from(number).unwrap(); 1 << 10])
    }

    #[test]
    fn memory_of_what_nobody_has_any_more_is_used_again() {
        let mut chunks = Chunks::default();
        let first = chunk(0);
        let memory = first.as_ptr();
        chunks.put(0, first);
        for number in 1..=CHUNKS as u64 {
            chunks.put(number, chunk(number));
        }
        assert_eq!(chunks.get(0, 1), None);
        assert_eq!(chunks.spare.as_ref().unwrap().as_ptr(), memory);
        let held = chunks.get(1, 1 << 10).unwrap();
        chunks.put(100, chunk(100));
        assert_eq!(chunks.spare, None, "somebody has it");
        assert_eq!(held, chunk(1));
    }

    #[tokio::test]
    async fn what_is_read_into_used_memory_is_what_stands_there() {
        let numbers = 0..u8::try_from(2 * CHUNKS + 2).unwrap();
        let chunk_bytes = usize::try_from(CHUNK_BYTES).unwrap();
        let whole: Vec<u8> = numbers
            .flat_map(|number| vec![number; chunk_bytes])
            .collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&whole).unwrap();
        let (cold, end) = (Arc::new(ColdFile::new(file, 0)), whole.len() as u64);
        // The second time around all of it is read anew.
        for _ in 0..2 {
            let mut at = 0;
            while at < end {
                let read = cold.chunk(at, end).await.unwrap();
                let there = whole.get(usize::try_from(at).unwrap()..).unwrap();
                assert!(there.starts_with(&read), "at {at}");
                at += read.len() as u64;
            }
            assert_eq!(at, end);
        }
        assert!(cold.chunks.lock().spare.is_some());
        let short = cold.chunk(0, 100).await.unwrap();
        assert!(short.len() == 100 && whole.starts_with(&short));
        assert!(cold.chunks.lock().spare.is_some(), "not for so little");
        cold.forget_chunks();
        assert!(cold.chunks.lock().spare.is_none());
    }
}
