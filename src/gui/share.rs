//! The card shown while hosting: what to tell colleagues.

use egui::{
    Align, Button, Label, Layout, RichText, Sense, TextStyle, TextWrapMode, Ui, WidgetText, vec2,
};

use super::attempts::Attempts;
use super::copier::Copier;
use super::dialogs::{Dialogs, check_connection};
use super::icons::Icon;
use super::internet;
use super::switch::disclosure;
use super::theme::{CONTROL_HEIGHT, TEXT_ADDRESS, TEXT_SMALL, TEXT_TITLE, tokens};
use super::veil::Veil;
use super::widgets::{button, caption, card, describe, explain, icon_button, link, primary};
use crate::backend::{Action, Address, Share, View, as_typed};

/// Longer addresses, such as IPv6, do not fit the card in large type, in characters.
const LARGE_TYPE_CHARS: usize = 17;

/// What the Share card remembers.
#[derive(Debug, Default)]
pub(crate) struct SharePanel {
    /// The addresses that are not for colleagues are shown.
    others_are_open: bool,
    attempts: Attempts,
}

impl SharePanel {
    /// Paints the card.
    pub(crate) fn ui(
        &mut self,
        ui: &mut Ui,
        view: &View,
        share: &Share,
        (veil, copier): (&mut Veil, &mut Copier),
        actions: &mut Vec<Action>,
        dialogs: &mut Dialogs,
    ) {
        card(ui, |ui| {
            title(ui, veil);
            let veil = *veil;
            let best = share.primary();
            match best {
                Some(best) => large(ui, best, share.port, veil),
                None if share.addresses.is_empty() => caption(
                    ui,
                    "This computer has no network at the moment, so only programs on this computer can connect. \
                     Join a network, and the address appears here.",
                ),
                None => caption(
                    ui,
                    "None of this computer's addresses can be reached by colleagues.",
                ),
            }
            copy_buttons(ui, share, copier);
            ui.separator();
            ui.spacing_mut().item_spacing.y = 2.0;
            let others = share.addresses.iter().skip(usize::from(best.is_some()));
            let (for_colleagues, not): (Vec<_>, Vec<_>) =
                others.partition(|other| other.for_colleagues);
            for other in for_colleagues {
                line(ui, other, share.port, veil, copier);
            }
            internet::ui(ui, view, share, veil, copier, actions);
            ui.spacing_mut().item_spacing.y = 2.0;
            self.not_for_colleagues(ui, &not, best.is_none(), share.port, veil, copier);
            self.attempts.ui(ui, &view.attempts, veil);
            let check = link(ui, Icon::Pulse, "Why can't they get in?")
                .on_hover_text("Checks this computer, its firewall and the router");
            if check.clicked() {
                check_connection(None, actions, dialogs);
            }
        });
    }

    /// What stands on other addresses, if anything does; closed, as nobody is to be given them.
    fn not_for_colleagues(
        &mut self,
        ui: &mut Ui,
        not: &[&Address],
        nothing_else: bool,
        port: u16,
        veil: Veil,
        copier: &mut Copier,
    ) {
        if not.is_empty() {
            return;
        }
        if !nothing_else {
            let words = format!("Not for colleagues ({})", not.len());
            let color = tokens(ui).dim;
            disclosure(ui, &mut self.others_are_open, &words, color);
        }
        if nothing_else || self.others_are_open {
            for other in not {
                line(ui, other, port, veil, copier);
            }
        }
    }
}

fn title(ui: &mut Ui, veil: &mut Veil) {
    ui.horizontal(|ui| {
        let color = tokens(ui).dim;
        let words = RichText::new("Give this address to your colleagues")
            .size(TEXT_SMALL)
            .color(color);
        ui.scope(|ui| {
            ui.set_width(ui.available_width() - CONTROL_HEIGHT - 8.0);
            ui.add(Label::new(words).wrap());
        });
        eye(ui, veil);
    });
}

/// Paints the button that hides all addresses in the window, or shows them again.
pub(crate) fn eye(ui: &mut Ui, veil: &mut Veil) {
    let (icon, name) = if veil.down {
        (Icon::EyeOff, "Show addresses")
    } else {
        (Icon::Eye, "Hide addresses")
    };
    if icon_button(ui, icon, name, true).clicked() {
        veil.down = !veil.down;
    }
}

fn large(ui: &mut Ui, best: &Address, port: u16, veil: Veil) {
    let text = as_typed((best.ip, port).into());
    let shown = veil.over(&text);
    let size = if shown.chars().count() > LARGE_TYPE_CHARS {
        TEXT_TITLE
    } else {
        TEXT_ADDRESS
    };
    let color = tokens(ui).text;
    ui.add(Label::new(RichText::new(shown).size(size).color(color)).wrap());
}

fn copy_buttons(ui: &mut Ui, share: &Share, copier: &mut Copier) {
    ui.horizontal(|ui| {
        // Both words fit beside each other in the narrow column, too.
        ui.spacing_mut().button_padding.x = 4.0;
        let width = (ui.available_width() - ui.spacing().item_spacing.x) / 2.0;
        if let Some(best) = share.primary() {
            let text = as_typed((best.ip, share.port).into());
            let words = copier.words(&text, "Copy address");
            let response = primary(ui, true, words, width).accessible_name("Copy address");
            copier.on(ui, &response, &text);
        }
        let has = !share.invite.is_empty();
        let words = if has {
            copier.words(&share.invite, "Copy invite")
        } else {
            "Copy invite"
        };
        let response = button(ui, has, words, width).accessible_name("Copy invite");
        let response = explain(
            response,
            (!has).then_some("There is no address to invite to"),
        )
        .on_hover_text("One line that carries every way in. Your colleague pastes it into Host.");
        if has {
            copier.on(ui, &response, &share.invite);
        }
    });
}

fn line(ui: &mut Ui, other: &Address, port: u16, veil: Veil, copier: &mut Copier) {
    let text = as_typed((other.ip, port).into());
    address_line(ui, &other.label, &text, veil, copier);
}

/// Paints what an address is, and the address, which is copied by a click.
pub(crate) fn address_line(ui: &mut Ui, label: &str, text: &str, veil: Veil, copier: &mut Copier) {
    let tokens = tokens(ui);
    let shown = veil.over(text);
    let words = copier.words(text, &shown).to_owned();
    ui.spacing_mut().interact_size.y = 26.0;
    ui.horizontal(|ui| {
        let gap = ui.spacing().item_spacing.x;
        let words = RichText::new(words).color(tokens.text);
        // A long IPv6 address gives way to what it is.
        let name = WidgetText::from(RichText::new(label).size(TEXT_SMALL).color(tokens.dim));
        let (style, half) = (TextStyle::Small, ui.available_width() * 0.6);
        let name = name.into_galley(ui, Some(TextWrapMode::Truncate), half, style);
        let left = ui.available_width() - name.size().x - gap;
        ui.add(Label::new(name).sense(Sense::hover()));
        ui.allocate_ui_with_layout(
            vec2(left, 26.0),
            Layout::right_to_left(Align::Center),
            |ui| {
                ui.spacing_mut().button_padding = vec2(1.0, 2.0);
                let button = Button::new(words).frame_when_inactive(false).truncate();
                let kind = label.strip_suffix(" address").unwrap_or(label);
                let response = ui
                    .add(button)
                    .accessible_name(format!("Copy {kind} address"))
                    .on_hover_text(format!("{shown}: click to copy"));
                describe(&response, &shown);
                copier.on(ui, &response, text);
            },
        );
    });
}
