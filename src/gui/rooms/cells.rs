//! What the cells of the rooms table say.

use egui::{Align, Color32, Label, Layout, Rect, RichText, Sense, Stroke, Ui, UiBuilder, vec2};

use super::columns::Column;
use crate::backend::{Membership, Room, RoomState};
use crate::gui::format;
use crate::gui::icons::Icon;
use crate::gui::theme::Tokens;

/// Space on both sides of a cell's text, in points.
const CELL_MARGIN: f32 = 10.0;
/// Space before the first column, as before the title above it, in points.
const EDGE: f32 = 16.0;

/// Space before a cell's text, in points.
pub(super) fn margin(column: Column) -> f32 {
    if column == Column::Name {
        EDGE
    } else {
        CELL_MARGIN
    }
}

/// Paints the line below a cell.
pub(super) fn bottom_line(ui: &Ui, tokens: &Tokens) {
    let rect: Rect = ui.max_rect();
    ui.painter().hline(
        rect.x_range(),
        rect.bottom() - 0.5,
        Stroke::new(1.0, tokens.line),
    );
}

/// Paints what a column tells of a room.
pub(super) fn cell(ui: &mut Ui, column: Column, room: &Room, ours: &Membership, tokens: &Tokens) {
    bottom_line(ui, tokens);
    // In a child, since the table makes a cell as much wider as the cursor has moved in it.
    let inside = UiBuilder::new()
        .max_rect(ui.max_rect())
        .layout(*ui.layout());
    let ui = &mut ui.new_child(inside);
    let text = |ui: &mut Ui, text: String, color: Color32| {
        ui.add(Label::new(RichText::new(text).color(color)).truncate());
    };
    if column.is_number() {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_space(CELL_MARGIN);
            text(ui, value(column, room), tokens.text);
        });
        return;
    }
    ui.add_space(margin(column));
    match column {
        Column::State => {
            let (icon, color) = look(room, tokens);
            let (rect, _) = ui.allocate_exact_size(vec2(9.0, 16.0), Sense::hover());
            icon.paint(ui.painter(), rect, 9.0, color);
            ui.add_space(6.0);
            let is_calm = matches!(room.state, RoomState::Ready | RoomState::YouAreIn);
            text(
                ui,
                state_words(room, ours),
                if is_calm { tokens.text } else { color },
            );
        }
        Column::Name => {
            ui.scope(|ui| {
                ui.set_max_width(ui.available_width() - CELL_MARGIN);
                text(ui, room.name.clone(), tokens.text);
            });
        }
        _ => text(ui, value(column, room), tokens.text),
    }
}

/// Stands where a figure would, while nobody can say it.
const UNKNOWN: &str = "–";

fn value(column: Column, room: &Room) -> String {
    let changes = matches!(column, Column::People | Column::Size | Column::Edits);
    if changes && room.state == RoomState::Unknown {
        return UNKNOWN.to_owned();
    }
    match column {
        Column::Name | Column::State => room.name.clone(),
        Column::People => format::thousands(room.members.len() as u64),
        Column::Size => format::bytes(room.size_bytes),
        Column::Edits => format::thousands(room.edits),
        Column::Blender => known(&room.blender_version),
        Column::Mixer => known(&room.mixer_version),
    }
}

fn known(version: &str) -> String {
    if version.is_empty() {
        UNKNOWN.to_owned()
    } else {
        version.to_owned()
    }
}

fn look(room: &Room, tokens: &Tokens) -> (Icon, Color32) {
    match room.state {
        RoomState::Ready => (Icon::Disc, tokens.ok),
        RoomState::YouAreIn => (Icon::Check, tokens.ok),
        RoomState::Uploading => (Icon::Dots, tokens.warning),
        RoomState::Joining => (Icon::Dots, tokens.text),
        RoomState::Empty | RoomState::Unknown => (Icon::Ring, tokens.dim),
    }
}

/// What can be done with the room, in words.
fn state_words(room: &Room, ours: &Membership) -> String {
    match (room.state, ours) {
        (RoomState::Ready, _) => "Ready".to_owned(),
        (RoomState::YouAreIn, _) if !room.joinable => "You are in, uploading…".to_owned(),
        (RoomState::YouAreIn, _) => "You are in".to_owned(),
        (RoomState::Uploading, _) => "Uploading…".to_owned(),
        (RoomState::Empty, _) if room.keep_open => "Empty, kept open".to_owned(),
        (RoomState::Empty, _) => "Empty".to_owned(),
        (RoomState::Unknown, _) => "Not known".to_owned(),
        (
            RoomState::Joining,
            Membership::Joining {
                room: name,
                received_bytes,
                total_bytes,
                ..
            },
        ) if *name == room.name => {
            format!("Joining {}", format::percent(*received_bytes, *total_bytes))
        }
        (RoomState::Joining, _) => "Joining…".to_owned(),
    }
}

/// The whole row as one sentence, for screen readers.
pub(super) fn describe(room: &Room, ours: &Membership) -> String {
    if room.state == RoomState::Unknown {
        return format!("{}, {}", room.name, state_words(room, ours));
    }
    format!(
        "{}, {}, {}, {}, {}",
        room.name,
        format::people(room.members.len()),
        format::bytes(room.size_bytes),
        format::edits(room.edits),
        state_words(room, ours)
    )
}

#[cfg(test)]
mod tests {
    use super::super::sample as room;
    use super::*;

    #[test]
    fn states_are_told_in_words() {
        let mut room = room("Shot", 0);
        assert_eq!(state_words(&room, &Membership::Out), "Empty");
        room.keep_open = true;
        assert_eq!(state_words(&room, &Membership::Out), "Empty, kept open");
        room.state = RoomState::Joining;
        let joining = Membership::Joining {
            room: "Shot".to_owned(),
            received_bytes: 45,
            total_bytes: 100,
            since: std::time::Instant::now(),
        };
        assert_eq!(state_words(&room, &joining), "Joining 45 %");
        assert_eq!(state_words(&room, &Membership::Out), "Joining…");
    }
}
