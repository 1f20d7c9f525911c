//! Rooms: seen, joined, left, made, kept open, deleted.

use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT, Queryable};

use super::strangers::{ELSEWHERE, Line, relay_elsewhere};
use super::{Window, others};
use crate::common::Client;
use crate::common::client::frame;

/// Bytes of one command of the large room.
const COMMAND: usize = 1 << 20;
/// Commands of the large room.
const COMMANDS: usize = 40;

#[test]
fn a_blenders_room_is_joined_and_left() {
    let others = others();
    let relay = relay_elsewhere(&others, 0);
    let mut blender = others.block_on(Client::hello(relay.address()));
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    window.join(&relay);
    assert!(window.says("No rooms yet"));
    others.block_on(blender.send(
        1,
        &crate::common::client::join("Shot 12", "2.93.0", "1.0.0", false),
    ));
    window.until_row_says("Shot 12", "Uploading…");
    others.block_on(async {
        blender.send(5, b"").await;
        blender.send(140, &[0; 1_000]).await;
    });
    window.until_row_says("Shot 12", "1 person, 1.0 kB, 1 edit, Ready");
    window.select("Shot 12");
    window.press("Join Room");
    window.until_row_says("Shot 12", "2 people, 1.0 kB, 1 edit, You are in");
    assert!(window.says("2.93.0"));
    others.block_on(blender.send(140, &[0; 1_000]));
    window.until_row_says("Shot 12", "2.0 kB, 2 edits");

    window.press("Leave Room");
    window.until_row_says("Shot 12", "1 person");
    window.until("Join Room", |window| window.offers("Join Room"));
    others.block_on(blender.send(3, b""));
    window.until("no room", |window| window.row("Shot 12").is_none());
    assert!(window.says("No rooms yet"));
}

#[test]
fn a_room_is_made_kept_open_and_deleted() {
    let others = others();
    let relay = relay_elsewhere(&others, 0);
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    window.join(&relay);
    window.type_into("New room name", "Гавань 12");
    window.press("Create");
    window.until_row_says("Гавань 12", "1 person, 32 B, 2 edits, You are in");
    assert_eq!(window.value("New room name"), "");
    assert!(!window.offers("Delete"), "we are in it");
    let keep_open = |window: &Window| {
        let toggle = window
            .harness
            .get_by_role_and_label(Role::CheckBox, "Keep open");
        toggle.accesskit_node().toggled() == Some(egui::accesskit::Toggled::True)
    };
    window.until("kept open", keep_open);

    window.press("Leave Room");
    window.until_row_says("Гавань 12", "0 people, 32 B, 2 edits, Empty, kept open");
    window.press("Delete");
    window.until_says("Delete Гавань 12?");
    window.press("Keep it");
    assert!(window.row("Гавань 12").is_some());
    window.press("Delete");
    window.press("Delete room");
    window.until("no room", |window| window.row("Гавань 12").is_none());

    // Not kept open, it goes with the last one who leaves.
    window.type_into("New room name", "Props");
    window.press("Create");
    window.until_row_says("Props", "You are in");
    window.until("kept open", keep_open);
    window
        .harness
        .get_by_role_and_label(Role::CheckBox, "Keep open")
        .click();
    window.act();
    window.until("not kept open", |window| !keep_open(window));
    window.press("Leave Room");
    window.until("no room", |window| window.row("Props").is_none());
}

#[test]
fn a_large_room_shows_how_far_it_is_and_can_be_stopped() {
    let others = others();
    let relay = relay_elsewhere(&others, 0);
    let mut blender = others.block_on(Client::hello(relay.address()));
    others.block_on(async {
        blender.make("Harbour").await;
        let command = frame(140, 0, &vec![7; COMMAND]);
        for _ in 0..COMMANDS {
            blender.raw(&command).await;
        }
        blender.barrier().await;
    });
    let line = Line::to(&others, relay.address());
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    window.connect(ELSEWHERE, line.address.port());
    window.until_row_says("Harbour", "41.9 MB, 40 edits, Ready");
    window.select("Harbour");

    line.allow(10 << 20);
    window.press("Join Room");
    window.until_says("Joining Harbour");
    window.until_says("9.4 MB of 41.9 MB");
    window.until_row_says("Harbour", "Joining 22 %");
    // It says so still when nothing moves, and how fast it was.
    window.until_says("/s · ");
    window.press("Stop joining");
    window.until("no progress", |window| !window.says("Joining Harbour"));
    line.allow(u64::MAX);
    window.until_row_says("Harbour", "1 person, 41.9 MB, 40 edits, Ready");

    window.press("Join Room");
    window.until_row_says("Harbour", "2 people, 41.9 MB, 40 edits, You are in");
    assert!(!window.says("Joining Harbour"));
    window.press("Leave Room");
    window.until_row_says("Harbour", "1 person, 41.9 MB, 40 edits, Ready");
}
