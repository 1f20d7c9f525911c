//! Asks before others are cut off by closing the window.

use egui::Ui;

use super::stop_hosting::others;
use super::{Answer, question};
use crate::backend::View;

/// Paints the question.
pub(super) fn ui(ui: &mut Ui, view: &View, fresh: bool) -> Answer {
    let ask = format!("Quit while {} connected?", others(view));
    let explain = "This computer is the server: when Mixdesk quits, they will be disconnected.";
    question(ui, fresh, &ask, explain, "Stay", "Quit")
}
