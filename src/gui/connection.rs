//! The Connection card: who we are, and where to connect.

use std::time::Duration;

use egui::{Key, Layout, Popup, Response, RichText, TextEdit, Ui, vec2};

use super::color::ColorChooser;
use super::dialogs::{Dialog, Dialogs, check_connection, ends_something};
use super::host::{
    MAX_PASTED_CHARS, caption as host_caption, has_port, parse_host, parse_port, to_check,
};
use super::icons::Icon;
use super::theme::{CONTROL_HEIGHT, tokens};
use super::veil::Veil;
use super::widgets::{
    button, caption, card, card_title, field, field_error, icon_button, link, primary, to_bytes,
};
use crate::backend::{Action, MAX_NAME_CHARS, Settings, Status, Typed, View};

/// Width of the words before the fields, in points.
const LABEL_WIDTH: f32 = 44.0;
/// How long typing must rest before the name is sent, in seconds.
const IDENTITY_REST: f64 = 0.6;
/// Said at the Name field while it is empty.
const NAMELESS: &str = "Type a name for others to see";

/// What is being typed into the Connection card.
#[derive(Debug)]
pub(crate) struct Connection {
    name: String,
    color: ColorChooser,
    host: String,
    port: String,
    /// What the backend last said, to tell its changes from what is typed.
    seen: Settings,
    /// When name or colour changed, and were not sent yet: time of the window in seconds.
    identity_changed: Option<f64>,
}

impl Connection {
    /// Fields filled with what is remembered.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            name: settings.name.clone(),
            color: ColorChooser::new(to_bytes(settings.color)),
            host: settings.host.clone(),
            port: settings.port.to_string(),
            seen: settings.clone(),
            identity_changed: None,
        }
    }

    /// The port typed, when it is one.
    pub(crate) fn port(&self) -> Option<u16> {
        parse_port(&self.port).ok()
    }

    /// Paints the card.
    pub(crate) fn ui(
        &mut self,
        ui: &mut Ui,
        view: &View,
        veil: Veil,
        actions: &mut Vec<Action>,
        dialogs: &mut Dialogs,
    ) {
        self.take_over(&view.settings);
        card(ui, |ui| {
            card_title(ui, "Connection");
            self.identity(ui, actions);
            self.target(ui, view, veil, actions, dialogs);
        });
    }

    /// Shows what the backend changed, such as the host that was connected to from elsewhere.
    fn take_over(&mut self, settings: &Settings) {
        if self.seen == *settings {
            return;
        }
        if self.seen.host != settings.host {
            self.host.clone_from(&settings.host);
        }
        if self.seen.port != settings.port {
            self.port = settings.port.to_string();
        }
        if self.identity_changed.is_none() {
            // A space that is still being typed behind is not a difference.
            if self.seen.name != settings.name && self.name.trim() != settings.name {
                self.name.clone_from(&settings.name);
            }
            self.color.set(to_bytes(settings.color));
        }
        self.seen = settings.clone();
    }

    fn identity(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let now = ui.input(|input| input.time);
        let mut left_field = false;
        row(ui, "Name", |ui, label| {
            let width = ui.available_width() - CONTROL_HEIGHT - 8.0;
            let wrong = self.name.trim().is_empty().then_some(NAMELESS);
            let edit = TextEdit::singleline(&mut self.name)
                .desired_width(width)
                .char_limit(MAX_NAME_CHARS)
                .hint_text("As others see you");
            let name = field(ui, edit, true, wrong).labelled_by(label.id);
            let recolored = self.color.ui(ui);
            if name.changed() || recolored {
                self.identity_changed = Some(now);
            }
            left_field = name.lost_focus();
        });
        if self.name.trim().is_empty() {
            field_error(ui, NAMELESS);
        }
        if let Some(changed) = self.identity_changed {
            let rested = now - changed;
            if left_field || rested >= IDENTITY_REST {
                self.send_identity(actions);
            } else {
                ui.request_repaint_after(Duration::from_secs_f64(
                    (IDENTITY_REST - rested).max(0.0),
                ));
            }
        }
    }

    fn send_identity(&mut self, actions: &mut Vec<Action>) {
        self.identity_changed = None;
        let name = self.name.trim();
        if !name.is_empty() {
            let color = self.color.color().map(|channel| f32::from(channel) / 255.0);
            actions.push(Action::SetIdentity {
                name: name.to_owned(),
                color,
            });
        }
    }

    fn target(
        &mut self,
        ui: &mut Ui,
        view: &View,
        veil: Veil,
        actions: &mut Vec<Action>,
        dialogs: &mut Dialogs,
    ) {
        let offline = view.status == Status::Offline;
        let host = parse_host(&self.host);
        let port = parse_port(&self.port);
        let port_counts = !host.as_ref().is_ok_and(has_port);
        let wrong_host = host.as_ref().err().copied().filter(|_| offline);
        let wrong_port = port.err().filter(|_| offline && port_counts);

        let mut enter = false;
        row(ui, "Host", |ui, label| {
            let width = ui.available_width() - CONTROL_HEIGHT - 8.0;
            let edit = TextEdit::singleline(&mut self.host)
                .desired_width(width)
                .char_limit(MAX_PASTED_CHARS)
                .password(hides(veil, &host))
                .hint_text("localhost");
            let response = field(ui, edit, offline, wrong_host).labelled_by(label.id);
            enter |= pressed_enter(ui, &response);
            self.recent_hosts(ui, &view.settings.recent_hosts, veil, offline);
        });
        if let Some(wrong) = wrong_host {
            field_error(ui, wrong);
        }
        row(ui, "Port", |ui, label| {
            let edit = TextEdit::singleline(&mut self.port)
                .desired_width(84.0)
                .char_limit(8);
            let response =
                field(ui, edit, offline && port_counts, wrong_port).labelled_by(label.id);
            enter |= pressed_enter(ui, &response);
        });
        if let Some(wrong) = wrong_port {
            field_error(ui, wrong);
        }

        ui.add_space(2.0);
        let valid = host.is_ok() && (!port_counts || port.is_ok());
        if self.connect_button(ui, view, valid, actions, dialogs) || (enter && offline && valid) {
            if self.identity_changed.is_some() {
                self.send_identity(actions);
            }
            // With a port in Host this one is not used, so any will do.
            let port = port.unwrap_or(view.settings.port);
            actions.push(Action::Connect {
                host: self.host.trim().to_owned(),
                port,
            });
        }

        match &view.status {
            Status::Offline => {
                if let Ok(host) = &host {
                    caption(ui, veil.within(&host_caption(host, &self.host)));
                }
            }
            Status::Connected {
                on_this_computer: true,
                ..
            } => caption(ui, "A server was already running here"),
            Status::Hosting { .. } => caption(ui, "The server runs on this computer"),
            Status::Connecting { .. } | Status::Connected { .. } | Status::Lost { .. } => {}
        }
        if let Some(of) = self.to_check(view) {
            check_link(ui, of, actions, dialogs);
        }
    }

    /// What *Check connection* looks at here; nothing while a person is on the way in, and while hosting the
    /// Share card asks it.
    fn to_check(&self, view: &View) -> Option<Option<String>> {
        match &view.status {
            Status::Offline => {
                let port = self.port().unwrap_or(view.settings.port);
                let is_host = parse_host(&self.host).is_ok();
                is_host.then(|| to_check(&self.host, port))
            }
            Status::Connected { target, .. } | Status::Lost { target, .. } => {
                Some(Some(target.clone()))
            }
            Status::Connecting { .. } | Status::Hosting { .. } => None,
        }
    }

    /// Paints the button below the fields. Whether Connect was asked for.
    fn connect_button(
        &self,
        ui: &mut Ui,
        view: &View,
        valid: bool,
        actions: &mut Vec<Action>,
        dialogs: &mut Dialogs,
    ) -> bool {
        let width = ui.available_width();
        match &view.status {
            Status::Offline => return primary(ui, valid, "Connect", width).clicked(),
            Status::Connecting { .. } | Status::Lost { .. } => {
                if button(ui, true, "Stop", width).clicked() {
                    actions.push(Action::Disconnect);
                }
            }
            Status::Hosting { .. } => {
                if button(ui, true, "Stop hosting", width).clicked() {
                    if ends_something(view) {
                        dialogs.open(Dialog::StopHosting);
                    } else {
                        actions.push(Action::Disconnect);
                    }
                }
            }
            Status::Connected { .. } => {
                if button(ui, true, "Disconnect", width).clicked() {
                    actions.push(Action::Disconnect);
                }
            }
        }
        false
    }

    fn recent_hosts(&mut self, ui: &mut Ui, recent: &[String], veil: Veil, offline: bool) {
        let response = icon_button(
            ui,
            Icon::ChevronDown,
            "Recent hosts",
            offline && !recent.is_empty(),
        );
        let response = if recent.is_empty() {
            response.on_disabled_hover_text("Hosts you have connected to will be listed here")
        } else {
            response
        };
        Popup::menu(&response).show(|ui| {
            ui.set_max_width(200.0);
            for host in recent {
                if ui.button(veil.within(host)).clicked() {
                    self.host.clone_from(host);
                }
            }
        });
    }
}

/// Whether what is typed is hidden: an address of another computer, or an invite.
fn hides(veil: Veil, typed: &Result<Typed, &'static str>) -> bool {
    veil.down && !matches!(typed, Ok(Typed::Host { is_local: true, .. }))
}

/// Paints the button that looks at what is in the way.
fn check_link(ui: &mut Ui, of: Option<String>, actions: &mut Vec<Action>, dialogs: &mut Dialogs) {
    let tip = match of {
        Some(_) => "Looks at what is in the way to this host",
        None => "Looks at whether colleagues can reach this computer",
    };
    if link(ui, Icon::Pulse, "Check connection")
        .on_hover_text(tip)
        .clicked()
    {
        check_connection(of, actions, dialogs);
    }
}

/// A word, and the field it names.
fn row(ui: &mut Ui, word: &str, fields: impl FnOnce(&mut Ui, &Response)) {
    ui.horizontal(|ui| {
        let color = tokens(ui).dim;
        let label = ui
            .allocate_ui_with_layout(
                vec2(LABEL_WIDTH, CONTROL_HEIGHT),
                Layout::left_to_right(egui::Align::Center),
                |ui| {
                    ui.set_min_width(LABEL_WIDTH);
                    ui.label(RichText::new(word).color(color))
                },
            )
            .inner;
        fields(ui, &label);
    });
}

fn pressed_enter(ui: &Ui, response: &Response) -> bool {
    response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
}
