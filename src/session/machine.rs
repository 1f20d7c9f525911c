//! What frames and commands mean to us: a state machine without sockets or clocks.

use std::sync::Arc;
use std::time::Instant;

use super::command::{Command, Identity};
use super::event::Event;
use super::membership::Membership;
use crate::protocol::{
    Attributes, ClientMessage, Frame, JoinRequest, NamedAttributes, RelayMessage, WireError,
    attribute, empty_batch,
};

/// Longest name of a person that is shown, in characters.
pub(super) const NAME_CHARS: usize = 64;
/// Longest error that is shown, in characters.
pub(super) const TEXT_CHARS: usize = 1000;
/// Bytes of attributes that all clients and rooms may have: a relay that lists more is not believed.
pub(super) const MIRROR_BYTES: usize = 64 << 20;

/// What frames and commands mean to us.
#[derive(Debug)]
pub(super) struct Machine {
    identity: Identity,
    /// Our id, once the relay has told it.
    pub(super) me: Option<String>,
    pub(super) clients: Arc<NamedAttributes>,
    pub(super) rooms: Arc<NamedAttributes>,
    pub(super) membership: Membership,
    /// Both lists have come.
    listed: (bool, bool),
    /// The room to enter again after a lost connection.
    wanted: Option<String>,
    /// The room we asked for last, in case a refusal that seemed ours was somebody else's.
    asked: Option<String>,
    /// The room that ended under us, until it is clear that it was another of this name.
    ended: Option<String>,
    /// An error was told, which only a relay does.
    spoken: bool,
    /// Tell every room command.
    pub(super) reports_commands: bool,
    /// Frames to send, in order.
    pub(super) outgoing: Vec<Frame>,
    /// News to tell, in order.
    pub(super) events: Vec<Event>,
    /// What is told to others has changed since this was last set to false.
    pub(super) changed: bool,
}

impl Machine {
    pub(super) fn new(identity: Identity, reports_commands: bool) -> Self {
        Self {
            identity,
            me: None,
            clients: Arc::default(),
            rooms: Arc::default(),
            membership: Membership::Out,
            listed: (false, false),
            wanted: None,
            asked: None,
            ended: None,
            spoken: false,
            reports_commands,
            outgoing: Vec::new(),
            events: Vec::new(),
            changed: true,
        }
    }

    /// Whether the relay has told all that is needed to begin.
    pub(super) fn is_online(&self) -> bool {
        self.me.is_some() && self.listed == (true, true)
    }

    /// Whether something that only a relay would say has come.
    pub(super) fn is_answered(&self) -> bool {
        self.spoken || self.me.is_some() || self.listed.0 || self.listed.1
    }

    /// Whether all that has come is words: a relay that asks its host before it lets anybody in has
    /// not been answered yet.
    pub(super) fn is_told_to_wait(&self) -> bool {
        self.spoken && self.me.is_none() && self.listed == (false, false)
    }

    /// A connection is there: what was known of the last one does not count any more.
    pub(super) fn on_connected(&mut self) {
        self.me = None;
        self.clients = Arc::default();
        self.rooms = Arc::default();
        self.listed = (false, false);
        self.spoken = false;
        self.outgoing.clear();
        for message in [
            ClientMessage::ClientId,
            ClientMessage::ListClients,
            ClientMessage::ListRooms,
        ] {
            self.send(&message);
        }
        self.send(&ClientMessage::SetClientAttributes(
            self.identity.attributes(),
        ));
        self.changed = true;
    }

    /// The connection is gone. The room we were in is entered again after the next one.
    pub(super) fn on_lost(&mut self) {
        self.wanted = match std::mem::take(&mut self.membership) {
            Membership::In { room } | Membership::Joining { room, .. } => Some(room),
            // Lost again before it could be entered.
            Membership::Out => self.wanted.take(),
            Membership::Creating { .. } | Membership::Leaving { .. } => None,
        };
        self.asked = None;
        self.ended = None;
        self.changed = true;
    }

    /// Carries out what the user asks. What cannot be done is an [`Event::Refused`].
    pub(super) fn on_command(&mut self, now: Instant, command: Command) {
        self.changed = true;
        match command {
            Command::SetIdentity(identity) => {
                self.identity = identity;
                // While nobody is connected this is thrown away, as a new connection says it anyway.
                self.send(&ClientMessage::SetClientAttributes(
                    self.identity.attributes(),
                ));
            }
            _ if !self.is_online() => {
                self.refuse("There is no connection to the server.".to_owned());
            }
            Command::Join(room) => {
                if self.is_out() {
                    self.join(now, room);
                }
            }
            Command::Create(room) => {
                if self.is_out() {
                    self.create(room);
                }
            }
            Command::Leave => self.leave(),
            Command::Delete(room) => self.send(&ClientMessage::DeleteRoom(room)),
            Command::SetKeepOpen(room, keep_open) => {
                self.send(&ClientMessage::SetRoomKeepOpen(room, keep_open));
            }
        }
    }

    /// Whether we are in no room; says so if we are in one. What the user wants now counts, and no
    /// longer the room that a lost connection took from us.
    fn is_out(&mut self) -> bool {
        self.wanted = None;
        let Some(room) = self.membership.room() else {
            return true;
        };
        let refusal = format!("You are in the room “{room}”. Leave it first.");
        self.refuse(refusal);
        false
    }

    fn leave(&mut self) {
        self.wanted = None;
        self.asked = None;
        match std::mem::take(&mut self.membership) {
            Membership::Out => self.refuse("You are in no room.".to_owned()),
            leaving @ Membership::Leaving { .. } => self.membership = leaving,
            Membership::Creating { room }
            | Membership::Joining { room, .. }
            | Membership::In { room } => {
                self.send(&ClientMessage::LeaveRoom(room.clone()));
                self.membership = Membership::Leaving { room };
            }
        }
    }

    /// Joins with the room's own versions: we hold no scene that could differ.
    fn join(&mut self, now: Instant, room: String) {
        let Some(attributes) = self.rooms.get(&room) else {
            return self.refuse(format!("There is no room “{room}” any more."));
        };
        if attributes.flag(attribute::JOINABLE) != Some(true) {
            return self.refuse(format!(
                "The room “{room}” is not ready yet: its maker is still sending the scene. Try again in a moment."
            ));
        }
        let request = request_of(&room, attributes);
        self.membership = Membership::Joining {
            room: room.clone(),
            received_bytes: 0,
            total_bytes: attributes.count(attribute::BYTE_SIZE).unwrap_or_default(),
            since: now,
            begun: false,
        };
        self.asked = Some(room);
        self.send(&ClientMessage::JoinRoom(request));
    }

    fn create(&mut self, room: String) {
        if self.rooms.contains_key(&room) {
            return self.refuse(format!(
                "There is a room “{room}” already. Choose another name, or join it."
            ));
        }
        let request = JoinRequest::sceneless(&room);
        self.asked = Some(room.clone());
        self.membership = Membership::Creating { room };
        self.send(&ClientMessage::JoinRoom(request));
    }

    /// Takes a frame from the relay.
    ///
    /// # Errors
    /// When it is not what a relay would send.
    pub(super) fn on_frame(&mut self, now: Instant, frame: &Frame) -> Result<(), WireError> {
        if frame.kind().is_room_command() {
            self.on_room_command(frame);
            return Ok(());
        }
        self.changed = true;
        let message = match RelayMessage::decode(frame) {
            Err(WireError::Unknown(kind)) if self.is_answered() => {
                tracing::debug!("a newer relay says {kind}");
                return Ok(());
            }
            decoded => decoded?,
        };
        match message {
            RelayMessage::ClientId(id) => self.me = Some(id),
            RelayMessage::ListClients(clients) => {
                self.clients = Arc::new(clients);
                self.listed.0 = true;
            }
            RelayMessage::ListRooms(rooms) => {
                self.rooms = Arc::new(rooms);
                self.listed.1 = true;
            }
            RelayMessage::ClientUpdate(clients) => self.on_client_update(clients),
            RelayMessage::RoomUpdate(rooms) => merge(Arc::make_mut(&mut self.rooms), rooms),
            RelayMessage::RoomDeleted(room) => {
                Arc::make_mut(&mut self.rooms).remove(&room);
                if matches!(&self.membership, Membership::In { room: ours } if *ours == room) {
                    self.membership = Membership::Out;
                    self.ended = Some(room.clone());
                    self.events.push(Event::Left(room.clone()));
                }
                self.events.push(Event::RoomGone(room));
            }
            RelayMessage::ClientDisconnected(id) => {
                if let Some(gone) = Arc::make_mut(&mut self.clients).remove(&id)
                    && let Some(room) = gone.text(attribute::ROOM)
                {
                    self.events.push(Event::PersonLeft {
                        name: person_name(&id, &gone),
                        room,
                    });
                }
            }
            RelayMessage::ClearContent => self.on_clear_content(now),
            RelayMessage::JoinRoom(room) => self.on_joined(room),
            RelayMessage::Content => self.on_content_wanted(),
            RelayMessage::LeaveRoom => self.on_left(),
            RelayMessage::SendError(text) => {
                self.spoken = true;
                self.on_error(&text);
            }
        }
        if self.is_online()
            && let Some(room) = self.wanted.take_if(|room| is_joinable(&self.rooms, room))
            && self.membership == Membership::Out
        {
            self.join(now, room);
        }
        Ok(())
    }

    fn on_room_command(&mut self, frame: &Frame) {
        let mut replayed = false;
        if let Membership::Joining { received_bytes, .. } = &mut self.membership {
            *received_bytes += frame.wire_len() as u64;
            replayed = true;
            self.changed = true;
        }
        if self.reports_commands {
            self.events.push(Event::RoomCommand {
                kind: frame.kind(),
                bytes: frame.wire_len(),
                replayed,
            });
        }
    }

    fn on_client_update(&mut self, clients: NamedAttributes) {
        for (id, update) in &clients {
            if update.raw(attribute::ROOM).is_none() {
                continue;
            }
            let known = self.clients.get(id);
            if Some(id) == self.me.as_ref() {
                // The end that we were told of was that of an older room of this name: ours, made or
                // joined since, is there.
                let room = update.text(attribute::ROOM);
                if let Some(room) = self.ended.take_if(|ended| Some(&*ended) == room.as_ref())
                    && self.membership == Membership::Out
                {
                    self.events.push(Event::Entered(room.clone()));
                    self.membership = Membership::In { room };
                }
                continue;
            }
            let named = [Some(update), known].into_iter().flatten();
            let name = named
                .filter(|attributes| attributes.raw(attribute::USER_NAME).is_some())
                .map(|attributes| person_name(id, attributes))
                .next()
                .unwrap_or_else(|| id.clone());
            let before = known.and_then(|known| known.text(attribute::ROOM));
            match (before, update.text(attribute::ROOM)) {
                (None, Some(room)) => self.events.push(Event::PersonEntered { name, room }),
                (Some(room), None) => self.events.push(Event::PersonLeft { name, room }),
                _ => {}
            }
        }
        merge(Arc::make_mut(&mut self.clients), clients);
    }

    /// A history begins to come: we are let into a room that is there. A refusal that seemed to be for
    /// us was somebody else's then; and a room that we wanted to make, somebody else has made first.
    fn on_clear_content(&mut self, now: Instant) {
        let (room, total_bytes, since) = match std::mem::take(&mut self.membership) {
            Membership::Joining {
                room,
                total_bytes,
                since,
                ..
            } => (room, total_bytes, since),
            Membership::Creating { room } => (room, 0, now),
            other => {
                let asked = self.asked.take().filter(|_| other == Membership::Out);
                self.membership = other;
                let Some(room) = asked else { return };
                (room, 0, now)
            }
        };
        self.membership = Membership::Joining {
            room,
            received_bytes: 0,
            total_bytes,
            since,
            begun: true,
        };
    }

    /// We are in. Without a history before this, the relay has made the room, and asks for its content
    /// next: we wanted to make it, or it had ended before we could join it.
    fn on_joined(&mut self, room: String) {
        self.membership = match &self.membership {
            Membership::Leaving { .. } => return,
            Membership::Joining { begun: true, .. } => {
                self.asked = None;
                self.events.push(Event::Entered(room.clone()));
                Membership::In { room }
            }
            _ => Membership::Creating { room },
        };
    }

    /// We made the room.
    fn on_content_wanted(&mut self) {
        let Membership::Creating { room } = &self.membership else {
            return;
        };
        let room = room.clone();
        self.asked = None;
        self.outgoing.extend(empty_batch());
        self.send(&ClientMessage::Content);
        self.send(&ClientMessage::SetRoomKeepOpen(room.clone(), true));
        self.membership = Membership::In { room: room.clone() };
        self.events.push(Event::Entered(room));
    }

    fn on_left(&mut self) {
        if let Membership::Leaving { room } = &self.membership {
            self.events.push(Event::Left(room.clone()));
            self.membership = Membership::Out;
        }
    }

    fn on_error(&mut self, text: &str) {
        let text = short(text, TEXT_CHARS);
        match &self.membership {
            Membership::Creating { .. } | Membership::Joining { begun: false, .. } => {
                self.membership = Membership::Out;
                self.refuse(text);
            }
            // We were out already, as when the join that we gave up was refused.
            Membership::Leaving { room } => {
                self.events.push(Event::Left(room.clone()));
                self.membership = Membership::Out;
                self.events.push(Event::Told(text));
            }
            _ => self.events.push(Event::Told(text)),
        }
    }

    fn refuse(&mut self, why: String) {
        self.events.push(Event::Refused(why));
    }

    fn send(&mut self, message: &ClientMessage) {
        self.outgoing.push(message.encode());
    }

    /// Whether the relay makes us hold more than any real session has.
    pub(super) fn is_overfull(&self) -> bool {
        let size =
            |named: &NamedAttributes| named.values().map(Attributes::size_bytes).sum::<usize>();
        size(&self.clients) + size(&self.rooms) > MIRROR_BYTES
    }
}

fn merge(mirror: &mut NamedAttributes, updates: NamedAttributes) {
    for (name, update) in updates {
        mirror.entry(name).or_default().update(update);
    }
}

fn is_joinable(rooms: &NamedAttributes, room: &str) -> bool {
    rooms
        .get(room)
        .is_some_and(|room| room.flag(attribute::JOINABLE) == Some(true))
}

/// What joins a room with its own versions.
pub(super) fn request_of(room: &str, attributes: &Attributes) -> JoinRequest {
    let text = |name| attributes.text(name).unwrap_or_default();
    let flag = |name| attributes.flag(name);
    JoinRequest {
        room: room.to_owned(),
        blender_version: text(attribute::BLENDER_VERSION),
        mixer_version: text(attribute::MIXER_VERSION),
        ignore_version_check: flag(attribute::IGNORE_VERSION_CHECK).unwrap_or_default(),
        generic_protocol: flag(attribute::GENERIC_PROTOCOL).unwrap_or(true),
    }
}

/// What to call somebody: the name they chose, as far as it can be shown, or their id.
#[must_use]
pub fn person_name(id: &str, attributes: &Attributes) -> String {
    attributes
        .text(attribute::USER_NAME)
        .filter(|name| !name.trim().is_empty())
        .map_or_else(|| id.to_owned(), |name| short(&name, NAME_CHARS))
}

/// As much of what somebody else wrote as can be shown.
fn short(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
