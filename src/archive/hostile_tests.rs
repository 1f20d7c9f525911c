//! Whole files, damaged in every way, and bytes that never were a file.

use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{
    Archive, ArchiveError, Ending, Entry, Format, Heading, Maker, MixdeskWriter, MixerWriter,
    Origin,
};
use crate::protocol::{Attributes, Frame, Kind};

fn save(format: Format, attributes: &Attributes, entries: &[Entry]) -> Vec<u8> {
    match format {
        Format::Mixer => {
            let mut writer = MixerWriter::new(Vec::new(), attributes).unwrap();
            for entry in entries {
                writer.write(&entry.frame).unwrap();
            }
            writer.into_inner()
        }
        Format::Mixdesk => {
            let heading = Heading {
                room: "Room".to_owned(),
                attributes: attributes.clone(),
                maker: Maker {
                    program: "Test".to_owned(),
                    made_millis: 1,
                },
            };
            let mut writer = MixdeskWriter::new(Vec::new(), &heading).unwrap();
            for entry in entries {
                writer.write(&entry.frame, &entry.origin).unwrap();
            }
            writer.into_inner()
        }
    }
}

fn open(file: &[u8]) -> Result<Archive<Cursor<&[u8]>>, ArchiveError> {
    Archive::read(Cursor::new(file), "Room")
}

/// Reads all there is: the good entries, then either how the file ends or the error.
fn read(file: &[u8]) -> Result<(Vec<Entry>, Result<Ending, ArchiveError>), ArchiveError> {
    let mut archive = open(file)?;
    let mut entries = Vec::new();
    while let Some(entry) = archive.next() {
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => {
                assert!(archive.next().is_none() && archive.ending().is_none());
                return Ok((entries, Err(error)));
            }
        }
    }
    let ending = archive.ending().expect("an end without an ending");
    Ok((entries, Ok(ending)))
}

fn some_entry() -> impl Strategy<Value = Entry> {
    let name = || proptest::option::of("\\PC{0,20}");
    (
        101..=u16::MAX,
        any::<u32>(),
        vec(any::<u8>(), 0..300),
        any::<u64>(),
        name(),
        name(),
        any::<u64>(),
    )
        .prop_map(
            |(kind, id, payload, position, sender_id, sender_name, arrived_millis)| Entry {
                frame: Frame::with_id(Kind(kind), id, &payload),
                origin: Origin {
                    position,
                    sender_id,
                    sender_name,
                    arrived_millis,
                },
            },
        )
}

fn some_attributes() -> impl Strategy<Value = Attributes> {
    vec(("\\PC{0,10}", "\\PC{0,10}"), 0..5).prop_map(|pairs| {
        pairs
            .iter()
            .fold(Attributes::default(), |all, (name, value)| {
                all.with_text(name, value)
            })
    })
}

fn both() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Mixer), Just(Format::Mixdesk)]
}

/// A small file of each kind of entry, and where its entries start.
fn small(format: Format) -> (Vec<u8>, Vec<Entry>, Vec<usize>) {
    let attributes = Attributes::default().with_text("a", "b").with_count("c", 3);
    let entries: Vec<_> = (0u64..)
        .zip([&b""[..], b"\x01\0\0\0p", b"payload"])
        .map(|(position, payload)| Entry {
            frame: Frame::new(Kind::TRANSFORM, payload),
            origin: match format {
                Format::Mixer => Origin {
                    position,
                    ..Origin::default()
                },
                Format::Mixdesk => Origin {
                    position: 1000 * position,
                    sender_id: Some("1.2.3.4:5".to_owned()),
                    sender_name: Some("Zoé".to_owned()),
                    arrived_millis: 7,
                },
            },
        })
        .collect();
    let starts = (0..=entries.len())
        .map(|count| save(format, &attributes, &entries[..count]).len())
        .collect();
    (save(format, &attributes, &entries), entries, starts)
}

#[test]
fn every_truncation_gives_what_is_whole_and_tells_the_rest() {
    for format in [Format::Mixer, Format::Mixdesk] {
        let (file, entries, starts) = small(format);
        for cut in 0..=file.len() {
            let read = read(&file[..cut]);
            if cut < starts[0] {
                assert!(
                    matches!(read, Err(ArchiveError::NoHeading { bytes }) if bytes == cut as u64),
                    "{format:?} cut at {cut}: {read:?}"
                );
                continue;
            }
            let whole = starts.iter().filter(|start| **start <= cut).count() - 1;
            let (given, ending) = read.unwrap();
            assert_eq!(given, entries[..whole]);
            let at = starts[whole];
            let wanted = match cut - at {
                0 => Ending::Whole,
                lost => Ending::CutOff {
                    at: at as u64,
                    lost_bytes: lost as u64,
                },
            };
            assert_eq!(ending.unwrap(), wanted, "{format:?} cut at {cut}");
        }
    }
}

#[test]
fn every_changed_byte_of_ours_is_found_and_nothing_wrong_is_given() {
    let (file, entries, starts) = small(Format::Mixdesk);
    for at in 0..file.len() {
        for change in 1..=u8::MAX {
            let mut file = file.clone();
            file[at] ^= change;
            let read = read(&file);
            if at < starts[0] {
                assert!(read.is_err(), "byte {at} changed by {change:#x}: {read:?}");
                continue;
            }
            let before = starts.iter().filter(|start| **start <= at).count() - 1;
            let (given, ending) = read.unwrap();
            assert_eq!(given, entries[..before]);
            let start = starts[before] as u64;
            assert!(
                matches!(ending, Err(ArchiveError::Damaged { at, .. }) if at == start),
                "byte {at} changed by {change:#x}: {ending:?}"
            );
        }
    }
}

#[test]
fn every_changed_byte_of_mixers_is_survived() {
    let (file, entries, starts) = small(Format::Mixer);
    for at in 0..file.len() {
        for change in 1..=u8::MAX {
            let mut file = file.clone();
            file[at] ^= change;
            let Ok((given, _)) = read(&file) else {
                assert!(at < starts[0]);
                continue;
            };
            if at >= starts[0] {
                let before = starts.iter().filter(|start| **start <= at).count() - 1;
                assert_eq!(given[..before], entries[..before]);
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_saved_is_read(
        format in both(),
        attributes in some_attributes(),
        entries in vec(some_entry(), 0..8),
    ) {
        let file = save(format, &attributes, &entries);
        let archive = open(&file).unwrap();
        prop_assert_eq!(archive.attributes(), &attributes);
        let (given, ending) = read(&file).unwrap();
        prop_assert_eq!(ending.unwrap(), Ending::Whole);
        match format {
            Format::Mixdesk => prop_assert_eq!(given, entries),
            Format::Mixer => {
                let frames = |entries: Vec<Entry>| {
                    entries.into_iter().map(|entry| entry.frame).collect::<Vec<_>>()
                };
                prop_assert_eq!(frames(given), frames(entries));
            }
        }
    }

    #[test]
    fn no_bytes_are_too_strange(
        start in prop_oneof![
            Just(Vec::new()),
            Just(b"\x02\0\0\0{}".to_vec()),
            Just(b"\x89MIXDESK\r\n\x1a\n\x01\0\0\0".to_vec()),
            Just(small(Format::Mixdesk).0),
        ],
        rest in vec(any::<u8>(), 0..2000),
    ) {
        let file = [start, rest].concat();
        if let Ok((entries, _)) = read(&file) {
            let given: usize = entries.iter().map(|entry| entry.frame.wire_len()).sum();
            prop_assert!(given <= file.len());
        }
    }

    #[test]
    fn damage_anywhere_costs_nothing_before_it(
        entries in vec(some_entry(), 1..8),
        places in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let attributes = Attributes::default();
        let mut file = save(Format::Mixdesk, &attributes, &entries);
        let heading = save(Format::Mixdesk, &attributes, &[]).len();
        for (place, byte) in places {
            let commands = &mut file[heading..];
            *place.get_mut(commands) = byte;
        }
        let (given, _) = read(&file).unwrap();
        prop_assert_eq!(&given, &entries[..given.len()]);
    }
}
