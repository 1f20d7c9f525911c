//! One pen on a real disk: what is written when, what is written anew, and where a room's file ends up.

use super::*;
use crate::archive::journal::{Step, scan};
use crate::protocol::{Attributes, Frame, Kind, Run, attribute};
use crate::relay::PeerId;
use crate::relay::account::Account;
use crate::relay::card::Card;
use crate::relay::folder::renewing;
use crate::relay::limits::Limits;
use crate::relay::shelf::tests::{heading, shelf};

const EDIT_BYTES: usize = 100;

/// A room with a pen and no keeper.
struct Scene {
    log: Arc<Log>,
    pen: Arc<Pen>,
    #[cfg_attr(not(unix), expect(dead_code, reason = "only kept until the end"))]
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Arc::new(shelf(folder.path()));
        Self {
            log: Log::journaled(Limits::default().keep()).into(),
            pen: Pen::new(shelf, heading("Room"), None, None, Arc::default()).into(),
            folder,
        }
    }

    /// One whose file is there, with an edit.
    fn begun() -> Self {
        let scene = Self::new();
        scene.edit(EDIT_BYTES);
        assert_eq!(scene.pen.write_on(&scene.log), Ok(Goes::On));
        scene
    }

    fn path(&self) -> PathBuf {
        let open = self.pen.open.lock();
        open.as_ref().unwrap().path.clone()
    }

    /// What stands in the file, if it is a whole one.
    fn positions(&self) -> Option<u64> {
        let mut next = 0;
        let scan = scan(
            File::open(self.path()).ok()?,
            |step| {
                if let Step::Commands { positions, .. } = step {
                    assert_eq!(positions.start, next);
                    next = positions.end;
                }
            },
            |_| true,
        );
        let scan = scan.ok()?;
        (scan.damaged.is_empty() && scan.torn_bytes == 0).then_some(next)
    }

    fn edit(&self, bytes: usize) {
        let card = Card::new(PeerId(1), "10.0.0.1:1".to_owned(), Account::boundless());
        let run = Run::from(Frame::new(Kind(140), &vec![7; bytes]));
        self.log
            .append(&Arc::new(card), run, Instant::now())
            .unwrap();
    }
}

#[test]
fn little_is_written_at_once_and_the_keeper_hears_when_it_is_to_be_synced() {
    let scene = Scene::new();
    let Scene { log, pen, .. } = &scene;
    assert_eq!(pen.write_at_once(log), AtOnce::Nothing);
    scene.edit(EDIT_BYTES);
    assert_eq!(pen.write_at_once(log), AtOnce::Slow, "there is no file yet");
    assert_eq!(pen.write_on(log).unwrap(), Goes::On);
    assert!(!log.has_work());
    scene.edit(EDIT_BYTES);
    pen.shelf.disk.forget();
    assert_eq!(pen.write_at_once(log), AtOnce::Written(ToSync::Known));
    pen.to_sync(log).unwrap().bring();
    assert!(!pen.is_unsynced());
    scene.edit(EDIT_BYTES);
    pen.shelf.disk.forget();
    assert_eq!(pen.write_at_once(log), AtOnce::Written(ToSync::New));
    assert!(pen.is_unsynced());
    scene.edit(AT_ONCE_BYTES);
    pen.shelf.disk.forget();
    assert_eq!(pen.write_at_once(log), AtOnce::Slow, "that is much");
    assert_eq!(pen.write_on(log).unwrap(), Goes::On);
    assert_eq!(pen.write_at_once(log), AtOnce::Nothing);
}

#[test]
fn a_pen_that_is_in_use_is_not_waited_for() {
    let scene = Scene::begun();
    let Scene { log, pen, .. } = &scene;
    let writing = pen.open.lock();
    assert_eq!(pen.write_at_once(log), AtOnce::Busy);
    assert!(pen.to_sync(log).is_none());
    scene.edit(EDIT_BYTES);
    assert!(log.has_work(), "it waits for whoever writes");
    drop(writing);
    pen.shelf.disk.forget();
    assert!(pen.write_down(log));
    assert!(!log.has_work());
}

#[test]
fn the_end_of_a_room_is_for_a_thread_that_may_wait() {
    let scene = Scene::begun();
    let Scene { log, pen, .. } = &scene;
    pen.shelf.disk.forget();
    log.end(Fate::Recent);
    assert_eq!(pen.write_at_once(log), AtOnce::Slow);
    assert_eq!(pen.write_on(log).unwrap(), Goes::NoFurther);
    assert_eq!(pen.shelf.recent().len(), 1);
}

#[test]
fn what_the_disk_did_not_take_is_written_anew() {
    let scene = Scene::begun();
    let Scene { log, pen, .. } = &scene;
    let before = std::fs::read(scene.path()).unwrap();
    pen.open.lock().as_mut().unwrap().doubt = Some(Doubt::NotOnDisk);
    assert_eq!(
        pen.write_at_once(log),
        AtOnce::Slow,
        "without work, as well"
    );
    let old = log.file().unwrap();
    assert_eq!(pen.write_on(log), Ok(Goes::On));
    assert!(!old.is_at(&scene.path()) && log.file().unwrap().is_at(&scene.path()));
    assert_eq!(std::fs::read(scene.path()).unwrap(), before);
    scene.edit(EDIT_BYTES);
    pen.shelf.disk.forget();
    assert!(matches!(pen.write_at_once(log), AtOnce::Written(_)));
    assert_eq!(scene.positions(), Some(2));
    assert_eq!(log.trouble(), None);
}

#[test]
fn a_file_of_which_too_little_is_left_stays_in_trouble() {
    let scene = Scene::begun();
    let Scene { log, pen, .. } = &scene;
    let good = std::fs::read(scene.path()).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(scene.path(), &bad).unwrap();
    pen.open.lock().as_mut().unwrap().doubt = Some(Doubt::NotOnDisk);
    scene.edit(EDIT_BYTES);
    assert_eq!(pen.write_on(log), Err(Unwritten { ended: false }));
    assert!(log.trouble().unwrap().contains("damaged"));
    assert_eq!(std::fs::read(scene.path()).unwrap(), bad);
    assert!(!renewing(&scene.path()).exists());
    std::fs::write(scene.path(), &good).unwrap();
    assert_eq!(pen.write_on(log), Ok(Goes::On));
    assert_eq!((log.trouble(), scene.positions()), (None, Some(2)));
}

#[cfg(unix)]
#[test]
fn a_disk_that_does_not_take_a_file_is_asked_and_believed() {
    let scene = Scene::begun();
    let Scene { log, pen, .. } = &scene;
    let mut to_disk = pen.to_sync(log).unwrap();
    to_disk.file = crate::relay::disk::tests::no_file();
    to_disk.bring();
    let doubt = pen.open.lock().as_ref().unwrap().doubt;
    assert_eq!(doubt, Some(Doubt::NotOnDisk));
}

#[cfg(unix)]
#[test]
fn what_the_disk_did_not_take_is_written_anew_though_the_room_has_ended() {
    let scene = Scene::begun();
    let Scene { log, pen, .. } = &scene;
    let before = std::fs::read(scene.path()).unwrap();
    let old = log.file().unwrap();
    let mut to_disk = pen.to_sync(log).unwrap();
    to_disk.file = crate::relay::disk::tests::no_file();
    std::thread::scope(|scope| {
        let mut open = pen.open.lock();
        let bringing = scope.spawn(|| to_disk.bring());
        while !pen.missed.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        pen.retire(&mut open, log).unwrap();
        drop(open);
        assert!(!bringing.join().unwrap());
    });
    let recent = pen.shelf.folder().join("recent");
    let recent: Vec<_> = std::fs::read_dir(recent).unwrap().flatten().collect();
    let [recent] = &recent[..] else {
        panic!("{recent:?}")
    };
    assert!(!old.is_at(&recent.path()), "it is another file");
    assert_eq!(std::fs::read(recent.path()).unwrap(), before);
}

// Elsewhere a folder whose files are open keeps its name.
#[cfg(unix)]
#[test]
fn a_room_that_cannot_be_put_to_the_recent_ones_is_tried_again() {
    let scene = Scene::begun();
    let Scene { log, pen, .. } = &scene;
    let recent = pen.shelf.folder().join("recent");
    std::fs::remove_dir(&recent).unwrap();
    std::fs::write(&recent, "in the way").unwrap();
    log.end(Fate::Recent);
    for _ in 0..2 {
        assert_eq!(pen.write_on(log), Err(Unwritten { ended: true }));
        assert_eq!(pen.write_at_once(log), AtOnce::Slow);
    }
    // And somebody takes it away meanwhile.
    std::fs::remove_file(scene.path()).unwrap();
    std::fs::remove_file(&recent).unwrap();
    assert_eq!(pen.write_on(log), Ok(Goes::NoFurther));
    assert_eq!(pen.shelf.recent().len(), 1);
}

#[test]
fn that_a_room_is_not_whole_is_written_before_what_comes_then() {
    let scene = Scene::begun();
    let Scene { log, pen, .. } = &scene;
    for joinable in [false, true] {
        let joinable = Attributes::default().with_flag(attribute::JOINABLE, joinable);
        log.note_attributes(&joinable);
        scene.edit(EDIT_BYTES);
        assert_eq!(pen.write_on(log), Ok(Goes::On));
    }
    let mut order = Vec::new();
    let step = |step: Step<'_>| match step {
        Step::Commands { positions, .. } => order.push(format!("{positions:?}")),
        Step::Attributes(changed) => order.push(changed.to_string()),
        Step::Cleared(_) => {}
    };
    scan(File::open(scene.path()).unwrap(), step, |_| true).unwrap();
    let [no, yes] = [false, true].map(|whole| format!(r#"{{"joinable": {whole}}}"#));
    assert_eq!(order, ["0..1", &no, "1..2", "2..3", &yes]);
}

#[cfg(unix)]
#[test]
fn members_are_told_in_words() {
    let scene = Scene::new();
    let full = io::Error::from_raw_os_error(28);
    let full = ArchiveError::Write(full);
    scene.pen.fails(&scene.log, &full, false);
    let told = scene.log.trouble().unwrap();
    assert!(!told.is_empty() && !told.contains("28"), "{told}");
}

// Elsewhere files that are open cannot be taken away so easily.
#[cfg(unix)]
#[test]
fn a_file_that_was_taken_away_is_written_anew() {
    let scene = Scene::begun();
    let Scene { log, pen, .. } = &scene;
    std::fs::remove_file(scene.path()).unwrap();
    scene.edit(EDIT_BYTES);
    assert_eq!(pen.write_on(log), Ok(Goes::On));
    pen.to_sync(log).unwrap().bring();
    assert_eq!(pen.write_on(log), Ok(Goes::On));
    assert_eq!(scene.positions(), Some(2));
    // Something else lies there now.
    std::fs::remove_file(scene.path()).unwrap();
    std::fs::write(scene.path(), "by hand").unwrap();
    log.end(Fate::Recent);
    assert_eq!(pen.write_on(log), Ok(Goes::NoFurther));
    let recent = pen.shelf.recent();
    assert_eq!(recent[0].room, "Room");
    let aside = pen.shelf.folder().join("damaged").join(&recent[0].id);
    assert_eq!(std::fs::read(aside).unwrap(), b"by hand");
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_gone_for_a_while_is_told_until_it_is_back() {
    let scene = Scene::begun();
    let Scene { log, pen, .. } = &scene;
    let aside = scene.folder.path().join("aside");
    std::fs::rename(pen.shelf.folder(), &aside).unwrap();
    std::fs::write(pen.shelf.folder(), "in the way").unwrap();
    pen.to_sync(log).unwrap().bring();
    for _ in 0..2 {
        assert_eq!(pen.write_on(log), Err(Unwritten { ended: false }));
        assert!(log.trouble().is_some());
        scene.edit(EDIT_BYTES);
    }
    std::fs::remove_file(pen.shelf.folder()).unwrap();
    std::fs::rename(&aside, pen.shelf.folder()).unwrap();
    assert_eq!(pen.write_on(log), Ok(Goes::On));
    assert_eq!((log.trouble(), log.has_work()), (None, false));
    assert_eq!(scene.positions(), Some(3));
}

// Elsewhere a folder whose files are open keeps its name.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_told_once_until_it_can() {
    let scene = Scene::new();
    let Scene { log, pen, .. } = &scene;
    let folder = scene.folder.path().join("rooms");
    let aside = scene.folder.path().join("aside");
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    scene.edit(EDIT_BYTES);
    assert_eq!(pen.write_on(log), Err(Unwritten { ended: false }));
    assert!(log.trouble().is_some());
    log.end(Fate::Recent);
    assert_eq!(pen.write_on(log), Err(Unwritten { ended: true }));
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    assert_eq!(pen.write_on(log), Ok(Goes::NoFurther));
    assert_eq!(log.trouble(), None);
    assert!(!log.has_work());
    assert_eq!(pen.shelf.recent().len(), 1);
}
