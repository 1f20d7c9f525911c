//! Who may connect, and what the host does about people, over real sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use mixdesk::relay::{Failed, GuestError, Guests, Limits, Relay};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::arena::{Arena, FLAT_BYTES, Watched, tight};
use crate::common::client::{frame, join, string};
use crate::common::{Client, relay, relay_for, relay_with, soon};

const WAIT: &str = "The host has to let you in first. Wait a moment.";

/// Limits under which this computer is like any other.
fn strict() -> Limits {
    Limits {
        spare_this_computer: false,
        ..Limits::default()
    }
}

fn asking() -> Relay {
    let guests = Guests {
        ask: true,
        ..Guests::default()
    };
    relay_for(guests, strict())
}

/// Waits until what the relay says of its guests is so.
async fn until(relay: &Relay, what: &str, done: impl Fn(&Relay) -> bool) {
    let mut bell = relay.guests_bell();
    let waiting = async {
        while !done(relay) {
            bell.changed().await.unwrap();
        }
    };
    if tokio::time::timeout(crate::common::PATIENCE, waiting)
        .await
        .is_err()
    {
        panic!("no {what}: {:?} {:?}", relay.waiting(), relay.attempts());
    }
}

/// Connects, and asks what Mixer asks at once.
async fn knock(relay: &Relay) -> Client {
    let mut client = Client::connect(relay.address()).await;
    let hello = [frame(18, 0, b""), frame(14, 0, b""), frame(4, 0, b"")].concat();
    client.raw(&hello).await;
    client
}

/// Somebody whom the host sees waiting.
async fn waiting(relay: &Relay) -> Client {
    let before: usize = relay.waiting().iter().map(|one| one.connections).sum();
    let mut client = knock(relay).await;
    client
        .until("being told to wait", |client| !client.frames.is_empty())
        .await;
    assert_eq!(client.errors(), [WAIT]);
    until(relay, "one more", |relay| {
        let waiting = relay.waiting();
        waiting.iter().map(|one| one.connections).sum::<usize>() > before
    })
    .await;
    client
}

/// The last words of one who is turned away.
async fn turned_away(mut client: Client) -> String {
    client.until_closed().await;
    assert!(!client.asked(18), "it was served");
    client.errors().pop().unwrap_or_default()
}

/// Connects again and again until it is served.
async fn served(address: SocketAddr) {
    soon("a place", async {
        loop {
            let mut client = Client::connect(address).await;
            let _said = client.stream.write_all(&frame(18, 0, b"")).await;
            client
                .until("an answer", |client| client.closed || client.asked(18))
                .await;
            if client.asked(18) {
                return;
            }
        }
    })
    .await;
}

fn why(relay: &Relay) -> Vec<Failed> {
    let attempts = relay.attempts().into_iter();
    attempts.map(|attempt| attempt.why).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_kicked_is_told_why_and_gets_what_is_ready() {
    const COMMANDS: usize = 300;
    let relay = relay();
    let mut maker = Client::hello(relay.address()).await;
    maker.make("R").await;
    let mut kicked = Client::hello(relay.address()).await;
    kicked.enter("R").await;
    for number in 0..COMMANDS {
        maker.raw(&frame(140, number as u32, &[7; 1000])).await;
    }
    maker.barrier().await;
    // Ready is what is written down.
    let whole = (COMMANDS * frame(140, 0, &[7; 1000]).len()) as u64;
    soon("all to be given", async {
        let id = kicked.id();
        let given = |id: &str| {
            let mut peers = relay.directory().peers.into_iter();
            peers.find(|peer| peer.client_id == id).unwrap().bytes_out
        };
        while given(&id) < whole {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let id = kicked.id();
    let person = |id: &str| relay.people().into_iter().find(|one| one.client_id == id);
    let found = person(&id).unwrap();
    assert_eq!(found.room.as_deref(), Some("R"));
    assert_eq!((found.name, found.address), (None, [127, 0, 0, 1].into()));

    assert!(relay.kick(&id, "Too loud."));
    kicked.until_closed().await;
    assert_eq!(kicked.errors(), ["The host has removed you: Too loud."]);
    assert_eq!(kicked.commands().len(), COMMANDS);
    maker
        .until("it to be gone", |maker| !maker.clients.contains_key(&id))
        .await;
    assert!(person(&id).is_none() && !relay.kick(&id, ""));
    assert!(maker.is_joinable("R"));

    let mut back = Client::hello(relay.address()).await;
    back.enter("R").await;
    assert!(relay.kick(&maker.id(), ""));
    maker.until_closed().await;
    assert_eq!(maker.errors(), ["The host has removed you."]);
}

/// The host does not wait for the one it removes.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_kicked_all_the_same() {
    let relay = relay();
    let mut maker = Client::hello(relay.address()).await;
    maker.make("R").await;
    let mut stalled = Client::hello(relay.address()).await;
    stalled.enter("R").await;
    for number in 0..64 {
        maker.raw(&frame(140, number, &vec![7; 1 << 20])).await;
    }
    maker.barrier().await;
    let (id, start) = (stalled.id(), Instant::now());
    assert!(relay.kick(&id, ""));
    maker
        .until("it to be gone", |maker| !maker.clients.contains_key(&id))
        .await;
    assert!(start.elapsed() < Duration::from_secs(10));
    // Closed a second later; what it had not taken by then is cut off.
    soon("the close", async {
        let mut sink = vec![0; 1 << 20];
        while stalled
            .stream
            .read(&mut sink)
            .await
            .is_ok_and(|count| count > 0)
        {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_those_who_are_here_and_keeps_them_out_also_after_a_restart() {
    let first = relay_for(Guests::default(), strict());
    let mut a = Client::hello(first.address()).await;
    let mut b = Client::hello(first.address()).await;
    let here = a.stream.local_addr().unwrap().ip();
    assert_eq!(first.ban(here, None, "noise."), Ok(2));
    for client in [&mut a, &mut b] {
        client.until_closed().await;
        assert_eq!(client.errors(), ["The host has banned you: noise."]);
    }
    let told = turned_away(knock(&first).await).await;
    assert_eq!(told, "The host has banned you: noise.");
    let bans = first.bans();
    assert_eq!((bans.len(), bans[0].until), (1, None));
    let guests = first.guests();
    first.stop().await;

    let second = relay_for(guests, strict());
    let told = turned_away(knock(&second).await).await;
    assert_eq!(told, "The host has banned you: noise.");
    assert_eq!(why(&second), [Failed::Banned("noise.".into())]);
    assert!(second.unban(here) && !second.unban(here));
    Client::hello(second.address()).await.barrier().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_for_a_time_ends_with_it() {
    let relay = relay_for(Guests::default(), strict());
    let here = relay.address().ip();
    relay
        .ban(here, Some(Duration::from_secs(3600)), "")
        .unwrap();
    let told = turned_away(knock(&relay).await).await;
    assert_eq!(told, "The host has banned you.");
    assert!(relay.bans()[0].until.is_some());
    relay.ban(here, Some(Duration::ZERO), "").unwrap();
    assert_eq!(relay.bans(), []);
    Client::hello(relay.address()).await.barrier().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn this_computer_is_never_kept_out() {
    let guests = Guests {
        ask: true,
        ..Guests::default()
    };
    let limits = Limits {
        connections_per_address: 1,
        connects_a_second: 1,
        rooms_per_address: 0,
        ..Limits::default()
    };
    let relay = relay_for(guests, limits);
    let here = relay.address().ip();
    assert_eq!(relay.ban(here, None, ""), Err(GuestError::ThisComputer));
    relay.deny(here);
    let mut clients = Vec::new();
    for number in 0..10 {
        let mut client = Client::hello(relay.address()).await;
        client.make(&format!("R{number}")).await;
        clients.push(client);
    }
    assert_eq!(relay.attempts(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_waits_and_is_served_once_it_is_allowed() {
    let relay = asking();
    let mut first = waiting(&relay).await;
    let second = waiting(&relay).await;
    let list = relay.waiting();
    assert_eq!((list.len(), list[0].connections), (1, 2));
    assert_eq!((relay.peers(), relay.people().len()), (0, 0));

    relay.allow(list[0].address).unwrap();
    assert_eq!(relay.waiting(), []);
    // What it said while it waited is answered, in order.
    first.until("answers", |first| first.asked(4)).await;
    let kinds: Vec<_> = first.frames.iter().map(|got| got.kind).collect();
    assert_eq!(kinds, [12, 18, 14, 4]);
    first.make("R").await;
    let mut third = Client::hello(relay.address()).await;
    third.enter("R").await;
    assert_eq!(third.errors(), [""; 0], "it need not wait any more");
    drop(second);
    assert_eq!(relay.guests().allowed.len(), 1);
    assert_eq!(relay.attempts(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_denied_is_told_and_not_asked_about_again() {
    let relay = asking();
    let client = waiting(&relay).await;
    relay.deny(relay.waiting()[0].address);
    assert_eq!(turned_away(client).await, "The host did not let you in.");
    let again = turned_away(knock(&relay).await).await;
    assert_eq!(again, "The host did not let you in.");
    assert_eq!(relay.waiting(), []);
    let attempts = relay.attempts();
    assert_eq!(attempts.len(), 1);
    assert_eq!((&attempts[0].why, attempts[0].count), (&Failed::Denied, 2));
    relay.allow(relay.address().ip()).unwrap();
    Client::hello(relay.address()).await.barrier().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_can_end() {
    let relay = asking();
    let mut client = waiting(&relay).await;
    relay.ask_before_connecting(false);
    client.until("answers", |client| client.asked(4)).await;
    relay.ask_before_connecting(true);
    let mut other = Client::hello(relay.address()).await;
    other.barrier().await;
    assert_eq!(other.errors(), [""; 0], "its address was connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_is_being_removed_is_not_allowed_for_good() {
    let relay = relay_for(Guests::default(), strict());
    let silent = Client::connect(relay.address()).await;
    let here = async {
        while relay.peers() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("being connected", here).await;
    relay.ask_before_connecting(true);
    assert_eq!(relay.guests().allowed, [].into());
    drop(silent);
    relay.ask_before_connecting(false);

    // It does not close, and so lingers for a moment.
    let mut kicked = Client::hello(relay.address()).await;
    kicked.barrier().await;
    assert!(relay.kick(&kicked.id(), ""));
    relay.ask_before_connecting(true);
    assert_eq!(relay.guests().allowed, [].into());
    relay.ask_before_connecting(false);

    let mut here = Client::hello(relay.address()).await;
    here.barrier().await;
    relay.ask_before_connecting(true);
    assert_eq!(relay.guests().allowed.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_the_wait() {
    let relay = asking();
    let client = waiting(&relay).await;
    assert_eq!(relay.ban(relay.address().ip(), None, "noise"), Ok(0));
    assert_eq!(turned_away(client).await, "The host has banned you: noise.");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_closes_while_it_waits_is_no_ghost() {
    let relay = asking();
    let client = waiting(&relay).await;
    drop(client);
    until(&relay, "end of the wait", |relay| {
        relay.waiting().is_empty() && why(relay) == [Failed::GaveUp]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_asked_about_mixers_only() {
    let guests = Guests {
        ask: true,
        ..Guests::default()
    };
    let limits = Limits {
        handshake_seconds: 1,
        ..strict()
    };
    let relay = relay_for(guests, limits);
    let mut bell = relay.guests_bell();
    let mut http = Client::connect(relay.address()).await;
    http.raw(b"GET / HTTP/1.1\r\n\r\n").await;
    http.until_closed().await;
    assert_eq!(http.errors(), [""; 0], "it would not understand");
    let silent = Client::connect(relay.address()).await;
    let told = turned_away(silent).await;
    assert!(told.contains("it finished no message within 1 s"), "{told}");
    while why(&relay).len() < 2 {
        assert_eq!(relay.waiting(), []);
        soon("news", bell.changed()).await.unwrap();
    }
    let why: Vec<_> = why(&relay).iter().map(Failed::to_string).collect();
    assert_eq!(
        why,
        [
            "it spoke HTTP (a web browser or web server)",
            "it finished no message within 1 s of connecting"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_ends_says_so_to_those_who_wait() {
    let relay = asking();
    let mut client = waiting(&relay).await;
    relay.stop().await;
    client.until_closed().await;
    assert_eq!(client.errors(), [WAIT, "The server is closing."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_one_address_are_limited() {
    let limits = Limits {
        connections_per_address: 3,
        connects_a_second: u32::MAX,
        ..strict()
    };
    let relay = relay_for(Guests::default(), limits);
    let mut here = Vec::new();
    for _ in 0..3 {
        here.push(Client::hello(relay.address()).await);
    }
    let told = turned_away(knock(&relay).await).await;
    assert_eq!(
        told,
        "There are 3 connections from your address already. Close one of them first."
    );
    assert_eq!(why(&relay), [Failed::TooMany(3)]);
    here.pop();
    served(relay.address()).await;
    here[0].barrier().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_a_second_of_one_address_are_limited() {
    let limits = Limits {
        connections_per_address: 5,
        connects_a_second: 1,
        ..strict()
    };
    let relay = relay_for(Guests::default(), limits);
    // However slow this machine is, a hundred take less than as many seconds.
    let mut refused = 0;
    for _ in 0..100 {
        let mut client = knock(&relay).await;
        client
            .until("an answer", |client| client.closed || client.asked(18))
            .await;
        refused += usize::from(!client.asked(18));
    }
    assert!(refused > 10, "{refused} of 100");
    assert!(
        why(&relay).contains(&Failed::TooFast(1)),
        "{:?}",
        why(&relay)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_and_attributes_of_one_address_are_limited() {
    let limits = Limits {
        rooms_per_address: 2,
        new_rooms_a_minute: u32::MAX,
        attributes_bytes_per_address: 64 << 10,
        ..strict()
    };
    let relay = relay_for(Guests::default(), limits);
    let mut clients = Vec::new();
    for number in 0..3 {
        let mut client = Client::hello(relay.address()).await;
        let attributes = format!(r#"{{"large": "{}"}}"#, "x".repeat(30 << 10));
        client.send(15, &string(&attributes)).await;
        client.send(15, &string(r#"{"user_name": "Ada"}"#)).await;
        let room = format!("R{number}");
        client.send(1, &join(&room, "2.93.0", "1.0.0", false)).await;
        client.barrier().await;
        clients.push(client);
    }
    assert_eq!(clients[1].errors(), [""; 0]);
    let errors = clients[2].errors();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("attributes are too large"), "{errors:?}");
    assert_eq!(
        errors[1],
        "2 rooms were made from your address already. Delete one first."
    );
    // Its own name fits always; and there is room again when somebody goes.
    clients.remove(0);
    let last = &mut clients[1];
    let id = last.id();
    last.until("the name", |last| {
        last.clients[&id].contains_key("user_name") && last.clients.len() == 2
    })
    .await;
    last.make("R3").await;
    assert_eq!(last.errors().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_do_not_arrive_whole_are_bounded_for_an_address() {
    who_holds_the_most_goes(Limits {
        arriving_bytes_per_address: ARRIVING,
        ..strict()
    })
    .await;
}

/// Also for this computer, for which that of an address does not count.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_do_not_arrive_whole_are_bounded_in_all() {
    who_holds_the_most_goes(Limits {
        arriving_bytes_per_address: 1,
        arriving_bytes_of_all: ARRIVING,
        ..Limits::default()
    })
    .await;
}

const ARRIVING: u64 = 8 << 20;

/// Headers that claim much, whose messages never come whole: who holds the most goes, and nobody else.
async fn who_holds_the_most_goes(limits: Limits) {
    const MIB: usize = 1 << 20;
    let relay = relay_for(Guests::default(), limits);
    let mut maker = Client::hello(relay.address()).await;
    maker.make("R").await;
    let large = frame(140, 1, &vec![7; 4 * MIB]);
    maker.raw(&large[..3 * MIB]).await;
    let mut greedy = Client::hello(relay.address()).await;
    let claim = [&(100 * MIB as u64).to_le_bytes()[..], &[0; 4], &[140, 0]].concat();
    let part = vec![0; 7 * MIB];
    // It may be gone before it has sent all of that.
    let _sent = greedy.stream.write_all(&[claim, part].concat()).await;
    greedy.until_closed().await;
    let errors = greedy.errors();
    let sentence = format!("have not arrived whole take more than {ARRIVING} bytes");
    assert!(errors.last().unwrap().contains(&sentence), "{errors:?}");
    let words = format!(
        "messages that have not arrived whole took more than {ARRIVING} bytes, and its was the largest"
    );
    assert_eq!(why(&relay), [Failed::CutOff(words)]);
    maker.raw(&large[3 * MIB..]).await;
    maker.barrier().await;
    assert_eq!(maker.errors(), [""; 0]);
    let mut late = Client::hello(relay.address()).await;
    assert_eq!(late.take_history("R").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_failed_are_kept_with_their_reasons() {
    let limits = Limits {
        connections: 2,
        handshake_seconds: 4,
        ..Limits::default()
    };
    let relay = relay_with(limits);
    let mut maker = Client::hello(relay.address()).await;
    maker.make("R").await;
    let mut old = Client::hello(relay.address()).await;
    let full = Client::connect(relay.address()).await;
    for _ in 0..2 {
        old.send(1, &join("R", "2.79.0", "1.0.0", false)).await;
    }
    old.barrier().await;
    drop(turned_away(full).await);
    drop(old);
    let address = relay.address();
    let one = async |bytes: &[u8]| {
        soon("a place", async {
            loop {
                let mut client = Client::connect(address).await;
                let _said = client.stream.write_all(bytes).await;
                client.until_closed().await;
                if !client.errors().iter().any(|error| error.contains("full")) {
                    return;
                }
            }
        })
        .await;
    };
    one(b"GET / HTTP/1.1\r\n\r\n").await;
    one(b"SSH-2.0-OpenSSH_9.9\r\n").await;
    one(b"").await;
    let mut large = frame(140, 0, b"");
    large[..8].copy_from_slice(&(2u64 << 30).to_le_bytes());
    one(&large).await;
    let expected = [
        "refused: The room “R” was made with Blender 2.93.0, and you have Blender 2.79.0.",
        "refused: the server was full, with 2 people",
        "it spoke HTTP",
        "it spoke SSH",
        "it finished no message within 4 s of connecting",
        "cut off: a message of 2147483648 bytes",
    ];
    until(&relay, "them all", |relay| {
        why(relay).len() >= expected.len()
    })
    .await;
    let attempts = relay.attempts();
    for words in expected {
        let attempt = attempts
            .iter()
            .find(|attempt| attempt.why.to_string().starts_with(words))
            .unwrap_or_else(|| panic!("no {words} in {attempts:?}"));
        assert_eq!(attempt.address, address.ip());
        if words.contains("Blender") {
            assert_eq!(attempt.count, 2);
        }
    }
}

/// All is answered, in order, at the pace; and the neighbour notices nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_messages_slows_only_its_sender() {
    const A_SECOND: usize = 1000;
    const MESSAGES: usize = 8 * A_SECOND;
    let limits = Limits {
        control_messages_a_second: A_SECOND as u32,
        // The flooder writes all of it before it reads.
        pending_bytes: 16 << 20,
        ..tight()
    };
    let arena = Arena::start_with(limits).await;
    let mut neighbour = arena.known().await;
    let flooder = arena.known().await;
    let start = Instant::now();
    let flood = tokio::spawn(flood(flooder, MESSAGES));
    let mut trips = Vec::new();
    while !flood.is_finished() {
        let asked = Instant::now();
        neighbour.barrier().await;
        trips.push(asked.elapsed());
        // A person, not another flood.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let told = flood.await.unwrap();
    let took = start.elapsed();
    trips.sort();
    let rounds = trips.len();
    assert!(rounds > 20, "{trips:?}");
    let (most, slowest) = (trips[rounds * 9 / 10], trips[rounds - 1]);
    println!(
        "{MESSAGES} messages in {took:?}; {rounds} round trips, nine of ten within {most:?}, the slowest {slowest:?}"
    );
    assert_eq!(told, 1, "one sentence for all of it");
    // Five seconds' worth at once, the rest at the pace.
    assert!(took > Duration::from_millis(2500), "{took:?}");
    assert!(most < Duration::from_secs(1), "{most:?}");
    let log = arena.relay.log();
    assert_eq!(log.matches("messages a second").count(), 1, "{log:.3000}");
    arena.end(2 * FLAT_BYTES).await;
}

/// Sends requests, some of them numbered, and looks that the answers come in order. Returns how often
/// it was told that it is too fast.
async fn flood(mut client: Client, messages: usize) -> usize {
    // Not more of them than the log takes lines about one connection.
    let numbered = |number: usize| number.is_multiple_of(50);
    let requests: Vec<u8> = (0..messages)
        .flat_map(|number| match numbered(number) {
            true => frame(7, 0, format!("n{number}").as_bytes()),
            false => frame(18, 0, b""),
        })
        .collect();
    client.frames.clear();
    client.raw(&requests).await;
    client
        .until("all answers", |client| client.frames.len() > messages)
        .await;
    client.barrier().await;
    let before = client.frames.len();
    client
        .frames
        .retain(|got| !String::from_utf8_lossy(&got.payload).contains("You send more than 1000"));
    for (number, got) in client.frames.iter().enumerate().take(messages) {
        let answer = String::from_utf8_lossy(&got.payload);
        match numbered(number) {
            true => assert!(answer.contains(&format!("“n{number}”")), "{answer}"),
            false => assert_eq!(got.kind, 18),
        }
    }
    assert_eq!(client.frames.len(), messages + 1, "all, and the barrier");
    before - client.frames.len()
}

/// However often it comes back: what it has added counts as long as the rooms live.
#[tokio::test(flavor = "multi_thread")]
async fn room_bytes_of_one_address_are_limited() {
    const LIMIT: u64 = 1 << 20;
    let limits = Limits {
        rooms_bytes_per_address: LIMIT,
        ..strict()
    };
    let relay = relay_for(Guests::default(), limits);
    let mut keeper = Client::hello(relay.address()).await;
    keeper.make("Kept").await;
    keeper.send(140, &vec![7; LIMIT as usize / 2]).await;
    keeper.barrier().await;
    let sentence = format!(
        "Your address is full: the server keeps {LIMIT} bytes of rooms from one address. Nothing more is taken in \
         from there until rooms with what you sent are closed."
    );
    for number in 0..3 {
        let mut again = Client::hello(relay.address()).await;
        again.make(&format!("R{number}")).await;
        // What goes through and is not kept is no matter.
        again.send(205, &vec![7; LIMIT as usize]).await;
        again.send(140, &vec![7; LIMIT as usize * 3 / 4]).await;
        again.until_closed().await;
        assert_eq!(again.errors(), [&sentence[..]]);
    }
    keeper.barrier().await;
    assert_eq!(keeper.errors(), [""; 0], "it is let be");
    keeper.send(3, &string("Kept")).await;
    keeper.barrier().await;
    let mut last = Client::hello(relay.address()).await;
    last.make("Last").await;
    last.send(140, &vec![7; LIMIT as usize * 3 / 4]).await;
    last.barrier().await;
    assert_eq!(last.errors(), [""; 0], "the room is gone, and what it held");
}

/// Ten thousand lines a minute would fill a disk.
#[tokio::test]
async fn a_flood_of_connections_is_a_few_lines() {
    const CONNECTIONS: usize = 2000;
    let relay = Watched::start(Limits {
        connections_per_address: 100,
        ..strict()
    })
    .await;
    for _ in 0..CONNECTIONS {
        let stream = soon("connecting", TcpStream::connect(relay.address()))
            .await
            .unwrap();
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }
    relay.down_to(0).await;
    let lines = relay.log().lines().count();
    println!("{lines} lines about {CONNECTIONS} connections");
    assert!(lines < 500, "{lines} lines");
    relay.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_stays_far_behind_is_dropped_where_the_host_wants_that() {
    let relay = relay_with(Limits {
        slow_bytes: 1 << 20,
        slow_seconds: 1,
        ..Limits::default()
    });
    let mut sender = Client::hello(relay.address()).await;
    sender.make("R").await;
    let mut deaf = Client::hello(relay.address()).await;
    deaf.enter("R").await;
    let mut awake = Client::hello(relay.address()).await;
    awake.enter("R").await;
    // More than all buffers between them take.
    let large = vec![7; 1 << 20];
    for _ in 0..32 {
        sender.send(140, &large).await;
        awake
            .until("the command", |awake| {
                awake.frames.last().is_some_and(|got| got.kind == 140)
            })
            .await;
        awake.frames.clear();
    }
    let gone = deaf.id();
    awake
        .until("the deaf one to go", |awake| {
            !awake.clients.contains_key(&gone)
        })
        .await;
    assert_eq!(relay.peers(), 2);
    sender.barrier().await;
    awake.barrier().await;
    let words = "it was more than 1048576 bytes behind its room for 1 s";
    until(&relay, "the reason", |relay| {
        why(relay) == [Failed::CutOff(words.into())]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_for_too_long_is_an_attempt_that_failed() {
    let relay = relay_with(Limits {
        write_seconds: 1,
        ..Limits::default()
    });
    let mut sender = Client::hello(relay.address()).await;
    sender.make("R").await;
    let mut deaf = Client::hello(relay.address()).await;
    deaf.enter("R").await;
    // More than all buffers between them take.
    for _ in 0..32 {
        sender.send(140, &vec![7; 1 << 20]).await;
    }
    until(&relay, "the reason", |relay| {
        why(relay)
            == [Failed::CutOff(
                "it took nothing off the line for 1 s".into(),
            )]
    })
    .await;
    sender.barrier().await;
}

/// However often one comes back: the log is to be read, and has to fit on the disk.
#[tokio::test]
async fn lines_about_one_address_are_bounded_over_all_its_connections() {
    let relay = Watched::start(strict()).await;
    for _ in 0..8 {
        let mut peer = Client::hello(relay.address()).await;
        peer.raw(&frame(7, 0, &[b'x'; 2000]).repeat(300)).await;
        peer.barrier().await;
    }
    let log = relay.log();
    let lines = log.matches("refused").count();
    assert!((500..=1000).contains(&lines), "{lines} lines");
    // The next place for a line comes in a while.
    soon("the rest to be counted", async {
        while !relay
            .log()
            .contains("more lines about this address were left out")
        {
            let mut peer = Client::hello(relay.address()).await;
            peer.send(7, b"Nowhere").await;
            peer.barrier().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    relay.end();
}

/// A line says why, however long what a peer said is.
#[tokio::test]
async fn a_long_reason_is_cut_in_the_log() {
    let relay = Watched::start(Limits::default()).await;
    let mut peer = Client::hello(relay.address()).await;
    let version = |letter: &str| join("R", &letter.repeat(250), "1.0.0", false);
    peer.send(1, &version("é")).await;
    let mut other = Client::hello(relay.address()).await;
    peer.send(5, b"").await;
    peer.barrier().await;
    other.send(1, &version("ä")).await;
    other.barrier().await;
    assert!(
        other.errors()[0].chars().count() > 500,
        "it hears all of it"
    );
    let log = relay.log();
    let line = log.lines().find(|line| line.contains("refused")).unwrap();
    assert!(
        line.contains("was made with") && line.chars().count() < 500,
        "{line}"
    );
    relay.end();
}

/// The figures that the host sees are those of the wire.
#[tokio::test(flavor = "multi_thread")]
async fn figures_are_what_came_and_went() {
    const COMMANDS: u64 = 64;
    const BYTES: usize = 1 << 20;
    let relay = relay();
    let before = SystemTime::now();
    let mut sender = Client::hello(relay.address()).await;
    let mut deaf = Client::hello(relay.address()).await;
    let after = SystemTime::now();
    let ids = [sender.id(), deaf.id()];
    let figures = |id: &str| {
        let peers = relay.directory().peers.into_iter();
        peers.clone().find(|peer| peer.client_id == *id).unwrap()
    };
    for id in &ids {
        let figures = figures(id);
        assert!(before <= figures.since && figures.since <= after);
        assert_eq!(
            (figures.bytes_in, figures.lag_commands, figures.lag_bytes),
            (0, 0, 0)
        );
    }

    sender.make("R").await;
    deaf.enter("R").await;
    let command = frame(140, 7, &[7; BYTES]);
    for number in 0..COMMANDS {
        sender.raw(&frame(140, number as u32, &[7; BYTES])).await;
    }
    sender.barrier().await;
    let join = frame(1, 0, &join("R", "2.93.0", "1.0.0", false)).len();
    let said = [
        join + frame(5, 0, b"").len() + COMMANDS as usize * command.len() + frame(18, 0, b"").len(),
        join,
    ];
    for (id, said) in ids.iter().zip(said) {
        assert_eq!(figures(id).bytes_in, said as u64);
    }
    let lag = figures(&ids[1]);
    assert!((1..=COMMANDS).contains(&lag.lag_commands), "{lag:?}");
    // What is read from the file is counted as it stands there.
    let exact = lag.lag_commands * command.len() as u64;
    assert!(lag.lag_bytes.abs_diff(exact) <= exact / 100, "{lag:?}");
    assert_eq!(
        (figures(&ids[0]).lag_commands, figures(&ids[0]).lag_bytes),
        (0, 0)
    );

    let all = |deaf: &Client| deaf.commands().len() as u64 == COMMANDS;
    deaf.until("all commands", all).await;
    assert_eq!(
        (figures(&ids[1]).lag_commands, figures(&ids[1]).lag_bytes),
        (0, 0)
    );
    for client in [&mut sender, &mut deaf] {
        let id = client.id();
        // What is still told of the room's size comes before an answer; what has gone is counted a little later.
        soon("the same figures", async {
            while figures(&id).bytes_out != client.bytes {
                client.barrier().await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}
