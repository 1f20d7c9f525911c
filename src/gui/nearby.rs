//! The card *On this network*: the sessions announced here.

use std::time::{Duration, SystemTime};

use egui::text::{LayoutJob, TextFormat};
use egui::{Align, FontId, Label, Layout, RichText, Role, Ui, UiBuilder};

use super::dialogs::{Dialog, Dialogs};
use super::format;
use super::gates;
use super::icons::Icon;
use super::share::eye;
use super::theme::{CONTROL_HEIGHT, TEXT_SMALL, tokens};
use super::veil::Veil;
use super::widgets::{button, caption, card, card_title, explain, icon};
use crate::backend::{Action, NearbyHost, View};

/// As many are listed: more would be noise, or somebody's prank.
const LISTED: usize = 24;
/// Ages are told anew so often.
const AGES_EVERY: Duration = Duration::from_secs(60);
/// Said wherever nobody is listed.
const TYPE_IT: &str = "Typing or pasting an address works all the same.";

/// Paints the card.
pub(crate) fn ui(
    ui: &mut Ui,
    view: &View,
    veil: &mut Veil,
    actions: &mut Vec<Action>,
    dialogs: &mut Dialogs,
) {
    card(ui, |ui| {
        title(ui, view, veil);
        let veil = *veil;
        let hosts = &view.nearby.hosts;
        for host in hosts.iter().take(LISTED) {
            entry(ui, view, host, veil, actions, dialogs);
        }
        if hosts.len() > LISTED {
            caption(ui, format!("{} more are not listed", hosts.len() - LISTED));
        }
        let hosts_here = view.share.is_some();
        if let Some(why) = &view.nearby.off {
            caption(ui, format!("{} {TYPE_IT}", veil.within(why)));
        } else if hosts.is_empty() && !hosts_here {
            caption(
                ui,
                format!(
                    "Nobody announces a session here now. One in another network, in a VPN or hosted with \
                     another program is not seen. {TYPE_IT}"
                ),
            );
        }
        if hosts_here && !view.settings.announce {
            caption(
                ui,
                "Your session is not announced here: colleagues need your address or invite.",
            );
            if button(ui, true, "Announce it", 0.0).clicked() {
                actions.push(Action::SetAnnounce(true));
            }
        } else if hosts_here && hosts.is_empty() && view.nearby.off.is_none() {
            caption(ui, "Nobody else announces a session here now.");
        }
    });
}

fn title(ui: &mut Ui, view: &View, veil: &mut Veil) {
    if view.share.is_some() {
        // The Share card above has the eye.
        card_title(ui, "On this network");
        return;
    }
    ui.horizontal(|ui| {
        ui.scope(|ui| {
            ui.set_width(ui.available_width() - CONTROL_HEIGHT - 8.0);
            card_title(ui, "On this network");
        });
        eye(ui, veil);
    });
}

fn entry(
    ui: &mut Ui,
    view: &View,
    host: &NearbyHost,
    veil: Veil,
    actions: &mut Vec<Action>,
    dialogs: &mut Dialogs,
) {
    let tokens = tokens(ui);
    ui.request_repaint_after(AGES_EVERY);
    let lines = lines(host, veil, SystemTime::now());
    let item = UiBuilder::new()
        .accessibility_role(Role::ListItem)
        .accessibility_label(format!("{}, {}", host.name, lines.join(", ")))
        .id_salt(&host.id);
    ui.add_space(2.0);
    ui.scope_builder(item, |ui| {
        ui.horizontal_top(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                control(ui, view, host, actions, dialogs);
                ui.with_layout(Layout::top_down(Align::Min), |ui| {
                    ui.spacing_mut().item_spacing.y = 1.0;
                    ui.add(Label::new(RichText::new(&host.name).color(tokens.text)).truncate());
                    for line in &lines {
                        let words = RichText::new(line).size(TEXT_SMALL).color(tokens.dim);
                        ui.add(Label::new(words).truncate());
                    }
                });
            });
        });
        if host.silent {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                icon(ui, Icon::Warning, 12.0, tokens.warning);
                let words = "Does not answer: it may have ended, or a firewall is in the way";
                let words = RichText::new(words).size(TEXT_SMALL).color(tokens.warning);
                ui.add(Label::new(words).wrap());
            });
        }
    });
}

fn control(
    ui: &mut Ui,
    view: &View,
    host: &NearbyHost,
    actions: &mut Vec<Action>,
    dialogs: &mut Dialogs,
) {
    ui.spacing_mut().button_padding.x = 10.0;
    if host.is_ours {
        let change = button(ui, true, "Change…", 0.0)
            .accessible_name("Change what your session is called…")
            .on_hover_text("What it is called, and whether it is announced");
        if change.clicked() {
            dialogs.open(Dialog::Settings);
        }
        return;
    }
    let gate = gates::connect_nearby(view);
    let connect = button(ui, gate.is_ok(), "Connect", 0.0)
        .accessible_name(format!("Connect to {}", host.name));
    let connect = explain(connect, gate.err().as_deref());
    let connect = if host.version.is_empty() {
        connect
    } else {
        connect.on_hover_text(format!("Hosted with Mixdesk {}", host.version))
    };
    if connect.clicked() {
        actions.push(Action::ConnectNearby(host.id.clone()));
    }
}

/// What is told of a session below its name.
fn lines(host: &NearbyHost, veil: Veil, now: SystemTime) -> Vec<String> {
    let figures = figures(host);
    if host.is_ours {
        let ours = "Your session, as others see it".to_owned();
        return std::iter::once(ours).chain(figures).collect();
    }
    let age = now.duration_since(host.since).unwrap_or_default();
    let place = format!("{} · {}", veil.over(&host.address), format::age(age));
    let mut lines: Vec<_> = std::iter::once(place).chain(figures).collect();
    if host.asks {
        lines.push("Its host is asked first".to_owned());
    }
    lines
}

/// `5 people · 2 rooms`, as far as that is told.
fn figures(host: &NearbyHost) -> Option<String> {
    let people = host.people.map(|people| format::people(people as usize));
    let rooms = host.rooms.map(|rooms| format::rooms(u64::from(rooms)));
    let told: Vec<_> = people.into_iter().chain(rooms).collect();
    (!told.is_empty()).then(|| told.join(" · "))
}

/// Paints the first of the sessions announced here, in one line for the first picture.
pub(crate) fn first_line(ui: &mut Ui, view: &View, actions: &mut Vec<Action>) {
    let mut others = view
        .nearby
        .hosts
        .iter()
        .filter(|host| !host.is_ours && !host.silent);
    let Some(host) = others.next() else {
        return;
    };
    let tokens = tokens(ui);
    let people = host.people.map(|people| format::people(people as usize));
    let mut figures = people.map_or_else(String::new, |people| format!(" · {people}"));
    let more = others.count();
    if more > 0 {
        figures.push_str(&format!(" · {more} more at the left"));
    }
    let mut words = LayoutJob::default();
    for (part, color) in [
        ("Found on this network: ", tokens.dim),
        (&host.name, tokens.text),
        (&figures, tokens.dim),
    ] {
        let font = FontId::proportional(TEXT_SMALL);
        words.append(part, 0.0, TextFormat::simple(font, color));
    }
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let gate = gates::connect_nearby(view);
            let join = button(ui, gate.is_ok(), "Connect", 0.0)
                .accessible_name(format!("Connect to {}, found on this network", host.name));
            if explain(join, gate.err().as_deref()).clicked() {
                actions.push(Action::ConnectNearby(host.id.clone()));
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(words).truncate());
            });
        });
    });
}
