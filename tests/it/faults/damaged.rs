//! Journals that were cut off, flipped, zeroed, torn apart: the program starts, and every room is
//! there with all that is still readable.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{about, command, files, make, room_files, written};
use crate::common::client::{Got, Mirror, string};
use crate::common::history::history;
use crate::common::noise::Noise;
use crate::common::program::rooms_folder;
use crate::common::{Client, Program};

/// Mark, version and salt.
const FILE_HEADER_BYTES: usize = 20;
/// Length of the body (u32) and two checksums.
const RECORD_HEADER_BYTES: usize = 12;
/// Rooms that one start restores: a start takes longer than a room.
const ROOMS: usize = 50;
/// Rooms whose files are hurt around every end of a record.
const THOROUGH: usize = 5;
const CONTENT: u32 = 8;
const EDITS: u32 = 30;
/// After so many edits the attribute is set.
const ATTRIBUTE_EVERY: u32 = 6;
const TAKE: &str = "take";
const LAST_TAKE: u32 = (CONTENT + EDITS - 1) / ATTRIBUTE_EVERY * ATTRIBUTE_EVERY;

/// A room's file as the program wrote it, and what is in it.
struct Journal {
    room: String,
    name: PathBuf,
    bytes: Vec<u8>,
    records: Vec<Record>,
}

struct Record {
    at: Range<usize>,
    commands: Vec<Got>,
    /// The attribute's value, if it is set here.
    take: Option<u64>,
    /// Here the room becomes one that is worth keeping.
    joinable: bool,
}

/// What happens to a file.
#[derive(Clone, Debug)]
enum Damage {
    /// All from here is gone.
    Cut(usize),
    /// One bit is another.
    Flip(usize, u8),
    /// As after a loss of power on some disks.
    Zero(Range<usize>),
    /// A part is gone, and what follows has moved.
    Remove(Range<usize>),
    /// A part is there once more after itself.
    Repeat(Range<usize>),
    /// Something else follows.
    Append(Vec<u8>),
}

impl Damage {
    fn random(noise: &mut Noise, bytes: usize, number: usize) -> Self {
        // What a file starts with is where most can go wrong.
        let within = if noise.below(4) == 0 { 300 } else { bytes };
        let at = noise.below(within.min(bytes) as u64) as usize;
        let range = at..bytes.min(at + 1 + noise.below(300) as usize);
        match number % 8 {
            0..3 => Self::Cut(at),
            3..6 => Self::Flip(at, 1 << noise.below(8)),
            _ => match noise.below(5) {
                0 => Self::Zero(range),
                1 => Self::Zero(at..bytes),
                2 => Self::Remove(range),
                3 => Self::Repeat(range),
                _ => {
                    let count = noise.below(300) as usize;
                    Self::Append(noise.bytes(count))
                }
            },
        }
    }

    /// At the end of a record, a byte before it and a byte after it.
    fn around(noise: &mut Noise, end: usize, bytes: usize) -> Vec<Self> {
        let mut bit = || 1 << noise.below(8);
        let mut around = vec![
            Self::Cut(end),
            Self::Cut(end - 1),
            Self::Flip(end - 1, bit()),
        ];
        if end < bytes {
            around.extend([Self::Cut(end + 1), Self::Flip(end, bit())]);
        } else {
            // Of the next one, one byte is there already.
            around.push(Self::Append(vec![bit()]));
        }
        around
    }

    fn applied(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self {
            Self::Cut(at) => bytes.truncate(*at),
            Self::Flip(at, bit) => bytes[*at] ^= bit,
            Self::Zero(range) => bytes[range.clone()].fill(0),
            Self::Remove(range) => drop(bytes.drain(range.clone())),
            Self::Repeat(range) => {
                let part = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, part);
            }
            Self::Append(more) => bytes.extend(more),
        }
        bytes
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|there| there == part)
}

impl Journal {
    fn read(path: &Path, rooms: &[(String, Vec<Got>)]) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let mut records = Vec::new();
        let mut at = FILE_HEADER_BYTES;
        while at < bytes.len() {
            let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            let end = at + RECORD_HEADER_BYTES + length;
            records.push(at..end);
            at = end;
        }
        assert_eq!(at, bytes.len(), "the file is made of records");
        let heading = &bytes[records[0].clone()];
        let (room, sent) = rooms
            .iter()
            .find(|(room, _)| contains(heading, room.as_bytes()))
            .unwrap();
        let records = records
            .into_iter()
            .map(|at| {
                let body = &bytes[at.clone()];
                let is_here = |got: &&Got| contains(body, &got.wire());
                let text = String::from_utf8_lossy(body);
                let take = text.split("\"take\": ").nth(1).map(|rest| {
                    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    digits.parse().unwrap()
                });
                Record {
                    commands: sent.iter().filter(is_here).cloned().collect(),
                    take,
                    joinable: text.contains("\"joinable\": true"),
                    at,
                }
            })
            .collect();
        let journal = Self {
            room: room.clone(),
            name: path.file_name().unwrap().into(),
            bytes,
            records,
        };
        let all = journal.records.iter().flat_map(|record| &record.commands);
        assert_eq!(history(all), history(sent), "all commands are in the file");
        journal
    }

    /// All that may happen around an end: that of the header, that of every record.
    fn around_ends(&self, noise: &mut Noise) -> Vec<Damage> {
        let ends = self.records.iter().map(|record| record.at.end);
        std::iter::once(FILE_HEADER_BYTES)
            .chain(ends)
            .flat_map(|end| Damage::around(noise, end, self.bytes.len()))
            .collect()
    }

    /// Whether what stood here is not in `bytes` any more, wherever it is now.
    fn is_lost(&self, at: &Range<usize>, bytes: &[u8]) -> bool {
        let part = &self.bytes[at.clone()];
        bytes.get(at.clone()) != Some(part) && !contains(bytes, part)
    }
}

/// Rooms and what was sent to them, made by the real program.
async fn make_rooms(noise: &mut Noise) -> Vec<Journal> {
    let home = TempDir::new().unwrap();
    let program = Program::host(home.path());
    let mut making = JoinSet::new();
    for number in 0..ROOMS {
        let (address, mut noise) = (program.address(), Noise::new(noise.next()));
        making.spawn(async move {
            let room = format!("Room {number:03}");
            let mut maker = Client::connect(address).await;
            let mut sent: Vec<Got> = (0..CONTENT).map(|id| edit(&mut noise, id)).collect();
            make(&mut maker, &room, &sent).await;
            // That the room is whole stands before the edits, then.
            Client::connect(address).await.take_history(&room).await;
            for id in CONTENT..CONTENT + EDITS {
                let got = edit(&mut noise, id);
                maker.raw(&got.wire()).await;
                sent.push(got);
                if id.is_multiple_of(ATTRIBUTE_EVERY) {
                    let take = json!({TAKE: id}).to_string();
                    maker
                        .send(16, &[string(&room), string(&take)].concat())
                        .await;
                }
                // So that commands do not share a record.
                maker.barrier().await;
            }
            // Seen by somebody, so in the file.
            let mut other = Client::connect(address).await;
            let given = other.take_history(&room).await;
            assert!(given.iter().eq(history(&sent)));
            let last = |client: &Client| client.rooms.get(&room)?.get(TAKE)?.as_u64();
            maker
                .until("the last attribute", |maker| {
                    last(maker) == Some(u64::from(LAST_TAKE))
                })
                .await;
            (room, sent, maker)
        });
    }
    let mut rooms = Vec::new();
    let mut makers = Vec::new();
    for (room, sent, maker) in making.join_all().await {
        rooms.push((room, sent));
        makers.push(maker);
    }
    program.kill();
    let made = room_files(&rooms_folder(home.path()));
    assert_eq!(made.len(), ROOMS, "{made:?}");
    made.iter()
        .map(|path| Journal::read(path, &rooms))
        .collect()
}

fn edit(noise: &mut Noise, id: u32) -> Got {
    let path = ["Cube", "Lamp"][noise.below(2) as usize];
    match noise.below(6) {
        0..2 => about(201, id, path),
        2 => about(202, id, path),
        3 => command(205, id, b""),
        _ => {
            let count = 20 + noise.below(200);
            command(140, id, &noise.bytes(count as usize))
        }
    }
}

/// A room that was hurt.
struct Hurt<'a> {
    journal: &'a Journal,
    damage: Damage,
    bytes: Vec<u8>,
}

impl<'a> Hurt<'a> {
    fn new(journal: &'a Journal, damage: Damage) -> Self {
        Self {
            bytes: damage.applied(&journal.bytes),
            journal,
            damage,
        }
    }

    /// Records that can still be read.
    fn left(&self) -> impl Iterator<Item = &Record> {
        let records = self.journal.records.iter();
        records.filter(|record| !self.journal.is_lost(&record.at, &self.bytes))
    }

    fn shown(&self) -> String {
        let records = self.journal.records.iter().enumerate();
        let hurt: Vec<String> = records
            .filter(|(_, record)| self.journal.is_lost(&record.at, &self.bytes))
            .map(|(number, record)| format!("{number} at {:?}", record.at))
            .collect();
        format!(
            "{}, {:?} of {} bytes, which hurts {hurt:.5?}",
            self.journal.room,
            self.damage,
            self.journal.bytes.len()
        )
    }

    /// Whether it need not come back as long as nothing of its file is lost: it cannot be known
    /// which room it is or whether it was whole.
    fn may_be_set_aside(&self) -> bool {
        let Journal { bytes, records, .. } = self.journal;
        !self.bytes.starts_with(&bytes[..FILE_HEADER_BYTES])
            || records.iter().enumerate().any(|(number, record)| {
                (number == 0 || record.joinable) && self.journal.is_lost(&record.at, &self.bytes)
            })
    }

    /// Whether its maker had not finished it, as far as the file goes.
    fn is_unfinished(&self) -> bool {
        let shows_nothing = match self.damage {
            Damage::Cut(_) => true,
            // Whole records went, and no other was touched.
            Damage::Remove(_) => {
                let left = self
                    .left()
                    .map(|record| &self.journal.bytes[record.at.clone()]);
                let header = &self.journal.bytes[..FILE_HEADER_BYTES];
                self.bytes
                    == [header]
                        .into_iter()
                        .chain(left)
                        .collect::<Vec<_>>()
                        .concat()
            }
            _ => false,
        };
        shows_nothing && !self.left().any(|record| record.joinable)
    }

    fn check(&self, home: &Path, rooms: &Mirror, given: Option<&[Got]>) -> Result<(), String> {
        let Some(given) = given else {
            let there = files(&rooms_folder(home));
            let is_set_aside = || {
                there
                    .iter()
                    .any(|path| std::fs::read(path).unwrap() == self.bytes)
            };
            return if self.is_unfinished() || self.may_be_set_aside() && is_set_aside() {
                Ok(())
            } else {
                Err("the room is gone".into())
            };
        };
        let left = self.left();
        let left = history(left.flat_map(|record| &record.commands));
        if !given.iter().eq(left.iter().copied()) {
            let ids = |history: Vec<&Got>| history.iter().map(|got| got.id).collect::<Vec<_>>();
            return Err(format!(
                "there are {:?}, not {:?}",
                ids(given.iter().collect()),
                ids(left)
            ));
        }
        let said = &rooms[&self.journal.room];
        for (name, value) in [
            ("joinable", json!(true)),
            ("keep_open", json!(true)),
            ("command_count", json!(given.len())),
        ] {
            if said.get(name) != Some(&value) {
                return Err(format!("{name} is {:?}, not {value}", said.get(name)));
            }
        }
        let left = self.left();
        let take = left.filter_map(|record| record.take).last();
        if said.get(TAKE).and_then(Value::as_u64) != take {
            return Err(format!(
                "the attribute is {:?}, not {take:?}",
                said.get(TAKE)
            ));
        }
        Ok(())
    }
}

/// Starts the program on hurt rooms, looks, goes on in each of them, kills it, and looks again.
async fn check(hurt: &[Hurt<'_>]) {
    let home = TempDir::new().unwrap();
    let folder = rooms_folder(home.path());
    std::fs::create_dir_all(&folder).unwrap();
    for room in hurt {
        std::fs::write(folder.join(&room.journal.name), &room.bytes).unwrap();
    }
    let program = Program::host(home.path());
    let mut client = Client::connect(program.address()).await;
    let rooms = client.list_rooms().await;
    let mut left = Vec::new();
    let mut wrong = Vec::new();
    for room in hurt {
        let name = &room.journal.room;
        let given = match rooms.contains_key(name) {
            true => {
                let mut client = Client::connect(program.address()).await;
                Some((client.take_history(name).await, client))
            }
            false => None,
        };
        let history = given.as_ref().map(|(history, _)| &history[..]);
        if let Err(error) = room.check(home.path(), rooms, history) {
            let said = program.said();
            let about: Vec<&str> = said
                .lines()
                .filter(|line| line.contains(name) && line.len() < 500)
                .collect();
            wrong.push(format!("{}: {error}\n{}", room.shown(), about.join("\n")));
        }
        left.extend(given.map(|(history, client)| (name, history, client)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let mut gone_on = Vec::new();
    for (name, mut expected, mut client) in left {
        let new = command(140, 1000, b"after the damage");
        let mut other = Client::connect(program.address()).await;
        other.take_history(name).await;
        client.raw(&new.wire()).await;
        other
            .until("the command", |other| other.commands() == [&new])
            .await;
        expected.push(new);
        gone_on.push((name, expected, client));
    }
    program.kill();
    let program = Program::host(home.path());
    let mut client = Client::connect(program.address()).await;
    let there = client.list_rooms().await;
    assert_eq!(there.len(), gone_on.len(), "{:?}", there.keys());
    for (name, expected, _) in &gone_on {
        let mut client = Client::connect(program.address()).await;
        let given = client.take_history(name).await;
        let damage = &hurt
            .iter()
            .find(|room| room.journal.room == **name)
            .unwrap();
        assert!(
            given == *expected,
            "the second start differs: {}\n{}",
            damage.shown(),
            program.said()
        );
    }
}

/// `count` damages by chance; before them, in `thorough` of the rooms, those around all ends of records.
async fn damage_rooms(count: usize, thorough: usize) {
    let mut noise = Noise::of_this_run();
    let journals = make_rooms(&mut noise).await;
    let around: Vec<(&Journal, Vec<Damage>)> = journals
        .iter()
        .take(thorough)
        .map(|journal| (journal, journal.around_ends(&mut noise)))
        .collect();
    let planned = around
        .iter()
        .map(|(_, damages)| damages.len())
        .sum::<usize>();
    println!("{planned} damages around the ends of records, {count} elsewhere");
    // A room is there once, so each start restores it with one of its damages.
    let starts = around.iter().map(|(_, damages)| damages.len()).max();
    for start in 0..starts.unwrap_or(0) {
        let of_this_start = around.iter().filter_map(|(journal, damages)| {
            let damage = damages.get(start)?.clone();
            Some(Hurt::new(journal, damage))
        });
        let hurt: Vec<Hurt<'_>> = of_this_start.collect();
        check(&hurt).await;
    }
    let mut done = 0;
    while done < count {
        let mut hurt = Vec::new();
        for journal in &journals {
            let damage = Damage::random(&mut noise, journal.bytes.len(), done);
            done += 1;
            hurt.push(Hurt::new(journal, damage));
        }
        check(&hurt).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_costs_what_it_touches_and_nothing_else() {
    damage_rooms(2 * ROOMS, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "thousands of damages take a while; run by .ci/run"]
async fn damage_anywhere_costs_what_it_touches_and_nothing_else() {
    damage_rooms(2000, THOROUGH).await;
}

/// Whatever lies in the folder is left alone.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_rooms_are_no_harm_and_stay() {
    let mut noise = Noise::of_this_run();
    let home = TempDir::new().unwrap();
    let program = Program::host(home.path());
    let mut maker = Client::hello(program.address()).await;
    make(&mut maker, "Shot 12", &[command(140, 1, b"scene")]).await;
    written(&maker, "Shot 12").await;
    program.kill();
    let folder = rooms_folder(home.path());
    let journal = room_files(&folder).remove(0);
    let whole = std::fs::read(&journal).unwrap();
    std::fs::copy(&journal, folder.join("a copy of it.mixdesk")).unwrap();
    std::fs::create_dir(folder.join("a folder.mixdesk")).unwrap();
    let strange: Vec<(&str, Vec<u8>)> = vec![
        ("notes.txt", b"by hand".to_vec()),
        ("empty.mixdesk", Vec::new()),
        ("noise.mixdesk", noise.bytes(10_000)),
        ("mark only.mixdesk", whole[..12].to_vec()),
        (
            "newer.mixdesk",
            [&whole[..12], &[9, 0, 0, 0], &whole[16..]].concat(),
        ),
        ("zeros.mixdesk", vec![0; 10_000]),
        ("picture.mixdesk", b"\x89PNG\r\n\x1a\n0000".to_vec()),
    ];
    for (name, bytes) in &strange {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    std::os::unix::fs::symlink(folder.join("loop.mixdesk"), folder.join("loop.mixdesk")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.join("endless.mixdesk")).unwrap();
    for _ in 0..2 {
        let program = Program::host(home.path());
        let mut client = Client::connect(program.address()).await;
        let rooms: Vec<String> = client.list_rooms().await.keys().cloned().collect();
        assert!(rooms.contains(&"Shot 12".to_owned()), "{rooms:?}");
        let history = client.take_history("Shot 12").await;
        assert_eq!(history, [command(140, 1, b"scene")]);
        program.kill();
        let there: Vec<Vec<u8>> = files(&folder)
            .iter()
            .filter(|path| path.is_file())
            .map(|path| std::fs::read(path).unwrap())
            .collect();
        for (name, bytes) in &strange {
            assert!(bytes.is_empty() || there.contains(bytes), "{name} is gone");
        }
    }
}
