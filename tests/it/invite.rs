//! Joining by an invite: asking what is at an address, trying all ways at once, and one window for all invites.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use mixdesk::backend::{Folders, Instance};
use mixdesk::net::{Target, Why};
use mixdesk::protocol::Foreign;
use mixdesk::reach::{Answered, Invite, Route, RouteKind, first_that_answers, probe};
use mixdesk::relay::{Limits, Relay};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::common::program::command;
use crate::common::{Client, PATIENCE, asking_relay, relay, relay_with, soon};

/// For what is to run out in a test: long enough for an answer from this computer.
const SHORT: Duration = Duration::from_secs(1);

fn target(address: SocketAddr) -> Target {
    Target {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

async fn look(address: SocketAddr) -> Result<Answered, Why> {
    soon("a probe", probe(&target(address), PATIENCE)).await
}

/// Something that does `answer` with each connection.
async fn impostor<F>(answer: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            tokio::spawn(answer(listener.accept().await.unwrap().0));
        }
    });
    address
}

/// Something that says `words` after the first bytes from us, and then takes what comes.
async fn saying(words: &'static [u8]) -> SocketAddr {
    impostor(move |mut stream| async move {
        let mut sink = [0; 1024];
        let _asked = stream.read(&mut sink).await;
        let _said = stream.write_all(words).await;
        while stream.read(&mut sink).await.is_ok_and(|count| count > 0) {}
    })
    .await
}

/// An address of this computer where nobody listens.
fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_tells_what_it_has() {
    let relay = relay();
    let found = look(relay.address()).await.unwrap();
    assert_eq!(
        (found.address, found.rooms, found.people, found.said),
        (relay.address(), Some(0), Some(0), None)
    );
    let mut ada = Client::hello(relay.address()).await;
    ada.make("Shot 12").await;
    let found = look(relay.address()).await.unwrap();
    assert_eq!((found.rooms, found.people), (Some(1), Some(1)));
    assert!(found.round_trip < PATIENCE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_leaves_nothing_behind() {
    let relay = relay();
    let mut ada = Client::hello(relay.address()).await;
    ada.make("R").await;
    look(relay.address()).await.unwrap();
    soon("its end", async {
        while relay.peers() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    ada.until("only Ada", |ada| ada.clients.len() == 1).await;
    ada.barrier().await;
    assert_eq!(ada.errors(), [""; 0]);
    assert_eq!(relay.attempts(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_asks_its_host_is_one_and_its_host_is_not_asked() {
    let relay = asking_relay();
    let found = look(relay.address()).await.unwrap();
    assert!(found.said.unwrap().contains("let you in first"));
    assert_eq!((found.rooms, found.people), (None, None));
    assert_eq!(relay.waiting(), []);
    assert_eq!(relay.attempts(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_full_is_one() {
    let relay = relay_with(Limits {
        connections: 1,
        ..Limits::default()
    });
    let _ada = Client::hello(relay.address()).await;
    let found = look(relay.address()).await.unwrap();
    assert!(found.said.unwrap().contains("full"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_relay_is_told_apart() {
    for (words, foreign) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"[..],
            Foreign::Http,
        ),
        (b"\x15\x03\x01\0\x02\x02\x28 and so on", Foreign::Tls),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Foreign::Ssh),
        (b"220 mail.example.com ESMTP\r\n", Foreign::Unknown),
    ] {
        let address = saying(words).await;
        assert_eq!(
            look(address).await,
            Err(Why::NotMixer(target(address), foreign))
        );
    }
    // Frames, but none that a relay sends.
    let address = saying(&[0; 64]).await;
    let why = look(address).await.unwrap_err();
    assert!(matches!(why, Why::Nonsense(..)), "{why}");

    let address = nobody();
    assert_eq!(look(address).await, Err(Why::Refused(target(address))));

    let address = impostor(|_closed| async {}).await;
    assert_eq!(look(address).await, Err(Why::ClosedEarly(target(address))));

    // RFC 6761: names under .invalid never resolve, and resolvers answer so by themselves.
    let unknown = Target {
        host: "studio.invalid".to_owned(),
        port: 1,
    };
    let why = soon("a probe", probe(&unknown, PATIENCE))
        .await
        .unwrap_err();
    assert!(
        matches!(why, Why::UnknownName(_) | Why::LookupTimedOut(_)),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_nothing_or_not_all_is_silent_in_time() {
    let silent = saying(b"").await;
    let slow = saying(&[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 18, 0, b'1']).await;
    for address in [silent, slow] {
        let began = Instant::now();
        let why = soon("a probe", probe(&target(address), SHORT)).await;
        assert_eq!(why, Err(Why::Silent(target(address))));
        assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    }
}

/// A listener that takes no more connections: what comes is not even refused.
#[cfg(target_os = "linux")]
async fn deaf() -> (socket2::Socket, Vec<TcpStream>, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
        waiting.push(stream);
    }
    (socket, waiting, address)
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_even_refuse_is_not_waited_for() {
    let (_socket, _waiting, address) = deaf().await;
    let why = soon("a probe", probe(&target(address), SHORT)).await;
    assert_eq!(why, Err(Why::TimedOut(target(address), SHORT)));

    // Where another route answers, it costs no more than its head start.
    let relay = relay();
    let routes = [target(address), target(relay.address())];
    let began = Instant::now();
    let first = soon("a route", first_that_answers(&routes, 100 * PATIENCE)).await;
    assert_eq!(first, Ok(target(relay.address())));
    assert!(began.elapsed() >= Duration::from_millis(150));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_route_to_a_relay_is_kept() {
    let relay = relay();
    let others = [
        nobody(),
        saying(b"HTTP/1.1 400 Bad Request\r\n\r\n").await,
        saying(b"").await,
        relay.address(),
        saying(b"").await,
    ];
    let routes = others.map(target);
    let first = soon("a route", first_that_answers(&routes, 100 * PATIENCE)).await;
    assert_eq!(first, Ok(target(relay.address())));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_routes_the_better_one_is_kept() {
    let (better, worse) = (relay(), relay());
    let routes = [target(better.address()), target(worse.address())];
    let first = soon("a route", first_that_answers(&routes, PATIENCE)).await;
    assert_eq!(first, Ok(target(better.address())));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_no_route_leads_there_each_says_why() {
    let silent = target(saying(b"").await);
    let refused = target(nobody());
    let http = target(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
    let routes = [&silent, &refused, &http, &refused].map(Clone::clone);
    let failed = soon("an end", first_that_answers(&routes, SHORT)).await;
    assert_eq!(
        failed,
        Err(vec![
            (silent.clone(), Why::Silent(silent)),
            (refused.clone(), Why::Refused(refused)),
            (http.clone(), Why::NotMixer(http, Foreign::Http)),
        ])
    );
    assert_eq!(first_that_answers(&[], SHORT).await, Err(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_routes_are_not_tried() {
    let routes: Vec<_> = (0..1000).map(|_| target(nobody())).collect();
    let failed = soon("an end", first_that_answers(&routes, SHORT)).await;
    assert!(failed.unwrap_err().len() <= 12);
}

/// An invite with a way that leads nowhere and one to `relay`.
fn invite(relay: &Relay, room: Option<&str>) -> Invite {
    let route = |kind, address: SocketAddr| Route {
        kind,
        host: address.ip().to_string(),
        port: address.port(),
    };
    Invite {
        session: "Lighting review".to_owned(),
        room: room.map(str::to_owned),
        routes: vec![
            route(RouteKind::Lan, nobody()),
            route(RouteKind::Internet, relay.address()),
        ],
    }
}

fn output(home: &Path, args: &[&str]) -> Output {
    command(home, args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_understands_what_a_colleague_sends() {
    let home = tempfile::tempdir().unwrap();
    let relay = relay();
    let mut ada = Client::hello(relay.address()).await;
    ada.make("Shot 12").await;
    let message = format!(
        "Join me: <{}>!",
        invite(&relay, None).to_string().replace('&', "&amp;")
    );
    let words = format!("my ip is {} come in!", relay.address());
    for place in [&message, &words] {
        let output = output(home.path(), &["rooms", place]);
        let (out, said) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(out.contains("Shot 12"), "{out}");
    }
    let mut nowhere = invite(&relay, None);
    nowhere.routes.truncate(1);
    for (args, code, words) in [
        (
            &["rooms", &nowhere.to_string()][..],
            3,
            "None of the addresses of this invite answers",
        ),
        (&["rooms", &nowhere.to_string()], 3, "Nobody answers at 127"),
        (&["rooms", "mixdesk://join?v=1"], 2, "no address in it"),
        (&["rooms", "come in whenever you like"], 2, "no address in"),
        (&["watch", &message], 4, "Which room?"),
        // What is wrong with it the window says.
        (&["mixdesk://join?v=1"], 1, "no display"),
        (&["192.168.0.48"], 2, "begin with mixdesk://"),
    ] {
        let output = output(home.path(), args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_invite_to_a_room_is_enough_to_watch_it() {
    let home = tempfile::tempdir().unwrap();
    let relay = relay();
    let mut ada = Client::hello(relay.address()).await;
    ada.make("Shot 12").await;
    let invite = invite(&relay, Some("Shot 12")).to_string();
    let args = ["watch", &invite, "--json"];
    let mut watch = crate::common::Program::start(&mut command(home.path(), &args));
    assert_eq!(watch.event("entered")["room"], "Shot 12");
}

const INVITE: &str = "mixdesk://join?name=Lighting+review&lan=192.168.0.48&v=1";

/// Starts the program with an invite, as the system does when somebody opens one.
async fn open(home: &Path, invite: &str) -> (Option<i32>, String) {
    let mut command = command(home, &[invite]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = soon("the program", output).await.unwrap();
    (output.status.code(), text(&output.stderr))
}

/// Opens invites until the window has one: it may still be getting ready.
async fn handed_over(home: &Path, window: &mut mpsc::Receiver<String>) {
    soon("an invite", async {
        while open(home, INVITE).await.0 != Some(0) {}
    })
    .await;
    assert_eq!(window.recv().await.as_deref(), Some(INVITE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_hands_its_invite_to_the_window() {
    let home = tempfile::tempdir().unwrap();
    let folders = Folders::within(home.path());
    let (code, said) = open(home.path(), INVITE).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("no display"), "{said}");

    let mut window = Instance::listen(&folders);
    handed_over(home.path(), &mut window).await;
    // As it came, for a newer window to understand.
    let newer = "MIXDESK://join?lan=192.168.0.48&mood=blue&v=9";
    let wrapped = format!("  {} ", newer.replace("&mood", "\n&mood"));
    assert_eq!(open(home.path(), &wrapped).await.0, Some(0));
    assert_eq!(window.recv().await.as_deref(), Some(wrapped.trim()));

    // Another user's window, or that of another home, is not asked.
    let other = tempfile::tempdir().unwrap();
    assert_eq!(open(other.path(), INVITE).await.0, Some(1));

    // One window has them all, until it ends; then the other one has.
    let mut second = Instance::listen(&folders);
    handed_over(home.path(), &mut window).await;
    assert!(second.try_recv().is_err());
    drop(window);
    handed_over(home.path(), &mut second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_does_not_look_takes_no_invites_for_ever() {
    let home = tempfile::tempdir().unwrap();
    let mut window = Instance::listen(&Folders::within(home.path()));
    handed_over(home.path(), &mut window).await;
    let mut taken = 0;
    while open(home.path(), INVITE).await.0 == Some(0) {
        taken += 1;
        assert!(taken < 100);
    }
    assert!(taken > 0);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_window_leaves_behind_is_no_obstacle() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("window.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    assert_eq!(open(home.path(), INVITE).await.0, Some(1));
    let mut window = Instance::listen(&Folders::within(home.path()));
    handed_over(home.path(), &mut window).await;
    drop(window);
    soon("its end", async {
        while socket.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn other_programs_cannot_disturb_the_window() {
    use std::os::unix::fs::PermissionsExt;
    use tokio::net::UnixStream;
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("window.sock");
    let mut window = Instance::listen(&Folders::within(home.path()));
    handed_over(home.path(), &mut window).await;
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for said in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 64],
        b"\x03\0\0\0abc",
        b"",
    ] {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        stream.write_all(said).await.unwrap();
    }
    // One that says nothing more is not waited for.
    let mut silent = UnixStream::connect(&socket).await.unwrap();
    silent.write_all(&[1]).await.unwrap();
    handed_over(home.path(), &mut window).await;
    assert!(window.try_recv().is_err());
}
