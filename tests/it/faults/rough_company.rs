//! The program in rough company: people work in a room, and all at once others stop in the middle of
//! a command, close one direction, send a byte a second, flood a room of their own, or ask without
//! reading. Those who work hear each other as soon as without them, and what is kept is what was said whole.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::{self, JoinHandle, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until};

use super::member::{Member, end};
use super::{about, command, make, until};
use crate::common::client::{Got, frame, join, read_frame, string, text};
use crate::common::history::history;
use crate::common::noise::Noise;
use crate::common::trips::Trips;
use crate::common::{Client, Program, soon};

const ROOM: &str = "Shot 12";
/// Between two edits of one who works.
const PACE: Duration = Duration::from_millis(20);
/// Between two bytes of one who trickles.
const TRICKLE: Duration = Duration::from_secs(1);
/// How long those who work are by themselves before.
const ALONE: Duration = Duration::from_secs(1);
/// As often it is tried whether somebody was delayed by the company or by the machine.
const TRIES: u32 = 3;
/// Who was ended comes again, but not more often than this: of more than 200 connections from one
/// address the log does not tell each.
const AGAIN: Duration = Duration::from_secs(1);
/// Who said a command stands above these bits of its id.
const NUMBER_BITS: u32 = 20;
/// The last command of one who works; nothing else here is of this kind.
const LAST: u16 = 143;

/// What the program may take of memory, whatever they do.
const MOST_BYTES: u64 = 80 << 20;
/// What one of them may fill before it is full.
const FULL_BYTES: u64 = 64 << 20;
/// … and what a room may take at all, so that nobody's disk is filled if that does not hold.
const ROOM_BYTES: u64 = 2 * FULL_BYTES;
/// One command of a flood.
const FLOOD_BYTES: usize = 1 << 20;
/// What makes a list of rooms long: a few such fill all buffers between the program and who does not
/// read.
const LONG_TEXT_BYTES: usize = 200 << 10;
/// What may wait for one of them. As many questions as may come at once do not reach it.
const PENDING_BYTES: usize = 64 << 10;

/// One of those whose company is rough.
#[derive(Clone, Copy, Debug)]
enum Rough {
    /// Says so many bytes of a command and goes on no more.
    Stalls(usize),
    /// Closes the direction in which it sends, after whole commands and so many bytes of another one,
    /// and listens on.
    HalfCloses(usize),
    /// Says the end of a command, or all of it, a byte a second.
    Trickles,
    /// The same with a command that has no end.
    TricklesOn,
    /// The same with the first message of all.
    TricklesFirst,
    /// Sends large commands into a room of its own, as fast as it can. Another member never reads.
    Floods,
    /// Asks for all rooms, as fast as it can, and never reads.
    Asks,
}

/// All of them. A header has 14 bytes: its first part, all of it, and some of what follows.
const COMPANY: [Rough; 10] = [
    Rough::Stalls(5),
    Rough::Stalls(14),
    Rough::Stalls(500),
    Rough::HalfCloses(0),
    Rough::HalfCloses(50),
    Rough::Trickles,
    Rough::TricklesOn,
    Rough::TricklesFirst,
    Rough::Floods,
    Rough::Asks,
];

/// What came of one of them.
struct Outcome {
    rough: Rough,
    /// Its address, by which the log calls it.
    id: String,
    /// By whom its commands are said.
    from: u32,
    /// What it has said whole in the room.
    said: Vec<Got>,
    /// What it has heard of the room's commands, once it was in.
    heard: Vec<Got>,
    /// What has to be in the log about it.
    logged: Vec<String>,
}

struct Place {
    address: SocketAddr,
    /// When the company comes.
    start: Instant,
    duration: Duration,
    /// After so long a stop is a stall, and who has not said a whole message is sent away.
    stall_seconds: u64,
    next: AtomicU32,
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn numbered(from: u32, number: u32) -> u32 {
    assert!(number < 1 << NUMBER_BITS);
    from << NUMBER_BITS | number
}

fn by(got: &Got) -> u32 {
    got.id >> NUMBER_BITS
}

impl Place {
    fn somebody(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.start.elapsed() >= self.duration
    }

    async fn enter(&self) -> Client {
        let mut client = Client::connect(self.address).await;
        client.take_history(ROOM).await;
        client
    }
}

impl Rough {
    /// Behaves so again and again, and once at least.
    async fn go_on(self, place: Arc<Place>) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut again = every(AGAIN);
        loop {
            again.tick().await;
            outcomes.push(self.behave(&place).await);
            if place.is_over() || matches!(self, Self::Trickles | Self::TricklesOn) {
                return outcomes;
            }
        }
    }

    async fn behave(self, place: &Place) -> Outcome {
        let outcome = Outcome {
            rough: self,
            id: String::new(),
            from: place.somebody(),
            said: Vec::new(),
            heard: Vec::new(),
            logged: Vec::new(),
        };
        match self {
            Self::Stalls(bytes) => outcome.stall(place, bytes).await,
            Self::HalfCloses(bytes) => outcome.half_close(place, bytes).await,
            Self::Trickles => outcome.trickle(place).await,
            Self::TricklesOn => outcome.trickle_on(place).await,
            Self::TricklesFirst => outcome.trickle_first(place).await,
            Self::Floods => outcome.flood(place).await,
            Self::Asks => outcome.ask(place).await,
        }
    }
}

impl Outcome {
    fn command(&self, number: u32, bytes: usize) -> Got {
        command(140, numbered(self.from, number), &vec![7; bytes])
    }

    fn heard_by(mut self, client: &Client) -> Self {
        self.id = client.id();
        self.heard = client.commands().into_iter().cloned().collect();
        self
    }

    async fn stall(mut self, place: &Place, bytes: usize) -> Self {
        let mut client = place.enter().await;
        client.raw(&self.command(0, 1000).wire()[..bytes]).await;
        client.until_closed().await;
        let why = format!(
            "it stopped in the middle of a message for {} s",
            place.stall_seconds
        );
        let words = format!("The server closed the connection: {why}.");
        assert_eq!(client.errors(), [words]);
        self.logged = vec![why];
        self.heard_by(&client)
    }

    async fn half_close(mut self, place: &Place, bytes: usize) -> Self {
        let mut client = place.enter().await;
        self.said = (0..20).map(|number| self.command(number, 1000)).collect();
        let mut wire: Vec<u8> = self.said.iter().flat_map(Got::wire).collect();
        wire.extend(&self.command(20, 1000).wire()[..bytes]);
        client.raw(&wire).await;
        client.stream.shutdown().await.unwrap();
        client.until_closed().await;
        // It has said itself that this is the end.
        assert_eq!(client.errors(), [""; 0]);
        self.logged = vec![match bytes {
            0 => "it closed the connection".into(),
            _ => "it closed the connection in the middle of a message".into(),
        }];
        self.heard_by(&client)
    }

    async fn trickle(mut self, place: &Place) -> Self {
        let mut client = place.enter().await;
        let got = self.command(0, 12);
        let wire = got.wire();
        let slowly = place.duration.as_secs().min(wire.len() as u64) as usize;
        let (at_once, slowly) = wire.split_at(wire.len() - slowly);
        client.raw(at_once).await;
        let mut ticks = every(TRICKLE);
        for byte in slowly {
            ticks.tick().await;
            client.raw(&[*byte]).await;
        }
        println!("{} bytes of a command trickled in", slowly.len());
        client.barrier().await;
        assert_eq!(client.errors(), [""; 0]);
        self.said = vec![got];
        self.heard_by(&client)
    }

    async fn trickle_on(mut self, place: &Place) -> Self {
        let mut client = place.enter().await;
        let wire = self.command(0, 1000).wire();
        let mut ticks = every(TRICKLE);
        for byte in wire {
            ticks.tick().await;
            if place.is_over() {
                break;
            }
            client.raw(&[byte]).await;
        }
        // It was let, and goes by itself.
        client.stream.shutdown().await.unwrap();
        client.until_closed().await;
        assert_eq!(client.errors(), [""; 0]);
        self.logged = vec!["it closed the connection in the middle of a message".into()];
        self.heard_by(&client)
    }

    async fn trickle_first(mut self, place: &Place) -> Self {
        let client = Client::connect(place.address).await;
        self.id = client.id();
        let Member {
            mut writer,
            mut seen,
            ..
        } = Member::new(client);
        let trickling = async {
            let mut ticks = every(TRICKLE);
            for byte in frame(1, 0, &join(ROOM, "2.93.0", "1.0.0", false)) {
                ticks.tick().await;
                // It may be closed by now.
                let _sent = writer.write_all(&[byte]).await;
            }
        };
        tokio::select! {
            () = trickling => panic!("it was let"),
            () = end(&mut seen) => {}
        }
        let why = format!("it finished no message within {} s", place.stall_seconds);
        let words = format!("The server closed the connection: {why} of connecting.");
        assert_eq!(seen.borrow().errors, [words]);
        self.logged = vec![why];
        self
    }

    async fn flood(mut self, place: &Place) -> Self {
        let room = format!("Flood {}", self.from);
        let mut client = Client::hello(place.address).await;
        self.id = client.id();
        client.make(&room).await;
        let mut deaf = Client::connect(place.address).await;
        deaf.send(1, &join(&room, "2.93.0", "1.0.0", false)).await;
        let mut flooding = Member::new(client);
        let piece = self.command(0, FLOOD_BYTES).wire();
        let mut sent = 0;
        while soon("the flood", flooding.writer.write_all(&piece))
            .await
            .is_ok()
        {
            sent += piece.len();
        }
        end(&mut flooding.seen).await;
        let why = format!("You are full: the server keeps {FULL_BYTES} bytes of rooms");
        let [words] = &flooding.seen().errors[..] else {
            panic!("{:?} after {sent} bytes", flooding.seen().errors)
        };
        assert!(words.starts_with(&why), "{words}");
        self.logged = vec![why];
        self
    }

    async fn ask(mut self, place: &Place) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = soon("connecting", socket.connect(place.address)).await;
        let mut client = Client::served(stream.unwrap()).announced().await;
        self.id = client.id();
        let room = format!("Asked for {}", self.from);
        client.make(&room).await;
        let long = json!({"long": "x".repeat(LONG_TEXT_BYTES)}).to_string();
        client
            .send(16, &[string(&room), string(&long)].concat())
            .await;
        let questions = frame(4, 0, b"").repeat(100);
        let asking = async { while client.stream.write_all(&questions).await.is_ok() {} };
        soon("the end of those who ask", asking).await;
        // How fast it was depends on the machine, and so whether it was told that as well.
        self.logged = vec![format!(
            "it asked for answers without reading them, and more than {PENDING_BYTES} bytes wait"
        )];
        self
    }
}

/// When it was sent or received, and what.
type Timed = (Instant, Got);

/// One who works: an edit at every tick, until it is enough. The connection is given back, as the room
/// needs it.
async fn edit_on(
    mut to: OwnedWriteHalf,
    from: u32,
    mut noise: Noise,
    enough: Arc<AtomicBool>,
) -> (Vec<Timed>, OwnedWriteHalf) {
    let mut ticks = every(PACE);
    let mut said = Vec::new();
    for number in 0.. {
        ticks.tick().await;
        let is_last = enough.load(Ordering::Relaxed);
        let id = numbered(from, number);
        let got = if is_last {
            command(LAST, id, b"")
        } else {
            edit(&mut noise, id)
        };
        let at = Instant::now();
        soon("an edit", to.write_all(&got.wire())).await.unwrap();
        said.push((at, got));
        if is_last {
            break;
        }
    }
    (said, to)
}

/// Of every kind that is kept, replaced or live only.
fn edit(noise: &mut Noise, id: u32) -> Got {
    let count = noise.below(500) as usize;
    match noise.below(10) {
        0..4 => command(140, id, &noise.bytes(count)),
        4..8 => about(201, id, ["Cube", "Lamp"][noise.below(2) as usize]),
        8 => command(140, id, &noise.bytes(40 * count)),
        _ => command(205, id, &noise.bytes(count)),
    }
}

/// Hears all of the room until so many have said their last.
async fn hear(from: OwnedReadHalf, editors: usize) -> Vec<Timed> {
    let mut from = BufReader::with_capacity(256 << 10, from);
    let mut heard = Vec::new();
    let mut ended = 0;
    while ended < editors {
        let got = soon("the next edit", read_frame(&mut from))
            .await
            .expect("one who works was thrown out");
        assert_ne!(got.kind, 12, "{}", text(&got.payload));
        if got.kind > 100 {
            ended += usize::from(got.kind == LAST);
            heard.push((Instant::now(), got));
        }
    }
    heard
}

/// Two who edit, and one who only looks on and so sees all in the room's order.
struct Work {
    enough: Arc<AtomicBool>,
    editing: Vec<JoinHandle<(Vec<Timed>, OwnedWriteHalf)>>,
    hearing: Vec<JoinHandle<Vec<Timed>>>,
    observing: JoinHandle<Vec<Timed>>,
    /// Held open.
    observer: OwnedWriteHalf,
}

/// What there was, once all is over.
struct Worked {
    /// All that was said in the room, in its order.
    observed: Vec<Got>,
    /// What each of those who work has said, and by whom.
    said: BTreeMap<u32, Vec<Got>>,
    /// When each edit was said, and how long it took from one to the other.
    took: Vec<(Instant, Duration)>,
    /// Held open, as the room needs somebody.
    _members: Vec<OwnedWriteHalf>,
}

impl Work {
    async fn start(place: &Place, content: &[Got], noise: &mut Noise) -> Self {
        let mut maker = Client::hello(place.address).await;
        make(&mut maker, ROOM, content).await;
        let members = [maker, place.enter().await];
        let observer = place.enter().await;
        let enough = Arc::new(AtomicBool::new(false));
        let (mut editing, mut hearing) = (Vec::new(), Vec::new());
        for member in members {
            let (reader, writer) = member.stream.into_split();
            let (from, noise) = (place.somebody(), Noise::new(noise.next()));
            editing.push(task::spawn(edit_on(
                writer,
                from,
                noise,
                Arc::clone(&enough),
            )));
            hearing.push(task::spawn(hear(reader, 1)));
        }
        let (reader, observer) = observer.stream.into_split();
        Self {
            enough,
            editing,
            hearing,
            observing: task::spawn(hear(reader, 2)),
            observer,
        }
    }

    /// Each of the two has heard all that the other has said, complete, once and in order, and
    /// whatever else was said there.
    async fn end(self) -> Worked {
        self.enough.store(true, Ordering::Relaxed);
        let (mut said, mut members) = (Vec::new(), vec![self.observer]);
        for editing in self.editing {
            let (timed, writer) = editing.await.unwrap();
            said.push(timed);
            members.push(writer);
        }
        let observed: Vec<Got> = gots(self.observing.await.unwrap());
        let mut took = Vec::new();
        for (number, hearing) in self.hearing.into_iter().enumerate() {
            let heard = hearing.await.unwrap();
            let own = by(&said[number][0].1);
            let others: Vec<&Got> = observed.iter().filter(|got| by(got) != own).collect();
            // Its last is the other's last, and what one says oneself is not told to oneself.
            let gots: Vec<&Got> = heard.iter().map(|(_, got)| got).collect();
            assert!(others == gots, "one who works has heard something else");
            let of_other = &said[1 - number];
            let from_other = heard
                .iter()
                .filter(|(_, got)| by(got) == by(&of_other[0].1));
            took.extend(of_other.iter().zip(from_other).map(|(said, heard)| {
                assert!(said.1 == heard.1, "lost, doubled or reordered");
                (said.0, heard.0 - said.0)
            }));
        }
        let said = said
            .into_iter()
            .map(|timed| (by(&timed[0].1), gots(timed)))
            .collect();
        Worked {
            observed,
            said,
            took,
            _members: members,
        }
    }
}

fn gots(timed: Vec<Timed>) -> Vec<Got> {
    timed.into_iter().map(|(_, got)| got).collect()
}

/// What was said there, by whom.
fn by_speaker(observed: &[Got]) -> BTreeMap<u32, Vec<Got>> {
    let mut said: BTreeMap<u32, Vec<Got>> = BTreeMap::new();
    for got in observed {
        said.entry(by(got)).or_default().push(got.clone());
    }
    said
}

/// Somebody has heard, from some moment on, all that others said, without a gap.
fn is_gapless(outcome: &Outcome, observed: &[Got]) -> bool {
    let mut others = observed.iter().filter(|got| by(got) != outcome.from);
    let Some(first) = outcome.heard.first() else {
        return true;
    };
    others.find(|got| *got == first).is_some()
        && outcome.heard[1..]
            .iter()
            .all(|got| others.next() == Some(got))
}

async fn undisturbed_in_rough_company(duration: Duration, stall_seconds: u64) {
    let mut delayed = Vec::new();
    while delayed.len() < TRIES as usize {
        let (alone, beside) = work_in_rough_company(duration, stall_seconds).await;
        match beside.check_against(&alone) {
            Ok(()) => return,
            Err(why) => delayed.push(why),
        }
    }
    panic!("the others were delayed: {delayed:#?}");
}

/// Returns how long edits took before the company came, and beside it.
async fn work_in_rough_company(duration: Duration, stall_seconds: u64) -> (Trips, Trips) {
    let mut noise = Noise::of_this_run();
    let home = TempDir::new().unwrap();
    let settings = format!(
        "[rooms]\nrecent_bytes = {FULL_BYTES}\n[relay]\nhandshake_seconds = {stall_seconds}\n\
         stall_seconds = {stall_seconds}\npending_bytes = {PENDING_BYTES}\n\
         rooms_bytes_per_peer = {FULL_BYTES}\nroom_bytes = {ROOM_BYTES}\n"
    );
    std::fs::write(home.path().join("settings.toml"), settings).unwrap();
    let program = Program::host(home.path());
    let place = Arc::new(Place {
        address: program.address(),
        start: Instant::now() + ALONE,
        duration,
        stall_seconds,
        next: AtomicU32::new(1),
    });
    let content: Vec<Got> = (0..50).map(|id| edit(&mut noise, id)).collect();
    let work = Work::start(&place, &content, &mut noise).await;
    let before = program.anonymous_bytes();

    sleep_until(place.start.into()).await;
    let mut company = JoinSet::new();
    for rough in COMPANY {
        company.spawn(rough.go_on(Arc::clone(&place)));
    }
    let mut outcomes = Vec::new();
    let mut most = before;
    let mut look = every(Duration::from_millis(100));
    while !company.is_empty() {
        tokio::select! {
            _ = look.tick() => {}
            Some(ended) = company.join_next() => outcomes.extend(ended.unwrap()),
        }
        most = most.max(program.anonymous_bytes());
    }
    let gone = Instant::now();
    let mut worked = work.end().await;
    let seconds = place.start.elapsed().as_secs_f64();
    let after = program.anonymous_bytes();

    let mut times = BTreeMap::new();
    for outcome in &outcomes {
        *times.entry(format!("{:?}", outcome.rough)).or_insert(0) += 1;
    }
    let trips = |from: Option<Instant>, until: Instant| {
        let of_then = worked
            .took
            .iter()
            .filter(|(said, _)| from.is_none_or(|from| *said >= from) && *said < until);
        Trips::new(of_then.map(|(_, took)| *took).collect())
    };
    let alone = trips(None, place.start);
    let beside = trips(Some(place.start), gone);
    for (what, trips) in [("alone", &alone), ("beside them", &beside)] {
        println!(
            "{seconds:.1} s, {what}: edits arrived in {:.1?} (p50), {:.1?} (p99), {:.1?} at most",
            trips.part(50),
            trips.part(99),
            trips.part(100)
        );
    }
    println!(
        "memory of its own: {} KiB before, {} at most, {} at the end; {times:?}",
        before >> 10,
        most >> 10,
        after >> 10
    );
    assert!(most <= MOST_BYTES, "it takes too much");

    for outcome in &outcomes {
        for words in &outcome.logged {
            let what = format!(
                "“{words}” about {} ({:?}) in the log",
                outcome.id, outcome.rough
            );
            let is_logged = || {
                let log = program.said();
                log.lines()
                    .any(|line| line.contains(&outcome.id) && line.contains(words))
            };
            until(&what, is_logged).await;
        }
        assert!(
            is_gapless(outcome, &worked.observed),
            "{:?} has heard something else",
            outcome.rough
        );
        if !outcome.said.is_empty() {
            worked.said.insert(outcome.from, outcome.said.clone());
        }
    }
    assert!(
        by_speaker(&worked.observed) == worked.said,
        "something else was said there"
    );
    let expected = history(content.iter().chain(&worked.observed));
    let mut late = Client::connect(program.address()).await;
    // The rooms of those who were closed end a little later.
    soon("one room to be left", async {
        while late.list_rooms().await.len() != 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(late.rooms.contains_key(ROOM));
    let given = late.take_history(ROOM).await;
    assert!(
        given.iter().eq(expected.iter().copied()),
        "who comes late is given something else"
    );
    program.kill();
    let program = Program::host(home.path());
    let mut late = Client::connect(program.address()).await;
    let given = late.take_history(ROOM).await;
    assert!(given.iter().eq(expected), "the file holds something else");
    (alone, beside)
}

#[tokio::test(flavor = "multi_thread")]
async fn rough_company_disturbs_nobody() {
    undisturbed_in_rough_company(Duration::from_secs(3), 4).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute; run by .ci/run"]
async fn rough_company_for_half_a_minute_disturbs_nobody() {
    undisturbed_in_rough_company(Duration::from_secs(30), 10).await;
}
