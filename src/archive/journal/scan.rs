//! Reading a whole journal: checks every byte, and finds the way after damage.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use super::{
    FILE_HEADER_BYTES, HEAD_BYTES, HEAD_LENGTH_BYTES, HEADER_BYTES, Head, MAGIC, Mark, VERSION,
    decode_head, decode_record_header,
};
use crate::archive::history::{Command, PATH_BYTES};
use crate::archive::{ArchiveError, Heading, Maker};
use crate::protocol::{Attributes, HEADER_BYTES as FRAME_HEADER_BYTES, Header};

/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;
/// Bytes read at once for the heading alone.
const PEEK_BYTES: usize = 4 << 10;
/// Bytes looked through at once for the next good record after damage: so many first, then twice as many, …
const SEARCH_BYTES: usize = 4 << 10;
/// … up to this.
const LARGEST_SEARCH_BYTES: usize = 1 << 20;
/// How many times a file's size may be read in vain while looking for good records. Damage takes one or two; a
/// file made so that each of its records claims the rest of it would take forever.
const IN_VAIN_TIMES: u64 = 16;
/// Damaged parts of a file that the way after is looked for; what is left then counts as damaged.
pub(super) const DAMAGED_PARTS: usize = 1 << 16;
/// What the merge rule looks at in one record, at most: several times as much as commands that come together have.
const PATHS_BYTES: usize = 4 * PATH_BYTES;
/// The room's record stands at the start of a file. Damage that has put something before it has put no
/// more than this there.
const BEFORE_HEADING_BYTES: u64 = 1 << 20;

/// What a whole journal was found to be.
#[derive(Debug)]
pub struct Scan {
    /// The room as it was made.
    pub heading: Heading,
    /// The file's own number.
    pub salt: u32,
    /// Up to where the file is good: after its last good record.
    pub good_bytes: u64,
    /// Parts before that which are damaged, in order. A part behind it is a torn end.
    pub damaged: Vec<Range<u64>>,
    /// Bytes behind the last good record.
    pub torn_bytes: u64,
    /// The torn end is only a record that was cut off: what a kill leaves.
    pub only_cut_off: bool,
}

impl Scan {
    /// The parts of the file that are good, in order. One after the other they are a whole journal that
    /// says the same.
    #[must_use]
    pub fn good_parts(&self) -> Vec<Range<u64>> {
        let mut good = Vec::new();
        let mut start = 0;
        for damaged in &self.damaged {
            good.push(start..damaged.start);
            start = damaged.end;
        }
        good.push(start..self.good_bytes);
        good
    }
}

/// Something that a good record says.
pub enum Step<'a> {
    /// Commands that arrived together.
    Commands {
        /// Where in the file the record starts.
        at: u64,
        /// Positions of the commands.
        positions: Range<u64>,
        /// What the merge rule looks at.
        commands: &'a mut dyn Iterator<Item = Command<'a>>,
    },
    /// Attributes that have changed.
    Attributes(Attributes),
    /// Everything before this position is not part of the history any more.
    Cleared(u64),
}

/// Reads a journal to its end. `step` hears of every good record, in order; `progress` of the bytes
/// that are through, and stops by giving `false`.
///
/// # Errors
/// When it is no journal, ends before the room does, cannot be read, or was stopped.
pub fn scan(
    from: impl Read + Seek,
    mut step: impl FnMut(Step<'_>),
    mut progress: impl FnMut(u64) -> bool,
) -> Result<Scan, ArchiveError> {
    let mut reader = Reader::open(from, READ_BYTES)?;
    let before = reader.at;
    let (heading, start) = reader.heading(&mut progress)?;
    let (salt, total) = (reader.salt, reader.total);
    let mut scan = Scan {
        heading,
        salt,
        good_bytes: reader.at,
        damaged: (before < start)
            .then_some(before..start)
            .into_iter()
            .collect(),
        torn_bytes: 0,
        only_cut_off: false,
    };
    loop {
        let at = reader.at;
        go_on(at, &mut progress)?;
        match reader.record()? {
            Found::End => break,
            Found::Record(total) => {
                reader.tell(at, &mut step)?;
                reader.at += total;
                scan.good_bytes = reader.at;
            }
            found @ (Found::CutOff | Found::Damaged) => {
                let is_full = scan.damaged.len() == DAMAGED_PARTS;
                let next = if is_full {
                    None
                } else {
                    reader.search(at + 1..total, &mut progress)?
                };
                // What was not looked through may hold more.
                let gives_up = is_full || reader.has_given_up();
                scan.only_cut_off = matches!(found, Found::CutOff) && !gives_up;
                match next {
                    Some(next) => scan.damaged.push(at..next),
                    None => break,
                }
            }
        }
        scan.only_cut_off = false;
    }
    scan.torn_bytes = total - scan.good_bytes;
    Ok(scan)
}

/// Reads what a journal says before its first command.
///
/// # Errors
/// When it is no journal, ends before the room does, or cannot be read.
pub fn peek(from: impl Read + Seek) -> Result<Heading, ArchiveError> {
    let (heading, _) = Reader::open(from, PEEK_BYTES)?.heading(&mut |_| true)?;
    Ok(heading)
}

/// Tells how far it is.
///
/// # Errors
/// When it is to go no further.
fn go_on(at: u64, progress: &mut impl FnMut(u64) -> bool) -> Result<(), ArchiveError> {
    let stopped = || ArchiveError::Read {
        at,
        source: std::io::ErrorKind::Interrupted.into(),
    };
    progress(at).then_some(()).ok_or_else(stopped)
}

fn file_header(from: &mut impl Read, total: u64) -> Result<u32, ArchiveError> {
    let mut header = Vec::with_capacity(FILE_HEADER_BYTES);
    from.take(FILE_HEADER_BYTES as u64)
        .read_to_end(&mut header)
        .map_err(|source| ArchiveError::Read { at: 0, source })?;
    let Some((magic, numbers)) = header.split_at_checked(MAGIC.len()) else {
        return Err(ArchiveError::NoHeading { bytes: total });
    };
    if magic != MAGIC {
        return Err(ArchiveError::NotARoomFile);
    }
    let Some([v0, v1, v2, v3, s0, s1, s2, s3]) = numbers.first_chunk::<8>() else {
        return Err(ArchiveError::NoHeading { bytes: total });
    };
    match u32::from_le_bytes([*v0, *v1, *v2, *v3]) {
        VERSION => Ok(u32::from_le_bytes([*s0, *s1, *s2, *s3])),
        version if version > VERSION => Err(ArchiveError::Newer { version }),
        _ => Err(ArchiveError::NotARoomFile),
    }
}

enum Found {
    /// A good record of so many bytes stands where the reader does.
    Record(u64),
    /// What stands there is longer than the file.
    CutOff,
    /// What stands there is no good record.
    Damaged,
    /// The file ends there.
    End,
}

struct Reader<R> {
    from: BufReader<R>,
    salt: u32,
    total: u64,
    at: u64,
    /// Bytes of records that a search read, and that were not good.
    in_vain: u64,
    /// The head of the last record that was read.
    head: Vec<u8>,
    /// Its frames, and where in `paths` the leading string of each stands.
    frames: Vec<(Mark, Option<Range<usize>>)>,
    paths: Vec<u8>,
}

/// The body of a record while it is read.
struct Body<'a, R> {
    from: &'a mut BufReader<R>,
    left: u64,
    sum: crc32fast::Hasher,
}

impl<R: Read> Body<'_, R> {
    /// Appends the next bytes to `to`; `false` when there are not so many.
    fn take(&mut self, bytes: usize, to: &mut Vec<u8>) -> std::io::Result<bool> {
        if bytes as u64 > self.left {
            return Ok(false);
        }
        let start = to.len();
        let read = self.from.by_ref().take(bytes as u64).read_to_end(to)?;
        self.sum.update(to.get(start..).unwrap_or_default());
        self.left -= read as u64;
        Ok(read == bytes)
    }

    /// Goes past the next bytes.
    fn pass(&mut self, bytes: u64) -> std::io::Result<bool> {
        if bytes > self.left {
            return Ok(false);
        }
        let mut rest = self.from.by_ref().take(bytes);
        loop {
            let buffer = std::io::BufRead::fill_buf(&mut rest)?;
            if buffer.is_empty() {
                break;
            }
            self.sum.update(buffer);
            let count = buffer.len();
            std::io::BufRead::consume(&mut rest, count);
        }
        let missing = rest.limit();
        self.left -= bytes - missing;
        Ok(missing == 0)
    }
}

impl<R: Read + Seek> Reader<R> {
    fn open(from: R, ahead: usize) -> Result<Self, ArchiveError> {
        let mut from = BufReader::with_capacity(ahead, from);
        let failed = |source| ArchiveError::Read { at: 0, source };
        let total = from.seek(SeekFrom::End(0)).map_err(failed)?;
        from.rewind().map_err(failed)?;
        let salt = file_header(&mut from, total)?;
        Ok(Self {
            from,
            salt,
            total,
            at: FILE_HEADER_BYTES as u64,
            in_vain: 0,
            head: Vec::new(),
            frames: Vec::new(),
            paths: Vec::new(),
        })
    }

    fn failed(&self) -> impl FnOnce(std::io::Error) -> ArchiveError + use<R> {
        let at = self.at;
        move |source| ArchiveError::Read { at, source }
    }

    /// Reads the room's record, and gives where it starts: not at once where damage has put something
    /// before it.
    fn heading(
        &mut self,
        progress: &mut impl FnMut(u64) -> bool,
    ) -> Result<(Heading, u64), ArchiveError> {
        let at = self.at;
        let damaged = |what| ArchiveError::Damaged { at, what };
        let mut found = self.record()?;
        let among = at + 1..at + BEFORE_HEADING_BYTES;
        if !matches!(found, Found::Record(_)) && self.search(among, progress)?.is_some() {
            found = self.record()?;
        }
        let start = self.at;
        match found {
            Found::Record(total) => self.at += total,
            Found::CutOff | Found::End => {
                return Err(ArchiveError::NoHeading { bytes: self.total });
            }
            Found::Damaged => return Err(damaged("a record does not match its checksum")),
        }
        match decode_head(&self.head) {
            Some(Head::Room {
                room,
                attributes,
                program,
                made_millis,
            }) => {
                let heading = Heading {
                    room: room.to_owned(),
                    attributes: Attributes::parse(attributes)?,
                    maker: Maker {
                        program: program.to_owned(),
                        made_millis,
                    },
                };
                Ok((heading, start))
            }
            _ => Err(damaged("the first record is not that of a room")),
        }
    }

    /// Reads and checks the record that stands at `at`, and leaves `at` where it is.
    fn record(&mut self) -> Result<Found, ArchiveError> {
        self.frames.clear();
        self.paths.clear();
        self.head.clear();
        let left = self.total.saturating_sub(self.at);
        if left == 0 {
            return Ok(Found::End);
        }
        let failed = self.failed();
        self.read_record(left).map_err(failed)
    }

    /// Within the buffer most of the time, where this costs nothing.
    fn go_to(&mut self, at: u64) -> std::io::Result<()> {
        let here = self.from.stream_position()?;
        self.from
            .seek_relative(i64::try_from(at).unwrap_or(i64::MAX) - i64::try_from(here).unwrap_or(0))
    }

    fn read_record(&mut self, left: u64) -> std::io::Result<Found> {
        self.go_to(self.at)?;
        let mut prefix = Vec::with_capacity(HEADER_BYTES);
        self.from
            .by_ref()
            .take(HEADER_BYTES as u64)
            .read_to_end(&mut prefix)?;
        let Some(header) = prefix.first_chunk::<HEADER_BYTES>() else {
            return Ok(Found::CutOff);
        };
        let Some((length, sum)) = decode_record_header(self.salt, *header) else {
            return Ok(Found::Damaged);
        };
        let whole = HEADER_BYTES as u64 + u64::from(length);
        if whole > left {
            return Ok(Found::CutOff);
        }
        let mut body = Body {
            from: &mut self.from,
            left: length.into(),
            sum: crc32fast::Hasher::new(),
        };
        let mut head_length = Vec::with_capacity(HEAD_LENGTH_BYTES);
        if !body.take(HEAD_LENGTH_BYTES, &mut head_length)? {
            return Ok(Found::Damaged);
        }
        let head_length = head_length
            .first_chunk()
            .map_or(0, |n| u32::from_le_bytes(*n));
        let head_length = usize::try_from(head_length).unwrap_or(usize::MAX);
        if head_length > HEAD_BYTES || !body.take(head_length, &mut self.head)? {
            return Ok(Found::Damaged);
        }
        let commands = match decode_head(&self.head) {
            None => return Ok(Found::Damaged),
            Some(Head::Commands(commands)) => Some(commands),
            Some(_) => None,
        };
        for mark in commands.iter().flat_map(|commands| &commands.frames) {
            match frame(&mut body, *mark, &mut self.paths)? {
                Some(path) => self.frames.push((*mark, path)),
                None => return Ok(Found::Damaged),
            }
        }
        if body.left > 0 || body.sum.finalize() != sum {
            return Ok(Found::Damaged);
        }
        Ok(Found::Record(whole))
    }

    /// Tells what the record says that was read last.
    fn tell(&self, at: u64, step: &mut impl FnMut(Step<'_>)) -> Result<(), ArchiveError> {
        match decode_head(&self.head) {
            Some(Head::Commands(head)) => {
                let mut commands =
                    head.positions()
                        .zip(&self.frames)
                        .map(|(position, (mark, path))| Command {
                            position,
                            kind: mark.kind(),
                            wire_bytes: mark.wire_bytes.into(),
                            path: path.clone().and_then(|path| self.paths.get(path)),
                        });
                step(Step::Commands {
                    at,
                    positions: head.positions(),
                    commands: &mut commands,
                });
            }
            Some(Head::Attributes { attributes, .. }) => {
                step(Step::Attributes(Attributes::parse(attributes)?));
            }
            Some(Head::Cleared { before }) => step(Step::Cleared(before)),
            Some(Head::Room { .. }) | None => {}
        }
        Ok(())
    }

    /// Looks for the next good record that starts within `among`, and goes there. `None` as well where too much
    /// was read [in vain](IN_VAIN_TIMES).
    fn search(
        &mut self,
        among: Range<u64>,
        progress: &mut impl FnMut(u64) -> bool,
    ) -> Result<Option<u64>, ArchiveError> {
        let mut window = Vec::new();
        let (mut from, mut bytes) = (among.start, SEARCH_BYTES);
        while from < among.end && from + (HEADER_BYTES as u64) <= self.total {
            go_on(from, progress)?;
            let failed = self.failed();
            self.read_window(from, bytes, &mut window).map_err(failed)?;
            for (at, header) in (from..among.end).zip(window.windows(HEADER_BYTES)) {
                let header = header.first_chunk::<HEADER_BYTES>();
                if header.is_none_or(|header| decode_record_header(self.salt, *header).is_none()) {
                    continue;
                }
                if self.has_given_up() {
                    return Ok(None);
                }
                go_on(at, progress)?;
                self.at = at;
                if matches!(self.record()?, Found::Record(_)) {
                    return Ok(Some(at));
                }
                let failed = self.failed();
                let end = self.from.stream_position().map_err(failed)?;
                self.in_vain = self.in_vain.saturating_add(end.saturating_sub(at));
            }
            if window.len() < HEADER_BYTES {
                break;
            }
            from += (window.len() - HEADER_BYTES + 1) as u64;
            bytes = (2 * bytes).min(LARGEST_SEARCH_BYTES);
        }
        Ok(None)
    }

    fn read_window(
        &mut self,
        from: u64,
        bytes: usize,
        window: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        self.go_to(from)?;
        window.clear();
        let read = self.from.by_ref().take(bytes as u64).read_to_end(window);
        read.map(drop)
    }

    /// Whether so much was read in vain that nothing more is looked for.
    fn has_given_up(&self) -> bool {
        self.in_vain > self.total.saturating_mul(IN_VAIN_TIMES)
    }
}

/// Reads one frame; gives where in `paths` its leading string stands, if the merge rule asks for it.
/// `None` when it is not the frame that its mark says.
#[expect(
    clippy::option_option,
    reason = "no frame, and no string, are two things"
)]
fn frame<R: Read>(
    body: &mut Body<'_, R>,
    mark: Mark,
    paths: &mut Vec<u8>,
) -> std::io::Result<Option<Option<Range<usize>>>> {
    let mut header = Vec::with_capacity(FRAME_HEADER_BYTES);
    if !body.take(FRAME_HEADER_BYTES, &mut header)? {
        return Ok(None);
    }
    let Some(header) = header.first_chunk().map(|header| Header::decode(*header)) else {
        return Ok(None);
    };
    let Some(mut left) = u64::from(mark.wire_bytes).checked_sub(FRAME_HEADER_BYTES as u64) else {
        return Ok(None);
    };
    if header.kind != mark.kind() || header.size != left || !header.kind.is_room_command() {
        return Ok(None);
    }
    let mut path = None;
    if header.kind.is_mergeable() && left >= 4 {
        let mut length = Vec::with_capacity(4);
        if !body.take(4, &mut length)? {
            return Ok(None);
        }
        left -= 4;
        let length = length.first_chunk().map_or(0, |n| u32::from_le_bytes(*n));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length as u64 <= left && length <= PATH_BYTES {
            let start = paths.len();
            if start + length > PATHS_BYTES || !body.take(length, paths)? {
                return Ok(None);
            }
            left -= length as u64;
            path = Some(start..paths.len());
        }
    }
    Ok(body.pass(left)?.then_some(path))
}
