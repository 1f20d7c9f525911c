//! News at the bottom right, gone after a while.

use std::time::Duration;

use egui::{
    Align2, Area, Context, CornerRadius, Frame, Id, Label, Margin, Order, RichText, Role, Stroke,
    Ui, UiBuilder, vec2,
};

use super::icons::Icon;
use super::theme::{RADIUS_LARGE, tokens};
use super::veil::Veil;
use super::widgets::{icon, icon_button};
use crate::backend::{Level, Notice};

/// How long news stay, in seconds.
const SECONDS: f64 = 5.0;
/// How long bad news stay, in seconds.
const SECONDS_ERROR: f64 = 12.0;
/// More would cover the window; the log has them all.
const AT_ONCE: usize = 4;
/// Space around, in points.
const EDGE: f32 = 16.0;
/// Width of the words, in points.
const WIDTH: f32 = 280.0;

/// The news shown now.
#[derive(Debug, Default)]
pub(crate) struct Toasts {
    shown: Vec<Toast>,
    next: u64,
}

#[derive(Debug)]
struct Toast {
    number: u64,
    notice: Notice,
    /// Time of the window when it goes, in seconds.
    until: f64,
}

impl Toasts {
    /// Shows a notice from `now` on, the time of the window in seconds.
    pub(crate) fn push(&mut self, notice: Notice, now: f64) {
        let seconds = if notice.level == Level::Error {
            SECONDS_ERROR
        } else {
            SECONDS
        };
        self.shown.push(Toast {
            number: self.next,
            notice,
            until: now + seconds,
        });
        self.next += 1;
        if self.shown.len() > AT_ONCE {
            self.shown.remove(0);
        }
    }

    /// Paints the news, and takes away what is over. They stand above the lowest `keep_clear` points.
    pub(crate) fn ui(&mut self, context: &Context, keep_clear: f32, veil: Veil) {
        let now = context.input(|input| input.time);
        self.shown.retain(|toast| toast.until > now);
        let Some(next) = self
            .shown
            .iter()
            .map(|toast| toast.until - now)
            .reduce(f64::min)
        else {
            return;
        };
        context.request_repaint_after(Duration::from_secs_f64(next.max(0.0)));
        let mut closed = None;
        Area::new(Id::unique("toasts"))
            .anchor(Align2::RIGHT_BOTTOM, vec2(-EDGE, -EDGE - keep_clear))
            .order(Order::Foreground)
            .show(context, |ui| {
                for toast in &self.shown {
                    if toast.ui(ui, veil) {
                        closed = Some(toast.number);
                    }
                }
            });
        if closed.is_some() {
            self.shown.retain(|toast| Some(toast.number) != closed);
        }
    }
}

impl Toast {
    /// Paints it; whether it is to be closed.
    fn ui(&self, ui: &mut Ui, veil: Veil) -> bool {
        let tokens = tokens(ui);
        let (picture, color) = match self.notice.level {
            Level::Info => (Icon::Info, tokens.accent),
            Level::Warning => (Icon::Warning, tokens.warning),
            Level::Error => (Icon::Warning, tokens.bad),
        };
        let text = veil.within(&self.notice.text);
        let status = UiBuilder::new()
            .accessibility_role(Role::Status)
            .accessibility_label(text.clone())
            .id_salt(self.number);
        ui.scope_builder(status, |ui| {
            Frame::new()
                .fill(tokens.raised)
                .stroke(Stroke::new(1.0, tokens.line))
                .corner_radius(CornerRadius::same(RADIUS_LARGE))
                .shadow(ui.visuals().popup_shadow)
                .inner_margin(Margin {
                    left: 14,
                    right: 6,
                    top: 4,
                    bottom: 4,
                })
                .show(ui, |ui| {
                    ui.horizontal(|ui| {
                        icon(ui, picture, 15.0, color);
                        ui.scope(|ui| {
                            ui.set_width(WIDTH);
                            ui.add(Label::new(RichText::new(text).color(tokens.text)).wrap());
                        });
                        icon_button(ui, Icon::Cross, "Close this message", true).clicked()
                    })
                    .inner
                })
                .inner
        })
        .inner
    }
}
