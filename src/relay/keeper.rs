//! Writing a room's journal: one task a room, the only one that writes its file.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::task::coop::consume_budget;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until};

use super::cold::ColdFile;
use super::log::{Fate, Log, Work};
use super::shelf::Shelf;
use crate::archive::journal::{JournalWriter, Note, Sender};
use crate::archive::{ArchiveError, Heading};

/// Work up to this size is written where the task runs, on a disk that is quick: to hand it to another
/// thread takes longer.
const AT_ONCE_BYTES: usize = 16 << 10;
/// Power loss takes at most what came in this time.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How long after a write that failed the next is tried.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// How often it is tried again for a room that has ended.
const LAST_TRIES: u32 = 1;

/// What a room's keeper starts with.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) log: Arc<Log>,
    pub(super) pen: Pen,
    /// Rings when something is to be told to people.
    pub(super) tell: Arc<Notify>,
}

/// What writes the file. Blocks.
#[derive(Debug)]
pub(super) struct Pen {
    pub(super) shelf: Arc<Shelf>,
    pub(super) heading: Heading,
    /// The file, if it is there already.
    pub(super) open: Option<Open>,
}

/// A journal that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) path: PathBuf,
    pub(super) writer: JournalWriter,
}

/// When the disk is to be waited for.
#[derive(Default)]
struct Syncing {
    at: Option<Instant>,
    running: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Writes until the room has ended.
    pub(super) async fn run(self) {
        let Self { log, mut pen, tell } = self;
        let _unkept = Unkept(Arc::clone(&log));
        let shelf = Arc::clone(&pen.shelf);
        let mut failures = 0;
        let mut syncing = Syncing::default();
        loop {
            if syncing.at.is_some_and(|at| at <= Instant::now()) {
                syncing.start(&pen);
            }
            let Some(work) = log.work() else {
                tokio::select! {
                    () = log.work_to_do() => {}
                    () = syncing.due() => syncing.start(&pen),
                }
                continue;
            };
            let ended = work.notes.ended;
            if ended == Some(Fate::Discard) {
                // Where that fails, the next start does it.
                let _done = spawn_blocking(move || pen.discard(&log)).await;
                return;
            }
            let bytes: usize = work.blocks.iter().map(|block| block.run.wire().len()).sum();
            // Under steady load others of this thread get their turn.
            consume_budget().await;
            let started = std::time::Instant::now();
            let at_once =
                bytes <= AT_ONCE_BYTES && pen.open.is_some() && shelf.disk.is_quick(started);
            let written = if at_once {
                pen.write(&log, &work)
            } else {
                let log = Arc::clone(&log);
                let writing = spawn_blocking(move || {
                    let written = pen.write(&log, &work);
                    (pen, written)
                });
                match writing.await {
                    Ok((back, written)) => {
                        pen = back;
                        written
                    }
                    Err(error) => {
                        log_bad_end(&error);
                        return;
                    }
                }
            };
            // Much takes its time on any disk.
            if bytes <= AT_ONCE_BYTES {
                let now = std::time::Instant::now();
                shelf.disk.took(now.duration_since(started), now);
            }
            match written {
                Ok(()) => {
                    failures = 0;
                    syncing.at.get_or_insert(Instant::now() + SYNC_EVERY);
                    if log.has_trouble_ended() {
                        tracing::info!(room = pen.heading.room, "the room is written down again");
                        tell.notify_one();
                    }
                    if ended.is_some() && log.work().is_none() {
                        let _done = spawn_blocking(move || pen.retire(&log)).await;
                        return;
                    }
                }
                Err(error) => {
                    let error = match error {
                        ArchiveError::Write(error) | ArchiveError::Open(error) => error.to_string(),
                        error => error.to_string(),
                    };
                    if log.fails(&error) {
                        tracing::error!(
                            room = pen.heading.room,
                            "the room is not written down: {error}"
                        );
                        tell.notify_one();
                    }
                    failures += 1;
                    if ended.is_some() && failures > LAST_TRIES {
                        tracing::error!(
                            room = pen.heading.room,
                            "what was not written down is lost"
                        );
                        let _done = spawn_blocking(move || pen.retire(&log)).await;
                        return;
                    }
                    sleep(RETRY_EVERY).await;
                }
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

impl Pen {
    /// Writes work down, and shows it to the members.
    fn write(&mut self, log: &Log, work: &Work) -> Result<(), ArchiveError> {
        if self.open.is_none() {
            let open = self.shelf.create(&self.heading)?;
            let cold = File::open(&open.path).map_err(ArchiveError::Open)?;
            let cold = ColdFile::new(cold, open.writer.salt());
            log.has_file(Arc::new(cold), open.writer.written_bytes());
            self.open = Some(open);
        }
        let Some(Open { writer, .. }) = &mut self.open else {
            return Ok(());
        };
        let places = gather(writer, work)?;
        writer.write_out()?;
        log.stored(work, &places, writer.written_bytes());
        Ok(())
    }

    /// The room never was whole: nobody needs its file. The last who closes it pays for its end.
    fn discard(self, log: &Log) {
        drop(log.let_go_of_file());
        if let Some(Open { path, writer }) = self.open {
            drop(writer);
            self.shelf.remove(&path);
        }
    }

    /// The room has ended.
    fn retire(self, log: &Log) {
        drop(log.let_go_of_file());
        if let Some(Open { path, writer }) = self.open {
            let file = writer.into_file();
            self.shelf.retire(&path);
            // Last, as it may take long and the program may be waiting to end.
            let _syncing = self.shelf.disk.syncing();
            if let Err(error) = file.sync_data() {
                tracing::warn!("a room's file may not be on the disk yet: {error}");
            }
        }
    }
}

/// Gathers work; gives where its blocks start in the file.
fn gather(writer: &mut JournalWriter, work: &Work) -> Result<Vec<u64>, ArchiveError> {
    if let Some(before) = work.notes.cleared {
        writer.add(Note::Cleared(before.0))?;
    }
    if !work.notes.attributes.is_empty() {
        writer.add(Note::Attributes {
            attributes: &work.notes.attributes.to_string(),
            at_millis: unix_millis(),
        })?;
    }
    let mut places = Vec::with_capacity(work.blocks.len());
    for block in &work.blocks {
        let name = block.sender.name();
        places.push(writer.add(Note::Commands {
            position: block.first.0,
            sender: Sender {
                peer: block.sender.id.0,
                id: &block.sender.client_id,
                name: name.as_deref(),
            },
            arrived_millis: block.arrived_millis,
            run: &block.run,
        })?);
    }
    Ok(places)
}

/// Unix time.
pub(super) fn unix_millis() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Syncing {
    async fn due(&self) {
        match self.at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    fn runs(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|task| !task.is_finished())
    }

    /// Brings the file to the disk, on another thread and one after the other.
    fn start(&mut self, pen: &Pen) {
        self.at = None;
        if self.runs() {
            self.at = Some(Instant::now() + SYNC_EVERY);
            return;
        }
        let Some(Ok(file)) = pen.open.as_ref().map(|open| open.writer.file().try_clone()) else {
            return;
        };
        let (room, shelf) = (pen.heading.room.clone(), Arc::clone(&pen.shelf));
        self.running = Some(spawn_blocking(move || {
            let _syncing = shelf.disk.syncing();
            if let Err(error) = file.sync_data() {
                tracing::error!(room, "the disk did not take what was written: {error}");
            }
        }));
    }
}
