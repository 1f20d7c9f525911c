//! The folder of rooms, with files that other programs left, and that were cut short.

use super::*;
use crate::archive::Maker;
use crate::protocol::Attributes;

pub(in crate::relay) fn keeping(folder: &Path) -> Keeping {
    Keeping {
        folder: folder.join("rooms"),
        recent_for: Duration::from_secs(86_400),
        recent_bytes: 1 << 20,
    }
}

pub(in crate::relay) fn shelf(folder: &Path) -> Shelf {
    let shelf = Shelf::new(keeping(folder));
    shelf.take().unwrap();
    shelf
}

pub(in crate::relay) fn heading(room: &str) -> Heading {
    Heading {
        room: room.to_owned(),
        attributes: Attributes::default(),
        maker: Maker {
            program: "Test".to_owned(),
            made_millis: 1,
        },
    }
}

fn names(recent: &[Recent]) -> Vec<&str> {
    recent.iter().map(|recent| recent.room.as_str()).collect()
}

fn ended(shelf: &Shelf, room: &str, seconds_ago: u64) {
    let Open { path, .. } = shelf.create(&heading(room)).unwrap();
    shelf.retire(&path, None).unwrap();
    let recent = shelf.recent();
    let id = &recent.iter().find(|recent| recent.room == room).unwrap().id;
    let file = OpenOptions::new()
        .append(true)
        .open(shelf.folder().join(RECENT).join(id))
        .unwrap();
    let then = SystemTime::now() - Duration::from_secs(seconds_ago);
    file.set_modified(then).unwrap();
}

#[test]
fn a_folder_is_one_programs_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = shelf(folder.path());
    let second = shelf(folder.path());
    assert_eq!(first.folder(), folder.path().join("rooms"));
    assert_eq!(second.folder(), folder.path().join("rooms-2"));
    for (shelf, room) in [(&first, "a"), (&second, "b")] {
        let bell = shelf.bell();
        let open = shelf.create(&heading(room)).unwrap();
        assert!(!bell.has_changed().unwrap());
        shelf.retire(&open.path, None).unwrap();
        assert!(bell.has_changed().unwrap());
    }
    let all = recent_rooms(&folder.path().join("rooms"));
    assert_eq!(names(&all), ["b", "a"], "whoever has the folders");
    assert!(recent_rooms(&folder.path().join("nowhere")).is_empty());
    drop(first);
    let third = shelf(folder.path());
    assert_eq!(third.folder(), folder.path().join("rooms"));
}

#[test]
fn what_a_program_left_that_is_gone_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let programs = [(); 3].map(|()| shelf(folder.path()));
    for (number, shelf) in programs.iter().enumerate() {
        let [ended, _living] = ["ended", "living"]
            .map(|what| shelf.create(&heading(&format!("{what} {number}"))).unwrap());
        shelf.retire(&ended.path, None).unwrap();
    }
    let [first, second, third] = programs;
    drop((first, second));
    let others = folder.path().join("rooms-4");
    fs::create_dir(&others).unwrap();
    fs::write(others.join("export.mixdesk"), "").unwrap();
    let again = shelf(folder.path());
    assert_eq!(again.folder(), folder.path().join("rooms"));
    assert_eq!(again.living().unwrap().len(), 2);
    assert_eq!(again.recent().len(), 2);
    assert!(others.join("export.mixdesk").exists(), "that is not ours");
    assert_eq!(third.living().unwrap().len(), 1, "that one lives");
    assert_eq!(third.recent().len(), 1);
}

#[test]
fn a_folder_that_cannot_be_had_is_taken_once_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("rooms");
    fs::write(&in_the_way, "").unwrap();
    let shelf = Shelf::new(keeping(folder.path()));
    assert!(shelf.create(&heading("a")).is_err() && shelf.living().is_err());
    assert!(shelf.recent().is_empty() && !shelf.is_held());
    assert!(shelf.forget("x").is_err() && shelf.take_back("x").is_err());
    fs::remove_file(&in_the_way).unwrap();
    let before = self::shelf(folder.path());
    before.create(&heading("of the last time")).unwrap();
    drop(before);
    assert!(shelf.create(&heading("a")).is_ok() && shelf.is_held());
    assert_eq!(shelf.living().unwrap().len(), 1);
    assert_eq!(names(&shelf.recent()), ["of the last time"]);
}

#[test]
fn a_room_lives_ends_and_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = shelf(folder.path());
    let names_of_files = ["Décor 12", "../../x", "", "CON", "a/b\\c:d\n"];
    for room in names_of_files {
        let open = shelf.create(&heading(room)).unwrap();
        assert_eq!(open.path.parent(), Some(shelf.folder()));
    }
    let living = shelf.living().unwrap();
    assert_eq!(living.len(), names_of_files.len());
    for path in &living {
        shelf.retire(path, None).unwrap();
    }
    assert!(shelf.living().unwrap().is_empty());
    let recent = shelf.recent();
    assert_eq!(recent.len(), names_of_files.len());
    let back = shelf.take_back(&recent[0].id).unwrap();
    assert_eq!(shelf.living().unwrap(), [back]);
    shelf.forget(&recent[1].id).unwrap();
    assert_eq!(shelf.recent().len(), names_of_files.len() - 2);
    for strange in ["", "..", "../lock", "none.mixdesk", "/etc/passwd"] {
        assert!(shelf.forget(strange).is_err() && shelf.take_back(strange).is_err());
    }
}

#[test]
fn the_longest_name_leaves_place_for_what_else_a_file_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = shelf(folder.path());
    for room in ["\u{1d400}".repeat(63), "é".repeat(127), "x".repeat(255)] {
        let longest = room.repeat(10);
        assert!(file_name(&longest, SystemTime::now()).len() <= NAME_BYTES + 21);
        let mut paths = Vec::new();
        for _ in 0..2 {
            paths.push(shelf.create(&heading(&room)).unwrap().path);
        }
        for path in paths {
            let bytes = path.metadata().unwrap().len();
            let file = ColdFile::new(File::open(&path).unwrap(), 0);
            shelf.renew(&path, &file, bytes).unwrap();
            fs::copy(&path, renewing(&path)).unwrap();
            shelf.replace(&renewing(&path), &path).unwrap();
            shelf.keep_copy(&path).unwrap();
            shelf.retire(&path, None).unwrap();
        }
    }
}

#[test]
fn rooms_get_too_old_while_nothing_else_happens() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = shelf(folder.path());
    ended(&shelf, "old", 90_000);
    // The clock is set, then seen twice.
    let day = Duration::from_secs(86_400);
    shelf
        .held
        .get()
        .unwrap()
        .is_seen(SystemTime::now() - 3 * day);
    shelf.look_after_recent();
    assert_eq!(names(&shelf.recent()), ["old"]);
    let bell = shelf.bell();
    shelf.look_after_recent();
    assert!(shelf.recent().is_empty() && bell.has_changed().unwrap());
}

#[test]
fn recent_rooms_go_by_age_and_by_size_the_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut shelf = shelf(folder.path());
    for (room, ago) in [("b", 300), ("c", 200), ("d", 100), ("old", 90_000)] {
        ended(&shelf, room, ago);
    }
    let now = SystemTime::now();
    shelf.expire(now - Duration::from_secs(1_000_000));
    assert_eq!(shelf.recent().len(), 4, "a clock that was set back");
    shelf.expire(now);
    assert_eq!(names(&shelf.recent()), ["d", "c", "b"]);
    shelf.keeping.recent_bytes = 2 * shelf.recent()[0].bytes;
    shelf.expire(now);
    assert_eq!(names(&shelf.recent()), ["d", "c"]);
    shelf.keeping.recent_bytes = 1;
    shelf.expire(now);
    assert_eq!(names(&shelf.recent()), ["d"], "the latest stays");
}

#[test]
fn a_repair_that_was_cut_short_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = shelf(folder.path());
    let file = |name: &str| shelf.folder().join(name);
    fs::write(file("a.repairing"), "anew").unwrap();
    fs::write(file("b.repairing"), "anew").unwrap();
    fs::write(file("b.mixdesk"), "old").unwrap();
    assert_eq!(
        shelf.living().unwrap(),
        [file("a.mixdesk"), file("b.mixdesk")]
    );
    assert_eq!(fs::read(file("b.mixdesk")).unwrap(), b"anew");
    assert!(!file("b.repairing").exists());
    assert_eq!(fs::read(file("damaged/b.mixdesk")).unwrap(), b"old");
}

#[test]
fn a_part_of_a_file_is_never_taken_for_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let [gone, next] = [(); 2].map(|()| shelf(folder.path()));
    fs::write(next.folder().join("c.renewing"), "part").unwrap();
    drop((gone, next));
    let shelf = shelf(folder.path());
    let file = |name: &str| shelf.folder().join(name);
    fs::write(file("a.renewing"), "part").unwrap();
    fs::write(file("b.renewing"), "part").unwrap();
    fs::write(file("b.mixdesk"), "old").unwrap();
    assert_eq!(shelf.living().unwrap(), [file("b.mixdesk")]);
    let mut aside = shelf.put_unfinished_aside().unwrap();
    aside.sort();
    assert_eq!(
        aside,
        [file("damaged/a.renewing"), file("damaged/c.renewing")]
    );
    assert_eq!(shelf.living().unwrap(), [file("b.mixdesk")]);
    assert_eq!(fs::read(file("b.mixdesk")).unwrap(), b"old");
    assert!(!file("b.renewing").exists());
}
