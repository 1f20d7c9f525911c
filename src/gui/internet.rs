//! The part of the Share card about people from the internet: the switch, and what came of it.

use egui::{CornerRadius, Frame, Label, Layout, Margin, RichText, Ui};

use super::copier::Copier;
use super::icons::Icon;
use super::share::address_line;
use super::switch::switch;
use super::theme::{RADIUS, TEXT_SMALL, tokens};
use super::veil::Veil;
use super::widgets::{button, caption, icon};
use crate::backend::{Action, ByHand, Internet, PublicAddress, Share, View};

/// The one switch.
pub(crate) const SWITCH: &str = "Let people from the internet connect";

/// Paints it.
pub(crate) fn ui(
    ui: &mut Ui,
    view: &View,
    share: &Share,
    veil: Veil,
    copier: &mut Copier,
    actions: &mut Vec<Action>,
) {
    let wanted = view.settings.internet;
    match &share.internet {
        Internet::Open { address, .. } => address_line(ui, "Internet", address, veil, copier),
        _ => public_line(ui, &share.public, veil, copier),
    }
    ui.add_space(2.0);
    if switch(ui, wanted, SWITCH).clicked() {
        actions.push(Action::SetInternet(!wanted));
    }
    let tokens = tokens(ui);
    ui.spacing_mut().item_spacing.y = 6.0;
    match &share.internet {
        Internet::Off => {}
        Internet::Asking => told(ui, Icon::Dots, tokens.accent, "Asking the router…"),
        Internet::Open { what, advice, .. } => {
            told(ui, Icon::Check, tokens.ok, what);
            if let Some(advice) = advice {
                caption(ui, veil.within(advice));
            }
        }
        Internet::Blocked {
            what,
            advice,
            by_hand,
        } => {
            told(ui, Icon::Warning, tokens.warning, &veil.within(what));
            caption(ui, veil.within(advice));
            if let Some(by_hand) = by_hand {
                forwarding(ui, by_hand, veil, copier);
                find_public(ui, &share.public, veil, actions);
            }
        }
    }
    ui.add_space(2.0);
}

/// Paints the public address, once it is known.
fn public_line(ui: &mut Ui, public: &PublicAddress, veil: Veil, copier: &mut Copier) {
    if let PublicAddress::Known { address } = public {
        address_line(ui, "Public address", address, veil, copier);
    }
}

fn told(ui: &mut Ui, picture: Icon, color: egui::Color32, words: &str) {
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 7.0;
        icon(ui, picture, 13.0, color);
        ui.add(Label::new(RichText::new(words).size(TEXT_SMALL).color(color)).wrap());
    });
}

/// Paints the numbers to type into the router.
fn forwarding(ui: &mut Ui, by_hand: &ByHand, veil: Veil, copier: &mut Copier) {
    let tokens = tokens(ui);
    let line = by_hand.line();
    let small = |text: &str| RichText::new(text).size(TEXT_SMALL);
    Frame::new()
        .fill(tokens.background)
        .corner_radius(CornerRadius::same(RADIUS))
        .inner_margin(Margin::symmetric(10, 8))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = 3.0;
            ui.spacing_mut().interact_size.y = 0.0;
            let title = "Port forwarding, to type into the router";
            ui.add(Label::new(small(title).color(tokens.text)).wrap());
            let (outside, port) = (by_hand.outside.to_string(), by_hand.port.to_string());
            for (name, value) in [
                ("Protocol", by_hand.protocol),
                ("Outside port", &outside),
                ("To this computer", &veil.over(&by_hand.inside)),
                ("Port there", &port),
            ] {
                ui.horizontal(|ui| {
                    ui.label(small(name).color(tokens.dim));
                    ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
                        ui.add(Label::new(small(value).color(tokens.text)).truncate());
                    });
                });
            }
            ui.add_space(3.0);
            ui.spacing_mut().button_padding.y = 3.0;
            let words = copier.words(&line, "Copy these numbers");
            let copy = ui
                .button(small(words).color(tokens.text))
                .accessible_name("Copy these numbers");
            copier.on(ui, &copy, &line);
        });
}

/// Paints the button that asks for the public address, and why there is none.
fn find_public(ui: &mut Ui, public: &PublicAddress, veil: Veil, actions: &mut Vec<Action>) {
    let (asking, words) = match public {
        PublicAddress::Asking => (true, "Asking…"),
        _ => (false, "Find my public address"),
    };
    if let PublicAddress::Unknown(why) = public {
        let color = tokens(ui).warning;
        told(ui, Icon::Warning, color, &veil.within(&why.what));
        caption(ui, veil.within(&why.advice));
    }
    if !matches!(public, PublicAddress::Known { .. }) {
        let width = ui.available_width();
        let find = button(ui, !asking, words, width)
            .accessible_name("Find my public address")
            .on_hover_text("Asks a server on the internet how it sees this network");
        if find.clicked() {
            actions.push(Action::FindPublicAddress);
        }
    }
}
