//! Our own session against real relays, and against things that are none.

use std::net::SocketAddr;
use std::time::Duration;

use mixdesk::net::Target;
use mixdesk::protocol::attribute;
use mixdesk::relay::{Guests, Limits};
use mixdesk::session::{
    Command, Config, Event, Identity, Membership, Phase, Session, Snapshot, Why,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::common::{Client, PATIENCE, asking_relay, relay, relay_before_another, relay_in, soon};

fn start(address: SocketAddr, name: &str) -> Session {
    let target = Target {
        host: address.ip().to_string(),
        port: address.port(),
    };
    let identity = Identity {
        name: name.to_owned(),
        color: [0.25, 0.5, 1.0],
    };
    Session::start(
        Config {
            reports_commands: true,
            ..Config::new(target, identity)
        },
        None,
    )
}

async fn until(session: &mut Session, what: &str, done: impl Fn(&Snapshot) -> bool) {
    let waiting = async {
        loop {
            let snapshot = session.snapshot();
            if done(&snapshot) {
                return;
            }
            assert!(
                session.changed().await || done(&session.snapshot()),
                "the session ended before {what}"
            );
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("no {what}: {:?}", session.snapshot());
    }
}

async fn online(session: &mut Session) {
    until(session, "being online", |now| now.phase == Phase::Online).await;
}

async fn is_in(session: &mut Session, room: &str) {
    until(session, "being in", |now| {
        now.membership
            == Membership::In {
                room: room.to_owned(),
            }
    })
    .await;
}

async fn event(session: &mut Session, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = soon("an event", session.event())
            .await
            .expect("the session goes on");
        if wanted(&event) {
            return event;
        }
    }
}

async fn failure(session: &mut Session) -> Why {
    until(session, "a failure", |now| {
        matches!(now.phase, Phase::Failed(_))
    })
    .await;
    match &session.snapshot().phase {
        Phase::Failed(why) => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_us_make_join_keep_leave_and_delete_rooms() {
    let relay = relay();
    let (mut ada, mut bo) = (start(relay.address(), "Ada"), start(relay.address(), "Bo"));
    online(&mut ada).await;
    online(&mut bo).await;
    until(&mut ada, "both names", |now| {
        let names: Vec<_> = now
            .clients
            .values()
            .filter_map(|client| client.text(attribute::USER_NAME))
            .collect();
        names.len() == 2 && names.contains(&"Ada".to_owned()) && names.contains(&"Bo".to_owned())
    })
    .await;

    assert!(ada.command(Command::Create("Shot 12".into())));
    is_in(&mut ada, "Shot 12").await;
    until(&mut bo, "a room that is ready and kept open", |now| {
        now.rooms.get("Shot 12").is_some_and(|room| {
            room.flag(attribute::JOINABLE) == Some(true)
                && room.flag(attribute::KEEP_OPEN) == Some(true)
                && room
                    .count(attribute::BYTE_SIZE)
                    .is_some_and(|size| size > 0)
        })
    })
    .await;
    assert!(bo.command(Command::Join("Shot 12".into())));
    is_in(&mut bo, "Shot 12").await;
    let entered = Event::PersonEntered {
        name: "Bo".into(),
        room: "Shot 12".into(),
    };
    event(&mut ada, |event| *event == entered).await;

    assert!(ada.command(Command::Delete("Shot 12".into())));
    event(
        &mut ada,
        |event| matches!(event, Event::Told(text) if text.contains("people are in it")),
    )
    .await;
    for session in [&mut ada, &mut bo] {
        assert!(session.command(Command::Leave));
        until(session, "being out", |now| {
            now.membership == Membership::Out
        })
        .await;
    }
    assert!(bo.command(Command::Delete("Shot 12".into())));
    until(&mut ada, "an empty list", |now| now.rooms.is_empty()).await;
    soon("stopping", ada.stop()).await;
    soon("stopping", bo.stop()).await;
    soon("stopping", relay.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blenders_room_is_joined_with_its_own_versions_and_its_traffic_seen() {
    let relay = relay();
    let mut blender = Client::hello(relay.address()).await;
    blender.make("R").await;
    blender.send(140, b"before").await;
    blender.barrier().await;
    let mut ada = start(relay.address(), "Ada");
    online(&mut ada).await;
    assert!(ada.command(Command::Join("R".into())));
    let first = event(&mut ada, |event| matches!(event, Event::RoomCommand { .. })).await;
    assert!(
        matches!(
            first,
            Event::RoomCommand {
                bytes: 20,
                replayed: true,
                ..
            }
        ),
        "{first:?}"
    );
    is_in(&mut ada, "R").await;
    blender.send(140, b"after").await;
    let live = event(&mut ada, |event| matches!(event, Event::RoomCommand { .. })).await;
    assert!(
        matches!(
            live,
            Event::RoomCommand {
                bytes: 19,
                replayed: false,
                ..
            }
        ),
        "{live:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_connection_it_comes_back_into_its_room() {
    let first = relay_before_another().await;
    let address = first.address();
    let mut ada = start(address, "Ada");
    online(&mut ada).await;
    ada.command(Command::Create("R".into()));
    is_in(&mut ada, "R").await;
    soon("stopping", first.stop()).await;
    until(&mut ada, "the loss", |now| {
        matches!(now.phase, Phase::Lost { .. })
    })
    .await;
    assert_eq!(ada.snapshot().membership, Membership::Out);

    let folder = tempfile::tempdir().unwrap();
    let (guests, limits) = (Guests::default(), Limits::default());
    let second = relay_in(folder.path(), address.port(), guests, limits).await;
    let mut blender = Client::hello(address).await;
    blender.make("R").await;
    is_in(&mut ada, "R").await;
    assert_eq!(ada.snapshot().phase, Phase::Online);
    soon("stopping", second.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listening_is_a_refusal() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(matches!(
        failure(&mut start(address, "Ada")).await,
        Why::Refused(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_is_told_as_that() {
    // RFC 6761: names under .invalid never resolve, and resolvers answer so by themselves.
    let target = Target {
        host: "studio.invalid".to_owned(),
        port: 1,
    };
    let identity = Identity {
        name: "Ada".to_owned(),
        color: [0.0; 3],
    };
    let mut session = Session::start(Config::new(target, identity), None);
    // Without any network some systems ask for long before they say so.
    let why = failure(&mut session).await;
    assert!(
        matches!(why, Why::UnknownName(_) | Why::LookupTimedOut(_)),
        "{why}"
    );
}

/// Something that takes one connection and does `answer` with it.
async fn impostor<F>(answer: impl FnOnce(tokio::net::TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { answer(listener.accept().await.unwrap().0).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_server_is_not_a_relay() {
    let address = impostor(|mut stream| async move {
        let mut request = [0; 14];
        stream.read_exact(&mut request).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        // Until we have seen enough.
        while stream.read(&mut request).await.is_ok_and(|count| count > 0) {}
    })
    .await;
    let why = failure(&mut start(address, "Ada")).await;
    assert!(why.to_string().contains("HTTP"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn something_that_says_nothing_is_not_waited_for() {
    let address = impostor(|mut stream| async move {
        let mut sink = [0; 100];
        while stream.read(&mut sink).await.is_ok_and(|count| count > 0) {}
    })
    .await;
    assert!(matches!(
        failure(&mut start(address, "Ada")).await,
        Why::Silent(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn something_that_hangs_up_is_told_as_that() {
    let address = impostor(|stream| async move { drop(stream) }).await;
    assert!(matches!(
        failure(&mut start(address, "Ada")).await,
        Why::ClosedEarly(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_words_of_a_relay_are_the_reason() {
    let relay = relay();
    let mut ada = start(relay.address(), "Ada");
    online(&mut ada).await;
    soon("stopping", relay.stop()).await;
    until(&mut ada, "the loss", |now| {
        matches!(now.phase, Phase::Lost { .. })
    })
    .await;
    let Phase::Lost { why, retry_at } = ada.snapshot().phase.clone() else {
        panic!("lost")
    };
    assert!(why.to_string().contains("The server is closing"), "{why}");
    assert!(retry_at.elapsed() < Duration::from_secs(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_relay_says_so_in_its_own_words() {
    let relay = crate::common::relay_with(Limits {
        connections: 0,
        ..Limits::default()
    });
    let why = failure(&mut start(relay.address(), "Ada")).await;
    assert!(why.to_string().contains("This server is full"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_a_host_who_is_asked_first() {
    let relay = asking_relay();
    let mut ada = start(relay.address(), "Ada");
    let told = event(&mut ada, |event| matches!(event, Event::Told(_))).await;
    assert_eq!(
        told,
        Event::Told("The host has to let you in first. Wait a moment.".into())
    );
    // Longer than a relay that says nothing is waited for.
    let early = tokio::time::timeout(Duration::from_secs(6), online(&mut ada)).await;
    assert!(early.is_err(), "it was let in");
    assert_eq!(ada.snapshot().phase, Phase::Connecting);
    relay.allow(relay.address().ip()).unwrap();
    online(&mut ada).await;

    let guests = relay.guests();
    soon("stopping", ada.stop()).await;
    relay.deny(relay.address().ip());
    assert_ne!(relay.guests(), guests);
    let why = failure(&mut start(relay.address(), "Ada")).await;
    assert!(
        why.to_string().ends_with("The host did not let you in."),
        "{why}"
    );
}
