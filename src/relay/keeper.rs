//! Writing a room's journal: one task a room, which sees to it that all is written that nobody wrote who
//! brought it, that the file comes to the disk, and that people hear of trouble.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::coop::consume_budget;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::log::Log;
use super::pen::{AtOnce, Goes, Pen, Unwritten};
use super::unstored::{Share, Unstored};

/// Power loss takes at most what came in this time.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How long after a file that was in use it is tried again to bring it to the disk.
const SYNC_AGAIN: Duration = Duration::from_millis(50);
/// How long after a write that failed the next is tried.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// … and how many times what it took, which is long where all of a room was to be written anew.
const RETRY_TIMES: u32 = 10;

/// As many rooms that were given up are remembered.
const LOST: usize = 100;

/// How often it is tried again for a room that has ended, once the program ends as well.
const LAST_TRIES: u32 = 1;

/// When the disk is to be waited for.
#[derive(Default)]
struct Syncing {
    at: Option<Instant>,
    running: Option<JoinHandle<()>>,
}

/// Writes with `pen` what is in `log`, until the room has ended and all of it is written. Where it cannot be it
/// is given up when the program ends, or with too many `leftovers`.
pub(super) async fn keep(log: Arc<Log>, pen: Arc<Pen>, leftovers: Leftovers) {
    let mut unkept = Unkept(Some(Arc::clone(&log)));
    let closing = leftovers.closing.clone();
    let (mut last_tries, mut left) = (0, None);
    let mut syncing = Syncing::default();
    loop {
        syncing.look(&pen, &log);
        // Under steady load others of this thread get their turn.
        consume_budget().await;
        let tried = Instant::now();
        let written = match pen.write_at_once(&log) {
            AtOnce::Nothing | AtOnce::Busy => {
                tokio::select! {
                    () = log.work_to_do() => {}
                    () = syncing.due() => {}
                }
                continue;
            }
            AtOnce::Written(_) => Ok(Goes::On),
            // What a room leaves behind is never written at once.
            AtOnce::Failed => Err(Unwritten { ended: false }),
            AtOnce::Slow => {
                let (pen, log) = (Arc::clone(&pen), Arc::clone(&log));
                match spawn_blocking(move || pen.write_on(&log)).await {
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
                        leftovers.lose(pen.room(), &log);
                        let _done = spawn_blocking(move || pen.give_up(&log)).await;
                        return;
                    }
                    last_tries += u32::from(closes);
                }
                tokio::select! {
                    () = sleep(RETRY_EVERY.max(RETRY_TIMES * tried.elapsed())) => {}
                    () = closing.cancelled(), if !closes => {}
                }
            }
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

fn log_bad_end(error: &tokio::task::JoinError) {
    if !error.is_cancelled() {
        tracing::error!("writing a room down ended badly: {error}");
    }
}

impl Syncing {
    /// Sees to it that what was written comes to the disk in time, on another thread, one time after the
    /// other.
    fn look(&mut self, pen: &Arc<Pen>, log: &Arc<Log>) {
        let now = Instant::now();
        if pen.is_unsynced() {
            self.at.get_or_insert(now + SYNC_EVERY);
        }
        if self.at.is_none_or(|at| at > now) {
            return;
        }
        if self
            .running
            .as_ref()
            .is_some_and(|task| !task.is_finished())
        {
            self.at = Some(now + SYNC_EVERY);
            return;
        }
        self.at = match pen.to_sync(log) {
            Some(file) => {
                self.running = Some(spawn_blocking(move || file.bring()));
                None
            }
            None => Some(now + SYNC_AGAIN),
        };
    }

    async fn due(&self) {
        match self.at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

// Elsewhere a folder whose files are open keeps its name.
#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::protocol::{Frame, Kind, Run};
    use crate::relay::PeerId;
    use crate::relay::account::Account;
    use crate::relay::card::Card;
    use crate::relay::limits::Limits;
    use crate::relay::log::Fate;
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
            let card = Card::new(PeerId(1), "10.0.0.1:1".to_owned(), Account::boundless());
            let run = Run::from(Frame::new(Kind(140), b"edit"));
            let now = std::time::Instant::now();
            log.append(&Arc::new(card), run, now).unwrap();
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
