//! The window as a person or a screen reader meets it: what is shown, and which actions come out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod closing;
mod connection;
mod doctor;
mod layout;
mod nearby;
mod news;
mod recent;
mod rooms;
mod settings;
mod share;
mod status;

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Modifiers, OutputCommand, ViewportCommand, ViewportEvent, ViewportId};
use egui_kittest::kittest::{NodeT, Queryable};
use egui_kittest::{Harness, Node};
use mixdesk::backend::{
    self, Action, Address, Membership, Notice, Person, Remote, Room, RoomState, Share, Status, View,
};
use mixdesk::gui::App;

/// A window with the backend's end in our hands.
struct Window {
    harness: Harness<'static, App>,
    remote: Remote,
}

impl Window {
    fn new(view: View) -> Self {
        Self::sized(view, [1040.0, 680.0])
    }

    fn sized(view: View, size: [f32; 2]) -> Self {
        let (handle, remote) = backend::pair(view);
        let harness = Harness::builder()
            .with_size(size)
            .with_max_steps(12)
            .build_eframe(move |_| App::new(handle));
        Self { harness, remote }
    }

    /// Publishes a view, as the backend does.
    fn show(&mut self, view: View) {
        self.remote.view.send_replace(Arc::new(view));
        self.harness.run();
    }

    fn notify(&mut self, notice: Notice) {
        self.remote
            .notices
            .try_send(notice)
            .expect("the window takes notices");
        self.harness.run();
    }

    /// What was asked for since the last call.
    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.remote.actions.try_recv().ok()).collect()
    }

    fn button<'a>(&'a self, label: &'a str) -> Node<'a> {
        self.harness.get_by_role_and_label(Role::Button, label)
    }

    fn field<'a>(&'a self, label: &'a str) -> Node<'a> {
        self.harness.get_by_role_and_label(Role::TextInput, label)
    }

    /// Whether some text on screen contains `text`.
    fn says(&self, text: &str) -> bool {
        self.harness
            .query_all_by_label_contains(text)
            .next()
            .is_some()
    }

    fn click(&mut self, label: &str) {
        self.button(label).click();
        self.harness.run();
    }

    fn fill(&mut self, label: &str, text: &str) {
        self.field(label).set_text_value_accesskit(text);
        self.harness.run();
    }

    fn press(&mut self, key: egui::Key) {
        self.harness.key_press_modifiers(Modifiers::NONE, key);
        self.harness.run();
    }

    /// The rows of the table, as read out, top to bottom.
    fn rows(&self) -> Vec<String> {
        self.harness
            .get_all_by_role(Role::Row)
            .filter_map(|row| row.accesskit_node().label())
            .collect()
    }

    fn row(&self, room: &str) -> Node<'_> {
        self.harness
            .get_all_by_role(Role::Row)
            .find(|row| {
                row.accesskit_node()
                    .label()
                    .is_some_and(|label| label.starts_with(room))
            })
            .expect("the room is listed")
    }

    fn select(&mut self, room: &str) {
        self.row(room).click();
        self.harness.run();
    }

    fn is_disabled(&self, button: &str) -> bool {
        self.button(button).accesskit_node().is_disabled()
    }

    /// Why a button is disabled, as read out.
    fn reason(&self, button: &str) -> String {
        assert!(self.is_disabled(button), "{button} is enabled");
        self.description(self.button(button))
    }

    fn description(&self, node: Node<'_>) -> String {
        node.accesskit_node()
            .data()
            .description()
            .unwrap_or_default()
            .to_owned()
    }

    fn copied(&self) -> Option<String> {
        self.harness
            .output()
            .platform_output
            .commands
            .iter()
            .find_map(|command| match command {
                OutputCommand::CopyText(text) => Some(text.clone()),
                _ => None,
            })
    }

    /// Presses the window's close button; what the window told the system.
    fn ask_to_close(&mut self) -> Vec<ViewportCommand> {
        let root = self
            .harness
            .input_mut()
            .viewports
            .get_mut(&ViewportId::ROOT)
            .expect("there is a window");
        root.events.push(ViewportEvent::Close);
        self.harness.step();
        self.commands()
    }

    /// What the window told the system in the last frame.
    fn commands(&self) -> Vec<ViewportCommand> {
        self.harness.output().viewport_output[&ViewportId::ROOT]
            .commands
            .clone()
    }
}

fn person(name: &str) -> Person {
    Person {
        id: name.to_owned(),
        name: name.to_owned(),
        color: Some([0.2, 0.5, 0.9]),
        mode: Some("Sculpt".to_owned()),
        scene: Some(("Harbour".to_owned(), 48)),
        address: "192.168.0.31".to_owned(),
        is_me: false,
        flow: None,
    }
}

fn room(name: &str, state: RoomState, members: usize) -> Room {
    Room {
        name: name.to_owned(),
        members: (0..members)
            .map(|number| person(&format!("Person {number}")))
            .collect(),
        size_bytes: 2_700_000,
        edits: 86,
        blender_version: "2.93.18".to_owned(),
        mixer_version: "1.1.0".to_owned(),
        ignores_versions: false,
        joinable: true,
        awaits_scene: false,
        keep_open: false,
        state,
        growth_bytes: 0,
        trouble: None,
    }
}

fn address(ip: &str, label: &str) -> Address {
    Address {
        ip: ip.parse().expect("an address"),
        label: label.to_owned(),
        for_colleagues: true,
    }
}

/// The invite of [`hosting`].
const INVITE: &str = "mixdesk://join?name=Ada%27s+session&lan=192.168.0.48&vpn=10.147.17.5&v=1";

/// Hosting, with three rooms.
fn hosting() -> View {
    View {
        status: Status::Hosting { port: 12800 },
        share: Some(Share {
            session: "Ada's session".to_owned(),
            port: 12800,
            invite: INVITE.to_owned(),
            addresses: vec![
                address("192.168.0.48", "LAN"),
                address("10.147.17.5", "VPN (ZeroTier)"),
            ],
            ..Share::default()
        }),
        rooms: vec![
            Room {
                size_bytes: 112_600_000,
                edits: 4_318,
                ..room("Shot 12", RoomState::Ready, 3)
            },
            room("Props", RoomState::Uploading, 1),
            room("Lighting", RoomState::Empty, 0),
        ],
        people: 4,
        ..View::default()
    }
}

/// Hosting, and in a room.
fn inside(name: &str) -> View {
    let mut view = hosting();
    view.membership = Membership::In {
        room: name.to_owned(),
    };
    for room in view.rooms.iter_mut().filter(|room| room.name == name) {
        room.state = RoomState::YouAreIn;
    }
    view
}
