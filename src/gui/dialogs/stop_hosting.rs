//! Asks before others are cut off.

use egui::Ui;

use super::{Answer, question};
use crate::backend::View;
use crate::gui::format;

/// Paints the question.
pub(super) fn ui(ui: &mut Ui, view: &View, fresh: bool) -> Answer {
    let ask = format!("Stop hosting while {} connected?", others(view));
    let explain = "They will be disconnected. Their Blender scenes stay open, but they no longer work together.";
    question(ui, fresh, &ask, explain, "Keep hosting", "Stop hosting")
}

/// Everybody but us, with the verb: `1 other person is`, `2 others are`.
pub(super) fn others(view: &View) -> String {
    match view.people.saturating_sub(1) {
        1 => "1 other person is".to_owned(),
        others => format!("{} others are", format::thousands(others as u64)),
    }
}
