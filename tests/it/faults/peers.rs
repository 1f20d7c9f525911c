//! Broken and numerous peers beside healthy ones. `bad_input.rs` and `shutdown.rs` have those that
//! claim, stop, ask without reading, and never read; here are those that only ever get on a little,
//! close one direction, or flood the very room that others work in, and very many of them.
//! `rough_company.rs` has most of them at once, around a program of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mixdesk::net::raise_open_files;
use mixdesk::relay::Limits;
use rustix::process::{Resource, getrlimit};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::command;
use super::member::Member;
use crate::common::arena::{Arena, FLAT_BYTES, hasty, tight};
use crate::common::client::{Got, frame, join, read_frame};
use crate::common::skip::Skipped;
use crate::common::trips::Trips;
use crate::common::{Client, Program, soon};

/// Between the bytes of a peer that trickles: far less than the time after which a stop is a stall.
const TRICKLE: Duration = Duration::from_millis(50);

/// How long an answer takes.
async fn trip(client: &mut Client) -> Duration {
    let asked = Instant::now();
    client.barrier().await;
    asked.elapsed()
}

async fn trips(client: &mut Client, count: usize) -> Trips {
    let mut took = Vec::new();
    for _ in 0..count {
        took.push(trip(client).await);
    }
    Trips::new(took)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_trickles_its_first_message_is_closed_in_time() {
    let arena = Arena::start_with(hasty()).await;
    let peer = arena.stranger().await;
    let start = Instant::now();
    let (mut reader, mut writer) = peer.stream.into_split();
    let trickling = async {
        for byte in frame(140, 0, &[0; 10_000]) {
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(TRICKLE).await;
        }
    };
    let closed = async {
        let mut said = Vec::new();
        // However it is closed: by an end or by a reset, as more was on its way.
        let _end = reader.read_to_end(&mut said).await;
    };
    soon("the end of it", async {
        tokio::select! {
            () = trickling => {}
            () = closed => {}
        }
    })
    .await;
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    arena.end(FLAT_BYTES).await;
}

/// It gets on, if slowly: a connection may be as bad as that.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_trickles_is_let_and_delays_nobody() {
    let arena = Arena::start_with(Limits {
        stall_seconds: 4,
        ..tight()
    })
    .await;
    let mut slow = arena.known().await;
    slow.enter("Healthy").await;
    let mut slow = Member::new(slow);
    let mut other = arena.known().await;
    other.make("Other").await;
    let without = trips(&mut other, 100).await;
    // Longer than a stop may last.
    let words = frame(18, 0, b"");
    let (start, mut took) = (Instant::now(), Vec::new());
    while start.elapsed() < Duration::from_secs(6) {
        for byte in &words {
            slow.raw(&[*byte]).await;
            tokio::time::sleep(TRICKLE).await;
            took.push(trip(&mut other).await);
        }
    }
    Trips::new(took).check_against(&without).unwrap();
    slow.until("its answers", |seen| seen.answers >= 3).await;
    assert!(!slow.seen().closed);
    arena.end(FLAT_BYTES).await;
}

/// A connection that was closed in one direction is one that ends: what came before counts, and
/// nobody waits for the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_only_listens_any_more_is_out_after_all_it_said() {
    let arena = Arena::start().await;
    let mut maker = arena.known().await;
    maker.make("R").await;
    let mut closing = arena.known().await;
    closing.enter("R").await;
    let id = closing.id();
    let said: Vec<Got> = (0..500).map(|id| command(140, id, &[7; 1000])).collect();
    let wire: Vec<u8> = said.iter().flat_map(Got::wire).collect();
    closing.raw(&wire).await;
    closing.stream.shutdown().await.unwrap();
    maker
        .until("it to be gone", |maker| !maker.clients.contains_key(&id))
        .await;
    maker
        .until("all it said", |maker| maker.commands().len() == said.len())
        .await;
    assert!(maker.commands().into_iter().eq(&said));
    closing.until_closed().await;
    arena.relay.down_to(3).await;
    arena.end(FLAT_BYTES).await;
}

/// The other direction: it has closed its ears and goes on sending.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_does_not_listen_any_more_is_heard() {
    let arena = Arena::start().await;
    let mut maker = arena.known().await;
    maker.make("R").await;
    let mut deaf = arena.known().await;
    deaf.enter("R").await;
    socket2::SockRef::from(&deaf.stream)
        .shutdown(std::net::Shutdown::Read)
        .unwrap();
    let said: Vec<Got> = (0..500).map(|id| command(140, id, &[7; 1000])).collect();
    for got in &said {
        deaf.raw(&got.wire()).await;
        maker
            .raw(&command(140, got.id, b"to deaf ears").wire())
            .await;
    }
    maker
        .until("all it said", |maker| maker.commands().len() == said.len())
        .await;
    assert!(maker.commands().into_iter().eq(&said));
    arena.end(2 * FLAT_BYTES).await;
}

/// One floods the room that the others work in. They get all of it, and their own words between.
#[tokio::test(flavor = "multi_thread")]
async fn who_floods_a_room_does_not_drown_the_others() {
    const FLOOD: u32 = 20_000;
    const WORDS: u32 = 200;
    let arena = Arena::start_with(Limits {
        live_bytes: 64 << 20,
        ..tight()
    })
    .await;
    let mut maker = arena.known().await;
    maker.make("Flooded").await;
    let mut flooding = arena.known().await;
    flooding.enter("Flooded").await;
    let mut listening = arena.known().await;
    listening.enter("Flooded").await;
    let mut maker = Member::new(maker);
    let mut flooding = Member::new(flooding);
    let mut listening = Member::new(listening);
    let flood = async {
        for start in (0..FLOOD).step_by(500) {
            let some: Vec<u8> = (start..start + 500)
                .flat_map(|id| command([140, 205][id as usize % 2], id, b"").wire())
                .collect();
            flooding.raw(&some).await;
        }
        flooding.barrier().await;
    };
    let words = async {
        let mut longest = Duration::ZERO;
        for id in FLOOD..FLOOD + WORDS {
            let said = Instant::now();
            maker.send(&command(144, id, b"")).await;
            maker.barrier().await;
            longest = longest.max(said.elapsed());
        }
        longest
    };
    let ((), longest) = tokio::join!(flood, words);
    println!("the longest answer amid the flood took {longest:?}");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    listening
        .until("everything", |seen| {
            seen.commands.len() == (FLOOD + WORDS) as usize
        })
        .await;
    maker
        .until("the flood", |seen| seen.commands.len() == FLOOD as usize)
        .await;
    let seen = listening.seen();
    let (words, flood): (Vec<&Got>, Vec<&Got>) =
        seen.commands.iter().partition(|got| got.kind == 144);
    assert!(flood.into_iter().map(|got| got.id).eq(0..FLOOD));
    assert!(words.into_iter().map(|got| got.id).eq(FLOOD..FLOOD + WORDS));
    drop(seen);
    arena.end(64 << 20).await;
}

/// One fills rooms until it has no place any more. It is told, and so is the log; the others go on.
#[tokio::test(flavor = "multi_thread")]
async fn who_fills_rooms_is_ended_at_its_limit_and_delays_nobody() {
    const LIMIT: u64 = 8 << 20;
    let arena = Arena::start_with(Limits {
        rooms_bytes_per_peer: LIMIT,
        ..tight()
    })
    .await;
    let mut filling = arena.known().await;
    filling.make("Filled").await;
    let mut reading = arena.known().await;
    reading.enter("Filled").await;
    let mut reading = Member::new(reading);
    let mut other = arena.known().await;
    other.make("Other").await;
    let piece = command(140, 0, &vec![7; 64 << 10]).wire();
    // Each counts for a little more than it is: so does it in the file.
    let commands = LIMIT as usize / (piece.len() + 200);
    let without = trips(&mut other, commands).await;
    let mut took = Vec::new();
    for _ in 0..commands {
        filling.raw(&piece).await;
        took.push(trip(&mut other).await);
    }
    Trips::new(took).check_against(&without).unwrap();
    filling.barrier().await;
    assert_eq!(filling.errors(), [""; 0], "so much has a place");
    filling
        .raw(&command(140, 0, &vec![7; 96 << 10]).wire())
        .await;
    filling.until_closed().await;
    let sentence = "You are full: the server keeps 8388608 bytes of rooms from one connection.";
    assert!(
        filling.errors()[0].starts_with(sentence),
        "{:?}",
        filling.errors()
    );
    arena.relay.logged(sentence).await;
    reading
        .until("all that was taken in", |seen| {
            seen.commands.len() == commands
        })
        .await;
    reading.send(&command(140, 0, b"others go on")).await;
    reading.barrier().await;
    arena.end(FLAT_BYTES + 2 * LIMIT as i64).await;
}

/// Sockets of this test, besides those of its peers.
const SPARE_FILES: u64 = 200;

async fn a_crowd(count: u32) {
    raise_open_files();
    let allowed = getrlimit(Resource::Nofile).current;
    if allowed.is_some_and(|allowed| allowed < u64::from(count) + SPARE_FILES) {
        let why = format!("only {allowed:?} open files are allowed here");
        Skipped::Forbidden(why).tell();
        return;
    }
    let home = TempDir::new().unwrap();
    let program = Program::host(home.path());
    let start = Instant::now();
    let mut maker = Client::hello(program.address()).await;
    maker.make("Hall").await;
    let mut maker = Member::new(maker);
    let scene = command(140, 0, &[1; 1000]);
    maker.send(&scene).await;
    maker.barrier().await;
    let mut entering = JoinSet::new();
    for _ in 0..count {
        entering.spawn(enter(program.address()));
    }
    let mut crowd = Vec::new();
    while let Some(entered) = entering.join_next().await {
        crowd.push(entered.unwrap());
    }
    println!("{count} are in after {:?}", start.elapsed());
    let live = command(140, 1, &[2; 1000]);
    maker.send(&live).await;
    let mut listening = JoinSet::new();
    for (mut stream, history) in crowd {
        assert!(history == [scene.clone()], "{history:?}");
        listening.spawn(async move {
            let got = next_command(&mut stream).await;
            (got, stream)
        });
    }
    let mut crowd = Vec::new();
    while let Some(listened) = listening.join_next().await {
        let (got, stream) = listened.unwrap();
        assert!(got == live);
        crowd.push(stream);
    }
    println!("and all have the command after {:?}", start.elapsed());
    drop(crowd);
    // Somebody new is served, and the crowd is gone.
    let mut last = Client::connect(program.address()).await;
    last.barrier().await;
    soon("the crowd to be gone", async {
        loop {
            last.send(14, b"").await;
            last.barrier().await;
            if last.clients.len() == 2 {
                return;
            }
        }
    })
    .await;
    println!("and gone after {:?}", start.elapsed());
}

type Ears = BufReader<TcpStream>;

/// Joins, and returns the history it is given.
async fn enter(address: SocketAddr) -> (Ears, Vec<Got>) {
    let mut stream = soon("connecting", TcpStream::connect(address))
        .await
        .unwrap();
    stream
        .write_all(&frame(1, 0, &join("Hall", "2.93.0", "1.0.0", false)))
        .await
        .unwrap();
    let mut stream = BufReader::new(stream);
    let mut history = Vec::new();
    loop {
        let got = soon("being in", read_frame(&mut stream)).await.unwrap();
        match got.kind {
            1 => return (stream, history),
            12 => panic!("{got:?}"),
            101.. => history.push(got),
            _ => {}
        }
    }
}

async fn next_command(stream: &mut Ears) -> Got {
    loop {
        let got = soon("the command", read_frame(stream)).await.unwrap();
        if got.kind > 100 {
            return got;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_a_crowd_of_three_hundred_gets_all_of_the_room() {
    a_crowd(300).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "two thousand connections take a while; run by .ci/run"]
async fn each_of_a_crowd_of_two_thousand_gets_all_of_the_room() {
    a_crowd(2000).await;
}
