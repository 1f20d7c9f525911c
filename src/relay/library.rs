//! The rooms' files and those who write them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::Budget;
use super::guests::Origin;
use super::hub::Hub;
use super::keeper::{Leftovers, keep};
use super::lanes::Lanes;
use super::log::{Keep, Log};
use super::pen::{Open, Pen};
use super::restore::{Found, restore};
use super::shelf::{Keeping, Shelf};
use super::unstored::Unstored;
use crate::archive::{Heading, Maker};
use crate::protocol::Attributes;

/// How often a folder that cannot be had is tried again.
const TAKE_EVERY: Duration = Duration::from_secs(5);

/// The shelf, and the tasks that write its files.
#[derive(Clone, Debug)]
pub(super) struct Library {
    pub(super) shelf: Arc<Shelf>,
    /// Those who write. They end when their rooms do.
    pub(super) keepers: TaskTracker,
    lanes: Arc<Lanes>,
    /// Of rooms that have ended and cannot be written.
    pub(super) leftovers: Leftovers,
    /// Of rooms that live and cannot be written.
    unstored: Unstored,
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
    /// Those of them of which parts were damaged.
    pub(super) repaired: Vec<String>,
    /// Files that could not be used, in sentences.
    pub(super) lost: Vec<String>,
    /// Why rooms are not kept at all.
    pub(super) trouble: Option<String>,
}

impl Library {
    pub(super) fn new(keeping: Keeping, lanes: Arc<Lanes>) -> Self {
        Self {
            shelf: Arc::new(Shelf::new(keeping)),
            keepers: TaskTracker::new(),
            lanes,
            leftovers: Leftovers::default(),
            unstored: Unstored::default(),
        }
    }

    /// Takes the folder, if it can be had. Whoever writes a room later tries again.
    ///
    /// # Errors
    /// When it cannot, in words.
    pub(super) async fn take_folder(&self) -> Result<(), String> {
        let shelf = Arc::clone(&self.shelf);
        match spawn_blocking(move || shelf.take().map(drop)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                let folder = self.shelf.folder().display();
                Err(format!("the folder {folder} cannot be used: {error}"))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Tries until the folder can be had.
    pub(super) async fn await_folder(self, ended: CancellationToken) {
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                () = sleep(TAKE_EVERY) => {}
            }
            if self.take_folder().await.is_ok() {
                tracing::info!("rooms are kept from now on");
                return;
            }
        }
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
            lost: vec![format!("the rooms of the last time: {error}")],
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
        let repaired = found.repaired;
        match hub.bring_back(found) {
            Ok(()) => {
                tracing::info!(room = name, "brought back");
                if repaired {
                    revived.repaired.push(name.clone());
                }
                revived.rooms.push(name);
            }
            Err((why, found)) => {
                tracing::warn!(room = name, "put to the recent rooms: {why}");
                self.shelf.retire(&found.open.path, None);
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
                    library.shelf.retire(&path, None);
                }
                error.to_string()
            })?;
            let name = found.heading.room.clone();
            found.make_joinable();
            hub.bring_back(found).map_err(|(why, found)| {
                library.shelf.retire(&found.open.path, None);
                why
            })?;
            Ok(name)
        });
        reopening
            .await
            .unwrap_or_else(|error| Err(error.to_string()))
    }

    /// The log of a room that is made, by a guest perhaps, with somebody who writes it down.
    pub(super) fn begin(
        &self,
        room: &str,
        attributes: &Attributes,
        guest: Option<Origin>,
        keep: Keep,
        tell: &Arc<Notify>,
    ) -> Arc<Log> {
        let log = Arc::new(Log::journaled(keep));
        let heading = Heading {
            room: room.to_owned(),
            attributes: attributes.clone(),
            maker: Maker::this_program(SystemTime::now()),
        };
        self.keep(&log, heading, guest, None, tell);
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
        self.keep(&log, found.heading, None, Some(found.open), tell);
        log
    }

    fn keep(
        &self,
        log: &Arc<Log>,
        heading: Heading,
        guest: Option<Origin>,
        open: Option<Open>,
        tell: &Arc<Notify>,
    ) {
        let (shelf, tell) = (Arc::clone(&self.shelf), Arc::clone(tell));
        let pen = Arc::new(Pen::new(shelf, heading, guest, open, tell));
        log.is_written_by(pen.clone(), self.unstored.clone());
        let keeping = keep(Arc::clone(log), Arc::clone(&pen), self.leftovers.clone());
        self.lanes.spawn(&self.keepers, pen, keeping);
    }
}
