//! The history that a journal ends with, frame by frame: a journal opened as if it were a saved copy.

use std::collections::VecDeque;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::{BufMut, Bytes};

use super::{Cutter, FILE_HEADER_BYTES, Scan, Step, scan};
use crate::archive::{ArchiveError, Ending, Entry, FRAME_LIMITS, Heading, History, Origin};
use crate::protocol::{Attributes, Decoder};

/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;

/// Reads the frames of a journal that are part of its history.
#[derive(Debug)]
pub struct JournalFrames<R> {
    from: R,
    at: u64,
    scan: Scan,
    /// Damaged parts that it is past.
    past: usize,
    history: History,
    cutter: Cutter,
    pieces: VecDeque<Bytes>,
    decoder: Decoder,
    given: u64,
    failed: bool,
}

impl<R: Read + Seek> JournalFrames<R> {
    /// Reads all of a journal once to know what is part of its history, then stands at its start. The
    /// heading has the attributes as they were last.
    ///
    /// # Errors
    /// As [`scan`].
    pub fn open(mut from: R) -> Result<(Heading, Self), ArchiveError> {
        let (mut history, mut until) = (History::default(), 0);
        let mut changes = Attributes::default();
        let scan = scan(
            &mut from,
            |step| match step {
                Step::Commands {
                    positions,
                    commands,
                    ..
                } => {
                    // As in a room that is brought back, and as a cutter does it.
                    if positions.start < until {
                        return;
                    }
                    until = positions.end;
                    commands.for_each(|command| history.push(command));
                }
                Step::Attributes(changed) => drop(changes.update(changed)),
                Step::Cleared(before) => history.clear(before),
            },
            |_| true,
        )?;
        let mut heading = scan.heading.clone();
        heading.attributes.update(changes);
        let at = FILE_HEADER_BYTES as u64;
        from.seek(SeekFrom::Start(at))
            .map_err(|source| ArchiveError::Read { at, source })?;
        let frames = Self {
            from,
            at,
            cutter: Cutter::new(scan.salt, 0, until),
            scan,
            past: 0,
            history,
            pieces: VecDeque::new(),
            decoder: Decoder::new(FRAME_LIMITS),
            given: 0,
            failed: false,
        };
        Ok((heading, frames))
    }
}

impl<R> JournalFrames<R> {
    /// How the file ends; `None` before the end is reached, and for ever after an error.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        let ended = self.given == self.history.commands() && !self.failed;
        ended.then_some(match self.scan.torn_bytes {
            0 => Ending::Whole,
            lost_bytes => Ending::CutOff {
                at: self.scan.good_bytes,
                lost_bytes,
            },
        })
    }
}

impl<R: Read> JournalFrames<R> {
    fn damaged(&self) -> ArchiveError {
        ArchiveError::Damaged {
            at: self.at,
            what: "a record makes no sense",
        }
    }

    fn read_on(&mut self) -> Result<bool, ArchiveError> {
        // A part that the scan found damaged holds nothing.
        let damaged = self.scan.damaged.get(self.past).cloned();
        let end = match damaged {
            Some(damaged) if damaged.start <= self.at => {
                self.past += 1;
                self.pass(damaged.end.saturating_sub(self.at))?;
                return Ok(true);
            }
            Some(damaged) => damaged.start,
            None => self.scan.good_bytes,
        };
        let left = end.saturating_sub(self.at);
        let mut bytes = Vec::with_capacity(READ_BYTES);
        self.from
            .by_ref()
            .take(left.min(READ_BYTES as u64))
            .read_to_end(&mut bytes)
            .map_err(|source| ArchiveError::Read {
                at: self.at,
                source,
            })?;
        if bytes.is_empty() {
            return Ok(false);
        }
        self.at += bytes.len() as u64;
        let history = &self.history;
        let superseded =
            |positions: Range<u64>, _| history.superseded(positions).collect::<Vec<_>>();
        self.cutter
            .feed(bytes.into(), superseded, &mut self.pieces)
            .map_err(|_| self.damaged())?;
        Ok(true)
    }

    fn pass(&mut self, bytes: u64) -> Result<(), ArchiveError> {
        let at = self.at;
        self.at += bytes;
        std::io::copy(&mut self.from.by_ref().take(bytes), &mut std::io::sink())
            .map(drop)
            .map_err(|source| ArchiveError::Read { at, source })
    }

    fn entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        loop {
            if let Some(frame) = self.decoder.next_frame().map_err(|_| self.damaged())? {
                let position = self.given;
                self.given += 1;
                return Ok(Some(Entry {
                    frame,
                    origin: Origin {
                        position,
                        ..Origin::default()
                    },
                }));
            }
            match self.pieces.front_mut() {
                Some(piece) if piece.is_empty() => {
                    self.pieces.pop_front();
                }
                Some(piece) => {
                    let mut spare = self.decoder.spare();
                    let count = piece.len().min(spare.remaining_mut());
                    spare.put_slice(&piece.split_to(count));
                }
                None => {
                    if !self.read_on()? {
                        return Ok(None);
                    }
                }
            }
        }
    }
}

impl<R: Read> Iterator for JournalFrames<R> {
    type Item = Result<Entry, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let entry = self.entry();
        self.failed = entry.is_err();
        entry.transpose()
    }
}
