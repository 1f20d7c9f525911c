//! What a check of the connection has found, and what to do about it.

use egui::{
    Align, Color32, CornerRadius, Frame, Label, Layout, Margin, RichText, Role, ScrollArea, Ui,
    UiBuilder, vec2,
};

use super::{Answer, close_button, focus, title};
use crate::backend::{Action, Examination, Finding, Verdict, View, examination_title};
use crate::gui::copier::Copier;
use crate::gui::icons::Icon;
use crate::gui::theme::{RADIUS, TEXT_SMALL, Tokens, tokens};
use crate::gui::veil::Veil;
use crate::gui::widgets::{button, explain, icon};

/// Paints what was found so far in the check of `of`.
pub(super) fn ui(
    ui: &mut Ui,
    view: &View,
    of: Option<&str>,
    (veil, copier): (Veil, &mut Copier),
    actions: &mut Vec<Action>,
    fresh: bool,
) -> Answer {
    let screen = ui.ctx().content_rect().size();
    ui.set_width((screen.x - 100.0).min(640.0));
    title(ui, &veil.within(&examination_title(of)));
    // What the last check of something else has found is not shown for a moment.
    let examination = view
        .doctor
        .as_ref()
        .filter(|found| found.of.as_deref() == of);
    summary(ui, examination);
    // The same height however much is found, so that the buttons stay where they are.
    let height = (screen.y - 230.0).clamp(140.0, 420.0);
    ui.allocate_ui(vec2(ui.available_width(), height), |ui| {
        ui.set_min_height(height);
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 12.0;
            let findings = examination.map(Examination::as_read).unwrap_or_default();
            for (number, finding) in findings.into_iter().enumerate() {
                paint(ui, number, finding, veil, copier);
            }
        });
    });
    ui.add_space(4.0);
    ui.horizontal(|ui| buttons(ui, of, examination, copier, actions, fresh))
        .inner
}

fn summary(ui: &mut Ui, examination: Option<&Examination>) {
    let tokens = tokens(ui);
    let worst =
        examination.and_then(|found| found.findings.iter().map(|finding| finding.verdict).max());
    let (picture, color, words) = match examination {
        Some(done) if !done.running => {
            let (picture, color) = look(worst.unwrap_or(Verdict::Note), tokens);
            (picture, color, done.summary())
        }
        Some(running) if !running.findings.is_empty() => (
            Icon::Dots,
            tokens.accent,
            format!("Checking… So far: {}", running.summary()),
        ),
        _ => (
            Icon::Dots,
            tokens.accent,
            "Checking… This takes a few seconds.".to_owned(),
        ),
    };
    let status = UiBuilder::new()
        .accessibility_role(Role::Status)
        .accessibility_label(words.clone());
    ui.scope_builder(status, |ui| {
        ui.horizontal(|ui| {
            icon(ui, picture, 15.0, color);
            ui.add(Label::new(RichText::new(words).color(tokens.text)).truncate());
        });
    });
}

fn buttons(
    ui: &mut Ui,
    of: Option<&str>,
    examination: Option<&Examination>,
    copier: &mut Copier,
    actions: &mut Vec<Action>,
    fresh: bool,
) -> Answer {
    let running = examination.is_none_or(|found| found.running);
    // One button with one place, as wide as its longer words.
    let words = if running { "Stop" } else { "Check again" };
    let again = button(ui, true, words, 112.0);
    focus(&again, fresh);
    if again.clicked() {
        actions.push(if running {
            Action::StopDoctor
        } else {
            Action::RunDoctor(of.map(str::to_owned))
        });
    }
    let report = examination.filter(|found| !found.findings.is_empty());
    let text = report.map(Examination::report);
    let words = text
        .as_ref()
        .map_or("Copy report", |text| copier.words(text, "Copy report"));
    let copy = button(ui, text.is_some(), words, 112.0).accessible_name("Copy report");
    let why = text.is_none().then_some("Nothing was found yet");
    let copy = explain(copy, why).on_hover_text("All of it as text, for whoever helps you");
    if let Some(text) = text {
        copier.on(ui, &copy, &text);
    }
    close_button(ui, false)
}

fn look(verdict: Verdict, tokens: &Tokens) -> (Icon, Color32) {
    match verdict {
        Verdict::Good => (Icon::Check, tokens.ok),
        Verdict::Note => (Icon::Info, tokens.warning),
        Verdict::Problem => (Icon::Warning, tokens.bad),
    }
}

fn paint(ui: &mut Ui, number: usize, finding: &Finding, veil: Veil, copier: &mut Copier) {
    let tokens = tokens(ui);
    let (picture, color) = look(finding.verdict, tokens);
    let word = finding.verdict.title();
    let what = veil.within(&finding.what);
    let item = UiBuilder::new()
        .id_salt(number)
        .accessibility_role(Role::ListItem)
        .accessibility_label(format!("{word}: {}: {what}", finding.check));
    ui.scope_builder(item, |ui| {
        ui.horizontal_top(|ui| {
            icon(ui, picture, 15.0, color);
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                ui.spacing_mut().item_spacing.y = 3.0;
                ui.spacing_mut().interact_size.y = 16.0;
                ui.horizontal(|ui| {
                    let small = |text: &str| RichText::new(text).size(TEXT_SMALL);
                    ui.label(small(word).strong().color(color));
                    let check = small(&finding.check).color(tokens.dim);
                    ui.add(Label::new(check).truncate());
                });
                ui.add(Label::new(RichText::new(what).color(tokens.text)).wrap());
                if !finding.why.is_empty() {
                    small(ui, &veil.within(&finding.why), tokens.dim);
                }
                if let Some(fix) = &finding.fix {
                    small(ui, &format!("To do: {}", veil.within(fix)), tokens.text);
                }
                if let Some(text) = &finding.command {
                    command(ui, text, &finding.check, veil, copier);
                }
            });
        });
    });
}

fn small(ui: &mut Ui, text: &str, color: Color32) {
    ui.add(Label::new(RichText::new(text).size(TEXT_SMALL).color(color)).wrap());
}

fn command(ui: &mut Ui, text: &str, check: &str, veil: Veil, copier: &mut Copier) {
    let tokens = tokens(ui);
    Frame::new()
        .fill(tokens.background)
        .corner_radius(CornerRadius::same(RADIUS))
        .inner_margin(Margin::symmetric(10, 6))
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let copy = button(ui, true, copier.words(text, "Copy"), 72.0)
                        .accessible_name(format!("Copy command for {check}"));
                    copier.on(ui, &copy, text);
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                        let words = RichText::new(veil.within(text))
                            .monospace()
                            .color(tokens.text);
                        ui.add(Label::new(words).wrap().selectable(true));
                    });
                });
            });
        });
}
