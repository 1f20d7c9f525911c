//! Mixer's wire, as much of it as a load needs. Written from the protocol alone: a relay is measured
//! from outside.

/// Bytes of a frame's header: u64 size, u32 id, u16 kind.
pub(crate) const HEADER_BYTES: usize = 14;
pub(crate) const JOIN_ROOM: u16 = 1;
pub(crate) const LIST_ROOMS: u16 = 4;
pub(crate) const CONTENT: u16 = 5;
pub(crate) const SEND_ERROR: u16 = 12;
pub(crate) const CLIENT_ID: u16 = 18;
/// A room command that is kept and never merged.
pub(crate) const KEPT: u16 = 140;
/// Another one, which in a load carries the time it was sent.
const STAMPED: u16 = 143;
/// A room command that is passed on and never kept.
pub(crate) const EPHEMERAL: u16 = 1000;
/// Kinds above this are room commands.
const COMMANDS: u16 = 100;

/// Of a frame with a time in it: its bytes on the wire.
const STAMPED_BYTES: usize = 300;
/// What is kept of an error's words.
const ERROR_BYTES: usize = 400;

pub(crate) fn frame(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u64).to_le_bytes().to_vec();
    // The id carries no meaning. Not 0, which the Python relay replaces.
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A frame of so many bytes in all.
pub(crate) fn sized(kind: u16, bytes: usize) -> Vec<u8> {
    frame(kind, &vec![7; bytes - HEADER_BYTES])
}

/// A frame of [`STAMPED_BYTES`] that says when it was sent.
pub(crate) fn stamped(nanoseconds: u64) -> Vec<u8> {
    let mut payload = vec![7; STAMPED_BYTES - HEADER_BYTES];
    payload[..8].copy_from_slice(&nanoseconds.to_le_bytes());
    frame(STAMPED, &payload)
}

/// Asks to be let into a room, or to make it.
pub(crate) fn join(room: &str) -> Vec<u8> {
    let mut payload = Vec::new();
    for text in [room, "2.93.0", "1.0.0"] {
        payload.extend_from_slice(&(text.len() as u32).to_le_bytes());
        payload.extend_from_slice(text.as_bytes());
    }
    // ignore_version_check, generic_protocol.
    for flag in [0_u32, 1] {
        payload.extend_from_slice(&flag.to_le_bytes());
    }
    frame(JOIN_ROOM, &payload)
}

/// What went by, found by looking at the headers alone.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// Bytes of room commands, headers included.
    pub(crate) command_bytes: u64,
    /// Frames of the three kinds that answer something.
    pub(crate) joined: u64,
    pub(crate) content: u64,
    pub(crate) client_ids: u64,
    /// The words of the last error.
    pub(crate) error: Option<String>,
    /// The times in stamped frames, in order.
    pub(crate) stamps: Vec<u64>,
    /// The beginning of a frame, as long as not enough of it has arrived.
    begun: Vec<u8>,
    /// What is left of the present frame, to be skipped.
    skip: u64,
}

impl Scanner {
    /// Goes on with the next bytes of the stream.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        loop {
            let skipped = (bytes.len() as u64).min(self.skip);
            bytes = &bytes[skipped as usize..];
            self.skip -= skipped;
            if bytes.is_empty() {
                return;
            }
            if self.begun.is_empty()
                && let Some(looked_at) = self.look(bytes)
            {
                bytes = &bytes[looked_at..];
                continue;
            }
            // Rare: a frame's beginning in two pieces.
            self.begun.push(bytes[0]);
            bytes = &bytes[1..];
            let begun = std::mem::take(&mut self.begun);
            if self.look(&begun).is_none() {
                self.begun = begun;
            }
        }
    }

    /// Looks at a frame's header, and behind it where that matters. Returns what it has looked at, or
    /// nothing if more has to arrive first.
    fn look(&mut self, bytes: &[u8]) -> Option<usize> {
        let header = bytes.first_chunk::<HEADER_BYTES>()?;
        let size = u64::from_le_bytes(*header.first_chunk()?);
        let kind = u16::from_le_bytes(*header.last_chunk()?);
        let wanted = if kind == SEND_ERROR {
            size.min(ERROR_BYTES as u64) as usize
        } else if kind == STAMPED {
            size.min(8) as usize
        } else {
            0
        };
        let payload = bytes.get(HEADER_BYTES..HEADER_BYTES + wanted)?;
        match kind {
            JOIN_ROOM => self.joined += 1,
            CONTENT => self.content += 1,
            CLIENT_ID => self.client_ids += 1,
            SEND_ERROR => {
                let words = payload.get(4..).unwrap_or_default();
                self.error = Some(String::from_utf8_lossy(words).into_owned());
            }
            COMMANDS.. => {
                self.command_bytes += HEADER_BYTES as u64 + size;
                if let Some(stamp) = payload.first_chunk() {
                    self.stamps.push(u64::from_le_bytes(*stamp));
                }
            }
            _ => {}
        }
        self.skip = size - wanted as u64;
        Some(HEADER_BYTES + wanted)
    }
}
