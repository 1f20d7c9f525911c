//! Peers that are broken, lost or hostile, each beside a healthy room that must notice nothing.

use std::time::{Duration, Instant};

use mixdesk::relay::Limits;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::common::arena::{Arena, FLAT_BYTES, Watched, hasty, tight};
use crate::common::client::{flag, frame, join, string};
use crate::common::noise::Noise;
use crate::common::{Client, soon};

/// What a peer is closed within once its time-out of a second has passed.
const PROMPTLY: Duration = Duration::from_secs(8);

/// A header and nothing else.
fn header(kind: u16, size: u64) -> Vec<u8> {
    let mut bytes = frame(kind, 0, b"");
    bytes[..8].copy_from_slice(&size.to_le_bytes());
    bytes
}

/// A socket that takes in little before the sender has to wait.
async fn narrow(arena: &Arena) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    soon("connecting", socket.connect(arena.address()))
        .await
        .unwrap()
}

/// Writes until the other end has closed, and reads nothing.
async fn write_until_closed(stream: &mut TcpStream, bytes: &[u8]) {
    let writing = async { while stream.write_all(bytes).await.is_ok() {} };
    tokio::time::timeout(PROMPTLY, writing)
        .await
        .expect("it went on reading");
}

#[tokio::test]
async fn other_protocols_are_named_and_closed() {
    let arena = Arena::start().await;
    let tls = [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        &[7; 300],
    ]
    .concat();
    for (said, reason) in [
        (
            &b"GET / HTTP/1.1\r\nHost: studio\r\n\r\n"[..],
            "it spoke HTTP",
        ),
        (&tls, "it spoke TLS"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "it spoke SSH"),
    ] {
        let mut peer = arena.stranger().await;
        peer.raw(said).await;
        peer.until_closed().await;
        assert_eq!(peer.errors(), [""; 0], "it would not understand");
        arena.relay.logged(reason).await;
    }
    arena.end(FLAT_BYTES).await;
}

#[tokio::test]
async fn noise_is_closed() {
    let arena = Arena::start().await;
    let mut noise = Noise::new(0x5eed);
    for round in 0..100 {
        let mut peer = arena.stranger().await;
        let mut bytes = noise.bytes(20 + round * 50);
        // A size that fits would only be waited for; that is `a_peer_that_stops`.
        bytes[7] |= 1;
        // It may be closed before it has all been said.
        let _said = peer.stream.write_all(&bytes).await;
        peer.until_closed().await;
    }
    arena
        .relay
        .logged("it spoke something that is not Mixer")
        .await;
    arena.end(FLAT_BYTES).await;
}

#[tokio::test]
async fn more_than_the_limit_is_refused_in_words() {
    let arena = Arena::start().await;
    let limits = tight();
    for claim in [
        header(140, 1 << 63),
        header(140, u64::MAX),
        header(140, limits.command_bytes + 1),
        header(15, limits.control_bytes + 1),
    ] {
        for hello in [false, true] {
            let mut peer = arena.stranger().await;
            if hello {
                peer.barrier().await;
            }
            peer.raw(&claim).await;
            peer.until_closed().await;
            let errors = peer.errors();
            assert!(
                errors.len() == 1 && errors[0].contains("is larger than the"),
                "{errors:?}"
            );
        }
    }
    let mut peer = arena.known().await;
    peer.make("Full").await;
    let whole = vec![1; usize::try_from(limits.command_bytes).unwrap()];
    peer.send(140, &whole).await;
    peer.barrier().await;
    let mut other = arena.known().await;
    other.enter("Full").await;
    assert_eq!(other.commands()[0].payload, whole, "the limit itself fits");
    assert_eq!(peer.errors(), [""; 0]);
    arena
        .end(FLAT_BYTES + 2 * i64::try_from(whole.len()).unwrap())
        .await;
}

/// A Mixer writes a message in one go, be it gigabytes, and reads what was said to it only then.
#[tokio::test]
async fn who_is_cut_off_amid_a_long_message_hears_why_after_it() {
    let piece = vec![0; 256 << 10];
    let limits = Limits {
        rooms_bytes_per_peer: 1 << 20,
        ..tight()
    };
    let too_large = header(140, limits.command_bytes + 1);
    let relay = Watched::start(limits).await;
    let endless = async |begun: Vec<u8>, piece: Vec<u8>, reason| {
        let mut peer = Client::hello(relay.address()).await;
        peer.make(reason).await;
        peer.raw(&begun).await;
        let start = Instant::now();
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        // Far longer than anybody is waited for who says nothing.
        while start.elapsed() < Duration::from_secs(4) {
            pace.tick().await;
            peer.raw(&piece).await;
        }
        peer.until_closed().await;
        let errors = peer.errors();
        assert!(
            errors.len() == 1 && errors[0].contains(reason),
            "{errors:?}"
        );
    };
    tokio::join!(
        endless(too_large, piece.clone(), "is larger than the"),
        endless(Vec::new(), frame(140, 0, &piece), "You are full"),
    );
    relay.end();
}

/// Millions of parts once took longer to read than to send, and were refused only then.
#[tokio::test]
async fn attributes_that_are_far_too_large_are_not_looked_into() {
    let arena = Arena::start().await;
    let limits = tight();
    let mut peer = arena.known().await;
    let parts = |count: usize| string(&format!("{{\"a\": [{}0]}}", "{},".repeat(count)));
    let most = 2 * limits.attributes_bytes + (4 << 10);
    let allowed = format!("{} bytes are allowed", limits.attributes_bytes);
    let whole = usize::try_from(limits.control_bytes).unwrap();
    for (count, words) in [
        (most / 3 - 10, &allowed[..]),
        (most / 3 + 10, "are looked into"),
        (whole / 3 - 10, "are looked into"),
    ] {
        let of_client = parts(count);
        let of_room = [&string("Healthy")[..], &of_client].concat();
        for (kind, payload) in [(15, of_client), (16, of_room)] {
            let before = peer.errors().len();
            peer.send(kind, &payload).await;
            peer.barrier().await;
            let errors = &peer.errors()[before..];
            assert!(
                errors.len() == 1 && errors[0].contains(words),
                "{words}: {errors:?}"
            );
        }
    }
    arena.end(FLAT_BYTES).await;
}

#[tokio::test]
async fn a_claim_takes_no_memory() {
    const PEERS: usize = 50;
    let arena = Arena::start_with(Limits {
        command_bytes: 1 << 30,
        ..tight()
    })
    .await;
    let mut peers = Vec::new();
    for _ in 0..PEERS {
        let mut peer = arena.stranger().await;
        peer.barrier().await;
        peer.raw(&header(140, 1 << 30)).await;
        peers.push(peer);
    }
    // Those who said more have been heard, so the others' headers have been as well.
    for peer in &mut peers {
        peer.raw(&[0; 1000]).await;
    }
    arena.known().await.barrier().await;
    drop(peers);
    arena.relay.down_to(2).await;
    let (peak, _) = arena.end(PEERS as i64 * (160 << 10) + FLAT_BYTES).await;
    println!("{} bytes a peer that claims 1 GiB", peak / PEERS as i64);
}

#[tokio::test]
async fn a_peer_that_stops_is_closed() {
    let arena = Arena::start_with(hasty()).await;
    let silent = (0, vec![], "finished no message within 1 s");
    let half_header = (
        0,
        frame(18, 0, b"")[..10].to_vec(),
        "finished no message within 1 s",
    );
    let half_first = (
        0,
        frame(1, 0, &[0; 90])[..50].to_vec(),
        "finished no message within 1 s",
    );
    let in_header = (1, frame(18, 0, b"")[..1].to_vec(), "stopped in the middle");
    let in_small = (
        1,
        frame(140, 0, &[0; 90])[..50].to_vec(),
        "stopped in the middle",
    );
    let in_large = (
        1,
        frame(140, 0, &vec![0; 1 << 20])[..1 << 19].to_vec(),
        "stopped in the middle",
    );
    let mut attacks = Vec::new();
    for (barriers, said, reason) in [
        silent,
        half_header,
        half_first,
        in_header,
        in_small,
        in_large,
    ] {
        let mut peer = arena.stranger().await;
        attacks.push(tokio::spawn(async move {
            for _ in 0..barriers {
                peer.barrier().await;
            }
            let start = Instant::now();
            peer.raw(&said).await;
            peer.until_closed().await;
            let errors = peer.errors();
            assert!(
                errors.len() == 1 && errors[0].contains(reason),
                "{errors:?}"
            );
            assert!(start.elapsed() < PROMPTLY, "{:?}", start.elapsed());
        }));
    }
    for attack in attacks {
        attack.await.unwrap();
    }
    arena.end(FLAT_BYTES).await;
}

#[tokio::test]
async fn payloads_that_say_something_else_are_refused_and_the_connection_stays() {
    let arena = Arena::start().await;
    let mut peer = arena.known().await;
    let not_text = b"\x02\0\0\0\xc3\x28".to_vec();
    let short = b"\x09\0\0\0abc".to_vec();
    let endless = b"\xff\xff\xff\xffabc".to_vec();
    let whole_join = join("R", "2.93.0", "1.0.0", false);
    let attributes = |text: &str| string(text);
    let of_room = |text: &str| [string("Healthy"), string(text)].concat();
    let deep = format!(r#"{{"a": {}{}}}"#, "[".repeat(500), "]".repeat(500));
    let unclosed = format!(r#"{{"a": {}"#, "[".repeat(100_000));
    let huge = format!(r#"{{"a": {}}}"#, "9".repeat(4301));
    let many: String = (0..70_000).map(|n| format!(", \"{n}\": 0")).collect();
    let many = format!(r#"{{"a": 0{many}}}"#);
    for (kind, payload, reason) in [
        (1, b"".to_vec(), "ends in the middle of the room's name"),
        (
            1,
            b"\x01\0".to_vec(),
            "ends in the middle of the room's name",
        ),
        (1, short.clone(), "ends in the middle of the room's name"),
        (1, endless.clone(), "ends in the middle of the room's name"),
        (1, not_text.clone(), "the room's name is not valid UTF-8"),
        (
            1,
            [string("R"), not_text.clone()].concat(),
            "the Blender version is not valid UTF-8",
        ),
        (1, string("R"), "ends in the middle of the Blender version"),
        (
            1,
            whole_join[..whole_join.len() - 1].to_vec(),
            "ends in the middle of the protocol flag",
        ),
        (1, [&whole_join[..], b"x"].concat(), "1 bytes are left over"),
        (
            7,
            b"\xff\xfe".to_vec(),
            "the room's name is not valid UTF-8",
        ),
        (11, b"\xff\xfe".to_vec(), "the name is not valid UTF-8"),
        (12, short.clone(), "ends in the middle of the error's text"),
        (12, not_text.clone(), "the error's text is not valid UTF-8"),
        (15, b"".to_vec(), "ends in the middle of the attributes"),
        (15, endless.clone(), "ends in the middle of the attributes"),
        (15, not_text.clone(), "the attributes is not valid UTF-8"),
        (15, attributes(""), "an object expected at byte 0"),
        (15, attributes("[1]"), "an object expected at byte 0"),
        (
            15,
            attributes(r#"{"a": nan}"#),
            "a value expected at byte 6",
        ),
        (15, attributes(r#"{"a": 1}x"#), "the end expected at byte 8"),
        (
            15,
            attributes(r#"{"a": "\ud800" "#),
            "the end of the list expected at byte 15",
        ),
        (15, attributes(r#"{"\ud800": 1}"#), "half a surrogate pair"),
        (15, attributes(&deep), "nested deeper than"),
        (15, attributes(&unclosed), "nested deeper than"),
        (15, attributes(&huge), "an integer of more than 4300 digits"),
        (15, attributes(&many), "are looked into"),
        (
            15,
            attributes(&format!(r#"{{"a": "{}"}}"#, "x".repeat(64 << 10))),
            "These attributes are too large",
        ),
        (16, short.clone(), "ends in the middle of the room's name"),
        (
            16,
            string("Healthy"),
            "ends in the middle of the attributes",
        ),
        (16, of_room("{"), "a string expected at byte 1"),
        (
            16,
            of_room(&format!(r#"{{"a": "{}"}}"#, "x".repeat(64 << 10))),
            "These attributes are too large",
        ),
        (
            16,
            [string("Nowhere"), string("{}")].concat(),
            "There is no room “Nowhere”",
        ),
        (
            17,
            string("Healthy"),
            "ends in the middle of the keep-open flag",
        ),
        (
            17,
            [string("Nowhere"), flag(true)].concat(),
            "There is no room “Nowhere”",
        ),
        (3, b"\xff".to_vec(), "You are in no room"),
        (5, b"".to_vec(), "You are in no room"),
        (7, b"Nowhere".to_vec(), "There is no room “Nowhere”"),
        (
            7,
            b"Healthy".to_vec(),
            "cannot be deleted while people are in it (2)",
        ),
        (1, join("", "2.93.0", "1.0.0", false), "A room needs a name"),
        (
            1,
            join(" \t", "2.93.0", "1.0.0", false),
            "A room needs a name",
        ),
        (
            1,
            join(&"x".repeat(256), "2.93.0", "1.0.0", false),
            "255 bytes, not 256",
        ),
        (
            1,
            join(&"x".repeat(1 << 20), "2.93.0", "1.0.0", false),
            "255 bytes, not 1048576",
        ),
        (
            1,
            join("R", &"x".repeat(1 << 20), "1.0.0", false),
            "The version texts are too long",
        ),
        (
            1,
            join("Healthy", &"x".repeat(1 << 20), "1.0.0", false),
            "was made with Blender 2.93.0",
        ),
        (
            1,
            join("Healthy", "2.93.0", &"x".repeat(1 << 20), false),
            "was made with Mixer 1.0.0",
        ),
        (7, "é".repeat(1 << 19).into_bytes(), "There is no room “éé"),
        (
            12,
            string(&"x".repeat(4097)),
            "An error text may have 4096 bytes, not 4097",
        ),
    ] {
        let before = peer.errors().len();
        peer.send(kind, &payload).await;
        peer.barrier().await;
        let errors = peer.errors();
        let [error] = &errors[before..] else {
            panic!("kind {kind}, {reason}: {errors:?}")
        };
        assert!(
            error.contains(reason),
            "kind {kind}: {error:.300}, not {reason}"
        );
        assert!(error.len() < 1500, "a sentence, not {} bytes", error.len());
    }
    assert!(!peer.rooms.contains_key("R"));
    arena.end(3 * FLAT_BYTES).await;
}

#[tokio::test]
async fn unknown_kinds_are_refused_below_101_and_passed_on_above() {
    let arena = Arena::start().await;
    let mut peer = arena.known().await;
    let known = [1, 3, 4, 5, 7, 11, 12, 14, 15, 16, 17, 18];
    for kind in (0..=100).filter(|kind| !known.contains(kind)) {
        let before = peer.errors().len();
        peer.send(kind, b"\xff\xff\xff\xff\xff").await;
        peer.barrier().await;
        let errors = peer.errors();
        assert!(
            errors.len() == before + 1 && errors[before].contains("was not understood"),
            "kind {kind}: {errors:?}"
        );
    }
    peer.make("Newer").await;
    let mut other = arena.known().await;
    other.enter("Newer").await;
    let kinds = [
        101,
        104,
        199,
        200,
        204,
        500,
        998,
        999,
        1001,
        12_345,
        u16::MAX,
    ];
    for kind in kinds {
        peer.send(kind, b"\xff\xff\xff\xff\xff").await;
    }
    other
        .until("them all", |other| other.commands().len() == kinds.len())
        .await;
    let got: Vec<_> = other.commands().iter().map(|got| got.kind).collect();
    assert_eq!(got, kinds);
    arena.end(FLAT_BYTES).await;
}

#[tokio::test]
async fn room_commands_outside_a_room_are_dropped() {
    let arena = Arena::start().await;
    let mut peer = arena.known().await;
    for kind in [101, 140, 201, 205, 1000] {
        peer.send(kind, &string("Cube")).await;
    }
    peer.barrier().await;
    assert_eq!(peer.errors(), [""; 0]);
    arena.relay.logged("outside a room").await;
    peer.make("R").await;
    let mut other = arena.known().await;
    other.enter("R").await;
    assert_eq!(
        other.commands().len(),
        0,
        "they are not in the room made later"
    );
    arena.end(FLAT_BYTES).await;
}

#[tokio::test]
async fn ten_thousand_connections_leave_nothing_behind() {
    const CONNECTIONS: usize = 10_000;
    /// No more than wait to be accepted: the system makes those beyond wait for a second.
    const AT_ONCE: usize = 500;
    let arena = Arena::start().await;
    let address = arena.address();
    let start = Instant::now();
    for number in 0..CONNECTIONS {
        let mut stream = soon("connecting", TcpStream::connect(address))
            .await
            .unwrap();
        if number % 2 == 0 {
            stream.write_all(&frame(18, 0, b"")[..7]).await.unwrap();
        }
        // Closed by a reset, as ten thousand closed ports would otherwise wait on this computer for a
        // minute.
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(stream);
        if number % AT_ONCE == AT_ONCE - 1 {
            arena.stranger().await.barrier().await;
            arena.relay.down_to(2).await;
        }
    }
    println!("{CONNECTIONS} connections in {:?}", start.elapsed());
    let left = arena.growth();
    // The healthy room's own history grows with the time that this takes.
    let allowed = (2 << 20) + start.elapsed().as_secs() as i64 * (256 << 10);
    assert!(left < allowed, "{left} bytes are left");
    arena.end(FLAT_BYTES).await;
}

#[tokio::test]
async fn who_asks_and_never_reads_is_bounded_and_closed() {
    let arena = Arena::start().await;
    let ask = async |kind| {
        let mut stream = narrow(&arena).await;
        write_until_closed(&mut stream, &frame(kind, 0, b"").repeat(1000)).await;
    };
    tokio::join!(ask(4), ask(14), ask(18), ask(5));
    let log = arena.relay.log();
    assert_eq!(
        log.matches("without reading them").count(),
        4,
        "{log:.2000}"
    );
    arena.relay.down_to(2).await;
    arena.end(FLAT_BYTES).await;
}

/// Asks in rounds, and reads the answers of each before the next.
async fn ask(arena: &Arena, rounds: usize, questions: usize) -> Duration {
    let stream = arena.stranger().await.stream;
    let id = stream.local_addr().unwrap().to_string();
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::new(reader);
    let asked = frame(18, 0, b"").repeat(questions);
    let mut payload = Vec::new();
    let start = Instant::now();
    for _ in 0..rounds {
        soon("asking", writer.write_all(&asked)).await.unwrap();
        let mut answers = 0;
        while answers < questions {
            let mut header = [0; 14];
            soon("an answer", reader.read_exact(&mut header))
                .await
                .unwrap();
            let size = u64::from_le_bytes(header[..8].try_into().unwrap());
            payload.resize(usize::try_from(size).unwrap(), 0);
            soon("an answer", reader.read_exact(&mut payload))
                .await
                .unwrap();
            answers += usize::from(header[12..] == [18, 0] && payload == id.as_bytes());
        }
    }
    start.elapsed()
}

/// Each answer once cost a look at all those before it.
#[tokio::test]
async fn many_waiting_answers_cost_no_more_each_than_few() {
    let arena = Arena::start_with(Limits {
        pending_bytes: 64 << 20,
        ..tight()
    })
    .await;
    let (mut few, mut many) = (Duration::MAX, Duration::MAX);
    // In turns, so that a machine that is busy for a while is so for both.
    for _ in 0..3 {
        few = few.min(ask(&arena, 100, 1000).await);
        many = many.min(ask(&arena, 1, 100_000).await);
    }
    println!("100000 answers by the thousand in {few:?}, at once in {many:?}");
    assert!(many < 3 * few, "{few:?} and {many:?}");
    arena.end(64 << 20).await;
}

#[tokio::test]
async fn what_a_member_has_not_read_is_not_lost_and_not_in_memory() {
    const COMMANDS: u32 = 64;
    /// Waits to be written down, and stands in chunks of the file for others who read there.
    const PASSING: i64 = 16 << 20;
    let whole = vec![7; 1 << 20];
    let arena = Arena::start().await;
    let mut sender = arena.known().await;
    sender.make("Large").await;
    let mut stalled = arena.known().await;
    stalled.enter("Large").await;
    let mut reader = arena.known().await;
    reader.enter("Large").await;
    let sending = async {
        for number in 0..COMMANDS {
            sender.raw(&frame(140, number, &whole)).await;
        }
        sender.barrier().await;
    };
    let all = |client: &Client| client.commands().len() == COMMANDS as usize;
    tokio::join!(sending, reader.until("all commands", all));
    assert_eq!(stalled.commands().len(), 0, "it has not looked yet");
    stalled.until("all commands", all).await;
    for client in [&reader, &stalled] {
        for (number, got) in (0..).zip(client.commands()) {
            assert!((got.kind, got.id) == (140, number) && got.payload == whole);
        }
    }
    arena.end(PASSING + 2 * FLAT_BYTES).await;
}

#[tokio::test]
async fn a_flood_of_errors_stays_bounded() {
    /// 125 MiB of them: far more than the system's buffers hold.
    const ERRORS: usize = 32_000;
    const AT_ONCE: usize = 500;
    let error = "x".repeat(4096);
    let arena = Arena::start().await;
    let mut listener = arena.known().await;
    let mut flooder = arena.known().await;
    let flood = frame(12, 0, &string(&error)).repeat(AT_ONCE);
    let (start, mut refused) = (Instant::now(), 0);
    for _ in 0..ERRORS / AT_ONCE {
        flooder.raw(&flood).await;
        // The relay has read them all, and has told of each that it does not pass on.
        flooder.barrier().await;
        let told = flooder.errors();
        refused += told.iter().filter(|told| **told != error).count();
        flooder.frames.clear();
        listener.barrier().await;
    }
    let passed = ERRORS - refused;
    let errors = |client: &Client| client.frames.iter().filter(|got| got.kind == 12).count();
    listener
        .until("what is passed on", |client| errors(client) >= passed)
        .await;
    let took = start.elapsed();
    println!("{passed} of {ERRORS} errors were passed on in {took:?}");
    // Five at each telling (see `ERRORS_A_TELLING`), of which there are ten a second, and one at each end.
    let most = 5 * (took.as_millis() as usize / 100 + 2);
    assert!((1..=most).contains(&passed), "{passed}, {most} may be");
    assert!(listener.errors() == vec![error.clone(); passed]);
    // What was passed on is kept for those who are behind. The rest is gone.
    let kept = (passed * error.len()) as i64;
    arena.end(kept + 2 * FLAT_BYTES).await;
}

#[tokio::test]
async fn a_name_written_in_escapes_is_the_same_name() {
    let arena = Arena::start().await;
    let mut peer = arena.known().await;
    let id = peer.id();
    let hidden = r#"{"\u0069d": "me", "i\u0070": "6.6.6.6", "po\u0072t": 1, "\u0072oom": "Healthy", "x": 1}"#;
    peer.send(15, &string(hidden)).await;
    peer.send(
        16,
        &[
            string("Healthy"),
            string(r#"{"joi\u006eable": false, "command\u005fcount": 0, "y": 2}"#),
        ]
        .concat(),
    )
    .await;
    peer.until("what counts", |peer| {
        peer.clients[&id].contains_key("x")
            && peer
                .rooms
                .get("Healthy")
                .is_some_and(|room| room.contains_key("y"))
    })
    .await;
    peer.send(14, b"").await;
    peer.send(4, b"").await;
    peer.barrier().await;
    let me = &peer.clients[&id];
    assert_eq!(
        serde_json::Value::from(me.clone()),
        serde_json::json!({"id": id, "ip": "127.0.0.1", "port": peer.stream.local_addr().unwrap().port(), "room": null, "x": 1})
    );
    assert!(peer.is_joinable("Healthy"));
    assert!(peer.rooms["Healthy"]["command_count"].as_u64().unwrap() > 0);
    arena.end(FLAT_BYTES).await;
}

/// Small values cost more than their text; the limit must count that.
#[tokio::test]
async fn a_thousand_tiny_attributes_count_for_what_they_take() {
    let arena = Arena::start_with(Limits {
        attributes_bytes: 1 << 20,
        control_bytes: 8 << 20,
        ..tight()
    })
    .await;
    let mut peer = arena.known().await;
    let mut number = 0;
    while peer.errors().is_empty() {
        let attributes: Vec<_> = (number..number + 5000)
            .map(|n| format!("\"{n:x}\": 0"))
            .collect();
        number += 5000;
        assert!(number < 1_000_000, "a million attributes were taken");
        peer.send(15, &string(&format!("{{{}}}", attributes.join(", "))))
            .await;
        peer.barrier().await;
    }
    assert!(peer.errors()[0].contains("too large"));
    let left = arena.growth();
    println!("{number} tiny attributes, {left} bytes");
    assert!(left < 4 << 20, "{left} bytes for attributes of 1 MiB");
    arena.end(4 * FLAT_BYTES).await;
}

/// A list is one message, and no receiver takes a larger one than the relay does.
#[tokio::test]
async fn all_attributes_together_fit_into_one_list() {
    let limits = Limits {
        attributes_bytes: 1 << 20,
        connections: 64,
        ..tight()
    };
    let control_bytes = usize::try_from(limits.control_bytes).unwrap();
    let arena = Arena::start_with(limits).await;
    let large = |name: &str| format!(r#"{{"{name}": "{}"}}"#, "x".repeat(400 << 10));
    let escaped = format!(r#"{{"{}": 1}}"#, r"\u0001".repeat(60 << 10));
    let mut peers = Vec::new();
    for number in 0..8 {
        let mut peer = arena.known().await;
        for attributes in [
            large("large"),
            escaped.clone(),
            r#"{"user_name": "Ada"}"#.to_owned(),
        ] {
            peer.send(15, &string(&attributes)).await;
        }
        peer.make(&format!("R{number}")).await;
        let room = string(&format!("R{number}"));
        for attributes in [large("large"), r#"{"note": "x"}"#.to_owned()] {
            peer.send(16, &[room.clone(), string(&attributes)].concat())
                .await;
        }
        peer.barrier().await;
        peers.push(peer);
    }
    let mut asking = arena.known().await;
    asking.send(4, b"").await;
    asking.send(14, b"").await;
    asking.barrier().await;
    let lists: Vec<_> = asking
        .frames
        .iter()
        .filter(|got| [4, 14].contains(&got.kind))
        .collect();
    assert_eq!(lists.len(), 2);
    for list in lists {
        let bytes = list.payload.len();
        assert!(bytes > 400 << 10 && bytes <= control_bytes, "{bytes} bytes");
    }
    for (number, peer) in peers.iter().enumerate() {
        assert_eq!(asking.clients[&peer.id()]["user_name"], "Ada");
        assert_eq!(asking.rooms[&format!("R{number}")]["note"], "x");
    }
    let first = peers.remove(0);
    drop(first);
    arena.relay.down_to(peers.len() + 3).await;
    let before = peers[0].errors().len();
    peers[0].send(15, &string(&large("large"))).await;
    peers[0].barrier().await;
    assert_eq!(peers[0].errors().len(), before, "there is room again");
    arena.end(4 * FLAT_BYTES).await;
}

/// The same for live commands: the smallest frame has 14 bytes.
#[tokio::test]
async fn tiny_live_commands_count_for_what_they_take() {
    let arena = Arena::start().await;
    let mut peer = arena.known().await;
    peer.make("Tiny").await;
    for _ in 0..40 {
        peer.raw(&frame(205, 0, b"").repeat(5000)).await;
    }
    peer.barrier().await;
    let (growth, kept) = (arena.growth(), tight().live_bytes as i64);
    println!("200000 live commands: {growth} bytes");
    assert!(
        growth < 3 * kept,
        "{growth} bytes, where {kept} are to be kept"
    );
    arena.end(FLAT_BYTES).await;
}

#[tokio::test]
async fn a_half_closed_peer_still_gets_its_answers() {
    let arena = Arena::start().await;
    let mut peer = arena.stranger().await;
    peer.raw(&[frame(18, 0, b""), frame(99, 0, b""), frame(4, 0, b"")].concat())
        .await;
    peer.stream.shutdown().await.unwrap();
    peer.until_closed().await;
    let kinds: Vec<_> = peer.frames.iter().map(|got| got.kind).collect();
    assert_eq!(kinds, [18, 12, 4]);
    assert!(peer.rooms.contains_key("Healthy"));
    arena.end(FLAT_BYTES).await;
}

/// A file of log lines is read by people, and has to fit on the disk.
#[tokio::test]
async fn the_log_cannot_be_flooded_or_forged() {
    let arena = Arena::start().await;
    let mut peer = arena.known().await;
    peer.send(7, b"x\n2026-01-01T00:00:00Z  INFO forged\x1b[31m")
        .await;
    peer.barrier().await;
    let before = arena.relay.log().len();
    for _ in 0..100 {
        let bad = [
            frame(7, 0, b"Nowhere"),
            frame(99, 0, b""),
            frame(140, 0, b""),
        ]
        .concat();
        peer.raw(&bad.repeat(50)).await;
        peer.barrier().await;
    }
    assert_eq!(peer.errors().len(), 1 + 2 * 100 * 50, "all are answered");
    let log = arena.relay.log();
    println!("{} bytes of log", log.len() - before);
    assert!(
        log.len() - before < 64 << 10,
        "{} bytes",
        log.len() - before
    );
    assert!(log.contains("forged") && !log.contains('\x1b'));
    assert!(
        log.lines().all(|line| line.contains("relay")),
        "{log:.2000}"
    );
    arena.end(FLAT_BYTES).await;
}
