//! Asks before others are cut off, or rooms end, by closing the window.

use egui::Ui;

use super::stop_hosting::{cut_off, others, rooms};
use super::{Answer, question};
use crate::backend::View;

/// Paints the question.
pub(super) fn ui(ui: &mut Ui, view: &View, fresh: bool) -> Answer {
    let ask = format!("Quit{}?", others(view));
    let explain = format!("{}{}", cut_off(view, "Mixdesk quits"), rooms(view));
    question(ui, fresh, &ask, &explain, "Stay", "Quit")
}
