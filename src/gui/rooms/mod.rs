//! The rooms: a field to make one, and the table.

mod cells;
mod columns;

use egui::{
    Align, Button, EventFilter, Key, Layout, Response, RichText, Role, ScrollArea, Sense, Stroke,
    StrokeKind, TextEdit, Ui, Vec2, WidgetInfo, vec2,
};
use egui_extras::{Column as Width, TableBuilder, TableRow};

use self::cells::{bottom_line, cell, describe, margin};
use self::columns::{Column, NAME_WIDTH, Sort};
use super::gates;
use super::icons::Icon;
use super::theme::{TEXT_SMALL, TEXT_TITLE, Tokens, tokens};
use super::widgets::{button, caption, explain, field};
use crate::backend::{Action, Room, View};

/// Height of a row, in points.
const ROW_HEIGHT: f32 = 38.0;
/// Height of the column titles, in points.
const TITLES_HEIGHT: f32 = 30.0;
/// The longest room name that can be typed, in characters.
const NAME_LIMIT: usize = 64;
/// Width of the field for a new room, in points.
const FIELD_WIDTH: f32 = 200.0;
/// Width of the buttons after it, with the space between, in points.
const MAKE_BUTTONS: f32 = 232.0;
/// Narrower than this, the buttons go below the title, in points.
const ONE_LINE_TOOLS: f32 = 520.0;

/// The height in which so many rooms can be seen, in points.
pub(crate) fn height_for(rooms: usize) -> f32 {
    TITLES_HEIGHT + ROW_HEIGHT * rooms as f32
}

/// What the rooms list remembers: what is typed, chosen and sorted by.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    /// Where people connect from is not shown, as nobody's address is.
    pub(crate) hides_addresses: bool,
    new_name: String,
    selected: Option<String>,
    sort: Sort,
    /// The room we were in or heading for, to select it once when that changes.
    our_room: Option<String>,
    /// In how many more frames to bring the selected row into view.
    reveal: u8,
}

impl Rooms {
    /// The selected room, as it is now.
    pub(crate) fn selected<'a>(&self, view: &'a View) -> Option<&'a Room> {
        let selected = self.selected.as_deref()?;
        view.rooms.iter().find(|room| room.name == selected)
    }

    /// Selects the room that we enter, and forgets rooms that are gone.
    pub(crate) fn follow(&mut self, view: &View) {
        let our_room = view.membership.room();
        if our_room.is_some() && our_room != self.our_room.as_deref() {
            self.selected = our_room.map(str::to_owned);
        }
        self.our_room = our_room.map(str::to_owned);
        if self.our_room.is_none() && self.selected(view).is_none() {
            self.selected = None;
        }
    }

    /// Paints the title, the field for a new room, and the buttons beside it.
    pub(crate) fn tools(&mut self, ui: &mut Ui, view: &View, actions: &mut Vec<Action>) {
        let color = tokens(ui).text;
        let title = RichText::new("Rooms").size(TEXT_TITLE).color(color);
        if ui.available_width() < ONE_LINE_TOOLS {
            ui.label(title);
            ui.horizontal(|ui| self.make(ui, view, actions));
        } else {
            ui.horizontal(|ui| {
                ui.label(title);
                ui.add_space((ui.available_width() - FIELD_WIDTH - MAKE_BUTTONS).max(0.0));
                self.make(ui, view, actions);
            });
        }
    }

    fn make(&mut self, ui: &mut Ui, view: &View, actions: &mut Vec<Action>) {
        let width = (ui.available_width() - MAKE_BUTTONS).clamp(90.0, FIELD_WIDTH);
        let gate = gates::create(view, &self.new_name);
        let edit = TextEdit::singleline(&mut self.new_name)
            .desired_width(width)
            .char_limit(NAME_LIMIT)
            .hint_text("New room name");
        let name = field(ui, edit, view.status.is_online(), None).accessible_name("New room name");
        let enter = name.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let create = button(ui, gate.is_ok(), "Create", 0.0);
        let clicked = explain(create, gate.as_ref().err().map(String::as_str)).clicked();
        if gate.is_ok() && (clicked || enter) {
            actions.push(Action::CreateRoom(self.new_name.trim().to_owned()));
            self.new_name.clear();
        }
        let gate = gates::restore(view);
        let restore = button(ui, gate.is_ok(), "Restore from file…", 0.0);
        if explain(restore, gate.err().as_deref()).clicked() {
            actions.push(Action::RestoreRoom);
        }
    }

    /// Paints the table into all the space there is.
    pub(crate) fn table(&mut self, ui: &mut Ui, view: &View, actions: &mut Vec<Action>) {
        if view.rooms.is_empty() {
            empty(ui);
            return;
        }
        let columns = Column::fitting(ui.available_width());
        let needed: f32 = columns.iter().map(|column| column.width()).sum();
        if ui.available_width() < needed {
            ScrollArea::horizontal().show(ui, |ui| {
                ui.set_min_width(needed);
                self.grid(ui, &columns, view, actions);
            });
        } else {
            self.grid(ui, &columns, view, actions);
        }
    }

    fn grid(&mut self, ui: &mut Ui, columns: &[Column], view: &View, actions: &mut Vec<Action>) {
        let tokens = tokens(ui);
        let area = ui.available_rect_before_wrap();
        let rooms = self.sort.sorted(&view.rooms);
        let mut table = self
            .builder(ui, columns, &rooms)
            .header(TITLES_HEIGHT, |mut row| {
                self.titles(&mut row, columns, tokens);
            });

        // One stop for Tab after the titles; from there the arrow keys walk the rows.
        let ui_of_table = table.ui_mut();
        let id = ui_of_table.scope_id().with("rooms");
        let keys = ui_of_table.interact(area, id, Sense::focusable_noninteractive());
        keys.widget_info(|| WidgetInfo::labeled(Role::ListBox, true, "Rooms"));
        self.walk(ui_of_table, &keys, &rooms, view, actions);

        let mut clicked: Option<String> = None;
        table.body(|body| {
            body.rows(ROW_HEIGHT, rooms.len(), |mut row| {
                let Some(room) = rooms.get(row.index()) else {
                    return;
                };
                let is_selected = self.selected.as_ref() == Some(&room.name);
                row.set_selected(is_selected);
                for column in columns {
                    row.col(|ui| cell(ui, *column, room, &view.membership, tokens));
                }
                let response = row.response();
                response.widget_info(|| {
                    let words = describe(room, &view.membership);
                    WidgetInfo::selected(Role::Row, true, is_selected, words)
                });
                if response.clicked() {
                    clicked = Some(room.name.clone());
                }
                if response.double_clicked() {
                    enter(view, room, actions);
                }
            });
        });
        if clicked.is_some() {
            self.selected = clicked;
            self.reveal_selected(ui);
            keys.request_focus();
        }
        if keys.has_focus() {
            let edge = Stroke::new(2.0, tokens.accent);
            ui.painter()
                .rect_stroke(area, 0.0, edge, StrokeKind::Inside);
        }
    }

    fn builder<'a>(
        &mut self,
        ui: &'a mut Ui,
        columns: &[Column],
        rooms: &[&Room],
    ) -> TableBuilder<'a> {
        ui.spacing_mut().item_spacing = Vec2::ZERO;
        let mut table = TableBuilder::new(ui)
            .id_salt(("rooms", columns.len()))
            .sense(Sense::CLICK)
            .auto_shrink(false)
            .min_scrolled_height(0.0)
            .animate_scrolling(false)
            .cell_layout(Layout::left_to_right(Align::Center));
        for column in columns {
            table = table.column(if *column == Column::Name {
                Width::remainder().at_least(NAME_WIDTH).clip(true)
            } else {
                Width::exact(column.width()).clip(true)
            });
        }
        if self.reveal > 0 {
            self.reveal -= 1;
            let selected = rooms
                .iter()
                .position(|room| Some(&room.name) == self.selected.as_ref());
            if let Some(selected) = selected {
                table = table.scroll_to_row(selected, None);
            }
        }
        table
    }

    /// Brings the selected row into view, also when showing its people makes the table lower.
    fn reveal_selected(&mut self, ui: &Ui) {
        self.reveal = 2;
        ui.ctx().request_repaint();
    }

    fn titles(&mut self, row: &mut TableRow<'_, '_>, columns: &[Column], tokens: &Tokens) {
        for column in columns {
            row.col(|ui| {
                bottom_line(ui, tokens);
                ui.spacing_mut().button_padding = vec2(4.0, 2.0);
                ui.spacing_mut().interact_size.y = 24.0;
                let layout = if column.is_number() {
                    Layout::right_to_left(Align::Center)
                } else {
                    Layout::left_to_right(Align::Center)
                };
                ui.with_layout(layout, |ui| {
                    ui.add_space(margin(*column) - 4.0);
                    let title = RichText::new(column.title())
                        .size(TEXT_SMALL)
                        .color(tokens.dim);
                    let response = ui.add(Button::new(title).frame_when_inactive(false));
                    let is_sorted = self.sort.column == *column;
                    if is_sorted {
                        let icon = if self.sort.descending {
                            Icon::TriangleDown
                        } else {
                            Icon::TriangleUp
                        };
                        let (rect, _) = ui.allocate_exact_size(vec2(8.0, 12.0), Sense::hover());
                        icon.paint(ui.painter(), rect, 8.0, tokens.dim);
                    }
                    let way = match (is_sorted, self.sort.descending) {
                        (true, false) => "Sorted smallest first. Click to turn round",
                        (true, true) => "Sorted largest first. Click to turn round",
                        (false, _) => "Click to sort",
                    };
                    if response.on_hover_text(way).clicked() {
                        self.sort = Sort {
                            column: *column,
                            descending: is_sorted && !self.sort.descending,
                        };
                    }
                });
            });
        }
    }

    /// Up, Down, Home and End move the selection; Enter joins.
    fn walk(
        &mut self,
        ui: &Ui,
        keys: &Response,
        rooms: &[&Room],
        view: &View,
        actions: &mut Vec<Action>,
    ) {
        if !keys.has_focus() {
            return;
        }
        let filter = EventFilter {
            vertical_arrows: true,
            ..EventFilter::default()
        };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(keys.id, filter));
        let at = rooms
            .iter()
            .position(|room| Some(&room.name) == self.selected.as_ref());
        let last = rooms.len().saturating_sub(1);
        let target = ui.input(|input| {
            if input.key_pressed(Key::ArrowDown) {
                Some(at.map_or(0, |at| (at + 1).min(last)))
            } else if input.key_pressed(Key::ArrowUp) {
                Some(at.map_or(last, |at| at.saturating_sub(1)))
            } else if input.key_pressed(Key::Home) {
                Some(0)
            } else if input.key_pressed(Key::End) {
                Some(last)
            } else {
                None
            }
        });
        if let Some(room) = target.and_then(|target| rooms.get(target)) {
            self.selected = Some(room.name.clone());
            self.reveal_selected(ui);
        }
        if ui.input(|input| input.key_pressed(Key::Enter))
            && let Some(room) = self.selected(view)
        {
            enter(view, room, actions);
        }
    }
}

/// Asks to join. What cannot be joined is asked for all the same, since the answer says why not; but
/// for the room we are in, where there is nothing to ask.
fn enter(view: &View, room: &Room, actions: &mut Vec<Action>) {
    if view.membership.room() != Some(room.name.as_str()) {
        actions.push(Action::JoinRoom(room.name.clone()));
    }
}

fn empty(ui: &mut Ui) {
    ui.add_space((ui.available_height() * 0.3).max(8.0));
    ui.vertical_centered(|ui| {
        ui.set_max_width((ui.available_width() - 48.0).min(420.0));
        let color = tokens(ui).text;
        ui.label(RichText::new("No rooms yet").color(color));
        caption(
            ui,
            "To make one in Blender, open the Mixer panel, press Connect, then Create Room. \
             Or make one here with Create.",
        );
    });
}

/// A room to test with.
#[cfg(test)]
fn sample(name: &str, edits: u64) -> Room {
    Room {
        name: name.to_owned(),
        members: Vec::new(),
        size_bytes: 0,
        edits,
        blender_version: String::new(),
        mixer_version: String::new(),
        ignores_versions: false,
        joinable: true,
        awaits_scene: false,
        keep_open: false,
        state: crate::backend::RoomState::Empty,
        growth_bytes: 0,
        trouble: None,
    }
}
