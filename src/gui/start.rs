//! The first picture: host a session, or join one.

use std::time::Duration;

use egui::{
    Align, Key, Label, Layout, ProgressBar, Rect, RichText, ScrollArea, TextEdit, Ui, UiBuilder,
    pos2, vec2,
};

use super::format;
use super::host::{MAX_PASTED_CHARS, caption as host_caption, parse_host};
use super::nearby;
use super::theme::{self, TEXT_HERO, TEXT_TITLE, tokens};
use super::veil::Veil;
use super::widgets::{button, caption, card, explain, field, field_error, primary};
use crate::backend::{Action, BringingBack, DEFAULT_PORT, Status, View};

/// Space around the cards, in points.
const GAP: f32 = theme::GAP as f32;
/// Width of one card, in points.
const CARD_WIDTH: f32 = 292.0;
/// About the height of the cards, to put them in the middle, in points.
const CARDS_HEIGHT: f32 = 160.0;

/// What is being typed into the Join card.
#[derive(Debug, Default)]
pub(crate) struct Start {
    address: String,
}

impl Start {
    /// Paints the cards, or what is being connected to. Hosting takes `port`, as the Port field says.
    pub(crate) fn ui(
        &mut self,
        ui: &mut Ui,
        view: &View,
        veil: Veil,
        port: Option<u16>,
        actions: &mut Vec<Action>,
    ) {
        let area = ui.available_rect_before_wrap();
        let side_by_side = area.width() >= 2.0 * CARD_WIDTH + 3.0 * GAP;
        let connecting = matches!(view.status, Status::Connecting { .. });
        let one_card = connecting || !side_by_side;
        let width = if one_card {
            CARD_WIDTH + 60.0
        } else {
            2.0 * CARD_WIDTH + GAP
        }
        .min(area.width() - 2.0 * GAP);
        let height = if side_by_side || connecting {
            CARDS_HEIGHT
        } else {
            2.0 * CARDS_HEIGHT + GAP
        } + 60.0;
        // A little above the middle, as the eye takes that for the middle.
        let top = area.top() + ((area.height() - height) * 0.45).max(GAP);
        let left = area.center().x - width / 2.0;
        let rect = Rect::from_min_max(
            pos2(left.round(), top.round()),
            pos2((left + width).round(), area.bottom()),
        );
        ui.scope_builder(
            UiBuilder::new()
                .max_rect(rect)
                .layout(Layout::top_down(Align::Min)),
            |ui| {
                // A long failure above may leave too little height.
                ScrollArea::vertical().show(ui, |ui| {
                    let color = tokens(ui).text;
                    ui.vertical_centered(|ui| {
                        ui.label(
                            RichText::new("Work in Blender together")
                                .size(TEXT_HERO)
                                .color(color),
                        );
                    });
                    ui.add_space(GAP);
                    ui.spacing_mut().item_spacing = vec2(GAP, GAP);
                    if let Some(bringing_back) = &view.bringing_back {
                        bringing_back_card(ui, bringing_back, actions);
                    } else if let Status::Connecting { target } = &view.status {
                        connecting_card(ui, &veil.over(target), actions);
                    } else if side_by_side {
                        ui.columns_const(|[host, join]| {
                            host_card(host, port, actions);
                            self.join_card(join, veil, actions);
                        });
                    } else {
                        host_card(ui, port, actions);
                        self.join_card(ui, veil, actions);
                    }
                    if view.status == Status::Offline {
                        nearby::first_line(ui, view, actions);
                    }
                });
            },
        );
        ui.advance_cursor_after_rect(area);
    }

    fn join_card(&mut self, ui: &mut Ui, veil: Veil, actions: &mut Vec<Action>) {
        titled(
            ui,
            "Join a session",
            "Paste what your colleague sent you: an address, an invite, or the whole message.",
            |ui| {
                let typed = !self.address.trim().is_empty();
                let read = parse_host(&self.address);
                let wrong = read.as_ref().err().copied();
                let shown = wrong.filter(|_| typed);
                ui.horizontal(|ui| {
                    let edit = TextEdit::singleline(&mut self.address)
                        .desired_width(ui.available_width() - 72.0)
                        .char_limit(MAX_PASTED_CHARS)
                        .password(veil.down)
                        .hint_text("192.168.0.48");
                    let response = field(ui, edit, true, shown).accessible_name("Address to join");
                    let enter =
                        response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
                    let join = button(ui, wrong.is_none(), "Join", 64.0);
                    let why = if typed {
                        wrong
                    } else {
                        Some("Type or paste an address first")
                    };
                    let clicked = explain(join, why.filter(|_| wrong.is_some())).clicked();
                    if wrong.is_none() && (clicked || enter) {
                        actions.push(Action::Connect {
                            host: self.address.trim().to_owned(),
                            port: DEFAULT_PORT,
                        });
                    }
                });
                if let Some(wrong) = shown {
                    field_error(ui, wrong);
                } else if let (true, Ok(read)) = (typed, &read) {
                    caption(ui, veil.within(&host_caption(read, &self.address)));
                }
            },
        );
    }
}

fn host_card(ui: &mut Ui, port: Option<u16>, actions: &mut Vec<Action>) {
    let words = "This computer becomes the server. You get an address to give to your colleagues.";
    titled(ui, "Host a session", words, |ui| {
        let width = ui.available_width();
        if primary(ui, true, "Host a session", width).clicked() {
            let port = port.unwrap_or(DEFAULT_PORT);
            actions.push(Action::Connect {
                host: "localhost".to_owned(),
                port,
            });
        }
    });
}

fn connecting_card(ui: &mut Ui, target: &str, actions: &mut Vec<Action>) {
    titled(
        ui,
        &format!("Connecting to {target}…"),
        "This takes a few seconds at most.",
        |ui| stop_button(ui, "Stop connecting", actions),
    );
}

fn bringing_back_card(ui: &mut Ui, work: &BringingBack, actions: &mut Vec<Action>) {
    let words = "They were open when Mixdesk last ended unexpectedly. \
                 If you stop, they are kept for the next time.";
    titled(ui, "Bringing back rooms", words, |ui| {
        // Rate and time left change even when no byte is read.
        ui.request_repaint_after(Duration::from_secs(1));
        let BringingBack {
            done_bytes: done,
            total_bytes: total,
            since,
        } = *work;
        let bar = ProgressBar::new(format::share(done, total))
            .desired_height(6.0)
            .fill(tokens(ui).accent);
        ui.add(bar).accessible_name("Bringing back rooms");
        caption(ui, format::progress(done, total, since.elapsed()));
        stop_button(ui, "Stop bringing back rooms", actions);
    });
}

fn stop_button(ui: &mut Ui, name: &str, actions: &mut Vec<Action>) {
    if button(ui, true, "Stop", 0.0)
        .accessible_name(name)
        .clicked()
    {
        actions.push(Action::Disconnect);
    }
}

fn titled(ui: &mut Ui, title: &str, words: &str, content: impl FnOnce(&mut Ui)) {
    card(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(8.0, 8.0);
        let color = tokens(ui).text;
        ui.add(Label::new(RichText::new(title).size(TEXT_TITLE).color(color)).truncate());
        ui.with_layout(Layout::top_down(Align::Min), |ui| {
            // Two lines for both cards, so that their buttons stand level.
            ui.set_min_height(36.0);
            caption(ui, words);
        });
        ui.add_space(2.0);
        content(ui);
    });
}
