//! The program without a window, as a process.

use std::io::{BufRead, BufReader, Read};
#[cfg(unix)]
use std::process::{Child, ChildStdout};
use std::process::{Command, Output, Stdio};
#[cfg(unix)]
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Client, relay};

fn mixdesk(args: &[&str]) -> (Command, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mixdesk"));
    command
        .args(args)
        .env("MIXDESK_HOME", home.path())
        .stdin(Stdio::null());
    for display in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        command.env_remove(display);
    }
    (command, home)
}

fn output(args: &[&str]) -> Output {
    let (mut command, _home) = mixdesk(args);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A program that runs until it is ended; ended at the latest when this is dropped.
#[cfg(unix)]
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    /// `None` when somebody else goes on with it.
    home: Option<tempfile::TempDir>,
}

#[cfg(unix)]
impl Running {
    fn start(args: &[&str]) -> Self {
        let (command, home) = mixdesk(args);
        Self::run(command, home)
    }

    /// With what an earlier one has left behind.
    fn start_again(args: &[&str], home: tempfile::TempDir) -> Self {
        let (mut command, _unused) = mixdesk(args);
        command.env("MIXDESK_HOME", home.path());
        Self::run(command, home)
    }

    fn run(mut command: Command, home: tempfile::TempDir) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            out,
            home: Some(home),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    fn json(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// The next line that tells of `event`.
    fn event(&mut self, event: &str) -> Value {
        loop {
            let line = self.json();
            if line["event"] == event {
                return line;
            }
        }
    }

    /// Ends it at once, without a chance to put anything away; what it leaves behind.
    fn kill(mut self) -> tempfile::TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.home.take().unwrap()
    }

    /// Sends a signal; returns the exit code and how long the end took.
    fn end(&mut self, signal: rustix::process::Signal) -> (Option<i32>, Duration) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let asked = Instant::now();
        rustix::process::kill_process(pid, signal).unwrap();
        let code = self.child.wait().unwrap().code();
        (code, asked.elapsed())
    }
}

#[cfg(unix)]
impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Drains within two seconds; the rest is for these machines, which are shared.
#[cfg(unix)]
const END_PATIENCE: Duration = Duration::from_secs(10);

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn it_hosts_until_it_is_asked_to_end() {
    use rustix::process::Signal;
    for signal in [Signal::INT, Signal::TERM] {
        let mut host = Running::start(&["host", "--port", "0", "--json"]);
        let hosting = host.json();
        assert_eq!(hosting["event"], "hosting");
        let port = u16::try_from(hosting["port"].as_u64().unwrap()).unwrap();
        assert!(hosting["addresses"].is_array());
        for ip in ["127.0.0.1", "::1"] {
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
    // The default port may be taken on this machine; then it says that instead, which is as good.
    let (mut command, _home) = mixdesk(&[]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    err.read_line(&mut said).unwrap();
    assert!(
        said.contains("no display") && said.contains("hosts in this terminal"),
        "{said}"
    );
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    if first.is_empty() {
        err.read_line(&mut said).unwrap();
    }
    let _ended = child.kill();
    child.wait().unwrap();
    assert!(
        first.starts_with("Hosting on port 12800.") || said.contains("is taken by"),
        "{first} {said}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_display_that_is_not_there_is_told() {
    let (mut command, _home) = mixdesk(&[]);
    let output = command.env("DISPLAY", ":65000").output().unwrap();
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
    let mut watch = Running::start(&["watch", &relay.address().to_string(), "R", "--json"]);
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

/// Hosts at any port, and hears of it: the program, and where it is.
#[cfg(unix)]
fn hosting(mut host: Running) -> (Running, std::net::SocketAddr) {
    let port = host.event("hosting")["port"].as_u64().unwrap();
    (host, ([127, 0, 0, 1], u16::try_from(port).unwrap()).into())
}

/// The first bytes of the five commands of a room, as somebody gets them who joins it.
#[cfg(unix)]
async fn numbers(at: std::net::SocketAddr) -> Vec<u8> {
    let mut member = Client::hello(at).await;
    member.enter("Shot 12").await;
    let all = |member: &Client| member.commands().len() == 5;
    member.until("all commands", all).await;
    let commands = member.commands().into_iter();
    commands.map(|got| got.payload[0]).collect()
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn rooms_survive_a_kill_and_are_brought_back_after_their_end() {
    const HOST: [&str; 4] = ["host", "--port", "0", "--json"];
    let (host, at) = hosting(Running::start(&HOST));
    let mut a = Client::hello(at).await;
    a.make("Shot 12").await;
    for number in 0..5 {
        a.send(140, &[number; 86]).await;
    }
    // What somebody has got is not lost.
    assert_eq!(numbers(at).await, [0, 1, 2, 3, 4]);

    let (mut host, at) = hosting(Running::start_again(&HOST, host.kill()));
    assert_eq!(numbers(at).await, [0, 1, 2, 3, 4]);
    let recent = |home: &std::path::Path, args: &[&str]| {
        let (mut command, _unused) = mixdesk(args);
        let output = command.env("MIXDESK_HOME", home).output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let home = host.home.take().unwrap();
    let none = recent(home.path(), &["recent"]);
    assert_eq!(none, (Some(0), "No recent rooms.\n".to_owned()));
    let (code, _) = host.end(rustix::process::Signal::TERM);
    assert_eq!(code, Some(0));

    let (code, json) = recent(home.path(), &["recent", "--json"]);
    assert_eq!(code, Some(0));
    let room: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(room["room"], "Shot 12");
    assert!(room["bytes"].as_u64().unwrap() > 500 && room["ended"].as_u64().unwrap() > 1 << 30);
    let id = room["id"].as_str().unwrap().to_owned();
    let (_, table) = recent(home.path(), &["recent"]);
    let row = table.lines().nth(1).unwrap();
    for word in ["Shot 12", "just now", &id] {
        assert!(row.contains(word), "{word} in {row}");
    }

    // While another one hosts, what it has is seen as well.
    let args = [&HOST[..], &["--reopen", &id]].concat();
    let mut host = Running::start_again(&args, home);
    assert_eq!(host.event("reopened")["room"], "Shot 12");
    let (mut host, at) = hosting(host);
    let home = host.home.take().unwrap();
    assert_eq!(recent(home.path(), &["recent"]).1, "No recent rooms.\n");
    assert_eq!(numbers(at).await, [0, 1, 2, 3, 4]);
    host.end(rustix::process::Signal::TERM);
    assert!(recent(home.path(), &["recent"]).1.contains("Shot 12"));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_words_and_exit_codes() {
    let relay = relay();
    let at = relay.address().to_string();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().port().to_string();
    let free = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
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
        "rooms",
        "recent",
        "watch",
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
