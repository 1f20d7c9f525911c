//! The window with the real backend behind it, and real relays, Blenders and strangers before it: the
//! stories of a session, as a person or a screen reader meets them.
//!
//! `127.0.0.2` stands for another computer: *Connect* starts no relay there, and yet it is this one.
//! macOS has no such address, so what needs it is not run there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg_attr(
    target_os = "macos",
    allow(dead_code, reason = "what needs another address is not run there")
)]

#[cfg(not(target_os = "macos"))]
mod failures;
mod hosting;
#[cfg(not(target_os = "macos"))]
mod invites;
#[cfg(not(target_os = "macos"))]
mod people;
mod recent;
#[cfg(not(target_os = "macos"))]
mod rooms;
mod settings;
mod strangers;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Key, Modifiers, OutputCommand, ViewportCommand, ViewportEvent, ViewportId};
use egui_kittest::kittest::{NodeT, Queryable};
use egui_kittest::{Harness, Node};
use mixdesk::backend::{Backend, Folders, LogTail};
use mixdesk::gui::App;
use tokio::runtime::Runtime;

use crate::common::PATIENCE;

/// Seconds between what one hand does and the next; none at all, and the pointer's speed is no number.
const HAND: f32 = 0.001;

/// A window and its backend, started and painted as the program does it: a frame when the backend
/// wakes the window, and when the frame before asked for one.
struct Window {
    harness: Harness<'static, App>,
    backend: Backend,
    wakes: Receiver<()>,
    started: Instant,
    /// When the last frame was.
    painted: Instant,
    /// Frames painted without having been clicked or typed for.
    frames: usize,
}

/// Tells the program to leave this machine's networks alone, unless it has settings already.
fn stay_alone(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let settings = folder.join("settings.toml");
    if !settings.exists() {
        std::fs::write(settings, "announce = false\ndiscover = false\n").unwrap();
    }
}

impl Window {
    /// Starts one that keeps its files in `folder`.
    fn start(folder: &Path) -> Self {
        stay_alone(folder);
        let folders = Folders::within(folder);
        let (settings, trouble) = folders.settings();
        // As many wakes as there may be, they mean one frame.
        let (wake, wakes) = sync_channel(1);
        let wake = Arc::new(move || {
            let _waiting_already = wake.try_send(());
        });
        let (backend, handle) =
            Backend::start(folders, settings, trouble, LogTail::default(), wake).unwrap();
        let harness = Harness::builder()
            .with_size([1040.0, 680.0])
            .with_step_dt(HAND)
            .build_eframe(move |_| App::new(handle));
        let mut window = Self {
            harness,
            backend,
            wakes,
            started: Instant::now(),
            painted: Instant::now(),
            frames: 0,
        };
        window.paint();
        window
    }

    /// One frame, at the time it really is: else news would go before they are read.
    fn paint(&mut self) {
        let earliest = self.harness.ctx.input(|input| input.time) + f64::from(HAND);
        let now = self.started.elapsed().as_secs_f64();
        self.harness.input_mut().time = Some(now.max(earliest));
        self.harness.step();
        self.painted = Instant::now();
    }

    /// A frame for each thing that was clicked or typed.
    fn act(&mut self) {
        self.harness.input_mut().time = None;
        self.harness.step();
        self.painted = Instant::now();
    }

    /// Paints the next frame as soon as there is a reason to; `false` when there was none until `end`.
    fn next_frame(&mut self, end: Instant) -> bool {
        let asked = self.painted.checked_add(self.repaint_delay());
        let until = asked.map_or(end, |asked| asked.min(end));
        let woken = self
            .wakes
            .recv_timeout(until.saturating_duration_since(Instant::now()));
        let reason = woken.is_ok() || asked.is_some_and(|asked| asked <= end);
        if reason {
            self.frames += 1;
            self.paint();
        }
        reason
    }

    fn repaint_delay(&self) -> Duration {
        self.harness.output().viewport_output[&ViewportId::ROOT].repaint_delay
    }

    /// Paints on until `done`.
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(self.next_frame(end), "no {what}: {:#?}", self.words());
            assert!(
                !self.told(&ViewportCommand::Close),
                "the window closed before {what}"
            );
        }
    }

    fn until_says(&mut self, text: &str) {
        self.until(text, |window| window.says(text));
    }

    /// All that can be read.
    fn words(&self) -> Vec<String> {
        self.harness
            .query_all_by_label_contains("")
            .filter_map(|node| node.accesskit_node().label())
            .collect()
    }

    /// Whether some text on screen contains `text`.
    fn says(&self, text: &str) -> bool {
        self.harness
            .query_all_by_label_contains(text)
            .next()
            .is_some()
    }

    /// A button; the one in front where two have the same name.
    fn button<'a>(&'a self, label: &'a str) -> Option<Node<'a>> {
        self.harness
            .query_all_by_role_and_label(Role::Button, label)
            .last()
    }

    fn offers(&self, button: &str) -> bool {
        self.button(button)
            .is_some_and(|button| !button.accesskit_node().is_disabled())
    }

    /// Presses a button with the mouse, once it can be pressed.
    fn press(&mut self, button: &str) {
        self.until(button, |window| window.offers(button));
        self.button(button).unwrap().click();
        self.act();
    }

    fn field<'a>(&'a self, label: &'a str) -> Node<'a> {
        self.harness.get_by_role_and_label(Role::TextInput, label)
    }

    fn value(&self, field: &str) -> String {
        self.field(field).value().unwrap_or_default()
    }

    /// Clicks into a field and types over what is there, once something can be typed there.
    fn type_into(&mut self, field: &str, text: &str) {
        self.until(field, |window| {
            window
                .harness
                .query_by_role_and_label(Role::TextInput, field)
                .is_some_and(|field| !field.accesskit_node().is_disabled())
        });
        self.field(field).click();
        self.act();
        self.harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
        self.act();
        self.field(field).type_text(text);
        self.act();
        assert_eq!(self.value(field), text);
    }

    /// Types Host and Port, and presses Connect.
    fn connect(&mut self, host: &str, port: u16) {
        self.type_into("Host", host);
        self.type_into("Port", &port.to_string());
        self.press("Connect");
    }

    /// Connects to what stands for another computer.
    fn join(&mut self, relay: &mixdesk::relay::Relay) {
        self.connect(strangers::ELSEWHERE, relay.address().port());
        let words = format!("Connected to {}", relay.address());
        self.until_says(&words);
    }

    /// The row of a room, if it is listed.
    fn row_node(&self, room: &str) -> Option<Node<'_>> {
        let start = format!("{room}, ");
        self.harness.query_all_by_role(Role::Row).find(|row| {
            row.accesskit_node()
                .label()
                .is_some_and(|label| label.starts_with(&start))
        })
    }

    /// What the row of a room reads, if it is listed.
    fn row(&self, room: &str) -> Option<String> {
        self.row_node(room)?.accesskit_node().label()
    }

    fn row_says(&self, room: &str, text: &str) -> bool {
        self.row(room).is_some_and(|row| row.contains(text))
    }

    fn until_row_says(&mut self, room: &str, text: &str) {
        let what = format!("{text:?} in the row of {room}");
        self.until(&what, |window| window.row_says(room, text));
    }

    /// Clicks on the row of a room, once it is listed.
    fn select(&mut self, room: &str) {
        // In the frame that a table comes up in, its rows have no place yet.
        self.until(room, |window| {
            window
                .row_node(room)
                .is_some_and(|row| row.rect().is_finite())
        });
        self.row_node(room).unwrap().click();
        self.act();
        self.until_says(&format!("People in {room}"));
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

    /// Whether the window told the system so in the last frame.
    fn told(&self, command: &ViewportCommand) -> bool {
        self.harness.output().viewport_output[&ViewportId::ROOT]
            .commands
            .contains(command)
    }

    /// Presses the window's close button. Whether it may close.
    fn ask_to_close(&mut self) -> bool {
        let root = self
            .harness
            .input_mut()
            .viewports
            .get_mut(&ViewportId::ROOT)
            .unwrap();
        root.events.push(ViewportEvent::Close);
        self.act();
        !self.told(&ViewportCommand::CancelClose)
    }

    /// Ends all at once, as when the program is killed: nobody is told, nothing is put away.
    fn kill(self) {
        // The runtime first: a backend whose window is gone ends in order.
        drop(self.backend);
    }

    /// What happens after the window has gone; how long it took.
    fn end(self) -> Duration {
        let Self {
            harness, backend, ..
        } = self;
        let asked = Instant::now();
        drop(harness);
        backend.finish();
        asked.elapsed()
    }
}

/// What runs outside of the windows: relays, Blenders, strangers.
fn others() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}
