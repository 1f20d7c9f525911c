//! What needs attention: a failure until it is dismissed, a lost connection until it is back, rooms that
//! are not written down until they are, somebody who waits to be let in until there is an answer.

use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime};

use egui::{
    Align, Color32, CornerRadius, Frame, Label, Layout, Margin, RichText, Role, Stroke, Ui,
    UiBuilder,
};

use super::dialogs::{Dialogs, check_connection};
use super::format;
use super::header::retry_words;
use super::icons::Icon;
use super::theme::{RADIUS, TEXT_SMALL, tokens};
use super::veil::Veil;
use super::widgets::{button, icon};
use crate::backend::{Action, Failure, Status, View};

/// Starts the check of the connection.
const CHECK: &str = "Find out why";
/// As many of those who wait are shown; their number is told.
const WAITING: usize = 3;
/// How long somebody waits is told anew so often.
const AGES_EVERY: Duration = Duration::from_secs(60);
/// Width of the widest button, in points.
const WIDEST: f32 = 118.0;

/// Paints what needs attention; nothing, mostly.
pub(crate) fn ui(
    ui: &mut Ui,
    view: &View,
    veil: Veil,
    actions: &mut Vec<Action>,
    dialogs: &mut Dialogs,
) {
    let tokens = tokens(ui);
    if let Status::Lost {
        target,
        retry_at,
        why,
    } = &view.status
    {
        let title = format!(
            "Connection to {} lost, {}",
            veil.over(target),
            retry_words(*retry_at, Instant::now())
        );
        let colors = (tokens.warning, tokens.warning_fill);
        let lines = [veil.within(&why.what), veil.within(&why.advice)];
        match banner(ui, colors, &title, &lines, &["Stop trying", CHECK]) {
            Some(0) => actions.push(Action::Disconnect),
            Some(_) => check_connection(Some(target.clone()), actions, dialogs),
            None => {}
        }
    }
    waiting(ui, view, veil, actions);
    let bad = (tokens.bad, tokens.bad_fill);
    if let Some(Failure { what, advice }) = &view.trouble {
        banner(ui, bad, &veil.within(what), &[veil.within(advice)], &[]);
    }
    if let Some(Failure { what, advice }) = &view.failure {
        let (what, advice) = (veil.within(what), veil.within(advice));
        // Whoever is offline with a failure did not get in, or could not host.
        let buttons: &[&str] = if view.status == Status::Offline {
            &["Dismiss", CHECK]
        } else {
            &["Dismiss"]
        };
        match banner(ui, bad, &what, &[advice], buttons) {
            Some(0) => actions.push(Action::DismissFailure),
            Some(_) => {
                check_connection(view.tried.clone(), actions, dialogs);
            }
            None => {}
        }
    }
}

/// Paints who waits to be let in.
fn waiting(ui: &mut Ui, view: &View, veil: Veil, actions: &mut Vec<Action>) {
    let colors = (tokens(ui).warning, tokens(ui).warning_fill);
    let now = SystemTime::now();
    for (number, waiting) in view.waiting.iter().take(WAITING).enumerate() {
        ui.request_repaint_after(AGES_EVERY);
        let address = waiting.address.to_string();
        let title = format!("{} waits to be let in", veil.over(&address));
        let age = format::ago(now.duration_since(waiting.since).unwrap_or_default());
        let more = match view.waiting.len().saturating_sub(WAITING) {
            more @ 1.. if number + 1 == WAITING => format!(" {more} more wait after that."),
            _ => String::new(),
        };
        let line = format!(
            "Came {age}. Let in holds for this address later, too; Turn away for five minutes.{more}"
        );
        // What is pressed for one is not to count for the next, who comes to the same place.
        let painted = ui.push_id(&address, |ui| {
            banner(ui, colors, &title, &[line.into()], &["Let in", "Turn away"])
        });
        match painted.inner {
            Some(0) => actions.push(Action::LetIn(waiting.address)),
            Some(_) => actions.push(Action::TurnAway(waiting.address)),
            None => {}
        }
    }
}

/// Paints one; which of its buttons was pressed. Without a button it stays as long as what it tells.
fn banner(
    ui: &mut Ui,
    (color, fill): (Color32, Color32),
    title: &str,
    lines: &[Cow<'_, str>],
    buttons: &[&str],
) -> Option<usize> {
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
                        let mut pressed = None;
                        ui.with_layout(Layout::top_down(Align::Max), |ui| {
                            ui.set_max_width(WIDEST);
                            ui.spacing_mut().item_spacing.y = 6.0;
                            for (number, text) in buttons.iter().enumerate() {
                                if button(ui, true, text, 0.0).clicked() {
                                    pressed = Some(number);
                                }
                            }
                        });
                        ui.with_layout(Layout::top_down(Align::Min), |ui| {
                            ui.spacing_mut().item_spacing.y = 3.0;
                            ui.add(
                                Label::new(RichText::new(title).strong().color(tokens.text)).wrap(),
                            );
                            for line in lines.iter().filter(|line| !line.is_empty()) {
                                let words = RichText::new(line.as_ref())
                                    .size(TEXT_SMALL)
                                    .color(tokens.text);
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
