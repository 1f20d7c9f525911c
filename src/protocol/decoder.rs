//! Cutting frames out of a byte stream, without I/O.
//!
//! The decoder lends out room for the next bytes ([`Decoder::spare`]), and gives whole frames
//! ([`Decoder::next_frame`]). Memory follows what has arrived, never what a header claims: small
//! frames are copied out of one shared buffer into an allocation of their own size, and the buffer of
//! a large one runs ahead of what has come by no more than that much again, and by no more than
//! [`STEP_BYTES`] or an eighth of it.

use bytes::buf::Limit;
use bytes::{BufMut, Bytes};
use thiserror::Error;

use super::foreign::Foreign;
use super::frame::{Frame, HEADER_BYTES, Header};
use super::kind::Kind;
use super::run::Run;

/// The shared buffer of a peer that says little at a time, as most do.
const SCRATCH_FIRST_BYTES: usize = 4 * 1024;
/// Who says no more than this, and nothing after it, says little.
const LITTLE_BYTES: usize = SCRATCH_FIRST_BYTES / 2;
/// The shared buffer once a peer has filled that: more was there than it had room for. Frames larger than this get a
/// buffer of their own.
const SCRATCH_BYTES: usize = 64 * 1024;
/// So many commands are given out together at most: the smallest have 14 bytes, and to see to each takes its time.
pub const MOST_TOGETHER: usize = 1024;
/// How far a large frame's buffer may run ahead of what has arrived, until an eighth of that is more.
pub const STEP_BYTES: usize = 1024 * 1024;

/// How much a large frame's buffer grows by. At first no faster than what has arrived, as a header
/// costs its sender nothing; later by a share, as growing by steps would copy a large frame hundreds
/// of times where the system cannot move its pages.
fn ahead(arrived: usize) -> usize {
    arrived.clamp(SCRATCH_BYTES, STEP_BYTES).max(arrived / 8)
}

/// How large frames may be, header not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// Room commands: one mesh or texture is one frame.
    pub command_bytes: u64,
    /// All else: lists and attributes.
    pub control_bytes: u64,
}

impl FrameLimits {
    /// For relay and session unless set otherwise: 1 GiB for a room command (the largest seen was
    /// 38 MB), 16 MiB for all else.
    pub const DEFAULT: Self = Self {
        command_bytes: 1 << 30,
        control_bytes: 16 << 20,
    };

    fn of(&self, kind: Kind) -> u64 {
        if kind.is_room_command() {
            self.command_bytes
        } else {
            self.control_bytes
        }
    }
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a stream cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The very first header makes no sense: the other end speaks something else.
    #[error("it spoke {}", .0.words())]
    NotMixer(Foreign),
    /// A header claims more than the limit.
    #[error("a message of {size} bytes ({kind}) is larger than the {limit} bytes allowed")]
    TooLarge {
        /// What the header says.
        kind: Kind,
        /// What the header claims.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
}

/// Cuts frames out of a byte stream.
#[derive(Debug)]
pub struct Decoder {
    limits: FrameLimits,
    /// What has arrived and is not taken yet starts at `start`.
    scratch: Vec<u8>,
    start: usize,
    large: Option<Large>,
    /// A header was accepted before, so the other end does speak Mixer.
    greeted: bool,
}

/// A frame that is larger than the shared buffer.
#[derive(Debug)]
struct Large {
    /// Header and as much payload as has arrived.
    bytes: Vec<u8>,
    /// Header and whole payload.
    total: usize,
}

impl Decoder {
    /// Starts at the beginning of a stream.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            scratch: Vec::new(),
            start: 0,
            large: None,
            greeted: false,
        }
    }

    /// Room for the next bytes, never none. What is put there must be what came next.
    pub fn spare(&mut self) -> Limit<&mut Vec<u8>> {
        if let Some(Large { bytes, total }) = &mut self.large {
            let missing = *total - bytes.len();
            if bytes.len() == bytes.capacity() {
                bytes.reserve_exact(missing.min(ahead(bytes.len())));
            }
            let room = missing.min(bytes.capacity() - bytes.len());
            return bytes.limit(room);
        }
        let (size, came) = (self.scratch.capacity(), self.scratch.len());
        if self.start > 0 {
            // What is left is less than one small frame: cheaper to move than to keep a ring.
            self.scratch.drain(..self.start);
            self.start = 0;
        }
        let wanted = match came {
            // There may be more than there was room for.
            1.. if came == size => SCRATCH_BYTES,
            1..=LITTLE_BYTES if self.scratch.is_empty() => {
                self.scratch.shrink_to(SCRATCH_FIRST_BYTES);
                SCRATCH_FIRST_BYTES
            }
            _ => size.max(SCRATCH_FIRST_BYTES),
        };
        self.scratch
            .reserve_exact(wanted.saturating_sub(self.scratch.len()));
        let room = self.scratch.capacity() - self.scratch.len();
        (&mut self.scratch).limit(room)
    }

    /// The room commands that stand next and are whole, [`MOST_TOGETHER`] at most, in one buffer of their own. `None`
    /// when what stands next is none or not whole: [`next_frame`](Self::next_frame) says which.
    pub fn next_commands(&mut self) -> Option<Run> {
        if let Some(large) = &self.large {
            let whole = large.bytes.len() == large.total;
            let first = large.bytes.first_chunk::<HEADER_BYTES>()?;
            let kind = Header::decode(*first).kind;
            let large = self.large.take_if(|_| whole && kind.is_room_command())?;
            return Frame::from_wire(large.bytes.into()).map(Run::from);
        }
        let waiting = self.scratch.get(self.start..).unwrap_or_default();
        let mut end = 0;
        for _ in 0..MOST_TOGETHER {
            let Some(header) = waiting.get(end..).and_then(<[u8]>::first_chunk) else {
                break;
            };
            let header = Header::decode(*header);
            let fits = header.kind.is_room_command() && header.size <= self.limits.command_bytes;
            let next = usize::try_from(header.size)
                .ok()
                .and_then(|size| end.checked_add(HEADER_BYTES)?.checked_add(size));
            match next {
                Some(next) if fits && next <= waiting.len() => end = next,
                _ => break,
            }
        }
        let commands = waiting.get(..end).filter(|commands| !commands.is_empty())?;
        let run = Run::from_wire(Bytes::copy_from_slice(commands));
        self.greeted = true;
        self.start += end;
        run
    }

    /// The next whole frame; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the stream cannot go on. The same error comes again however often this is called.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(large) = self.large.take_if(|large| large.bytes.len() == large.total) {
            return Ok(Frame::from_wire(large.bytes.into()));
        }
        let waiting = self.scratch.get(self.start..).unwrap_or_default();
        let Some(first) = waiting
            .first_chunk::<HEADER_BYTES>()
            .filter(|_| self.large.is_none())
        else {
            return Ok(None);
        };
        let header = Header::decode(*first);
        let limit = self.limits.of(header.kind);
        let total = usize::try_from(header.size)
            .ok()
            .and_then(|size| size.checked_add(HEADER_BYTES));
        let Some(total) = total.filter(|_| header.size <= limit) else {
            return Err(if self.greeted {
                FrameError::TooLarge {
                    kind: header.kind,
                    size: header.size,
                    limit,
                }
            } else {
                self.first_header_error(header, limit)
            });
        };
        self.greeted = true;
        if let Some(whole) = waiting.get(..total) {
            let frame = Frame::from_wire(Bytes::copy_from_slice(whole));
            self.start += total;
            return Ok(frame);
        }
        if total > SCRATCH_BYTES {
            let mut bytes = Vec::with_capacity(total.min(waiting.len() + ahead(waiting.len())));
            bytes.extend_from_slice(waiting);
            self.scratch.clear();
            self.start = 0;
            self.large = Some(Large { bytes, total });
        }
        Ok(None)
    }

    /// A first header that claims too much is either a Mixer client with too large a message, which
    /// sends a kind that exists, or no Mixer client at all.
    fn first_header_error(&self, header: Header, limit: u64) -> FrameError {
        let waiting = self.scratch.get(self.start..).unwrap_or_default();
        match Foreign::guess(waiting) {
            Foreign::Unknown if header.kind.name().is_some() => FrameError::TooLarge {
                kind: header.kind,
                size: header.size,
                limit,
            },
            foreign => FrameError::NotMixer(foreign),
        }
    }

    /// What the other end speaks, if nothing it said so far can be Mixer. Asked when the stream has
    /// ended before its first header: a short answer in another protocol looks like that.
    #[must_use]
    pub fn foreign(&self) -> Option<Foreign> {
        let waiting = self.scratch.get(self.start..).unwrap_or_default();
        let guess = (!self.greeted).then(|| Foreign::guess(waiting));
        guess.filter(|guess| *guess != Foreign::Unknown)
    }

    /// Whether the stream stands between two frames, so that its end would cut nothing off.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.large.is_none() && self.start == self.scratch.len()
    }

    /// Bytes of memory held for what has not been given out yet.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.scratch.capacity()
            + self
                .large
                .as_ref()
                .map_or(0, |large| large.bytes.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes in as much of `bytes` as there is room for, and gives the rest.
    fn put<'a>(decoder: &mut Decoder, bytes: &'a [u8]) -> &'a [u8] {
        let mut spare = decoder.spare();
        let (now, later) = bytes.split_at(bytes.len().min(spare.remaining_mut()));
        spare.put_slice(now);
        later
    }

    fn feed(decoder: &mut Decoder, mut bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            bytes = put(decoder, bytes);
            while let Some(frame) = decoder.next_frame()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[test]
    fn frames_come_out_as_they_went_in() {
        let sizes = [
            0,
            1,
            100,
            5_000,
            SCRATCH_BYTES - HEADER_BYTES,
            SCRATCH_BYTES,
            3 * STEP_BYTES + 5,
            0,
        ];
        let frames: Vec<_> = (0u32..)
            .zip(sizes)
            .map(|(id, size)| Frame::with_id(Kind(140), id, &vec![7; size]))
            .collect();
        let stream: Vec<u8> = frames
            .iter()
            .flat_map(|frame| frame.wire().to_vec())
            .collect();
        for piece in [1, 7, 1000, stream.len()] {
            let mut decoder = Decoder::new(FrameLimits::DEFAULT);
            let mut got = Vec::new();
            for part in stream.chunks(piece) {
                got.extend(feed(&mut decoder, part).unwrap());
            }
            assert_eq!(got, frames, "in pieces of {piece}");
            assert!(decoder.is_between_frames());
        }
    }

    #[test]
    fn not_more_commands_than_so_many_are_given_out_together() {
        let mut decoder = Decoder::new(FrameLimits::DEFAULT);
        let ids = 0..u32::try_from(2 * MOST_TOGETHER + 1).unwrap();
        let frames = ids.map(|id| Frame::with_id(Kind(140), id, b""));
        let stream: Vec<u8> = frames.flat_map(Frame::into_wire).collect();
        let (mut rest, mut got, mut runs) = (&stream[..], Vec::new(), Vec::new());
        while !rest.is_empty() {
            rest = put(&mut decoder, rest);
            while let Some(run) = decoder.next_commands() {
                got.extend_from_slice(run.wire());
                runs.push(run.frames());
            }
        }
        assert_eq!(got, stream);
        assert_eq!(runs.iter().max(), Some(&MOST_TOGETHER));
    }

    /// Takes in as much as there is room for, has it given out, and gives the rest.
    fn read<'a>(decoder: &mut Decoder, bytes: &'a [u8]) -> &'a [u8] {
        let later = put(decoder, bytes);
        while decoder.next_commands().is_some() || decoder.next_frame().unwrap().is_some() {}
        later
    }

    #[test]
    fn who_has_much_to_say_is_heard_in_large_pieces() {
        // Of sizes with which the first buffer is emptied each time, nearly, or not at all.
        for size in [300, SCRATCH_FIRST_BYTES, 5_000, SCRATCH_BYTES] {
            let wire = Frame::new(Kind(140), &vec![7; size - HEADER_BYTES]).into_wire();
            let stream = wire.repeat((4 << 20) / size);
            let (mut decoder, mut rest, mut pieces) =
                (Decoder::new(FrameLimits::DEFAULT), &stream[..], 0);
            while !rest.is_empty() {
                rest = read(&mut decoder, rest);
                pieces += 1;
            }
            let most = stream.len() / SCRATCH_BYTES * 9 / 8 + 2;
            assert!(pieces <= most, "{pieces} pieces with commands of {size}");
        }
    }

    #[test]
    fn who_has_had_his_say_holds_little() {
        let mut decoder = Decoder::new(FrameLimits::DEFAULT);
        let words = Frame::new(Kind(140), b"words").into_wire();
        let much = words.repeat(10 * SCRATCH_BYTES / words.len());
        let mut rest = &much[..];
        while !rest.is_empty() {
            rest = read(&mut decoder, rest);
        }
        assert!(decoder.held_bytes() >= SCRATCH_BYTES);
        for _ in 0..2 {
            read(&mut decoder, &words);
        }
        assert!(decoder.held_bytes() <= SCRATCH_FIRST_BYTES);
        assert!(decoder.is_between_frames());
    }

    #[test]
    fn a_claim_allocates_nothing() {
        let mut decoder = Decoder::new(FrameLimits {
            command_bytes: u64::MAX,
            control_bytes: u64::MAX,
        });
        let header = Header {
            size: 1 << 40,
            id: 0,
            kind: Kind(140),
        };
        assert_eq!(feed(&mut decoder, &header.encode()), Ok(Vec::new()));
        assert!(!decoder.is_between_frames());
        assert!(decoder.held_bytes() <= 2 * SCRATCH_BYTES + HEADER_BYTES);
    }

    #[test]
    fn too_much_is_refused_by_its_kind() {
        let limits = FrameLimits {
            command_bytes: 100,
            control_bytes: 10,
        };
        let claim = |kind, size| {
            let mut decoder = Decoder::new(limits);
            feed(&mut decoder, &Header { size, id: 0, kind }.encode())
        };
        assert_eq!(claim(Kind(140), 100), Ok(Vec::new()));
        assert_eq!(
            claim(Kind(140), 101),
            Err(FrameError::TooLarge {
                kind: Kind(140),
                size: 101,
                limit: 100
            })
        );
        assert_eq!(
            claim(Kind(14), 11),
            Err(FrameError::TooLarge {
                kind: Kind(14),
                size: 11,
                limit: 10
            })
        );
        assert_eq!(
            claim(Kind(140), 1 << 63),
            Err(FrameError::TooLarge {
                kind: Kind(140),
                size: 1 << 63,
                limit: 100
            })
        );
    }

    #[test]
    fn other_protocols_are_named() {
        for (bytes, foreign) in [
            (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], Foreign::Http),
            (
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefg",
                Foreign::Tls,
            ),
            (b"SSH-2.0-OpenSSH_9.2p1", Foreign::Ssh),
            (
                b"\xde\xad\xbe\xef\xde\xad\xbe\xef\xde\xad\xbe\xef\xde\xad",
                Foreign::Unknown,
            ),
        ] {
            assert_eq!(
                feed(&mut Decoder::new(FrameLimits::DEFAULT), bytes),
                Err(FrameError::NotMixer(foreign))
            );
        }
    }
}
