//! How to host and join, and the keys.

use egui::{Grid, Label, RichText, ScrollArea, Ui};

use super::{Answer, close_button, title};
use crate::gui::theme::tokens;

const HOST: [&str; 4] = [
    "1. Leave localhost in Host, and press Connect.",
    "2. Press Copy invite or Copy address, and send it to your colleagues.",
    "3. In Blender, open the Mixer panel, press Connect, then Create Room. Your scene is uploaded to the room.",
    "4. Rooms that ended are under Recent rooms while you host: press Reopen to bring one back.",
];
const JOIN: [&str; 3] = [
    "1. Paste what you got into Host, even the whole message, and press Connect. Or pick a session under On this network.",
    "2. Select a room, and press Open in Blender.",
    "3. Or, in Blender: open the Mixer panel, type the same address, press Connect, then join the room.",
];
const KEYS: [(&str, &str); 8] = [
    ("F1", "This help"),
    ("Tab, Shift+Tab", "Next and previous control"),
    (
        "Enter",
        "In a field: go ahead. In a list: join or reopen the room",
    ),
    ("Up, Down, Home, End", "Move in a list of rooms"),
    ("Delete", "In the list of recent rooms: remove one"),
    ("Ctrl+C", "On an address: copy it"),
    ("Ctrl +, Ctrl -, Ctrl 0", "Larger, smaller, normal size"),
    ("Esc", "Close what stands in front"),
];

/// Paints the help.
pub(super) fn ui(ui: &mut Ui, fresh: bool) -> Answer {
    ui.set_width(500.0);
    title(ui, "Help");
    let height = (ui.ctx().content_rect().height() - 170.0).max(120.0);
    ScrollArea::vertical().max_height(height).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 5.0;
        steps(ui, "Host a session", &HOST);
        steps(ui, "Join a session", &JOIN);
        heading(ui, "Keys");
        let tokens = tokens(ui);
        Grid::new("keys")
            .num_columns(2)
            .spacing([20.0, 4.0])
            .min_row_height(20.0)
            .show(ui, |ui| {
                for (keys, what) in KEYS {
                    ui.label(RichText::new(keys).color(tokens.text));
                    ui.label(RichText::new(what).color(tokens.dim));
                    ui.end_row();
                }
            });
    });
    ui.add_space(6.0);
    close_button(ui, fresh)
}

fn steps(ui: &mut Ui, words: &str, steps: &[&str]) {
    heading(ui, words);
    let color = tokens(ui).dim;
    for step in steps {
        ui.add(Label::new(RichText::new(*step).color(color)).wrap());
    }
    ui.add_space(8.0);
}

fn heading(ui: &mut Ui, words: &str) {
    let color = tokens(ui).text;
    ui.label(RichText::new(words).color(color));
}
