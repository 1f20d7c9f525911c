//! What the sessions that we host are called, and who hears of them.

use egui::{TextEdit, Ui};

use super::{Answer, close_button, focus, title};
use crate::backend::{Action, MAX_SESSION_BYTES, Settings, View};
use crate::gui::internet;
use crate::gui::switch::switch;
use crate::gui::widgets::{caption, field};

/// The switch of the announcement.
const ANNOUNCE: &str = "Announce my sessions on this network";

/// What is being typed.
#[derive(Debug, Default)]
pub(super) struct SettingsDialog {
    name: String,
    /// The name was changed and not sent yet.
    changed: bool,
}

impl SettingsDialog {
    /// Paints the settings.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        view: &View,
        actions: &mut Vec<Action>,
        fresh: bool,
    ) -> Answer {
        let settings = &view.settings;
        if fresh {
            self.name = settings.session_name.clone().unwrap_or_default();
            self.changed = false;
        }
        ui.set_width((ui.ctx().content_rect().width() - 100.0).min(420.0));
        title(ui, "Settings");
        let label = ui.label("Session name");
        let usual = Settings {
            session_name: None,
            ..settings.clone()
        };
        let edit = TextEdit::singleline(&mut self.name)
            .desired_width(ui.available_width())
            .char_limit(MAX_SESSION_BYTES)
            .hint_text(usual.session());
        let name = field(ui, edit, true, None).labelled_by(label.id);
        focus(&name, fresh);
        self.changed |= name.changed();
        if name.lost_focus() {
            self.send(actions);
        }
        caption(
            ui,
            "What colleagues see in their list, and what your invite says. Empty: after your own name.",
        );
        ui.add_space(6.0);
        let announce = settings.announce;
        if switch(ui, announce, ANNOUNCE).clicked() {
            actions.push(Action::SetAnnounce(!announce));
        }
        caption(
            ui,
            "While you host, colleagues find you under “On this network”. Without, they need your address or \
             invite.",
        );
        ui.add_space(6.0);
        let open = settings.internet;
        if switch(ui, open, internet::SWITCH).clicked() {
            actions.push(Action::SetInternet(!open));
        }
        caption(
            ui,
            "While you host, your router is asked to let them in. What travels is not encrypted: a VPN is the \
             better way where you can have one.",
        );
        ui.add_space(6.0);
        close_button(ui, false)
    }

    /// Sends the name, if it was changed. Also when the dialog closes in the middle of typing.
    pub(super) fn send(&mut self, actions: &mut Vec<Action>) {
        if std::mem::take(&mut self.changed) {
            let name = self.name.trim();
            let name = (!name.is_empty()).then(|| name.to_owned());
            actions.push(Action::SetSessionName(name));
        }
    }
}
