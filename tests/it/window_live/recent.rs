//! Rooms that survive: their end, the end of hosting, and a program that was killed.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT, Queryable};
use tokio::runtime::Runtime;

use super::{Window, others};
use crate::common::Client;
use crate::common::ports::free_port;

/// Commands of a room.
const COMMANDS: usize = 5;
/// What the row of such a room says.
const FIGURES: &str = "4.0 kB, 5 edits";

/// A Blender that has made a room with something in it, on a window's relay.
fn fill(others: &Runtime, port: u16, room: &str) -> Client {
    others.block_on(async {
        let mut blender = Client::hello((Ipv4Addr::LOCALHOST, port).into()).await;
        blender.make(room).await;
        for number in 0..COMMANDS as u8 {
            blender.send(140, &[number; 800]).await;
        }
        blender.barrier().await;
        blender
    })
}

/// The commands of a room, as somebody gets them who joins it. What somebody has got is not lost.
fn content(others: &Runtime, port: u16, room: &str) -> Vec<u8> {
    others.block_on(async {
        let mut blender = Client::hello((Ipv4Addr::LOCALHOST, port).into()).await;
        blender.enter(room).await;
        let all = |blender: &Client| blender.commands().len() == COMMANDS;
        blender.until("all commands", all).await;
        let commands = blender.commands().into_iter();
        commands.map(|got| got.payload[0]).collect()
    })
}

fn host(folder: &Path) -> (Window, u16) {
    let mut window = Window::start(folder);
    let port = free_port();
    window.connect("localhost", port);
    window.until_says("Hosting on port");
    (window, port)
}

fn item(window: &Window, room: &str) -> Option<String> {
    let start = format!("{room}, ");
    let mut items = window.harness.query_all_by_role(Role::ListItem);
    items.find_map(|item| {
        let label = item.accesskit_node().label()?;
        label.starts_with(&start).then_some(label)
    })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "mixdesk"))
        .collect()
}

#[test]
fn a_room_that_ended_is_brought_back_when_hosting_again() {
    let others = others();
    let folder = tempfile::tempdir().unwrap();
    let (mut window, port) = host(folder.path());
    window.until_says("Recent rooms: a room that ends is kept here for 14 days");
    let blender = fill(&others, port, "Shot 12");
    window.until_row_says("Shot 12", FIGURES);
    window.press("Stop hosting");
    window.until_says("goes to Recent rooms: for 14 days you can bring it back from there.");
    window.press("Stop hosting");
    window.until_says("Offline");
    drop(blender);

    window.press("Connect");
    window.until_says("Hosting on port");
    window.until("Shot 12 to be listed", |window| {
        item(window, "Shot 12").is_some_and(|item| item.ends_with("just now"))
    });
    assert!(window.row("Shot 12").is_none());
    window.press("Reopen Shot 12");
    window.until_row_says("Shot 12", FIGURES);
    window.until_says("“Shot 12” is open again.");
    window.until("no recent room", |window| item(window, "Shot 12").is_none());
    window.until_row_says("Shot 12", "Empty, kept open");
    assert_eq!(content(&others, port, "Shot 12"), [0, 1, 2, 3, 4]);
    window.end();
}

#[test]
fn a_room_is_recent_once_the_last_one_leaves_and_can_be_removed() {
    let others = others();
    let folder = tempfile::tempdir().unwrap();
    let (mut window, port) = host(folder.path());
    for room in ["Shot 12", "Props"] {
        let blender = fill(&others, port, room);
        window.until_row_says(room, FIGURES);
        drop(blender);
        window.until(room, |window| item(window, room).is_some());
        window.until("no room", |window| window.row(room).is_none());
    }
    let recent = folder.path().join("rooms").join("recent");
    assert_eq!(files(&recent).len(), 2);
    window.press("Remove Props…");
    window.until_says("Remove Props for good?");
    window.press("Remove");
    window.until_says("“Props” was removed.");
    window.until("Props to be gone", |window| item(window, "Props").is_none());
    assert_eq!(files(&recent).len(), 1);
    // Nobody but this window's own backend knows of them.
    assert!(item(&window, "Shot 12").is_some());
    window.end();
}

#[test]
fn rooms_are_there_again_after_the_program_was_killed() {
    let others = others();
    let folder = tempfile::tempdir().unwrap();
    let (mut window, port) = host(folder.path());
    let _blenders = ["Shot 12", "Props"].map(|room| {
        let blender = fill(&others, port, room);
        window.until_row_says(room, FIGURES);
        assert_eq!(content(&others, port, room), [0, 1, 2, 3, 4]);
        blender
    });
    window.kill();
    assert_eq!(files(&folder.path().join("rooms")).len(), 2);
    let damaged = folder.path().join("rooms").join("Nonsense-1.mixdesk");
    std::fs::write(&damaged, "no room at all").unwrap();

    let (mut window, port) = host(folder.path());
    window.until_says("Brought back 2 rooms:");
    window.until_row_says("Shot 12", FIGURES);
    window.until_row_says("Props", FIGURES);
    assert_eq!(content(&others, port, "Props"), [0, 1, 2, 3, 4]);
    assert!(window.says("A room could not be brought back: Nonsense-1.mixdesk: "));
    assert!(window.says("Nothing was deleted"));
    window.press("Dismiss");
    window.end();
}

#[test]
fn rooms_that_cannot_be_kept_are_told_and_warned_about() {
    let others = others();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rooms"), "in the way").unwrap();
    let (mut window, port) = host(folder.path());
    window.until_says("Rooms are not kept: the folder ");
    assert!(!window.says("os error"), "{:#?}", window.words());
    assert!(!window.says("Recent rooms"));
    let _blender = fill(&others, port, "Shot 12");
    window.until_row_says("Shot 12", FIGURES);
    window.press("Stop hosting");
    window.until_says("is lost unless you save a copy first.");
    window.press("Stop hosting");
    window.until_says("Offline");
    assert!(!window.says("Rooms are not kept"));
    window.end();
}

// Windows renames no folder in which somebody has a file open.
#[cfg(unix)]
#[test]
fn a_room_that_is_not_written_down_is_told_until_it_is() {
    let others = others();
    let folder = tempfile::tempdir().unwrap();
    let (mut window, port) = host(folder.path());
    let (rooms, away) = (folder.path().join("rooms"), folder.path().join("away"));
    std::fs::rename(&rooms, &away).unwrap();
    std::fs::write(&rooms, "in the way").unwrap();
    let mut blender = fill(&others, port, "Shot 12");
    window.until_says("The room “Shot 12” is not written to the disk: ");
    assert!(window.says(&format!("Make space on the disk of {}", rooms.display())));
    window.until_row_says("Shot 12", FIGURES);
    window.press("Stop hosting");
    window.until_says("its latest edits are lost unless you save a copy first");
    window.press("Keep hosting");
    std::fs::remove_file(&rooms).unwrap();
    std::fs::rename(&away, &rooms).unwrap();
    window.until_says("All rooms are written to the disk again.");
    assert!(!window.says("is not written to the disk"));
    others.block_on(blender.barrier());
    assert_eq!(files(&rooms).len(), 1);
    window.end();
}
