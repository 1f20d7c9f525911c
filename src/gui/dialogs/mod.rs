//! What stands in front of the window until it is answered. One at a time.

mod delete_room;
mod doctor;
mod forget_room;
mod help;
mod log;
mod quit;
mod settings;
mod stop_hosting;

use egui::{
    Align, Context, CornerRadius, Frame, Id, Label, Layout, Margin, Modal, Response, RichText,
    Stroke, Ui,
};

use self::log::Log;
use self::settings::SettingsDialog;
pub(crate) use self::stop_hosting::ends_something;
use super::copier::Copier;
use super::theme::{RADIUS_LARGE, TEXT_TITLE, tokens};
use super::veil::Veil;
use super::widgets::{button, danger};
use crate::backend::{Action, RecentRoom, View};

/// What can stand in front of the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dialog {
    /// Asks before others are cut off.
    StopHosting,
    /// Asks before a room ends for everybody.
    DeleteRoom(String),
    /// Asks before a recent room is removed for good.
    ForgetRoom(RecentRoom),
    /// Asks before others are cut off by closing the window.
    Quit,
    /// How to host and join, and the keys.
    Help,
    /// What happened.
    Log,
    /// What our sessions are called, and who hears of them.
    Settings,
    /// What a check of the connection to a host has found, or of whether we can be reached.
    Doctor(Option<String>),
}

/// The dialog shown, if any.
#[derive(Debug, Default)]
pub(crate) struct Dialogs {
    shown: Option<Dialog>,
    /// Just opened: the keyboard goes to its first control.
    fresh: bool,
    log: Log,
    settings: SettingsDialog,
    /// Something else came up in place of a check's findings.
    left_doctor: bool,
}

/// What came of one frame of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// None yet.
    Open,
    /// No, or done.
    Close,
    /// Yes.
    Confirm,
}

impl Dialogs {
    /// Shows `dialog` in place of any other.
    pub(crate) fn open(&mut self, dialog: Dialog) {
        self.fresh = self.shown.as_ref() != Some(&dialog);
        let leaves = |shown: &Dialog| matches!(shown, Dialog::Doctor(_));
        self.left_doctor |= self.fresh && self.shown.as_ref().is_some_and(leaves);
        self.shown = Some(dialog);
    }

    /// Paints the dialog shown. Whether the program is to end, as was just confirmed.
    pub(crate) fn ui(
        &mut self,
        context: &Context,
        view: &View,
        (veil, copier): (Veil, &mut Copier),
        actions: &mut Vec<Action>,
    ) -> bool {
        if self.shown != Some(Dialog::Settings) {
            self.settings.send(actions);
        }
        if std::mem::take(&mut self.left_doctor) && !matches!(self.shown, Some(Dialog::Doctor(_))) {
            actions.push(Action::CloseDoctor);
        }
        let Some(dialog) = self.shown.clone() else {
            return false;
        };
        let fresh = std::mem::take(&mut self.fresh);
        let response = Modal::new(Id::unique("dialog"))
            .frame(frame(context))
            .show(context, |ui| match &dialog {
                Dialog::StopHosting => stop_hosting::ui(ui, view, fresh),
                Dialog::DeleteRoom(room) => delete_room::ui(ui, view, room, fresh),
                Dialog::ForgetRoom(room) => forget_room::ui(ui, room, fresh),
                Dialog::Quit => quit::ui(ui, view, fresh),
                Dialog::Help => help::ui(ui, fresh),
                Dialog::Log => self.log.ui(ui, view, veil, actions, fresh),
                Dialog::Settings => self.settings.ui(ui, view, actions, fresh),
                Dialog::Doctor(of) => {
                    doctor::ui(ui, view, of.as_deref(), (veil, copier), actions, fresh)
                }
            });
        let close = response.should_close();
        match (response.inner, dialog) {
            (Answer::Open, _) if !close => return false,
            (Answer::Confirm, Dialog::StopHosting) => actions.push(Action::Disconnect),
            (Answer::Confirm, Dialog::DeleteRoom(room)) => actions.push(Action::DeleteRoom(room)),
            (Answer::Confirm, Dialog::ForgetRoom(room)) => {
                actions.push(Action::ForgetRecentRoom(room.id));
            }
            (Answer::Confirm, Dialog::Quit) => {
                self.shown = None;
                return true;
            }
            (_, Dialog::Doctor(_)) => actions.push(Action::CloseDoctor),
            (_, Dialog::Settings) => self.settings.send(actions),
            _ => {}
        }
        self.shown = None;
        false
    }
}

/// Starts a check of the connection to a host, or of whether we can be reached, and shows what it finds.
pub(crate) fn check_connection(
    of: Option<String>,
    actions: &mut Vec<Action>,
    dialogs: &mut Dialogs,
) {
    actions.push(Action::RunDoctor(of.clone()));
    dialogs.open(Dialog::Doctor(of));
}

fn frame(context: &Context) -> Frame {
    let visuals = &context.global_style().visuals.clone();
    Frame::new()
        .fill(visuals.window_fill)
        .stroke(Stroke::new(1.0, visuals.window_stroke.color))
        .corner_radius(CornerRadius::same(RADIUS_LARGE))
        .shadow(visuals.window_shadow)
        .inner_margin(Margin::same(20))
}

fn title(ui: &mut Ui, text: &str) {
    let color = tokens(ui).text;
    ui.add(Label::new(RichText::new(text).size(TEXT_TITLE).color(color)).wrap());
}

/// A question whose Yes takes something away. The keyboard starts at the harmless answer.
fn question(ui: &mut Ui, fresh: bool, ask: &str, explain: &str, no: &str, yes: &str) -> Answer {
    ui.set_width(380.0);
    title(ui, ask);
    let color = tokens(ui).dim;
    ui.add(Label::new(RichText::new(explain).color(color)).wrap());
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        let no = button(ui, true, no, 0.0);
        focus(&no, fresh);
        if no.clicked() {
            return Answer::Close;
        }
        if danger(ui, true, yes).clicked() {
            Answer::Confirm
        } else {
            Answer::Open
        }
    })
    .inner
}

/// Paints a Close button at the right.
fn close_button(ui: &mut Ui, fresh: bool) -> Answer {
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let close = button(ui, true, "Close", 0.0);
        focus(&close, fresh);
        if close.clicked() {
            Answer::Close
        } else {
            Answer::Open
        }
    })
    .inner
}

fn focus(response: &Response, fresh: bool) {
    if fresh {
        response.request_focus();
    }
}
