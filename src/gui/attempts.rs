//! Who reached this computer and did not get in: part of the Share card.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use egui::{Align, Label, Layout, RichText, Ui};

use super::format;
use super::icons::Icon;
use super::switch::disclosure;
use super::theme::{TEXT_SMALL, tokens};
use super::veil::Veil;
use super::widgets::{button, icon};
use crate::backend::Attempt;

/// As many are listed; the log has them all.
const LISTED: usize = 8;
/// The age of attempts is told anew so often.
const AGES_EVERY: Duration = Duration::from_secs(60);

/// What the list remembers.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    is_open: bool,
    /// What was looked at and sent away. The same again is another attempt, and shows.
    dismissed: HashSet<Attempt>,
}

impl Attempts {
    /// Paints the list, if there is anything to tell.
    pub(crate) fn ui(&mut self, ui: &mut Ui, attempts: &[Attempt], veil: Veil) {
        let new: Vec<&Attempt> = attempts
            .iter()
            .filter(|attempt| !self.dismissed.contains(*attempt))
            .collect();
        if new.is_empty() {
            self.is_open = false;
            return;
        }
        let color = tokens(ui).warning;
        let words = match new.len() {
            1 => "Somebody could not get in".to_owned(),
            many => format!("{many} attempts to get in failed"),
        };
        disclosure(ui, &mut self.is_open, &words, color);
        if !self.is_open {
            return;
        }
        ui.request_repaint_after(AGES_EVERY);
        let now = SystemTime::now();
        for attempt in new.iter().take(LISTED) {
            line(ui, attempt, now, veil);
            ui.add_space(3.0);
        }
        if new.len() > LISTED {
            let more = format!("{} more are in the log", new.len() - LISTED);
            let color = tokens(ui).dim;
            ui.label(RichText::new(more).size(TEXT_SMALL).color(color));
        }
        let new: Vec<Attempt> = new.into_iter().cloned().collect();
        if button(ui, true, "Dismiss", 0.0)
            .accessible_name("Dismiss failed attempts")
            .clicked()
        {
            // What is no longer told need not be remembered.
            self.dismissed.retain(|old| attempts.contains(old));
            self.dismissed.extend(new);
        }
    }
}

fn line(ui: &mut Ui, attempt: &Attempt, now: SystemTime, veil: Veil) {
    let tokens = tokens(ui);
    let small = |text: String| RichText::new(text).size(TEXT_SMALL);
    ui.spacing_mut().interact_size.y = 18.0;
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 7.0;
        icon(ui, Icon::Warning, 12.0, tokens.warning);
        ui.with_layout(Layout::top_down(Align::Min), |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            let words = words(attempt, veil);
            ui.add(Label::new(small(words).color(tokens.text)).wrap());
            let age = format::ago(now.duration_since(attempt.at).unwrap_or_default());
            let age = match attempt.times {
                0 | 1 => age,
                times => format!("{} times, {age}", format::thousands(times)),
            };
            ui.add(Label::new(small(age).color(tokens.dim)).truncate());
        });
    });
}

/// What happened, as a sentence without its end: `192.168.0.23 reached us but spoke HTTP`.
fn words(attempt: &Attempt, veil: Veil) -> String {
    let (address, why) = (veil.over(&attempt.address), veil.within(&attempt.why));
    match why.strip_prefix("it ") {
        Some(did) => format!("{address} reached us but {did}"),
        None => format!("{address} reached us and was {why}"),
    }
}
