//! From what the session knows to what the window paints.

use std::collections::HashMap;

use crate::protocol::{Attributes, attribute};
use crate::session::{self, Snapshot};

use super::view::{Membership, Person, Room, RoomState};

/// Longer descriptions of what somebody sees are not looked into: this is done for everybody, often.
const MAX_SCENES_BYTES: usize = 64 << 10;

/// All rooms, by name.
pub(super) fn rooms(snapshot: &Snapshot) -> Vec<Room> {
    let mut members = members(snapshot);
    let mut rooms: Vec<_> = snapshot
        .rooms
        .iter()
        .map(|(name, attributes)| {
            let members = members.remove(name.as_str()).unwrap_or_default();
            room(name, attributes, members, &snapshot.membership)
        })
        .collect();
    rooms.sort_by_cached_key(|room| room.name.to_lowercase());
    rooms
}

fn members(snapshot: &Snapshot) -> HashMap<String, Vec<Person>> {
    let mut rooms: HashMap<String, Vec<Person>> = HashMap::new();
    for (id, attributes) in snapshot.clients.iter() {
        if let Some(room) = attributes.text(attribute::ROOM) {
            rooms
                .entry(room)
                .or_default()
                .push(person(id, attributes, snapshot.me.as_ref()));
        }
    }
    for members in rooms.values_mut() {
        members.sort_by_cached_key(|person| {
            (!person.is_me, person.name.to_lowercase(), person.id.clone())
        });
    }
    rooms
}

fn room(
    name: &str,
    attributes: &Attributes,
    members: Vec<Person>,
    membership: &session::Membership,
) -> Room {
    let ours = membership.room() == Some(name);
    let state = match membership {
        session::Membership::In { .. } if ours => RoomState::YouAreIn,
        session::Membership::Joining { .. } if ours => RoomState::Joining,
        _ if attributes.flag(attribute::JOINABLE) != Some(true) => RoomState::Uploading,
        _ if members.is_empty() => RoomState::Empty,
        _ => RoomState::Ready,
    };
    Room {
        name: name.to_owned(),
        members,
        size_bytes: attributes.count(attribute::BYTE_SIZE).unwrap_or_default(),
        edits: attributes
            .count(attribute::COMMAND_COUNT)
            .unwrap_or_default(),
        blender_version: attributes
            .text(attribute::BLENDER_VERSION)
            .unwrap_or_default(),
        mixer_version: attributes
            .text(attribute::MIXER_VERSION)
            .unwrap_or_default(),
        ignores_versions: attributes
            .flag(attribute::IGNORE_VERSION_CHECK)
            .unwrap_or_default(),
        keep_open: attributes.flag(attribute::KEEP_OPEN).unwrap_or_default(),
        joinable: attributes.flag(attribute::JOINABLE) == Some(true),
        awaits_scene: attributes.flag(attribute::AWAITS_SCENE) == Some(true),
        state,
        growth_bytes: 0,
        trouble: None,
    }
}

fn person(id: &str, attributes: &Attributes, me: Option<&String>) -> Person {
    Person {
        id: id.to_owned(),
        name: session::person_name(id, attributes),
        color: attributes
            .triple(attribute::USER_COLOR)
            .map(|color| color.map(|part| part.clamp(0.0, 1.0))),
        mode: attributes
            .text(attribute::USER_MODE)
            .filter(|mode| !mode.is_empty())
            .map(|mode| mode_words(&mode)),
        scene: scene(attributes),
        address: attributes
            .text(attribute::IP)
            .unwrap_or_else(|| id.to_owned()),
        is_me: me.is_some_and(|me| me == id),
        flow: None,
    }
}

/// The first scene that somebody looks at, and its frame.
fn scene(attributes: &Attributes) -> Option<(String, i64)> {
    attributes
        .raw(attribute::USER_SCENES)
        .filter(|scenes| scenes.len() <= MAX_SCENES_BYTES)?;
    let scenes = attributes.nested(attribute::USER_SCENES)?;
    let (name, _) = scenes.iter().next()?;
    let frame = scenes.nested(name)?.integer(attribute::FRAME)?;
    Some((name.to_owned(), frame))
}

/// Blender's word for a mode, as people say it.
fn mode_words(mode: &str) -> String {
    match mode {
        "OBJECT" => "Object mode".to_owned(),
        "POSE" => "Pose mode".to_owned(),
        "SCULPT" => "Sculpt".to_owned(),
        "PAINT_TEXTURE" => "Texture paint".to_owned(),
        "PAINT_VERTEX" => "Vertex paint".to_owned(),
        "PAINT_WEIGHT" => "Weight paint".to_owned(),
        "PARTICLE" => "Particle edit".to_owned(),
        _ if mode.starts_with("EDIT_") => "Edit mode".to_owned(),
        other => {
            let words = other.replace('_', " ").to_lowercase();
            let mut letters = words.chars();
            letters.next().map_or_else(String::new, |first| {
                first.to_uppercase().chain(letters).collect()
            })
        }
    }
}

/// Our own place among the rooms.
pub(super) fn membership(membership: &session::Membership) -> Membership {
    match membership.clone() {
        session::Membership::Out => Membership::Out,
        session::Membership::Creating { room } => Membership::Creating { room },
        session::Membership::Joining {
            room,
            received_bytes,
            total_bytes,
            since,
            ..
        } => Membership::Joining {
            room,
            received_bytes,
            total_bytes,
            since,
        },
        session::Membership::In { room } => Membership::In { room },
        session::Membership::Leaving { room, .. } => Membership::Leaving { room },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::session::Phase;

    fn snapshot(clients: &str, rooms: &str) -> Snapshot {
        let named = |text| Arc::new(crate::protocol::parse_named(text).unwrap());
        Snapshot {
            phase: Phase::Online,
            me: Some("me".into()),
            clients: named(clients),
            rooms: named(rooms),
            membership: session::Membership::In { room: "b".into() },
        }
    }

    #[test]
    fn rooms_and_people_as_they_are_shown() {
        let rooms = rooms(&snapshot(
            r#"{"x": {"room": "b", "user_name": "Zoé", "user_mode": "EDIT_MESH", "user_color": [2, 0, 0.5],
                "user_scenes": {"Scene": {"frame": 48, "views": NaN}}, "ip": "10.0.0.9"},
                "me": {"room": "b", "user_name": "zz"}, "y": {"room": null}, "w": {"room": "b", "user_name": " "}}"#,
            r#"{"b": {"joinable": true, "byte_size": 9, "command_count": 3, "keep_open": true, "blender_version": "2.93"},
                "A": {"joinable": true}, "c": {"joinable": false}}"#,
        ));
        let names: Vec<_> = rooms
            .iter()
            .map(|room| (room.name.as_str(), room.state))
            .collect();
        assert_eq!(
            names,
            [
                ("A", RoomState::Empty),
                ("b", RoomState::YouAreIn),
                ("c", RoomState::Uploading)
            ]
        );
        let b = &rooms[1];
        assert_eq!(
            (
                b.size_bytes,
                b.edits,
                b.keep_open,
                b.blender_version.as_str()
            ),
            (9, 3, true, "2.93")
        );
        let people: Vec<_> = b
            .members
            .iter()
            .map(|person| (person.name.as_str(), person.is_me))
            .collect();
        assert_eq!(people, [("zz", true), ("w", false), ("Zoé", false)]);
        let zoe = &b.members[2];
        assert_eq!(zoe.mode.as_deref(), Some("Edit mode"));
        assert_eq!(zoe.color, Some([1.0, 0.0, 0.5]));
        assert_eq!(zoe.scene, Some(("Scene".into(), 48)));
        assert_eq!(zoe.address, "10.0.0.9");
    }

    #[test]
    fn modes_are_words() {
        assert_eq!(mode_words("OBJECT"), "Object mode");
        assert_eq!(mode_words("EDIT_GPENCIL"), "Edit mode");
        assert_eq!(mode_words("SOME_NEW_MODE"), "Some new mode");
        assert_eq!(mode_words(""), "");
    }
}
