//! Our own room files: append-only and checked.
//!
//! Twelve bytes that mark the file, a version (u32 little-endian), and then [records](super::record):
//! first the room, then one a frame. A record's body is metadata (serde with bincode's standard
//! configuration: varints, little-endian), and for a frame then the frame as on the wire.
//!
//! What changes the meaning of these bytes gets a new version. A reader knows its own version and
//! all before it.

use std::io::{Read, Write};

use bincode::config::{self, Config};
use bincode::serde::{borrow_decode_from_slice, encode_into_std_write};
use serde::{Deserialize, Serialize};

use super::{
    ATTRIBUTES_BYTES, ArchiveError, Ending, Entry, Maker, Origin, Record, RecordReader,
    RecordWriter,
};
use crate::protocol::{Attributes, Frame, Kind};

/// What a file starts with. Read as Mixer's length of attributes it is far more than may be, so no
/// file is both. The line ends and the byte that is no text show a transfer that changed them.
pub(super) const MAGIC: [u8; 12] = *b"\x89MIXDESK\r\n\x1a\n";
/// The version that is written.
const VERSION: u32 = 1;
/// Mark and version.
const FILE_HEADER_BYTES: usize = MAGIC.len() + 4;

/// Longest sender's id or name that is kept, in bytes; what is longer is cut at a character. Names
/// are others' choice and may be of any length.
pub const SENDER_BYTES: usize = 1024;
/// Longest name of a room or program, in bytes; the relay's own limit is 255.
const NAME_BYTES: usize = 4096;

/// Largest metadata of a frame: two strings as long as may be, and a few numbers.
pub(super) const METADATA_BYTES: usize = 2 * SENDER_BYTES + 64;
/// Largest record of a room: its attributes, two names, and a few numbers.
pub(super) const ROOM_BYTES: usize = ATTRIBUTES_BYTES + 2 * NAME_BYTES + 64;

fn metadata_config() -> impl Config {
    config::standard().with_limit::<METADATA_BYTES>()
}

fn room_config() -> impl Config {
    config::standard().with_limit::<ROOM_BYTES>()
}

/// The first record. Strings are borrowed, so that reading one allocates nothing.
#[derive(Serialize, Deserialize)]
struct RoomRecord<'a> {
    room: &'a str,
    /// Values as they were written.
    attributes: &'a str,
    program: &'a str,
    made_millis: u64,
}

/// What stands before a frame.
#[derive(Serialize, Deserialize)]
struct Metadata<'a> {
    position: u64,
    kind: u16,
    #[serde(borrow)]
    sender_id: Option<&'a str>,
    #[serde(borrow)]
    sender_name: Option<&'a str>,
    arrived_millis: u64,
}

/// What a file says before its first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// The room's name.
    pub room: String,
    /// The room's attributes.
    pub attributes: Attributes,
    /// What made the file.
    pub maker: Maker,
}

/// Writes a file, or appends to one.
#[derive(Debug)]
pub struct MixdeskWriter<W> {
    records: RecordWriter<W>,
    metadata: Vec<u8>,
}

impl<W: Write> MixdeskWriter<W> {
    /// Starts a file.
    ///
    /// # Errors
    /// When a name or the attributes are too long, or writing fails.
    pub fn new(mut to: W, heading: &Heading) -> Result<Self, ArchiveError> {
        let attributes = heading.attributes.to_string();
        check_heading(heading, &attributes)?;
        let room = RoomRecord {
            room: &heading.room,
            attributes: &attributes,
            program: &heading.maker.program,
            made_millis: heading.maker.made_millis,
        };
        let mut body = Vec::new();
        encode(&room, &mut body, room_config())?;
        to.write_all(&MAGIC)
            .and_then(|()| to.write_all(&VERSION.to_le_bytes()))
            .map_err(ArchiveError::Write)?;
        let mut writer = Self::append_to(to);
        writer.records.append(&[&body])?;
        Ok(writer)
    }

    /// Goes on with a file of this version that stands after a whole record, which is
    /// [`MixdeskReader::good_bytes`].
    pub fn append_to(to: W) -> Self {
        Self {
            records: RecordWriter::new(to),
            metadata: Vec::new(),
        }
    }

    /// Writes one command. Returns its bytes in the file.
    ///
    /// # Errors
    /// When this is no room command or too large (nothing is written then), or writing fails. After
    /// that the file may end in a torn record, so nothing else may be written.
    pub fn write(&mut self, frame: &Frame, origin: &Origin) -> Result<u64, ArchiveError> {
        super::check(frame)?;
        self.metadata.clear();
        let metadata = Metadata {
            position: origin.position,
            kind: frame.kind().0,
            sender_id: origin.sender_id.as_deref().map(cut),
            sender_name: origin.sender_name.as_deref().map(cut),
            arrived_millis: origin.arrived_millis,
        };
        encode(&metadata, &mut self.metadata, metadata_config())?;
        self.records.append(&[&self.metadata, frame.wire()])
    }

    /// What is written to, for instance to bring it to the disk.
    pub fn inner_mut(&mut self) -> &mut W {
        self.records.inner_mut()
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.records.into_inner()
    }
}

fn encode(
    value: &impl Serialize,
    out: &mut Vec<u8>,
    config: impl Config,
) -> Result<(), ArchiveError> {
    // Memory cannot fail to be written to; the error is passed on because the signature has one.
    encode_into_std_write(value, out, config)
        .map(drop)
        .map_err(|error| ArchiveError::Write(std::io::Error::other(error)))
}

/// Whether a file can hold this; `attributes` are those of the heading as text.
pub(super) fn check_heading(heading: &Heading, attributes: &str) -> Result<(), ArchiveError> {
    for (what, text, limit) in [
        ("a room's name", heading.room.as_str(), NAME_BYTES),
        ("a program's name", &heading.maker.program, NAME_BYTES),
        ("a list of attributes", attributes, ATTRIBUTES_BYTES),
    ] {
        if text.len() > limit {
            return Err(ArchiveError::TooLarge {
                what,
                bytes: text.len() as u64,
                limit: limit as u64,
            });
        }
    }
    Ok(())
}

/// As much of a sender's id or name as is kept.
pub(super) fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(SENDER_BYTES))
        .unwrap_or_default()
}

/// Reads the commands of a file: an iterator that after its end knows how the file ends.
#[derive(Debug)]
pub struct MixdeskReader<R> {
    records: RecordReader<R>,
    /// Where a record starts whose checksum is right and whose content is not.
    failed_at: Option<u64>,
}

impl<R: Read> MixdeskReader<R> {
    /// Reads mark, version and room from the start of a file of `total_bytes`; the reader that comes
    /// with them gives the commands.
    ///
    /// # Errors
    /// When the file is not of this format or made by a newer program, ends before the room does, or
    /// cannot be read.
    pub fn open(mut from: R, total_bytes: u64) -> Result<(Heading, Self), ArchiveError> {
        let mut header = Vec::with_capacity(FILE_HEADER_BYTES);
        from.by_ref()
            .take(FILE_HEADER_BYTES as u64)
            .read_to_end(&mut header)
            .map_err(|source| ArchiveError::Read { at: 0, source })?;
        let (magic, version) = header
            .split_at_checked(MAGIC.len())
            .unwrap_or((&header, &[]));
        if magic.is_empty() || !MAGIC.starts_with(magic) {
            return Err(ArchiveError::NotARoomFile);
        }
        let no_heading = ArchiveError::NoHeading { bytes: total_bytes };
        let Some(version) = version.first_chunk::<4>() else {
            return Err(no_heading);
        };
        match u32::from_le_bytes(*version) {
            VERSION => {}
            0 => {
                return Err(ArchiveError::Damaged {
                    at: MAGIC.len() as u64,
                    what: "there is no version 0",
                });
            }
            version => return Err(ArchiveError::Newer { version }),
        }
        let mut records = RecordReader::new(from, FILE_HEADER_BYTES as u64, total_bytes);
        let Record { at, body } = records.next().ok_or(no_heading)??;
        let room = borrow_decode_from_slice::<RoomRecord<'_>, _>(&body, room_config())
            .ok()
            .filter(|(_, taken)| *taken == body.len());
        let Some((room, _)) = room else {
            return Err(ArchiveError::Damaged {
                at,
                what: "the first record is not that of a room",
            });
        };
        let heading = Heading {
            room: room.room.to_owned(),
            attributes: Attributes::parse(room.attributes)?,
            maker: Maker {
                program: room.program.to_owned(),
                made_millis: room.made_millis,
            },
        };
        let reader = Self {
            records,
            failed_at: None,
        };
        Ok((heading, reader))
    }

    /// How the file ends; `None` before the end is reached, and for ever after an error.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.records.ending().filter(|_| self.failed_at.is_none())
    }

    /// Up to where the file is good, as far as it was read. Cut there, it can be appended to.
    #[must_use]
    pub fn good_bytes(&self) -> u64 {
        self.failed_at.unwrap_or(self.records.good_bytes())
    }
}

impl<R: Read> Iterator for MixdeskReader<R> {
    type Item = Result<Entry, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed_at.is_some() {
            return None;
        }
        let record = match self.records.next()? {
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        let entry = entry(&record);
        if entry.is_none() {
            self.failed_at = Some(record.at);
        }
        Some(entry.ok_or(ArchiveError::Damaged {
            at: record.at,
            what: "a record is not that of a room command",
        }))
    }
}

fn entry(record: &Record) -> Option<Entry> {
    let (metadata, taken) =
        borrow_decode_from_slice::<Metadata<'_>, _>(&record.body, metadata_config()).ok()?;
    let frame = Frame::from_wire(record.body.slice(taken..))
        .filter(|frame| frame.kind() == Kind(metadata.kind) && frame.kind().is_room_command())?;
    let origin = Origin {
        position: metadata.position,
        sender_id: metadata.sender_id.map(str::to_owned),
        sender_name: metadata.sender_name.map(str::to_owned),
        arrived_millis: metadata.arrived_millis,
    };
    Some(Entry { frame, origin })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by hand with Python's `struct` and `zlib.crc32`: mark and version, the room's record,
    /// the frame's record.
    const GOLDEN: [&[u8]; 3] = [
        b"\x89MIXDESK\r\n\x1a\n\x01\0\0\0",
        b"3\0\0\0\xdc@te3)\xf3\x04\x06D\xc3\xa9cor\x14{\"a\": 1.0, \"b\": NaN}\
          \rMixdesk 0.1.0\xfd\0h\xe5\xcf\x8b\x01\0\0",
        b"*\0\0\0\x87\x14qCD|\xc4\xbf\xfb,\x01\xc9\x01\n10.0.0.2:5\0\xfd\x01h\xe5\xcf\x8b\x01\0\0\
          \x02\0\0\0\0\0\0\0\x07\0\0\0\xc9\0ab",
    ];

    fn heading() -> Heading {
        Heading {
            room: "Décor".to_owned(),
            attributes: Attributes::parse(r#"{"a":1.0,"b":NaN}"#).unwrap(),
            maker: Maker {
                program: "Mixdesk 0.1.0".to_owned(),
                made_millis: 1_700_000_000_000,
            },
        }
    }

    fn entry() -> Entry {
        Entry {
            frame: Frame::with_id(Kind::TRANSFORM, 7, b"ab"),
            origin: Origin {
                position: 300,
                sender_id: Some("10.0.0.2:5".to_owned()),
                sender_name: None,
                arrived_millis: 1_700_000_000_001,
            },
        }
    }

    fn written(entries: &[Entry]) -> Vec<u8> {
        let mut writer = MixdeskWriter::new(Vec::new(), &heading()).unwrap();
        for entry in entries {
            writer.write(&entry.frame, &entry.origin).unwrap();
        }
        writer.into_inner()
    }

    fn open(file: &[u8]) -> Result<(Heading, MixdeskReader<&[u8]>), ArchiveError> {
        MixdeskReader::open(file, file.len() as u64)
    }

    #[test]
    fn a_file_byte_for_byte() {
        let file = written(&[entry()]);
        let golden = GOLDEN.concat();
        assert_eq!(
            file.escape_ascii().to_string(),
            golden.escape_ascii().to_string()
        );
        let (read, mut reader) = open(&golden).unwrap();
        assert_eq!(read, heading());
        assert_eq!(reader.next().unwrap().unwrap(), entry());
        assert!(reader.next().is_none());
        assert_eq!(reader.ending(), Some(Ending::Whole));
        assert_eq!(reader.good_bytes(), file.len() as u64);
    }

    #[test]
    fn a_file_can_be_gone_on_with() {
        let mut file = written(&[entry()]);
        let good = file.len();
        file.extend_from_slice(b"torn");
        let (_, mut reader) = open(&file).unwrap();
        assert_eq!(reader.by_ref().count(), 1);
        assert_eq!(
            (reader.good_bytes(), reader.ending()),
            (
                good as u64,
                Some(Ending::CutOff {
                    at: good as u64,
                    lost_bytes: 4
                })
            )
        );
        file.truncate(good);
        let mut writer = MixdeskWriter::append_to(&mut file);
        let Entry { frame, origin } = entry();
        let added = writer.write(&frame, &origin).unwrap();
        assert_eq!(file.len() as u64, good as u64 + added);
        assert_eq!(file, written(&[entry(), entry()]));
    }

    #[test]
    fn a_newer_file_says_so() {
        let mut file = written(&[]);
        file[12] = 2;
        let error = open(&file).unwrap_err();
        assert!(matches!(error, ArchiveError::Newer { version: 2 }));
        assert!(error.to_string().contains("newer Mixdesk"));
    }

    #[test]
    fn a_file_without_its_room_is_told_apart() {
        let file = written(&[]);
        assert!(matches!(open(b""), Err(ArchiveError::NotARoomFile)));
        for cut in 1..file.len() {
            assert!(matches!(
                open(&file[..cut]),
                Err(ArchiveError::NoHeading { bytes }) if bytes == cut as u64
            ));
        }
        assert!(open(&file).is_ok());
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        let name = "é".repeat(SENDER_BYTES);
        let mut long = entry();
        long.origin.sender_name = Some(format!("x{name}"));
        long.origin.sender_id = Some(name);
        let file = written(&[long]);
        let (_, mut reader) = open(&file).unwrap();
        let origin = reader.next().unwrap().unwrap().origin;
        assert_eq!(origin.sender_id, Some("é".repeat(SENDER_BYTES / 2)));
        let name = format!("x{}", "é".repeat(SENDER_BYTES / 2 - 1));
        assert_eq!(origin.sender_name, Some(name));
    }

    #[test]
    fn a_record_of_something_else_is_damage() {
        let whole = written(&[entry()]);
        let mut body = Vec::new();
        let metadata = Metadata {
            position: 0,
            kind: 140,
            sender_id: None,
            sender_name: None,
            arrived_millis: 0,
        };
        encode(&metadata, &mut body, metadata_config()).unwrap();
        for frame in [
            Frame::new(Kind(141), b"another kind"),
            Frame::new(Kind::CONTENT, b""),
        ] {
            let mut file = RecordWriter::new(whole.clone());
            file.append(&[&body, frame.wire()]).unwrap();
            let file = file.into_inner();
            let (_, mut reader) = open(&file).unwrap();
            assert!(reader.next().unwrap().is_ok());
            let at = whole.len() as u64;
            assert!(matches!(
                reader.next(),
                Some(Err(ArchiveError::Damaged { at: there, .. })) if there == at
            ));
            assert!(reader.next().is_none() && reader.ending().is_none());
            assert_eq!(reader.good_bytes(), at);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut long = heading();
        long.room = "x".repeat(NAME_BYTES + 1);
        assert!(matches!(
            MixdeskWriter::new(Vec::new(), &long),
            Err(ArchiveError::TooLarge { limit: 4096, .. })
        ));
    }
}
