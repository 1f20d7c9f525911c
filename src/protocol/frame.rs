//! One frame: a header of 14 bytes, then `size` bytes of payload.

use std::fmt;

use bytes::Bytes;

use super::kind::Kind;
use super::run::leading_string;

/// Bytes of a header: size u64, id u32, kind u16, all little-endian.
pub const HEADER_BYTES: usize = 14;

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of payload that follow.
    pub size: u64,
    /// A counter of the sender; carries no meaning and is passed on as it came.
    pub id: u32,
    /// The message type.
    pub kind: Kind,
}

impl Header {
    /// Reads a header. Every 14 bytes are one; whether it makes sense is for the decoder's limits.
    #[must_use]
    pub fn decode(bytes: [u8; HEADER_BYTES]) -> Self {
        let [s0, s1, s2, s3, s4, s5, s6, s7, i0, i1, i2, i3, k0, k1] = bytes;
        Self {
            size: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            id: u32::from_le_bytes([i0, i1, i2, i3]),
            kind: Kind(u16::from_le_bytes([k0, k1])),
        }
    }

    /// The header as it stands on the wire.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let [s0, s1, s2, s3, s4, s5, s6, s7] = self.size.to_le_bytes();
        let [i0, i1, i2, i3] = self.id.to_le_bytes();
        let [k0, k1] = self.kind.0.to_le_bytes();
        [s0, s1, s2, s3, s4, s5, s6, s7, i0, i1, i2, i3, k0, k1]
    }
}

/// One frame, header and payload in one buffer, so that it is passed on exactly as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    id: u32,
    kind: Kind,
    bytes: Bytes,
}

impl Frame {
    /// Makes a frame with id 0.
    #[must_use]
    pub fn new(kind: Kind, payload: &[u8]) -> Self {
        Self::with_id(kind, 0, payload)
    }

    /// Makes a frame.
    #[must_use]
    pub fn with_id(kind: Kind, id: u32, payload: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
        bytes.extend_from_slice(
            &Header {
                size: payload.len() as u64,
                id,
                kind,
            }
            .encode(),
        );
        bytes.extend_from_slice(payload);
        Self {
            id,
            kind,
            bytes: bytes.into(),
        }
    }

    /// Takes a frame as it stood on the wire; `None` unless `bytes` is exactly one frame.
    #[must_use]
    pub fn from_wire(bytes: Bytes) -> Option<Self> {
        let header = Header::decode(*bytes.first_chunk::<HEADER_BYTES>()?);
        let whole = header.size == (bytes.len() - HEADER_BYTES) as u64;
        whole.then_some(Self {
            id: header.id,
            kind: header.kind,
            bytes,
        })
    }

    /// The message type.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The sender's counter.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What follows the header.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(HEADER_BYTES..).unwrap_or_default()
    }

    /// Header and payload.
    #[must_use]
    pub fn wire(&self) -> &Bytes {
        &self.bytes
    }

    /// Header and payload.
    #[must_use]
    pub fn into_wire(self) -> Bytes {
        self.bytes
    }

    /// Bytes on the wire, header included.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of the string that leads the payload, which for a mergeable kind is a path.
    /// `None` when the payload is too short to hold one, which is no error.
    #[must_use]
    pub fn leading_string(&self) -> Option<&[u8]> {
        leading_string(self.payload())
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Frame({}, id {}, {} bytes)",
            self.kind,
            self.id,
            self.payload().len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_little_endian() {
        let frame = Frame::with_id(Kind(0x0102), 0x0304_0506, b"ab");
        assert_eq!(
            frame.wire()[..],
            [2, 0, 0, 0, 0, 0, 0, 0, 6, 5, 4, 3, 2, 1, b'a', b'b']
        );
    }

    #[test]
    fn a_leading_string_may_be_absent() {
        let leading = |payload: &[u8]| {
            Frame::new(Kind::TRANSFORM, payload)
                .leading_string()
                .map(<[u8]>::to_vec)
        };
        assert_eq!(leading(b"\x04\0\0\0Cube1"), Some(b"Cube".to_vec()));
        assert_eq!(leading(b"\0\0\0\0"), Some(Vec::new()));
        assert_eq!(leading(b""), None);
        assert_eq!(leading(b"\x04\0\0"), None);
        assert_eq!(leading(b"\x05\0\0\0Cube"), None);
        assert_eq!(leading(b"\xff\xff\xff\xffCube"), None);
    }
}
