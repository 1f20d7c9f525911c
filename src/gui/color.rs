//! Choosing the colour that others see us in: a few to click, and sliders for any other.
//!
//! egui's own picker is not used: it shows byte values to people who want a colour, cannot be
//! worked by keyboard, and needs a symbol that no bundled font has.

use egui::ecolor::Hsva;
use egui::{
    Color32, Popup, PopupCloseBehavior, Response, Role, Sense, Slider, Stroke, StrokeKind, Ui,
    WidgetInfo, vec2,
};

use super::theme::{CONTROL_HEIGHT, RADIUS, tokens};
use super::widgets::{caption, card_title};

/// Colours that are told apart easily, on light and on dark.
const CHOICES: [(&str, [u8; 3]); 12] = [
    ("Red", [0xe0, 0x4f, 0x4f]),
    ("Coral", [0xe6, 0x73, 0x59]),
    ("Orange", [0xe8, 0x95, 0x3a]),
    ("Yellow", [0xe3, 0xc2, 0x3b]),
    ("Lime", [0xa3, 0xc9, 0x4a]),
    ("Green", [0x4f, 0xb5, 0x6a]),
    ("Teal", [0x3f, 0xb3, 0xa3]),
    ("Blue", [0x4a, 0x90, 0xe2]),
    ("Indigo", [0x6b, 0x6f, 0xe0]),
    ("Purple", [0xa0, 0x6c, 0xd5]),
    ("Pink", [0xe0, 0x74, 0xb0]),
    ("Brown", [0xa9, 0x83, 0x5f]),
];
/// Colours beside each other.
const PER_ROW: usize = 6;
/// Width of the sliders, in points.
const SLIDER_WIDTH: f32 = 140.0;

/// The colour chosen. As hue, saturation and brightness, since black and white have no hue to go back to.
#[derive(Debug)]
pub(crate) struct ColorChooser {
    color: Hsva,
}

impl ColorChooser {
    /// Starts with a colour: red, green, blue.
    pub(crate) fn new(color: [u8; 3]) -> Self {
        Self {
            color: Hsva::from_srgb(color),
        }
    }

    /// The colour chosen: red, green, blue.
    pub(crate) fn color(&self) -> [u8; 3] {
        self.color.to_srgb()
    }

    /// Shows another colour: red, green, blue.
    pub(crate) fn set(&mut self, color: [u8; 3]) {
        if self.color() != color {
            self.color = Hsva::from_srgb(color);
        }
    }

    /// Paints a button in the colour, that opens the choice. Whether another colour was chosen.
    pub(crate) fn ui(&mut self, ui: &mut Ui) -> bool {
        let name = "Your color";
        let button = square(ui, name, CONTROL_HEIGHT, self.color(), false);
        let button = button.on_hover_text("Your color, as others see it");
        let before = self.color();
        Popup::menu(&button)
            .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
            .accessible_name(name)
            .show(|ui| self.choices(ui));
        self.color() != before
    }

    fn choices(&mut self, ui: &mut Ui) {
        card_title(ui, "Your color, as others see it");
        ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
        for row in CHOICES.chunks(PER_ROW) {
            ui.horizontal(|ui| {
                for (name, color) in row {
                    let chosen = self.color() == *color;
                    if square(ui, name, CONTROL_HEIGHT, *color, chosen).clicked() {
                        self.set(*color);
                    }
                }
            });
        }
        caption(ui, "Or any other:");
        ui.spacing_mut().slider_width = SLIDER_WIDTH;
        for (name, value) in [
            ("Hue", &mut self.color.h),
            ("Saturation", &mut self.color.s),
            ("Brightness", &mut self.color.v),
        ] {
            ui.add(Slider::new(value, 0.0..=1.0).show_value(false).text(name));
        }
    }
}

/// A button that is nothing but its colour.
fn square(
    ui: &mut Ui,
    name: &str,
    side: f32,
    [red, green, blue]: [u8; 3],
    chosen: bool,
) -> Response {
    let tokens = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::click());
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::Button, ui.is_enabled(), name);
        info.selected = chosen.then_some(true);
        info
    });
    let edge = if response.has_focus() {
        Stroke::new(2.0, tokens.accent)
    } else if chosen {
        Stroke::new(2.0, tokens.text)
    } else if response.hovered() {
        Stroke::new(1.0, tokens.dim)
    } else {
        Stroke::new(1.0, tokens.line)
    };
    let fill = Color32::from_rgb(red, green, blue);
    ui.painter().rect_filled(rect.shrink(3.0), RADIUS - 1, fill);
    ui.painter()
        .rect_stroke(rect, RADIUS, edge, StrokeKind::Inside);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_survives_the_way_through_hue() {
        for (name, color) in CHOICES {
            assert_eq!(ColorChooser::new(color).color(), color, "{name}");
        }
    }
}
