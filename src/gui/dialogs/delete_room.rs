//! Asks before a room ends for everybody.

use egui::Ui;

use super::stop_hosting::what_becomes;
use super::{Answer, question};
use crate::backend::View;

/// Paints the question.
pub(super) fn ui(ui: &mut Ui, view: &View, room: &str, fresh: bool) -> Answer {
    let ask = format!("Delete {room}?");
    let deleted = view.rooms.iter().filter(|other| other.name == room);
    let explain = match what_becomes(view, deleted) {
        Some(goes) => format!("It is taken from the server, for everybody. It {goes}"),
        None => "Its scene and all its edits are deleted from the server, for everybody. \
                 To have them later, save a copy first."
            .to_owned(),
    };
    question(ui, fresh, &ask, &explain, "Keep it", "Delete room")
}
