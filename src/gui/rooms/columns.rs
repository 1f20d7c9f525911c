//! The columns of the rooms table: which fit, and how they sort.

use std::cmp::Ordering;

use crate::backend::{Room, RoomState};

/// A name column narrower than this tells nothing: the table then scrolls sideways, in points.
pub(super) const NAME_WIDTH: f32 = 120.0;

/// The column the rooms are sorted by, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    /// By what.
    pub(super) column: Column,
    /// Largest first.
    pub(super) descending: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self {
            column: Column::Name,
            descending: false,
        }
    }
}

/// What is told of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    People,
    Size,
    Edits,
    Blender,
    Mixer,
    State,
}

impl Column {
    /// What stands above it.
    pub(super) fn title(self) -> &'static str {
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

    /// Its width, for the name the least, in points.
    pub(super) fn width(self) -> f32 {
        match self {
            Self::Name => NAME_WIDTH,
            Self::People => 72.0,
            Self::Size => 92.0,
            Self::Edits | Self::Blender | Self::Mixer => 84.0,
            Self::State => 152.0,
        }
    }

    /// Whether it is aligned to the right.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::People | Self::Size | Self::Edits)
    }

    /// The columns that fit: the name keeps its space, the least asked for go first.
    pub(super) fn fitting(width: f32) -> Vec<Self> {
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
        RoomState::Unknown => 5,
    }
}

impl Sort {
    /// The rooms in this order; those that are equal in it by name.
    pub(super) fn sorted(self, rooms: &[Room]) -> Vec<&Room> {
        let mut sorted: Vec<&Room> = rooms.iter().collect();
        let Self { column, descending } = self;
        // Names are lowered once each, not at every comparison.
        sorted.sort_by_cached_key(|room| (room.name.to_lowercase(), room.name.as_str()));
        match (column, descending) {
            (Column::Name, false) => {}
            (Column::Name, true) => sorted.reverse(),
            (_, false) => sorted.sort_by(|one, other| column.compare(one, other)),
            (_, true) => sorted.sort_by(|one, other| column.compare(other, one)),
        }
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample as room;
    use super::*;

    #[test]
    fn rooms_are_sorted_by_the_column_and_then_by_name() {
        let list = [room("b", 1), room("A", 2), room("c", 1)];
        for (column, descending, expected) in [
            (Column::Name, false, ["A", "b", "c"]),
            (Column::Name, true, ["c", "b", "A"]),
            (Column::Edits, false, ["b", "c", "A"]),
            (Column::Edits, true, ["A", "b", "c"]),
        ] {
            let sorted = Sort { column, descending }.sorted(&list);
            let names: Vec<&str> = sorted.iter().map(|room| room.name.as_str()).collect();
            assert_eq!(names, expected, "{column:?}, descending: {descending}");
        }
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
}
