//! Message types, each number once.

use std::fmt;

/// A frame's message type.
///
/// Below 100: between a client and the relay. 100: a mark, never sent. Above: room commands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u16);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        impl Kind {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// The wire's name for this number, where it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// Enter or make a room; the relay's answer: you are in.
    JOIN_ROOM = 1;
    /// Leave the room; the relay's answer: you are out.
    LEAVE_ROOM = 3;
    /// All rooms and their attributes.
    LIST_ROOMS = 4;
    /// The relay asks for the room's content; the client says it is all sent.
    CONTENT = 5;
    /// What follows replaces your scene.
    CLEAR_CONTENT = 6;
    /// Delete an empty room.
    DELETE_ROOM = 7;
    /// The old way to set `user_name`.
    SET_CLIENT_NAME = 11;
    /// A sentence for a person.
    SEND_ERROR = 12;
    /// All clients and their attributes.
    LIST_CLIENTS = 14;
    /// The client's own attributes.
    SET_CLIENT_CUSTOM_ATTRIBUTES = 15;
    /// A room's own attributes.
    SET_ROOM_CUSTOM_ATTRIBUTES = 16;
    /// Whether a room stays when the last one leaves.
    SET_ROOM_KEEP_OPEN = 17;
    /// The client's id.
    CLIENT_ID = 18;
    /// Changed attributes of clients.
    CLIENT_UPDATE = 19;
    /// Changed attributes of rooms.
    ROOM_UPDATE = 20;
    /// A room is gone.
    ROOM_DELETED = 21;
    /// A client is gone.
    CLIENT_DISCONNECTED = 22;
    /// Room command.
    DELETE = 101;
    /// Room command.
    CAMERA = 102;
    /// Room command.
    LIGHT = 103;
    /// Room command.
    RENAME = 105;
    /// Room command.
    DUPLICATE = 106;
    /// Room command.
    SEND_TO_TRASH = 107;
    /// Room command.
    RESTORE_FROM_TRASH = 108;
    /// Room command.
    TEXTURE = 109;
    /// Room command.
    ADD_COLLECTION_TO_COLLECTION = 110;
    /// Room command.
    REMOVE_COLLECTION_FROM_COLLECTION = 111;
    /// Room command.
    ADD_OBJECT_TO_COLLECTION = 112;
    /// Room command.
    REMOVE_OBJECT_FROM_COLLECTION = 113;
    /// Room command.
    ADD_OBJECT_TO_SCENE = 114;
    /// Room command.
    ADD_COLLECTION_TO_SCENE = 115;
    /// Room command.
    INSTANCE_COLLECTION = 116;
    /// Room command.
    COLLECTION = 117;
    /// Room command.
    COLLECTION_REMOVED = 118;
    /// Room command.
    SET_SCENE = 119;
    /// Room command.
    GREASE_PENCIL_MESH = 120;
    /// Room command.
    GREASE_PENCIL_MATERIAL = 121;
    /// Room command.
    GREASE_PENCIL_CONNECTION = 122;
    /// Room command.
    GREASE_PENCIL_TIME_OFFSET = 123;
    /// Room command.
    FRAME_START_END = 124;
    /// Room command.
    ANIMATION = 125;
    /// Room command.
    REMOVE_OBJECT_FROM_SCENE = 126;
    /// Room command.
    REMOVE_COLLECTION_FROM_SCENE = 127;
    /// Room command.
    SCENE = 128;
    /// Room command.
    ADD_OBJECT_TO_VRTIST = 130;
    /// Room command.
    OBJECT_VISIBILITY = 131;
    /// Room command: a batch begins.
    GROUP_BEGIN = 132;
    /// Room command: a batch ends.
    GROUP_END = 133;
    /// Room command.
    ADD_KEYFRAME = 135;
    /// Room command.
    REMOVE_KEYFRAME = 136;
    /// Room command.
    MOVE_KEYFRAME = 137;
    /// Room command.
    QUERY_CURRENT_FRAME = 138;
    /// Room command, never kept.
    QUERY_ANIMATION_DATA = 139;
    /// Room command: a datablock's changes.
    BLENDER_DATA_UPDATE = 140;
    /// Room command: a datablock goes.
    BLENDER_DATA_REMOVE = 143;
    /// Room command: a datablock's new name.
    BLENDER_DATA_RENAME = 144;
    /// Room command.
    CLEAR_ANIMATIONS = 145;
    /// Room command.
    CURRENT_CAMERA = 146;
    /// Room command.
    SHOT_MANAGER_MONTAGE_MODE = 147;
    /// Room command.
    SHOT_MANAGER_CONTENT = 148;
    /// Room command.
    SHOT_MANAGER_CURRENT_SHOT = 149;
    /// Room command.
    SHOT_MANAGER_ACTION = 150;
    /// Room command: a datablock comes.
    BLENDER_DATA_CREATE = 151;
    /// Room command: a file, such as a texture.
    BLENDER_DATA_MEDIA = 152;
    /// Room command.
    EMPTY = 153;
    /// Room command.
    ADD_CONSTRAINT = 154;
    /// Room command.
    REMOVE_CONSTRAINT = 155;
    /// Room command.
    ASSET_BANK = 156;
    /// Room command.
    SAVE = 157;
    /// Room command, merged.
    TRANSFORM = 201;
    /// Room command, merged.
    MESH = 202;
    /// Room command, merged.
    MATERIAL = 203;
    /// Room command, merged.
    ASSIGN_MATERIAL = 204;
    /// Room command, never kept: the current frame.
    FRAME = 205;
    /// Room command.
    PLAY = 206;
    /// Room command.
    PAUSE = 207;
    /// Room command, merged.
    WORLD_SKY = 208;
    /// Room command, never kept: a bundle of one frame change.
    CLIENT_ID_WRAPPER = 1000;
}

impl Kind {
    /// Whether this is opaque to the relay and meant for the other members of a room. Numbers that
    /// nobody knows yet count as well, so that newer and other clients work.
    #[must_use]
    pub const fn is_room_command(self) -> bool {
        self.0 > 100
    }

    /// Whether this is passed on but never kept in a room's history.
    #[must_use]
    pub const fn is_ephemeral(self) -> bool {
        matches!(
            self,
            Self::FRAME | Self::QUERY_ANIMATION_DATA | Self::CLIENT_ID_WRAPPER
        )
    }

    /// Whether this replaces the history's last entry when both have this kind and the same leading
    /// string.
    #[must_use]
    pub const fn is_mergeable(self) -> bool {
        self.0 > 200 && self.0 < 999 && !self.is_ephemeral()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "kind {}", self.0),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_and_what_is_merged() {
        for (kind, room, ephemeral, mergeable) in [
            (22, false, false, false),
            (100, false, false, false),
            (101, true, false, false),
            (139, true, true, false),
            (140, true, false, false),
            (200, true, false, false),
            (201, true, false, true),
            (205, true, true, false),
            (206, true, false, true),
            (500, true, false, true),
            (998, true, false, true),
            (999, true, false, false),
            (1000, true, true, false),
            (65535, true, false, false),
        ] {
            let kind = Kind(kind);
            assert_eq!(
                (
                    kind.is_room_command(),
                    kind.is_ephemeral(),
                    kind.is_mergeable()
                ),
                (room, ephemeral, mergeable),
                "{kind}"
            );
        }
    }
}
