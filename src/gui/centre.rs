//! What stands beside the left column: the first picture, or the rooms.
//!
//! The parts are placed by hand, top to bottom, instead of with bottom panels, since those come
//! first in the Tab order.

use egui::{Align, Layout, Rect, Stroke, Ui, UiBuilder, pos2, vec2};

use super::banner;
use super::copier::Copier;
use super::dialogs::Dialogs;
use super::people;
use super::progress;
use super::recent::{self, Recent};
use super::room_bar;
use super::rooms::{self, Rooms};
use super::start::Start;
use super::theme::{Tokens, tokens};
use super::veil::Veil;
use crate::backend::{Action, Status, View};

/// Space beside the parts, in points.
const SIDE: f32 = 16.0;
/// Height of the bottom bar with one line of buttons, in points.
const BAR: f32 = 58.0;
/// Height of the bottom bar with two, in points.
const BAR_TWO_LINES: f32 = 98.0;
/// Narrower than this, the bottom bar takes two lines, in points.
const ONE_LINE: f32 = 698.0;
/// With less than this between title and bars, the table takes all of it, in points.
const TOO_LOW_FOR_PEOPLE: f32 = 220.0;
/// As many rooms come before recent rooms are listed unasked.
const ROOMS_FIRST: usize = 5;
/// Bounds of the people's part, in points.
const PEOPLE: std::ops::RangeInclusive<f32> = 92.0..=232.0;

/// Paints the middle of the window. The height at its bottom that toasts must keep clear of.
pub(crate) fn ui(
    ui: &mut Ui,
    view: &View,
    (start, rooms, recent): (&mut Start, &mut Rooms, &mut Recent),
    (veil, copier): (Veil, &mut Copier),
    port: Option<u16>,
    actions: &mut Vec<Action>,
    dialogs: &mut Dialogs,
) -> f32 {
    ui.spacing_mut().item_spacing.y = 0.0;
    banner::ui(ui, view, veil, actions, dialogs);
    ui.spacing_mut().item_spacing.y = 8.0;
    if matches!(view.status, Status::Offline | Status::Connecting { .. }) {
        start.ui(ui, view, veil, port, actions);
        0.0
    } else {
        session(ui, view, (rooms, recent), copier, actions, dialogs)
    }
}

fn session(
    ui: &mut Ui,
    view: &View,
    (rooms, recent): (&mut Rooms, &mut Recent),
    copier: &mut Copier,
    actions: &mut Vec<Action>,
    dialogs: &mut Dialogs,
) -> f32 {
    rooms.follow(view);
    let tokens = tokens(ui);
    let area = ui.available_rect_before_wrap();
    let tools = Rect::from_min_max(
        area.min + vec2(SIDE, 14.0),
        pos2(area.right() - SIDE, area.bottom()),
    );
    let tools = part(ui, tools, |ui| rooms.tools(ui, view, actions));

    // From the bottom up: what has its height, and the table takes the rest.
    let bar_height = if area.width() < ONE_LINE {
        BAR_TWO_LINES
    } else {
        BAR
    };
    let bar_top = area.bottom() - bar_height;
    let progress_top = bar_top - progress::HEIGHT * progress::lines(view) as f32;
    let table_top = tools.bottom() + 6.0;
    let parts = Heights::of(
        view,
        rooms.selected(view).is_some(),
        recent,
        progress_top - table_top,
    );
    let people_height = parts.people;
    let people_top = progress_top - people_height;
    let recent_top = people_top - parts.recent;

    let table = Rect::from_min_max(
        pos2(area.left(), table_top),
        pos2(area.right(), recent_top.max(table_top)),
    );
    part(ui, table, |ui| rooms.table(ui, view, actions));

    if parts.recent > 0.0 {
        let place = Rect::from_min_max(
            pos2(area.left(), recent_top),
            pos2(area.right(), people_top),
        );
        let edge = Stroke::new(1.0, tokens.line);
        ui.painter().hline(place.x_range(), place.top() + 0.5, edge);
        part(ui, place, |ui| {
            recent.ui(ui, view, parts.recent_is_open, actions, dialogs);
        });
    }
    if let (Some(room), true) = (rooms.selected(view), people_height > 0.0) {
        let people = strip(ui, tokens, area, people_top, progress_top);
        part(ui, people.shrink2(vec2(SIDE, 10.0)), |ui| {
            people::ui(ui, room, rooms.hides_addresses);
        });
    }
    if progress_top < bar_top {
        let strip = strip(ui, tokens, area, progress_top, bar_top);
        part(ui, strip.shrink2(vec2(SIDE, 0.0)), |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            progress::ui(ui, view, actions);
        });
    }
    let bar = strip(ui, tokens, area, bar_top, area.bottom());
    part(ui, bar.shrink2(vec2(SIDE, 13.0)), |ui| {
        room_bar::ui(ui, view, rooms.selected(view), copier, actions, dialogs);
    });
    ui.advance_cursor_after_rect(area);
    // People are only read, but recent rooms have buttons.
    let clear_from = if people_height > 0.0 {
        progress_top
    } else {
        recent_top
    };
    area.bottom() - clear_from
}

/// What the parts between the title and the bars take of the height there, in points. The table has the
/// rest.
struct Heights {
    people: f32,
    recent: f32,
    recent_is_open: bool,
}

impl Heights {
    fn of(view: &View, selected: bool, recent: &Recent, height: f32) -> Self {
        let mut people = if selected && height >= TOO_LOW_FOR_PEOPLE {
            (height * 0.42).clamp(*PEOPLE.start(), *PEOPLE.end())
        } else {
            0.0
        };
        if !view.keeps_rooms {
            return Self {
                people,
                recent: 0.0,
                recent_is_open: false,
            };
        }
        let mut table = rooms::height_for(view.rooms.len().clamp(2, ROOMS_FIRST));
        let mut left = height - people - recent::TITLE_HEIGHT - table;
        if left < recent::ROW_HEIGHT && recent.is_asked_for(view) {
            (people, table) = (0.0, rooms::height_for(1));
            left = height - recent::TITLE_HEIGHT - table;
        }
        let recent_is_open = recent.is_open(view, left);
        let list = if recent_is_open {
            Recent::wanted_height(view).min(left).max(0.0)
        } else {
            0.0
        };
        Self {
            people,
            recent: recent::TITLE_HEIGHT + list,
            recent_is_open,
        }
    }
}

/// Paints the ground of a part across the whole width, with a line above.
fn strip(ui: &Ui, tokens: &Tokens, area: Rect, top: f32, bottom: f32) -> Rect {
    let rect = Rect::from_min_max(pos2(area.left(), top), pos2(area.right(), bottom));
    ui.painter().rect_filled(rect, 0.0, tokens.panel);
    ui.painter().hline(
        rect.x_range(),
        rect.top() + 0.5,
        Stroke::new(1.0, tokens.line),
    );
    rect
}

/// Paints a part into its place; the space it took.
fn part(ui: &mut Ui, rect: Rect, content: impl FnOnce(&mut Ui)) -> Rect {
    let builder = UiBuilder::new()
        .max_rect(rect)
        .layout(Layout::top_down(Align::Min));
    ui.scope_builder(builder, |ui| {
        ui.shrink_clip_rect(rect.expand(4.0));
        content(ui);
    })
    .response
    .rect
}
