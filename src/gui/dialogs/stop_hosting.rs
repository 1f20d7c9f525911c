//! Asks before others are cut off, and before rooms are lost with the server.

use egui::Ui;

use super::{Answer, question};
use crate::backend::{Room, Status, View};
use crate::gui::format;

/// Paints the question.
pub(super) fn ui(ui: &mut Ui, view: &View, fresh: bool) -> Answer {
    let ask = format!("Stop hosting{}?", others(view));
    let explain = format!("{}{}", cut_off(view, "the server stops"), lost(view));
    question(ui, fresh, &ask, &explain, "Keep hosting", "Stop hosting")
}

/// Whether ending the server here cuts somebody off or loses what somebody made.
pub(crate) fn loses_something(view: &View) -> bool {
    let hosting = matches!(view.status, Status::Hosting { .. });
    hosting && (view.people > 1 || filled(view).next().is_some())
}

fn filled(view: &View) -> impl Iterator<Item = &Room> {
    view.rooms.iter().filter(|room| !room.is_blank())
}

/// Everybody but us, as the end of a question; nothing where there is nobody else.
pub(super) fn others(view: &View) -> String {
    match view.people.saturating_sub(1) {
        0 => String::new(),
        1 => " while 1 other person is connected".to_owned(),
        others => format!(
            " while {} others are connected",
            format::thousands(others as u64)
        ),
    }
}

/// What it means for others, as a sentence; nothing where there is nobody else.
pub(super) fn cut_off(view: &View, when: &str) -> String {
    if view.people > 1 {
        format!("When {when}, they will be disconnected; their Blender scenes stay open. ")
    } else {
        String::new()
    }
}

/// What is lost, as a sentence; nothing where no room holds anything.
pub(super) fn lost(view: &View) -> String {
    let bytes: u64 = filled(view).map(|room| room.size_bytes).sum();
    let bytes = format::bytes(bytes);
    match filled(view).count() {
        0 => String::new(),
        1 => format!("The room on this server ({bytes}) is lost unless you save a copy first."),
        rooms => format!(
            "The {} rooms on this server ({bytes}) are lost unless you save copies first.",
            format::thousands(rooms as u64)
        ),
    }
}
