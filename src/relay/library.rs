//! The rooms' files and those who write them.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
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
use super::restore::{Content, Found, restore};
use super::shelf::{Keeping, Shelf};
use super::unstored::Unstored;
use crate::archive::{Heading, Maker};
use crate::protocol::Attributes;

/// How often a folder that cannot be had is tried again.
const TAKE_EVERY: Duration = Duration::from_secs(5);
/// How often the recent rooms are looked after while nothing else happens. What the computer's clock says is believed
/// once it has been seen twice, and a short session is to count.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Why a room is not brought back whose file does not say that it is whole.
const PART: &str = "its file does not say that all of it is there";

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

impl Revived {
    fn is_put_away(&mut self, room: &str, why: &str) {
        tracing::warn!(room, "put to the recent rooms: {why}");
        self.lost
            .push(format!("“{room}” is under the recent rooms: {why}"));
    }
}

/// Tells of a file that was being written anew when the program ended.
fn unfinished_copy(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(
        "{name} was being written anew when the last program ended, and may be only a part of a room"
    )
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

    /// Looks after the recent rooms, which get older while nothing else happens.
    pub(super) async fn look_after_recent(self, ended: CancellationToken) {
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                () = sleep(LOOK_EVERY) => {}
            }
            let shelf = Arc::clone(&self.shelf);
            if let Err(error) = spawn_blocking(move || shelf.look_after_recent()).await {
                tracing::warn!("nobody looked after the recent rooms: {error}");
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
        match self.shelf.put_unfinished_aside() {
            Ok(aside) => revived
                .lost
                .extend(aside.iter().map(|path| unfinished_copy(path))),
            Err(error) => {
                let lost = format!("a file that was being written anew: {error}");
                revived.lost.push(lost);
            }
        }
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
        // Of two of one name the one that was made last is what people had.
        all.sort_by_key(|found| Reverse(found.heading.maker.made_millis));
        for found in all {
            self.take_in(hub, found, &mut revived);
        }
        revived
    }

    fn take_in(&self, hub: &Hub, mut found: Found, revived: &mut Revived) {
        let name = found.heading.room.clone();
        match found.content() {
            Content::Whole => found.make_joinable(),
            Content::Vacant => found.vacate(),
            Content::Filling => {
                if let Err(error) = self.shelf.keep_copy(&found.open.path) {
                    self.put_away(&found, &error.to_string(), revived);
                    return;
                }
                revived.is_put_away(&name, PART);
                found.vacate();
            }
            Content::Part => {
                self.put_away(&found, PART, revived);
                return;
            }
            Content::Nothing => {
                tracing::info!(room = name, "it never had a content");
                self.shelf.remove(&found.open.path);
                return;
            }
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
            Err((why, found)) => self.put_away(&found, &why, revived),
        }
    }

    fn put_away(&self, found: &Found, why: &str, revived: &mut Revived) {
        self.shelf.retire_if_it_can(&found.open.path);
        revived.is_put_away(&found.heading.room, why);
    }

    /// Brings back a room that has ended.
    ///
    /// # Errors
    /// When that does not work, in words. It is then still under the recent rooms, but for a file in which nothing can be
    /// read: that is put aside.
    pub(super) async fn reopen(&self, hub: &Arc<Hub>, id: &str) -> Result<String, String> {
        let (library, hub, id) = (self.clone(), Arc::clone(hub), id.to_owned());
        let reopening = spawn_blocking(move || {
            let path = library
                .shelf
                .take_back(&id)
                .map_err(|error| error.to_string())?;
            let mut found = restore(&library.shelf, &path, |_| true).map_err(|error| {
                // Unless it was put aside it goes back to where it was.
                if path.exists() {
                    library.shelf.put_back(&path);
                }
                error.to_string()
            })?;
            let name = found.heading.room.clone();
            match found.content() {
                Content::Vacant => found.vacate(),
                // Whoever asks for it wants what there is.
                Content::Whole | Content::Filling | Content::Part | Content::Nothing => {
                    found.make_joinable();
                }
            }
            hub.bring_back(found).map_err(|(why, found)| {
                library.shelf.put_back(&found.open.path);
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

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};

    use super::*;
    use crate::archive::journal::{JournalWriter, LAST_START, Note, Sender, scan};
    use crate::protocol::{Frame, Kind, Run, attribute};
    use crate::relay::Limits;
    use crate::relay::guests::Guests;
    use crate::relay::room::{awaits_scene, vacant};
    use crate::relay::shelf::tests::{heading, keeping};

    /// A folder with rooms of the last time.
    struct Scene {
        folder: tempfile::TempDir,
        library: Library,
        hub: Arc<Hub>,
    }

    impl Scene {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let library = Library::new(keeping(folder.path()), Lanes::here());
            library.take_folder().await.unwrap();
            let hub = Hub::new(Limits::default(), Guests::default(), Some(library.clone()));
            Self {
                folder,
                library,
                hub: Arc::new(hub),
            }
        }

        /// The file of a room that was alive.
        fn room(&self, name: &str, made_millis: u64, attributes: Attributes, commands: usize) {
            let mut heading = heading(name);
            (heading.attributes, heading.maker.made_millis) = (attributes, made_millis);
            let file = format!("rooms/{name}-{made_millis}.mixdesk");
            let file = File::create(self.folder.path().join(file)).unwrap();
            let mut writer = JournalWriter::create(file, &heading).unwrap();
            for position in 0..commands as u64 {
                let run = Run::from(Frame::new(Kind(140), b"edit"));
                let (peer, id, name) = (1, "10.0.0.1:1", None);
                let commands = Note::Commands {
                    position,
                    sender: Sender { peer, id, name },
                    arrived_millis: 1,
                    run: &run,
                };
                writer.add(commands).unwrap();
            }
            writer.write_out().unwrap();
        }

        async fn revive(&self) -> Revived {
            let (progress, _until) = watch::channel(Progress::default());
            self.library.revive_all(&self.hub, &progress).await
        }

        fn log(&self, room: &str) -> Arc<Log> {
            self.hub
                .with_state(|state| Arc::clone(&state.rooms[room].log))
        }

        fn commands(&self, room: &str) -> u64 {
            self.log(room).figures().command_count
        }

        fn recent(&self) -> Vec<String> {
            let recent = self.library.shelf.recent().into_iter();
            let mut names: Vec<_> = recent.map(|recent| recent.room).collect();
            names.sort();
            names
        }
    }

    fn joinable(joinable: bool) -> Attributes {
        Attributes::default().with_flag(attribute::JOINABLE, joinable)
    }

    #[tokio::test]
    async fn what_a_file_holds_that_does_not_say_it_is_whole_is_kept() {
        let scene = Scene::new().await;
        let mut filling = joinable(false);
        filling.update(awaits_scene(false));
        scene.room("Whole", 1, joinable(true), 3);
        scene.room("Part", 1, joinable(false), 3);
        scene.room("Nothing", 1, joinable(false), 0);
        scene.room("Vacant", 1, vacant("Vacant"), 2);
        scene.room("Filling", 1, filling, 3);
        let mut revived = scene.revive().await;
        revived.rooms.sort();
        assert_eq!(revived.rooms, ["Filling", "Vacant", "Whole"]);
        assert_eq!(scene.recent(), ["Filling", "Part"]);
        assert_eq!(revived.lost.len(), 2, "{:?}", revived.lost);
        assert!(revived.lost.iter().any(|lost| lost.contains("“Part”")));
        let left = ["Whole", "Filling"].map(|room| scene.commands(room));
        assert_eq!(left, [3, 0], "what waits for a scene has none");
        // Its end is no end for what was put away of it.
        for path in scene.library.shelf.living().unwrap() {
            scene.library.shelf.retire(&path, None).unwrap();
        }
        let all = ["Filling", "Filling", "Part", "Vacant", "Whole"];
        assert_eq!(scene.recent(), all);
    }

    #[tokio::test]
    async fn a_part_of_a_room_that_is_asked_for_is_there_from_then_on() {
        let scene = Scene::new().await;
        let mut filling = joinable(false);
        filling.update(awaits_scene(false));
        scene.room("Part", 1, joinable(false), 3);
        scene.room("Filling", 1, filling, 4);
        for path in scene.library.shelf.living().unwrap() {
            scene.library.shelf.retire(&path, None).unwrap();
        }
        for recent in scene.library.shelf.recent() {
            let name = scene.library.reopen(&scene.hub, &recent.id).await.unwrap();
            let log = scene.log(&name);
            while log.has_work() {
                tokio::task::yield_now().await;
            }
            assert!(scene.commands(&name) >= 3);
            // As the next start finds it, if the program is killed now.
            let path = scene.library.shelf.folder().join(&recent.id);
            let copy = scene.folder.path().join(&recent.id);
            fs::copy(path, &copy).unwrap();
            let found = restore(&scene.library.shelf, &copy, |_| true).unwrap();
            assert_eq!(found.content(), Content::Whole);
            assert_eq!(found.restored.history.commands(), scene.commands(&name));
        }
    }

    #[tokio::test]
    async fn a_room_without_numbers_for_what_comes_is_put_aside() {
        let scene = Scene::new().await;
        for (name, before) in [("Last", LAST_START), ("Beyond", LAST_START + 1)] {
            scene.room(name, 1, joinable(true), 1);
            let path = scene.folder.path().join(format!("rooms/{name}-1.mixdesk"));
            let bytes = path.metadata().unwrap().len();
            let salt = scan(File::open(&path).unwrap(), |_| {}, |_| true)
                .unwrap()
                .salt;
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            let mut writer = JournalWriter::resume(file, salt, bytes).unwrap();
            writer.add(Note::Cleared(before)).unwrap();
            writer.write_out().unwrap();
        }
        let revived = scene.revive().await;
        assert_eq!(revived.rooms, ["Last"]);
        assert_eq!(revived.lost.len(), 1, "{:?}", revived.lost);
        let aside = scene.folder.path().join("rooms/damaged/Beyond-1.mixdesk");
        assert!(aside.exists());
    }

    #[tokio::test]
    async fn of_two_rooms_of_one_name_the_newest_is_back() {
        let scene = Scene::new().await;
        for (made, commands) in [(9, 1), (11, 3), (10, 2)] {
            scene.room("Room", made, joinable(true), commands);
        }
        let revived = scene.revive().await;
        assert_eq!(revived.rooms, ["Room"]);
        assert_eq!(scene.commands("Room"), 3);
        assert_eq!((scene.recent().len(), revived.lost.len()), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn recent_rooms_are_looked_after_while_the_relay_runs() {
        let scene = Scene::new().await;
        scene.room("Old", 1, joinable(true), 1);
        let path = scene.library.shelf.living().unwrap().remove(0);
        scene.library.shelf.retire(&path, None).unwrap();
        let file = scene.folder.path().join("rooms/recent/Old-1.mixdesk");
        let file = OpenOptions::new().append(true).open(file).unwrap();
        let then = SystemTime::now() - Duration::from_secs(90_000);
        file.set_modified(then).unwrap();
        let (mut bell, ended) = (scene.library.shelf.bell(), CancellationToken::new());
        let looking = tokio::spawn(scene.library.clone().look_after_recent(ended.clone()));
        let rung = tokio::time::timeout(Duration::from_secs(3600), bell.changed());
        rung.await.unwrap().unwrap();
        assert_eq!(scene.recent(), [""; 0]);
        ended.cancel();
        looking.await.unwrap();
    }
}
