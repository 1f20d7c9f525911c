//! What happened, in words.

use egui::{Button, Label, RichText, ScrollArea, TextEdit, Ui, vec2};

use super::{Answer, close_button, focus, title};
use crate::backend::{Action, Level, LogLine, View};
use crate::gui::theme::{CONTROL_HEIGHT, TEXT_SMALL, tokens};
use crate::gui::veil::Veil;
use crate::gui::widgets::{button, caption, explain, field};

/// Height of one line, in points.
const ROW_HEIGHT: f32 = 20.0;

/// What the log is narrowed down to.
#[derive(Debug, Default)]
pub(super) struct Log {
    search: String,
    at_least: AtLeast,
}

/// How bad a line must be to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum AtLeast {
    #[default]
    Everything,
    Warnings,
    Errors,
}

impl AtLeast {
    fn level(self) -> Level {
        match self {
            Self::Everything => Level::Info,
            Self::Warnings => Level::Warning,
            Self::Errors => Level::Error,
        }
    }
}

impl Log {
    /// Paints the log.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        view: &View,
        veil: Veil,
        actions: &mut Vec<Action>,
        fresh: bool,
    ) -> Answer {
        let screen = ui.ctx().content_rect().size();
        ui.set_width((screen.x - 120.0).min(760.0));
        title(ui, "Log");
        ui.horizontal(|ui| {
            for (at_least, name) in [
                (AtLeast::Everything, "Everything"),
                (AtLeast::Warnings, "Warnings and errors"),
                (AtLeast::Errors, "Errors only"),
            ] {
                let words = RichText::new(name).color(tokens(ui).text);
                let choice = Button::selectable(self.at_least == at_least, words)
                    .min_size(vec2(0.0, CONTROL_HEIGHT));
                if ui.add(choice).clicked() {
                    self.at_least = at_least;
                }
            }
            let edit = TextEdit::singleline(&mut self.search)
                .desired_width(ui.available_width())
                .hint_text("Search");
            let search = field(ui, edit, true, None).accessible_name("Search the log");
            focus(&search, fresh);
        });
        self.lines(ui, view, veil, (screen.y - 220.0).clamp(120.0, 420.0));
        ui.add_space(4.0);
        ui.horizontal(|ui| {
            let has_folder = view.log_folder.is_some();
            let open = button(ui, has_folder, "Open log folder", 0.0);
            if explain(open, (!has_folder).then_some("No log is kept in files")).clicked() {
                actions.push(Action::OpenLogFolder);
            }
            close_button(ui, false)
        })
        .inner
    }

    fn lines(&self, ui: &mut Ui, view: &View, veil: Veil, height: f32) {
        let lines: Vec<&LogLine> = view.log.iter().filter(|line| self.shows(line)).collect();
        ui.allocate_ui(vec2(ui.available_width(), height), |ui| {
            ui.set_min_height(height);
            if lines.is_empty() {
                caption(
                    ui,
                    if view.log.is_empty() {
                        "Nothing has happened yet"
                    } else {
                        "Nothing fits the search"
                    },
                );
                return;
            }
            ui.spacing_mut().item_spacing.y = 0.0;
            ScrollArea::vertical()
                .auto_shrink(false)
                .stick_to_bottom(true)
                .show_rows(ui, ROW_HEIGHT, lines.len(), |ui, rows| {
                    for line in lines.get(rows).unwrap_or_default() {
                        paint(ui, line, veil);
                    }
                });
        });
    }

    fn shows(&self, line: &LogLine) -> bool {
        let search = self.search.trim().to_lowercase();
        line.level >= self.at_least.level()
            && (search.is_empty()
                || line.text.to_lowercase().contains(&search)
                || line.time.contains(&search))
    }
}

fn paint(ui: &mut Ui, line: &LogLine, veil: Veil) {
    let tokens = tokens(ui);
    let (word, color) = match line.level {
        Level::Info => ("", tokens.text),
        Level::Warning => ("Warning: ", tokens.warning),
        Level::Error => ("Error: ", tokens.bad),
    };
    ui.horizontal(|ui| {
        ui.set_height(ROW_HEIGHT);
        ui.label(
            RichText::new(&line.time)
                .monospace()
                .size(TEXT_SMALL)
                .color(tokens.dim),
        );
        let words = RichText::new(format!("{word}{}", veil.within(&line.text))).color(color);
        ui.add(Label::new(words).truncate().selectable(true));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: Level, text: &str) -> LogLine {
        LogLine {
            time: "14:03:07".to_owned(),
            level,
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_log_is_narrowed_by_level_and_words() {
        let mut log = Log::default();
        assert!(log.shows(&line(Level::Info, "Ada joined")));
        log.at_least = AtLeast::Warnings;
        assert!(!log.shows(&line(Level::Info, "Ada joined")));
        assert!(log.shows(&line(Level::Error, "Ada is gone")));
        log.search = " ADA ".to_owned();
        assert!(log.shows(&line(Level::Error, "Ada is gone")));
        assert!(!log.shows(&line(Level::Error, "Jun is gone")));
    }
}
