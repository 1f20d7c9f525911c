//! What takes long: how far it is, and Stop.

use std::time::{Duration, Instant};

use egui::{Align, Label, Layout, ProgressBar, RichText, Ui};

use super::format;
use super::theme::{TEXT_SMALL, tokens};
use super::widgets::button;
use crate::backend::{Action, Membership, Transfer, TransferDirection, View};

/// Height of one line of progress, in points.
pub(crate) const HEIGHT: f32 = 56.0;

/// One thing under way.
struct Work {
    title: String,
    done_bytes: u64,
    total_bytes: u64,
    since: Instant,
    stop: Action,
    stop_name: &'static str,
}

/// How many lines [`ui`] will paint.
pub(crate) fn lines(view: &View) -> usize {
    usize::from(matches!(view.membership, Membership::Joining { .. }))
        + usize::from(view.transfer.is_some())
}

/// Paints joining, and a save or restore, while they go on.
pub(crate) fn ui(ui: &mut Ui, view: &View, actions: &mut Vec<Action>) {
    if let Membership::Joining {
        room,
        received_bytes,
        total_bytes,
        since,
    } = &view.membership
    {
        let work = Work {
            title: format!("Joining {room}"),
            done_bytes: *received_bytes,
            total_bytes: *total_bytes,
            since: *since,
            stop: Action::LeaveRoom,
            stop_name: "Stop joining",
        };
        line(ui, work, actions);
    }
    if let Some(Transfer {
        direction,
        room,
        done_bytes,
        total_bytes,
        since,
    }) = &view.transfer
    {
        let (verb, stop_name) = match direction {
            TransferDirection::Save => ("Saving", "Stop saving"),
            TransferDirection::Restore => ("Restoring", "Stop restoring"),
        };
        let work = Work {
            title: format!("{verb} {room}"),
            done_bytes: *done_bytes,
            total_bytes: *total_bytes,
            since: *since,
            stop: Action::StopTransfer,
            stop_name,
        };
        line(ui, work, actions);
    }
}

fn line(ui: &mut Ui, work: Work, actions: &mut Vec<Action>) {
    let tokens = tokens(ui);
    // Rate and time left change even when no byte arrives.
    ui.request_repaint_after(Duration::from_secs(1));
    ui.horizontal(|ui| {
        ui.set_height(HEIGHT);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if button(ui, true, "Stop", 0.0)
                .accessible_name(work.stop_name)
                .clicked()
            {
                actions.push(work.stop);
            }
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                ui.spacing_mut().item_spacing.y = 5.0;
                ui.add_space(8.0);
                let figures =
                    format::progress(work.done_bytes, work.total_bytes, work.since.elapsed());
                ui.horizontal(|ui| {
                    ui.scope(|ui| {
                        ui.set_max_width(ui.available_width() * 0.4);
                        ui.add(
                            Label::new(RichText::new(&work.title).color(tokens.text)).truncate(),
                        );
                    });
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        ui.add(
                            Label::new(RichText::new(figures).size(TEXT_SMALL).color(tokens.dim))
                                .truncate(),
                        );
                    });
                });
                let bar = ProgressBar::new(format::share(work.done_bytes, work.total_bytes))
                    .desired_height(6.0)
                    .fill(tokens.accent);
                ui.add(bar).accessible_name(work.title);
            });
        });
    });
}
