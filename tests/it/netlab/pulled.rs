//! A cable that is pulled during a session: who hung on it is found and let go, and the others notice nothing of it but
//! that.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;

use super::lab::Lab;
use crate::common::client::frame;
use crate::common::program::command;
use crate::common::{Client, Program};

/// How soon the host knows.
const FOUND_WITHIN: Duration = Duration::from_secs(30);
/// What the others may wait for a command, with two shared cores for all of this.
const NEVER_WAITS: Duration = Duration::from_secs(3);
/// Between two commands of a sender.
const REST: Duration = Duration::from_millis(20);
/// How long the others are watched once it is found.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// A host in a lab.
struct Session {
    lab: Lab,
    program: Program,
    orders: ChildStdin,
    address: SocketAddr,
    _home: TempDir,
}

/// A room with somebody who sends, somebody who listens, and somebody whose cable will be pulled.
struct Room {
    sender: Client,
    listener: Client,
    victim: String,
    /// Takes what it is given, as long as something comes.
    _taking: JoinHandle<()>,
}

impl Session {
    fn start() -> Option<Self> {
        let lab = Lab::up()?;
        let home = TempDir::new().unwrap();
        let mut command = lab.wrap(
            "host",
            &command(home.path(), &["host", "--port", "0", "--json"]),
        );
        let mut program = Program::start_hosting(command.stdin(Stdio::piped()));
        let address = ([192, 168, 77, 10], program.address().port()).into();
        Some(Self {
            orders: program.input().unwrap(),
            lab,
            program,
            address,
            _home: home,
        })
    }

    /// Somebody in a place.
    async fn client(&self, place: &str) -> Client {
        self.lab.client(place, self.address).await
    }

    async fn room(&self, name: &str) -> Room {
        let mut sender = self.client("router").await;
        sender.make(name).await;
        let mut listener = self.client("router").await;
        listener.enter(name).await;
        let mut victim = self.client("guest").await;
        victim.enter(name).await;
        let id = victim.id();
        for other in [&mut sender, &mut listener] {
            other
                .until("it to be in", |other| {
                    other
                        .clients
                        .get(&id)
                        .is_some_and(|victim| victim["room"] == name)
                })
                .await;
        }
        let mut stream = victim.stream;
        let taking = tokio::spawn(async move {
            let mut sink = vec![0; 1 << 16];
            while stream.read(&mut sink).await.is_ok_and(|count| count > 0) {}
        });
        Room {
            sender,
            listener,
            victim: id,
            _taking: taking,
        }
    }

    /// Nothing comes and goes at the guest any more, and nobody is told.
    fn pull(&self) -> Instant {
        self.lab.sh("router", "ip link set p-guest down");
        Instant::now()
    }

    /// Who is connected, as the host sees it.
    fn people(&mut self) -> Vec<String> {
        self.orders.write_all(b"people\n").unwrap();
        let told = self.program.event("people");
        let people = told["people"].as_array().unwrap();
        let clients = people.iter().map(|one| one["client"].as_str().unwrap());
        clients.map(str::to_owned).collect()
    }
}

impl Room {
    /// Commands of `bytes` flow until the victim is found and a little longer; all of them reach the listener in order
    /// and in time. Returns how long after `pulled` it was found.
    async fn goes_on(self, bytes: usize, pulled: Instant) -> Duration {
        let Self {
            sender,
            mut listener,
            victim,
            _taking,
        } = self;
        let enough = Arc::new(AtomicBool::new(false));
        let sending = tokio::spawn(send(sender, bytes, Arc::clone(&enough)));
        let (mut found, mut expected) = (None, 0);
        let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
        while found.is_none_or(|found| pulled.elapsed() < found + AFTERWARDS) {
            assert!(pulled.elapsed() < 2 * FOUND_WITHIN, "it is still there");
            listener.frames.clear();
            listener
                .until("the next", |listener| !listener.frames.is_empty())
                .await;
            if let [got] = &listener.commands()[..] {
                assert_eq!((got.id, got.payload.len()), (expected, bytes));
                expected += 1;
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            if found.is_none() && !listener.clients.contains_key(&victim) {
                found = Some(pulled.elapsed());
            }
        }
        enough.store(true, Ordering::Relaxed);
        let slowest = sending.await.unwrap();
        let found = found.unwrap();
        println!(
            "{bytes} bytes every {REST:?}: found after {found:?}; {expected} commands, at most {longest:?} between \
             two, the slowest answer {slowest:?}"
        );
        assert!(found < FOUND_WITHIN, "{found:?}");
        assert!(
            longest.max(slowest) < NEVER_WAITS,
            "{longest:?} {slowest:?}"
        );
        found
    }
}

/// Sends numbered commands until it is enough; returns the longest that it waited for an answer.
async fn send(mut sender: Client, bytes: usize, enough: Arc<AtomicBool>) -> Duration {
    let (payload, mut slowest) = (vec![7; bytes], Duration::ZERO);
    for number in 0.. {
        if enough.load(Ordering::Relaxed) {
            break;
        }
        sender.raw(&frame(140, number, &payload)).await;
        let asked = Instant::now();
        sender.frames.clear();
        sender.barrier().await;
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(REST).await;
    }
    slowest
}

/// Much is on its way to one of them, so that the relay waits for it; little to the other, which goes into the
/// system's buffers without a word.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and the netlab"]
async fn is_found_while_commands_flow() {
    let Some(mut session) = Session::start() else {
        return;
    };
    let (much, little) = (session.room("Much").await, session.room("Little").await);
    let victims = [much.victim.clone(), little.victim.clone()];
    let people = session.people();
    assert!(victims.iter().all(|victim| people.contains(victim)));
    let pulled = session.pull();
    tokio::join!(much.goes_on(64 << 10, pulled), little.goes_on(100, pulled));
    let people = session.people();
    assert!(
        !victims.iter().any(|victim| people.contains(victim)),
        "{people:?}"
    );
    session.program.says("it does not answer any more").await;
    let said = session.program.said();
    for victim in victims {
        let line = said.lines().find(|line| {
            line.contains(&victim) && line.contains("disconnected: it does not answer any more")
        });
        assert!(line.is_some(), "{victim} in:\n{said}");
    }
}

/// One command and no more: the system's keep-alive asks nobody to whom something is on its way.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and the netlab"]
async fn is_found_after_a_single_command() {
    is_found_after(1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and the netlab"]
async fn is_found_while_nothing_flows() {
    is_found_after(0).await;
}

async fn is_found_after(commands: usize) {
    let Some(mut session) = Session::start() else {
        return;
    };
    let mut room = session.room("Quiet").await;
    let pulled = session.pull();
    for _ in 0..commands {
        room.sender.send(140, b"the last for a while").await;
    }
    let victim = room.victim.clone();
    room.listener
        .until("it to be gone", |listener| {
            !listener.clients.contains_key(&victim)
        })
        .await;
    let found = pulled.elapsed();
    println!("{commands} commands: found after {found:?}");
    assert!(found < FOUND_WITHIN, "{found:?}");
    assert_eq!(room.listener.commands().len(), commands);
    assert_eq!(session.people().len(), 2);
}
