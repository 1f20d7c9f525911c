//! The add-on's own room files: one json string with the room's attributes, then every frame of the
//! history, header and all, to the end of the file (protocol.md, "Room files").
//!
//! Nothing marks such a file and nothing in it is checked, so damage can be told only where a header
//! makes no sense. The add-on's download takes its own LIST_ROOMS answer for a command of the room:
//! files that it wrote often begin with such a frame, and may lack the last command. So frames that
//! are no room commands are skipped and counted.

use std::io::{Read, Write};

use super::{ATTRIBUTES_BYTES, ArchiveError, Ending, Entry, FRAME_LIMITS, Origin};
use crate::protocol::{Attributes, Decoder, Frame, quote};

/// Bytes of the length before the attributes.
const LENGTH_BYTES: usize = 4;

/// Reads the commands of a file: an iterator that after its end knows how the file ends.
#[derive(Debug)]
pub struct MixerReader<R> {
    from: R,
    decoder: Decoder,
    /// Where the next frame starts.
    at: u64,
    /// Bytes taken from `from`.
    arrived: u64,
    given: u64,
    skipped: u64,
    ending: Option<Ending>,
    failed: bool,
}

impl<R: Read> MixerReader<R> {
    /// Reads the attributes; the reader that comes with them gives the commands.
    ///
    /// # Errors
    /// When the file does not begin with attributes, or cannot be read.
    pub fn open(mut from: R) -> Result<(Attributes, Self), ArchiveError> {
        let length = read_up_to(&mut from, LENGTH_BYTES, 0)?;
        let Some(length) = length.first_chunk::<LENGTH_BYTES>() else {
            let bytes = length.len() as u64;
            return Err(ArchiveError::NoHeading { bytes });
        };
        let length = usize::try_from(u32::from_le_bytes(*length))
            .ok()
            .filter(|length| *length <= ATTRIBUTES_BYTES)
            .ok_or(ArchiveError::NotARoomFile)?;
        let text = read_up_to(&mut from, length, LENGTH_BYTES as u64)?;
        let at = (LENGTH_BYTES + text.len()) as u64;
        if text.len() < length {
            return Err(ArchiveError::NoHeading { bytes: at });
        }
        let text = str::from_utf8(&text).map_err(|_| ArchiveError::NotARoomFile)?;
        let attributes = Attributes::parse(text)?;
        let reader = Self {
            from,
            decoder: Decoder::new(FRAME_LIMITS),
            at,
            arrived: at,
            given: 0,
            skipped: 0,
            ending: None,
            failed: false,
        };
        Ok((attributes, reader))
    }

    /// How the file ends; `None` before the end is reached, and for ever after an error.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Frames so far that are no room commands and were not given.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The next frame of any kind; `None` at the end.
    fn frame(&mut self) -> Result<Option<Frame>, ArchiveError> {
        loop {
            let frame = self
                .decoder
                .next_frame()
                .map_err(|_| ArchiveError::Damaged {
                    at: self.at,
                    what: "what should be a message is none",
                })?;
            if let Some(frame) = frame {
                self.at += frame.wire_len() as u64;
                return Ok(Some(frame));
            }
            let mut spare = self.decoder.spare();
            let room = spare.limit() as u64;
            let arrived = self
                .from
                .by_ref()
                .take(room)
                .read_to_end(spare.get_mut())
                .map_err(|source| ArchiveError::Read {
                    at: self.arrived,
                    source,
                })?;
            self.arrived += arrived as u64;
            if arrived == 0 {
                self.ending = Some(if self.decoder.is_between_frames() {
                    Ending::Whole
                } else {
                    Ending::CutOff {
                        at: self.at,
                        lost_bytes: self.arrived - self.at,
                    }
                });
                return Ok(None);
            }
        }
    }

    fn entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        while let Some(frame) = self.frame()? {
            if frame.kind().is_room_command() {
                let origin = Origin {
                    position: self.given,
                    ..Origin::default()
                };
                self.given += 1;
                return Ok(Some(Entry { frame, origin }));
            }
            self.skipped += 1;
        }
        Ok(None)
    }
}

impl<R: Read> Iterator for MixerReader<R> {
    type Item = Result<Entry, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.ending.is_some() {
            return None;
        }
        let entry = self.entry();
        self.failed = entry.is_err();
        entry.transpose()
    }
}

/// Reads `length` bytes, or fewer at the end of the file. Memory follows what is there.
fn read_up_to(from: &mut impl Read, length: usize, at: u64) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    from.take(length as u64)
        .read_to_end(&mut bytes)
        .map_err(|source| ArchiveError::Read { at, source })?;
    Ok(bytes)
}

/// Writes a file that the add-on reads.
#[derive(Debug)]
pub struct MixerWriter<W> {
    to: W,
}

impl<W: Write> MixerWriter<W> {
    /// Writes the attributes: values as they are, spaced as Python does, by name. (The add-on keeps
    /// the order that it got them in. It reads any.)
    ///
    /// # Errors
    /// When there are more than [`ATTRIBUTES_BYTES`] of them, or writing fails.
    pub fn new(mut to: W, attributes: &Attributes) -> Result<Self, ArchiveError> {
        let text = json(attributes);
        let length = u32::try_from(text.len())
            .ok()
            .filter(|_| text.len() <= ATTRIBUTES_BYTES)
            .ok_or(ArchiveError::TooLarge {
                what: "a list of attributes",
                bytes: text.len() as u64,
                limit: ATTRIBUTES_BYTES as u64,
            })?;
        to.write_all(&length.to_le_bytes())
            .and_then(|()| to.write_all(text.as_bytes()))
            .map_err(ArchiveError::Write)?;
        Ok(Self { to })
    }

    /// Writes one command. The add-on cannot open a file with a kind that it does not know, that is
    /// one without a [`name`](crate::protocol::Kind::name).
    ///
    /// # Errors
    /// When this is no room command or too large (nothing is written then), or writing fails. After
    /// that the file is of no use.
    pub fn write(&mut self, frame: &Frame) -> Result<(), ArchiveError> {
        super::check(frame)?;
        self.to.write_all(frame.wire()).map_err(ArchiveError::Write)
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.to
    }
}

/// The attributes as Python's `json.dumps` would write them: values as they came, and names, which
/// are not kept as they came, in ASCII.
fn json(attributes: &Attributes) -> String {
    let mut out = String::from("{");
    for (index, (name, value)) in attributes.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        push_ascii(&mut out, &quote(name));
        out.push_str(": ");
        out.push_str(value);
    }
    out.push('}');
    out
}

/// Appends JSON with all but the printable ASCII characters escaped.
fn push_ascii(out: &mut String, json: &str) {
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Kind;

    /// What Python's `save_room` makes of `{"a": 1.0, "h\u00e9\U0001f600\x7f\n": math.nan}` and the
    /// commands (GROUP_BEGIN, id 7, "ab") and (CLEAR_ANIMATIONS, id 8, "").
    const GOLDEN: &[u8] = b"\x2e\0\0\0\
        {\"a\": 1.0, \"h\\u00e9\\ud83d\\ude00\\u007f\\n\": NaN}\
        \x02\0\0\0\0\0\0\0\x07\0\0\0\x84\0ab\
        \0\0\0\0\0\0\0\0\x08\0\0\0\x91\0";

    fn read(file: &[u8]) -> (Attributes, Vec<Frame>, MixerReader<&[u8]>) {
        let (attributes, mut reader) = MixerReader::open(file).unwrap();
        let frames = reader.by_ref().map(|entry| entry.unwrap().frame).collect();
        (attributes, frames, reader)
    }

    #[test]
    fn a_file_byte_for_byte() {
        let attributes = Attributes::parse("{\"a\":1.0,\"hé😀\x7f\\n\":NaN}").unwrap();
        let frames = [
            Frame::with_id(Kind::GROUP_BEGIN, 7, b"ab"),
            Frame::with_id(Kind::CLEAR_ANIMATIONS, 8, b""),
        ];
        let mut writer = MixerWriter::new(Vec::new(), &attributes).unwrap();
        for frame in &frames {
            writer.write(frame).unwrap();
        }
        assert_eq!(writer.into_inner(), GOLDEN);

        let (read_attributes, read_frames, reader) = read(GOLDEN);
        assert_eq!(read_attributes, attributes);
        assert_eq!(read_frames, frames);
        assert_eq!(reader.ending(), Some(Ending::Whole));
        assert_eq!(reader.skipped(), 0);
    }

    #[test]
    fn the_add_ons_stray_answer_is_skipped() {
        let mut file = b"\x02\0\0\0{}".to_vec();
        let real = Frame::new(Kind::BLENDER_DATA_CREATE, b"x");
        for frame in [
            &Frame::new(Kind::LIST_ROOMS, b"\x02\0\0\0{}"),
            &real,
            &Frame::new(Kind(100), b""),
            &real,
        ] {
            file.extend_from_slice(frame.wire());
        }
        let (_, mut reader) = MixerReader::open(&file[..]).unwrap();
        let positions: Vec<_> = reader
            .by_ref()
            .map(|entry| {
                let Entry { frame, origin } = entry.unwrap();
                assert_eq!(frame, real);
                origin.position
            })
            .collect();
        assert_eq!((positions, reader.skipped()), (vec![0, 1], 2));
    }

    #[test]
    fn a_torn_end_is_cut_off_where_it_starts() {
        let starts = [50, 66, 80];
        for cut in 50..=GOLDEN.len() {
            let (_, frames, reader) = read(&GOLDEN[..cut]);
            let good = starts.iter().filter(|start| **start <= cut).count() - 1;
            assert_eq!(frames.len(), good);
            let ending = match cut - starts[good] {
                0 => Ending::Whole,
                lost => Ending::CutOff {
                    at: starts[good] as u64,
                    lost_bytes: lost as u64,
                },
            };
            assert_eq!(reader.ending(), Some(ending), "cut at {cut}");
        }
        for cut in 0..50 {
            assert!(matches!(
                MixerReader::open(&GOLDEN[..cut]),
                Err(ArchiveError::NoHeading { bytes }) if bytes == cut as u64
            ));
        }
    }

    #[test]
    fn a_header_that_makes_no_sense_is_damage() {
        let mut file = GOLDEN.to_vec();
        file[66 + 7] = 1;
        let (_, mut reader) = MixerReader::open(&file[..]).unwrap();
        assert!(reader.next().unwrap().is_ok());
        assert!(matches!(
            reader.next(),
            Some(Err(ArchiveError::Damaged { at: 66, .. }))
        ));
        assert!(reader.next().is_none() && reader.ending().is_none());
    }

    #[test]
    fn a_claim_allocates_nothing() {
        let mut file = b"\x02\0\0\0{}".to_vec();
        file.extend_from_slice(b"\0\0\0\xc0\0\0\0\0\0\0\0\0\x8c\0abc");
        let (_, mut reader) = MixerReader::open(&file[..]).unwrap();
        assert!(reader.next().is_none());
        assert!(reader.decoder.held_bytes() < 2 << 20);
    }

    #[test]
    fn other_files_are_refused() {
        for file in [&b"\x89PNG\r\n\x1a\n"[..], b"BLENDER-v300", b"\x01\0\0\x01{"] {
            assert!(matches!(
                MixerReader::open(file),
                Err(ArchiveError::NotARoomFile)
            ));
        }
        assert!(matches!(
            MixerReader::open(&b"\x02\0\0\0[]"[..]),
            Err(ArchiveError::Attributes(_))
        ));
    }

    #[test]
    fn only_room_commands_are_written() {
        let mut writer = MixerWriter::new(Vec::new(), &Attributes::default()).unwrap();
        assert!(matches!(
            writer.write(&Frame::new(Kind::CONTENT, b"")),
            Err(ArchiveError::NotARoomCommand(Kind::CONTENT))
        ));
        assert_eq!(writer.into_inner(), b"\x02\0\0\0{}");
    }
}
