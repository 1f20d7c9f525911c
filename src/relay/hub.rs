//! The rules: who may join, leave, delete; attributes and what of them is told to whom.
//!
//! Plain synchronous methods behind one lock and no I/O, so that each rule is a unit test.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::PeerId;
use super::account::{Account, AddressAccount, Budget};
use super::attempts::Failed;
use super::bulletin::{Bulletin, Piece};
use super::card::Card;
use super::door::Door;
use super::ending::Ending;
use super::guests::{Guests, Origin};
use super::library::Library;
use super::limits::{ERROR_TEXT_BYTES, LOG_LINES, Limits, ROOM_NAME_BYTES, SWEEP_EVERY};
use super::log::Log;
use super::outbox::{Member, Outbox, Reply};
use super::pace::{Crowd, Lines, MessagePace, NewsPace, Pace, SharedPace};
use super::pending::Pending;
use super::restore::Found;
use super::room::{Refusal, Room, awaits_scene, changes, made_with, shown};
use super::state::{Peer, State, not_written_down};
use super::unstored::Unstored;
use crate::protocol::{
    ANY_VERSION, Attributes, ClientMessage, JoinRequest, RelayMessage, attribute,
};

/// The relay's registry and rules.
#[derive(Debug)]
pub(super) struct Hub {
    /// Never held across an await; the hot path does without it. Outboxes, logs and the bulletin
    /// are locked under it.
    pub(super) state: Mutex<State>,
    /// Held while changes are told, and by those who make a list, so that no list has what is told behind it. Taken
    /// before the state, and never held across an await.
    telling: Mutex<()>,
    /// What everybody is told.
    pub(super) bulletin: Bulletin,
    /// Who may connect. Locked under the state.
    pub(super) door: Arc<Door>,
    /// Bytes that wait for all peers.
    pending: Arc<AtomicUsize>,
    /// Bytes that are being written to all peers and in memory for one of them alone.
    taking: Arc<AtomicUsize>,
    /// What messages of all peers take that have not arrived whole.
    pub(super) arriving: AtomicU64,
    /// How fast all of them send messages.
    messages: SharedPace,
    /// Rings when something is to be told.
    changed: Arc<Notify>,
    limits: Limits,
    /// Where rooms are kept, if they are.
    library: Option<Library>,
    /// What all rooms take.
    budget: Arc<Budget>,
    /// What rooms hold that are not kept, where that is so.
    unkept: Unstored,
}

/// A peer that was let in.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) card: Arc<Card>,
    pub(super) outbox: Arc<Outbox>,
    /// From where on it is told news.
    pub(super) news_cursor: u64,
    /// Resolves when somebody else ends the connection.
    pub(super) ended: oneshot::Receiver<Ending>,
    /// The log does not tell of it.
    pub(super) quiet: bool,
    /// How fast it may send messages.
    pub(super) pace: MessagePace,
}

impl Hub {
    pub(super) fn new(mut limits: Limits, guests: Guests, library: Option<Library>) -> Self {
        if let Some(curbed) = limits.curb() {
            tracing::warn!("{curbed}");
        }
        Self {
            state: Mutex::default(),
            telling: Mutex::default(),
            bulletin: Bulletin::new(),
            door: Arc::new(Door::new(&limits, guests)),
            pending: Arc::default(),
            taking: Arc::default(),
            arriving: AtomicU64::new(0),
            messages: SharedPace::new(limits.control_messages_a_second_of_all, Instant::now()),
            changed: Arc::default(),
            budget: Budget::new(limits.rooms_bytes),
            unkept: Unstored::default(),
            limits,
            library,
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Lets a peer in and announces it. `quiet`: the log does not tell of it.
    ///
    /// # Errors
    /// When the relay is full, the host has banned the address since it knocked, or somebody has its id: one
    /// address and port may connect twice where this computer has several addresses, or before it is noticed that
    /// the first is gone. Whoever of the two went first would be told as the other's end.
    pub(super) fn connect(&self, address: SocketAddr, quiet: bool) -> Result<Admission, Failed> {
        let mut state = self.state.lock();
        // Under the lock: a ban is decided first, and then ends those who are here.
        if let Some(why) = self.door.exclusion(address.ip()) {
            return Err(why);
        }
        if state.peers.len() >= self.limits.connections {
            return Err(Failed::Full(state.peers.len()));
        }
        let client_id = address.to_string();
        if !state.client_ids.insert(client_id.clone()) {
            return Err(Failed::Twin(client_id));
        }
        let id = PeerId(state.next_peer);
        state.next_peer += 1;
        let attributes = Attributes::default()
            .with_text(attribute::ID, &client_id)
            .with_text(attribute::IP, &address.ip().to_string())
            .with_count(attribute::PORT, address.port().into())
            .with_text_or_null(attribute::ROOM, None);
        let origin = Origin::from(address.ip());
        let now = Instant::now();
        let share = state.share(origin, now);
        share.peers += 1;
        let mut crowds = Vec::new();
        if !self.limits.spares(origin) {
            let a_second = self.limits.control_messages_a_second_per_address;
            let of_address = share
                .messages
                .get_or_insert_with(|| SharedPace::new(a_second, now));
            crowds.push((Crowd::Address, of_address.clone()));
            share.lines.get_or_insert_with(|| Lines::of_address(now));
        }
        crowds.push((Crowd::All, self.messages.clone()));
        let pace = MessagePace::new(self.limits.control_messages_a_second, crowds, now);
        let [pending, taking] = [
            (&share.pending, &self.pending),
            (&share.taking, &self.taking),
        ]
        .map(|(of_address, of_all)| {
            let limits = self.limits.pending(origin);
            Pending::new(limits, Arc::clone(of_address), Arc::clone(of_all))
        });
        let (end, ended) = oneshot::channel();
        let account = self.account(&mut state, origin);
        let card = Arc::new(Card::new(id, client_id, account));
        let outbox = Outbox::new(pending, taking, Arc::clone(&card));
        let peer = Peer {
            client_id: card.client_id.clone(),
            card: Arc::clone(&card),
            ip: address.ip(),
            attributes,
            bytes: 0,
            room: None,
            outbox: Arc::clone(&outbox),
            told: false,
            listed: false,
            errors: (0, 0),
            news: NewsPace::default(),
            log_lines: if quiet { LOG_LINES } else { 0 },
            end: Some(end),
        };
        state.peers.insert(id, peer);
        state.changed_clients.entry(id).or_default();
        let news_cursor = self.bulletin.head();
        drop(state);
        self.changed.notify_one();
        Ok(Admission {
            card,
            outbox,
            news_cursor,
            ended,
            quiet,
            pace,
        })
    }

    /// The account of a new peer from there.
    fn account(&self, state: &mut State, origin: Origin) -> Arc<Account> {
        let known = state.accounts.get(&origin).and_then(Weak::upgrade);
        let address = known.unwrap_or_else(|| {
            let new = AddressAccount::new(&self.budget, self.limits.rooms_bytes_of(origin));
            state.accounts.insert(origin, Arc::downgrade(&new));
            new
        });
        Account::new(address, self.limits.rooms_bytes_per_peer)
    }

    /// Forgets a peer: it leaves its room, then everybody is told.
    pub(super) fn disconnect(&self, id: PeerId) {
        let mut state = self.state.lock();
        state.leave_room(id);
        state.changed_clients.remove(&id);
        if let Some(peer) = state.peers.remove(&id) {
            state.clients_bytes -= peer.bytes;
            state.client_ids.remove(&peer.client_id);
            state.forget_share(&peer, Instant::now());
            if peer.told || peer.listed {
                state.gone_clients.push(peer.client_id);
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Does what a peer asks. What it gets for it is in its outbox afterwards.
    pub(super) fn handle(&self, id: PeerId, message: ClientMessage) {
        let joins = matches!(message, ClientMessage::JoinRoom(_));
        let mut state = self.state.lock();
        if let Err(refusal) = self.apply(&mut state, id, message) {
            if let Some(peer) = state.peers.get(&id).filter(|_| joins) {
                self.door.record(peer.ip, Failed::Refused(refusal.clone()));
            }
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
            // Not before: a client takes an error on its way in for a no.
            let trouble = state.rooms.get(&room).and_then(|room| room.log.trouble());
            if let Some(why) = trouble {
                let text = not_written_down(&room, &why);
                state.reply(id, &RelayMessage::SendError(text));
            }
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
                state.update_room(&room, Some(id), attributes, |others| {
                    self.limits.attributes_of_one(others)
                })
            }
            ClientMessage::SetRoomKeepOpen(room, keep_open) => {
                let flag = Attributes::default().with_flag(attribute::KEEP_OPEN, keep_open);
                state.update_room(&room, Some(id), flag, |_| usize::MAX)?;
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
                state.errors.push(RelayMessage::SendError(text));
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
        // Somebody without a name is no artist: Mixer's own download of a room comes without one, and
        // waits for the history.
        let brings_scene = request.blender_version != ANY_VERSION
            && peer.attributes.raw(attribute::USER_NAME).is_some();
        let outbox = Arc::clone(&peer.outbox);
        let maker = Origin::from(peer.ip);
        let Some(room) = state.rooms.get_mut(name) else {
            let room = self.make_room(state, id, maker, request)?;
            state.rooms_bytes += room.bytes;
            let log = Arc::clone(&room.log);
            state.rooms.insert(name.to_owned(), room);
            state.changed_rooms.entry(name.to_owned()).or_default();
            state.ask_for_content(id, name, log, "makes a room");
            return Ok(());
        };
        room.admits(name, request)?;
        if room.is_vacant() && brings_scene {
            return self.fill(state, id, request);
        }
        room.members.insert(id);
        outbox.enter(Member::joining(id, name, Arc::clone(&room.log)));
        if let Some(peer) = state.peers.get_mut(&id) {
            peer.room = Some(name.to_owned());
        }
        if state.may_log(id) {
            tracing::info!(room = name, "joins");
        }
        Ok(())
    }

    /// Asks the first Blender in a room without a scene for its own, as if it made the room: with its
    /// versions, and not joinable until the scene is there.
    fn fill(&self, state: &mut State, id: PeerId, request: &JoinRequest) -> Result<(), Refusal> {
        let name = request.room.as_str();
        let mut filled = made_with(request);
        filled.update(awaits_scene(false));
        state.update_room(name, Some(id), filled, |others| {
            self.limits.attributes_of_one(others)
        })?;
        if let Some(room) = state.rooms.get_mut(name) {
            room.members.insert(id);
            room.joinable = false;
            room.filler = Some(id);
            let log = Arc::clone(&room.log);
            state.ask_for_content(id, name, log, "brings a scene");
        }
        Ok(())
    }

    fn has_place(&self, state: &State) -> Result<(), Refusal> {
        if state.rooms.len() >= self.limits.rooms {
            return Err(format!(
                "This server has {} rooms already. Delete one first.",
                state.rooms.len()
            ));
        }
        Ok(())
    }

    /// Whether another room may be made by a peer that is not on this computer.
    fn may_make(&self, state: &mut State, id: PeerId, maker: Origin) -> Result<(), Refusal> {
        let makers = || state.rooms.values().filter_map(|room| room.maker);
        if makers().filter(|(_, origin)| *origin == maker).count() >= self.limits.rooms_per_address
        {
            return Err(format!(
                "{} rooms were made from your address already. Delete one first.",
                self.limits.rooms_per_address
            ));
        }
        if makers().filter(|(peer, _)| *peer == id).count() >= self.limits.rooms_per_peer {
            return Err(format!(
                "You have made {} rooms already. Delete one first.",
                self.limits.rooms_per_peer
            ));
        }
        let (a_minute, now) = (self.limits.new_rooms_a_minute.max(1), Instant::now());
        let at_once = u32::try_from(self.limits.rooms_per_address).unwrap_or(u32::MAX);
        let new = || Pace::every(Duration::from_secs(60) / a_minute, at_once, now);
        let pace = state.room_paces.entry(maker).or_insert_with(new);
        pace.take(now).map_err(|wait| {
            format!(
                "{at_once} rooms were made from your address lately, and {a_minute} more may be in a minute. Try again \
                 in {} s.",
                wait.as_secs() + 1
            )
        })
    }

    fn make_room(
        &self,
        state: &mut State,
        id: PeerId,
        maker: Origin,
        request: &JoinRequest,
    ) -> Result<Room, Refusal> {
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
        self.has_place(state)?;
        if !self.limits.spares(maker) {
            self.may_make(state, id, maker)?;
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
        let log = match &self.library {
            Some(library) => {
                let guest = Some(maker).filter(|maker| !self.limits.spares(*maker));
                library.begin(name, &attributes, guest, self.limits.keep(), &self.changed)
            }
            None => Arc::new(Log::in_memory(self.limits.keep(), &self.unkept)),
        };
        Ok(Room {
            attributes,
            bytes,
            log,
            members: BTreeSet::from([id]),
            maker: Some((id, maker)),
            joinable: false,
            keep_open: false,
            filler: None,
            told: false,
            set_by: None,
            news: NewsPace::default(),
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
        let origin = Origin::from(peer.ip);
        let share = state.shares.entry(origin).or_default();
        let others = state.clients_bytes - peer.bytes;
        let from_there = share.attributes_bytes - peer.bytes;
        let allowed = self.limits.attributes_of_client(origin, from_there, others);
        let (changed, bytes) = changes(&peer.attributes, peer.bytes, new, allowed)?;
        peer.attributes.update(changed.clone());
        peer.bytes = bytes;
        if changed.raw(attribute::USER_NAME).is_some() {
            peer.card.rename(peer.attributes.text(attribute::USER_NAME));
        }
        state.clients_bytes = others + peer.bytes;
        share.attributes_bytes = from_there + peer.bytes;
        state.client_changed(id, &changed);
        Ok(())
    }

    /// All rooms as a LIST_ROOMS frame, and the news that it holds already.
    pub(super) fn list_rooms(&self) -> (Bytes, u64) {
        let telling = self.telling.lock();
        let state = self.state.lock();
        let rooms = state
            .rooms
            .iter()
            .map(|(name, room)| (name.clone(), room.whole()))
            .collect();
        let head = self.bulletin.head();
        // A list may be long, and nobody has to wait while it is written out.
        drop((state, telling));
        (RelayMessage::ListRooms(rooms).encode().into_wire(), head)
    }

    /// All clients as a LIST_CLIENTS frame, and the news that it holds already.
    pub(super) fn list_clients(&self) -> (Bytes, u64) {
        let telling = self.telling.lock();
        let mut state = self.state.lock();
        let listed = |peer: &mut Peer| {
            peer.listed = true;
            (peer.client_id.clone(), peer.attributes.clone())
        };
        let clients = state.peers.values_mut().map(listed).collect();
        let head = self.bulletin.head();
        drop((state, telling));
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
        let telling = self.telling.lock();
        let mut state = self.state.lock();
        state.tellings += 1;
        let errors = std::mem::take(&mut state.errors);
        let gone = state.take_gone();
        let (changes, later) = state.take_changes(&self.limits, now);
        state.tell_of_journals();
        let last = state.swept_at;
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= SWEEP_EVERY);
        if is_due {
            state.swept_at = Some(now);
            state
                .accounts
                .retain(|_, account| account.strong_count() > 0);
            state.room_paces.retain(|_, pace| !pace.is_rested(now));
            state.shares.retain(|_, share| !share.is_over(now));
        }
        let rooms = state.rooms.values();
        let logs: Vec<_> = rooms.map(|room| Arc::clone(&room.log)).collect();
        drop(state);
        // What was said comes before what has become of who said it.
        let said = Piece {
            rest: frames(errors),
            ..Piece::default()
        };
        let changed = Piece {
            gone: frames(gone),
            rest: frames(changes),
        };
        self.bulletin.post([said, changed]);
        drop(telling);
        if later {
            self.changed.notify_one();
        }
        if is_due {
            logs.iter().for_each(|log| log.sweep(now));
        }
        logs.iter().any(|log| log.has_to_be_swept())
    }

    /// Ends all rooms, as this relay ends, and waits until their files are put aside. `false` when
    /// `patience` was not enough.
    pub(super) async fn end_rooms(&self, patience: Duration) -> bool {
        for room in std::mem::take(&mut self.state.lock().rooms).into_values() {
            room.log.end(room.fate());
        }
        let Some(library) = &self.library else {
            return true;
        };
        library.leftovers.closing.cancel();
        library.keepers.close();
        timeout(patience, library.keepers.wait()).await.is_ok()
    }

    /// A look at everybody and every room.
    pub(super) fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock())
    }

    /// What keeps the rooms, if they are kept.
    pub(super) fn library(&self) -> Option<&Library> {
        self.library.as_ref()
    }

    /// Takes in a room that was alive when a relay ended, or that was asked for again.
    ///
    /// # Errors
    /// When there is a room of that name, or there are too many. The room comes back with the sentence.
    pub(super) fn bring_back(&self, found: Found) -> Result<(), (Refusal, Box<Found>)> {
        let mut state = self.state.lock();
        let name = found.heading.room.clone();
        let place = if state.rooms.contains_key(&name) {
            Err(format!("There is a room “{}” already.", shown(&name)))
        } else {
            self.has_place(&state)
        };
        let library = match (place, &self.library) {
            (Ok(()), Some(library)) => library,
            (Ok(()), None) => return Err(("Rooms are not kept.".to_owned(), Box::new(found))),
            (Err(refusal), _) => return Err((refusal, Box::new(found))),
        };
        let (attributes, vacated) = (found.attributes.clone(), found.vacated);
        let log = library.go_on(found, self.limits.keep(), &self.budget, &self.changed);
        if vacated {
            log.clear();
        }
        log.note_attributes(&attributes);
        let room = Room::brought_back(attributes, log);
        state.rooms_bytes += room.bytes;
        state.rooms.insert(name.clone(), room);
        state.changed_rooms.entry(name).or_default();
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// How many peers are connected.
    pub(super) fn peers(&self) -> usize {
        self.state.lock().peers.len()
    }

    pub(super) fn rooms(&self) -> usize {
        self.state.lock().rooms.len()
    }
}

fn frames(messages: Vec<RelayMessage>) -> Bytes {
    let mut frames = BytesMut::new();
    for message in messages {
        frames.extend_from_slice(message.encode().wire());
    }
    frames.freeze()
}
