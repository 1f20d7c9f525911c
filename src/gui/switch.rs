//! A switch with its words before it, and what opens and closes a list.

use egui::{
    Color32, Rect, Response, RichText, Role, Sense, Stroke, StrokeKind, TextStyle, TextWrapMode,
    Ui, Vec2, WidgetInfo, WidgetText, pos2, vec2,
};

use super::icons::Icon;
use super::theme::{TEXT_SMALL, tokens};

/// Size of the switch itself, in points.
const SIZE: Vec2 = vec2(32.0, 18.0);
/// Least height of a switch or a disclosure with its words, in points.
const ROW_HEIGHT: f32 = 26.0;

/// Paints a switch at the right of its words. Says by place and picture what it says by colour.
/// Whether it was asked to be the other way.
pub(crate) fn switch(ui: &mut Ui, on: bool, words: &str) -> Response {
    let tokens = tokens(ui);
    let text = RichText::new(words).size(TEXT_SMALL).color(tokens.text);
    let width = ui.available_width();
    let inside = width - SIZE.x - 8.0;
    let galley =
        WidgetText::from(text).into_galley(ui, Some(TextWrapMode::Wrap), inside, TextStyle::Small);
    let height = galley.size().y.max(ROW_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Switch, ui.is_enabled(), on, words));
    let corner = pos2(rect.left(), rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(corner, galley, tokens.text);

    let centre = pos2(rect.right() - SIZE.x / 2.0, rect.center().y);
    let track = Rect::from_center_size(centre, SIZE);
    let radius = SIZE.y / 2.0;
    let (fill, edge, ink) = if on {
        (tokens.accent, tokens.accent, tokens.on_accent)
    } else {
        (tokens.raised, tokens.dim, tokens.dim)
    };
    let edge = if response.has_focus() {
        Stroke::new(2.0, tokens.text)
    } else {
        Stroke::new(
            1.0,
            if response.hovered() {
                tokens.text
            } else {
                edge
            },
        )
    };
    let painter = ui.painter();
    painter.rect(track, radius, fill, edge, StrokeKind::Inside);
    let shift = if on {
        radius - SIZE.x / 2.0
    } else {
        SIZE.x / 2.0 - radius
    };
    painter.circle_filled(centre - vec2(shift, 0.0), radius - 4.0, ink);
    if on {
        let tick = Rect::from_center_size(centre + vec2(shift, 0.0) * 0.85, vec2(8.0, 8.0));
        Icon::Check.paint(painter, tick, 8.0, ink);
    }
    response
}

/// Paints a line that opens and closes what is below it.
pub(crate) fn disclosure(ui: &mut Ui, open: &mut bool, words: &str, color: Color32) -> Response {
    let tokens = tokens(ui);
    let size = vec2(ui.available_width(), ROW_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), words));
    response
        .ctx
        .accesskit_node_builder(response.id, |node| node.set_expanded(*open));
    if response.clicked() {
        *open = !*open;
    }
    if response.hovered() || response.has_focus() {
        ui.painter()
            .rect_filled(rect.expand2(vec2(4.0, 0.0)), 4.0, tokens.hovered);
    }
    if response.has_focus() {
        let edge = Stroke::new(2.0, tokens.accent);
        ui.painter()
            .rect_stroke(rect.expand2(vec2(4.0, 0.0)), 4.0, edge, StrokeKind::Inside);
    }
    let icon = if *open {
        Icon::ChevronDown
    } else {
        Icon::ChevronRight
    };
    let place = Rect::from_center_size(rect.left_center() + vec2(6.0, 0.0), vec2(12.0, 12.0));
    icon.paint(ui.painter(), place, 12.0, color);
    let text = WidgetText::from(RichText::new(words).size(TEXT_SMALL).color(color));
    let width = rect.width() - 18.0;
    let text = text.into_galley(ui, Some(TextWrapMode::Truncate), width, TextStyle::Small);
    let corner = pos2(rect.left() + 18.0, rect.center().y - text.size().y / 2.0);
    ui.painter().galley(corner, text, color);
    response
}
