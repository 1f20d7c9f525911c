//! The rooms: a field to make one, and the table.

use std::cmp::Ordering;

use egui::{
    Align, Button, Color32, EventFilter, Key, Label, Layout, Rect, Response, RichText, Role,
    ScrollArea, Sense, Stroke, StrokeKind, TextEdit, Ui, UiBuilder, Vec2, WidgetInfo, vec2,
};
use egui_extras::{Column as Width, TableBuilder, TableRow};

use super::format;
use super::gates;
use super::icons::Icon;
use super::theme::{TEXT_SMALL, TEXT_TITLE, Tokens, tokens};
use super::widgets::{button, caption, explain, field};
use crate::backend::{Action, Membership, Room, RoomState, View};

/// Height of a row, in points.
const ROW_HEIGHT: f32 = 38.0;
/// Height of the column titles, in points.
const TITLES_HEIGHT: f32 = 30.0;
/// Space on both sides of a cell's text, in points.
const CELL_MARGIN: f32 = 10.0;
/// Space before the first column, as before the title above it, in points.
const EDGE: f32 = 16.0;
/// A name column narrower than this tells nothing: the table then scrolls sideways, in points.
const NAME_WIDTH: f32 = 120.0;
/// The longest room name that can be typed, in characters.
const NAME_LIMIT: usize = 64;
/// Width of the field for a new room, in points.
const FIELD_WIDTH: f32 = 200.0;
/// Width of the buttons after it, with the space between, in points.
const MAKE_BUTTONS: f32 = 232.0;
/// Narrower than this, the buttons go below the title, in points.
const ONE_LINE_TOOLS: f32 = 520.0;

/// What the rooms list remembers: what is typed, chosen and sorted by.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    new_name: String,
    selected: Option<String>,
    sort: Sort,
    /// The room we were in or heading for, to select it once when that changes.
    our_room: Option<String>,
    /// In how many more frames to bring the selected row into view.
    reveal: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sort {
    column: Column,
    descending: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self {
            column: Column::Name,
            descending: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    People,
    Size,
    Edits,
    Blender,
    Mixer,
    State,
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::Name => "Room",
            Self::People => "People",
            Self::Size => "Size",
            Self::Edits => "Edits",
            Self::Blender => "Blender",
            Self::Mixer => "Mixer",
            Self::State => "State",
        }
    }

    fn width(self) -> f32 {
        match self {
            Self::Name => NAME_WIDTH,
            Self::People => 72.0,
            Self::Size => 92.0,
            Self::Edits | Self::Blender | Self::Mixer => 84.0,
            Self::State => 152.0,
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::People | Self::Size | Self::Edits)
    }

    /// The columns that fit: the name keeps its space, the least asked for go first.
    fn fitting(width: f32) -> Vec<Self> {
        let mut columns = vec![
            Self::Name,
            Self::People,
            Self::Size,
            Self::Edits,
            Self::Blender,
            Self::Mixer,
            Self::State,
        ];
        for dispensable in [Self::Mixer, Self::Blender, Self::Edits] {
            let needed: f32 = columns.iter().map(|column| column.width()).sum();
            // A little more for the name, while there is something less important to give up.
            if needed + 30.0 > width {
                columns.retain(|column| *column != dispensable);
            }
        }
        columns
    }

    fn compare(self, one: &Room, other: &Room) -> Ordering {
        match self {
            Self::Name => Ordering::Equal,
            Self::People => one.members.len().cmp(&other.members.len()),
            Self::Size => one.size_bytes.cmp(&other.size_bytes),
            Self::Edits => one.edits.cmp(&other.edits),
            Self::Blender => one.blender_version.cmp(&other.blender_version),
            Self::Mixer => one.mixer_version.cmp(&other.mixer_version),
            Self::State => rank(one.state).cmp(&rank(other.state)),
        }
    }
}

/// Where a state stands when sorted by it: what concerns us first.
fn rank(state: RoomState) -> u8 {
    match state {
        RoomState::YouAreIn => 0,
        RoomState::Joining => 1,
        RoomState::Ready => 2,
        RoomState::Uploading => 3,
        RoomState::Empty => 4,
    }
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
        let rooms = self.sorted(&view.rooms);
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
                if response.double_clicked() && gates::join(view, Some(room)).is_ok() {
                    actions.push(Action::JoinRoom(room.name.clone()));
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
        if ui.input(|input| input.key_pressed(Key::Enter)) {
            let room = self.selected(view);
            if let (Some(room), Ok(())) = (room, gates::join(view, room)) {
                actions.push(Action::JoinRoom(room.name.clone()));
            }
        }
    }

    fn sorted<'a>(&self, rooms: &'a [Room]) -> Vec<&'a Room> {
        let mut sorted: Vec<&Room> = rooms.iter().collect();
        let Sort { column, descending } = self.sort;
        sorted.sort_by(|one, other| {
            let order = column.compare(one, other);
            let order = if descending && column != Column::Name {
                order.reverse()
            } else {
                order
            };
            let by_name = by_name(one, other);
            let by_name = if descending && column == Column::Name {
                by_name.reverse()
            } else {
                by_name
            };
            order.then(by_name)
        });
        sorted
    }
}

fn by_name(one: &Room, other: &Room) -> Ordering {
    let lower = |room: &Room| room.name.to_lowercase();
    lower(one)
        .cmp(&lower(other))
        .then_with(|| one.name.cmp(&other.name))
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

fn margin(column: Column) -> f32 {
    if column == Column::Name {
        EDGE
    } else {
        CELL_MARGIN
    }
}

fn bottom_line(ui: &Ui, tokens: &Tokens) {
    let rect: Rect = ui.max_rect();
    ui.painter().hline(
        rect.x_range(),
        rect.bottom() - 0.5,
        Stroke::new(1.0, tokens.line),
    );
}

fn cell(ui: &mut Ui, column: Column, room: &Room, ours: &Membership, tokens: &Tokens) {
    bottom_line(ui, tokens);
    // In a child, since the table makes a cell as much wider as the cursor has moved in it.
    let inside = UiBuilder::new()
        .max_rect(ui.max_rect())
        .layout(*ui.layout());
    let ui = &mut ui.new_child(inside);
    let text = |ui: &mut Ui, text: String, color: Color32| {
        ui.add(Label::new(RichText::new(text).color(color)).truncate());
    };
    if column.is_number() {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_space(CELL_MARGIN);
            text(ui, value(column, room), tokens.text);
        });
        return;
    }
    ui.add_space(margin(column));
    match column {
        Column::State => {
            let (icon, color) = look(room, tokens);
            let (rect, _) = ui.allocate_exact_size(vec2(9.0, 16.0), Sense::hover());
            icon.paint(ui.painter(), rect, 9.0, color);
            ui.add_space(6.0);
            let is_calm = matches!(room.state, RoomState::Ready | RoomState::YouAreIn);
            text(
                ui,
                state_words(room, ours),
                if is_calm { tokens.text } else { color },
            );
        }
        Column::Name => {
            ui.scope(|ui| {
                ui.set_max_width(ui.available_width() - CELL_MARGIN);
                text(ui, room.name.clone(), tokens.text);
            });
        }
        _ => text(ui, value(column, room), tokens.text),
    }
}

fn value(column: Column, room: &Room) -> String {
    match column {
        Column::Name | Column::State => room.name.clone(),
        Column::People => format::thousands(room.members.len() as u64),
        Column::Size => format::bytes(room.size_bytes),
        Column::Edits => format::thousands(room.edits),
        Column::Blender => known(&room.blender_version),
        Column::Mixer => known(&room.mixer_version),
    }
}

fn known(version: &str) -> String {
    if version.is_empty() {
        "–".to_owned()
    } else {
        version.to_owned()
    }
}

fn look(room: &Room, tokens: &Tokens) -> (Icon, Color32) {
    match room.state {
        RoomState::Ready => (Icon::Disc, tokens.ok),
        RoomState::YouAreIn => (Icon::Check, tokens.ok),
        RoomState::Uploading => (Icon::Dots, tokens.warning),
        RoomState::Joining => (Icon::Dots, tokens.text),
        RoomState::Empty => (Icon::Ring, tokens.dim),
    }
}

/// What can be done with the room, in words.
fn state_words(room: &Room, ours: &Membership) -> String {
    match (room.state, ours) {
        (RoomState::Ready, _) => "Ready".to_owned(),
        (RoomState::YouAreIn, _) => "You are in".to_owned(),
        (RoomState::Uploading, _) => "Uploading…".to_owned(),
        (RoomState::Empty, _) if room.keep_open => "Empty, kept open".to_owned(),
        (RoomState::Empty, _) => "Empty".to_owned(),
        (
            RoomState::Joining,
            Membership::Joining {
                room: name,
                received_bytes,
                total_bytes,
                ..
            },
        ) if *name == room.name => {
            format!("Joining {}", format::percent(*received_bytes, *total_bytes))
        }
        (RoomState::Joining, _) => "Joining…".to_owned(),
    }
}

/// The whole row as one sentence, for screen readers.
fn describe(room: &Room, ours: &Membership) -> String {
    format!(
        "{}, {}, {}, {} edits, {}",
        room.name,
        format::people(room.members.len()),
        format::bytes(room.size_bytes),
        format::thousands(room.edits),
        state_words(room, ours)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str, edits: u64) -> Room {
        Room {
            name: name.to_owned(),
            members: Vec::new(),
            size_bytes: 0,
            edits,
            blender_version: String::new(),
            mixer_version: String::new(),
            ignores_versions: false,
            keep_open: false,
            state: RoomState::Empty,
        }
    }

    fn order(rooms: &Rooms, list: &[Room]) -> Vec<String> {
        rooms
            .sorted(list)
            .iter()
            .map(|room| room.name.clone())
            .collect()
    }

    #[test]
    fn rooms_are_sorted_by_the_column_and_then_by_name() {
        let list = [room("b", 1), room("A", 2), room("c", 1)];
        let mut rooms = Rooms::default();
        assert_eq!(order(&rooms, &list), ["A", "b", "c"]);
        rooms.sort = Sort {
            column: Column::Name,
            descending: true,
        };
        assert_eq!(order(&rooms, &list), ["c", "b", "A"]);
        rooms.sort = Sort {
            column: Column::Edits,
            descending: false,
        };
        assert_eq!(order(&rooms, &list), ["b", "c", "A"]);
        rooms.sort = Sort {
            column: Column::Edits,
            descending: true,
        };
        assert_eq!(order(&rooms, &list), ["A", "b", "c"]);
    }

    #[test]
    fn a_narrow_table_gives_up_what_is_asked_for_least() {
        assert_eq!(Column::fitting(728.0).len(), 7);
        let narrow = Column::fitting(444.0);
        assert_eq!(
            narrow,
            [Column::Name, Column::People, Column::Size, Column::State]
        );
        assert!(narrow.iter().map(|column| column.width()).sum::<f32>() <= 444.0);
    }

    #[test]
    fn states_are_told_in_words() {
        let mut room = room("Shot", 0);
        assert_eq!(state_words(&room, &Membership::Out), "Empty");
        room.keep_open = true;
        assert_eq!(state_words(&room, &Membership::Out), "Empty, kept open");
        room.state = RoomState::Joining;
        let joining = Membership::Joining {
            room: "Shot".to_owned(),
            received_bytes: 45,
            total_bytes: 100,
            since: std::time::Instant::now(),
        };
        assert_eq!(state_words(&room, &joining), "Joining 45 %");
        assert_eq!(state_words(&room, &Membership::Out), "Joining…");
    }
}
