//! The relay's end, and peers that do not let go.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use mixdesk::net::Bind;
use mixdesk::relay::{Guests, Keeping, Limits, Progress, Relay, bind};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::common::client::{frame, join};
use crate::common::{Client, relay, relay_before_another, relay_in, relay_with, soon};

/// More than the two sockets of a connection take in together, when one of them is narrow.
const MORE_THAN_FITS: u32 = 16;
const NARROW_BYTES: u32 = 64 << 10;
/// An end takes less, whatever the peers do.
const IN_TIME: Duration = Duration::from_millis(1900);

/// A client whose system takes in little that it has not read.
async fn narrow(address: std::net::SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(NARROW_BYTES).unwrap();
    Client {
        stream: soon("connecting", socket.connect(address)).await.unwrap(),
        ..Client::connect(address).await
    }
}

/// Commands of a MiB each.
async fn send_large(client: &mut Client, count: u32) {
    for number in 0..count {
        client.raw(&frame(140, number, &vec![7; 1 << 20])).await;
    }
    client.barrier().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_joining_still_gets_the_whole_room() {
    let relay = relay();
    let mut maker = Client::hello(relay.address()).await;
    maker.make("R").await;
    send_large(&mut maker, MORE_THAN_FITS).await;
    // What is not written down yet is not given to anybody, at the end neither.
    let mut other = Client::hello(relay.address()).await;
    let given = other.take_history("R").await;
    assert_eq!(given.len(), MORE_THAN_FITS as usize);
    drop(other);
    let mut joiner = narrow(relay.address()).await;
    joiner.send(1, &join("R", "2.93.0", "1.0.0", false)).await;
    joiner
        .until("the beginning of the room", |joiner| {
            joiner.frames.iter().any(|got| got.kind == 6)
        })
        .await;
    assert!(joiner.commands().is_empty());
    tokio::join!(relay.stop(), joiner.until_closed(), maker.until_closed());
    // The sentence about the end is not made to wait behind the room.
    let order: Vec<_> = joiner
        .frames
        .iter()
        .filter(|got| got.kind != 12)
        .map(|got| (got.kind, got.id, got.payload.len() >> 20))
        .collect();
    let mut expected = vec![(6, 0, 0)];
    expected.extend((0..MORE_THAN_FITS).map(|number| (140, number, 1)));
    expected.push((1, 0, 0));
    assert_eq!(order, expected);
    for client in [joiner, maker] {
        assert_eq!(client.errors(), ["The server is closing."]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_time_and_frees_its_port_whatever_the_peers_do() {
    let mut took = Vec::new();
    // A machine that is shared may hold one of them up.
    while took.len() < 3 && took.iter().all(|took| *took >= IN_TIME) {
        took.push(end_among_peers().await);
    }
    assert!(took.iter().any(|took| *took < IN_TIME), "{took:?}");
}

/// Ends a relay whose peers do all that could hold it up; returns how long that takes.
async fn end_among_peers() -> Duration {
    let relay = relay_before_another().await;
    let address = relay.address();
    let mut maker = Client::hello(address).await;
    maker.make("R").await;
    let mut deaf = narrow(address).await;
    deaf.enter("R").await;
    let mut joining = narrow(address).await;
    let mut stuck = Client::hello(address).await;
    stuck.raw(&frame(140, 0, &[0; 100])[..50]).await;
    let mut stuck_in_large = Client::hello(address).await;
    stuck_in_large
        .raw(&frame(140, 0, &vec![0; 1 << 20])[..1 << 18])
        .await;
    let silent = Client::connect(address).await;
    send_large(&mut maker, MORE_THAN_FITS).await;
    joining.send(1, &join("R", "2.93.0", "1.0.0", false)).await;

    let start = Instant::now();
    relay.stop().await;
    let took = start.elapsed();
    println!("ended in {took:?}");
    let folder = tempfile::tempdir().unwrap();
    let (guests, limits) = (Guests::default(), Limits::default());
    let again = relay_in(folder.path(), address.port(), guests, limits).await;
    Client::hello(address).await.barrier().await;
    stuck.until_closed().await;
    assert_eq!(stuck.errors(), ["The server is closing."]);
    drop((deaf, joining, silent));
    again.stop().await;
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_it_ends_it() {
    let relay = relay();
    let address = relay.address();
    let mut client = Client::hello(address).await;
    drop(relay);
    client.until_closed().await;
    soon("the port to be free", async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_takes_nothing_is_dropped_and_a_slow_one_is_not() {
    let relay = relay_with(Limits {
        write_seconds: 1,
        ..Limits::default()
    });
    let address = relay.address();
    let mut maker = Client::hello(address).await;
    maker.make("R").await;
    let mut deaf = narrow(address).await;
    deaf.enter("R").await;
    let mut slow = Client::hello(address).await;
    slow.enter("R").await;
    let (deaf_id, slow_id) = (deaf.id(), slow.id());
    maker
        .until("both members", |maker| {
            [&deaf_id, &slow_id]
                .iter()
                .all(|id| maker.clients.contains_key(*id))
        })
        .await;
    send_large(&mut maker, MORE_THAN_FITS).await;
    let start = Instant::now();
    for count in 1..=MORE_THAN_FITS as usize {
        slow.until("the next command", |slow| slow.commands().len() == count)
            .await;
        // A MiB now and then is slow, but it is not nothing.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    maker
        .until("the deaf one to be gone", |maker| {
            !maker.clients.contains_key(&deaf_id)
        })
        .await;
    println!("gone after at most {:?}", start.elapsed());
    assert!(maker.clients.contains_key(&slow_id));
    slow.barrier().await;
    let mut rest = Vec::new();
    // Cut off in the middle of a command, by an end or by a reset.
    let _end = soon("the end", deaf.stream.read_to_end(&mut rest)).await;
    assert!(rest.len() < MORE_THAN_FITS as usize * (1 << 20));
    relay.stop().await;
}

/// A relay that keeps its rooms. Without `looks` nobody wants to know how far bringing them back is.
async fn keeping(folder: &std::path::Path, looks: bool) -> Relay {
    let (progress, look) = watch::channel(Progress::default());
    let _look = looks.then_some(look);
    let keeping = Keeping {
        folder: folder.to_owned(),
        recent_for: Duration::from_secs(60 * 60),
        recent_bytes: 1 << 30,
    };
    bind(Bind::Only(IpAddr::V4(Ipv4Addr::LOCALHOST)), 0)
        .unwrap()
        .start_keeping(Limits::default(), Guests::default(), keeping, &progress)
        .await
}

#[test]
fn bringing_rooms_back_can_be_stopped_and_is_done_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    // One thread, with which all ends that runs there.
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let killed = runtime();
    let relay = killed.block_on(async {
        let relay = keeping(folder.path(), true).await;
        let mut maker = Client::hello(relay.address()).await;
        maker.make("R").await;
        send_large(&mut maker, 3).await;
        relay
    });
    // Its tasks first, as it would end in order.
    killed.shutdown_timeout(Duration::from_secs(10));
    drop(relay);

    runtime().block_on(async {
        let relay = keeping(folder.path(), false).await;
        assert!(relay.brought_back().is_empty() && relay.not_brought_back().is_empty());
        assert!(relay.directory().rooms.is_empty());
        relay.stop().await;
        let relay = keeping(folder.path(), true).await;
        assert_eq!(relay.brought_back(), ["R"]);
        assert!(relay.recent_rooms().list().is_empty());
        relay.stop().await;
    });
}
