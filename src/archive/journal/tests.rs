//! A journal byte for byte, read back whole, in pieces, and after damage.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Cursor, Read, Seek, SeekFrom};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::scan::DAMAGED_PARTS;
use super::*;
use crate::archive::{Ending, Maker};
use crate::protocol::{Attributes, Frame, HEADER_BYTES as FRAME_HEADER_BYTES, Header};

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

fn run(frames: &[Frame]) -> Run {
    let wire: BytesMut = frames
        .iter()
        .flat_map(|frame| frame.wire().to_vec())
        .collect();
    Run::from_wire(wire.freeze()).unwrap()
}

fn commands<'a>(position: u64, peer: u64, run: &'a Run) -> Note<'a> {
    Note::Commands {
        position,
        sender: Sender {
            peer,
            id: "10.0.0.2:5",
            name: None,
        },
        arrived_millis: 1_700_000_000_001,
        run,
    }
}

fn frame(kind: u16, size: usize) -> Frame {
    Frame::with_id(Kind(kind), 7, &vec![b'x'; size])
}

/// Writes notes; gives the file's bytes and where each record starts.
fn written(notes: &[Note<'_>]) -> (Vec<u8>, Vec<u64>, u32) {
    let mut file = tempfile::tempfile().unwrap();
    let mut writer = JournalWriter::create(file.try_clone().unwrap(), &heading()).unwrap();
    let starts = notes
        .iter()
        .map(|note| writer.add(*note).unwrap())
        .collect();
    writer.write_out().unwrap();
    (read_back(&mut file, &writer), starts, writer.salt())
}

/// All that stands in the file, which is all that was written.
fn read_back(file: &mut File, writer: &JournalWriter) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, writer.written_bytes());
    bytes
}

/// Positions of the commands that are read, and what the scan says.
fn scanned(file: &[u8]) -> (Vec<u64>, Result<Scan, ArchiveError>) {
    let mut positions = Vec::new();
    let scan = scan(
        Cursor::new(file),
        |step| {
            if let Step::Commands {
                positions: some,
                commands,
                ..
            } = step
            {
                assert_eq!(commands.count() as u64, some.end - some.start);
                positions.extend(some);
            }
        },
        |_| true,
    );
    (positions, scan)
}

/// Made by hand with Python's `struct` and `zlib.crc32`, for the salt 0x01020304: after mark, version
/// and salt the room's record, and that of one command.
#[test]
fn a_record_byte_for_byte() {
    let header = encode_record_header(0, 9, 0xcbf4_3926);
    assert_eq!(header, *b"\x09\0\0\0\x26\x39\xf4\xcb\x3e\xd5\xe8\xa8");
    assert_ne!(header, encode_record_header(1, 9, 0xcbf4_3926));
    let run = run(&[frame(201, 2)]);
    let (file, starts, salt) = written(&[commands(300, 5, &run)]);
    assert_eq!(file[..12], MAGIC);
    assert_eq!(file[12..16], [2, 0, 0, 0]);
    assert_eq!(file[16..20], salt.to_le_bytes());
    let body =
        b"\x1d\0\0\0\x01\xfb\x2c\x01\x05\x0a10.0.0.2:5\0\xfd\x01h\xe5\xcf\x8b\x01\0\0\x01\xc9\x10";
    let start = usize::try_from(starts[0]).unwrap();
    assert_eq!(file[start + 12..start + 12 + body.len()], *body);
    assert_eq!(file[start + 12 + body.len()..], run.wire()[..]);
}

#[test]
fn the_largest_head_is_as_large_as_can_be() {
    let mark = Mark {
        kind: u16::MAX,
        wire_bytes: u32::MAX,
    };
    let name = "x".repeat(SENDER_BYTES);
    let head = Head::Commands(CommandsHead {
        position: LAST_POSITION,
        peer: u64::MAX,
        sender_id: &name,
        sender_name: Some(&name),
        arrived_millis: u64::MAX,
        frames: vec![mark; RECORD_COMMANDS],
    });
    let mut encoded = Vec::new();
    encode_head(&head, &mut encoded).unwrap();
    assert!(encoded.len() <= COMMANDS_HEAD_BYTES, "{}", encoded.len());
    assert!(decode_head(&encoded).is_some());
}

#[test]
fn what_is_written_is_read() {
    let runs = [
        run(&[frame(140, 10), frame(201, 300_000)]),
        run(&[frame(205 + 1, 0)]),
    ];
    let notes = [
        commands(0, 1, &runs[0]),
        Note::Attributes {
            attributes: r#"{"a": 2}"#,
            at_millis: 5,
        },
        Note::Cleared(2),
        commands(7, 2, &runs[1]),
    ];
    let (file, starts, _) = written(&notes);
    let mut steps = Vec::new();
    let scan = scan(
        Cursor::new(&file),
        |step| {
            steps.push(match step {
                Step::Commands {
                    at,
                    positions,
                    commands,
                } => {
                    let sizes: Vec<_> = commands.map(|command| command.wire_bytes).collect();
                    format!("{at} {positions:?} {sizes:?}")
                }
                Step::Attributes(attributes) => attributes.to_string(),
                Step::Cleared(before) => format!("cleared {before}"),
            });
        },
        |_| true,
    )
    .unwrap();
    let expected = [
        format!("{} 0..2 [24, 300014]", starts[0]),
        r#"{"a": 2}"#.to_owned(),
        "cleared 2".to_owned(),
        format!("{} 7..8 [14]", starts[3]),
    ];
    assert_eq!(steps, expected);
    assert_eq!(scan.heading, heading());
    assert_eq!((scan.good_bytes, scan.torn_bytes), (file.len() as u64, 0));
    assert!(scan.damaged.is_empty());
    assert_eq!(peek(Cursor::new(&file)).unwrap(), heading());
}

#[test]
fn a_torn_end_is_told_and_costs_nothing_before_it() {
    let runs: Vec<_> = (0..4).map(|_| run(&[frame(140, 30)])).collect();
    let notes: Vec<_> = (0..)
        .zip(&runs)
        .map(|(at, run)| commands(at, 1, run))
        .collect();
    let (file, starts, _) = written(&notes);
    for cut in usize::try_from(starts[0]).unwrap()..file.len() {
        let (positions, scan) = scanned(&file[..cut]);
        let whole = starts.iter().filter(|start| **start <= cut as u64).count() - 1;
        assert_eq!(
            positions,
            (0..whole as u64).collect::<Vec<_>>(),
            "cut at {cut}"
        );
        let scan = scan.unwrap();
        assert_eq!(scan.good_bytes, starts[whole]);
        assert_eq!(scan.torn_bytes, cut as u64 - starts[whole]);
        assert!(scan.damaged.is_empty());
        assert!(scan.only_cut_off || scan.torn_bytes == 0);
    }
    for cut in 0..usize::try_from(starts[0]).unwrap() {
        assert!(scanned(&file[..cut]).1.is_err(), "cut at {cut}");
    }
}

#[test]
fn every_flipped_byte_costs_its_own_record_and_no_other() {
    let runs: Vec<_> = (0..5).map(|_| run(&[frame(140, 3)])).collect();
    let notes: Vec<_> = (0..)
        .zip(&runs)
        .map(|(at, run)| commands(at, 1, run))
        .collect();
    let (file, starts, _) = written(&notes);
    for at in usize::try_from(starts[0]).unwrap()..file.len() {
        for bits in [1, 0x80, 0xff] {
            let mut file = file.clone();
            file[at] ^= bits;
            let hurt = starts.iter().filter(|start| **start <= at as u64).count() as u64 - 1;
            let (positions, scan) = scanned(&file);
            let expected: Vec<_> = (0..5).filter(|position| *position != hurt).collect();
            assert_eq!(positions, expected, "flipped at {at}");
            let scan = scan.unwrap();
            let known = scan.damaged.len() + usize::from(scan.torn_bytes > 0);
            assert_eq!(known, 1);
        }
    }
}

/// As where a disk wrote a part of the file twice.
#[test]
fn what_stands_before_the_rooms_record_is_passed_over() {
    let first = run(&[frame(140, 3)]);
    let (whole, starts, _) = written(&[commands(0, 1, &first)]);
    let record = usize::try_from(starts[0]).unwrap() - FILE_HEADER_BYTES;
    let starts = (1..FILE_HEADER_BYTES + record).map(|count| whole[..count].to_vec());
    let noise = std::iter::repeat_n(7, (1 << 20) - 1);
    for strange in starts.chain([noise.collect::<Vec<u8>>()]) {
        let end = FILE_HEADER_BYTES + strange.len();
        let mut file = whole.clone();
        file.splice(FILE_HEADER_BYTES..FILE_HEADER_BYTES, strange);
        let (positions, scan) = scanned(&file);
        let scan = scan.unwrap();
        assert_eq!((positions, &scan.heading), (vec![0], &heading()));
        let before = FILE_HEADER_BYTES as u64..end as u64;
        assert_eq!(scan.damaged, std::slice::from_ref(&before));
        assert_eq!(scan.torn_bytes, 0);
        let good = scan.good_parts().into_iter();
        let good: Vec<u8> = good
            .flat_map(|part| {
                let part = usize::try_from(part.start).unwrap()..usize::try_from(part.end).unwrap();
                file[part].to_vec()
            })
            .collect();
        assert_eq!(scanned(&good).0, [0]);
        assert_eq!(peek(Cursor::new(&file)).unwrap(), heading());
        let (_, mut frames) = JournalFrames::open(Cursor::new(&file)).unwrap();
        assert_eq!(frames.next().unwrap().unwrap().frame.wire(), first.wire());
    }
}

/// Counts what is read.
struct Counted(Cursor<Vec<u8>>, u64);

impl Read for Counted {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(to)?;
        self.1 += read as u64;
        Ok(read)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

/// A file of records each of which claims the rest of it as its only frame.
fn claiming(records: usize) -> Vec<u8> {
    const APART: usize = 64;
    let (mut file, _, salt) = written(&[]);
    for number in 0..records {
        let left = (records - number) * APART - HEADER_BYTES;
        let head = |wire_bytes: usize| {
            let mut bytes = Vec::new();
            let wire_bytes = u32::try_from(wire_bytes).unwrap();
            let head = Head::Commands(CommandsHead {
                position: 0,
                peer: 1,
                sender_id: "",
                sender_name: None,
                arrived_millis: 0,
                frames: vec![Mark {
                    kind: 140,
                    wire_bytes,
                }],
            });
            encode_head(&head, &mut bytes).unwrap();
            bytes
        };
        let wire_bytes = left - HEAD_LENGTH_BYTES - head(left).len();
        let head = head(wire_bytes);
        let header = Header {
            size: (wire_bytes - FRAME_HEADER_BYTES) as u64,
            id: 0,
            kind: Kind(140),
        };
        let length = u32::try_from(left).unwrap();
        let mut record = encode_record_header(salt, length, 0).to_vec();
        record.extend_from_slice(&u32::try_from(head.len()).unwrap().to_le_bytes());
        record.extend_from_slice(&head);
        record.extend_from_slice(&header.encode());
        record.resize(APART, 0);
        file.extend_from_slice(&record);
    }
    file
}

#[test]
fn records_that_claim_the_rest_of_a_file_are_not_all_read() {
    let file = claiming(16 << 10);
    let total = file.len() as u64;
    let mut from = Counted(Cursor::new(file.clone()), 0);
    let scan = scan(&mut from, |_| panic!("none of them is good"), |_| true).unwrap();
    assert!(from.1 < 40 * total, "{} of {total} were read", from.1);
    assert_eq!(scan.good_bytes + scan.torn_bytes, total);
    assert!(!scan.only_cut_off, "that is kept as it was");
}

#[test]
fn a_file_of_damage_costs_no_more_than_it_is_long() {
    let (good, starts, salt) = written(&[Note::Cleared(0)]);
    let start = usize::try_from(starts[0]).unwrap();
    let (before, record) = good.split_at(start);
    let mut file = before.to_vec();
    for _ in 0..2 * DAMAGED_PARTS {
        file.push(0);
        file.extend_from_slice(record);
    }
    let (_, found) = scanned(&file);
    let found = found.unwrap();
    assert_eq!((found.salt, found.damaged.len()), (salt, DAMAGED_PARTS));
    assert!(found.torn_bytes > 0 && !found.only_cut_off, "that is kept");
    let (_, mut frames) = JournalFrames::open(Cursor::new(&file)).unwrap();
    assert!(frames.next().is_none());
    assert!(matches!(frames.ending(), Some(Ending::CutOff { .. })));
}

#[test]
fn no_record_takes_more_memory_than_one_that_a_room_writes() {
    let path = |bytes: usize| {
        let mut payload = u32::try_from(bytes).unwrap().to_le_bytes().to_vec();
        payload.resize(4 + bytes, b'x');
        Frame::new(Kind(201), &payload)
    };
    for (frames, positions) in [(4, 4), (5, 0)] {
        let run = run(&vec![path(64 << 10); frames]);
        let (file, ..) = written(&[commands(0, 1, &run)]);
        assert_eq!(scanned(&file).0.len(), positions);
    }
}

#[test]
fn looking_for_good_records_can_be_stopped() {
    let mut asked = 0;
    let stopped = scan(
        Cursor::new(claiming(16 << 10)),
        |_| {},
        |_| {
            asked += 1;
            asked < 5
        },
    );
    assert!(matches!(stopped, Err(ArchiveError::Read { .. })));
    assert_eq!(asked, 5);
}

#[test]
fn a_peers_bytes_are_never_taken_for_a_record() {
    let inner = run(&[frame(140, 3)]);
    let (other, ..) = written(&[commands(0, 9, &inner)]);
    let hostile = run(&[Frame::new(Kind(140), &other)]);
    let last = run(&[frame(140, 1)]);
    let (mut file, starts, _) = written(&[commands(0, 1, &hostile), commands(1, 1, &last)]);
    file[usize::try_from(starts[0]).unwrap()] ^= 1;
    assert_eq!(scanned(&file).0, [1]);
}

#[test]
fn a_journal_is_gone_on_with_after_its_torn_end() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let first = run(&[frame(140, 30)]);
    let writer = JournalWriter::create(file.reopen().unwrap(), &heading()).unwrap();
    let (salt, good) = (writer.salt(), writer.written_bytes());
    drop(writer);
    OpenOptions::new()
        .append(true)
        .open(file.path())
        .and_then(|mut end| std::io::Write::write_all(&mut end, b"torn"))
        .unwrap();
    let mut writer = JournalWriter::resume(file.reopen().unwrap(), salt, good).unwrap();
    assert_eq!(writer.add(commands(0, 1, &first)).unwrap(), good);
    writer.write_out().unwrap();
    let bytes = std::fs::read(file.path()).unwrap();
    let (positions, scan) = scanned(&bytes);
    assert_eq!((positions, scan.unwrap().torn_bytes), (vec![0], 0));
}

#[test]
fn a_write_that_fails_leaves_the_file_as_it_was() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let made = JournalWriter::create(file.reopen().unwrap(), &heading()).unwrap();
    let (salt, good) = (made.salt(), made.written_bytes());
    // Opened for reading, it can neither be cut nor written.
    assert!(JournalWriter::resume(File::open(file.path()).unwrap(), salt, good).is_err());
    let mut full = JournalWriter::resume(file.reopen().unwrap(), salt, good).unwrap();
    let large = run(&[frame(140, 10)]);
    let many: Vec<_> = (0..=RECORD_COMMANDS).map(|_| frame(140, 0)).collect();
    let too_many = run(&many);
    assert!(full.add(commands(0, 1, &too_many)).is_err());
    assert_eq!(
        full.add(commands(0, 1, &large)).unwrap(),
        good,
        "nothing of it was gathered"
    );
    full.write_out().unwrap();
    assert_eq!(scanned(&std::fs::read(file.path()).unwrap()).0, [0]);
}

#[test]
fn small_and_large_records_stand_in_order() {
    let header = frame(140, 0).wire_len();
    let around = [4 << 10, 256 << 10, 1 << 20];
    let sizes = around
        .into_iter()
        .flat_map(|size| [size - 1, size, size + 1, 1]);
    // Small ones next to each other are more than one system call's, too.
    let sizes = sizes.chain((0..300).map(|number| 3000 + number));
    let runs: Vec<_> = sizes
        .map(|size| run(&[frame(140, size.max(header) - header)]))
        .collect();
    let notes: Vec<_> = (0..)
        .zip(&runs)
        .map(|(at, run)| commands(at, 1, run))
        .collect();
    let (bytes, starts, _) = written(&notes);
    for (run, end) in runs.iter().zip(starts.iter().skip(1)) {
        let before = &bytes[..usize::try_from(*end).unwrap()];
        assert!(before.ends_with(run.wire()));
    }
    assert!(bytes.ends_with(runs.last().unwrap().wire()));
    let (positions, scan) = scanned(&bytes);
    assert!(positions.into_iter().eq(0..runs.len() as u64));
    assert_eq!(scan.unwrap().damaged, []);
}

#[test]
fn what_is_forgotten_is_not_written() {
    let mut file = tempfile::tempfile().unwrap();
    let mut writer = JournalWriter::create(file.try_clone().unwrap(), &heading()).unwrap();
    let lost = [3, 100_000, 4].map(|size| run(&[frame(140, size)]));
    let kept = [200_000, 5, 6].map(|size| run(&[frame(141, size)]));
    let at = writer.add(commands(0, 1, &lost[0])).unwrap();
    for lost in &lost[1..] {
        writer.add(commands(1, 1, lost)).unwrap();
    }
    writer.forget();
    assert_eq!(writer.add(commands(0, 1, &kept[0])).unwrap(), at);
    writer.add(commands(1, 1, &kept[1])).unwrap();
    writer.write_out().unwrap();
    writer.add(commands(2, 1, &kept[2])).unwrap();
    writer.write_out().unwrap();
    let bytes = read_back(&mut file, &writer);
    assert!(bytes.ends_with(kept[2].wire()));
    let (positions, scan) = scanned(&bytes);
    assert_eq!(positions, [0, 1, 2]);
    assert_eq!(scan.unwrap().damaged, []);
}

#[test]
fn a_head_that_nobody_would_read_is_not_gathered() {
    let mut file = tempfile::tempfile().unwrap();
    let mut writer = JournalWriter::create(file.try_clone().unwrap(), &heading()).unwrap();
    let kept = [3, 4].map(|size| run(&[frame(140, size)]));
    writer.add(commands(0, 1, &kept[0])).unwrap();
    let attributes = "x".repeat(HEAD_BYTES);
    let refused = writer.add(Note::Attributes {
        attributes: &attributes,
        at_millis: 5,
    });
    assert!(matches!(refused, Err(ArchiveError::TooLarge { .. })));
    writer.add(commands(1, 1, &kept[1])).unwrap();
    writer.write_out().unwrap();
    let bytes = read_back(&mut file, &writer);
    let (positions, scan) = scanned(&bytes);
    assert_eq!(positions, [0, 1]);
    assert_eq!(scan.unwrap().damaged, []);
}

// Elsewhere there is no file that refuses to grow.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_grow_is_left_as_it_was() {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    let file = memfd_create("journal", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    let mut file = File::from(file);
    let mut writer = JournalWriter::create(file.try_clone().unwrap(), &heading()).unwrap();
    let good = writer.written_bytes();
    fcntl_add_seals(&file, SealFlags::GROW).unwrap();
    let runs = [3, 600_000, 4].map(|size| run(&[frame(140, size)]));
    for _ in 0..2 {
        assert_eq!(writer.add(commands(0, 1, &runs[0])).unwrap(), good);
        for run in &runs[1..] {
            writer.add(commands(1, 1, run)).unwrap();
        }
        assert!(matches!(writer.write_out(), Err(ArchiveError::Write(_))));
        assert_eq!(writer.written_bytes(), good);
    }
    let bytes = read_back(&mut file, &writer);
    assert_eq!(bytes.len() as u64, good);
    assert_eq!(scanned(&bytes).1.unwrap().damaged, []);
}

#[test]
fn a_journal_opens_like_a_saved_copy() {
    let cube = |text: &str| Frame::new(Kind(201), format!("\x04\0\0\0Cube{text}").as_bytes());
    let large = frame(140, 3 << 20);
    let runs = [
        run(&[frame(140, 10), cube("1"), cube("22")]),
        run(&[cube("333")]),
        run(std::slice::from_ref(&large)),
    ];
    let notes = [
        commands(0, 1, &runs[0]),
        Note::Attributes {
            attributes: r#"{"a": 2}"#,
            at_millis: 5,
        },
        commands(5, 2, &runs[1]),
        commands(6, 2, &runs[2]),
    ];
    let (mut file, ..) = written(&notes);
    for torn in [0, 7] {
        file.extend_from_slice(&vec![0; torn]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mixdesk");
        std::fs::write(&path, &file).unwrap();
        let mut archive = crate::archive::open(&path).unwrap();
        assert_eq!(archive.room(), "Décor");
        assert_eq!(archive.attributes().to_string(), r#"{"a": 2, "b": NaN}"#);
        let frames: Vec<_> = archive.by_ref().map(|entry| entry.unwrap().frame).collect();
        assert_eq!(frames, [frame(140, 10), cube("333"), large.clone()]);
        let whole = archive.ending() == Some(Ending::Whole);
        assert_eq!(whole, torn == 0);
    }
}

#[test]
fn what_was_cleared_before_it_was_written_is_not_part_of_a_copy() {
    let cube = |text: &str| Frame::new(Kind(201), format!("\x04\0\0\0Cube{text}").as_bytes());
    let old = run(&[frame(140, 1), cube("1"), cube("2"), frame(140, 2)]);
    let new = run(&[frame(140, 3), cube("3")]);
    let (file, ..) = written(&[Note::Cleared(4), commands(0, 1, &old), commands(4, 2, &new)]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mixdesk");
    std::fs::write(&path, &file).unwrap();
    let mut archive = crate::archive::open(&path).unwrap();
    let frames: Vec<_> = archive.by_ref().map(|entry| entry.unwrap().frame).collect();
    assert_eq!(frames, [frame(140, 3), cube("3")]);
    assert_eq!(archive.ending(), Some(Ending::Whole));
}

#[test]
fn other_files_are_told_apart() {
    let copy = {
        let writer = crate::archive::MixdeskWriter::new(Vec::new(), &heading()).unwrap();
        writer.into_inner()
    };
    assert!(matches!(scanned(&copy).1, Err(ArchiveError::NotARoomFile)));
    let (mut newer, ..) = written(&[]);
    newer[12] = 9;
    assert!(matches!(
        scanned(&newer).1,
        Err(ArchiveError::Newer { version: 9 })
    ));
    assert!(matches!(
        scanned(&[0; 99]).1,
        Err(ArchiveError::NotARoomFile)
    ));
}

/// Cuts a file in pieces of `sizes`, over and over.
fn cut(
    file: &[u8],
    salt: u32,
    (from, until): (u64, u64),
    sizes: &[usize],
    skipped: impl Fn(Range<u64>, u64) -> Vec<Range<u64>>,
) -> (Vec<u8>, Cutter) {
    let mut cutter = Cutter::new(salt, from, until);
    let (mut out, mut at, mut number) = (VecDeque::new(), FILE_HEADER_BYTES, 0);
    while at < file.len() && !cutter.is_done() {
        at += usize::try_from(cutter.skip()).unwrap();
        let end = file.len().min(at + sizes[number % sizes.len()]);
        number += 1;
        let piece = Bytes::copy_from_slice(&file[at..end]);
        cutter.feed(piece, &skipped, &mut out).unwrap();
        at = end;
    }
    (out.into_iter().flatten().collect(), cutter)
}

proptest! {
    /// Against cutting by hand: whatever the chunks, exactly the wanted frames come out, whole and in
    /// order.
    #[test]
    fn a_cutter_gives_exactly_what_is_wanted(
        records in prop::collection::vec((0..3u64, prop::collection::vec(0..400usize, 1..5)), 1..20),
        sizes in prop::collection::vec(1..900usize, 1..4),
        gone in prop::collection::vec((0..60u64, 1..4u64), 0..6),
        member in 0..4u64,
        (from, until) in (0..20usize, 0..20usize),
    ) {
        let mut position = 0;
        let mut laid = Vec::new();
        for (peer, lengths) in &records {
            let frames: Vec<_> = lengths.iter().map(|length| frame(140, *length)).collect();
            laid.push((position, *peer, run(&frames)));
            position += lengths.len() as u64 + peer;
        }
        let notes: Vec<_> = laid.iter().map(|(at, peer, run)| commands(*at, *peer, run)).collect();
        let (file, _, salt) = written(&notes);
        let boundary = |record: usize| laid.get(record).map_or(position, |(at, ..)| *at);
        let bounds = (boundary(from), boundary(until));
        let mut gone: Vec<_> = gone.into_iter().map(|(start, length)| start..start + length).collect();
        gone.sort_by_key(|gone| gone.start);
        gone.dedup_by(|b, a| b.start < a.end);
        let skipped = |positions: Range<u64>, peer| {
            if peer == member {
                return vec![positions];
            }
            gone.iter().filter(|gone| gone.start < positions.end && gone.end > positions.start).cloned().collect()
        };
        let mut expected = Vec::new();
        for (at, peer, run) in &laid {
            for (at, frame) in (*at..).zip(run.iter()) {
                let wanted = (bounds.0..bounds.1).contains(&at)
                    && *peer != member
                    && !gone.iter().any(|gone| gone.contains(&at));
                if wanted {
                    expected.extend_from_slice(frame.wire);
                }
            }
        }
        let (given, cutter) = cut(&file, salt, bounds, &sizes, skipped);
        prop_assert!(cutter.is_between_frames());
        prop_assert_eq!(given, expected);
    }

    /// Whatever stands in a file, reading it neither panics nor takes more memory than the file is
    /// long, and good records before the first change are still read.
    #[test]
    fn a_hostile_journal_does_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut_at in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1..300usize, 1..3),
    ) {
        let runs: Vec<_> = (0..6).map(|size| run(&[frame(201, size * 9), frame(140, 2)])).collect();
        let notes: Vec<_> = (0..).zip(&runs).map(|(at, run)| commands(2 * at, 1, run)).collect();
        let (mut file, starts, salt) = written(&notes);
        let mut first = file.len();
        for (index, byte) in changes {
            let at = index.index(file.len());
            if file[at] != byte {
                first = first.min(at);
            }
            file[at] = byte;
        }
        file.truncate(cut_at.index(file.len()) + 1);
        first = first.min(file.len());
        let good = starts.iter().skip(1).filter(|start| **start <= first as u64).count();
        let (positions, scan) = scanned(&file);
        if first as u64 >= starts[0] {
            prop_assert!(scan.is_ok());
            prop_assert!(positions.starts_with(&(0..2 * good as u64).collect::<Vec<_>>()));
        }
        prop_assert!(positions.is_sorted());
        let mut cutter = Cutter::new(salt, 0, 12);
        let mut out = VecDeque::new();
        for piece in file.get(FILE_HEADER_BYTES..).unwrap_or_default().chunks(sizes[0]) {
            let fed = cutter.feed(Bytes::copy_from_slice(piece), |_, _| Vec::new(), &mut out);
            if fed.is_err() {
                break;
            }
        }
        prop_assert!(out.iter().map(Bytes::len).sum::<usize>() <= file.len());
    }
}
