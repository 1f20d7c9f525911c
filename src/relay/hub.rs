//! The rules: who may join, leave, delete; attributes and what of them is told to whom.
//!
//! Plain synchronous methods behind one lock and no I/O, so that each rule is a unit test.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::PeerId;
use super::bulletin::{Bulletin, Piece};
use super::limits::{ERROR_TEXT_BYTES, ERRORS_A_TELLING, LOG_LINES, Limits, ROOM_NAME_BYTES};
use super::log::{Figures, Keep, Log};
use super::outbox::{Member, Outbox, Reply};
use crate::protocol::{
    ANY_VERSION, Attributes, ClientMessage, JoinRequest, NamedAttributes, RelayMessage, attribute,
};

/// The relay's registry and rules.
#[derive(Debug)]
pub(super) struct Hub {
    /// Never held across an await; the hot path does without it. Outboxes, logs and the bulletin
    /// are locked under it.
    state: Mutex<State>,
    /// What everybody is told.
    pub(super) bulletin: Bulletin,
    /// Rings when something is to be told.
    changed: Notify,
    limits: Limits,
}

#[derive(Debug, Default)]
struct State {
    next_peer: u64,
    /// How often changes have been told.
    tellings: u64,
    peers: BTreeMap<PeerId, Peer>,
    rooms: BTreeMap<String, Room>,
    /// What the attributes that clients and rooms were given take.
    clients_bytes: usize,
    rooms_bytes: usize,
    /// Gone since the last telling, and known to others.
    gone_clients: Vec<String>,
    /// Gone since the last telling.
    gone_rooms: BTreeSet<String>,
    /// Changed since the last telling.
    changed_clients: HashMap<PeerId, BTreeSet<String>>,
    changed_rooms: HashMap<String, BTreeSet<String>>,
}

#[derive(Debug)]
struct Peer {
    client_id: String,
    /// All of them, the relay's own included.
    attributes: Attributes,
    /// What they took when the client set them last.
    bytes: usize,
    room: Option<String>,
    outbox: Arc<Outbox>,
    /// Others have been told that it is there.
    told: bool,
    /// It has stood in a list, so that somebody may know it without having been told.
    listed: bool,
    /// Errors it has sent to everybody since the telling of that number.
    errors: (u64, u32),
    /// Lines that the log has taken about it.
    log_lines: u32,
}

#[derive(Debug)]
struct Room {
    /// All but the figures.
    attributes: Attributes,
    /// What they took when they were set last.
    bytes: usize,
    log: Arc<Log>,
    members: BTreeSet<PeerId>,
    joinable: bool,
    keep_open: bool,
    /// Who is bringing a scene into a room that was made without one.
    filler: Option<PeerId>,
    told: bool,
}

/// A room made without a scene holds at most an empty batch: its begin and its end.
const EMPTY_COMMANDS: u64 = 2;

impl Room {
    /// Whether the room was made by somebody without a scene, and nobody has brought one yet. A Blender
    /// that joined it as it is would be left with nothing to work in, as Mixer takes its own scene
    /// away; so the first that comes is asked for its scene instead.
    fn is_vacant(&self) -> bool {
        self.attributes.text(attribute::BLENDER_VERSION).as_deref() == Some(ANY_VERSION)
            && self.log.figures().command_count <= EMPTY_COMMANDS
    }

    fn whole(&self) -> Attributes {
        with_figures(self.attributes.clone(), self.log.figures())
    }
}

/// A peer that was let in.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) id: PeerId,
    pub(super) client_id: String,
    pub(super) outbox: Arc<Outbox>,
    /// From where on it is told news.
    pub(super) news_cursor: u64,
}

/// Something that was not done, as a sentence for the person who asked.
type Refusal = String;

impl Hub {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            state: Mutex::default(),
            bulletin: Bulletin::new(),
            changed: Notify::new(),
            limits,
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Lets a peer in and announces it.
    ///
    /// # Errors
    /// When the relay is full.
    pub(super) fn connect(&self, address: SocketAddr) -> Result<Admission, Refusal> {
        let mut state = self.state.lock();
        if state.peers.len() >= self.limits.connections {
            return Err(format!(
                "This server is full: {} people are connected. Try again later.",
                state.peers.len()
            ));
        }
        let id = PeerId(state.next_peer);
        state.next_peer += 1;
        let client_id = address.to_string();
        let attributes = Attributes::default()
            .with_text(attribute::ID, &client_id)
            .with_text(attribute::IP, &address.ip().to_string())
            .with_count(attribute::PORT, address.port().into())
            .with_text_or_null(attribute::ROOM, None);
        let outbox = Arc::new(Outbox::new(self.limits.pending_bytes));
        let peer = Peer {
            client_id: client_id.clone(),
            attributes,
            bytes: 0,
            room: None,
            outbox: Arc::clone(&outbox),
            told: false,
            listed: false,
            errors: (0, 0),
            log_lines: 0,
        };
        state.peers.insert(id, peer);
        state.changed_clients.entry(id).or_default();
        let news_cursor = self.bulletin.head();
        drop(state);
        self.changed.notify_one();
        Ok(Admission {
            id,
            client_id,
            outbox,
            news_cursor,
        })
    }

    /// Forgets a peer: it leaves its room, then everybody is told.
    pub(super) fn disconnect(&self, id: PeerId) {
        let mut state = self.state.lock();
        state.leave_room(id);
        state.changed_clients.remove(&id);
        if let Some(peer) = state.peers.remove(&id) {
            state.clients_bytes -= peer.bytes;
            if peer.told || peer.listed {
                state.gone_clients.push(peer.client_id);
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Does what a peer asks. What it gets for it is in its outbox afterwards.
    pub(super) fn handle(&self, id: PeerId, message: ClientMessage) {
        let mut state = self.state.lock();
        if let Err(refusal) = self.apply(&mut state, id, message) {
            state.refuse(id, refusal);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// A peer has been given all of the history: now it is in, for all to see. Told only now,
    /// because clients take their own `room` for "all is here".
    pub(super) fn entered(&self, id: PeerId) {
        let mut state = self.state.lock();
        if let Some(room) = state.peers.get(&id).and_then(|peer| peer.room.clone()) {
            state.move_client(id, Some(&room));
        }
        drop(state);
        self.changed.notify_one();
    }

    /// A sentence to one peer about something it sent.
    pub(super) fn refuse(&self, id: PeerId, refusal: Refusal) {
        self.state.lock().refuse(id, refusal);
    }

    /// Room commands came from a peer that is in no room. It is not told: a Mixer that has just left
    /// sends what it had gathered.
    pub(super) fn dropped(&self, id: PeerId, count: usize) {
        if self.state.lock().may_log(id) {
            tracing::warn!("{count} room commands outside a room were dropped");
        }
    }

    fn apply(&self, state: &mut State, id: PeerId, message: ClientMessage) -> Result<(), Refusal> {
        match message {
            ClientMessage::JoinRoom(request) => self.join(state, id, &request),
            ClientMessage::LeaveRoom(_) => {
                let room = state
                    .leave_room(id)
                    .ok_or("You are in no room, so there is none to leave.")?;
                if state.may_log(id) {
                    tracing::info!(room, "left");
                }
                state.outbox(id).inspect(|outbox| outbox.leave());
                Ok(())
            }
            ClientMessage::ListRooms => {
                state.outbox(id).inspect(|outbox| outbox.push(Reply::Rooms));
                Ok(())
            }
            ClientMessage::ListClients => {
                state
                    .outbox(id)
                    .inspect(|outbox| outbox.push(Reply::Clients));
                Ok(())
            }
            ClientMessage::Content => state.content(id),
            ClientMessage::DeleteRoom(room) => state.delete_room(id, &room),
            ClientMessage::SetClientName(name) => {
                let name = Attributes::default().with_text(attribute::USER_NAME, &name);
                self.set_client_attributes(state, id, name)
            }
            ClientMessage::SetClientAttributes(attributes) => {
                self.set_client_attributes(state, id, attributes)
            }
            ClientMessage::SetRoomAttributes(room, attributes) => {
                let attributes = attributes.without(&attribute::OF_ROOMS);
                state.update_room(&room, attributes, |others| {
                    self.limits.attributes_of_one(others)
                })
            }
            ClientMessage::SetRoomKeepOpen(room, keep_open) => {
                let flag = Attributes::default().with_flag(attribute::KEEP_OPEN, keep_open);
                state.update_room(&room, flag, |_| usize::MAX)?;
                if let Some(room) = state.rooms.get_mut(&room) {
                    room.keep_open = keep_open;
                }
                Ok(())
            }
            ClientMessage::ClientId => {
                if let Some(client_id) = state.peers.get(&id).map(|peer| peer.client_id.clone()) {
                    state.reply(id, &RelayMessage::ClientId(client_id));
                }
                Ok(())
            }
            ClientMessage::SendError(text) => {
                if text.len() > ERROR_TEXT_BYTES {
                    return Err(format!(
                        "An error text may have {ERROR_TEXT_BYTES} bytes, not {}.",
                        text.len()
                    ));
                }
                state.count_error(id)?;
                self.bulletin.post(Piece {
                    rest: RelayMessage::SendError(text).encode().into_wire(),
                    ..Piece::default()
                });
                Ok(())
            }
        }
    }

    fn join(&self, state: &mut State, id: PeerId, request: &JoinRequest) -> Result<(), Refusal> {
        let name = request.room.as_str();
        let Some(peer) = state.peers.get(&id) else {
            return Ok(());
        };
        if let Some(current) = &peer.room {
            return Err(format!(
                "You are already in the room “{current}”. Leave it first."
            ));
        }
        let outbox = Arc::clone(&peer.outbox);
        if let Some(room) = state.rooms.get_mut(name) {
            room.admits(name, request)?;
            room.members.insert(id);
            // Somebody without a name is no artist: Mixer's own download of a room comes without one,
            // and waits for the history.
            let named = peer.attributes.raw(attribute::USER_NAME).is_some();
            if room.is_vacant() && request.blender_version != ANY_VERSION && named {
                return self.fill(state, id, request);
            }
            if let Some(peer) = state.peers.get_mut(&id) {
                peer.room = Some(name.to_owned());
            }
            outbox.enter(Member::joining(id, name, Arc::clone(&room.log)));
            if state.may_log(id) {
                tracing::info!(room = name, "joins");
            }
        } else {
            let room = self.make_room(state, id, request)?;
            outbox.push(Reply::message(&RelayMessage::JoinRoom(name.to_owned())));
            outbox.push(Reply::message(&RelayMessage::Content));
            outbox.enter(Member::making(id, name, Arc::clone(&room.log)));
            state.rooms_bytes += room.bytes;
            state.rooms.insert(name.to_owned(), room);
            state.changed_rooms.entry(name.to_owned()).or_default();
            state.move_client(id, Some(name));
            if state.may_log(id) {
                tracing::info!(room = name, "makes a room");
            }
        }
        Ok(())
    }

    /// Asks the first Blender in a room without a scene for its own, as if it made the room: with its
    /// versions, and not joinable until the scene is there.
    fn fill(&self, state: &mut State, id: PeerId, request: &JoinRequest) -> Result<(), Refusal> {
        let name = request.room.as_str();
        let allowed = |others| self.limits.attributes_of_one(others);
        let mut filled = made_with(request);
        filled.update(awaits_scene(false));
        if let Err(refusal) = state.update_room(name, filled, allowed) {
            if let Some(room) = state.rooms.get_mut(name) {
                room.members.remove(&id);
            }
            return Err(refusal);
        }
        let (Some(room), Some(outbox)) = (state.rooms.get_mut(name), state.peers.get(&id)) else {
            return Ok(());
        };
        room.joinable = false;
        room.filler = Some(id);
        let outbox = &outbox.outbox;
        outbox.push(Reply::message(&RelayMessage::JoinRoom(name.to_owned())));
        outbox.push(Reply::message(&RelayMessage::Content));
        outbox.enter(Member::making(id, name, Arc::clone(&room.log)));
        state.move_client(id, Some(name));
        if state.may_log(id) {
            tracing::info!(room = name, "brings a scene");
        }
        Ok(())
    }

    fn make_room(&self, state: &State, id: PeerId, request: &JoinRequest) -> Result<Room, Refusal> {
        let name = request.room.as_str();
        if name.trim().is_empty() {
            return Err("A room needs a name.".to_owned());
        }
        if name.len() > ROOM_NAME_BYTES {
            return Err(format!(
                "A room's name may have {ROOM_NAME_BYTES} bytes, not {}. Choose a shorter one.",
                name.len()
            ));
        }
        if state.rooms.len() >= self.limits.rooms {
            return Err(format!(
                "This server has {} rooms already. Delete one first.",
                state.rooms.len()
            ));
        }
        let mut attributes = made_with(request).with_flag(attribute::KEEP_OPEN, false);
        if request.blender_version == ANY_VERSION {
            attributes.update(awaits_scene(true));
        }
        let bytes = attributes.size_bytes();
        let allowed = self.limits.attributes_of_one(state.rooms_bytes);
        if bytes > allowed {
            return Err("The version texts are too long.".to_owned());
        }
        let keep = Keep {
            bytes: self.limits.live_bytes,
            age: Duration::from_secs(self.limits.live_seconds),
        };
        Ok(Room {
            attributes,
            bytes,
            log: Arc::new(Log::new(keep)),
            members: BTreeSet::from([id]),
            joinable: false,
            keep_open: false,
            filler: None,
            told: false,
        })
    }

    fn set_client_attributes(
        &self,
        state: &mut State,
        id: PeerId,
        new: Attributes,
    ) -> Result<(), Refusal> {
        let Some(peer) = state.peers.get_mut(&id) else {
            return Ok(());
        };
        let new = new.without(&attribute::OF_CLIENTS);
        let others = state.clients_bytes - peer.bytes;
        let allowed = self.limits.attributes_of_one(others);
        let changed = update(&mut peer.attributes, new, allowed)?;
        peer.bytes = peer.attributes.size_bytes();
        state.clients_bytes = others + peer.bytes;
        state.client_changed(id, &changed);
        Ok(())
    }

    /// All rooms as a LIST_ROOMS frame, and the news that it holds already.
    pub(super) fn list_rooms(&self) -> (Bytes, u64) {
        let state = self.state.lock();
        let rooms = state
            .rooms
            .iter()
            .map(|(name, room)| (name.clone(), room.whole()))
            .collect();
        let head = self.bulletin.head();
        // A list may be long, and nobody has to wait while it is written out.
        drop(state);
        (RelayMessage::ListRooms(rooms).encode().into_wire(), head)
    }

    /// All clients as a LIST_CLIENTS frame, and the news that it holds already.
    pub(super) fn list_clients(&self) -> (Bytes, u64) {
        let mut state = self.state.lock();
        let listed = |peer: &mut Peer| {
            peer.listed = true;
            (peer.client_id.clone(), peer.attributes.clone())
        };
        let clients = state.peers.values_mut().map(listed).collect();
        let head = self.bulletin.head();
        drop(state);
        (
            RelayMessage::ListClients(clients).encode().into_wire(),
            head,
        )
    }

    /// Asks for the next telling.
    pub(super) fn ring(&self) {
        self.changed.notify_one();
    }

    /// Waits until something is to be told.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Tells everybody what has changed since the last time. `true` while a room holds live commands
    /// that are to be forgotten some time.
    pub(super) fn tell(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        state.tellings += 1;
        let piece = Piece {
            gone: frames(state.take_gone()),
            rest: frames(state.take_changes()),
        };
        if !(piece.gone.is_empty() && piece.rest.is_empty()) {
            self.bulletin.post(piece);
        }
        let logs: Vec<_> = state
            .rooms
            .values()
            .map(|room| Arc::clone(&room.log))
            .collect();
        drop(state);
        logs.iter().fold(false, |any, log| log.prune(now) | any)
    }

    /// How many peers are connected.
    pub(super) fn peers(&self) -> usize {
        self.state.lock().peers.len()
    }
}

impl Room {
    fn admits(&self, name: &str, request: &JoinRequest) -> Result<(), Refusal> {
        if !self.joinable {
            return Err(format!(
                "The room “{name}” is not ready yet: its maker is still sending the scene. Try again in a moment."
            ));
        }
        if self.attributes.flag(attribute::IGNORE_VERSION_CHECK) == Some(true) {
            return Ok(());
        }
        for (program, attribute, theirs) in [
            (
                "Blender",
                attribute::BLENDER_VERSION,
                &request.blender_version,
            ),
            ("Mixer", attribute::MIXER_VERSION, &request.mixer_version),
        ] {
            let ours = self.attributes.text(attribute).unwrap_or_default();
            if ours != *theirs {
                return Err(format!(
                    "The room “{name}” was made with {program} {}, and you have {program} {}. \
                     Use the same version, or make the room with the version check off.",
                    shown(&ours),
                    shown(theirs)
                ));
            }
        }
        Ok(())
    }
}

impl State {
    fn outbox(&self, id: PeerId) -> Option<&Arc<Outbox>> {
        self.peers.get(&id).map(|peer| &peer.outbox)
    }

    fn reply(&self, id: PeerId, message: &RelayMessage) {
        if let Some(outbox) = self.outbox(id) {
            outbox.push(Reply::message(message));
        }
    }

    /// Counts an error that is for everybody.
    ///
    /// # Errors
    /// When the peer has sent too many since the last telling.
    fn count_error(&mut self, id: PeerId) -> Result<(), Refusal> {
        let telling = self.tellings;
        let Some(peer) = self.peers.get_mut(&id) else {
            return Ok(());
        };
        if peer.errors.0 != telling {
            peer.errors = (telling, 0);
        }
        peer.errors.1 += 1;
        if peer.errors.1 > ERRORS_A_TELLING {
            return Err("That were too many errors at once: the rest is not passed on.".to_owned());
        }
        Ok(())
    }

    /// Says no to a peer.
    fn refuse(&mut self, id: PeerId, refusal: Refusal) {
        if self.may_log(id) {
            // As a field, so that line breaks and escapes in a name are written as such.
            tracing::info!(reason = refusal, "refused");
        }
        self.reply(id, &RelayMessage::SendError(refusal));
    }

    /// Whether the log takes another line about a peer.
    fn may_log(&mut self, id: PeerId) -> bool {
        let Some(peer) = self.peers.get_mut(&id) else {
            return false;
        };
        if peer.log_lines == LOG_LINES {
            return false;
        }
        peer.log_lines += 1;
        if peer.log_lines == LOG_LINES {
            tracing::warn!("{LOG_LINES} lines about this connection; no more until it ends");
        }
        peer.log_lines < LOG_LINES
    }

    fn client_changed(&mut self, id: PeerId, changed: &Attributes) {
        let names = changed.iter().map(|(name, _)| name.to_owned());
        self.changed_clients.entry(id).or_default().extend(names);
    }

    fn move_client(&mut self, id: PeerId, room: Option<&str>) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.room = room.map(str::to_owned);
        let changed = peer
            .attributes
            .update(Attributes::default().with_text_or_null(attribute::ROOM, room));
        self.client_changed(id, &changed);
    }

    /// Takes a peer out of its room, and ends the room where nobody is left to keep it. Returns the
    /// room's name.
    fn leave_room(&mut self, id: PeerId) -> Option<String> {
        let name = self.peers.get(&id)?.room.clone()?;
        self.move_client(id, None);
        let room = self.rooms.get_mut(&name)?;
        room.members.remove(&id);
        if room.filler.take_if(|filler| *filler == id).is_some() && !room.joinable {
            // Gone before the scene was all there: the room is without one again.
            room.joinable = true;
            room.log.clear();
            let vacant = JoinRequest {
                blender_version: ANY_VERSION.to_owned(),
                mixer_version: ANY_VERSION.to_owned(),
                ignore_version_check: true,
                generic_protocol: true,
                ..JoinRequest::default()
            };
            let mut vacant = made_with(&vacant).with_flag(attribute::JOINABLE, true);
            vacant.update(awaits_scene(true));
            // The room is there, and these were its attributes before.
            let _updated = self.update_room(&name, vacant, |_| usize::MAX);
        }
        let room = self.rooms.get_mut(&name)?;
        if room.members.is_empty() && !(room.keep_open && room.joinable) {
            self.end_room(id, &name);
        }
        Some(name)
    }

    fn end_room(&mut self, by: PeerId, name: &str) {
        self.changed_rooms.remove(name);
        let Some(room) = self.rooms.remove(name) else {
            return;
        };
        self.rooms_bytes -= room.bytes;
        // Told even when nobody was told of the room yet: its maker knows it, and waits for this.
        self.gone_rooms.insert(name.to_owned());
        if self.may_log(by) {
            tracing::info!(room = name, "the room ends");
        }
    }

    fn content(&mut self, id: PeerId) -> Result<(), Refusal> {
        let name = self.peers.get(&id).and_then(|peer| peer.room.clone());
        let name = name.ok_or("You are in no room, so there is no content to finish.")?;
        let Some(room) = self.rooms.get_mut(&name) else {
            return Ok(());
        };
        if room.joinable {
            return Err(format!(
                "The content of the room “{name}” is there already."
            ));
        }
        if room.filler.is_some_and(|filler| filler != id) {
            return Err(format!(
                "Somebody else is still sending the scene of the room “{name}”."
            ));
        }
        room.joinable = true;
        self.update_room(
            &name,
            Attributes::default().with_flag(attribute::JOINABLE, true),
            |_| usize::MAX,
        )
    }

    fn delete_room(&mut self, id: PeerId, name: &str) -> Result<(), Refusal> {
        let room = self.rooms.get(name).ok_or_else(|| no_room(name))?;
        if !room.members.is_empty() {
            return Err(format!(
                "The room “{name}” cannot be deleted while people are in it ({}).",
                room.members.len()
            ));
        }
        self.end_room(id, name);
        Ok(())
    }

    /// `allowed` says what the room's attributes may take, given what those of the others do.
    fn update_room(
        &mut self,
        name: &str,
        new: Attributes,
        allowed: impl FnOnce(usize) -> usize,
    ) -> Result<(), Refusal> {
        let room = self.rooms.get_mut(name).ok_or_else(|| no_room(name))?;
        let others = self.rooms_bytes - room.bytes;
        let changed = update(&mut room.attributes, new, allowed(others))?;
        room.bytes = room.attributes.size_bytes();
        self.rooms_bytes = others + room.bytes;
        let names = changed.iter().map(|(name, _)| name.to_owned());
        self.changed_rooms
            .entry(name.to_owned())
            .or_default()
            .extend(names);
        Ok(())
    }

    /// Who and what is gone since the last time. Told before the changes: a name may be there again.
    fn take_gone(&mut self) -> Vec<RelayMessage> {
        let clients = self.gone_clients.drain(..);
        let clients = clients.map(RelayMessage::ClientDisconnected);
        let rooms = std::mem::take(&mut self.gone_rooms);
        let rooms = rooms.into_iter().map(RelayMessage::RoomDeleted);
        clients.chain(rooms).collect()
    }

    /// What has changed since the last time.
    fn take_changes(&mut self) -> Vec<RelayMessage> {
        let mut changed_rooms = std::mem::take(&mut self.changed_rooms);
        let mut rooms = NamedAttributes::new();
        for (name, room) in &mut self.rooms {
            let figures = room.log.take_changed_figures();
            let names = changed_rooms.remove(name);
            let told = std::mem::replace(&mut room.told, true);
            let changed = match (told, figures) {
                (false, _) => room.whole(),
                (true, Some(figures)) => {
                    with_figures(room.attributes.only(names.iter().flatten()), figures)
                }
                (true, None) => room.attributes.only(names.iter().flatten()),
            };
            if !changed.is_empty() {
                rooms.insert(name.clone(), changed);
            }
        }
        let mut clients = NamedAttributes::new();
        for (id, names) in self.changed_clients.drain() {
            let Some(peer) = self.peers.get_mut(&id) else {
                continue;
            };
            let told = std::mem::replace(&mut peer.told, true);
            let changed = if told {
                peer.attributes.only(&names)
            } else {
                peer.attributes.clone()
            };
            if !changed.is_empty() {
                clients.insert(peer.client_id.clone(), changed);
            }
        }
        let mut news = Vec::new();
        if !rooms.is_empty() {
            news.push(RelayMessage::RoomUpdate(rooms));
        }
        if !clients.is_empty() {
            news.push(RelayMessage::ClientUpdate(clients));
        }
        news
    }
}

/// What a room says of what it was made with, while its content is not there yet.
fn made_with(request: &JoinRequest) -> Attributes {
    Attributes::default()
        .with_text(attribute::BLENDER_VERSION, &request.blender_version)
        .with_text(attribute::MIXER_VERSION, &request.mixer_version)
        .with_flag(
            attribute::IGNORE_VERSION_CHECK,
            request.ignore_version_check,
        )
        .with_flag(attribute::GENERIC_PROTOCOL, request.generic_protocol)
        .with_flag(attribute::JOINABLE, false)
}

/// Says of a room that was made without a scene whether it still waits for one.
fn awaits_scene(awaits: bool) -> Attributes {
    Attributes::default().with_flag(attribute::AWAITS_SCENE, awaits)
}

fn frames(messages: Vec<RelayMessage>) -> Bytes {
    let mut frames = BytesMut::new();
    for message in messages {
        frames.extend_from_slice(message.encode().wire());
    }
    frames.freeze()
}

fn no_room(name: &str) -> Refusal {
    format!("There is no room “{}”.", shown(name))
}

/// What a peer said, as far as it fits into a sentence: it may be megabytes long.
fn shown(text: &str) -> String {
    text.chars().take(ROOM_NAME_BYTES).collect()
}

fn with_figures(attributes: Attributes, figures: Figures) -> Attributes {
    attributes
        .with_count(attribute::COMMAND_COUNT, figures.command_count)
        .with_count(attribute::BYTE_SIZE, figures.byte_size)
}

/// Takes `new` over, unless there would be too much; returns what made a difference.
fn update(
    attributes: &mut Attributes,
    new: Attributes,
    limit: usize,
) -> Result<Attributes, Refusal> {
    let mut updated = attributes.clone();
    let changed = updated.update(new);
    if updated.size_bytes() > limit {
        return Err(format!(
            "These attributes are too large: {limit} bytes are allowed."
        ));
    }
    *attributes = updated;
    Ok(changed)
}
