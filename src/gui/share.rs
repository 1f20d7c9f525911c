//! The card shown while hosting: what to tell colleagues.

use std::time::Duration;

use egui::{Align, Button, Event, Label, Layout, Response, RichText, Sense, Ui, vec2};

use super::host::address;
use super::icons::Icon;
use super::theme::{CONTROL_HEIGHT, TEXT_ADDRESS, TEXT_SMALL, TEXT_TITLE, tokens};
use super::widgets::{caption, card, icon_button, primary};
use crate::backend::{Address, DEFAULT_PORT, Share};

/// How long "Copied" is shown, in seconds.
const COPIED_SECONDS: f64 = 2.0;
/// What stands for an address while addresses are hidden.
const DOTS: &str = "••••••••";
/// Longer addresses, such as IPv6, do not fit the card in large type, in characters.
const LARGE_TYPE_CHARS: usize = 17;

/// What the Share card remembers.
#[derive(Debug, Default)]
pub(crate) struct SharePanel {
    hidden: bool,
    /// The text last copied, and when: time of the window in seconds.
    copied: Option<(String, f64)>,
}

impl SharePanel {
    /// Whether addresses are hidden, everywhere in the window.
    pub(crate) fn hides_addresses(&self) -> bool {
        self.hidden
    }

    /// Paints the card.
    pub(crate) fn ui(&mut self, ui: &mut Ui, share: &Share) {
        self.forget_copied(ui);
        card(ui, |ui| {
            self.title(ui);
            let primary = share.primary();
            match primary {
                Some(best) => self.best(ui, best, share.port),
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
            let others = share.addresses.iter().skip(usize::from(primary.is_some()));
            if others.len() > 0 {
                ui.separator();
                ui.spacing_mut().item_spacing.y = 2.0;
                for other in others {
                    self.other(ui, other, share.port);
                }
            }
        });
    }

    fn title(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            let color = tokens(ui).dim;
            let words = RichText::new("Give this address to your colleagues")
                .size(TEXT_SMALL)
                .color(color);
            ui.scope(|ui| {
                ui.set_width(ui.available_width() - CONTROL_HEIGHT - 8.0);
                ui.add(Label::new(words).wrap());
            });
            let (icon, name) = if self.hidden {
                (Icon::EyeOff, "Show addresses")
            } else {
                (Icon::Eye, "Hide addresses")
            };
            if icon_button(ui, icon, name, true).clicked() {
                self.hidden = !self.hidden;
            }
        });
    }

    fn best(&mut self, ui: &mut Ui, best: &Address, port: u16) {
        let text = address(best.ip, port, DEFAULT_PORT);
        let shown = self.shown(&text);
        let size = if shown.chars().count() > LARGE_TYPE_CHARS {
            TEXT_TITLE
        } else {
            TEXT_ADDRESS
        };
        let color = tokens(ui).text;
        ui.add(Label::new(RichText::new(shown).size(size).color(color)).wrap());
        let words = if self.was_copied(&text) {
            "Copied"
        } else {
            "Copy address"
        };
        let width = ui.available_width();
        let response = primary(ui, true, words, width).accessible_name("Copy address");
        self.copy_on(ui, &response, &text);
    }

    fn other(&mut self, ui: &mut Ui, other: &Address, port: u16) {
        let text = address(other.ip, port, DEFAULT_PORT);
        let tokens = tokens(ui);
        let words = if self.was_copied(&text) {
            "Copied".to_owned()
        } else {
            self.shown(&text)
        };
        ui.spacing_mut().interact_size.y = 26.0;
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().button_padding = vec2(1.0, 2.0);
                let button =
                    Button::new(RichText::new(words).color(tokens.text)).frame_when_inactive(false);
                let response = ui
                    .add(button)
                    .accessible_name(format!("Copy {} address", other.label))
                    .on_hover_text("Click to copy");
                self.copy_on(ui, &response, &text);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let label = RichText::new(&other.label)
                        .size(TEXT_SMALL)
                        .color(tokens.dim);
                    ui.add(Label::new(label).truncate().sense(Sense::hover()));
                });
            });
        });
    }

    fn copy_on(&mut self, ui: &Ui, response: &Response, text: &str) {
        let asked_by_key =
            response.has_focus() && ui.input(|input| input.events.contains(&Event::Copy));
        if response.clicked() || asked_by_key {
            ui.ctx().copy_text(text.to_owned());
            self.copied = Some((text.to_owned(), ui.input(|input| input.time)));
            ui.request_repaint_after(Duration::from_secs_f64(COPIED_SECONDS));
        }
    }

    fn forget_copied(&mut self, ui: &Ui) {
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

    fn was_copied(&self, text: &str) -> bool {
        self.copied
            .as_ref()
            .is_some_and(|(copied, _)| copied == text)
    }

    fn shown(&self, text: &str) -> String {
        if self.hidden {
            DOTS.to_owned()
        } else {
            text.to_owned()
        }
    }
}
