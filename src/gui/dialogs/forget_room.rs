//! Asks before a recent room is removed for good.

use egui::Ui;

use super::{Answer, question};
use crate::backend::RecentRoom;
use crate::gui::format;

/// Paints the question.
pub(super) fn ui(ui: &mut Ui, room: &RecentRoom, fresh: bool) -> Answer {
    let ask = format!("Remove {} for good?", room.name);
    let explain = format!(
        "Its scene and all its edits ({}) are deleted from this computer. It cannot be brought back then.",
        format::bytes(room.size_bytes)
    );
    question(ui, fresh, &ask, &explain, "Keep it", "Remove")
}
