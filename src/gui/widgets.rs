//! The controls the panels share.

use egui::{
    Button, Color32, CornerRadius, Frame, Label, Margin, Response, RichText, Role, Sense, Stroke,
    StrokeKind, TextEdit, Ui, WidgetInfo, vec2,
};

use super::icons::Icon;
use super::theme::{CARD_MARGIN, CONTROL_HEIGHT, RADIUS, RADIUS_LARGE, TEXT_SMALL, Tokens, tokens};

/// Side of an icon, in points.
const ICON_SIZE: f32 = 15.0;

/// A rounded box on the ground.
pub(crate) fn card<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    let tokens = tokens(ui);
    Frame::new()
        .fill(tokens.panel)
        .stroke(Stroke::new(1.0, tokens.line))
        .corner_radius(CornerRadius::same(RADIUS_LARGE))
        .inner_margin(Margin::same(CARD_MARGIN))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            content(ui)
        })
        .inner
}

/// The title of a card.
pub(crate) fn card_title(ui: &mut Ui, title: &str) {
    ui.add(Label::new(RichText::new(title).size(TEXT_SMALL).color(tokens(ui).dim)).truncate());
}

/// A line that explains, in small letters; wraps.
pub(crate) fn caption(ui: &mut Ui, text: impl Into<String>) {
    let color = tokens(ui).dim;
    ui.add(Label::new(RichText::new(text).size(TEXT_SMALL).color(color)).wrap());
}

/// A line that says what is wrong with the field above it; wraps.
pub(crate) fn field_error(ui: &mut Ui, text: &str) {
    let color = tokens(ui).bad;
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        icon(ui, Icon::Warning, 12.0, color);
        ui.add(Label::new(RichText::new(text).size(TEXT_SMALL).color(color)).wrap());
    });
}

/// Paints an icon in line with text.
pub(crate) fn icon(ui: &mut Ui, icon: Icon, size: f32, color: Color32) {
    let height = ui.text_style_height(&egui::TextStyle::Small).max(size);
    let (rect, _) = ui.allocate_exact_size(vec2(size, height), Sense::hover());
    icon.paint(ui.painter(), rect, size, color);
}

/// The main button of its place.
pub(crate) fn primary(ui: &mut Ui, enabled: bool, text: &str, min_width: f32) -> Response {
    let tokens = tokens(ui);
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        for (widget, fill, edge) in [
            (
                &mut widgets.noninteractive,
                tokens.accent,
                Stroke::new(1.0, tokens.accent),
            ),
            (
                &mut widgets.inactive,
                tokens.accent,
                Stroke::new(1.0, tokens.accent),
            ),
            (
                &mut widgets.hovered,
                tokens.accent_hovered,
                Stroke::new(1.0, tokens.accent_hovered),
            ),
            (
                &mut widgets.active,
                tokens.accent_hovered,
                Stroke::new(2.0, tokens.text),
            ),
        ] {
            widget.weak_bg_fill = fill;
            widget.bg_stroke = edge;
            widget.fg_stroke.color = tokens.on_accent;
        }
        button(ui, enabled, text, min_width)
    })
    .inner
}

/// A button that takes something away.
pub(crate) fn danger(ui: &mut Ui, enabled: bool, text: &str) -> Response {
    let tokens = tokens(ui);
    let color = if enabled { tokens.bad } else { tokens.text };
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        for widget in [
            &mut widgets.noninteractive,
            &mut widgets.inactive,
            &mut widgets.hovered,
            &mut widgets.active,
        ] {
            widget.fg_stroke.color = color;
        }
        button(ui, enabled, text, 0.0)
    })
    .inner
}

/// A plain button.
pub(crate) fn button(ui: &mut Ui, enabled: bool, text: &str, min_width: f32) -> Response {
    let plain = Button::new(text).min_size(vec2(0.0, CONTROL_HEIGHT));
    if min_width > 0.0 {
        // Sized from outside, else the text would stand at the left of a wide button.
        ui.add_enabled_ui(enabled, |ui| {
            ui.add_sized(vec2(min_width, CONTROL_HEIGHT), plain.truncate())
        })
        .inner
    } else {
        ui.add_enabled(enabled, plain)
    }
}

/// A small button that looks like a link, with a picture before it.
pub(crate) fn link(ui: &mut Ui, picture: Icon, text: &str) -> Response {
    ui.scope(|ui| {
        let spacing = ui.spacing_mut();
        spacing.interact_size.y = 20.0;
        spacing.item_spacing.x = 3.0;
        spacing.button_padding = vec2(4.0, 1.0);
        ui.horizontal(|ui| {
            let color = tokens(ui).accent;
            icon(ui, picture, 13.0, color);
            let words = RichText::new(text).size(TEXT_SMALL).color(color);
            ui.add(Button::new(words).frame_when_inactive(false))
        })
        .inner
    })
    .inner
}

/// A square button with a picture; `name` is what it does, for the tooltip and for screen readers.
pub(crate) fn icon_button(ui: &mut Ui, icon: Icon, name: &str, enabled: bool) -> Response {
    let tokens = tokens(ui);
    ui.add_enabled_ui(enabled, |ui| {
        let (rect, response) =
            ui.allocate_exact_size(vec2(CONTROL_HEIGHT, CONTROL_HEIGHT), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), name));
        let lit = response.hovered() || response.has_focus();
        if lit {
            ui.painter().rect_filled(rect, RADIUS, tokens.hovered);
        }
        if response.has_focus() {
            ui.painter().rect_stroke(
                rect,
                RADIUS,
                Stroke::new(2.0, tokens.accent),
                StrokeKind::Inside,
            );
        }
        icon.paint(
            ui.painter(),
            rect,
            ICON_SIZE,
            if lit { tokens.text } else { tokens.dim },
        );
        response.on_hover_text(name)
    })
    .inner
}

/// A one-line field. A field with something wrong gets a red edge, and `wrong` as its description.
pub(crate) fn field(
    ui: &mut Ui,
    edit: TextEdit<'_>,
    enabled: bool,
    wrong: Option<&str>,
) -> Response {
    let tokens = tokens(ui);
    ui.scope(|ui| {
        if wrong.is_some() {
            let visuals = ui.visuals_mut();
            for widget in [&mut visuals.widgets.inactive, &mut visuals.widgets.hovered] {
                widget.bg_stroke = Stroke::new(1.0, tokens.bad);
            }
            visuals.selection.stroke.color = tokens.bad;
        }
        let edit = edit
            .min_size(vec2(0.0, CONTROL_HEIGHT))
            .align(egui::Align2::LEFT_CENTER);
        let response = ui.add_enabled(enabled, edit);
        if let Some(wrong) = wrong {
            describe(&response, wrong);
        }
        response
    })
    .inner
}

/// Says why a disabled control is disabled, in its tooltip and to screen readers.
pub(crate) fn explain(response: Response, why: Option<&str>) -> Response {
    let Some(why) = why else {
        return response;
    };
    describe(&response, why);
    response.on_disabled_hover_text(why)
}

/// Says more of a control to screen readers than its name does.
pub(crate) fn describe(response: &Response, words: &str) {
    response
        .ctx
        .accesskit_node_builder(response.id, |node| node.set_description(words));
}

/// A colour that somebody chose: red, green, blue, each from 0 to 1.
pub(crate) fn person_color(color: Option<[f32; 3]>, tokens: &Tokens) -> Color32 {
    color.map_or(tokens.dim, |color| {
        let [red, green, blue] = to_bytes(color);
        Color32::from_rgb(red, green, blue)
    })
}

/// A colour from numbers between 0 and 1 to bytes.
pub(crate) fn to_bytes(color: [f32; 3]) -> [u8; 3] {
    // The cast saturates, and a value that is no number becomes 0.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounded and clamped to a byte"
    )]
    color.map(|channel| (channel.clamp(0.0, 1.0) * 255.0).round() as u8)
}

/// A small square of somebody's colour.
pub(crate) fn swatch(ui: &mut Ui, color: Color32) {
    let (rect, _) = ui.allocate_exact_size(vec2(14.0, 14.0), Sense::hover());
    ui.painter().rect(
        rect,
        4.0,
        color,
        Stroke::new(1.0, tokens(ui).line),
        StrokeKind::Inside,
    );
}
