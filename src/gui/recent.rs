//! Rooms that ended here and can be brought back: a title that opens and closes, and the list.

use std::time::{Duration, SystemTime};

use egui::{
    Align, Button, EventFilter, Key, Label, Layout, Response, RichText, Role, ScrollArea, Sense,
    Stroke, StrokeKind, Ui, UiBuilder, WidgetInfo, vec2,
};

use super::dialogs::{Dialog, Dialogs};
use super::format;
use super::gates;
use super::icons::Icon;
use super::theme::{TEXT_SMALL, tokens};
use super::widgets::{button, explain};
use crate::backend::{Action, RecentRoom, View};

/// Height of the title, in points.
pub(crate) const TITLE_HEIGHT: f32 = 36.0;
/// Height of a row, in points.
pub(crate) const ROW_HEIGHT: f32 = 38.0;
/// As many rows are shown at once, and a part of the next, so that it is seen that there are more.
const ROWS_AT_ONCE: f32 = 3.4;
/// Space beside the words, as beside those of the rooms, in points.
const EDGE: f32 = 16.0;
/// Width of the buttons of a row, in points.
const BUTTONS_WIDTH: f32 = 174.0;
/// With less than this beside the buttons, size and age stand below the name, in points.
const ONE_LINE: f32 = 320.0;
/// Width of size and age, in points.
const FIGURES_WIDTH: f32 = 148.0;
/// The age of rooms is told anew so often.
const AGES_EVERY: Duration = Duration::from_secs(60);

/// What the list of recent rooms remembers.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// As the user has it; else it is open where there is space.
    opened: Option<bool>,
    /// Where the keyboard is in the list.
    at: usize,
    /// Whether to bring that row into view.
    reveal: bool,
    /// How far the list is scrolled, in points.
    offset: f32,
}

impl Recent {
    /// Whether the list shows, where there is so much space for it.
    pub(crate) fn is_open(&self, view: &View, height: f32) -> bool {
        !view.recent_rooms.is_empty() && self.opened.unwrap_or(height >= ROW_HEIGHT)
    }

    /// Whether the user wants to see it, whatever else goes.
    pub(crate) fn is_asked_for(&self, view: &View) -> bool {
        !view.recent_rooms.is_empty() && self.opened == Some(true)
    }

    /// The height that the list would like to have, in points.
    pub(crate) fn wanted_height(view: &View) -> f32 {
        ROW_HEIGHT * (view.recent_rooms.len() as f32).min(ROWS_AT_ONCE)
    }

    /// Paints the title, and below it the list if that `is_open`.
    pub(crate) fn ui(
        &mut self,
        ui: &mut Ui,
        view: &View,
        is_open: bool,
        actions: &mut Vec<Action>,
        dialogs: &mut Dialogs,
    ) {
        ui.spacing_mut().item_spacing.y = 0.0;
        self.title(ui, view, is_open);
        if is_open {
            self.list(ui, view, actions, dialogs);
        }
    }

    fn title(&mut self, ui: &mut Ui, view: &View, is_open: bool) {
        let tokens = tokens(ui);
        let place = vec2(ui.available_width(), TITLE_HEIGHT);
        let layout = Layout::left_to_right(Align::Center);
        ui.allocate_ui_with_layout(place, layout, |ui| {
            ui.set_min_height(TITLE_HEIGHT);
            ui.add_space(EDGE);
            let title = |text: String| RichText::new(text).size(TEXT_SMALL).color(tokens.dim);
            if view.recent_rooms.is_empty() {
                let days = view.settings.rooms.recent_days;
                let words = format!(
                    "Recent rooms: a room that ends is kept here for {}",
                    self::days(days)
                );
                ui.add(Label::new(title(words)).truncate());
                return;
            }
            let (rect, _) = ui.allocate_exact_size(vec2(12.0, 12.0), Sense::hover());
            let icon = if is_open {
                Icon::ChevronDown
            } else {
                Icon::ChevronRight
            };
            icon.paint(ui.painter(), rect, 12.0, tokens.dim);
            ui.spacing_mut().button_padding = vec2(4.0, 2.0);
            ui.spacing_mut().interact_size.y = 24.0;
            let words = format!("Recent rooms ({})", view.recent_rooms.len());
            let title = ui.add(Button::new(title(words)).frame_when_inactive(false));
            title.ctx.accesskit_node_builder(title.id, |node| {
                node.set_expanded(is_open);
            });
            let what = if is_open {
                "Click to close the list"
            } else {
                "Click to see rooms that ended, and to bring them back"
            };
            if title.on_hover_text(what).clicked() {
                self.opened = Some(!is_open);
            }
        });
    }

    fn list(&mut self, ui: &mut Ui, view: &View, actions: &mut Vec<Action>, dialogs: &mut Dialogs) {
        // Ages change even when nothing else does.
        ui.request_repaint_after(AGES_EVERY);
        let area = ui.available_rect_before_wrap();
        let rooms = &view.recent_rooms;
        // One stop for Tab before the buttons in view; from there the arrow keys walk all rooms.
        let id = ui.scope_id().with("recent rooms");
        let keys = ui.interact(area, id, Sense::focusable_noninteractive());
        keys.widget_info(|| WidgetInfo::labeled(Role::ListBox, true, "Recent rooms"));
        self.walk(ui, &keys, view, actions, dialogs);
        let focused = keys.has_focus();

        let mut scroll = ScrollArea::vertical()
            .id_salt("recent rooms")
            .auto_shrink(false)
            .animated(false);
        if std::mem::take(&mut self.reveal) {
            let top = self.at as f32 * ROW_HEIGHT;
            let lowest = (top + ROW_HEIGHT - area.height()).max(0.0);
            scroll = scroll.vertical_scroll_offset(self.offset.max(lowest).min(top));
        }
        let now = SystemTime::now();
        let scrolled = scroll.show_rows(ui, ROW_HEIGHT, rooms.len(), |ui, rows| {
            for (number, room) in rows.clone().zip(rooms.get(rows).unwrap_or_default()) {
                let is_at = focused && number == self.at;
                row(ui, view, room, is_at, now, actions, dialogs);
            }
        });
        self.offset = scrolled.state.clamped_offset().y;
        if focused {
            let edge = Stroke::new(2.0, tokens(ui).accent);
            ui.painter()
                .rect_stroke(area, 0.0, edge, StrokeKind::Inside);
        }
    }

    /// Up, Down, Home and End move; Enter brings back, Delete asks whether to remove.
    fn walk(
        &mut self,
        ui: &Ui,
        keys: &Response,
        view: &View,
        actions: &mut Vec<Action>,
        dialogs: &mut Dialogs,
    ) {
        let last = view.recent_rooms.len().saturating_sub(1);
        self.at = self.at.min(last);
        if !keys.has_focus() {
            return;
        }
        let filter = EventFilter {
            vertical_arrows: true,
            ..EventFilter::default()
        };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(keys.id, filter));
        let pressed = |key| ui.input(|input| input.key_pressed(key));
        let target = if pressed(Key::ArrowDown) {
            Some((self.at + 1).min(last))
        } else if pressed(Key::ArrowUp) {
            Some(self.at.saturating_sub(1))
        } else if pressed(Key::Home) {
            Some(0)
        } else if pressed(Key::End) {
            Some(last)
        } else {
            None
        };
        if let Some(target) = target {
            self.at = target;
            self.reveal = true;
        }
        let Some(room) = view
            .recent_rooms
            .get(self.at)
            .filter(|room| !room.reopening)
        else {
            return;
        };
        if pressed(Key::Enter) && gates::reopen(view, room).is_ok() {
            actions.push(Action::ReopenRoom(room.id.clone()));
        } else if pressed(Key::Delete) {
            dialogs.open(Dialog::ForgetRoom(room.clone()));
        }
    }
}

fn row(
    ui: &mut Ui,
    view: &View,
    room: &RecentRoom,
    is_at: bool,
    now: SystemTime,
    actions: &mut Vec<Action>,
    dialogs: &mut Dialogs,
) {
    let tokens = tokens(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW_HEIGHT), Sense::hover());
    if is_at {
        ui.painter().rect_filled(rect, 0.0, tokens.selected);
    }
    let edge = Stroke::new(1.0, tokens.line);
    ui.painter().hline(rect.x_range(), rect.top() + 0.5, edge);
    let figures = format!(
        "{} · {}",
        format::bytes(room.size_bytes),
        // A clock that was set back makes nothing younger than new.
        format::ago(now.duration_since(room.ended).unwrap_or_default())
    );
    let item = UiBuilder::new()
        .max_rect(rect.shrink2(vec2(EDGE, 0.0)))
        .layout(Layout::left_to_right(Align::Center))
        .accessibility_role(Role::ListItem)
        .accessibility_label(format!("{}, {figures}", room.name))
        .id_salt(&room.id);
    ui.scope_builder(item, |ui| {
        let name = Label::new(RichText::new(&room.name).color(tokens.text)).truncate();
        let figures = RichText::new(&figures).size(TEXT_SMALL).color(tokens.dim);
        let figures = Label::new(figures).truncate();
        let gap = ui.spacing().item_spacing.x;
        let width = (ui.available_width() - BUTTONS_WIDTH - gap).max(40.0);
        if width < ONE_LINE {
            cell(ui, width, Layout::top_down(Align::Min), |ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                ui.add_space(2.0);
                ui.add(name);
                ui.add(figures);
            });
        } else {
            let line = Layout::left_to_right(Align::Center);
            cell(ui, width - FIGURES_WIDTH - gap, line, |ui| {
                ui.add(name);
            });
            let line = Layout::right_to_left(Align::Center);
            cell(ui, FIGURES_WIDTH, line, |ui| {
                ui.add(figures);
            });
        }
        if room.reopening {
            ui.add_space(8.0);
            ui.label(RichText::new("Bringing back…").color(tokens.dim));
            return;
        }
        let gate = gates::reopen(view, room);
        let reopen = button(ui, gate.is_ok(), "Reopen", 0.0)
            .accessible_name(format!("Reopen {}", room.name));
        if explain(reopen, gate.err().as_deref()).clicked() {
            actions.push(Action::ReopenRoom(room.id.clone()));
        }
        let remove =
            button(ui, true, "Remove…", 0.0).accessible_name(format!("Remove {}…", room.name));
        if remove.clicked() {
            dialogs.open(Dialog::ForgetRoom(room.clone()));
        }
    });
}

/// A part of a row with its own width, whatever it holds.
fn cell(ui: &mut Ui, width: f32, layout: Layout, content: impl FnOnce(&mut Ui)) {
    let (rect, _) = ui.allocate_exact_size(vec2(width, ui.available_height()), Sense::hover());
    let inside = UiBuilder::new().max_rect(rect).layout(layout);
    content(&mut ui.new_child(inside));
}

/// How many days, in words.
pub(crate) fn days(number: u32) -> String {
    if number == 1 {
        "1 day".to_owned()
    } else {
        format!("{} days", format::thousands(u64::from(number)))
    }
}
