//! The strip at the bottom: what can be done with the selected room.

use egui::{Align, Checkbox, Layout, Ui};

use super::copier::Copier;
use super::dialogs::{Dialog, Dialogs};
use super::gates;
use super::widgets::{button, danger, explain, primary};
use crate::backend::{Action, Room, View};

/// Narrower than this, the buttons take two lines, in points.
const ONE_LINE: f32 = 666.0;

/// Width of Keep open and Delete, in points.
const UPKEEP_WIDTH: f32 = 171.0;

/// Paints the buttons for `room`, the selected one.
pub(crate) fn ui(
    ui: &mut Ui,
    view: &View,
    room: Option<&Room>,
    copier: &mut Copier,
    actions: &mut Vec<Action>,
    dialogs: &mut Dialogs,
) {
    if ui.available_width() < ONE_LINE {
        ui.horizontal(|ui| on_the_way(ui, view, room, actions));
        ui.horizontal(|ui| {
            invite(ui, view, room, copier);
            upkeep(ui, view, room, actions, dialogs);
        });
    } else {
        ui.horizontal(|ui| {
            on_the_way(ui, view, room, actions);
            invite(ui, view, room, copier);
            let space = ui.available_width() - UPKEEP_WIDTH;
            ui.add_space(space.max(0.0));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                upkeep(ui, view, room, actions, dialogs);
            });
        });
    }
}

fn on_the_way(ui: &mut Ui, view: &View, room: Option<&Room>, actions: &mut Vec<Action>) {
    let ours = view.membership.room();
    let is_ours = ours.is_some() && room.is_none_or(|room| Some(room.name.as_str()) == ours);
    if is_ours {
        let gate = gates::leave(view);
        let leave = primary(ui, gate.is_ok(), "Leave Room", 0.0);
        if explain(leave, gate.err().as_deref()).clicked() {
            actions.push(Action::LeaveRoom);
        }
    } else {
        let action = Action::JoinRoom;
        let gate = gates::join(view, room);
        let join = primary(ui, gate.is_ok(), "Join Room", 0.0);
        if let (true, Some(room)) = (explain(join, gate.err().as_deref()).clicked(), room) {
            actions.push(action(room.name.clone()));
        }
    }

    let gate = gates::open_in_blender(view, room);
    let blender = button(ui, gate.is_ok(), "Open in Blender", 0.0);
    let blender = explain(blender, gate.err().as_deref());
    let blender = match &view.blender {
        Some(program) => blender.on_hover_text(format!("Starts {} in this room", program.label)),
        None => blender,
    };
    if let (true, Some(room)) = (blender.clicked(), room) {
        actions.push(Action::OpenInBlender(room.name.clone()));
    }

    let gate = gates::save(view, room);
    let save = button(ui, gate.is_ok(), "Save a copy…", 0.0);
    if let (true, Some(room)) = (explain(save, gate.err().as_deref()).clicked(), room) {
        actions.push(Action::SaveRoom(room.name.clone()));
    }
}

/// The way into this room, as one text; only who hosts knows all ways in.
fn invite(ui: &mut Ui, view: &View, room: Option<&Room>, copier: &mut Copier) {
    let Some(share) = &view.share else {
        return;
    };
    let text = room.map(|room| share.invite_for(&room.name));
    let text = text.filter(|text| !text.is_empty());
    let gate = gates::invite(room, text.is_some());
    let words = text
        .as_ref()
        .map_or("Copy invite", |text| copier.words(text, "Copy invite"));
    let name = room.map_or("Copy invite to the selected room".to_owned(), |room| {
        format!("Copy invite to {}", room.name)
    });
    let copy = button(ui, gate.is_ok(), words, 104.0).accessible_name(name);
    let copy = explain(copy, gate.err().as_deref())
        .on_hover_text("One line that leads your colleague into this room");
    if let Some(text) = text {
        copier.on(ui, &copy, &text);
    }
}

fn upkeep(
    ui: &mut Ui,
    view: &View,
    room: Option<&Room>,
    actions: &mut Vec<Action>,
    dialogs: &mut Dialogs,
) {
    let gate = gates::keep_open(view, room);
    let mut keep_open = room.is_some_and(|room| room.keep_open);
    let keep = ui.add_enabled(gate.is_ok(), Checkbox::new(&mut keep_open, "Keep open"));
    let keep = explain(keep, gate.err().as_deref())
        .on_hover_text("The room stays when the last one leaves");
    if let (true, Some(room)) = (keep.changed(), room) {
        actions.push(Action::SetKeepOpen {
            room: room.name.clone(),
            keep_open,
        });
    }

    let gate = gates::delete(view, room);
    let delete = danger(ui, gate.is_ok(), "Delete");
    if let (true, Some(room)) = (explain(delete, gate.err().as_deref()).clicked(), room) {
        dialogs.open(Dialog::DeleteRoom(room.name.clone()));
    }
}
