//! The program killed at random moments while rooms are in full use, and started again on what it
//! has left.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::watch;
use tokio::task::{self, JoinHandle};

use super::member::{Member, Seen, end};
use super::model::Round;
use super::{about, command, make, room_files, stands_in, until, written};
use crate::common::client::{Got, frame, string};
use crate::common::history::{history, is_kept};
use crate::common::noise::Noise;
use crate::common::program::{hosting, rooms_folder};
use crate::common::{Client, Program};

/// So that what is restored is restored again, and folders do not grow.
const ROUNDS_A_FOLDER: u32 = 10;
/// From the first command of a round to the kill, at most.
const LONGEST_ROUND: Duration = Duration::from_millis(120);
/// A kill while it starts comes within this time.
const STARTING: Duration = Duration::from_millis(15);
/// What a sender sends in a round as fast as it can; after that it takes its time.
const FAST_BYTES: usize = 512 << 10;
/// How often a sender sets an attribute of its room: once in so many writes, on average.
const ATTRIBUTE_EVERY: u64 = 8;
/// The attribute with which senders count.
const TAKE: &str = "take";

/// Mark, version and salt of a room's file.
const FILE_HEADER_BYTES: usize = 20;
/// Length of the body (u32) and two checksums.
const RECORD_HEADER_BYTES: usize = 12;
/// What is said of a torn end, which nobody has received.
const TOLD: &str = "the torn end of the room's file is cut off";

/// What flows in a round on average, at least, however slow the machine is.
const COMMANDS_A_ROUND: usize = 10;
const BYTES_A_ROUND: usize = 4 << 10;

/// A room, as it must be at the next start.
struct Room {
    name: String,
    history: Vec<Got>,
    /// The number that the attribute had.
    take: u64,
}

/// A folder that one program after the other hosts from.
struct Place {
    home: TempDir,
    rooms: Vec<Room>,
    next_sender: u32,
    /// Files of which a torn end was cut off.
    torn: usize,
}

/// Commands of every kind that a relay treats in its own way, each said once.
struct Speech {
    noise: Noise,
    next: u32,
}

impl Speech {
    fn next(&mut self) -> Got {
        let id = self.next;
        self.next += 1;
        let noise = &mut self.noise;
        let path = ["Cube", "Lamp", ""][noise.below(3) as usize];
        match noise.below(1000) {
            0..400 => command(140, id, &filler(noise, 20, 200)),
            400..450 => command(140, id, &filler(noise, 3 << 10, 30 << 10)),
            450..454 => command(140, id, &filler(noise, 200 << 10, 300 << 10)),
            454..500 => command([132, 133, 144, 12_345][noise.below(4) as usize], id, b""),
            500..800 => about(201, id, path),
            800..850 => about(202, id, path),
            // Mergeable, but without a leading string.
            850..870 => Got {
                kind: 206,
                id,
                payload: vec![],
            },
            870..970 => command(205, id, b""),
            _ => command([139, 1000][noise.below(2) as usize], id, b"live"),
        }
    }
}

fn filler(noise: &mut Noise, from: u64, to: u64) -> Vec<u8> {
    let count = from + noise.below(to - from);
    noise.bytes(count as usize)
}

/// What one sender has sent when it was cut off.
struct Sent {
    commands: Vec<Got>,
    /// The numbers it has set, if it is the one who does, and after how many commands.
    takes: Vec<(usize, u64)>,
}

impl Sent {
    /// The last number that must be in the file: whoever has seen a command that is kept can rely on all that its
    /// sender said before it. That the number itself was seen says nothing, as it is told before it is written.
    fn written_take(&self, seen: &HashSet<u32>) -> Option<u64> {
        let is_known = |got: &Got| is_kept(got) && seen.contains(&got.id);
        let known = self.commands.iter().rposition(is_known)?;
        let mut takes = self.takes.iter().rev();
        let (_, take) = takes.find(|(after, _)| *after <= known)?;
        Some(*take)
    }
}

/// What flowed in all rounds: where nothing is delivered, nothing can be lost.
#[derive(Debug, Default)]
struct Flow {
    sent: usize,
    /// By those who sent as well.
    received: usize,
    observed: usize,
    /// Rounds in which something was observed.
    rounds_observed: usize,
    /// In the history after a round, and not before it.
    restored: usize,
    restored_bytes: usize,
}

/// What ends a round.
#[derive(Clone, Copy, PartialEq)]
enum Cut {
    /// The program is killed and started again.
    Program,
    /// All members go, and come back to the same program: so that the model is right about a room
    /// that nothing has happened to.
    Members,
}

/// Sends until the connection breaks or it is enough. `take`: what the room's attribute was, for the one who sets it.
async fn send_on(
    mut to: OwnedWriteHalf,
    mut speech: Speech,
    room: String,
    mut take: Option<u64>,
    enough: Arc<AtomicBool>,
) -> Sent {
    let (mut commands, mut takes) = (Vec::new(), Vec::new());
    let mut bytes_sent = 0;
    loop {
        let mut bytes = Vec::new();
        for _ in 0..=speech.noise.below(12) {
            let got = speech.next();
            bytes.extend(got.wire());
            // Before it is written, as part of what is written may arrive.
            commands.push(got);
        }
        if let Some(take) = &mut take
            && speech.noise.one_in(ATTRIBUTE_EVERY)
        {
            *take += 1;
            takes.push((commands.len(), *take));
            bytes.extend(frame(16, 0, &set_take(&room, *take)));
        }
        bytes_sent += bytes.len();
        if to.write_all(&bytes).await.is_err() || enough.load(Ordering::Relaxed) {
            return Sent { commands, takes };
        }
        if bytes_sent > FAST_BYTES {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn set_take(room: &str, take: u64) -> Vec<u8> {
    [string(room), string(&json!({ TAKE: take }).to_string())].concat()
}

fn take_of(attributes: &Map<String, Value>) -> u64 {
    attributes[TAKE].as_u64().unwrap()
}

/// A room in use.
struct InUse {
    senders: Vec<(JoinHandle<Sent>, watch::Receiver<Seen>)>,
    observer: Member,
    enough: Arc<AtomicBool>,
}

impl Room {
    /// Members enter and check what they are given; then those who send begin to.
    async fn enter(&self, address: SocketAddr, speeches: Vec<Speech>) -> InUse {
        let mut members = Vec::new();
        for _ in 0..=speeches.len() {
            let mut client = Client::connect(address).await;
            let given = client.take_history(&self.name).await;
            assert!(given == self.history, "a member is given something else");
            members.push(Member::new(client));
        }
        let observer = members.pop().unwrap();
        let mut take = Some(self.take);
        let enough = Arc::new(AtomicBool::new(false));
        let senders = speeches
            .into_iter()
            .zip(members)
            .map(|(speech, Member { writer, seen, .. })| {
                let sending = send_on(
                    writer,
                    speech,
                    self.name.clone(),
                    take.take(),
                    Arc::clone(&enough),
                );
                (task::spawn(sending), seen)
            })
            .collect();
        InUse {
            senders,
            observer,
            enough,
        }
    }

    /// Checks what is there after the kill, and takes it over for the next one.
    async fn check(
        &mut self,
        address: SocketAddr,
        used: InUse,
        cut: Cut,
        flow: &mut Flow,
    ) -> Result<(), String> {
        let mut round = Round {
            before: std::mem::take(&mut self.history),
            ..Round::default()
        };
        let (mut last_take, mut least_take) = (self.take, self.take);
        let (mut all_sent, mut all_seen) = (Vec::new(), Vec::new());
        for (sending, mut seen) in used.senders {
            let sent = sending.await.unwrap();
            end(&mut seen).await;
            last_take = sent.takes.last().map_or(last_take, |(_, take)| *take);
            round.sent.push(sent.commands.clone());
            all_sent.push(sent);
            round.received.push(seen.borrow().commands.clone());
            all_seen.push(seen);
        }
        let Member {
            writer, mut seen, ..
        } = used.observer;
        drop(writer);
        end(&mut seen).await;
        round.observed.clone_from(&seen.borrow().commands);
        all_seen.push(seen);
        for seen in all_seen {
            let seen = seen.borrow();
            assert_eq!(seen.errors, [""; 0]);
            if cut == Cut::Members {
                let take = seen.attribute(&self.name, TAKE).and_then(Value::as_u64);
                least_take = least_take.max(take.unwrap_or(0));
            }
        }
        if cut == Cut::Program {
            let seen = round.received.iter().flatten().chain(&round.observed);
            let seen: HashSet<u32> = seen.map(|got| got.id).collect();
            let takes = all_sent.iter().filter_map(|sent| sent.written_take(&seen));
            least_take = takes.chain([least_take]).max().unwrap();
        }

        let mut client = Client::connect(address).await;
        let rooms = client.list_rooms().await;
        let said = rooms
            .get(&self.name)
            .ok_or_else(|| format!("the room is gone; there are {:?}", rooms.keys()))?
            .clone();
        let restored = client.take_history(&self.name).await;
        round.check(&restored)?;
        flow.sent += round.sent.iter().map(Vec::len).sum::<usize>();
        flow.received += round.received.iter().map(Vec::len).sum::<usize>();
        flow.observed += round.observed.len();
        let new = restored.get(round.before.len()..).unwrap_or_default();
        flow.restored += new.len();
        flow.restored_bytes += new.iter().map(|got| got.wire().len()).sum::<usize>();
        for (name, value) in [
            ("joinable", json!(true)),
            ("keep_open", json!(cut == Cut::Program)),
            ("blender_version", json!("2.93.0")),
            ("mixer_version", json!("1.0.0")),
            ("studio", studio()),
            ("command_count", json!(restored.len())),
            (
                "byte_size",
                json!(restored.iter().map(|got| got.wire().len()).sum::<usize>()),
            ),
        ] {
            if said.get(name) != Some(&value) {
                return Err(format!("{name} is {:?}, not {value}", said.get(name)));
            }
        }
        let take = take_of(&said);
        if !(least_take..=last_take).contains(&take) {
            return Err(format!(
                "an attribute is {take}, where {least_take} must be there and {last_take} was set last"
            ));
        }
        self.take = take;
        self.history = restored;
        Ok(())
    }
}

/// An attribute that is set once.
fn studio() -> Value {
    json!({"name": "Décor \"B\"", "scale": 1.0, "takes": [1, null, true]})
}

impl Place {
    /// A new folder, a program on it, and rooms with their makers, who stay and do not read.
    async fn start(noise: &mut Noise) -> (Self, Program, Vec<Client>) {
        let home = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let program = Program::host(home.path());
        let mut place = Self {
            home,
            rooms: Vec::new(),
            next_sender: 0,
            torn: 0,
        };
        let mut makers = Vec::new();
        for number in 0..=noise.below(2) {
            let name = format!("Room {number}");
            let mut maker = Client::connect(program.address()).await;
            let mut speech = place.speech(noise);
            let content: Vec<Got> = (0..20).map(|_| speech.next()).collect();
            make(&mut maker, &name, &content).await;
            let attributes = json!({"studio": studio(), TAKE: 0}).to_string();
            maker
                .send(16, &[string(&name), string(&attributes)].concat())
                .await;
            // They are told before they stand in the file.
            let (folder, take) = (rooms_folder(place.home.path()), format!("\"{TAKE}\": 0"));
            let rooms = place.rooms.len() + 1;
            until("attributes in the file", || {
                stands_in(&folder, &take) == rooms
            })
            .await;
            maker.barrier().await;
            makers.push(maker);
            place.rooms.push(Room {
                name,
                history: history(&content).into_iter().cloned().collect(),
                take: 0,
            });
        }
        (place, program, makers)
    }

    /// What a new sender will say, with ids that nobody else has.
    fn speech(&mut self, noise: &mut Noise) -> Speech {
        let next = self.next_sender << 20;
        self.next_sender += 1;
        Speech {
            noise: Noise::new(noise.next()),
            next,
        }
    }

    /// Uses all rooms, cuts that off, and looks at what is there then.
    async fn cut_off(
        &mut self,
        mut program: Program,
        cut: Cut,
        noise: &mut Noise,
        flow: &mut Flow,
    ) -> Result<Program, String> {
        let mut in_use = Vec::new();
        let speeches: Vec<Vec<Speech>> = (0..self.rooms.len())
            .map(|_| (0..=noise.below(2)).map(|_| self.speech(noise)).collect())
            .collect();
        for (room, speeches) in self.rooms.iter().zip(speeches) {
            in_use.push(room.enter(program.address(), speeches).await);
        }
        if noise.one_in(2) {
            // In the moment in which somebody sees a command.
            let count = 1 + noise.below(3000) as usize;
            let seeing = in_use[0]
                .observer
                .seen
                .wait_for(|seen| seen.commands.len() >= count);
            let _late = tokio::time::timeout(LONGEST_ROUND, seeing).await;
        } else {
            tokio::time::sleep(upto(noise, LONGEST_ROUND)).await;
        }
        if cut == Cut::Members {
            for used in &in_use {
                used.enough.store(true, Ordering::Relaxed);
            }
        } else {
            program.kill();
            if noise.one_in(4) {
                let starting = Program::start(&mut hosting(self.home.path(), 0));
                tokio::time::sleep(upto(noise, STARTING)).await;
                starting.kill();
            }
            let torn = torn_files(self.home.path());
            program = Program::host(self.home.path());
            check_told(&program, torn).await;
            self.torn += torn;
        }
        let observed_before = flow.observed;
        for (room, used) in self.rooms.iter_mut().zip(in_use) {
            let name = room.name.clone();
            room.check(program.address(), used, cut, flow)
                .await
                .map_err(|wrong| format!("{name}: {wrong}\n{}", program.said()))?;
        }
        flow.rounds_observed += usize::from(flow.observed > observed_before);
        Ok(program)
    }
}

/// Where records begin in a room's file, and where the last of them would end.
fn records(bytes: &[u8]) -> (Vec<usize>, usize) {
    let (mut starts, mut at) = (Vec::new(), FILE_HEADER_BYTES);
    while at < bytes.len() {
        starts.push(at);
        let length = bytes.get(at..at + 4).unwrap_or(&[0; 4]);
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        at += RECORD_HEADER_BYTES + length;
    }
    (starts, at)
}

/// How many rooms' files end amid a record.
fn torn_files(home: &Path) -> usize {
    let is_torn = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        records(&bytes).1 > bytes.len()
    };
    room_files(&rooms_folder(home))
        .iter()
        .filter(|path| is_torn(path))
        .count()
}

/// Of each torn end it is told that it is cut off, and nothing else is said of the files.
async fn check_told(program: &Program, torn: usize) {
    let told = || program.said().matches(TOLD).count();
    until("each torn end to be told", || told() >= torn).await;
    assert_eq!(told(), torn, "{}", program.said());
    assert!(!program.said().contains("damaged"), "{}", program.said());
}

fn upto(noise: &mut Noise, longest: Duration) -> Duration {
    Duration::from_micros(noise.below(longest.as_micros() as u64))
}

async fn rounds(count: u32, cut: Cut) -> Flow {
    let mut flow = Flow::default();
    let mut noise = Noise::of_this_run();
    let start = Instant::now();
    let (mut commands, mut bytes, mut torn) = (0, 0, 0);
    let mut done = 0;
    while done < count {
        let (mut place, mut program, makers) = Place::start(&mut noise).await;
        for _ in 0..ROUNDS_A_FOLDER.min(count - done) {
            program = match place.cut_off(program, cut, &mut noise, &mut flow).await {
                Ok(program) => program,
                Err(wrong) => {
                    let left = place.home.keep();
                    panic!(
                        "round {done}: {wrong}\nwhat was left is in {}",
                        left.display()
                    );
                }
            };
            done += 1;
        }
        drop(makers);
        torn += place.torn;
        for room in &place.rooms {
            commands += room.history.len();
            bytes += room
                .history
                .iter()
                .map(|got| got.wire().len())
                .sum::<usize>();
        }
    }
    println!(
        "{done} rounds in {:.1?}, {torn} torn ends, {commands} commands and {} MiB left in rooms",
        start.elapsed(),
        bytes >> 20
    );
    println!("{flow:?}");
    assert!(flow.observed > 0 && flow.restored > 0, "{flow:?}");
    flow
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_amid_use_and_comes_back_finds_the_room_as_the_model_has_it() {
    rounds(5, Cut::Members).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_nothing_that_anybody_has_seen() {
    rounds(5, Cut::Program).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "200 kills take a minute; run by .ci/run"]
async fn two_hundred_kills_lose_nothing_that_anybody_has_seen() {
    const ROUNDS: usize = 200;
    let flow = rounds(ROUNDS as u32, Cut::Program).await;
    // Of those who send, not all are with others who do.
    for (what, count, a_round) in [
        ("sent", flow.sent, COMMANDS_A_ROUND),
        ("received", flow.received, COMMANDS_A_ROUND / 4),
        ("observed", flow.observed, COMMANDS_A_ROUND),
        ("restored", flow.restored, COMMANDS_A_ROUND / 2),
        ("restored in bytes", flow.restored_bytes, BYTES_A_ROUND),
    ] {
        let least = ROUNDS * a_round;
        assert!(
            count >= least,
            "{what}: {count}, at least {least} were to be"
        );
    }
    assert!(flow.rounds_observed >= ROUNDS / 2, "{flow:?}");
}

/// In the header of a record, right behind it, and at its last byte.
#[tokio::test(flavor = "multi_thread")]
async fn a_torn_end_is_cut_off_and_told() {
    let home = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut program = Program::host(home.path());
    let mut maker = Client::connect(program.address()).await;
    make(&mut maker, "Room", &[command(140, 0, b"content")]).await;
    written(&maker, "Room").await;
    let mut expected = vec![command(140, 0, b"content")];
    for (number, left) in [5, RECORD_HEADER_BYTES, usize::MAX].into_iter().enumerate() {
        let mut member = Client::connect(program.address()).await;
        assert_eq!(member.take_history("Room").await, expected);
        let (kept, lost) = (number as u32 * 2 + 1, number as u32 * 2 + 2);
        for id in [kept, lost] {
            member.raw(&command(140, id, b"edit").wire()).await;
            // A record of its own.
            written(&member, "Room").await;
        }
        expected.push(command(140, kept, b"edit"));
        program.kill();
        assert_eq!(torn_files(home.path()), 0);
        let [path] = &room_files(&rooms_folder(home.path()))[..] else {
            panic!("one file")
        };
        let bytes = std::fs::read(path).unwrap();
        let last = command(140, lost, b"edit").wire();
        let at = bytes.windows(last.len()).rposition(|part| part == last);
        let (starts, _) = records(&bytes);
        let start = starts.into_iter().rfind(|start| *start < at.unwrap());
        let end = start.unwrap().saturating_add(left).min(bytes.len() - 1);
        std::fs::write(path, &bytes[..end]).unwrap();
        assert_eq!(torn_files(home.path()), 1);
        program = Program::host(home.path());
        check_told(&program, 1).await;
    }
    let mut late = Client::connect(program.address()).await;
    assert_eq!(late.take_history("Room").await, expected);
}
