//! Who rests is served by whoever brings commands: in order, and with what does not fit for its own task.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::net::pair;
use crate::protocol::{Frame, Kind, Run};
use crate::relay::account::Account;
use crate::relay::log::Keep;
use crate::relay::pending::PendingLimits;

const LONG: Duration = Duration::from_secs(20);

/// A member of a room, and the other end of its connection.
struct Scene {
    log: Arc<Log>,
    outbox: Arc<Outbox>,
    line: Line,
    theirs: TcpStream,
    sent: u32,
}

impl Scene {
    async fn new() -> Self {
        let (theirs, ours) = pair().await;
        let keep = Keep {
            bytes: 1 << 20,
            age: LONG,
            room_bytes: 1 << 30,
            unstored_bytes: 1 << 30,
        };
        let log = Arc::new(Log::new(keep));
        let limits = PendingLimits {
            of_one: usize::MAX,
            of_address: usize::MAX,
            of_all: usize::MAX,
        };
        let [pending, taking] =
            [(); 2].map(|()| Pending::new(limits, Arc::default(), Arc::default()));
        let card = card(1);
        let outbox = Outbox::new(pending, taking, card);
        outbox.enter(Member::making(PeerId(1), "Shot 12", Arc::clone(&log)));
        // Entering rings: the write loop looks once, and rests then.
        outbox.changed().await;
        let line = Line::new(ours);
        timeout(LONG, writable(&line)).await.unwrap();
        Self {
            log,
            outbox,
            line,
            theirs,
            sent: 0,
        }
    }

    /// Somebody else sends a command with its number, `bytes` large.
    fn send(&mut self, bytes: usize) {
        let mut payload = vec![0; bytes - Frame::new(Kind(140), b"").wire().len()];
        payload[..4].copy_from_slice(&self.sent.to_le_bytes());
        self.sent += 1;
        let run = Run::from_wire(Frame::new(Kind(140), &payload).into_wire()).unwrap();
        self.log.append(&card(2), run, Instant::now()).unwrap();
    }

    /// What the write loop would write now.
    fn left(&self) -> VecDeque<Bytes> {
        let mut out = self.outbox.begun().unwrap();
        while !matches!(self.outbox.take_commands(&mut out), Taken::Nothing) {}
        out
    }

    async fn read(&mut self, bytes: usize) -> Vec<u8> {
        let mut got = vec![0; bytes];
        let read = self.theirs.read_exact(&mut got);
        timeout(LONG, read).await.unwrap().unwrap();
        got
    }
}

fn card(id: u64) -> Arc<Card> {
    let card = Card::new(PeerId(id), format!("10.0.0.1:{id}"), Account::boundless());
    Arc::new(card)
}

/// A new connection says only after a moment that it takes something.
async fn writable(line: &Line) {
    use tokio::io::AsyncWriteExt;
    let mut line = line.clone();
    line.write_all(&[]).await.unwrap();
    while line.try_write(&[]).is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_rests_is_served_by_whoever_brings_commands() {
    let mut scene = Scene::new().await;
    let outbox = Arc::clone(&scene.outbox);
    let resting = outbox.rest(Some(&scene.line));
    scene.send(100);
    assert_eq!(scene.read(100).await[14..18], 0u32.to_le_bytes());
    assert!(scene.left().is_empty());
    assert!(
        timeout(Duration::from_millis(50), outbox.changed())
            .await
            .is_err(),
        "its own task sleeps on"
    );
    drop(resting);
    scene.send(100);
    timeout(LONG, outbox.changed()).await.unwrap();
    assert_eq!(scene.left().len(), 1, "who does not rest writes itself");
}

#[tokio::test]
async fn what_does_not_fit_is_left_to_its_own_task_in_order() {
    let mut scene = Scene::new().await;
    let outbox = Arc::clone(&scene.outbox);
    let resting = outbox.rest(Some(&scene.line));
    const BYTES: usize = 10_000;
    let rung = async {
        while timeout(Duration::ZERO, outbox.changed()).await.is_err() {
            scene.send(BYTES);
        }
    };
    timeout(LONG, rung).await.unwrap();
    scene.send(BYTES);
    scene.send(BYTES);
    drop(resting);
    let left = scene.left();
    let left_bytes: usize = left.iter().map(Bytes::len).sum();
    assert!(
        left_bytes > 2 * BYTES && left_bytes <= 3 * BYTES,
        "{left_bytes} bytes are left"
    );
    let all = usize::try_from(scene.sent).unwrap() * BYTES;
    let mut got = scene.read(all - left_bytes).await;
    got.extend(left.into_iter().flatten());
    for (number, frame) in (0u32..).zip(got.chunks(BYTES)) {
        assert_eq!(frame[14..18], number.to_le_bytes());
    }
}

#[tokio::test]
async fn what_is_large_or_comes_before_an_answer_is_left_to_its_own_task() {
    let mut scene = Scene::new().await;
    let outbox = Arc::clone(&scene.outbox);
    let resting = outbox.rest(Some(&scene.line));
    scene.send(AT_ONCE_BYTES + 1);
    timeout(LONG, outbox.changed()).await.unwrap();
    assert_eq!(scene.left().len(), 1);
    drop(resting);

    outbox.push(Reply::message(&RelayMessage::LeaveRoom));
    let _resting = outbox.rest(Some(&scene.line));
    scene.send(100);
    timeout(LONG, outbox.changed()).await.unwrap();
    assert_eq!(scene.left().len(), 1);
}
