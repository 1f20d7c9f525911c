use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::*;
use crate::net::{Bind, FrameReader, pair};
use crate::protocol::{ClientMessage, Frame, JoinRequest, Kind};
use crate::relay::hub::Hub;
use crate::relay::library::Revived;
use crate::relay::{Guests, Limits, bind};

#[test]
fn who_carries_much_in_a_short_time_is_busy_until_it_carries_little() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut judge = Judge::new(Rule::USUAL, 0, start);
    assert_eq!(judge.look(MUCH_BYTES - 1, at(1)), None);
    assert_eq!(judge.look(MUCH_BYTES, at(5000)), None, "that took long");
    assert_eq!(judge.look(2 * MUCH_BYTES, at(5050)), Some(Lane::Busy));
    assert_eq!(judge.look(2 * MUCH_BYTES + 1, at(6000)), None);
    assert_eq!(judge.look(3 * MUCH_BYTES, at(7000)), None, "still much");
    assert_eq!(judge.look(3 * MUCH_BYTES + 1, at(8999)), None);
    assert_eq!(judge.look(3 * MUCH_BYTES + 2, at(9000)), Some(Lane::Calm));
    assert_eq!(judge.look(4 * MUCH_BYTES, at(9200)), None, "it counts anew");
}

#[test]
fn who_takes_long_turns_is_busy_however_little_it_carries() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut judge = Judge::new(Rule::USUAL, 0, start);
    judge.took(MUCH_TIME);
    assert_eq!(judge.look(1, at(5000)), None, "that was in a long time");
    judge.took(MUCH_TIME / 2);
    assert_eq!(judge.look(2, at(5050)), None);
    judge.took(MUCH_TIME / 2);
    assert_eq!(judge.look(3, at(5060)), Some(Lane::Busy));
    judge.took(MUCH_TIME);
    assert_eq!(judge.look(3, at(7000)), None, "still long");
    assert_eq!(judge.look(3, at(9000)), Some(Lane::Calm));
}

/// Everybody goes over as soon as they have carried anything, and back at once.
const RESTLESS: Rule = Rule {
    much_bytes: 1,
    much_time: Duration::MAX,
    much_within: Duration::MAX,
    calm_after: Duration::ZERO,
};

struct Counted {
    line: Line,
    moves: Arc<AtomicU64>,
}

impl Carrier for Counted {
    fn carried(&self) -> u64 {
        Line::carried(&self.line)
    }

    fn arrived(&self) {
        self.line.move_here().unwrap();
        self.moves.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_connection_that_moves_all_the_time_carries_everything() {
    const BYTES: usize = 4 << 20;
    let (theirs, ours) = pair().await;
    let (mut from_us, mut to_us) = theirs.into_split();
    let line = Line::new(ours);
    let moves = Arc::new(AtomicU64::new(0));
    let counted = Counted {
        line: line.clone(),
        moves: Arc::clone(&moves),
    };
    let (mut reader, mut writer) = (line.clone(), line);
    let echo = async move {
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let (lanes, tasks) = (Lanes::with(RESTLESS), TaskTracker::new());
    lanes.spawn(&tasks, counted, echo);
    let said: Vec<u8> = (0..=250).cycle().take(BYTES).collect();
    let expected = said.clone();
    let saying = tokio::spawn(async move {
        to_us.write_all(&said).await.unwrap();
        to_us.shutdown().await.unwrap();
    });
    let mut got = Vec::new();
    from_us.read_to_end(&mut got).await.unwrap();
    saying.await.unwrap();
    assert!(got == expected, "{} bytes came", got.len());
    tasks.close();
    tasks.wait().await;
    assert!(moves.load(Ordering::Relaxed) > 10);
}

/// Who is busy once stays it.
const STAYING: Rule = Rule {
    calm_after: Duration::from_secs(86_400),
    ..RESTLESS
};

/// A member that says numbers, and hears those of the others.
struct Member {
    reader: FrameReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Member {
    async fn enter(address: SocketAddr, makes: bool) -> Self {
        let (reader, writer) = TcpStream::connect(address).await.unwrap().into_split();
        let limits = Limits::default();
        let mut member = Self {
            reader: FrameReader::new(reader, limits.frames(), limits.patience()),
            writer,
        };
        let join = ClientMessage::JoinRoom(JoinRequest {
            room: "Shot 12".to_owned(),
            blender_version: "4.5".to_owned(),
            mixer_version: "1.2".to_owned(),
            ignore_version_check: false,
            generic_protocol: true,
        });
        member.say(&join.encode()).await;
        member.hear(Kind::JOIN_ROOM).await;
        if makes {
            member.hear(Kind::CONTENT).await;
            member.say(&ClientMessage::Content.encode()).await;
            member.say(&ClientMessage::ClientId.encode()).await;
            member.hear(Kind::CLIENT_ID).await;
        }
        member
    }

    async fn say(&mut self, frame: &Frame) {
        self.writer.write_all(frame.wire()).await.unwrap();
    }

    async fn hear(&mut self, kind: Kind) {
        hear(&mut self.reader, kind).await;
    }
}

/// The next frame of that kind.
async fn hear(reader: &mut FrameReader<OwnedReadHalf>, kind: Kind) -> Frame {
    loop {
        let frame = reader.next().await.unwrap().unwrap();
        if frame.kind() == kind {
            return frame;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_room_whose_members_move_all_the_time_loses_and_reorders_nothing() {
    const MEMBERS: u32 = 4;
    const SAID: u32 = 500;
    let length = |number: u32| 8 + (number as usize * 37) % 5000;
    let hub = Arc::new(Hub::new(Limits::default(), Guests::default(), None));
    let bound = bind(Bind::Only(Ipv4Addr::LOCALHOST.into()), 0).unwrap();
    let relay = bound.run(hub, Revived::default(), Lanes::with(RESTLESS));
    let mut members = Vec::new();
    for who in 0..MEMBERS {
        members.push(Member::enter(relay.address(), who == 0).await);
    }
    let talking = members.into_iter().zip(0u32..).map(|(member, who)| {
        let Member {
            mut reader,
            mut writer,
        } = member;
        let saying = tokio::spawn(async move {
            for number in 0..SAID {
                let mut payload = vec![7; length(number)];
                payload[..4].copy_from_slice(&who.to_le_bytes());
                payload[4..8].copy_from_slice(&number.to_le_bytes());
                let frame = Frame::new(Kind(140), &payload);
                writer.write_all(frame.wire()).await.unwrap();
            }
            writer
        });
        tokio::spawn(async move {
            let mut heard = [0; MEMBERS as usize];
            for _ in 0..(MEMBERS - 1) * SAID {
                let frame = hear(&mut reader, Kind(140)).await;
                let word =
                    |at: usize| u32::from_le_bytes(frame.payload()[at..at + 4].try_into().unwrap());
                let (from, number) = (word(0), word(4));
                assert_ne!(from, who);
                assert_eq!(number, heard[from as usize]);
                assert_eq!(frame.payload().len(), length(number));
                heard[from as usize] += 1;
            }
            saying.await.unwrap()
        })
    });
    for member in talking.collect::<Vec<_>>() {
        member.await.unwrap();
    }
    relay.stop().await;
}

/// Tells on which thread it arrives.
struct Telling {
    carried: Arc<AtomicU64>,
    tell: mpsc::UnboundedSender<String>,
}

impl Carrier for Telling {
    fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }

    fn arrived(&self) {
        let thread = std::thread::current();
        let _told = self.tell.send(thread.name().unwrap_or_default().to_owned());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_becomes_quiet_goes_back_without_being_asked() {
    let rule = Rule {
        calm_after: Duration::from_millis(20),
        ..RESTLESS
    };
    let (tell, mut told) = mpsc::unbounded_channel();
    let (lanes, tasks) = (Lanes::with(rule), TaskTracker::new());
    let carried = Arc::new(AtomicU64::new(0));
    let burst = {
        let carried = Arc::clone(&carried);
        async move {
            carried.store(1, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
    };
    let telling = Telling { carried, tell };
    lanes.spawn(&tasks, telling, burst);
    assert_eq!(told.recv().await.unwrap(), "mixdesk-busy");
    assert_ne!(told.recv().await.unwrap(), "mixdesk-busy");
}

#[test]
fn the_busy_lane_ends_with_the_calm_one() {
    let calm = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let lanes = calm.block_on(async { Lanes::with(STAYING) });
    let tasks = TaskTracker::new();
    let (tell, mut told) = mpsc::unbounded_channel();
    let (alive, mut ended) = mpsc::channel::<()>(1);
    let carried = Arc::new(AtomicU64::new(0));
    let telling = Telling {
        carried: Arc::clone(&carried),
        tell,
    };
    let endless = async move {
        let _alive = alive;
        carried.store(1, Ordering::Relaxed);
        std::future::pending::<()>().await;
    };
    lanes.spawn(&tasks, telling, endless);
    assert_eq!(told.blocking_recv().unwrap(), "mixdesk-busy");
    drop(calm);
    assert_eq!(ended.blocking_recv(), None, "it was dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_is_busy_is_woken_on_the_busy_lane() {
    let (lanes, tasks) = (Lanes::with(STAYING), TaskTracker::new());
    let (tell, mut told) = mpsc::unbounded_channel();
    let carried = Arc::new(AtomicU64::new(0));
    let (say, mut hear) = mpsc::channel::<()>(1);
    let (answer, mut answers) = mpsc::channel(1);
    let work = {
        let carried = Arc::clone(&carried);
        async move {
            while hear.recv().await.is_some() {
                carried.fetch_add(1, Ordering::Relaxed);
                let thread = std::thread::current().name().map(str::to_owned);
                answer.send(thread).await.unwrap();
            }
        }
    };
    lanes.spawn(&tasks, Telling { carried, tell }, work);
    for round in 0..100 {
        say.send(()).await.unwrap();
        let thread = answers.recv().await.unwrap();
        let is_busy = thread.as_deref() == Some("mixdesk-busy");
        assert_eq!(is_busy, round > 0, "{thread:?}");
        if round == 0 {
            // What is said at once may be heard in the same turn, before it goes over.
            assert_eq!(told.recv().await.unwrap(), "mixdesk-busy");
        }
    }
    drop(say);
    tasks.close();
    tasks.wait().await;
}
