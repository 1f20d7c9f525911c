//! The log against a naive model, in memory and with somebody who writes it down.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::protocol::{Frame, Kind};
use crate::relay::account::{Account, AddressAccount};

const KEEP: Keep = Keep {
    bytes: 1 << 20,
    age: Duration::from_secs(30),
    room_bytes: 1 << 30,
    unstored_bytes: 1 << 30,
};

fn log(keep: Keep) -> Log {
    Log::new(keep)
}

fn journaled(keep: Keep) -> Log {
    Log::journaled(keep)
}

fn card(id: u64) -> Arc<Card> {
    card_with(id, Account::boundless())
}

fn card_with(id: u64, account: Arc<Account>) -> Arc<Card> {
    Arc::new(Card::new(PeerId(id), format!("10.0.0.1:{id}"), account))
}

fn command(kind: u16, path: &str, rest: &str) -> Frame {
    let mut payload = u32::try_from(path.len()).unwrap().to_le_bytes().to_vec();
    payload.extend_from_slice(path.as_bytes());
    payload.extend_from_slice(rest.as_bytes());
    Frame::new(Kind(kind), &payload)
}

fn run(frames: impl IntoIterator<Item = Frame>) -> Run {
    let wire: BytesMut = frames.into_iter().flat_map(Frame::into_wire).collect();
    Run::from_wire(wire.freeze()).unwrap()
}

fn append(log: &Log, by: u64, frames: impl IntoIterator<Item = Frame>, now: Instant) {
    log.append(&card(by), run(frames), now).unwrap();
}

/// Writes down all there is, without a disk.
fn write_down(log: &Log) {
    while let Some(work) = log.work() {
        log.stored(&work, &vec![0; work.blocks.len()], 1);
    }
}

fn batch(read: Read) -> (Vec<u8>, Seq) {
    match read {
        Read::Batch(pieces, cursor, _) => (pieces.concat(), cursor),
        Read::Cold(range) => panic!("{range:?} are cold"),
    }
}

fn live(log: &Log, cursor: Seq, member: PeerId) -> Read {
    log.live(cursor, member, &Cell::new(0))
}

fn all_live(log: &Log, mut cursor: Seq, member: u64) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let (bytes, next) = batch(live(log, cursor, PeerId(member)));
        all.extend(bytes);
        if next == cursor {
            return all;
        }
        cursor = next;
    }
}

fn all_replayed(log: &Log) -> Vec<u8> {
    let (mut cursor, head) = (Seq::default(), log.head());
    let mut all = Vec::new();
    while cursor < head {
        let (bytes, next) = batch(log.replay(cursor, head));
        assert!(next > cursor, "a replay always gets on");
        all.extend(bytes);
        cursor = next;
    }
    all
}

fn wire<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Vec<u8> {
    let frames = frames.into_iter().map(|frame| frame.wire().to_vec());
    frames.collect::<Vec<_>>().concat()
}

#[test]
fn a_merge_shortens_the_history_but_loses_nothing_live() {
    let log = log(KEEP);
    let sent = [
        command(201, "Cube", "1"),
        command(201, "Cube", "22"),
        command(201, "Lamp", "3"),
    ];
    append(&log, 1, sent.clone(), Instant::now());
    assert_eq!(
        log.figures(),
        Figures {
            command_count: 2,
            byte_size: 24 + 23
        }
    );
    assert_eq!(all_replayed(&log), wire(&sent[1..]));
    assert_eq!(all_live(&log, Seq::default(), 2), wire(&sent));
    assert!(all_live(&log, Seq::default(), 1).is_empty());
}

#[test]
fn a_joiner_that_is_overtaken_by_a_merge_gets_the_newer_one_once() {
    let log = log(KEEP);
    append(&log, 1, [command(140, "x", "")], Instant::now());
    append(&log, 1, [command(201, "Cube", "1")], Instant::now());
    let head = log.head();
    let (first, cursor) = batch(log.replay(Seq::default(), Seq(1)));
    assert_eq!(first, wire(&[command(140, "x", "")]));
    append(&log, 1, [command(201, "Cube", "2")], Instant::now());
    let (rest, cursor) = batch(log.replay(cursor, head));
    assert!(rest.is_empty(), "the old one is out of the history");
    assert_eq!(cursor, head);
    assert_eq!(all_live(&log, head, 2), wire(&[command(201, "Cube", "2")]));
}

#[test]
fn ephemeral_commands_are_forgotten_by_age_and_by_size() {
    let start = Instant::now();
    let log = log(Keep {
        bytes: 10 * (18 + block::BLOCK_BYTES),
        ..KEEP
    });
    for _ in 0..100 {
        append(&log, 1, [Frame::new(Kind::FRAME, &[0; 4])], start);
    }
    assert_eq!(all_live(&log, Seq::default(), 2).len(), 10 * 18);
    log.sweep(start + Duration::from_secs(30));
    assert!(log.has_to_be_swept());
    log.sweep(start + Duration::from_secs(31));
    assert!(!log.has_to_be_swept());
    assert!(all_live(&log, Seq::default(), 2).is_empty());
    assert_eq!(log.memory_bytes(), 0);
}

#[test]
fn superseded_commands_do_not_pile_up_in_memory() {
    let log = log(Keep {
        bytes: 10_000,
        ..KEEP
    });
    for number in 0..10_000 {
        append(
            &log,
            1,
            [command(201, "Cube", &number.to_string())],
            Instant::now(),
        );
    }
    assert!(log.memory_bytes() < 100_000, "{}", log.memory_bytes());
    assert_eq!(all_replayed(&log), wire(&[command(201, "Cube", "9999")]));
    let last: Vec<_> = (9_990..10_000)
        .map(|number| command(201, "Cube", &number.to_string()))
        .collect();
    assert!(
        all_live(&log, Seq::default(), 2).ends_with(&wire(&last)),
        "the latest are there for those who are nearly up to date"
    );
}

#[test]
fn nobody_sees_what_is_not_written_down() {
    let log = journaled(KEEP);
    let (kept, live) = (command(140, "a", ""), Frame::new(Kind::FRAME, &[0; 4]));
    append(&log, 1, [live.clone()], Instant::now());
    assert_eq!(all_live(&log, Seq::default(), 2), wire([&live]));
    append(
        &log,
        1,
        [live.clone(), kept.clone(), live.clone()],
        Instant::now(),
    );
    assert_eq!(all_live(&log, Seq(1), 2), wire([&live]));
    let (replayed, cursor) = batch(log.replay(Seq::default(), log.head()));
    assert_eq!((replayed.len(), cursor), (0, Seq(2)));
    write_down(&log);
    assert_eq!(
        all_live(&log, Seq(2), 2),
        wire(&[kept.clone(), live.clone()])
    );
    log.fails("the disk is full");
    append(&log, 1, [kept.clone()], Instant::now());
    assert_eq!(all_live(&log, Seq(4), 2), wire([&kept]));
    assert_eq!(
        log.take_journal_news(),
        Some(JournalNews::Fails("the disk is full".to_owned()))
    );
    assert!(!log.fails("the disk is full") && log.take_journal_news().is_none());
    write_down(&log);
    assert_eq!(log.take_journal_news(), Some(JournalNews::Recovered));
    append(&log, 1, [kept], Instant::now());
    assert!(all_live(&log, Seq(5), 2).is_empty(), "again not before");
}

#[test]
fn what_is_written_down_leaves_memory() {
    let log = journaled(Keep {
        bytes: 1000,
        ..KEEP
    });
    let large = Frame::new(Kind(140), &[7; 400]);
    for _ in 0..5 {
        append(&log, 1, [large.clone()], Instant::now());
        write_down(&log);
    }
    assert!(log.memory_bytes() <= 1000);
    assert_eq!(
        log.replay(Seq::default(), Seq(5)),
        Read::Cold(Seq(0)..Seq(4))
    );
    assert_eq!(live(&log, Seq(2), PeerId(2)), Read::Cold(Seq(2)..Seq(4)));
    assert_eq!(all_live(&log, Seq(4), 2), wire(&[large]));
    assert_eq!(log.lag(Seq(4)).commands, 1);
    assert_eq!(log.lag(Seq(4)).bytes, 414);
}

#[test]
fn a_large_command_is_read_from_the_file_once_it_stands_there() {
    let log = journaled(Keep {
        bytes: 100 << 20,
        ..KEEP
    });
    let file = ColdFile::new(tempfile::tempfile().unwrap(), 0);
    log.has_file(Arc::new(file), 1);
    let (small, large) = (
        command(140, "x", ""),
        Frame::new(Kind(140), &[7; LARGE_BYTES]),
    );
    for frame in [&small, &large, &large, &small] {
        append(&log, 1, [frame.clone()], Instant::now());
    }
    write_down(&log);
    let read = live(&log, Seq::default(), PeerId(2));
    let first = Read::Batch(vec![small.wire().clone()], Seq(1), More::Yes);
    assert!(read == first);
    assert_eq!(live(&log, Seq(1), PeerId(2)), Read::Cold(Seq(1)..Seq(2)));
    assert_eq!(log.replay(Seq(2), Seq(4)), Read::Cold(Seq(2)..Seq(3)));
    assert_eq!(all_live(&log, Seq(3), 2), wire([&small]));
    assert!(
        all_live(&log, Seq::default(), 1).is_empty(),
        "it is one's own"
    );
    // While it cannot be written down it is only in memory.
    log.fails("the disk is full");
    append(&log, 1, [large.clone()], Instant::now());
    assert_eq!(all_live(&log, Seq(4), 2), wire([&large]));
}

#[test]
fn how_far_one_is_behind_is_counted_without_what_was_forgotten() {
    let log = log(Keep {
        bytes: 20 * (100 + block::BLOCK_BYTES),
        ..KEEP
    });
    let kept = Frame::new(Kind(140), &[7; 86]);
    let ephemeral = Frame::new(Kind::FRAME, &[7; 86]);
    for number in 0..200 {
        let next = if number % 10 == 0 { &kept } else { &ephemeral };
        append(&log, 1, [next.clone()], Instant::now());
        for cursor in [0, number / 2, number] {
            let all = all_live(&log, Seq(cursor), 2);
            assert_eq!(log.lag(Seq(cursor)).bytes, all.len() as u64);
        }
    }
    assert!(
        log.lag(Seq::default()).bytes < 200 * 100,
        "some were forgotten"
    );
    assert_eq!(log.lag(log.head()), Lag::default());
}

#[test]
fn what_cannot_be_buried_is_not_looked_for_all_the_time() {
    let log = log(Keep {
        bytes: 10_000,
        ..KEEP
    });
    let add = |path_bytes| {
        let frames = [
            Frame::new(
                Kind(201),
                &[1, 0, 0, 0]
                    .into_iter()
                    .chain(vec![7; path_bytes])
                    .collect::<Vec<_>>(),
            ),
            Frame::new(Kind(201), &[1, 0, 0, 0, 7]),
            command(140, "x", ""),
        ];
        append(&log, 1, frames, Instant::now());
    };
    // Most of each block is superseded, and none is wholly.
    for _ in 0..30 {
        add(1000);
    }
    let unburied = log.inner.lock().unburied_bytes;
    assert!(unburied > 10_000, "it was looked for: {unburied}");
    add(10);
    assert_eq!(log.inner.lock().unburied_bytes, unburied, "and not again");
    for _ in 0..30 {
        add(1000);
    }
    assert!(log.inner.lock().unburied_bytes > unburied, "but some time");
}

#[test]
fn rooms_that_are_not_kept_hold_no_more_together_than_one_may() {
    let keep = Keep {
        unstored_bytes: 10_000,
        ..KEEP
    };
    let all = Unstored::default();
    let [greedy, modest] = [(); 2].map(|()| Log::in_memory(keep, &all));
    let large = || run([Frame::new(Kind(140), &[7; 4000])]);
    let add = |log: &Log| log.append(&card(1), large(), Instant::now()).map(drop);
    assert_eq!([add(&greedy), add(&greedy)], [Ok(()), Ok(())]);
    assert_eq!(add(&greedy), Err(Full::Kept(10_000)));
    assert_eq!(add(&modest), Ok(()), "it has its part of them");
    assert_eq!(add(&modest), Err(Full::KeptOfAll(10_000)));
    drop(greedy);
    assert_eq!(add(&modest), Ok(()));
}

#[test]
fn small_commands_cost_what_they_take_in_the_file() {
    let limits = (1_000_000, 100_000);
    let address = AddressAccount::new(&Budget::new(limits.0), limits.0);
    let card = card_with(1, Account::new(address, limits.1));
    let log = log(KEEP);
    let kinds = [140, 205].into_iter().cycle().take(2000);
    let frames = kinds.map(|kind| Frame::new(Kind(kind), b""));
    let refused = log.append(&card, run(frames), Instant::now());
    assert_eq!(refused, Err(Full::Peer(limits.1)), "a thousand records");
}

#[test]
fn nobody_is_behind_what_is_being_written_down() {
    let log = journaled(KEEP);
    let frame = command(140, "x", "");
    append(&log, 1, [frame.clone()], Instant::now());
    assert_eq!(log.lag(Seq::default()), Lag::default());
    write_down(&log);
    append(&log, 1, [frame.clone()], Instant::now());
    let lag = log.lag(Seq::default());
    assert_eq!((lag.commands, lag.bytes), (1, frame.wire_len() as u64));
}

#[test]
fn ephemeral_commands_do_not_pile_up_while_the_disk_is_full() {
    let log = journaled(Keep {
        bytes: 10_000,
        ..KEEP
    });
    append(&log, 1, [command(140, "kept", "")], Instant::now());
    log.fails("the disk is full");
    for _ in 0..1000 {
        append(
            &log,
            1,
            [Frame::new(Kind::FRAME, &[0; 100])],
            Instant::now(),
        );
    }
    assert!(log.memory_bytes() < 20_000, "{}", log.memory_bytes());
    assert_eq!(all_replayed(&log), wire(&[command(140, "kept", "")]));
    write_down(&log);
    assert_eq!(log.figures().command_count, 1);
}

#[test]
fn a_clearing_is_written_down_once() {
    let log = journaled(KEEP);
    append(&log, 1, [command(140, "old", "")], Instant::now());
    log.clear();
    let work = log.work().unwrap();
    assert_eq!(work.notes.cleared, Some(Seq(1)));
    // Something else is noted while this is being written.
    append(&log, 1, [command(140, "new", "")], Instant::now());
    log.note_attributes(&Attributes::default().with_flag("joinable", true));
    log.stored(&work, &[0], 1);
    let rest = log.work().unwrap();
    assert_eq!(rest.notes.cleared, None, "it would drop what came since");
    assert!(!rest.notes.attributes.is_empty());
    log.clear();
    assert_eq!(log.work().unwrap().notes.cleared, Some(Seq(2)));
}

#[tokio::test(start_paused = true)]
async fn a_sender_goes_on_when_the_journal_recovers() {
    let log = Arc::new(journaled(KEEP));
    log.fails("the disk is full");
    let large = Frame::new(Kind(140), &vec![7; WORK_BYTES]);
    for _ in 0..4 {
        append(&log, 1, [large.clone()], Instant::now());
    }
    let first = log.work().unwrap();
    log.stored(&first, &[0], 1);
    let waiting = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.caught_up().await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    write_down(&log);
    waiting.await.unwrap();
}

/// Writes down without a disk, and counts how often it was asked.
#[derive(Debug, Default)]
struct CountingScribe(std::sync::atomic::AtomicUsize);

impl Scribe for CountingScribe {
    fn write_down(&self, log: &Log) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        write_down(log);
        true
    }
}

#[test]
fn what_comes_after_a_rest_is_written_where_it_comes_in() {
    let log = journaled(KEEP);
    let scribe = Arc::new(CountingScribe::default());
    log.is_written_by(scribe.clone(), Unstored::default());
    let asked = || scribe.0.load(Ordering::Relaxed);
    let shown = || all_live(&log, Seq(0), 2).len();
    let edit = command(140, "a", "");
    let size = edit.wire_len();
    let mut now = Instant::now();
    append(&log, 1, [edit.clone()], now);
    assert_eq!((asked(), shown()), (1, size));
    append(&log, 1, [edit.clone()], now + REST / 2);
    assert_eq!(
        (asked(), shown()),
        (1, size),
        "in a burst the keeper does it"
    );
    now += 2 * REST;
    append(&log, 1, [edit.clone()], now);
    assert_eq!((asked(), shown()), (2, 3 * size), "with what waited");
    now += 2 * REST;
    append(&log, 1, [Frame::new(Kind::FRAME, b"")], now);
    assert_eq!(asked(), 2, "of what is not kept there is nothing to write");
    log.fails("the disk is full");
    now += 2 * REST;
    append(&log, 1, [edit], now);
    assert_eq!(asked(), 2, "in trouble the keeper tries again, in its time");
}

#[test]
fn what_is_not_kept_is_not_looked_at_again_and_again() {
    let log = journaled(KEEP);
    let now = Instant::now();
    let ends = || {
        let inner = log.inner.lock();
        (inner.stored, inner.published, inner.next)
    };
    append(&log, 1, [command(140, "a", "")], now);
    append(&log, 1, [Frame::new(Kind::FRAME, b"")], now);
    assert_eq!(ends(), (Seq(0), Seq(0), Seq(2)), "behind what is kept");
    write_down(&log);
    assert_eq!(ends(), (Seq(2), Seq(2), Seq(2)));
    append(&log, 1, [Frame::new(Kind::FRAME, b"")], now);
    assert_eq!(ends(), (Seq(3), Seq(3), Seq(3)));
}

#[test]
fn what_is_split_does_not_hold_the_whole() {
    let log = log(KEEP);
    let mixed = run([command(140, "", ""), Frame::new(Kind::FRAME, &[0; 1000])]);
    let whole = mixed.wire().as_ptr_range();
    log.append(&card(1), mixed, Instant::now()).unwrap();
    for block in &log.inner.lock().blocks {
        assert!(!whole.contains(&block.run.wire().as_ptr()));
    }
}

#[test]
fn rooms_that_cannot_be_written_take_no_more_than_their_part_of_the_memory() {
    let keep = Keep {
        unstored_bytes: 10_000,
        ..KEEP
    };
    let all = Unstored::default();
    let [greedy, modest] = [(); 2].map(|()| {
        let log = journaled(keep);
        log.is_written_by(Arc::new(CountingScribe::default()), all.clone());
        log.fails("the disk is full");
        log
    });
    let say = |log: &Log| {
        let edit = run([Frame::new(Kind(140), &[7; 200])]);
        log.append(&card(1), edit, Instant::now()).map(drop)
    };
    let held = || [&greedy, &modest].map(|log| log.inner.lock().unstored_bytes);
    assert_eq!(say(&modest), Ok(()));
    while say(&greedy).is_ok() {}
    assert_eq!(say(&greedy), Err(Full::Memories(10_000)));
    assert_eq!(say(&modest), Ok(()), "it has its part");
    assert_eq!(all.bytes(), held().iter().sum::<usize>());
    write_down(&greedy);
    assert_eq!(all.bytes(), held()[1]);
    assert_eq!(say(&greedy), Ok(()), "it is written again");
    modest.end(Fate::Recent);
    assert_eq!(all.bytes(), 0, "its keeper counts it now");
}

#[test]
fn a_room_that_is_full_takes_nothing() {
    let log = log(Keep {
        room_bytes: 1000,
        unstored_bytes: 700,
        ..KEEP
    });
    let large = || run([Frame::new(Kind(140), &[7; 400])]);
    assert_eq!(log.append(&card(1), large(), Instant::now()), Ok(true));
    assert_eq!(
        log.append(&card(1), large(), Instant::now()),
        Err(Full::Kept(700))
    );
    let huge = run([Frame::new(Kind(140), &[7; 1000])]);
    assert_eq!(
        log.append(&card(1), huge, Instant::now()),
        Err(Full::Room(1000))
    );
    assert_eq!(log.figures().command_count, 1);
}

#[test]
fn all_rooms_share_one_budget() {
    let budget = Budget::new(1000);
    let senders = [1, 2].map(|id| {
        let address = AddressAccount::new(&budget, u64::MAX);
        card_with(id, Account::new(address, u64::MAX))
    });
    let large = || run([Frame::new(Kind(140), &[7; 600])]);
    let live = || run([Frame::new(Kind::FRAME, &[7; 300])]);
    let now = Instant::now();
    let (a, b) = (log(KEEP), log(KEEP));
    assert!(a.append(&senders[0], large(), now).is_ok());
    assert!(a.append(&senders[0], live(), now).is_ok());
    assert_eq!(b.append(&senders[1], large(), now), Err(Full::Rooms(1000)));
    assert!(b.append(&senders[1], live(), now).is_ok());
    drop(a);
    assert!(b.append(&senders[1], large(), now).is_ok());
}

#[test]
fn what_somebody_adds_counts_until_the_room_ends() {
    let address = AddressAccount::new(&Budget::new(u64::MAX), 3000);
    let [a, b] = [1, 2].map(|id| card_with(id, Account::new(Arc::clone(&address), 2200)));
    let large = || run([Frame::new(Kind(140), &[7; 900])]);
    let live = || run([Frame::new(Kind::FRAME, &[7; 900])]);
    let now = Instant::now();
    let rooms = [(); 3].map(|()| log(KEEP));
    for room in &rooms[..2] {
        assert!(room.append(&a, large(), now).is_ok());
        // Passed on, and gone.
        assert!(room.append(&a, live(), now).is_ok());
    }
    let [first, second, third] = rooms;
    assert_eq!(third.append(&a, large(), now), Err(Full::Peer(2200)));
    assert_eq!(third.append(&b, large(), now), Err(Full::Address(3000)));
    assert_eq!(third.figures(), Figures::default());
    // A clearing does not make the file shorter.
    first.clear();
    assert_eq!(third.append(&b, large(), now), Err(Full::Address(3000)));
    first.end(Fate::Discard);
    assert!(third.append(&b, large(), now).is_ok());
    assert_eq!(second.append(&a, large(), now), Err(Full::Address(3000)));
    drop(third);
    assert!(second.append(&a, large(), now).is_ok());
}

#[derive(Clone, Debug)]
enum Step {
    Send { by: u64, commands: Vec<(u16, u8)> },
    Join,
    Read { reader: usize },
    WriteDown,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kinds = prop_oneof![Just(140u16), Just(201), Just(202), Just(205), Just(206)];
    let commands = prop::collection::vec((kinds, 0..2u8), 1..4);
    prop::collection::vec(
        prop_oneof![
            6 => (0..3u64, commands).prop_map(|(by, commands)| Step::Send { by, commands }),
            1 => Just(Step::Join),
            2 => Just(Step::WriteDown),
            4 => (0..5usize).prop_map(|reader| Step::Read { reader }),
        ],
        1..120,
    )
}

struct Reader {
    id: u64,
    cursor: Seq,
    join_head: Seq,
    expected_live: Vec<u8>,
    history_at_join: Vec<Frame>,
    /// A merge has taken the last of that out of the history.
    is_overtaken: bool,
    got_replay: Vec<u8>,
    got_live: Vec<u8>,
}

impl Reader {
    fn read_once(&mut self, log: &Log) {
        let replaying = self.cursor < self.join_head;
        let (bytes, cursor) = batch(if replaying {
            log.replay(self.cursor, self.join_head)
        } else {
            live(log, self.cursor, PeerId(self.id))
        });
        self.cursor = cursor;
        if replaying {
            &mut self.got_replay
        } else {
            &mut self.got_live
        }
        .extend(bytes);
    }
}

proptest! {
    /// Against a naive model: the history is a plain list with the merge rule; each reader has a
    /// queue of its own.
    #[test]
    fn cursors_see_what_queues_would(steps in steps(), written_down in any::<bool>()) {
        let log = if written_down { journaled(KEEP) } else { log(KEEP) };
        let mut history: Vec<Frame> = Vec::new();
        let mut readers: Vec<Reader> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Send { by, commands } => {
                    let frames: Vec<_> = (0..).zip(commands).map(|(place, (kind, path))| {
                        if kind == 206 {
                            Frame::new(Kind(kind), b"")
                        } else {
                            command(kind, &path.to_string(), &format!("{number}.{place}"))
                        }
                    }).collect();
                    append(&log, by, frames.clone(), Instant::now());
                    for reader in readers.iter_mut().filter(|reader| reader.id != by) {
                        reader.expected_live.extend(wire(&frames));
                    }
                    for frame in frames {
                        let kind = frame.kind().0;
                        if kind == 205 {
                            continue;
                        }
                        if history.last().is_some_and(|last| {
                            (201..=204).contains(&kind) && last.kind() == frame.kind()
                                && last.leading_string() == frame.leading_string()
                        }) {
                            for reader in &mut readers {
                                // It never becomes shorter, so its last is the one of then, or what took its place.
                                reader.is_overtaken |= history.len() == reader.history_at_join.len();
                            }
                            history.pop();
                        }
                        history.push(frame);
                    }
                }
                Step::Join => readers.push(Reader {
                    // The first three readers are senders as well.
                    id: readers.len() as u64,
                    cursor: Seq::default(),
                    join_head: log.head(),
                    expected_live: Vec::new(),
                    history_at_join: history.clone(),
                    is_overtaken: false,
                    got_replay: Vec::new(),
                    got_live: Vec::new(),
                }),
                Step::Read { reader } => {
                    if let Some(reader) = readers.get_mut(reader) {
                        reader.read_once(&log);
                    }
                }
                Step::WriteDown => if written_down { write_down(&log) },
            }
        }
        if written_down {
            write_down(&log);
        }
        for reader in &mut readers {
            loop {
                let before = reader.cursor;
                reader.read_once(&log);
                if reader.cursor == before {
                    break;
                }
            }
            prop_assert_eq!(&reader.got_live, &reader.expected_live);
            // A merge after the join may take away the last entry of the history, and nothing else does.
            let whole = wire(&reader.history_at_join);
            let short = wire(reader.history_at_join.split_last().map_or(&[][..], |(_, rest)| rest));
            let is_short = reader.is_overtaken && reader.got_replay == short;
            prop_assert!(reader.got_replay == whole || is_short);
        }
        let bytes: usize = history.iter().map(Frame::wire_len).sum();
        let figures = Figures { command_count: history.len() as u64, byte_size: bytes as u64 };
        prop_assert_eq!(log.figures(), figures);
        prop_assert_eq!(all_replayed(&log), wire(&history));
    }
}

fn joinable() -> Attributes {
    Attributes::default().with_flag(attribute::JOINABLE, true)
}

#[test]
fn nobody_is_given_a_room_before_its_file_says_that_it_is_whole() {
    let log = journaled(KEEP);
    let sent = [command(140, "x", "1")];
    append(&log, 1, sent.clone(), Instant::now());
    let content = log.work().unwrap();
    log.note_attributes(&joinable());
    log.stored(&content, &[0], 1);
    let (given, cursor) = batch(log.replay(Seq::default(), log.head()));
    assert!(given.is_empty() && cursor == Seq::default());
    write_down(&log);
    assert_eq!(all_replayed(&log), wire(&sent));
    log.note_attributes(&Attributes::default().with_flag("other", true));
    assert_eq!(all_replayed(&log), wire(&sent), "that holds nobody up");
}

#[test]
fn a_file_says_that_the_room_is_whole_only_behind_its_content() {
    let log = journaled(KEEP);
    let large = "l".repeat(WORK_BYTES);
    for _ in 0..3 {
        append(&log, 1, [command(140, &large, "")], Instant::now());
    }
    append(&log, 1, [command(Kind::FRAME.0, "x", "")], Instant::now());
    log.note_attributes(&joinable());
    append(&log, 1, [command(140, "later", "")], Instant::now());
    let mut said = Vec::new();
    while let Some(work) = log.work() {
        said.push(!work.notes.attributes.is_empty());
        log.stored(&work, &vec![0; work.blocks.len()], 1);
    }
    assert_eq!(said, [false, false, true, false]);
}

#[test]
fn trouble_is_over_when_all_that_was_seen_is_in_the_file() {
    let log = journaled(KEEP);
    let large = "l".repeat(WORK_BYTES);
    assert!(log.fails("the disk is full"));
    for _ in 0..3 {
        append(&log, 1, [command(140, &large, "")], Instant::now());
    }
    assert!(matches!(
        log.take_journal_news(),
        Some(JournalNews::Fails(_))
    ));
    for left in [2, 1, 0] {
        let work = log.work().unwrap();
        log.stored(&work, &[0], 1);
        assert_eq!(log.trouble().is_some(), left > 0);
        assert_eq!(log.has_trouble_ended(), left == 0);
    }
    assert!(log.fails("full again"));
    append(&log, 1, [command(140, "x", "")], Instant::now());
    write_down(&log);
    assert!(log.has_trouble_ended());
}

#[test]
fn a_room_without_a_file_that_fails_forgets_what_is_superseded() {
    let keep = Keep {
        bytes: 10_000,
        unstored_bytes: 100_000,
        ..KEEP
    };
    let log = journaled(keep);
    assert!(log.fails("there is no folder"));
    let large = "l".repeat(1000);
    for _ in 0..1000 {
        append(&log, 1, [command(201, "Cube", &large)], Instant::now());
    }
    append(&log, 1, [command(140, "x", "")], Instant::now());
    let expected = [command(201, "Cube", &large), command(140, "x", "")];
    assert_eq!(all_replayed(&log), wire(&expected));
    // What is buried while it is written counts once.
    let work = log.work().unwrap();
    log.sweep(Instant::now() + 2 * keep.age);
    log.stored(&work, &vec![0; work.blocks.len()], 1);
    write_down(&log);
    assert_eq!(log.unstored_bytes().0, 0);
    assert_eq!(log.trouble(), None);
}

#[test]
fn many_small_blocks_are_written_down_a_part_at_a_time() {
    const LIVE: u16 = 205;
    let log = journaled(KEEP);
    let now = Instant::now();
    for _ in 0..WORK_BLOCKS {
        append(
            &log,
            1,
            [Frame::new(Kind(140), b""), Frame::new(Kind(LIVE), b"")],
            now,
        );
        append(&log, 2, [Frame::new(Kind(140), b"")], now);
    }
    let mut parts = Vec::new();
    while let Some(work) = log.work() {
        log.stored(&work, &vec![0; work.blocks.len()], 1);
        parts.push(work.blocks.len());
    }
    assert_eq!(parts, [WORK_BLOCKS; 2]);
    assert_eq!(
        all_replayed(&log).len(),
        2 * WORK_BLOCKS * Frame::new(Kind(140), b"").wire_len()
    );
}
