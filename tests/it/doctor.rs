//! The doctor: what it says of relays that work, of those that do not, and of what is no relay.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mixdesk::backend::doctor::{
    Finding, HostExam, LONGEST, Verdict, check, examine_guest, examine_guest_since, examine_host,
};
use mixdesk::net::Target;
use mixdesk::reach::doctor::{Failed, ROOM_NAME, Step, self_test};
use mixdesk::relay::{Guests, Limits, Relay};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::common::program::{command, recent_folder, rooms_folder};
use crate::common::{Client, PATIENCE, Program, asking_relay, relay, relay_with, soon};

fn target(address: SocketAddr) -> Target {
    Target {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

async fn findings(mut stream: mpsc::Receiver<Finding>) -> Vec<Finding> {
    let mut all = Vec::new();
    while let Some(finding) = soon("a finding", stream.recv()).await {
        let whole = !finding.what.is_empty() && !finding.why.is_empty();
        assert!(
            whole && finding.what.ends_with(['.', '!', '?', '”']),
            "{finding:?}"
        );
        let has_fix = finding.fix.is_some();
        assert!(
            has_fix || finding.verdict != Verdict::Problem,
            "{finding:?}"
        );
        all.push(finding);
    }
    all
}

fn of<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    findings
        .iter()
        .find(|one| one.check == check)
        .unwrap_or_else(|| panic!("nothing of {check}: {findings:#?}"))
}

/// Listens on a free port and does something with every connection.
async fn server<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn http(mut stream: TcpStream) {
    let _sent = stream
        .write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        .await;
}

async fn silence(mut stream: TcpStream) {
    let mut sink = [0; 4096];
    while stream.read(&mut sink).await.is_ok_and(|count| count > 0) {}
}

/// What a proxy does to large pieces of what a relay says.
#[derive(Clone, Copy)]
enum Fault {
    Alters,
    Swallows,
}

/// A relay behind something that does not pass on everything as it is.
async fn broken(relay: &Relay, fault: Fault) -> SocketAddr {
    let behind = relay.address();
    server(move |ours| async move {
        let theirs = TcpStream::connect(behind).await.unwrap();
        let (mut from_us, mut to_us) = ours.into_split();
        let (mut from_relay, mut to_relay) = theirs.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_us, &mut to_relay).await });
        let mut piece = vec![0; 1 << 20];
        while let Ok(count @ 1..) = from_relay.read(&mut piece).await {
            let piece = &mut piece[..count];
            if count > 2000 {
                match fault {
                    Fault::Alters => piece[1000] ^= 1,
                    Fault::Swallows => continue,
                }
            }
            if to_us.write_all(piece).await.is_err() {
                return;
            }
        }
    })
    .await
}

fn soon_until() -> Instant {
    Instant::now() + PATIENCE
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_works_passes_and_nothing_of_the_test_remains() {
    let relay = relay();
    let mut other = Client::hello(relay.address()).await;
    other.make("Shot 12").await;
    let passed = self_test(&target(relay.address()), soon_until())
        .await
        .unwrap();
    assert!(passed.compared_bytes > 100_000, "{passed:?}");
    assert!(
        passed.bytes_a_second > 0.0 && passed.took > passed.round_trip,
        "{passed:?}"
    );
    let versions: Vec<_> = passed.versions.iter().collect();
    assert_eq!(versions.len(), 1);
    assert_eq!(
        (versions[0].blender.as_str(), versions[0].mixer.as_str()),
        ("2.93.0", "1.0.0")
    );
    let rooms = relay.directory().rooms;
    assert_eq!(rooms.len(), 1, "{rooms:?}");
    while relay.peers() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_relay_is_found() {
    let relay = relay();
    let altering = broken(&relay, Fault::Alters).await;
    let failed = self_test(&target(altering), soon_until())
        .await
        .unwrap_err();
    assert!(matches!(failed, Failed::Altered(_)), "{failed:?}");

    let swallowing = broken(&relay, Fault::Swallows).await;
    let until = Instant::now() + Duration::from_secs(1);
    let failed = self_test(&target(swallowing), until).await.unwrap_err();
    assert!(
        matches!(failed, Failed::Altered(_) | Failed::Stuck(Step::Join)),
        "{failed:?}"
    );

    // Of all these tests nothing has remained either.
    while !relay.directory().rooms.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let full = relay_with(Limits {
        rooms: 0,
        ..Limits::default()
    });
    let failed = self_test(&target(full.address()), soon_until())
        .await
        .unwrap_err();
    assert!(
        matches!(&failed, Failed::Told(Step::Make, words) if words.contains("rooms")),
        "{failed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tests_of_one_relay_do_not_meet() {
    let relay = relay();
    let at = target(relay.address());
    let tests = (0..5).map(|_| {
        let at = at.clone();
        tokio::spawn(async move { self_test(&at, soon_until()).await })
    });
    for test in tests.collect::<Vec<_>>() {
        test.await.unwrap().unwrap();
    }
    assert!(relay.directory().rooms.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_told_why_there_is_no_session() {
    let closed = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        listener.local_addr().unwrap()
    };
    for (at, check, words) in [
        (closed, check::CONNECTION, "no server runs on that port"),
        (server(http).await, check::ANSWER, "HTTP"),
        (
            server(silence).await,
            check::ANSWER,
            "does not answer like a Mixer server",
        ),
        (
            server(|stream| async { drop(stream) }).await,
            check::ANSWER,
            "closed the connection",
        ),
    ] {
        let begun = Instant::now();
        let all = findings(examine_guest(target(at))).await;
        assert!(
            begun.elapsed() < LONGEST + Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
        let finding = of(&all, check);
        assert_eq!(finding.verdict, Verdict::Problem);
        assert!(finding.what.contains(words), "{finding:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_guests_examination_counts() {
    let silent = server(|stream| async move {
        let _held = (stream, std::future::pending::<()>().await);
    })
    .await;
    let now = Instant::now();
    let begun = now.checked_sub(LONGEST - Duration::from_secs(1)).unwrap();
    let all = findings(examine_guest_since(target(silent), begun)).await;
    assert_eq!(of(&all, check::ANSWER).verdict, Verdict::Problem);
    assert!(
        now.elapsed() < Duration::from_secs(2),
        "{:?}",
        now.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_of_a_relay_is_told_how_it_is() {
    let relay = relay();
    let mut other = Client::hello(relay.address()).await;
    other.make("Shot 12").await;
    let all = findings(examine_guest(target(relay.address()))).await;
    let problems = all.iter().filter(|one| one.verdict == Verdict::Problem);
    assert_eq!(problems.count(), 0, "{all:#?}");
    assert!(
        of(&all, check::ANSWER)
            .what
            .contains("1 room and 1 other person"),
        "{all:#?}"
    );
    assert!(
        of(&all, check::VERSIONS)
            .what
            .contains("Blender 2.93.0 and Mixer 1.0.0"),
        "{all:#?}"
    );
    assert!(of(&all, check::SPEED).what.contains("/s"), "{all:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whom_the_host_keeps_waiting_is_told() {
    let relay = asking_relay();
    let all = findings(examine_guest(target(relay.address()))).await;
    let finding = of(&all, check::ENTRANCE);
    assert_eq!(finding.verdict, Verdict::Problem);
    assert!(finding.what.contains("has to let you in"), "{finding:?}");
}

fn host_exam(port: u16, starts_relay: bool) -> HostExam {
    HostExam {
        port,
        starts_relay,
        mapping: None,
        // Nothing leaves this computer.
        asks_router: false,
        guests: Guests::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_a_relay_is_told_or_gets_one_for_the_while() {
    let port = {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let all = findings(examine_host(host_exam(port, false))).await;
    assert_eq!(of(&all, check::RELAY).verdict, Verdict::Problem);
    let all = findings(examine_host(host_exam(port, true))).await;
    assert_eq!(of(&all, check::PORT).verdict, Verdict::Note);
    assert_eq!(of(&all, check::RELAY).verdict, Verdict::Good);
    for check in [check::ADDRESSES, check::FIREWALL, check::ROUTER] {
        of(&all, check);
    }
    assert!(
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_another_program_has_is_told() {
    for at in [server(http).await, server(silence).await] {
        let all = findings(examine_host(host_exam(at.port(), true))).await;
        let finding = of(&all, check::PORT);
        assert_eq!(finding.verdict, Verdict::Problem);
        assert!(
            finding.what.contains("taken by another program"),
            "{finding:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_examination_ends_when_nobody_listens() {
    let open = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&open);
    let at = server(move |stream| {
        let open = Arc::clone(&counted);
        async move {
            open.fetch_add(1, Ordering::SeqCst);
            silence(stream).await;
            open.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await;
    let stream = examine_guest(target(at));
    let until = |wanted: usize| {
        let open = &open;
        async move {
            while open.load(Ordering::SeqCst) != wanted {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    };
    soon("the guest's connection", until(1)).await;
    drop(stream);
    let begun = Instant::now();
    soon("its end", until(0)).await;
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

fn run(args: &[&str]) -> (Output, Vec<Value>) {
    let home = tempfile::tempdir().unwrap();
    let output = command(home.path(), args).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let lines = lines.collect();
    (output, lines)
}

fn finding<'a>(lines: &'a [Value], check: &str) -> &'a Value {
    lines
        .iter()
        .find(|line| line["check"] == check)
        .unwrap_or_else(|| panic!("nothing of {check}: {lines:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_examines_a_host_and_leaves_nothing_in_its_rooms() {
    let home = tempfile::tempdir().unwrap();
    let host = Program::host(home.path());
    let at = format!("localhost:{}", host.address().port());
    let (output, lines) = run(&["doctor", &at, "--json"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    assert_eq!(finding(&lines, "relay")["verdict"], "good");
    let last = lines.last().unwrap();
    assert_eq!(last["event"], "examined");
    assert_eq!(last["host"], Value::Null);
    let left = || {
        [rooms_folder(home.path()), recent_folder(home.path())]
            .iter()
            .flat_map(|folder| std::fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".mixdesk"))
            .count()
    };
    // The host removes the file once the room has ended, which nobody waits for.
    soon("the end of the room's file", async {
        while left() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    // In the host's log the room has its name.
    host.says(&ROOM_NAME.to_lowercase()).await;
}

#[test]
fn the_program_says_by_its_exit_code_what_it_found() {
    let home = tempfile::tempdir().unwrap();
    let host = Program::host(home.path());
    // Another address of this computer, which means no host but this one to examine.
    let at = format!("127.0.0.2:{}", host.address().port());
    let (output, lines) = run(&["doctor", &at, "--json"]);
    if cfg!(target_os = "linux") {
        // It listens on 127.0.0.1 only.
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let found = finding(&lines, "connection");
        assert_eq!(found["verdict"], "problem");
        assert!(found["fix"].as_str().unwrap().ends_with('.'), "{found}");
        assert_eq!(lines.last().unwrap()["host"], at.as_str());
    }
    let (output, _) = run(&["doctor", "a b"]);
    assert_eq!(output.status.code(), Some(2));
    let (output, _) = run(&["doctor", &at]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("What to do: "), "{text}");
}
