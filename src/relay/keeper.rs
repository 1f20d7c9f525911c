//! Writing a room's journal: one task a room, which sees to it that all is written that nobody wrote who
//! brought it, that the file comes to the disk, and that people hear of trouble.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::coop::consume_budget;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until};

use super::log::Log;
use super::pen::{AtOnce, Goes, Pen, Unwritten};

/// Power loss takes at most what came in this time.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How long after a file that was in use it is tried again to bring it to the disk.
const SYNC_AGAIN: Duration = Duration::from_millis(50);
/// How long after a write that failed the next is tried.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// How often it is tried again for a room that has ended.
const LAST_TRIES: u32 = 1;

/// When the disk is to be waited for.
#[derive(Default)]
struct Syncing {
    at: Option<Instant>,
    running: Option<JoinHandle<()>>,
}

/// Writes with `pen` what is in `log`, until the room has ended.
pub(super) async fn keep(log: Arc<Log>, pen: Arc<Pen>) {
    let _unkept = Unkept(Arc::clone(&log));
    let mut failures = 0;
    let mut syncing = Syncing::default();
    loop {
        syncing.look(&pen);
        // Under steady load others of this thread get their turn.
        consume_budget().await;
        let written = match pen.write_at_once(&log) {
            nothing @ (AtOnce::Nothing | AtOnce::Busy) => {
                if nothing == AtOnce::Nothing {
                    failures = 0;
                }
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
            Ok(Goes::NoFurther) => return,
            Ok(Goes::On) => failures = 0,
            Err(Unwritten { ended }) => {
                failures += 1;
                if failures > LAST_TRIES && ended {
                    let _done = spawn_blocking(move || pen.give_up(&log)).await;
                    return;
                }
                sleep(RETRY_EVERY).await;
            }
        }
    }
}

/// However the keeper ends, members are not to wait for what nobody writes down any more.
struct Unkept(Arc<Log>);

impl Drop for Unkept {
    fn drop(&mut self) {
        self.0.fails("nobody writes it any more");
    }
}

fn log_bad_end(error: &tokio::task::JoinError) {
    if !error.is_cancelled() {
        tracing::error!("writing a room down ended badly: {error}");
    }
}

impl Syncing {
    /// Sees to it that what was written comes to the disk in time, on another thread, one time after the
    /// other.
    fn look(&mut self, pen: &Arc<Pen>) {
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
        self.at = match pen.to_sync() {
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
