//! Several frames in one buffer.

use bytes::Bytes;

use super::frame::{Frame, HEADER_BYTES, Header};

/// Whole frames one after the other, in one buffer of their own size: what arrived together is kept,
/// written and passed on together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    bytes: Bytes,
    frames: usize,
}

impl Run {
    /// Takes frames as they stood on the wire; `None` unless `bytes` is exactly whole frames.
    #[must_use]
    pub fn from_wire(bytes: Bytes) -> Option<Self> {
        let (mut rest, mut frames) = (&bytes[..], 0);
        while !rest.is_empty() {
            rest = rest.get(wire_len(rest)?..)?;
            frames += 1;
        }
        Some(Self { bytes, frames })
    }

    /// The frames, each as it stood on the wire.
    pub fn iter(&self) -> impl Iterator<Item = FrameRef<'_>> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (wire, after) = rest.split_at_checked(wire_len(rest)?)?;
            rest = after;
            FrameRef::new(wire)
        })
    }

    /// How many frames there are.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// All of them as they stood on the wire.
    #[must_use]
    pub fn wire(&self) -> &Bytes {
        &self.bytes
    }

    /// The same in a buffer of its own, so that it does not hold a larger one.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self {
            bytes: Bytes::copy_from_slice(&self.bytes),
            frames: self.frames,
        }
    }

    /// Splits it after so many frames.
    #[must_use]
    pub fn split(self, frames: usize) -> (Self, Self) {
        let at: usize = self.iter().take(frames).map(|frame| frame.wire.len()).sum();
        let first = frames.min(self.frames);
        let (mut head, frames) = (self.bytes, self.frames - first);
        let bytes = head.split_off(at);
        (
            Self {
                bytes: head,
                frames: first,
            },
            Self { bytes, frames },
        )
    }
}

impl From<Frame> for Run {
    fn from(frame: Frame) -> Self {
        Self {
            bytes: frame.into_wire(),
            frames: 1,
        }
    }
}

fn wire_len(bytes: &[u8]) -> Option<usize> {
    let header = Header::decode(*bytes.first_chunk::<HEADER_BYTES>()?);
    usize::try_from(header.size).ok()?.checked_add(HEADER_BYTES)
}

/// A look at one frame of a [`Run`].
#[derive(Clone, Copy, Debug)]
pub struct FrameRef<'a> {
    /// The header.
    pub header: Header,
    /// Header and payload.
    pub wire: &'a [u8],
}

impl<'a> FrameRef<'a> {
    fn new(wire: &'a [u8]) -> Option<Self> {
        let header = Header::decode(*wire.first_chunk::<HEADER_BYTES>()?);
        Some(Self { header, wire })
    }

    /// See [`Frame::leading_string`].
    #[must_use]
    pub fn leading_string(&self) -> Option<&'a [u8]> {
        leading_string(self.wire.get(HEADER_BYTES..)?)
    }
}

/// The bytes of the string that leads a payload; `None` when it is too short to hold one.
pub(super) fn leading_string(payload: &[u8]) -> Option<&[u8]> {
    let (length, rest) = payload.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Kind;

    fn wire() -> Vec<u8> {
        let frames = [(140, &b"a"[..]), (201, b"\x01\0\0\0Xyz"), (205, b"")];
        frames
            .iter()
            .flat_map(|(kind, payload)| Frame::new(Kind(*kind), payload).into_wire())
            .collect()
    }

    #[test]
    fn a_run_is_its_frames() {
        let run = Run::from_wire(wire().into()).unwrap();
        let kinds: Vec<_> = run.iter().map(|frame| frame.header.kind.0).collect();
        assert_eq!((kinds, run.frames()), (vec![140, 201, 205], 3));
        let again: Vec<u8> = run.iter().flat_map(|frame| frame.wire.to_vec()).collect();
        assert_eq!(again, wire());
        assert_eq!(run.iter().nth(1).unwrap().leading_string(), Some(&b"X"[..]));
        for frames in 0..=3 {
            let (head, tail) = run.clone().split(frames);
            assert_eq!((head.frames(), tail.frames()), (frames, 3 - frames));
            assert_eq!(head.iter().count() + tail.iter().count(), 3);
            assert_eq!([&head.wire()[..], tail.wire()].concat(), wire());
        }
    }

    #[test]
    fn what_is_not_exactly_frames_is_none() {
        let whole = wire();
        for cut in 1..whole.len() {
            let run = Run::from_wire(whole[..cut].to_vec().into());
            assert_eq!(run.is_some(), cut == 15 || cut == 36, "cut at {cut}");
        }
        assert_eq!(Run::from_wire(vec![255; 20].into()), None);
    }
}
