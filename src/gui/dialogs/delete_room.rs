//! Asks before a room is lost.

use egui::Ui;

use super::{Answer, question};

/// Paints the question.
pub(super) fn ui(ui: &mut Ui, room: &str, fresh: bool) -> Answer {
    let ask = format!("Delete {room}?");
    let explain = "Its scene and all its edits are deleted from the server, for everybody. \
                   To have them later, save a copy first.";
    question(ui, fresh, &ask, explain, "Keep it", "Delete room")
}
