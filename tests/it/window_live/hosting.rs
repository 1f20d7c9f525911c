//! Hosting: from the first click until the port is free again.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use egui_kittest::kittest::NodeT;

use super::strangers::{Habit, stranger};
use super::{Window, others};
use crate::common::Client;
#[cfg(not(target_os = "macos"))]
use crate::common::client::frame;
use crate::common::ports::{free_port, is_free};

/// A relay drains in at most two seconds; the rest is for these machines, which are shared.
const END_PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn two_fields_and_a_button_host_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    assert!(window.says("Offline"));
    let port = free_port();
    window.connect("localhost", port);
    window.until_says(&format!("Hosting on port {port} · 1 person"));
    assert!(window.says("The server runs on this computer"));
    assert!(window.field("Host").accesskit_node().is_disabled());
    assert!(window.says("No rooms yet"));

    window.until("the addresses", |window| {
        window.says("Give this address to your colleagues")
    });
    // A computer without a network has none to give, and says so.
    if window.offers("Copy address") {
        window.press("Copy address");
        let copied = window.copied().unwrap();
        assert!(copied.ends_with(&format!(":{port}")), "{copied}");
        assert!(window.says(&copied));
    } else {
        assert!(window.says("no network at the moment") || window.says("None of this computer's"));
    }

    assert!(!is_free(port));
    window.press("Stop hosting");
    window.until_says("Offline");
    window.press("Connect");
    window.until_says(&format!("Hosting on port {port}"));
    let took = window.end();
    assert!(took < END_PATIENCE, "{took:?}");
    assert!(is_free(port));
}

/// Somebody who is not at 127.0.0.1; macOS has no other address for them.
#[cfg(not(target_os = "macos"))]
async fn knock(from: [u8; 4], port: u16) -> Client {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await;
    let mut client = Client::served(stream.unwrap());
    client.raw(&frame(18, 0, b"")).await;
    client
}

#[cfg(not(target_os = "macos"))]
#[test]
fn who_waits_is_let_in_or_turned_away_by_a_click() {
    let others = others();
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.toml");
    let asking = "announce = false\ndiscover = false\n[relay]\nspare_this_computer = false\n\
                  [guests]\nask = true\nallowed = [\"127.0.0.1\", \"::1\"]\n";
    std::fs::write(&settings, asking).unwrap();
    let mut window = Window::start(folder.path());
    let port = free_port();
    window.connect("localhost", port);
    window.until_says(&format!("Hosting on port {port} · 1 person"));

    let mut welcome = others.block_on(knock([127, 0, 0, 2], port));
    window.until_says("127.0.0.2 waits to be let in");
    window.press("Let in");
    window.until("an answer", |window| !window.says("waits to be let in"));
    others.block_on(welcome.until("being served", |client| client.asked(18)));
    window.until_says("2 people");

    let mut other = others.block_on(knock([127, 0, 0, 3], port));
    window.until_says("127.0.0.3 waits to be let in");
    window.press("Turn away");
    window.until("an answer", |window| !window.says("waits to be let in"));
    others.block_on(other.until_closed());
    let told = other.errors().pop();
    assert_eq!(told.as_deref(), Some("The host did not let you in."));

    window.end();
    let kept = std::fs::read_to_string(settings).unwrap();
    assert!(
        kept.contains("\"127.0.0.2\"") && !kept.contains("127.0.0.3"),
        "{kept}"
    );
}

#[test]
fn one_click_in_the_first_picture_hosts_on_the_port_typed() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    let port = free_port();
    window.type_into("Port", &port.to_string());
    window.press("Host a session");
    window.until_says(&format!("Hosting on port {port}"));
    assert_eq!(window.value("Port"), port.to_string());
}

#[test]
fn a_second_window_finds_the_first_and_is_not_cut_off_without_being_asked_about() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [mut first, mut second] = folders
        .each_ref()
        .map(|folder| Window::start(folder.path()));
    let port = free_port();
    first.connect("localhost", port);
    first.until_says(&format!("Hosting on port {port}"));
    second.connect("127.0.0.1", port);
    second.until_says(&format!(
        "A server was already running here, on port {port}."
    ));
    assert!(second.says(&format!("Connected to 127.0.0.1:{port} · 2 people")));
    first.until_says("2 people");

    first.press("Stop hosting");
    first.until_says("Stop hosting while 1 other person is connected?");
    first.press("Keep hosting");
    assert!(!first.ask_to_close());
    first.until_says("Quit while 1 other person is connected?");
    first.press("Stay");
    assert!(first.says("Hosting on port"));

    first.press("Stop hosting");
    first.press("Stop hosting");
    first.until_says("Offline");
    second.until_says("Connection lost, trying again");
    // Nobody hosts any more, so its computer may.
    second.press("Stop");
    second.until_says("Offline");
    second.press("Connect");
    second.until_says(&format!("Hosting on port {port} · 1 person"));
    first.end();
    second.end();
    assert!(is_free(port));
}

#[test]
fn quitting_while_others_are_connected_lets_go_of_everything() {
    let others = others();
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    let port = free_port();
    window.connect("localhost", port);
    window.until_says("Hosting on port");
    let mut blender = others.block_on(Client::hello((Ipv4Addr::LOCALHOST, port).into()));
    others.block_on(blender.make("Shot 12"));
    window.until_row_says("Shot 12", "1 person, 0 B, 0 edits, Ready");
    window.until_says("2 people");
    assert!(!window.ask_to_close());
    window.until_says("Quit while 1 other person is connected?");
    window.button("Quit").unwrap().click();
    window.act();
    assert!(window.told(&egui::ViewportCommand::Close));
    let took = window.end();
    assert!(took < END_PATIENCE, "{took:?}");
    assert!(is_free(port));
    others.block_on(blender.until_closed());
}

#[test]
fn a_port_that_another_program_has_is_told_with_its_name() {
    let others = others();
    for habit in [Habit::Web, Habit::Silent, Habit::Closes] {
        let folder = tempfile::tempdir().unwrap();
        let mut window = Window::start(folder.path());
        let port = stranger(&others, Ipv4Addr::LOCALHOST, habit).port();
        window.connect("localhost", port);
        window.until_says(&format!("Port {port} on this computer is taken by another"));
        // The stranger is part of this very program.
        if cfg!(target_os = "linux") {
            let program = std::env::current_exe().unwrap();
            let name = program.file_name().unwrap().to_str().unwrap();
            // The system keeps the first 15 letters.
            let name = &name[..name.len().min(15)];
            assert!(window.says(&format!("({name}")), "{habit:?}");
        }
        assert!(window.says("choose another port"));
        window.press("Dismiss");
        window.until("no failure", |window| !window.says("is taken by"));
        assert!(window.offers("Connect"));
    }
}

#[test]
fn nothing_is_painted_while_nothing_happens() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    window.connect("localhost", free_port());
    window.until_says("Give this address to your colleagues");
    // The settings are written, and whatever moves has come to rest.
    let settled = Instant::now() + Duration::from_secs(2);
    while window.next_frame(settled) {}
    window.frames = 0;
    let seen = Duration::from_secs(6);
    let end = Instant::now() + seen;
    while window.next_frame(end) {}
    // The addresses are looked up every 5 s.
    assert!(window.frames <= 4, "{} frames in {seen:?}", window.frames);
}
