//! Journals: what is read does not depend on the pieces it is read in, what is repaired is whole and stays as it is, and
//! each frame that is read stands in the file, byte for byte and in that order.

use std::collections::VecDeque;
use std::io::{Cursor, Read, Seek};

use bytes::Bytes;
use mixdesk::archive::journal::{Cutter, JournalFrames, Scan, Step, peek, scan};

use super::{Crumbs, digest, fuzz, piece, within};
use crate::common::noise::Noise;

/// Mark, version and salt.
const HEADER_BYTES: usize = 20;
/// What a reader holds however short the file is: its buffers, and a window in which it looks for the next good record.
const BUFFERS: usize = 4 << 20;
/// What it holds of a file: heads, paths, attributes, what was superseded.
const FILE_TIMES: usize = 100;

#[test]
fn a_rooms_own_file() {
    fuzz("journal", check);
}

fn check(file: &[u8], noise: &mut Noise) {
    let most = BUFFERS + FILE_TIMES * file.len();
    let size = piece(noise);
    let looked = within(most, || look(Cursor::new(file)));
    let crumbs = within(most, || look(Crumbs::of(file, size)));
    assert_eq!(looked.said(), crumbs.said(), "in pieces of {size}");
    match &looked {
        Looked::Good(scan, steps) => {
            assert_eq!(peek(Cursor::new(file)).unwrap(), scan.heading);
            assert_eq!(
                scan.good_bytes + scan.torn_bytes,
                file.len() as u64,
                "every byte is good, torn or damaged"
            );
            repaired(file, scan, *steps);
        }
        Looked::Bad(_) => {}
    }
    let frames = within(most, || frames(file, Cursor::new(file)));
    let in_crumbs = within(most, || self::frames(file, Crumbs::of(file, size)));
    assert_eq!(frames, in_crumbs, "in pieces of {size}");
    assert_eq!(frames.is_ok(), matches!(looked, Looked::Good(..)));
    if let Ok(frames) = frames {
        assert!(
            frames.ended != frames.failed,
            "it ends or it fails: {frames:?}"
        );
    }
    if let Looked::Good(scan, _) = &looked {
        let whole = within(most, || cut(file, scan.salt, usize::MAX));
        assert_eq!(whole, cut(file, scan.salt, size), "in pieces of {size}");
    }
}

/// What a scan gave.
enum Looked {
    /// With a digest of what the records said.
    Good(Scan, u64),
    /// Why not.
    Bad(String),
}

impl Looked {
    fn said(&self) -> String {
        match self {
            Self::Good(scan, steps) => format!("{steps} {scan:?}"),
            Self::Bad(why) => why.clone(),
        }
    }
}

fn look(from: impl Read + Seek) -> Looked {
    let mut steps = 0;
    let scanned = scan(
        from,
        |step| {
            // Where a record stands changes when parts before it are taken out.
            steps = match step {
                Step::Commands {
                    positions,
                    commands,
                    ..
                } => {
                    let mut sum = digest((steps, &positions));
                    let mut count = 0;
                    for command in commands {
                        let kind = command.kind.0;
                        sum = digest((
                            sum,
                            command.position,
                            kind,
                            command.wire_bytes,
                            command.path,
                        ));
                        count += 1;
                    }
                    assert_eq!(count, positions.end - positions.start);
                    sum
                }
                Step::Attributes(attributes) => digest((steps, attributes.to_string())),
                Step::Cleared(before) => digest((steps, before)),
            };
        },
        |_| true,
    );
    match scanned {
        Ok(scan) => Looked::Good(scan, steps),
        Err(error) => Looked::Bad(error.to_string()),
    }
}

/// As the relay repairs a file: its good parts, one after the other.
fn repaired(file: &[u8], scan: &Scan, steps: u64) {
    let parts = scan.good_parts().into_iter();
    let good = parts.flat_map(|part| &file[part.start as usize..part.end as usize]);
    let good: Vec<u8> = good.copied().collect();
    let Looked::Good(again, same) = look(Cursor::new(&good)) else {
        panic!("what is repaired cannot be read")
    };
    assert_eq!(same, steps, "it says what the damaged one said");
    assert_eq!(again.heading, scan.heading);
    assert!(
        again.damaged.is_empty() && again.torn_bytes == 0,
        "{again:?}"
    );
    let all = 0..good.len() as u64;
    assert_eq!(again.good_parts(), std::slice::from_ref(&all));
}

/// What a journal that is opened like a saved copy gives.
#[derive(Debug, PartialEq, Eq)]
struct Frames {
    digest: u64,
    ended: bool,
    failed: bool,
}

/// `file` is all that `from` gives.
fn frames(file: &[u8], from: impl Read + Seek) -> Result<Frames, String> {
    let mut rest = file;
    let (_, mut frames) = JournalFrames::open(from).map_err(|error| error.to_string())?;
    let mut read = Frames {
        digest: 0,
        ended: false,
        failed: false,
    };
    while let Some(entry) = frames.next() {
        let Ok(entry) = entry else {
            read.failed = true;
            assert!(frames.next().is_none() && frames.ending().is_none());
            break;
        };
        rest = behind(rest, entry.frame.wire());
        read.digest = digest((read.digest, &entry.frame.wire()[..]));
    }
    read.ended = frames.ending().is_some();
    Ok(read)
}

/// What follows in the file behind the next place where `part` stands, which must be there.
fn behind<'a>(file: &'a [u8], part: &[u8]) -> &'a [u8] {
    if part.is_empty() {
        return file;
    }
    let at = file.windows(part.len()).position(|there| there == part);
    let at = at.expect("what is read stands in the file, behind what was read before");
    &file[at + part.len()..]
}

/// What a cutter gives that is fed in pieces: a digest, and whether it failed.
fn cut(file: &[u8], salt: u32, size: usize) -> (u64, bool) {
    let mut cutter = Cutter::new(salt, 0, u64::MAX);
    let mut rest = file;
    let (mut given, mut failed) = (Vec::new(), false);
    for piece in file[HEADER_BYTES..].chunks(size.min(file.len())) {
        let mut out = VecDeque::new();
        let fed = cutter.feed(Bytes::copy_from_slice(piece), |_, _| Vec::new(), &mut out);
        rest = out.iter().fold(rest, |rest, part| behind(rest, part));
        given.extend(out.into_iter().flatten());
        failed = fed.is_err();
        if failed {
            break;
        }
    }
    (digest(&given), failed)
}
