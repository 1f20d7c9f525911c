//! A relay under attack, with a healthy room beside the attacker: one member sends a steady stream,
//! the other must get all of it, once and in order. The relay has a thread of its own, so that its
//! heap and its log can be watched.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mixdesk::relay::{Guests, Limits, Relay};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task;
use tracing::Dispatch;
use tracing::dispatcher::set_default;

use super::client::{Client, frame, read_frame};
use super::meter::Meter;
use super::{PATIENCE, folder_of_this_thread, relay_in, soon};

const ROOM: &str = "Healthy";
/// Kept commands and, every other one, the kind that is delivered live only.
const STREAM_KINDS: [u16; 2] = [140, 205];
/// What the sender sends together, and how long it rests then: some hundred commands a second.
const STREAM_BATCH: u32 = 4;
const STREAM_REST: Duration = Duration::from_millis(5);

/// What the relay may hold more of than before, whatever the attack: buffers of peers, the steady
/// stream's own history.
pub(crate) const FLAT_BYTES: i64 = 4 << 20;

/// Limits that an attack reaches in a second or a megabyte.
pub(crate) fn tight() -> Limits {
    Limits {
        command_bytes: 4 << 20,
        control_bytes: 2 << 20,
        pending_bytes: 256 << 10,
        attributes_bytes: 64 << 10,
        // No machine is so busy that a healthy peer is closed; see `hasty`.
        handshake_seconds: 60,
        stall_seconds: 60,
        live_bytes: 1 << 20,
        // Attacks with many messages are to reach what lies behind; `guests.rs` is about the pace.
        control_messages_a_second: u32::MAX,
        control_messages_a_second_of_all: u32::MAX,
        ..Limits::default()
    }
}

/// The same for peers that stop: they are closed after a second.
pub(crate) fn hasty() -> Limits {
    Limits {
        handshake_seconds: 1,
        stall_seconds: 1,
        ..tight()
    }
}

/// Room for the relay's log. Taken beforehand, so that it is not counted as the relay's memory.
const LOG_BYTES: usize = 16 << 20;

/// Lines of the relay's log.
#[derive(Clone)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock();
        assert!(lines.len() + bytes.len() <= LOG_BYTES, "the log is full");
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A relay on a thread of its own. It writes its rooms down.
pub(crate) struct Watched {
    relay: Relay,
    pub(crate) heap: &'static Meter,
    lines: Lines,
    done: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Watched {
    pub(crate) async fn start(limits: Limits) -> Self {
        let lines = Lines(Arc::new(Mutex::new(Vec::with_capacity(LOG_BYTES))));
        let written = lines.clone();
        let (done, until_done) = oneshot::channel();
        let (started, ready) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let heap = Meter::of_this_thread();
            let log = Dispatch::new(
                tracing_subscriber::fmt()
                    .with_ansi(false)
                    .with_max_level(tracing::Level::INFO)
                    .with_writer(move || written.clone())
                    .finish(),
            );
            // Sound, as this runtime runs all of the relay's tasks on this one thread, but for what waits for
            // the disk.
            let _log = set_default(&log);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .on_thread_start(move || {
                    heap.count_here();
                    // To the end of that thread.
                    std::mem::forget(set_default(&log));
                })
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let folder = folder_of_this_thread();
                let relay = relay_in(&folder, 0, Guests::default(), limits).await;
                assert!(started.send((relay, heap)).is_ok());
                // However the test ends, its end is dropped.
                let _ended = until_done.await;
            });
        });
        let (relay, heap) = soon("the relay's start", ready).await.unwrap();
        Self {
            relay,
            heap,
            lines,
            done,
            thread,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.relay.address()
    }

    pub(crate) fn peers(&self) -> usize {
        self.relay.peers()
    }

    /// What the relay has logged, from INFO up.
    pub(crate) fn log(&self) -> String {
        String::from_utf8(self.lines.0.lock().clone()).unwrap()
    }

    /// Waits for something to be logged.
    pub(crate) async fn logged(&self, what: &str) {
        let waiting = async {
            while !self.log().contains(what) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("“{what}” is not in the log:\n{}", self.log());
        }
    }

    /// Waits until so many peers are left.
    pub(crate) async fn down_to(&self, peers: usize) {
        soon("the peers to go", async {
            while self.peers() != peers {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Ends the relay without waiting for its peers: `shutdown.rs` is about that.
    pub(crate) fn end(self) {
        drop(self.relay);
        drop(self.done);
        self.thread.join().unwrap();
    }
}

/// The relay and its healthy room.
pub(crate) struct Arena {
    pub(crate) relay: Watched,
    before: i64,
    enough: Arc<std::sync::atomic::AtomicBool>,
    sending: task::JoinHandle<u32>,
    receiving: task::JoinHandle<()>,
}

/// Connects, says something before the relay runs out of patience, and waits to be announced.
async fn greet(address: SocketAddr) -> Client {
    let mut client = Client::connect(address).await;
    client.barrier().await;
    let id = client.id();
    client
        .until("its announcement", |client| {
            client.clients.contains_key(&id)
        })
        .await;
    client
}

fn numbered(number: u32) -> Vec<u8> {
    let kind = STREAM_KINDS[number as usize % STREAM_KINDS.len()];
    frame(kind, number, &number.to_le_bytes())
}

/// The last one, by its kind, which nothing else here has.
const LAST: u16 = 143;

impl Arena {
    pub(crate) async fn start() -> Self {
        Self::start_with(tight()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        let relay = Watched::start(limits).await;
        let mut sender = greet(relay.address()).await;
        sender.make(ROOM).await;
        let mut receiver = greet(relay.address()).await;
        receiver.enter(ROOM).await;
        let before = relay.heap.live_bytes();
        relay.heap.forget_peak();
        let enough = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let sending = task::spawn(send_on(sender.stream, Arc::clone(&enough)));
        let receiving = task::spawn(receive_all(receiver.stream));
        Self {
            relay,
            before,
            enough,
            sending,
            receiving,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.relay.address()
    }

    /// An attacker that behaves so far: the relay has announced it.
    pub(crate) async fn known(&self) -> Client {
        greet(self.address()).await
    }

    /// An attacker that has said nothing.
    pub(crate) async fn stranger(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// More on the relay's heap than before the attack, at the worst moment.
    pub(crate) fn peak_growth(&self) -> i64 {
        self.relay.heap.peak_bytes() - self.before
    }

    /// More on the relay's heap than before the attack.
    pub(crate) fn growth(&self) -> i64 {
        self.relay.heap.live_bytes() - self.before
    }

    /// After the attack: the relay never held more than `growth` bytes for it, it still answers, and
    /// the members have lost, doubled and reordered nothing. Returns the most it held, and the
    /// commands that flowed.
    pub(crate) async fn end(self, growth: i64) -> (i64, u32) {
        let peak = self.peak_growth();
        assert!(
            peak <= growth,
            "the relay's heap grew by {peak} bytes, {growth} were expected"
        );
        let mut newcomer = self.known().await;
        newcomer.barrier().await;
        self.enough
            .store(true, std::sync::atomic::Ordering::Relaxed);
        let sent = soon("the sender", self.sending).await.unwrap();
        soon("the receiver", self.receiving).await.unwrap();
        assert!(sent >= STREAM_BATCH, "a stream flowed meanwhile");
        drop(newcomer);
        self.relay.end();
        (peak, sent)
    }
}

/// Sends until it is enough. Reads as well, as a Blender does.
async fn send_on(stream: TcpStream, enough: Arc<std::sync::atomic::AtomicBool>) -> u32 {
    let (mut reader, mut writer) = stream.into_split();
    let reading = task::spawn(async move {
        let mut sink = vec![0; 64 << 10];
        while reader.read(&mut sink).await.is_ok_and(|count| count > 0) {}
    });
    let mut number = 0;
    while !enough.load(std::sync::atomic::Ordering::Relaxed) || number == 0 {
        let batch: Vec<u8> = (number..number + STREAM_BATCH).flat_map(numbered).collect();
        soon("the healthy sender", writer.write_all(&batch))
            .await
            .unwrap();
        number += STREAM_BATCH;
        tokio::time::sleep(STREAM_REST).await;
    }
    writer.write_all(&frame(LAST, number, b"")).await.unwrap();
    assert!(!reading.is_finished(), "the sender was not thrown out");
    // Held open until the receiver has everything, so that the room lives.
    task::spawn(async move {
        reading.await.unwrap();
        drop(writer);
    });
    number
}

/// Expects the sender's numbers and nothing else of the room.
async fn receive_all(stream: TcpStream) {
    let mut stream = tokio::io::BufReader::new(stream);
    let mut expected = 0;
    loop {
        let got = soon("the next command", read_frame(&mut stream))
            .await
            .expect("the receiver was thrown out");
        match got.kind {
            LAST => {
                assert_eq!(got.id, expected, "the last command comes after all others");
                return;
            }
            ..=100 => {}
            _ => {
                assert_eq!(
                    got.wire(),
                    numbered(expected),
                    "lost, doubled or reordered at {expected}"
                );
                expected += 1;
            }
        }
    }
}
