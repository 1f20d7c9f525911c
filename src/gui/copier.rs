//! Copying a text by button or key, and saying for a moment that it was copied.

use std::time::Duration;

use egui::{Event, Response, Ui};

/// How long "Copied" is shown, in seconds.
const COPIED_SECONDS: f64 = 2.0;

/// What was copied last.
#[derive(Debug, Default)]
pub(crate) struct Copier {
    /// The text, and when: time of the window in seconds.
    copied: Option<(String, f64)>,
}

impl Copier {
    /// Forgets what was copied long enough ago. Once a frame.
    pub(crate) fn tend(&mut self, ui: &Ui) {
        let now = ui.input(|input| input.time);
        if let Some((_, at)) = &self.copied {
            let left = COPIED_SECONDS - (now - at);
            if left <= 0.0 {
                self.copied = None;
            } else {
                ui.request_repaint_after(Duration::from_secs_f64(left));
            }
        }
    }

    /// Copies `text` when the control was pressed, or has the keyboard and Ctrl+C is pressed.
    pub(crate) fn on(&mut self, ui: &Ui, response: &Response, text: &str) {
        let asked_by_key =
            response.has_focus() && ui.input(|input| input.events.contains(&Event::Copy));
        if response.clicked() || asked_by_key {
            ui.ctx().copy_text(text.to_owned());
            self.copied = Some((text.to_owned(), ui.input(|input| input.time)));
            ui.request_repaint_after(Duration::from_secs_f64(COPIED_SECONDS));
        }
    }

    /// What a button says that copies `text`: `words`, and for a moment *Copied*.
    pub(crate) fn words<'a>(&self, text: &str, words: &'a str) -> &'a str {
        if self.has(text) { "Copied" } else { words }
    }

    /// Whether this was copied just now.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.copied
            .as_ref()
            .is_some_and(|(copied, _)| copied == text)
    }
}
