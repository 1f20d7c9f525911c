//! The rooms' files and those who write them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio_util::task::TaskTracker;

use super::account::Budget;
use super::hub::Hub;
use super::keeper::keep;
use super::lanes::Lanes;
use super::log::{Keep, Log};
use super::pen::{Open, Pen};
use super::restore::{Found, restore};
use super::shelf::{Keeping, Shelf};
use crate::archive::{Heading, Maker};
use crate::protocol::Attributes;

/// The shelf, and the tasks that write its files.
#[derive(Clone, Debug)]
pub(super) struct Library {
    pub(super) shelf: Arc<Shelf>,
    /// Those who write. They end when their rooms do.
    pub(super) keepers: TaskTracker,
    lanes: Arc<Lanes>,
}

/// How far bringing rooms back is, in bytes of their files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Read so far.
    pub done: u64,
    /// In all.
    pub total: u64,
}

/// What came of bringing rooms back.
#[derive(Clone, Debug, Default)]
pub(super) struct Revived {
    /// Rooms that are there again.
    pub(super) rooms: Vec<String>,
    /// Files that could not be used, in sentences.
    pub(super) lost: Vec<String>,
    /// Why rooms are not kept at all.
    pub(super) trouble: Option<String>,
}

impl Library {
    /// Takes the folder.
    ///
    /// # Errors
    /// When it cannot be used, in words.
    pub(super) async fn open(keeping: Keeping, lanes: Arc<Lanes>) -> Result<Self, String> {
        let folder = keeping.folder.display().to_string();
        let opening = spawn_blocking(move || {
            let shelf = Shelf::open(&keeping)?;
            shelf.expire(SystemTime::now());
            std::io::Result::Ok(shelf)
        });
        let shelf = match opening.await {
            Ok(Ok(shelf)) => shelf,
            Ok(Err(error)) => return Err(format!("the folder {folder} cannot be used: {error}")),
            Err(error) => return Err(error.to_string()),
        };
        Ok(Self {
            shelf: Arc::new(shelf),
            keepers: TaskTracker::new(),
            lanes,
        })
    }

    /// Brings back all rooms that were alive.
    pub(super) async fn revive_all(
        &self,
        hub: &Arc<Hub>,
        progress: &watch::Sender<Progress>,
    ) -> Revived {
        let (library, hub, progress) = (self.clone(), Arc::clone(hub), progress.clone());
        let reviving = spawn_blocking(move || library.revive_living(&hub, &progress));
        reviving.await.unwrap_or_else(|error| Revived {
            trouble: Some(error.to_string()),
            ..Revived::default()
        })
    }

    fn revive_living(&self, hub: &Hub, progress: &watch::Sender<Progress>) -> Revived {
        let mut revived = Revived::default();
        let living = match self.shelf.living() {
            Ok(living) => living,
            Err(error) => {
                revived
                    .lost
                    .push(format!("the rooms of the last time: {error}"));
                return revived;
            }
        };
        let size = |path: &PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
        let total = living.iter().map(size).sum();
        let mut done = 0;
        // Taken in only when all have been read: so that those of a start that is stopped in between stay
        // where they are.
        let mut all = Vec::new();
        for path in living {
            let bytes = size(&path);
            let found = restore(&self.shelf, &path, |at| {
                progress.send_replace(Progress {
                    done: done + at,
                    total,
                });
                !progress.is_closed()
            });
            if progress.is_closed() {
                tracing::info!("stopped: the rooms are brought back at the next start");
                return Revived::default();
            }
            done += bytes;
            match found {
                Ok(found) => all.push(found),
                Err(error) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    tracing::error!(file = %name, "a room could not be brought back: {error}");
                    revived.lost.push(format!("{name}: {error}"));
                }
            }
        }
        for found in all {
            self.take_in(hub, found, &mut revived);
        }
        revived
    }

    fn take_in(&self, hub: &Hub, mut found: Found, revived: &mut Revived) {
        let name = found.heading.room.clone();
        if !found.make_joinable() {
            tracing::info!(
                room = name,
                "its content was never whole, so it is not brought back"
            );
            self.shelf.remove(&found.open.path);
            return;
        }
        match hub.bring_back(found) {
            Ok(()) => {
                tracing::info!(room = name, "brought back");
                revived.rooms.push(name);
            }
            Err((why, found)) => {
                tracing::warn!(room = name, "put to the recent rooms: {why}");
                self.shelf.retire(&found.open.path);
                revived
                    .lost
                    .push(format!("“{name}” is under the recent rooms: {why}"));
            }
        }
    }

    /// Brings back a room that has ended.
    ///
    /// # Errors
    /// When that does not work, in words. It is then still under the recent rooms.
    pub(super) async fn reopen(&self, hub: &Arc<Hub>, id: &str) -> Result<String, String> {
        let (library, hub, id) = (self.clone(), Arc::clone(hub), id.to_owned());
        let reopening = spawn_blocking(move || {
            let path = library
                .shelf
                .take_back(&id)
                .map_err(|error| error.to_string())?;
            let mut found = restore(&library.shelf, &path, |_| true).map_err(|error| {
                // Unless it was put aside it stays where it was.
                if path.exists() {
                    library.shelf.retire(&path);
                }
                error.to_string()
            })?;
            let name = found.heading.room.clone();
            found.make_joinable();
            hub.bring_back(found).map_err(|(why, found)| {
                library.shelf.retire(&found.open.path);
                why
            })?;
            Ok(name)
        });
        reopening
            .await
            .unwrap_or_else(|error| Err(error.to_string()))
    }

    /// The log of a room that is made, with somebody who writes it down.
    pub(super) fn begin(
        &self,
        room: &str,
        attributes: &Attributes,
        keep: Keep,
        tell: &Arc<Notify>,
    ) -> Arc<Log> {
        let log = Arc::new(Log::journaled(keep));
        let heading = Heading {
            room: room.to_owned(),
            attributes: attributes.clone(),
            maker: Maker::this_program(SystemTime::now()),
        };
        self.keep(&log, heading, None, tell);
        log
    }

    /// The log of a room that is brought back, with somebody who writes it on.
    pub(super) fn go_on(
        &self,
        found: Found,
        keep: Keep,
        budget: &Arc<Budget>,
        tell: &Arc<Notify>,
    ) -> Arc<Log> {
        let log = Log::restored(keep, budget, found.restored);
        let log = Arc::new(log);
        self.keep(&log, found.heading, Some(found.open), tell);
        log
    }

    fn keep(&self, log: &Arc<Log>, heading: Heading, open: Option<Open>, tell: &Arc<Notify>) {
        let (shelf, tell) = (Arc::clone(&self.shelf), Arc::clone(tell));
        let pen = Arc::new(Pen::new(shelf, heading, open, tell));
        log.is_written_by(pen.clone());
        let keeping = keep(Arc::clone(log), Arc::clone(&pen));
        self.lanes.spawn(&self.keepers, pen, keeping);
    }
}
