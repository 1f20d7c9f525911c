//! Saved rooms of any format: what is read does not depend on the pieces it is read in, what is torn off is told to the
//! byte, and what was read can be saved again.

use std::io::{Cursor, Read, Seek};

use mixdesk::archive::{Archive, Ending, Entry, Heading, Maker, MixdeskWriter, MixerWriter};

use super::{Crumbs, fuzz, piece, within};
use crate::common::noise::Noise;

/// What a reader holds however short the file is: its buffers.
const BUFFERS: usize = 4 << 20;
/// What it holds of a file: attributes, and what stands in a record.
const FILE_TIMES: usize = 100;

#[test]
fn a_saved_room() {
    fuzz("archive", check);
}

/// All that a file says.
#[derive(Debug, PartialEq, Eq)]
struct Room {
    name: String,
    attributes: String,
    maker: Option<Maker>,
    entries: Vec<Entry>,
    groups: (u64, u64),
    skipped: u64,
    end: Result<Ending, String>,
}

fn read(from: impl Read + Seek) -> Result<Room, String> {
    let mut archive = Archive::read(from, "Room").map_err(|error| error.to_string())?;
    let (mut entries, mut failed) = (Vec::new(), None);
    for entry in archive.by_ref() {
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => failed = Some(error.to_string()),
        }
    }
    assert!(archive.next().is_none(), "an end is an end");
    let end = match (failed, archive.ending()) {
        (Some(error), None) => Err(error),
        (None, Some(ending)) => Ok(ending),
        both => panic!("it ends or it fails: {both:?}"),
    };
    Ok(Room {
        name: archive.room().to_owned(),
        attributes: archive.attributes().to_string(),
        maker: archive.maker().cloned(),
        entries,
        groups: (archive.open_groups(), archive.stray_group_ends()),
        skipped: archive.skipped(),
        end,
    })
}

fn check(file: &[u8], noise: &mut Noise) {
    let most = BUFFERS + FILE_TIMES * file.len();
    let size = piece(noise);
    let room = within(most, || read(Cursor::new(file)));
    let in_crumbs = within(most, || read(Crumbs::of(file, size)));
    assert_eq!(room, in_crumbs, "in pieces of {size}");
    let Ok(room) = room else {
        return;
    };
    let given: usize = room
        .entries
        .iter()
        .map(|entry| entry.frame.wire_len())
        .sum();
    assert!(given <= file.len(), "no more than there was");
    if let Ok(Ending::CutOff { at, lost_bytes }) = room.end {
        assert_eq!(at + lost_bytes, file.len() as u64);
        let good = read(Cursor::new(&file[..at as usize])).unwrap();
        let whole = Room {
            end: Ok(Ending::Whole),
            ..room
        };
        assert_eq!(good, whole, "cut where it is torn");
        saved(&whole);
    } else {
        saved(&room);
    }
}

/// What was read can be saved, in both formats, and is read again.
fn saved(room: &Room) {
    let attributes = mixdesk::protocol::Attributes::parse(&room.attributes).unwrap();
    let heading = Heading {
        room: room.name.clone(),
        attributes: attributes.clone(),
        maker: room.maker.clone().unwrap_or(Maker {
            program: String::new(),
            made_millis: 0,
        }),
    };
    if let Ok(mut copy) = MixdeskWriter::new(Vec::new(), &heading) {
        for entry in &room.entries {
            copy.write(&entry.frame, &entry.origin).unwrap();
        }
        let again = read(Cursor::new(copy.into_inner())).unwrap();
        assert_eq!(
            (&again.name, &again.attributes),
            (&room.name, &room.attributes)
        );
        assert_eq!(again.end, Ok(Ending::Whole));
        assert!(
            again
                .entries
                .iter()
                .map(|entry| &entry.frame)
                .eq(room.entries.iter().map(|entry| &entry.frame))
        );
        assert_eq!(again.groups, room.groups);
    }
    let mut mixers = MixerWriter::new(Vec::new(), &attributes).unwrap();
    for entry in &room.entries {
        mixers.write(&entry.frame).unwrap();
    }
    let again = read(Cursor::new(mixers.into_inner())).unwrap();
    assert_eq!(again.attributes, room.attributes);
    assert!(
        again
            .entries
            .iter()
            .map(|entry| &entry.frame)
            .eq(room.entries.iter().map(|entry| &entry.frame))
    );
}
