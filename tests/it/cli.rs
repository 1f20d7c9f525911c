//! The program without a window, as a process.

use std::io::Read;
#[cfg(unix)]
use std::path::Path;
#[cfg(unix)]
use std::process::ChildStdin;
use std::process::Output;
#[cfg(unix)]
use std::process::Stdio;
#[cfg(unix)]
use std::time::Duration;

use serde_json::Value;

#[cfg(unix)]
use crate::common::Program;
use crate::common::program::command;
#[cfg(unix)]
use crate::common::program::hosting;
use crate::common::{Client, relay};

fn output(args: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    command(home.path(), args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Drains within two seconds; the rest is for these machines, which are shared.
#[cfg(unix)]
const END_PATIENCE: Duration = Duration::from_secs(10);

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn it_hosts_until_it_is_asked_to_end() {
    use rustix::process::Signal;
    for signal in [Signal::INT, Signal::TERM] {
        let home = tempfile::tempdir().unwrap();
        let mut host = Program::start(&mut command(
            home.path(),
            &["host", "--port", "0", "--no-announce", "--json"],
        ));
        let hosting = host.json();
        assert_eq!(hosting["event"], "hosting");
        let port = u16::try_from(hosting["port"].as_u64().unwrap()).unwrap();
        assert!(hosting["addresses"].is_array());
        for ip in ["127.0.0.1", "::1"] {
            if ip == "::1" && std::net::TcpListener::bind("[::1]:0").is_err() {
                println!("skipped {ip}: this computer does not have it");
                continue;
            }
            let mut client =
                Client::hello((ip.parse::<std::net::IpAddr>().unwrap(), port).into()).await;
            client.make(ip).await;
        }
        let mut member = Client::hello(([127, 0, 0, 1], port).into()).await;
        let (code, took) = host.end(signal);
        assert_eq!(code, Some(0));
        assert!(took < END_PATIENCE, "{took:?}");
        member.until_closed().await;
        assert_eq!(member.errors(), ["The server is closing."]);
    }
}

#[test]
fn without_a_display_it_says_so_and_hosts() {
    // Nobody is to be found here by others of this network: whoever has the port already will do as well.
    let _taken = std::net::TcpListener::bind("127.0.0.1:12800");
    let said = text(&output(&[]).stderr);
    assert!(
        said.contains("no display") && said.contains("hosts in this terminal"),
        "{said}"
    );
    assert!(
        said.contains("Port 12800") && said.contains("is taken by"),
        "{said}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_display_that_is_not_there_is_told() {
    let home = tempfile::tempdir().unwrap();
    let output = command(home.path(), &[])
        .env("DISPLAY", ":65000")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("mixdesk host"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_lists_rooms() {
    let relay = relay();
    let at = relay.address().to_string();
    let empty = output(&["rooms", &at]);
    assert_eq!(
        (empty.status.code(), text(&empty.stdout).as_str()),
        (Some(0), "No rooms yet.\n")
    );
    let mut a = Client::hello(relay.address()).await;
    a.make("Shot 12").await;
    a.send(140, &[0; 100]).await;
    a.barrier().await;

    let table = text(&output(&["rooms", &at]).stdout);
    assert!(table.starts_with("Room"), "{table}");
    let row = table.lines().nth(1).unwrap();
    for word in ["Shot 12", "1", "114 B", "2.93.0", "1.0.0", "Ready"] {
        assert!(row.contains(word), "{word} in {row}");
    }
    let json = text(&output(&["rooms", &at, "--json"]).stdout);
    let room: Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!({
        "room": "Shot 12", "people": 1, "bytes": 114, "edits": 1, "blender_version": "2.93.0",
        "mixer_version": "1.0.0", "ignore_version_check": false, "keep_open": false, "joinable": true,
    });
    assert_eq!(room, expected);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn it_watches_a_room() {
    let relay = relay();
    let mut a = Client::hello(relay.address()).await;
    a.make("R").await;
    a.send(
        15,
        &crate::common::client::string(r#"{"user_name": "Ada"}"#),
    )
    .await;
    a.send(140, &[0; 86]).await;
    a.barrier().await;
    let home = tempfile::tempdir().unwrap();
    let at = relay.address().to_string();
    let mut watch = Program::start(&mut command(home.path(), &["watch", &at, "R", "--json"]));
    let history = watch.event("history");
    assert_eq!(
        (history["commands"].as_u64(), history["bytes"].as_u64()),
        (Some(1), Some(100))
    );
    assert_eq!(watch.event("entered")["people"], serde_json::json!(["Ada"]));
    a.send(201, &[0; 36]).await;
    let traffic = watch.event("traffic");
    assert_eq!(
        (traffic["commands"].as_u64(), traffic["bytes"].as_u64()),
        (Some(1), Some(50))
    );
    assert_eq!(traffic["last"], "TRANSFORM");
    let mut b = Client::hello(relay.address()).await;
    b.enter("R").await;
    assert_eq!(watch.event("person-entered")["name"], b.id());
    drop(b);
    watch.event("person-left");
    let (code, took) = watch.end(rustix::process::Signal::INT);
    assert_eq!(code, Some(0));
    assert!(took < END_PATIENCE, "{took:?}");
}

/// The first bytes of the five commands of a room, as somebody gets them who joins it.
#[cfg(unix)]
async fn numbers(host: &Program) -> Vec<u8> {
    let mut member = Client::hello(host.address()).await;
    member.enter("Shot 12").await;
    let all = |member: &Client| member.commands().len() == 5;
    member.until("all commands", all).await;
    let commands = member.commands().into_iter();
    commands.map(|got| got.payload[0]).collect()
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn rooms_survive_a_kill_and_are_brought_back_after_their_end() {
    use rustix::process::Signal;
    let home = tempfile::tempdir().unwrap();
    let recent = |args: &[&str]| {
        let output = command(home.path(), args).output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let none = (Some(0), "No recent rooms.\n".to_owned());

    let host = Program::host(home.path());
    let mut a = Client::hello(host.address()).await;
    a.make("Shot 12").await;
    for number in 0..5 {
        a.send(140, &[number; 86]).await;
    }
    // What somebody has got is not lost.
    assert_eq!(numbers(&host).await, [0, 1, 2, 3, 4]);
    host.kill();

    let host = Program::host(home.path());
    assert_eq!(numbers(&host).await, [0, 1, 2, 3, 4]);
    assert_eq!(recent(&["recent"]), none);
    assert_eq!(host.end(Signal::TERM).0, Some(0));

    let (code, json) = recent(&["recent", "--json"]);
    assert_eq!(code, Some(0));
    let room: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(room["room"], "Shot 12");
    assert!(room["bytes"].as_u64().unwrap() > 500 && room["ended"].as_u64().unwrap() > 1 << 30);
    let id = room["id"].as_str().unwrap();
    let (_, table) = recent(&["recent"]);
    let row = table.lines().nth(1).unwrap();
    for word in ["Shot 12", "just now", id] {
        assert!(row.contains(word), "{word} in {row}");
    }

    let mut asked = hosting(home.path(), 0);
    let mut host = Program::start(asked.args(["--reopen", id]));
    assert_eq!(host.event("reopened")["room"], "Shot 12");
    let host = host.hosts();
    // Another one has the folder, and is not disturbed.
    assert_eq!(recent(&["recent"]), none);
    assert_eq!(numbers(&host).await, [0, 1, 2, 3, 4]);
    host.end(Signal::TERM);
    assert!(recent(&["recent"]).1.contains("Shot 12"));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_words_and_exit_codes() {
    let relay = relay();
    let at = relay.address().to_string();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().port().to_string();
    // Nobody else can get the port, and nobody answers there either.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let free = held.local_addr().unwrap().to_string();
    for (args, code, words) in [
        (&["host", "--port", &taken][..], 1, "is taken by"),
        (
            &["host", "--port", "0", "--bind", "192.0.2.77"],
            1,
            "cannot host",
        ),
        (
            &["host", "--port", "0", "--reopen", "x.mixdesk"],
            4,
            "no recent room",
        ),
        (&["rooms", &free], 3, "Nobody answers"),
        (&["watch", &free, "R"], 3, "Nobody answers"),
        (&["watch", &at, "Nowhere"], 4, "no room “Nowhere”"),
        (&["rooms", "a b"], 2, "A host name has only"),
        (&["rooms", "host:0"], 2, "1 to 65535"),
        (&["dance"], 2, "dance"),
    ] {
        let output = output(args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_tells_all_commands() {
    let help = text(&output(&["--help"]).stdout);
    for word in [
        "host",
        "nearby",
        "rooms",
        "recent",
        "watch",
        "doctor",
        "Exit codes",
        "MIXDESK_HOME",
    ] {
        assert!(help.contains(word), "{help}");
    }
    let mut nothing = String::new();
    (&output(&["--version"]).stdout[..])
        .read_to_string(&mut nothing)
        .unwrap();
    assert_eq!(nothing, format!("mixdesk {}\n", env!("CARGO_PKG_VERSION")));
}

/// A host in the terminal, for whom this computer is like any other.
#[cfg(unix)]
fn hosting_in(home: &Path, guests: &str) -> (Program, ChildStdin, std::net::SocketAddr) {
    let settings = format!("[relay]\nspare_this_computer = false\n{guests}");
    std::fs::write(home.join("settings.toml"), settings).unwrap();
    let mut command = hosting(home, 0);
    let mut host = Program::start_hosting(command.stdin(Stdio::piped()));
    let input = host.input().unwrap();
    let at = host.address();
    (host, input, at)
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_host_decides_in_the_terminal_who_may_come() {
    use std::io::Write;
    let home = tempfile::tempdir().unwrap();
    let (mut host, mut input, at) = hosting_in(home.path(), "[guests]\nask = true\n");
    let mut ada = Client::connect(at).await;
    ada.send(18, b"").await;
    let waiting = host.event("waiting");
    assert_eq!(waiting["waiting"][0]["address"], "127.0.0.1");
    assert_eq!(waiting["waiting"][0]["connections"], 1);
    writeln!(input, "\nallow 127.0.0.1").unwrap();
    assert_eq!(host.event("done")["text"], "127.0.0.1 is let in.");
    ada.until("an answer", |ada| ada.asked(18)).await;
    ada.make("R").await;

    writeln!(input, "people").unwrap();
    let people = host.event("people");
    let expected = serde_json::json!(
        [{"client": ada.id(), "address": "127.0.0.1", "name": null, "room": "R"}]
    );
    assert_eq!(people["people"], expected);
    writeln!(input, "kick {} too loud", ada.id()).unwrap();
    host.event("done");
    ada.until_closed().await;
    assert_eq!(
        ada.errors().last().unwrap(),
        "The host has removed you: too loud."
    );

    let mut ben = Client::hello(at).await;
    writeln!(input, "ban {} 60 noise", ben.id()).unwrap();
    let done = host.event("done")["text"].clone();
    assert_eq!(
        done,
        "127.0.0.1 is banned; 1 connections from there are ended."
    );
    ben.until_closed().await;
    for (order, words) in [
        ("allow 127.0.0.1", "127.0.0.1 is banned"),
        ("kick 127.0.0.1:1", "Nobody here is 127.0.0.1:1"),
        ("unban 192.0.2.1", "is not banned"),
        ("dance", "type help"),
    ] {
        writeln!(input, "{order}").unwrap();
        let failed = host.event("failed")["text"].clone();
        assert!(failed.as_str().unwrap().contains(words), "{failed}");
    }
    writeln!(input, "bans\nunban 127.0.0.1\nask off\nattempts\nhelp").unwrap();
    let bans = host.event("bans");
    assert_eq!(bans["bans"][0]["address"], "127.0.0.1");
    assert_eq!(bans["bans"][0]["reason"], "noise");
    assert!(bans["bans"][0]["until"].is_u64());
    assert!(host.event("attempts")["attempts"].is_array());
    assert!(host.event("help")["text"].is_string());

    // Nobody types any more, and it hosts on.
    drop(input);
    Client::hello(at).await.barrier().await;
    let (code, _) = host.end(rustix::process::Signal::INT);
    assert_eq!(code, Some(0));
}

/// Waits until the settings contain all `words`; what they are then.
#[cfg(unix)]
async fn kept(home: &Path, words: &'static [&str]) -> String {
    let path = home.join("settings.toml");
    let kept = tokio::task::spawn_blocking(move || {
        let end = std::time::Instant::now() + crate::common::PATIENCE;
        loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if words.iter().all(|word| text.contains(word)) {
                return text;
            }
            assert!(std::time::Instant::now() < end, "{words:?} not in {text}");
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    kept.await.unwrap()
}

/// Ctrl-S, a pager that was stopped, a pipe that nobody reads.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_takes_nothing_holds_up_nobody() {
    use std::io::Write;
    let home = tempfile::tempdir().unwrap();
    let mut command = hosting(home.path(), 0);
    let host = Program::start_unread(command.stdin(Stdio::piped()));
    let mut host = host.hosts();
    let mut input = host.input().unwrap();
    // More than any pipe holds, on both.
    let typing = std::thread::spawn(move || {
        let reason = "x".repeat(200);
        for _ in 0..400 {
            writeln!(input, "help\nban 192.0.2.1 60 {reason}").unwrap();
        }
        writeln!(input, "ask on").unwrap();
        input
    });
    kept(home.path(), &["ask = true"]).await;
    let _input = typing.join().unwrap();
    let mut a = Client::hello(host.address()).await;
    a.make("R").await;
    let mut b = Client::hello(host.address()).await;
    b.enter("R").await;
    a.send(140, &[0; 100]).await;
    let all = |member: &Client| member.commands().len() == 1;
    b.until("the command", all).await;
    let (code, took) = host.end(rustix::process::Signal::TERM);
    assert_eq!(code, Some(0));
    assert!(took < END_PATIENCE, "{took:?}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_the_host_has_decided_is_kept() {
    use std::io::Write;
    let home = tempfile::tempdir().unwrap();
    let (mut host, mut input, at) = hosting_in(home.path(), "");
    writeln!(input, "ban 127.0.0.1\nask on").unwrap();
    host.event("done");
    host.event("done");
    let kept = kept(home.path(), &["ask = true", "address = \"127.0.0.1\""]).await;
    assert!(kept.contains("spare_this_computer = false"), "{kept}");
    let mut refused = Client::connect(at).await;
    refused.until_closed().await;
    drop(host);

    let guests = kept.split_once("[guests]").unwrap().1;
    let (_again, _input, at) = hosting_in(home.path(), &format!("[guests]{guests}"));
    let mut refused = Client::connect(at).await;
    refused.until_closed().await;
    assert_eq!(refused.errors(), ["The host has banned you."]);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn all_threads_take_memory_from_one_place() {
    let home = tempfile::tempdir().unwrap();
    let program = Program::host(home.path());
    assert_eq!(program.arenas(), 0);
}
