//! Cutting frames out of a journal's bytes, without I/O.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use thiserror::Error;

use super::{
    CommandsHead, HEAD_BYTES, HEAD_LENGTH_BYTES, HEADER_BYTES, Head, decode_head,
    decode_record_header,
};

/// A record's header and the length of its head.
const PREFIX_BYTES: usize = HEADER_BYTES + HEAD_LENGTH_BYTES;

/// The bytes are not those of a journal.
#[derive(Debug, Error)]
#[error("the room's file is damaged")]
pub struct CutError;

/// Gives the frames of a part of a journal as they stood on the wire, in pieces as large as the chunks
/// it is fed, so that a frame of any size takes no memory. The checksums of bodies are not looked at:
/// that is for [`scan`](super::scan), before a file is used at all.
#[derive(Debug)]
pub struct Cutter {
    salt: u32,
    /// Up to which position commands are wanted.
    until: u64,
    /// The position after the last record that was wholly taken in.
    cursor: u64,
    /// A record's header and head, as far as they have come.
    head: Vec<u8>,
    /// What follows the head: whether it is given, and its bytes.
    pieces: VecDeque<(bool, u64)>,
    /// The cursor once the pieces are through.
    then: u64,
    done: bool,
}

impl Cutter {
    /// Starts at a record of a file with this salt. Commands from `from` up to `until` are given; both
    /// must stand between two records.
    #[must_use]
    pub fn new(salt: u32, from: u64, until: u64) -> Self {
        Self {
            salt,
            until,
            cursor: from,
            head: Vec::new(),
            pieces: VecDeque::new(),
            then: from,
            done: from >= until,
        }
    }

    /// Takes the next bytes of the file, and appends what is given of them to `out`. `skipped` says of
    /// the commands of a record (positions, number of the sender's connection) which are not wanted,
    /// in order.
    ///
    /// # Errors
    /// When the bytes are not a journal's.
    pub fn feed<S: IntoIterator<Item = Range<u64>>>(
        &mut self,
        mut bytes: Bytes,
        mut skipped: impl FnMut(Range<u64>, u64) -> S,
        out: &mut VecDeque<Bytes>,
    ) -> Result<(), CutError> {
        while !bytes.is_empty() && !self.done {
            if let Some((give, left)) = self.pieces.front_mut() {
                let here = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                let piece = bytes.split_to(here);
                if *give {
                    out.push_back(piece);
                }
                *left -= here as u64;
                if *left == 0 {
                    self.pieces.pop_front();
                    self.rest();
                }
                continue;
            }
            let wanted = self.wanted()?;
            let here = bytes.split_to((wanted - self.head.len()).min(bytes.len()));
            self.head.extend_from_slice(&here);
            if self.head.len() > PREFIX_BYTES && self.head.len() == self.wanted()? {
                self.plan(&mut skipped)?;
            }
        }
        Ok(())
    }

    /// How long `head` has to become before it can be looked at.
    fn wanted(&self) -> Result<usize, CutError> {
        let Some((header, rest)) = self.head.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(PREFIX_BYTES);
        };
        let Some(length) = rest.first_chunk::<HEAD_LENGTH_BYTES>() else {
            return Ok(PREFIX_BYTES);
        };
        let (body, _) = decode_record_header(self.salt, *header).ok_or(CutError)?;
        let head = u32::from_le_bytes(*length);
        let fits = (1..=HEAD_BYTES as u64).contains(&u64::from(head))
            && u64::from(head) + HEAD_LENGTH_BYTES as u64 <= u64::from(body);
        let head = usize::try_from(head).ok().filter(|_| fits);
        Ok(PREFIX_BYTES + head.ok_or(CutError)?)
    }

    /// Looks at a whole head, and plans what to do with what follows.
    fn plan<S: IntoIterator<Item = Range<u64>>>(
        &mut self,
        skipped: &mut impl FnMut(Range<u64>, u64) -> S,
    ) -> Result<(), CutError> {
        let head = self.head.get(PREFIX_BYTES..).and_then(decode_head);
        let commands = match head.ok_or(CutError)? {
            Head::Commands(commands) => commands,
            Head::Room { .. } | Head::Attributes { .. } | Head::Cleared { .. } => {
                self.head.clear();
                return Ok(());
            }
        };
        let positions = commands.positions();
        if positions.start >= self.until {
            self.done = true;
            return Ok(());
        }
        if positions.start < self.cursor {
            // What is not given leads nowhere.
            self.then = self.cursor;
            self.pieces.push_back((false, commands.wire_bytes()));
        } else {
            self.then = positions.end;
            let skipped = skipped(positions, commands.peer);
            self.pieces = pieces(&commands, skipped);
        }
        self.head.clear();
        self.rest();
        Ok(())
    }

    /// Notes the end of a record.
    fn rest(&mut self) {
        while self.pieces.pop_front_if(|(_, left)| *left == 0).is_some() {}
        if self.pieces.is_empty() {
            self.cursor = self.cursor.max(self.then);
            self.done = self.cursor >= self.until;
        }
    }

    /// Bytes that come next and are not wanted, for somebody who can go past them: they count as fed.
    pub fn skip(&mut self) -> u64 {
        let mut skipped = 0;
        while let Some((_, left)) = self.pieces.pop_front_if(|(give, _)| !*give) {
            skipped += left;
            self.rest();
        }
        skipped
    }

    /// Bytes to the end of the record that was begun.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.pieces.iter().map(|(_, left)| left).sum()
    }

    /// The position after the last record that was wholly taken in.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Whether something else may be written before the next piece.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether all that was wanted has been given.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }
}

fn pieces(
    commands: &CommandsHead<'_>,
    skipped: impl IntoIterator<Item = Range<u64>>,
) -> VecDeque<(bool, u64)> {
    let mut skipped = skipped.into_iter().peekable();
    let mut pieces: VecDeque<(bool, u64)> = VecDeque::new();
    for (position, mark) in commands.positions().zip(&commands.frames) {
        while skipped.next_if(|range| range.end <= position).is_some() {}
        let give = !skipped
            .peek()
            .is_some_and(|range| range.contains(&position));
        let bytes = u64::from(mark.wire_bytes);
        match pieces.back_mut() {
            Some((same, total)) if *same == give => *total += bytes,
            _ => pieces.push_back((give, bytes)),
        }
    }
    pieces
}
