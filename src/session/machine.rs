//! What frames and commands mean to us: a state machine without sockets or clocks.

use std::sync::Arc;
use std::time::Instant;

use super::command::{Command, Identity};
use super::event::Event;
use super::membership::Membership;
use crate::protocol::{
    ANY_VERSION, Attributes, ClientMessage, Frame, JoinRequest, Kind, NamedAttributes,
    RelayMessage, WireError, attribute,
};

/// Longest name of a person that is shown, in characters.
const NAME_CHARS: usize = 64;
/// Longest error that is shown, in characters.
const TEXT_CHARS: usize = 1000;
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
        let request = JoinRequest {
            room: room.clone(),
            blender_version: ANY_VERSION.to_owned(),
            mixer_version: ANY_VERSION.to_owned(),
            ignore_version_check: true,
            generic_protocol: true,
        };
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

/// The content of an empty room: a batch of nothing. Mixer divides by a room's size while it joins,
/// so a room may be empty but not of no bytes.
pub(super) fn empty_batch() -> [Frame; 2] {
    [
        Frame::new(Kind::GROUP_BEGIN, &0u32.to_le_bytes()),
        Frame::new(Kind::GROUP_END, &[]),
    ]
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

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "127.0.0.1:1";

    fn named(text: &str) -> NamedAttributes {
        crate::protocol::parse_named(text).unwrap()
    }

    fn machine() -> Machine {
        Machine::new(
            Identity {
                name: "Ada".into(),
                color: [1.0, 0.5, 0.0],
            },
            false,
        )
    }

    /// A machine that is online, with room R that is ready and room S that is not.
    fn online() -> Machine {
        let mut machine = machine();
        machine.on_connected();
        let room = |joinable| {
            format!(
                r#"{{"blender_version": "2.93.0", "mixer_version": "1.0.0", "ignore_version_check": false,
                "generic_protocol": false, "byte_size": 100, "joinable": {joinable}}}"#
            )
        };
        for message in [
            RelayMessage::ClientId(ME.into()),
            RelayMessage::ListClients(named(&format!(
                r#"{{"{ME}": {{"room": null}}, "b": {{"user_name": "Bo", "room": null}}}}"#
            ))),
            RelayMessage::ListRooms(named(&format!(
                r#"{{"R": {}, "S": {}}}"#,
                room(true),
                room(false)
            ))),
        ] {
            told(&mut machine, &message);
        }
        machine.outgoing.clear();
        assert!(machine.is_online());
        machine
    }

    fn told(machine: &mut Machine, message: &RelayMessage) -> Vec<Event> {
        machine.on_frame(Instant::now(), &message.encode()).unwrap();
        std::mem::take(&mut machine.events)
    }

    fn asked(machine: &mut Machine, command: Command) -> Vec<Event> {
        machine.on_command(Instant::now(), command);
        std::mem::take(&mut machine.events)
    }

    fn sent(machine: &mut Machine) -> Vec<ClientMessage> {
        machine
            .outgoing
            .drain(..)
            .filter_map(|frame| ClientMessage::decode(&frame).ok())
            .collect()
    }

    fn enter_r(machine: &mut Machine) {
        asked(machine, Command::Join("R".into()));
        told(machine, &RelayMessage::ClearContent);
        assert_eq!(
            told(machine, &RelayMessage::JoinRoom("R".into())),
            [Event::Entered("R".into())]
        );
        machine.outgoing.clear();
    }

    #[test]
    fn it_greets_as_mixer_does_and_says_who_we_are() {
        let mut machine = machine();
        machine.on_connected();
        let messages = sent(&mut machine);
        assert_eq!(
            messages[..3],
            [
                ClientMessage::ClientId,
                ClientMessage::ListClients,
                ClientMessage::ListRooms
            ]
        );
        let identity = r#"{"user_color": [1.0, 0.5, 0.0], "user_name": "Ada"}"#;
        assert_eq!(
            messages[3],
            ClientMessage::SetClientAttributes(Attributes::parse(identity).unwrap())
        );
        assert!(!machine.is_online());
        assert_eq!(
            asked(&mut machine, Command::Join("R".into())).len(),
            1,
            "refused while not online"
        );
    }

    #[test]
    fn joining_sends_the_rooms_own_versions_and_counts_what_comes() {
        let mut machine = online();
        asked(&mut machine, Command::Join("R".into()));
        let request = JoinRequest {
            room: "R".into(),
            blender_version: "2.93.0".into(),
            mixer_version: "1.0.0".into(),
            ignore_version_check: false,
            generic_protocol: false,
        };
        assert_eq!(sent(&mut machine), [ClientMessage::JoinRoom(request)]);
        told(&mut machine, &RelayMessage::ClearContent);
        machine
            .on_frame(Instant::now(), &Frame::new(Kind(140), &[0; 26]))
            .unwrap();
        let Membership::Joining {
            received_bytes: 40,
            total_bytes: 100,
            ..
        } = machine.membership
        else {
            panic!("{:?}", machine.membership)
        };
        assert_eq!(
            told(&mut machine, &RelayMessage::JoinRoom("R".into())),
            [Event::Entered("R".into())]
        );
        assert_eq!(machine.membership, Membership::In { room: "R".into() });
    }

    #[test]
    fn what_cannot_be_joined_is_said_without_asking() {
        let mut machine = online();
        for room in ["S", "T"] {
            let events = asked(&mut machine, Command::Join(room.into()));
            assert!(matches!(&events[..], [Event::Refused(_)]), "{events:?}");
        }
        assert!(matches!(
            &asked(&mut machine, Command::Create("R".into()))[..],
            [Event::Refused(_)]
        ));
        assert_eq!(sent(&mut machine), []);
        assert_eq!(machine.membership, Membership::Out);
    }

    #[test]
    fn a_refused_join_leaves_us_out() {
        let mut machine = online();
        asked(&mut machine, Command::Join("R".into()));
        assert_eq!(
            told(&mut machine, &RelayMessage::SendError("no".into())),
            [Event::Refused("no".into())]
        );
        assert_eq!(machine.membership, Membership::Out);
    }

    #[test]
    fn somebody_elses_error_does_not_lose_our_join() {
        let mut machine = online();
        asked(&mut machine, Command::Join("R".into()));
        told(&mut machine, &RelayMessage::SendError("not for us".into()));
        told(&mut machine, &RelayMessage::ClearContent);
        assert_eq!(
            told(&mut machine, &RelayMessage::JoinRoom("R".into())),
            [Event::Entered("R".into())]
        );
        assert_eq!(
            told(&mut machine, &RelayMessage::SendError("x".into())),
            [Event::Told("x".into())]
        );
        assert_eq!(machine.membership, Membership::In { room: "R".into() });
    }

    #[test]
    fn one_room_after_the_other() {
        let mut machine = online();
        enter_r(&mut machine);
        for command in [Command::Join("R".into()), Command::Create("New".into())] {
            let events = asked(&mut machine, command);
            assert!(
                matches!(&events[..], [Event::Refused(why)] if why.contains("Leave it first")),
                "{events:?}"
            );
        }
        assert_eq!(sent(&mut machine), []);
        asked(&mut machine, Command::Leave);
        assert_eq!(sent(&mut machine), [ClientMessage::LeaveRoom("R".into())]);
        assert_eq!(
            told(&mut machine, &RelayMessage::LeaveRoom),
            [Event::Left("R".into())]
        );
        assert_eq!(machine.membership, Membership::Out);
    }

    #[test]
    fn a_room_that_ended_before_we_could_join_it_is_made_again() {
        let mut machine = online();
        asked(&mut machine, Command::Join("R".into()));
        machine.outgoing.clear();
        assert_eq!(told(&mut machine, &RelayMessage::JoinRoom("R".into())), []);
        assert_eq!(
            told(&mut machine, &RelayMessage::Content),
            [Event::Entered("R".into())]
        );
        assert_eq!(
            machine.outgoing.len(),
            4,
            "its content, though there is none"
        );
        // The news of the old room's end come after the answers.
        told(&mut machine, &RelayMessage::RoomDeleted("R".into()));
        assert_eq!(machine.membership, Membership::Out);
        let in_r = RelayMessage::ClientUpdate(named(&format!(r#"{{"{ME}": {{"room": "R"}}}}"#)));
        assert_eq!(told(&mut machine, &in_r), [Event::Entered("R".into())]);
        assert_eq!(machine.membership, Membership::In { room: "R".into() });
    }

    #[test]
    fn a_room_that_somebody_else_made_first_is_joined() {
        let mut machine = online();
        asked(&mut machine, Command::Create("New".into()));
        told(&mut machine, &RelayMessage::ClearContent);
        assert_eq!(
            told(&mut machine, &RelayMessage::JoinRoom("New".into())),
            [Event::Entered("New".into())]
        );
    }

    #[test]
    fn somebody_elses_error_does_not_lose_the_room_we_make() {
        let mut machine = online();
        asked(&mut machine, Command::Create("New".into()));
        told(&mut machine, &RelayMessage::SendError("not for us".into()));
        told(&mut machine, &RelayMessage::JoinRoom("New".into()));
        machine.outgoing.clear();
        told(&mut machine, &RelayMessage::Content);
        assert_eq!(machine.outgoing.len(), 4);
        assert_eq!(machine.membership, Membership::In { room: "New".into() });
    }

    #[test]
    fn what_others_write_is_shown_as_far_as_it_can_be() {
        let long = "é".repeat(5000);
        let attributes = Attributes::default().with_text(attribute::USER_NAME, &long);
        assert_eq!(
            person_name("x", &attributes).chars().count(),
            NAME_CHARS + 1
        );
        let mut machine = online();
        let events = told(&mut machine, &RelayMessage::SendError(long));
        assert!(
            matches!(&events[..], [Event::Told(text)] if text.chars().count() == TEXT_CHARS + 1)
        );
    }

    #[test]
    fn a_created_room_is_ready_for_anybody_and_stays() {
        let mut machine = online();
        asked(&mut machine, Command::Create("New".into()));
        let [ClientMessage::JoinRoom(request)] = &sent(&mut machine)[..] else {
            panic!("one request")
        };
        assert!(request.ignore_version_check && request.generic_protocol);
        told(&mut machine, &RelayMessage::JoinRoom("New".into()));
        assert_eq!(
            told(&mut machine, &RelayMessage::Content),
            [Event::Entered("New".into())]
        );
        let kinds: Vec<_> = machine
            .outgoing
            .iter()
            .map(|frame| frame.kind().0)
            .collect();
        assert_eq!(
            kinds,
            [132, 133, 5, 17],
            "a batch with nothing in it, so that its size is not zero"
        );
    }

    #[test]
    fn after_a_lost_connection_the_room_is_entered_again() {
        let mut machine = online();
        enter_r(&mut machine);
        machine.on_lost();
        machine.on_lost();
        assert_eq!(machine.membership, Membership::Out);
        machine.on_connected();
        for message in [
            RelayMessage::ClientId(ME.into()),
            RelayMessage::ListClients(NamedAttributes::new()),
            RelayMessage::ListRooms(NamedAttributes::new()),
        ] {
            told(&mut machine, &message);
        }
        sent(&mut machine);
        told(
            &mut machine,
            &RelayMessage::RoomUpdate(named(r#"{"R": {"joinable": true}}"#)),
        );
        assert!(
            matches!(&sent(&mut machine)[..], [ClientMessage::JoinRoom(request)] if request.room == "R")
        );
    }

    #[test]
    fn others_coming_and_going_is_news() {
        let mut machine = online();
        let entered = RelayMessage::ClientUpdate(named(r#"{"b": {"room": "R"}}"#));
        let bo = || ("Bo".to_owned(), "R".to_owned());
        let (name, room) = bo();
        assert_eq!(
            told(&mut machine, &entered),
            [Event::PersonEntered { name, room }]
        );
        let (name, room) = bo();
        assert_eq!(
            told(&mut machine, &RelayMessage::ClientDisconnected("b".into())),
            [Event::PersonLeft { name, room }]
        );
        assert!(!machine.clients.contains_key("b"));
    }

    #[test]
    fn a_room_that_ends_under_us_puts_us_out() {
        let mut machine = online();
        enter_r(&mut machine);
        let events = told(&mut machine, &RelayMessage::RoomDeleted("R".into()));
        assert_eq!(
            events,
            [Event::Left("R".into()), Event::RoomGone("R".into())]
        );
        assert_eq!(machine.membership, Membership::Out);
        enter_r(&mut online());
    }

    #[test]
    fn nonsense_is_an_error_and_unknown_room_commands_are_not() {
        let mut machine = online();
        let mut stranger = self::machine();
        let odd = Frame::new(Kind(50), b"");
        assert!(stranger.on_frame(Instant::now(), &odd).is_err());
        assert!(
            machine.on_frame(Instant::now(), &odd).is_ok(),
            "a newer relay"
        );
        assert!(
            machine
                .on_frame(Instant::now(), &Frame::new(Kind::LIST_ROOMS, b"x"))
                .is_err()
        );
        assert!(
            machine
                .on_frame(Instant::now(), &Frame::new(Kind(5000), b""))
                .is_ok()
        );
    }
}
