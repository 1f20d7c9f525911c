//! Writing a room's journal: one task a room, which sees to it that all is written that nobody wrote who
//! brought it, that the file comes to the disk, and that people hear of trouble.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::coop::consume_budget;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::disk::{Disk, LateSync};
use super::log::Log;
use super::pen::{AtOnce, Goes, Pen, Unwritten};
use super::unstored::{Share, Unstored};

/// Power loss takes at most what came in this time.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How long after a file that was in use it is tried again to bring it to the disk.
const SYNC_AGAIN: Duration = Duration::from_millis(50);
/// How long after a write that failed the next is tried.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// … and how many times what it took, which is long where all of a room was to be written anew, …
const RETRY_TIMES: u32 = 10;
/// … but no longer than this: it may also have been a disk that did not answer, and that does again.
const RETRY_AT_LEAST_EVERY: Duration = Duration::from_secs(300);

/// A write that takes longer than this is told, and not waited for by members any more: the disk is on a network that
/// is gone, or was pulled out.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// … with a second more for as many bytes: a slow disk answers.
const SLOW_DISK_BYTES: u64 = 4 << 20;
/// A file that takes longer than this to come to the disk is told as well: members have what is in it, and a program that
/// is killed leaves it, but a power loss would take it.
const REACHES_DISK_WITHIN: Duration = Duration::from_secs(10);
/// A pen that somebody else has for so long may be one whose write does not come to its end.
const BUSY_FOR: Duration = Duration::from_secs(1);

/// As many rooms that were given up are remembered.
const LOST: usize = 100;

/// How often it is tried again for a room that has ended, once the program ends as well.
const LAST_TRIES: u32 = 1;

/// When the disk is to be waited for.
#[derive(Default)]
struct Syncing {
    at: Option<Instant>,
    running: Option<Running>,
}

/// The file is being brought to the disk.
struct Running {
    /// Gives whether it is there.
    task: JoinHandle<bool>,
    wait: Wait,
}

/// How a file's way to the disk goes.
enum Wait {
    /// Until then it takes no longer than it may.
    Until(Instant),
    /// It takes long. That is told when it is the first, as it is so of the disk.
    Long(LateSync),
}

/// Writes with `pen` what is in `log`, until the room has ended and all of it is written. Where it cannot be it
/// is given up when the program ends, or with too many `leftovers`.
pub(super) async fn keep(log: Arc<Log>, pen: Arc<Pen>, leftovers: Leftovers) {
    let mut unkept = Unkept(Some(Arc::clone(&log)));
    let closing = leftovers.closing.clone();
    let (mut last_tries, mut left) = (0, None);
    let mut syncing = Syncing::default();
    let mut busy_since = None;
    loop {
        syncing.look(&pen, &log).await;
        // Under steady load others of this thread get their turn.
        consume_budget().await;
        let tried = Instant::now();
        let at_once = pen.write_at_once(&log);
        let busy = (at_once == AtOnce::Busy).then(|| *busy_since.get_or_insert(tried));
        busy_since = busy;
        let is_stuck = busy.is_some_and(|since| tried >= since + BUSY_FOR);
        let written = match at_once {
            AtOnce::Nothing | AtOnce::Busy if !is_stuck => {
                tokio::select! {
                    () = log.work_to_do() => {}
                    () = syncing.due() => {}
                    () = sleep(BUSY_FOR), if busy.is_some() => {}
                }
                continue;
            }
            AtOnce::Written(_) => Ok(Goes::On),
            // What a room leaves behind is never written at once.
            AtOnce::Failed => Err(Unwritten { ended: false }),
            AtOnce::Slow | AtOnce::Nothing | AtOnce::Busy => {
                busy_since = None;
                match write_on(&pen, &log).await {
                    Ok(written) => written,
                    Err(error) => {
                        log_bad_end(&error);
                        return;
                    }
                }
            }
        };
        match written {
            Ok(Goes::NoFurther) => {
                unkept.0 = None;
                return;
            }
            Ok(Goes::On) => {}
            Err(Unwritten { ended }) => {
                let closes = closing.is_cancelled();
                if ended {
                    let left = left.get_or_insert_with(|| leftovers.add(&log));
                    if left.is_too_much || last_tries == LAST_TRIES {
                        if log.has_work() {
                            leftovers.lose(pen.room(), &log);
                        }
                        let _done = spawn_blocking(move || pen.give_up(&log)).await;
                        return;
                    }
                    last_tries += u32::from(closes);
                }
                let again = sleep(rest(tried.elapsed()));
                tokio::select! {
                    () = syncing.go_on(&pen, &log) => {}
                    () = again => {}
                    () = closing.cancelled(), if !closes => {}
                }
            }
        }
    }
}

/// How long after a write that failed, and took so long, the next is tried.
fn rest(took: Duration) -> Duration {
    (took.saturating_mul(RETRY_TIMES)).clamp(RETRY_EVERY, RETRY_AT_LEAST_EVERY)
}

/// Writes on another thread. Where that does not come to its end people hear of it, and members go on meanwhile.
async fn write_on(pen: &Arc<Pen>, log: &Arc<Log>) -> Result<Result<Goes, Unwritten>, JoinError> {
    let mut writing = {
        let (pen, log) = (Arc::clone(pen), Arc::clone(log));
        spawn_blocking(move || pen.write_on(&log))
    };
    let patience =
        ANSWERS_WITHIN + Duration::from_secs(log.unstored_bytes().0 as u64 / SLOW_DISK_BYTES);
    loop {
        match timeout(patience, &mut writing).await {
            Ok(written) => return written,
            Err(_elapsed) => pen.hangs(log),
        }
    }
}

/// However the keeper ends, members are not to wait for what nobody writes down any more.
struct Unkept(Option<Arc<Log>>);

impl Drop for Unkept {
    fn drop(&mut self) {
        if let Some(log) = &self.0 {
            log.fails("nobody writes it any more");
        }
    }
}

/// What rooms that have ended hold in memory because it cannot be written down.
#[derive(Clone, Debug, Default)]
pub(super) struct Leftovers {
    /// Cancelled when the program ends: what cannot be written by then is given up.
    pub(super) closing: CancellationToken,
    unstored: Unstored,
    /// Rooms that were given up: what they were called, and why. The latest are enough.
    lost: Arc<Mutex<VecDeque<(String, String)>>>,
}

impl Leftovers {
    fn add(&self, log: &Log) -> Left {
        let (bytes, most) = log.unstored_bytes();
        let others = self.unstored.bytes();
        Left {
            _share: self.unstored.share(bytes),
            is_too_much: others > 0 && others.saturating_add(bytes) > most,
        }
    }
}

impl Leftovers {
    fn lose(&self, room: &str, log: &Log) {
        let why = log.trouble().unwrap_or_default();
        let mut lost = self.lost.lock();
        if lost.len() == LOST {
            lost.pop_front();
        }
        lost.push_back((room.to_owned(), why));
    }

    /// Rooms that have ended and could not be written down before there were too many of them.
    pub(super) fn lost(&self) -> Vec<(String, String)> {
        self.lost.lock().iter().cloned().collect()
    }
}

/// What one of them holds, until this is dropped.
struct Left {
    _share: Share,
    /// With it all together hold more than one room may: it cannot go on like this.
    is_too_much: bool,
}

fn log_bad_end(error: &JoinError) {
    if !error.is_cancelled() {
        tracing::error!("writing a room down ended badly: {error}");
    }
}

impl Syncing {
    /// Sees to it that what was written comes to the disk in time, on another thread, one time after the
    /// other.
    async fn look(&mut self, pen: &Arc<Pen>, log: &Arc<Log>) {
        let now = Instant::now();
        self.look_at_running(pen.disk(), pen.room(), now).await;
        if pen.is_unsynced() {
            self.at.get_or_insert(now + SYNC_EVERY);
        }
        if self.at.is_none_or(|at| at > now) {
            return;
        }
        if self.running.is_some() {
            self.at = Some(now + SYNC_EVERY);
            return;
        }
        self.at = match pen.to_sync(log) {
            Some(file) => {
                self.running = Some(Running {
                    task: spawn_blocking(move || file.bring()),
                    wait: Wait::Until(now + REACHES_DISK_WITHIN),
                });
                None
            }
            None => Some(now + SYNC_AGAIN),
        };
    }

    /// [Looks](Self::look) whenever there is something to be done, without end.
    async fn go_on(&mut self, pen: &Arc<Pen>, log: &Arc<Log>) {
        loop {
            self.due().await;
            self.look(pen, log).await;
        }
    }

    /// Forgets it when it is done, and tells when it takes too long.
    async fn look_at_running(&mut self, disk: &Disk, room: &str, now: Instant) {
        let Some(Running { task, wait }) = &mut self.running else {
            return;
        };
        if task.is_finished() {
            // It waits for nothing.
            let is_there = task.await.unwrap_or(false);
            let is_last = matches!(wait, Wait::Long(late) if late.is_only_one());
            if is_there && is_last {
                tracing::info!(parent: None, room, "the disk has confirmed what was written");
            }
            self.running = None;
        } else if matches!(wait, Wait::Until(at) if *at <= now) {
            let late = disk.late();
            if late.is_only_one() {
                let seconds = REACHES_DISK_WITHIN.as_secs();
                tracing::warn!(
                    parent: None,
                    room,
                    "the disk has not confirmed for {seconds} s what was written: if the power failed now, it would be missing"
                );
            }
            *wait = Wait::Long(late);
        }
    }

    async fn due(&self) {
        let late = self.running.as_ref().map(|running| match &running.wait {
            Wait::Until(at) => *at,
            // Once that is told its end is to be told as well.
            Wait::Long(_) => Instant::now() + SYNC_EVERY,
        });
        match self.at.into_iter().chain(late).min() {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

// Elsewhere a folder whose files are open keeps its name.
#[cfg(all(test, unix))]
mod tests {
    use tokio::sync::Notify;

    use super::*;
    use crate::archive::journal::{Step, scan};
    use crate::protocol::{Frame, Kind, Run};
    use crate::relay::PeerId;
    use crate::relay::account::Account;
    use crate::relay::card::Card;
    use crate::relay::limits::Limits;
    use crate::relay::log::{Fate, Read};
    use crate::relay::shelf::tests::{heading, shelf};

    /// A room that has ended, whose keeper cannot write.
    struct Scene {
        folder: tempfile::TempDir,
        shelf: Arc<crate::relay::shelf::Shelf>,
        keeper: JoinHandle<()>,
        leftovers: Leftovers,
    }

    impl Scene {
        fn new() -> Self {
            Self::with(Leftovers::default(), &Limits::default())
        }

        fn with(leftovers: Leftovers, limits: &Limits) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let shelf = Arc::new(shelf(folder.path()));
            std::fs::rename(folder.path().join("rooms"), folder.path().join("aside")).unwrap();
            std::fs::write(folder.path().join("rooms"), "in the way").unwrap();
            let log = Arc::new(Log::journaled(limits.keep()));
            edit(&log);
            log.end(Fate::Recent);
            let pen = Pen::new(
                Arc::clone(&shelf),
                heading("Room"),
                None,
                None,
                Arc::default(),
            );
            let keeper = tokio::spawn(keep(log, Arc::new(pen), leftovers.clone()));
            Self {
                folder,
                shelf,
                keeper,
                leftovers,
            }
        }
    }

    fn edit(log: &Log) {
        let card = Card::new(PeerId(1), "10.0.0.1:1".to_owned(), Account::boundless());
        let run = Run::from(Frame::new(Kind(140), b"edit"));
        let now = std::time::Instant::now();
        log.append(&Arc::new(card), run, now).unwrap();
    }

    /// A room that lives, with its keeper.
    struct Living {
        _folder: tempfile::TempDir,
        shelf: Arc<crate::relay::shelf::Shelf>,
        log: Arc<Log>,
        pen: Arc<Pen>,
        tell: Arc<Notify>,
        keeper: JoinHandle<()>,
    }

    impl Living {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (shelf, tell) = (Arc::new(shelf(folder.path())), Arc::new(Notify::new()));
            let log = Arc::new(Log::journaled(Limits::default().keep()));
            let heading = heading("Room");
            let pen = Pen::new(Arc::clone(&shelf), heading, None, None, Arc::clone(&tell));
            let pen = Arc::new(pen);
            let keeping = keep(Arc::clone(&log), Arc::clone(&pen), Leftovers::default());
            Self {
                keeper: tokio::spawn(keeping),
                _folder: folder,
                shelf,
                log,
                pen,
                tell,
            }
        }
    }

    /// Waits while the clock stands, as threads that write take time of their own.
    async fn until(done: impl Fn() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(60));
            sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_written_comes_to_the_disk_within_about_a_second() {
        let room = Living::new();
        for _ in 0..3 {
            edit(&room.log);
            until(|| room.pen.is_unsynced()).await;
            let path = room.shelf.living().unwrap().remove(0);
            // Who brings it to the disk sees that.
            std::fs::remove_file(&path).unwrap();
            sleep(Duration::from_millis(1200)).await;
            assert!(!room.pen.is_unsynced());
            until(|| path.exists()).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_does_not_confirm_is_told_once_and_that_it_did_as_well() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = || std::fs::read_to_string(file.path()).unwrap();
        let told = |words: &str| lines().matches(words).count();
        let log = tracing_subscriber::fmt().with_writer(Arc::new(file.reopen().unwrap()));
        let _log = tracing::subscriber::set_default(log.finish());

        let (confirms, confirmed) = std::sync::mpsc::channel::<()>();
        let mut syncing = Syncing {
            at: None,
            running: Some(Running {
                task: spawn_blocking(move || {
                    let _dropped = confirmed.recv();
                    true
                }),
                wait: Wait::Until(Instant::now() + REACHES_DISK_WITHIN),
            }),
        };
        let disk = Disk::default();
        let look = async |syncing: &mut Syncing| {
            syncing.look_at_running(&disk, "Room", Instant::now()).await;
        };
        look(&mut syncing).await;
        assert_eq!(lines(), "");
        tokio::time::advance(REACHES_DISK_WITHIN).await;
        // The keeper wakes for it.
        syncing.due().await;
        for _ in 0..2 {
            look(&mut syncing).await;
            assert_eq!((told("WARN"), told("has not confirmed")), (1, 1));
        }
        let nothing_more = timeout(Duration::ZERO, syncing.due()).await;
        assert!(nothing_more.is_err());

        drop(confirms);
        let running = syncing.running.as_ref().unwrap();
        until(|| running.task.is_finished()).await;
        look(&mut syncing).await;
        assert!(syncing.running.is_none());
        assert_eq!(told("the disk has confirmed"), 1);
    }

    #[tokio::test]
    async fn what_did_not_come_to_the_disk_is_not_told_as_confirmed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let log = tracing_subscriber::fmt().with_writer(Arc::new(file.reopen().unwrap()));
        let _log = tracing::subscriber::set_default(log.finish());
        let disk = Disk::default();
        for (is_there, lines) in [(false, 0), (true, 1)] {
            let task = spawn_blocking(move || is_there);
            until(|| task.is_finished()).await;
            let wait = Wait::Long(disk.late());
            let mut syncing = Syncing {
                at: None,
                running: Some(Running { task, wait }),
            };
            syncing.look_at_running(&disk, "Room", Instant::now()).await;
            let told = std::fs::read_to_string(file.path()).unwrap();
            assert_eq!(told.lines().count(), lines, "{told}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_rooms_on_one_slow_disk_one_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let log = tracing_subscriber::fmt().with_writer(Arc::new(file.reopen().unwrap()));
        let _log = tracing::subscriber::set_default(log.finish());
        let disk = Disk::default();
        let (confirms, confirmed) = std::sync::mpsc::channel::<()>();
        let confirmed = Arc::new(Mutex::new(confirmed));
        let mut rooms = [(); 3].map(|()| {
            let confirmed = Arc::clone(&confirmed);
            let task = spawn_blocking(move || confirmed.lock().recv().is_err());
            let wait = Wait::Until(Instant::now());
            Syncing {
                at: None,
                running: Some(Running { task, wait }),
            }
        });
        for room in &mut rooms {
            room.look_at_running(&disk, "Room", Instant::now()).await;
        }
        let lines = || {
            std::fs::read_to_string(file.path())
                .unwrap()
                .lines()
                .count()
        };
        assert_eq!(lines(), 1);
        drop(confirms);
        for room in &mut rooms {
            let running = room.running.as_ref().unwrap();
            until(|| running.task.is_finished()).await;
            room.look_at_running(&disk, "Room", Instant::now()).await;
        }
        assert_eq!(lines(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_written_comes_to_the_disk_while_nothing_more_can_be_written() {
        let room = Living::new();
        edit(&room.log);
        until(|| room.pen.is_unsynced()).await;
        // As if its next write had failed: the keeper rests.
        room.keeper.abort();
        let mut syncing = Syncing::default();
        syncing.look(&room.pen, &room.log).await;
        let resting = timeout(2 * SYNC_EVERY, syncing.go_on(&room.pen, &room.log)).await;
        assert!(resting.is_err(), "it has no end of its own");
        assert!(!room.pen.is_unsynced());
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_does_not_answer_is_told_and_members_go_on() {
        let room = Living::new();
        for writing_before in [false, true] {
            let head = room.log.head();
            if writing_before {
                edit(&room.log);
                until(|| !room.log.has_work()).await;
            }
            let writing = room.pen.hold();
            edit(&room.log);
            let start = Instant::now();
            while room.log.trouble().is_none() {
                assert!(start.elapsed() < 2 * ANSWERS_WITHIN);
                tokio::time::advance(Duration::from_millis(100)).await;
            }
            room.tell.notified().await;
            edit(&room.log);
            let Read::Batch(given, _, _) = room.log.live(head, PeerId(2), &Default::default())
            else {
                panic!("it is in memory");
            };
            assert_eq!(given.len(), 2 + usize::from(writing_before));
            drop(writing);
            until(|| room.log.trouble().is_none()).await;
            until(|| !room.log.has_work()).await;
            room.tell.notified().await;
        }
        room.log.end(Fate::Recent);
        room.keeper.await.unwrap();
        let id = room.shelf.recent().remove(0).id;
        let path = room.shelf.take_back(&id).unwrap();
        let mut next = 0;
        let step = |step: Step<'_>| {
            if let Step::Commands { positions, .. } = step {
                assert_eq!(positions.start, next, "once each, in order");
                next = positions.end;
            }
        };
        let scan = scan(std::fs::File::open(path).unwrap(), step, |_| true).unwrap();
        assert_eq!((next, scan.torn_bytes, scan.damaged.len()), (5, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_that_has_ended_is_written_once_it_can_be() {
        let scene = Scene::new();
        sleep(100 * RETRY_EVERY).await;
        assert!(!scene.keeper.is_finished());
        let folder = scene.folder.path();
        std::fs::remove_file(folder.join("rooms")).unwrap();
        std::fs::rename(folder.join("aside"), folder.join("rooms")).unwrap();
        scene.keeper.await.unwrap();
        assert_eq!(scene.shelf.recent().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_end_of_the_program_does_not_wait_for_the_disk() {
        let scene = Scene::new();
        sleep(10 * RETRY_EVERY).await;
        let start = Instant::now();
        scene.leftovers.closing.cancel();
        scene.keeper.await.unwrap();
        assert!(start.elapsed() <= 2 * RETRY_EVERY);
    }

    #[tokio::test(start_paused = true)]
    async fn rooms_that_have_ended_hold_no_more_than_one_may() {
        let leftovers = Leftovers::default();
        let limits = Limits {
            unstored_bytes: 300,
            ..Limits::default()
        };
        let rooms = [(); 2].map(|()| Scene::with(leftovers.clone(), &limits));
        sleep(10 * RETRY_EVERY).await;
        let given_up = rooms.iter().filter(|room| room.keeper.is_finished());
        assert_eq!(given_up.count(), 1);
        assert_eq!(leftovers.lost().len(), 1, "and told");
        leftovers.closing.cancel();
        for room in rooms {
            room.keeper.await.unwrap();
        }
        assert_eq!(leftovers.unstored.bytes(), 0);
    }
}
