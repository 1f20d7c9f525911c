//! What needs attention: a failure until it is dismissed, a lost connection until it is back, rooms that
//! are not written down until they are.

use std::time::Instant;

use egui::{
    Align, Color32, CornerRadius, Frame, Label, Layout, Margin, RichText, Role, Stroke, Ui,
    UiBuilder,
};

use super::header::retry_words;
use super::icons::Icon;
use super::theme::{RADIUS, TEXT_SMALL, tokens};
use super::widgets::{button, icon};
use crate::backend::{Action, Failure, Status, View};

/// Paints what needs attention; nothing, mostly.
pub(crate) fn ui(ui: &mut Ui, view: &View, actions: &mut Vec<Action>) {
    let tokens = tokens(ui);
    if let Status::Lost {
        target,
        retry_at,
        why,
    } = &view.status
    {
        let title = format!(
            "Connection to {target} lost, {}",
            retry_words(*retry_at, Instant::now())
        );
        let colors = (tokens.warning, tokens.warning_fill);
        if banner(
            ui,
            colors,
            &title,
            &[&why.what, &why.advice],
            Some("Stop trying"),
        ) {
            actions.push(Action::Disconnect);
        }
    }
    let bad = (tokens.bad, tokens.bad_fill);
    if let Some(Failure { what, advice }) = &view.trouble {
        banner(ui, bad, what, &[advice], None);
    }
    if let Some(Failure { what, advice }) = &view.failure
        && banner(ui, bad, what, &[advice], Some("Dismiss"))
    {
        actions.push(Action::DismissFailure);
    }
}

/// Paints one; whether its button was pressed. Without a button it stays as long as what it tells.
fn banner(
    ui: &mut Ui,
    (color, fill): (Color32, Color32),
    title: &str,
    lines: &[&str],
    button_text: Option<&str>,
) -> bool {
    let tokens = tokens(ui);
    let alert = UiBuilder::new()
        .accessibility_role(Role::Alert)
        .accessibility_label(title);
    ui.scope_builder(alert, |ui| {
        Frame::new()
            .fill(fill)
            .stroke(Stroke::new(1.0, color))
            .corner_radius(CornerRadius::same(RADIUS))
            .inner_margin(Margin::symmetric(12, 10))
            .outer_margin(Margin {
                left: 16,
                right: 16,
                top: 12,
                bottom: 0,
            })
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.horizontal_top(|ui| {
                    icon(ui, Icon::Warning, 16.0, color);
                    ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                        let pressed =
                            button_text.is_some_and(|text| button(ui, true, text, 0.0).clicked());
                        ui.with_layout(Layout::top_down(Align::Min), |ui| {
                            ui.spacing_mut().item_spacing.y = 3.0;
                            ui.add(
                                Label::new(RichText::new(title).strong().color(tokens.text)).wrap(),
                            );
                            for line in lines.iter().filter(|line| !line.is_empty()) {
                                let words =
                                    RichText::new(*line).size(TEXT_SMALL).color(tokens.text);
                                ui.add(Label::new(words).wrap());
                            }
                        });
                        pressed
                    })
                    .inner
                })
                .inner
            })
            .inner
    })
    .inner
}
