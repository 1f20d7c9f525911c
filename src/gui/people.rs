//! Who is in the selected room.

use egui::{Align, Label, Layout, RichText, ScrollArea, Ui};

use super::format;
use super::theme::{TEXT_SMALL, tokens};
use super::widgets::{caption, card_title, person_color, swatch};
use crate::backend::{ANY_VERSION, Flow, Person, Room, RoomState};

/// Height of one person, in points.
const ROW_HEIGHT: f32 = 26.0;

/// Paints the room's figures and its people.
pub(crate) fn ui(ui: &mut Ui, room: &Room, hides_addresses: bool) {
    ui.spacing_mut().item_spacing.y = 4.0;
    card_title(ui, &format!("People in {}", room.name));
    caption(ui, figures(room));
    if room.members.is_empty() {
        ui.add_space(4.0);
        let color = tokens(ui).dim;
        let words = match room.state {
            RoomState::Unknown => "Not known while the connection is lost",
            _ => "Nobody is in this room",
        };
        ui.label(RichText::new(words).color(color));
        return;
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    ScrollArea::vertical().auto_shrink(false).show_rows(
        ui,
        ROW_HEIGHT,
        room.members.len(),
        |ui, rows| {
            for person in room.members.get(rows).unwrap_or_default() {
                line(ui, person, hides_addresses);
            }
        },
    );
}

fn line(ui: &mut Ui, person: &Person, hides_addresses: bool) {
    let tokens = tokens(ui);
    ui.horizontal(|ui| {
        ui.set_height(ROW_HEIGHT);
        ui.spacing_mut().item_spacing.x = 10.0;
        swatch(ui, person_color(person.color, tokens));
        let half = ui.available_width() * 0.45;
        ui.scope(|ui| {
            ui.set_max_width(half);
            ui.add(Label::new(RichText::new(&person.name).color(tokens.text)).truncate());
        });
        if person.is_me {
            ui.label(RichText::new("you").size(TEXT_SMALL).color(tokens.dim));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_space(4.0);
            if let Some(lag) = lag(person) {
                ui.label(RichText::new(lag).size(TEXT_SMALL).color(tokens.warning));
            }
            let doing = RichText::new(doing(person, hides_addresses))
                .size(TEXT_SMALL)
                .color(tokens.dim);
            let label = ui.add(Label::new(doing).truncate());
            if let Some(flow) = &person.flow {
                label.on_hover_text(flowed(flow));
            }
        });
    });
}

/// What somebody does, as far as known: `Sculpt · Scene, frame 48 · 192.168.0.31`.
fn doing(person: &Person, hides_address: bool) -> String {
    let mut parts = Vec::new();
    if let Some(mode) = &person.mode {
        parts.push(mode.clone());
    }
    if let Some((scene, frame)) = &person.scene {
        parts.push(format!("{scene}, frame {frame}"));
    }
    if !(person.is_me || hides_address || person.address.is_empty()) {
        parts.push(person.address.clone());
    }
    parts.join(" · ")
}

/// How far behind the room somebody is, when that is worth telling.
fn lag(person: &Person) -> Option<String> {
    let bytes = person.flow.map_or(0, |flow| flow.lag_bytes);
    (bytes > 0).then(|| format!("{} behind", format::bytes(bytes)))
}

fn flowed(flow: &Flow) -> String {
    let mut flowed = format!(
        "{} came from them, {} went to them",
        format::bytes(flow.from_bytes),
        format::bytes(flow.to_bytes)
    );
    match flow.refusals {
        0 => {}
        1 => flowed.push_str("; one thing they asked for was refused"),
        many => {
            let more = format!(
                "; {} things they asked for were refused",
                format::thousands(many)
            );
            flowed.push_str(&more);
        }
    }
    flowed
}

fn figures(room: &Room) -> String {
    if room.awaits_scene {
        return "The first Blender that joins brings its scene".to_owned();
    }
    if room.blender_version == ANY_VERSION && room.is_blank() {
        return "Empty: a Blender that joins loses the scene it has open".to_owned();
    }
    let mut parts = vec![format::bytes(room.size_bytes), format::edits(room.edits)];
    if room.growth_bytes > 0 {
        parts.push(format!("{}/s now", format::bytes(room.growth_bytes)));
    }
    if room.trouble.is_some() {
        parts.push("not written to the disk".to_owned());
    }
    for (program, version) in [
        ("Blender", &room.blender_version),
        ("Mixer", &room.mixer_version),
    ] {
        if !version.is_empty() {
            parts.push(format!("{program} {version}"));
        }
    }
    if room.ignores_versions {
        parts.push("any version may join".to_owned());
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_where_there_are_some() {
        let of = |refusals| {
            flowed(&Flow {
                refusals,
                ..Flow::default()
            })
        };
        assert!(!of(0).contains("refused"));
        assert!(of(1).ends_with("; one thing they asked for was refused"));
        assert!(of(1200).ends_with("; 1,200 things they asked for were refused"));
    }

    fn person() -> Person {
        Person {
            id: "1".to_owned(),
            name: "Jun".to_owned(),
            color: None,
            mode: Some("Sculpt".to_owned()),
            scene: Some(("Harbour".to_owned(), 48)),
            address: "192.168.0.31".to_owned(),
            is_me: false,
            flow: None,
        }
    }

    #[test]
    fn only_what_is_known_is_told() {
        assert_eq!(
            doing(&person(), false),
            "Sculpt · Harbour, frame 48 · 192.168.0.31"
        );
        assert_eq!(
            doing(
                &Person {
                    mode: None,
                    scene: None,
                    is_me: true,
                    ..person()
                },
                false
            ),
            ""
        );
    }
}
