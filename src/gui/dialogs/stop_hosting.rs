//! Asks before others are cut off, and before rooms end with the server; says what becomes of them.

use egui::Ui;

use super::{Answer, question};
use crate::backend::{Room, Status, View};
use crate::gui::format;
use crate::gui::recent::days;

/// Paints the question.
pub(super) fn ui(ui: &mut Ui, view: &View, fresh: bool) -> Answer {
    let ask = format!("Stop hosting{}?", others(view));
    let explain = format!("{}{}", cut_off(view, "the server stops"), rooms(view));
    question(ui, fresh, &ask, &explain, "Keep hosting", "Stop hosting")
}

/// Whether ending the server here cuts somebody off or ends a room that holds something.
pub(crate) fn ends_something(view: &View) -> bool {
    let hosting = matches!(view.status, Status::Hosting { .. });
    hosting && (view.people > 1 || filled(view).next().is_some())
}

fn filled(view: &View) -> impl Iterator<Item = &Room> + Clone {
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

/// What becomes of the rooms, in sentences; nothing where no room holds anything.
pub(super) fn rooms(view: &View) -> String {
    let bytes = format::bytes(bytes(filled(view)));
    let goes = what_becomes(view, filled(view));
    match (filled(view).count(), goes) {
        (0, _) => String::new(),
        (1, Some(goes)) => format!("The room on this server ({bytes}) {goes}"),
        (1, None) => {
            format!("The room on this server ({bytes}) is lost unless you save a copy first.")
        }
        (count, goes) => {
            let rooms = format!(
                "The {} rooms on this server ({bytes})",
                format::thousands(count as u64)
            );
            goes.map_or_else(
                || format!("{rooms} are lost unless you save copies first."),
                |goes| format!("{rooms} {goes}"),
            )
        }
    }
}

/// What becomes of rooms that end, after the words for them; `None` where they are lost. Blank rooms are
/// not missed.
pub(super) fn what_becomes<'a>(
    view: &View,
    rooms: impl Iterator<Item = &'a Room> + Clone,
) -> Option<String> {
    let keeping = &view.settings.rooms;
    if !view.keeps_rooms || keeping.recent_days == 0 {
        return None;
    }
    let days = days(keeping.recent_days);
    let mut words = if rooms.clone().count() == 1 {
        format!("goes to Recent rooms: for {days} you can bring it back from there.")
    } else {
        format!("go to Recent rooms: for {days} you can bring them back from there.")
    };
    let failing: Vec<_> = rooms
        .clone()
        .filter(|room| room.trouble.is_some())
        .collect();
    match failing[..] {
        [] => {}
        [room] => words.push_str(&format!(
            " But “{}” is not written to the disk now: its latest edits are lost unless you save a copy first.",
            room.name
        )),
        _ => words.push_str(&format!(
            " But {} of them are not written to the disk now: their latest edits are lost unless you save copies \
             first.",
            failing.len()
        )),
    }
    if bytes(rooms) > keeping.recent_bytes {
        words.push_str(&format!(
            " But no more than {} are kept there: what is beyond that is lost unless you save copies first.",
            format::bytes(keeping.recent_bytes)
        ));
    }
    Some(words)
}

fn bytes<'a>(rooms: impl Iterator<Item = &'a Room>) -> u64 {
    rooms.map(|room| room.size_bytes).sum()
}
