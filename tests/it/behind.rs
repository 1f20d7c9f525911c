//! Members who are far behind: what they have not read is in the room's file alone, and they read on there as
//! if it was not.

use mixdesk::relay::{Limits, Relay};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{self, JoinHandle};

use crate::common::client::{Got, join, read_frame, string, text};
use crate::common::history::{history, is_kept, replaces};
use crate::common::noise::Noise;
use crate::common::{Client, relay_with, soon};

const ROOM: &str = "Shot 12";
/// What a room has in memory for those who are a little behind.
const LIVE_BYTES: usize = 256 << 10;
/// So far behind, what one reads next is in the file alone.
const FAR_BYTES: u64 = 8 * LIVE_BYTES as u64;
/// More than all buffers between the relay and a narrow socket take.
const HISTORY_BYTES: u64 = 16 << 20;
const NARROW_BYTES: u32 = 64 << 10;
/// The most that is said in one turn: much less than is in memory.
const TURN: u64 = 8;
const EDIT_BYTES: u64 = 8000;
/// One turn in so many is a single large command.
const LARGE_EVERY: u64 = 16;
const LARGE_BYTES: usize = 256 << 10;
/// The last command of a part of a test; nothing else here is of this kind.
const LAST: u16 = 143;
/// Those who speak.
const SPEAKERS: usize = 2;

/// A member's reading half.
type Ear = BufReader<OwnedReadHalf>;

/// Who said a command is in the lowest bit of its id.
fn by(got: &Got) -> usize {
    got.id as usize % SPEAKERS
}

/// Two who speak in turn and may not read, and one who hears all at once and so knows the order.
struct Scene {
    relay: Relay,
    noise: Noise,
    mouths: Vec<OwnedWriteHalf>,
    /// Of the mouths, until they are taken.
    ears: Vec<Ear>,
    observer: Ear,
    /// All that was said, in the room's order.
    said: Vec<Got>,
    /// Held open.
    _observer: OwnedWriteHalf,
}

async fn narrow(relay: &Relay) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(NARROW_BYTES).unwrap();
    let stream = soon("connecting", socket.connect(relay.address())).await;
    let stream = stream.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn halves(client: Client) -> (Ear, OwnedWriteHalf) {
    let (ear, mouth) = client.stream.into_split();
    (BufReader::new(ear), mouth)
}

/// The next command of the room.
async fn hear(ear: &mut Ear) -> Got {
    loop {
        let got = soon("the next command", read_frame(ear)).await;
        let got = got.expect("a member was thrown out");
        assert_ne!(got.kind, 12, "{}", text(&got.payload));
        if got.kind > 100 {
            return got;
        }
    }
}

/// Hears the room until somebody else says the last.
fn hear_to_the_last(mut ear: Ear) -> JoinHandle<(Vec<Got>, Ear)> {
    task::spawn(async move {
        let mut heard = Vec::new();
        while heard.last().is_none_or(|got: &Got| got.kind != LAST) {
            heard.push(hear(&mut ear).await);
        }
        (heard, ear)
    })
}

/// All of it was heard, once and in order; what is live only may have been missed.
fn check(heard: &[Got], said: &[&Got]) {
    let mut heard = heard.iter().peekable();
    for (place, expected) in said.iter().enumerate() {
        if heard.next_if_eq(expected).is_none() {
            assert!(
                !is_kept(expected),
                "{} (kind {}), the {place}th, is to come; {:?} came",
                expected.id,
                expected.kind,
                heard.peek().map(|got| (got.id, got.kind))
            );
        }
    }
    let more: Vec<_> = heard.map(|got| (got.id, got.kind)).collect();
    assert!(more.is_empty(), "{more:?} came as well");
}

impl Scene {
    async fn start() -> Self {
        let relay = relay_with(Limits {
            live_bytes: LIVE_BYTES,
            ..Limits::default()
        });
        let (mut mouths, mut ears) = (Vec::new(), Vec::new());
        for speaker in 0..SPEAKERS {
            let mut client = Client::served(narrow(&relay).await).announced().await;
            match speaker {
                0 => client.make(ROOM).await,
                _ => client.enter(ROOM).await,
            }
            let (ear, mouth) = halves(client);
            mouths.push(mouth);
            ears.push(ear);
        }
        let mut observer = Client::hello(relay.address()).await;
        observer.enter(ROOM).await;
        let (observer, _observer) = halves(observer);
        Self {
            relay,
            noise: Noise::of_this_run(),
            mouths,
            ears,
            observer,
            said: Vec::new(),
            _observer,
        }
    }

    /// The id of what is said next.
    fn next_id(&self, speaker: usize) -> u32 {
        (self.said.len() * SPEAKERS + speaker) as u32
    }

    async fn say(&mut self, speaker: usize, commands: Vec<Got>) {
        let bytes: Vec<u8> = commands.iter().flat_map(Got::wire).collect();
        let mouth = &mut self.mouths[speaker];
        soon("saying it", mouth.write_all(&bytes)).await.unwrap();
        for expected in commands {
            assert!(hear(&mut self.observer).await == expected, "it is in order");
            self.said.push(expected);
        }
    }

    /// Of every sort: kept, replaced by the next about the same, or live only.
    async fn turn(&mut self, speaker: usize) {
        let first = self.next_id(speaker);
        let noise = &mut self.noise;
        let commands = if noise.one_in(LARGE_EVERY) {
            vec![Got {
                kind: 140,
                id: first,
                payload: noise.bytes(LARGE_BYTES),
            }]
        } else {
            let count = 1 + noise.below(TURN) as u32;
            (0..count)
                .map(|number| edit(noise, first + number * SPEAKERS as u32))
                .collect()
        };
        self.say(speaker, commands).await;
    }

    async fn turns(&mut self, count: usize) {
        for number in 0..count {
            self.turn(number % SPEAKERS).await;
        }
    }

    async fn last(&mut self, speaker: usize) {
        let id = self.next_id(speaker);
        let payload = Vec::new();
        let last = Got {
            kind: LAST,
            id,
            payload,
        };
        self.say(speaker, vec![last]).await;
    }

    /// How far somebody is behind, in commands and bytes.
    fn lag(&self, id: &str) -> (u64, u64) {
        let peers = self.relay.directory().peers;
        let peer = peers.iter().find(|peer| peer.client_id == id).unwrap();
        (peer.lag_commands, peer.lag_bytes)
    }

    fn id(&self, speaker: usize) -> String {
        self.mouths[speaker].local_addr().unwrap().to_string()
    }

    fn said_by_others(&self, speaker: usize) -> Vec<&Got> {
        let others = self.said.iter().filter(|got| by(got) != speaker);
        others.collect()
    }
}

fn edit(noise: &mut Noise, id: u32) -> Got {
    let count = noise.below(EDIT_BYTES) as usize;
    let rest = noise.bytes(count);
    let about = |noise: &mut Noise| string(["Cube", "Lamp"][noise.below(2) as usize]);
    let (kind, payload) = match noise.below(10) {
        0..3 => (140, rest),
        3..7 => (201, [about(noise), rest].concat()),
        7 => (998, [about(noise), rest].concat()),
        _ => ([139, 205, 1000][noise.below(3) as usize], rest),
    };
    Got { kind, id, payload }
}

/// What was superseded comes as well, and what one has said oneself does not.
#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_and_does_not_read_gets_all_of_the_others_later() {
    let mut scene = Scene::start().await;
    let ids = [0, 1].map(|speaker| scene.id(speaker));
    while ids.iter().any(|id| scene.lag(id).1 < FAR_BYTES) {
        scene.turns(2).await;
    }
    // They go on speaking while they read what was.
    let reading: Vec<_> = scene.ears.drain(..).map(hear_to_the_last).collect();
    scene.turns(100).await;
    for speaker in 0..SPEAKERS {
        scene.last(speaker).await;
    }
    let mut ears = Vec::new();
    for (speaker, reading) in reading.into_iter().enumerate() {
        let (heard, ear) = reading.await.unwrap();
        let others = scene.said_by_others(speaker);
        check(&heard, &others);
        let kept = others.iter().filter(|got| is_kept(got));
        println!("{} commands, {} of them kept", others.len(), kept.count());
        ears.push(ear);
    }
    let kept = scene.said.iter().filter(|got| is_kept(got)).count();
    assert!(history(&scene.said).len() < kept, "some were superseded");

    // All is live again, and nothing is missing of that.
    for number in 0..20 {
        let before = scene.said.len();
        scene.turn(number % SPEAKERS).await;
        let listener = (number + 1) % SPEAKERS;
        for expected in &scene.said[before..] {
            let got = hear(&mut ears[listener]).await;
            assert!(got == *expected, "{} came, not {}", got.id, expected.id);
        }
    }
    soon("stopping", scene.relay.stop()).await;
}

/// The history is as it was when one asked for it, and what came since is live.
#[tokio::test(flavor = "multi_thread")]
async fn who_stops_amid_the_history_gets_the_rest_of_it_and_all_that_came_since() {
    let mut scene = Scene::start().await;
    while scene.relay.directory().rooms[0].bytes < HISTORY_BYTES {
        scene.turns(2).await;
    }
    let about_cube = |id| Got {
        kind: 201,
        id,
        payload: string("Cube"),
    };
    // The end of the history, which is superseded before it is read.
    let end = about_cube(scene.next_id(0));
    scene.say(0, vec![end.clone()]).await;
    let until = scene.said.len();
    let mut joiner = Client::served(narrow(&scene.relay).await);
    let id = joiner.id();
    joiner.send(1, &join(ROOM, "2.93.0", "1.0.0", false)).await;
    joiner
        .until("the beginning of the history", |joiner| {
            joiner.commands().len() == 5
        })
        .await;

    let new = about_cube(scene.next_id(1));
    assert!(replaces(&new, &end));
    scene.say(1, vec![new]).await;
    let since = |scene: &Scene| -> usize {
        let said = scene.said[until..].iter();
        said.map(|got| got.wire().len()).sum()
    };
    while (since(&scene) as u64) < FAR_BYTES {
        scene.turns(2).await;
    }
    let (commands, _) = scene.lag(&id);
    let came = (scene.said.len() - until) as u64;
    assert!(commands > came, "{commands} are left: it has the history");

    let mut around: Vec<u16> = joiner.frames.iter().map(|got| got.kind).collect();
    let mut heard: Vec<Got> = joiner.commands().into_iter().cloned().collect();
    let (mut ear, _mouth) = halves(joiner);
    let reading = task::spawn(async move {
        while heard.last().is_none_or(|got| got.kind != LAST) {
            let got = soon("the next frame", read_frame(&mut ear)).await.unwrap();
            match got.kind {
                1 | 6 | 12 => around.push(got.kind),
                101.. => {
                    around.push(got.kind);
                    heard.push(got);
                }
                _ => {}
            }
        }
        (heard, around, ear)
    });
    scene.turns(20).await;
    scene.last(0).await;
    let (heard, around, mut ear) = reading.await.unwrap();

    let mut before = history(&scene.said[..until]);
    assert_eq!(before.pop(), Some(&end));
    assert_eq!(around.iter().position(|kind| *kind == 6), Some(0));
    assert_eq!(
        around.iter().position(|kind| *kind == 1),
        Some(1 + before.len()),
        "it is in after the history"
    );
    let (history, live) = heard.split_at(before.len());
    assert!(history.iter().eq(before), "it got another history");
    let said: Vec<_> = scene.said[until..].iter().collect();
    check(live, &said);
    for number in 0..20 {
        let before = scene.said.len();
        scene.turn(number % SPEAKERS).await;
        for expected in &scene.said[before..] {
            assert!(hear(&mut ear).await == *expected, "live again");
        }
    }
    soon("stopping", scene.relay.stop()).await;
}
