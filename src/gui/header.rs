//! The strip on top: name, where the connection stands, and buttons for log, theme, settings and help.

use std::time::{Duration, Instant};

use egui::{
    Align, Color32, Layout, Rect, RichText, Role, Sense, TextStyle, TextWrapMode, Ui, WidgetInfo,
    WidgetText, pos2, vec2,
};

use super::dialogs::{Dialog, Dialogs};
use super::format;
use super::icons::{self, Icon};
use super::theme::{TEXT_TITLE, Tokens, tokens};
use super::veil::Veil;
use super::widgets::icon_button;
use crate::backend::{Action, BringingBack, Status, Theme, View};

/// Room for the four buttons, in points.
const BUTTONS_WIDTH: f32 = 4.0 * 32.0 + 3.0 * 8.0;
/// Height of the status pill, in points.
const PILL_HEIGHT: f32 = 28.0;
/// Width of the status pill beside its words, in points.
const PILL_EXTRA: f32 = 44.0;

/// Paints the header.
pub(crate) fn ui(
    ui: &mut Ui,
    view: &View,
    veil: Veil,
    actions: &mut Vec<Action>,
    dialogs: &mut Dialogs,
) {
    ui.horizontal_centered(|ui| {
        let tokens = tokens(ui);
        let (rect, _) = ui.allocate_exact_size(vec2(22.0, 22.0), Sense::hover());
        icons::paint_logo(ui.painter(), rect, tokens.accent, tokens.on_accent);
        ui.label(RichText::new("Mixdesk").size(TEXT_TITLE).color(tokens.text));
        ui.add_space(4.0);
        pill(ui, view, veil, tokens);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            // Added in reading order all the same, so that Tab walks them left to right.
            ui.allocate_ui_with_layout(
                vec2(BUTTONS_WIDTH, 32.0),
                Layout::left_to_right(Align::Center),
                |ui| {
                    buttons(ui, view, actions, dialogs);
                },
            );
        });
    });
}

fn buttons(ui: &mut Ui, view: &View, actions: &mut Vec<Action>, dialogs: &mut Dialogs) {
    if icon_button(ui, Icon::Lines, "Log", true).clicked() {
        dialogs.open(Dialog::Log);
    }
    let (icon, name, next) = match view.settings.theme {
        Theme::System => (Icon::HalfDisc, "Theme: as the system says", Theme::Light),
        Theme::Light => (Icon::Sun, "Theme: light", Theme::Dark),
        Theme::Dark => (Icon::Moon, "Theme: dark", Theme::System),
    };
    if icon_button(ui, icon, name, true).clicked() {
        actions.push(Action::SetTheme(next));
    }
    if icon_button(ui, Icon::Gear, "Settings", true).clicked() {
        dialogs.open(Dialog::Settings);
    }
    if icon_button(ui, Icon::Question, "Help (F1)", true).clicked() {
        dialogs.open(Dialog::Help);
    }
}

fn pill(ui: &mut Ui, view: &View, veil: Veil, tokens: &Tokens) {
    let now = Instant::now();
    let (icon, color) = look(&view.status, tokens);
    let words = words(view, veil, now);
    if let Status::Lost { retry_at, .. } = &view.status {
        repaint_at_next_second(ui, retry_at.saturating_duration_since(now));
    }
    // The pill gives way to the buttons when a host name is long.
    let room_for_words = (ui.available_width() - BUTTONS_WIDTH - PILL_EXTRA - 16.0).max(40.0);
    let text = WidgetText::from(RichText::new(&words).color(tokens.text));
    let text = text.into_galley(
        ui,
        Some(TextWrapMode::Truncate),
        room_for_words,
        TextStyle::Body,
    );
    let (rect, response) = ui.allocate_exact_size(
        vec2(text.size().x + PILL_EXTRA, PILL_HEIGHT),
        Sense::hover(),
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
    ui.painter()
        .rect_filled(rect, PILL_HEIGHT / 2.0, tokens.raised);
    let dot = Rect::from_center_size(rect.left_center() + vec2(18.0, 0.0), vec2(10.0, 10.0));
    icon.paint(ui.painter(), dot, 10.0, color);
    let corner = pos2(rect.left() + 30.0, rect.center().y - text.size().y / 2.0);
    ui.painter().galley(corner, text, tokens.text);
}

fn look(status: &Status, tokens: &Tokens) -> (Icon, Color32) {
    match status {
        Status::Offline => (Icon::Ring, tokens.dim),
        Status::Connecting { .. } => (Icon::Dots, tokens.accent),
        Status::Hosting { .. } => (Icon::Disc, tokens.ok),
        Status::Connected { .. } => (Icon::Check, tokens.ok),
        Status::Lost { .. } => (Icon::Warning, tokens.warning),
    }
}

/// Where the connection stands, in words.
fn words(view: &View, veil: Veil, now: Instant) -> String {
    if let Some(BringingBack {
        done_bytes,
        total_bytes,
        ..
    }) = &view.bringing_back
    {
        let far = format::far(*done_bytes, *total_bytes);
        return format!("Bringing back rooms: {far}");
    }
    match &view.status {
        Status::Offline => "Offline".to_owned(),
        Status::Connecting { target } => format!("Connecting to {}…", veil.over(target)),
        Status::Hosting { port } => {
            format!("Hosting on port {port} · {}", format::people(view.people))
        }
        Status::Connected { target, .. } => {
            let target = veil.over(target);
            format!("Connected to {target} · {}", format::people(view.people))
        }
        Status::Lost { retry_at, .. } => {
            format!("Connection lost, {}", retry_words(*retry_at, now))
        }
    }
}

/// When it is tried again: `trying again in 4 s`, or `trying again now`.
pub(crate) fn retry_words(retry_at: Instant, now: Instant) -> String {
    match format::seconds_left(retry_at.saturating_duration_since(now)) {
        0 => "trying again now".to_owned(),
        seconds => format!("trying again in {seconds} s"),
    }
}

fn repaint_at_next_second(ui: &Ui, left: Duration) {
    if !left.is_zero() {
        // Just past the change, so that rounding never shows the same second twice.
        let until = Duration::from_nanos(u64::from(left.subsec_nanos())) + Duration::from_millis(5);
        ui.request_repaint_after(until);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_pill_counts_down_and_then_says_now() {
        let now = Instant::now();
        assert_eq!(
            retry_words(now + Duration::from_millis(3_400), now),
            "trying again in 4 s"
        );
        assert_eq!(
            retry_words(now, now + Duration::from_secs(1)),
            "trying again now"
        );
    }
}
