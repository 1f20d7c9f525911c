//! The typed meaning of frames between a client and the relay.

use super::attributes::{Attributes, NamedAttributes, parse_named, write_named};
use super::frame::Frame;
use super::kind::Kind;
use super::wire::{Take, WireError, put_flag, put_string};

/// Names of the attributes that the relay or this program look at.
pub mod attribute {
    /// A client's id. Set by the relay.
    pub const ID: &str = "id";
    /// A client's address. Set by the relay.
    pub const IP: &str = "ip";
    /// A client's port, a number. Set by the relay.
    pub const PORT: &str = "port";
    /// The room a client is in, or null. Set by the relay.
    pub const ROOM: &str = "room";
    /// A client's name.
    pub const USER_NAME: &str = "user_name";
    /// A client's colour: three numbers from 0 to 1.
    pub const USER_COLOR: &str = "user_color";
    /// Blender's mode, such as `OBJECT`.
    pub const USER_MODE: &str = "user_mode";
    /// What a client sees in each scene.
    pub const USER_SCENES: &str = "user_scenes";
    /// The current frame of a scene in [`USER_SCENES`].
    pub const FRAME: &str = "frame";
    /// Whether a room stays when the last one leaves. Set by the relay.
    pub const KEEP_OPEN: &str = "keep_open";
    /// The Blender a room was made with. Set by the relay.
    pub const BLENDER_VERSION: &str = "blender_version";
    /// The Mixer a room was made with. Set by the relay.
    pub const MIXER_VERSION: &str = "mixer_version";
    /// Whether any version may join a room. Set by the relay.
    pub const IGNORE_VERSION_CHECK: &str = "ignore_version_check";
    /// Whether a room speaks Mixer's generic protocol. Set by the relay.
    pub const GENERIC_PROTOCOL: &str = "generic_protocol";
    /// Entries in a room's history. Set by the relay.
    pub const COMMAND_COUNT: &str = "command_count";
    /// Their bytes, headers included. Set by the relay.
    pub const BYTE_SIZE: &str = "byte_size";
    /// Whether a room's first content is all there. Set by the relay.
    pub const JOINABLE: &str = "joinable";

    /// Whether a room that was made without a scene still waits for the first Blender to bring one. Set by
    /// Mixdesk's relay on such rooms only.
    pub const AWAITS_SCENE: &str = "mixdesk_awaits_scene";

    /// What the relay says of a client; a client's own values of these names do not count.
    pub const OF_CLIENTS: [&str; 4] = [ID, IP, PORT, ROOM];
    /// What the relay says of a room; custom values of these names do not count.
    pub const OF_ROOMS: [&str; 9] = [
        AWAITS_SCENE,
        KEEP_OPEN,
        BLENDER_VERSION,
        MIXER_VERSION,
        IGNORE_VERSION_CHECK,
        GENERIC_PROTOCOL,
        COMMAND_COUNT,
        BYTE_SIZE,
        JOINABLE,
    ];
}

/// What JOIN_ROOM asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinRequest {
    /// The room; made when it is not there.
    pub room: String,
    /// The client's Blender.
    pub blender_version: String,
    /// The client's Mixer.
    pub mixer_version: String,
    /// A new room is to let any version in. Does not count when the room is there.
    pub ignore_version_check: bool,
    /// A new room is to speak Mixer's generic protocol.
    pub generic_protocol: bool,
}

/// What a client says to the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// Enter or make a room.
    JoinRoom(JoinRequest),
    /// Leave the room. The wire carries the room's name, which nobody reads.
    LeaveRoom(String),
    /// Ask for all rooms.
    ListRooms,
    /// The room's first content is all sent.
    Content,
    /// Delete an empty room.
    DeleteRoom(String),
    /// The old way to set `user_name`.
    SetClientName(String),
    /// A sentence for every connected client.
    SendError(String),
    /// Ask for all clients.
    ListClients,
    /// The client's own attributes.
    SetClientAttributes(Attributes),
    /// A room's own attributes.
    SetRoomAttributes(String, Attributes),
    /// Whether a room stays when the last one leaves.
    SetRoomKeepOpen(String, bool),
    /// Ask for the client's own id.
    ClientId,
}

impl ClientMessage {
    /// Reads what a client sent. Where the wire's message is empty, or its payload is ignored by
    /// every relay, whatever is there is let pass.
    ///
    /// # Errors
    /// When the kind is not one that a client sends to the relay, or the payload is not its.
    pub fn decode(frame: &Frame) -> Result<Self, WireError> {
        let mut take = Take::new(frame.payload());
        let message = match frame.kind() {
            Kind::JOIN_ROOM => Self::JoinRoom(JoinRequest {
                room: take.string("the room's name")?.to_owned(),
                blender_version: take.string("the Blender version")?.to_owned(),
                mixer_version: take.string("the Mixer version")?.to_owned(),
                ignore_version_check: take.flag("the version check flag")?,
                generic_protocol: take.flag("the protocol flag")?,
            }),
            Kind::LEAVE_ROOM => {
                return Ok(Self::LeaveRoom(
                    String::from_utf8_lossy(take.rest()).into_owned(),
                ));
            }
            Kind::LIST_ROOMS => return Ok(Self::ListRooms),
            Kind::CONTENT => return Ok(Self::Content),
            Kind::LIST_CLIENTS => return Ok(Self::ListClients),
            Kind::CLIENT_ID => return Ok(Self::ClientId),
            Kind::DELETE_ROOM => {
                return Ok(Self::DeleteRoom(
                    take.bare_text("the room's name")?.to_owned(),
                ));
            }
            Kind::SET_CLIENT_NAME => {
                return Ok(Self::SetClientName(take.bare_text("the name")?.to_owned()));
            }
            Kind::SEND_ERROR => Self::SendError(take.string("the error's text")?.to_owned()),
            Kind::SET_CLIENT_CUSTOM_ATTRIBUTES => {
                Self::SetClientAttributes(Attributes::parse(take.string("the attributes")?)?)
            }
            Kind::SET_ROOM_CUSTOM_ATTRIBUTES => {
                let room = take.string("the room's name")?.to_owned();
                Self::SetRoomAttributes(room, Attributes::parse(take.string("the attributes")?)?)
            }
            Kind::SET_ROOM_KEEP_OPEN => Self::SetRoomKeepOpen(
                take.string("the room's name")?.to_owned(),
                take.flag("the keep-open flag")?,
            ),
            other => return Err(WireError::Unknown(other)),
        };
        take.finish()?;
        Ok(message)
    }

    /// This message as a frame.
    #[must_use]
    pub fn encode(&self) -> Frame {
        let mut payload = Vec::new();
        let kind = match self {
            Self::JoinRoom(request) => {
                put_string(&mut payload, &request.room);
                put_string(&mut payload, &request.blender_version);
                put_string(&mut payload, &request.mixer_version);
                put_flag(&mut payload, request.ignore_version_check);
                put_flag(&mut payload, request.generic_protocol);
                Kind::JOIN_ROOM
            }
            Self::LeaveRoom(room) => {
                payload.extend_from_slice(room.as_bytes());
                Kind::LEAVE_ROOM
            }
            Self::ListRooms => Kind::LIST_ROOMS,
            Self::Content => Kind::CONTENT,
            Self::DeleteRoom(room) => {
                payload.extend_from_slice(room.as_bytes());
                Kind::DELETE_ROOM
            }
            Self::SetClientName(name) => {
                payload.extend_from_slice(name.as_bytes());
                Kind::SET_CLIENT_NAME
            }
            Self::SendError(text) => {
                put_string(&mut payload, text);
                Kind::SEND_ERROR
            }
            Self::ListClients => Kind::LIST_CLIENTS,
            Self::SetClientAttributes(attributes) => {
                put_string(&mut payload, &attributes.to_string());
                Kind::SET_CLIENT_CUSTOM_ATTRIBUTES
            }
            Self::SetRoomAttributes(room, attributes) => {
                put_string(&mut payload, room);
                put_string(&mut payload, &attributes.to_string());
                Kind::SET_ROOM_CUSTOM_ATTRIBUTES
            }
            Self::SetRoomKeepOpen(room, keep_open) => {
                put_string(&mut payload, room);
                put_flag(&mut payload, *keep_open);
                Kind::SET_ROOM_KEEP_OPEN
            }
            Self::ClientId => Kind::CLIENT_ID,
        };
        Frame::new(kind, &payload)
    }
}

/// What the relay says to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayMessage {
    /// You are in.
    JoinRoom(String),
    /// You are out.
    LeaveRoom,
    /// All rooms.
    ListRooms(NamedAttributes),
    /// You made this room, send its content.
    Content,
    /// What follows replaces your scene.
    ClearContent,
    /// A sentence for a person.
    SendError(String),
    /// All clients.
    ListClients(NamedAttributes),
    /// Your id.
    ClientId(String),
    /// Changed attributes of clients.
    ClientUpdate(NamedAttributes),
    /// Changed attributes of rooms.
    RoomUpdate(NamedAttributes),
    /// A room is gone.
    RoomDeleted(String),
    /// A client is gone.
    ClientDisconnected(String),
}

impl RelayMessage {
    /// Reads what the relay sent.
    ///
    /// # Errors
    /// When the kind is not one that the relay sends, or the payload is not its.
    pub fn decode(frame: &Frame) -> Result<Self, WireError> {
        let mut take = Take::new(frame.payload());
        let message = match frame.kind() {
            Kind::JOIN_ROOM => Self::JoinRoom(take.string("the room's name")?.to_owned()),
            Kind::LEAVE_ROOM => return Ok(Self::LeaveRoom),
            Kind::CONTENT => return Ok(Self::Content),
            Kind::CLEAR_CONTENT => return Ok(Self::ClearContent),
            Kind::LIST_ROOMS => Self::ListRooms(parse_named(take.string("the rooms")?)?),
            Kind::SEND_ERROR => Self::SendError(take.string("the error's text")?.to_owned()),
            Kind::LIST_CLIENTS => Self::ListClients(parse_named(take.string("the clients")?)?),
            Kind::CLIENT_ID => {
                return Ok(Self::ClientId(
                    take.bare_text("the client's id")?.to_owned(),
                ));
            }
            Kind::CLIENT_UPDATE => Self::ClientUpdate(parse_named(take.string("the clients")?)?),
            Kind::ROOM_UPDATE => Self::RoomUpdate(parse_named(take.string("the rooms")?)?),
            Kind::ROOM_DELETED => Self::RoomDeleted(take.string("the room's name")?.to_owned()),
            Kind::CLIENT_DISCONNECTED => {
                Self::ClientDisconnected(take.string("the client's id")?.to_owned())
            }
            other => return Err(WireError::Unknown(other)),
        };
        take.finish()?;
        Ok(message)
    }

    /// This message as a frame.
    #[must_use]
    pub fn encode(&self) -> Frame {
        let mut payload = Vec::new();
        let mut put_named = |named: &NamedAttributes| {
            put_string(
                &mut payload,
                &write_named(
                    named
                        .iter()
                        .map(|(name, attributes)| (name.as_str(), attributes)),
                ),
            );
        };
        let kind = match self {
            Self::LeaveRoom => Kind::LEAVE_ROOM,
            Self::Content => Kind::CONTENT,
            Self::ClearContent => Kind::CLEAR_CONTENT,
            Self::ListRooms(rooms) => {
                put_named(rooms);
                Kind::LIST_ROOMS
            }
            Self::ListClients(clients) => {
                put_named(clients);
                Kind::LIST_CLIENTS
            }
            Self::ClientUpdate(clients) => {
                put_named(clients);
                Kind::CLIENT_UPDATE
            }
            Self::RoomUpdate(rooms) => {
                put_named(rooms);
                Kind::ROOM_UPDATE
            }
            Self::JoinRoom(room) => {
                put_string(&mut payload, room);
                Kind::JOIN_ROOM
            }
            Self::SendError(text) => {
                put_string(&mut payload, text);
                Kind::SEND_ERROR
            }
            Self::ClientId(id) => {
                payload.extend_from_slice(id.as_bytes());
                Kind::CLIENT_ID
            }
            Self::RoomDeleted(room) => {
                put_string(&mut payload, room);
                Kind::ROOM_DELETED
            }
            Self::ClientDisconnected(id) => {
                put_string(&mut payload, id);
                Kind::CLIENT_DISCONNECTED
            }
        };
        Frame::new(kind, &payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(text: &str) -> Attributes {
        Attributes::parse(text).unwrap()
    }

    #[test]
    fn client_messages_round_trip() {
        let room = || "Décor".to_owned();
        for message in [
            ClientMessage::JoinRoom(JoinRequest {
                room: room(),
                blender_version: "2.93.0".into(),
                mixer_version: "1.0.0".into(),
                ignore_version_check: true,
                generic_protocol: false,
            }),
            ClientMessage::LeaveRoom(room()),
            ClientMessage::ListRooms,
            ClientMessage::Content,
            ClientMessage::DeleteRoom(room()),
            ClientMessage::SetClientName(room()),
            ClientMessage::SendError(room()),
            ClientMessage::ListClients,
            ClientMessage::SetClientAttributes(attributes(r#"{"a": NaN}"#)),
            ClientMessage::SetRoomAttributes(room(), attributes(r#"{"a": 1.0}"#)),
            ClientMessage::SetRoomKeepOpen(room(), true),
            ClientMessage::ClientId,
        ] {
            assert_eq!(ClientMessage::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn relay_messages_round_trip() {
        let named: NamedAttributes = [("x".to_owned(), attributes(r#"{"a": [1, 1.0]}"#))].into();
        for message in [
            RelayMessage::JoinRoom("R".into()),
            RelayMessage::LeaveRoom,
            RelayMessage::ListRooms(named.clone()),
            RelayMessage::Content,
            RelayMessage::ClearContent,
            RelayMessage::SendError("no".into()),
            RelayMessage::ListClients(named.clone()),
            RelayMessage::ClientId("127.0.0.1:1".into()),
            RelayMessage::ClientUpdate(named.clone()),
            RelayMessage::RoomUpdate(named),
            RelayMessage::RoomDeleted("R".into()),
            RelayMessage::ClientDisconnected("127.0.0.1:1".into()),
        ] {
            assert_eq!(RelayMessage::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn bad_payloads_are_told_apart() {
        let decode = |kind, payload: &[u8]| ClientMessage::decode(&Frame::new(kind, payload));
        assert_eq!(
            decode(Kind::JOIN_ROOM, b"\x01\0\0\0R"),
            Err(WireError::Short("the Blender version"))
        );
        assert_eq!(
            decode(Kind::DELETE_ROOM, b"\xff"),
            Err(WireError::NotText("the room's name"))
        );
        assert_eq!(
            decode(Kind::SEND_ERROR, b"\x01\0\0\0Rx"),
            Err(WireError::LeftOver(1))
        );
        assert!(matches!(
            decode(Kind::SET_CLIENT_CUSTOM_ATTRIBUTES, b"\x02\0\0\0[]"),
            Err(WireError::Json(_))
        ));
        assert_eq!(decode(Kind(99), b""), Err(WireError::Unknown(Kind(99))));
        assert_eq!(
            decode(Kind::CLIENT_UPDATE, b""),
            Err(WireError::Unknown(Kind::CLIENT_UPDATE))
        );
    }
}
