//! Invites: typed, opened elsewhere, and those that lead nowhere.

use mixdesk::backend::{Folders, Instance};

use super::strangers::{ELSEWHERE, relay_elsewhere};
use super::{Window, others};
use crate::common::Client;
use crate::common::ports::free_port;

/// A room that a Blender has filled, on a relay as if on another computer, and an invite to it with a way before it
/// that leads nowhere.
struct Scene {
    others: tokio::runtime::Runtime,
    relay: mixdesk::relay::Relay,
    _blender: Client,
    invite: String,
}

impl Scene {
    fn new() -> Self {
        let others = others();
        let relay = relay_elsewhere(&others, 0);
        let mut blender = others.block_on(Client::hello(relay.address()));
        others.block_on(async {
            let join = crate::common::client::join("Shot 12", "2.93.0", "1.0.0", false);
            blender.send(1, &join).await;
            blender.send(5, b"").await;
            blender.send(140, &[0; 1_000]).await;
        });
        let (nowhere, port) = (free_port(), relay.address().port());
        let invite = format!(
            "mixdesk://join?name=Lighting&lan=127.0.0.1:{nowhere}&net={ELSEWHERE}:{port}&room=Shot+12&v=1"
        );
        Self {
            others,
            relay,
            _blender: blender,
            invite,
        }
    }
}

#[test]
fn a_message_with_an_invite_leads_into_its_room() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    window.type_into("Host", &format!("come in! {} see you", scene.invite));
    window.press("Connect");
    window.until_row_says("Shot 12", "You are in");
    // Whoever disconnects finds there what was connected to, not what was pasted.
    let port = scene.relay.address().port().to_string();
    assert_eq!(
        (window.value("Host"), window.value("Port")),
        (ELSEWHERE.to_owned(), port)
    );
}

#[test]
fn an_invite_that_is_opened_elsewhere_comes_to_the_window() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    let (folders, invite) = (Folders::within(folder.path()), scene.invite.clone());
    let hand_over = move || {
        // The window listens a moment after it has started.
        while !Instance::hand_over(&folders, &invite) {
            std::thread::yield_now();
        }
    };
    let handing = std::thread::spawn(hand_over.clone());
    window.until_row_says("Shot 12", "You are in");
    handing.join().unwrap();

    // The same invite again only changes the room.
    window.press("Leave Room");
    window.until_row_says("Shot 12", "Ready");
    let handing = std::thread::spawn(hand_over);
    window.until_row_says("Shot 12", "You are in");
    handing.join().unwrap();
    drop(scene.others);
}

#[test]
fn an_invite_that_leads_nowhere_says_why_and_what_was_tried_is_examined() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    let port = free_port();
    window.type_into(
        "Host",
        &format!("mixdesk://join?name=Lighting&lan={ELSEWHERE}:{port}&v=1"),
    );
    window.press("Connect");
    window.until_says("No way leads to “Lighting”");
    assert!(window.says(&format!("Nobody answers at {ELSEWHERE}:{port}")));
    window.press("Find out why");
    window.until_says("1 problem");
    assert!(window.says("no server runs on that port") || window.says("Nobody answers"));
}
