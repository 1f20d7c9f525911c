//! Everybody and every room, and what of them is still to be told. Always behind the hub's lock.

use std::collections::hash_map::{Entry, HashMap};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::sync::oneshot;

use super::PeerId;
use super::account::AddressAccount;
use super::card::Card;
use super::ending::Ending;
use super::guests::Origin;
use super::limits::{
    ERRORS_A_TELLING, ERRORS_A_TELLING_OF_ALL, ERRORS_A_TELLING_PER_ADDRESS, IDLE_SHARES,
    LOG_LINES, Limits, REASON_CHARS,
};
use super::log::{JournalNews, Log};
use super::outbox::{Member, Outbox, Reply};
use super::pace::{Lines, NewsPace, Pace, SharedPace};
use super::room::{Refusal, Room, changes, shown, vacant, with_figures};
use crate::protocol::{Attributes, NamedAttributes, RelayMessage, attribute};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) next_peer: u64,
    /// When the rooms were last looked through for what is too old to be in memory.
    pub(super) swept_at: Option<Instant>,
    /// How often changes have been told.
    pub(super) tellings: u64,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    /// What their ids are for others.
    pub(super) client_ids: HashSet<String>,
    pub(super) rooms: BTreeMap<String, Room>,
    /// What the attributes that clients and rooms were given take.
    pub(super) clients_bytes: usize,
    pub(super) rooms_bytes: usize,
    /// What the peers of one origin take together; none where there are none and nothing is owed.
    pub(super) shares: HashMap<Origin, Share>,
    /// What was added to rooms from an origin, as long as a peer or a room of it is there.
    pub(super) accounts: HashMap<Origin, Weak<AddressAccount>>,
    /// How fast rooms are made from an origin.
    pub(super) room_paces: HashMap<Origin, Pace>,
    /// Gone since the last telling, and known to others.
    pub(super) gone_clients: Vec<String>,
    /// Gone since the last telling.
    pub(super) gone_rooms: BTreeSet<String>,
    /// Logs of rooms that have ended, as long as somebody writes them down.
    pub(super) ended: Vec<(String, Weak<Log>)>,
    /// Said to everybody since the last telling.
    pub(super) errors: Vec<RelayMessage>,
    /// How many lines the log takes of all peers.
    lines: Option<Lines>,
    /// Changed since the last telling.
    pub(super) changed_clients: HashMap<PeerId, BTreeSet<String>>,
    pub(super) changed_rooms: HashMap<String, BTreeSet<String>>,
}

/// What the peers of one origin take together.
#[derive(Debug, Default)]
pub(super) struct Share {
    pub(super) peers: usize,
    /// What the attributes that they were given take.
    pub(super) attributes_bytes: usize,
    /// What waits for them to read it.
    pub(super) pending: Arc<AtomicUsize>,
    /// What is being written to them and in memory for one alone.
    pub(super) taking: Arc<AtomicUsize>,
    /// How fast they send messages, if that is bounded.
    pub(super) messages: Option<SharedPace>,
    /// How many lines the log takes about them, if that is bounded.
    pub(super) lines: Option<Lines>,
    /// How fast others are told of their attributes.
    news: NewsPace,
    /// Errors they have sent to everybody since the telling of that number.
    errors: (u64, u32),
}

impl Share {
    /// Whether nobody is there, and nothing is owed: who comes back is as good as new.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let owes_messages = self
            .messages
            .as_ref()
            .is_some_and(|pace| !pace.is_rested(now));
        let owes_lines = self
            .lines
            .as_ref()
            .is_some_and(|lines| !lines.is_rested(now));
        self.peers == 0 && !owes_messages && !owes_lines && self.news.is_rested(now)
    }
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) client_id: String,
    pub(super) card: Arc<Card>,
    pub(super) ip: IpAddr,
    /// All of them, the relay's own included.
    pub(super) attributes: Attributes,
    /// What they took when the client set them last.
    pub(super) bytes: usize,
    pub(super) room: Option<String>,
    pub(super) outbox: Arc<Outbox>,
    /// Others have been told that it is there.
    pub(super) told: bool,
    /// It has stood in a list, so that somebody may know it without having been told.
    pub(super) listed: bool,
    /// Errors it has sent to everybody since the telling of that number.
    pub(super) errors: (u64, u32),
    /// How fast others are told of its attributes.
    pub(super) news: NewsPace,
    /// Lines that the log has taken about it.
    pub(super) log_lines: u32,
    /// Ends the connection; taken when that was done.
    pub(super) end: Option<oneshot::Sender<Ending>>,
}

impl Peer {
    /// Ends its connection. `false` where it ends already.
    pub(super) fn end(&mut self, ending: Ending) -> bool {
        let Some(end) = self.end.take() else {
            return false;
        };
        if matches!(ending, Ending::Limit(_)) {
            self.card.count_refusal();
        }
        end.send(ending).is_ok()
    }
}

impl State {
    pub(super) fn outbox(&self, id: PeerId) -> Option<&Arc<Outbox>> {
        self.peers.get(&id).map(|peer| &peer.outbox)
    }

    pub(super) fn reply(&self, id: PeerId, message: &RelayMessage) {
        if let Some(outbox) = self.outbox(id) {
            outbox.push(Reply::message(message));
        }
    }

    /// What the peers of an origin take together.
    pub(super) fn share(&mut self, origin: Origin, now: Instant) -> &mut Share {
        let most = self.peers.len() + IDLE_SHARES;
        if self.shares.len() >= most && !self.shares.contains_key(&origin) {
            self.shares.retain(|_, share| !share.is_over(now));
            if self.shares.len() >= most {
                self.shares.retain(|_, share| share.peers > 0);
            }
        }
        self.shares.entry(origin).or_default()
    }

    /// A peer is gone from among those of its origin. What is owed stays, or one would only have to come again.
    pub(super) fn forget_share(&mut self, peer: &Peer, now: Instant) {
        let Entry::Occupied(mut share) = self.shares.entry(peer.ip.into()) else {
            return;
        };
        share.get_mut().attributes_bytes -= peer.bytes;
        share.get_mut().peers -= 1;
        if share.get().is_over(now) {
            share.remove();
        }
    }

    /// Counts an error that is for everybody.
    ///
    /// # Errors
    /// When the peer has sent too many since the last telling.
    pub(super) fn count_error(&mut self, id: PeerId) -> Result<(), Refusal> {
        const TOO_MANY: &str = "That were too many errors at once: the rest is not passed on.";
        let telling = self.tellings;
        if self.errors.len() >= ERRORS_A_TELLING_OF_ALL as usize {
            return Err(TOO_MANY.to_owned());
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return Ok(());
        };
        let of_address = self.shares.get_mut(&Origin::from(peer.ip));
        let of_address = of_address.map(|share| (&mut share.errors, ERRORS_A_TELLING_PER_ADDRESS));
        let counts = [(&mut peer.errors, ERRORS_A_TELLING)].into_iter();
        for ((counted_at, count), most) in counts.chain(of_address) {
            if *counted_at != telling {
                (*counted_at, *count) = (telling, 0);
            }
            *count += 1;
            if *count > most {
                return Err(TOO_MANY.to_owned());
            }
        }
        Ok(())
    }

    /// Says no to a peer.
    pub(super) fn refuse(&mut self, id: PeerId, refusal: Refusal) {
        if self.may_log(id) {
            // As a field, so that line breaks and escapes in a name are written as such.
            let reason: String = refusal.chars().take(REASON_CHARS).collect();
            tracing::info!(reason, "refused");
        }
        if let Some(peer) = self.peers.get(&id) {
            peer.card.count_refusal();
        }
        self.reply(id, &RelayMessage::SendError(refusal));
    }

    /// Whether the log takes another line about a peer.
    pub(super) fn may_log(&mut self, id: PeerId) -> bool {
        let Some(peer) = self.peers.get_mut(&id) else {
            return false;
        };
        if peer.log_lines == LOG_LINES {
            return false;
        }
        let (now, origin) = (Instant::now(), Origin::from(peer.ip));
        let of_address = self.shares.get_mut(&origin);
        let mut of_address = of_address.and_then(|share| share.lines.as_mut());
        let of_all = self.lines.get_or_insert_with(|| Lines::of_all(now));
        // Those of one address that are left out take nothing of what there is for all.
        if !of_address.as_mut().is_none_or(|lines| lines.take(now)) || !of_all.take(now) {
            return false;
        }
        let left_out = of_address.map_or(0, Lines::take_left_out);
        if left_out > 0 {
            tracing::warn!(%origin, "{left_out} more lines about this address were left out");
        }
        let left_out = of_all.take_left_out();
        if left_out > 0 {
            tracing::warn!(
                "{left_out} more lines were left out: there were too many about all together"
            );
        }
        peer.log_lines += 1;
        if peer.log_lines == LOG_LINES {
            tracing::warn!("{LOG_LINES} lines about this connection; no more until it ends");
        }
        peer.log_lines < LOG_LINES
    }

    pub(super) fn client_changed(&mut self, id: PeerId, changed: &Attributes) {
        let names = changed.iter().map(|(name, _)| name.to_owned());
        self.changed_clients.entry(id).or_default().extend(names);
    }

    pub(super) fn move_client(&mut self, id: PeerId, room: Option<&str>) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.room = room.map(str::to_owned);
        let changed = peer
            .attributes
            .update(Attributes::default().with_text_or_null(attribute::ROOM, room));
        self.client_changed(id, &changed);
    }

    /// Puts a peer into a room whose content it is to send.
    pub(super) fn ask_for_content(&mut self, id: PeerId, name: &str, log: Arc<Log>, does: &str) {
        if let Some(outbox) = self.outbox(id) {
            outbox.push(Reply::message(&RelayMessage::JoinRoom(name.to_owned())));
            outbox.push(Reply::message(&RelayMessage::Content));
            outbox.enter(Member::making(id, name, log));
        }
        self.move_client(id, Some(name));
        if self.may_log(id) {
            tracing::info!(room = name, "{does}");
        }
    }

    /// Takes a peer out of its room, and ends the room where nobody is left to keep it. Returns the
    /// room's name.
    pub(super) fn leave_room(&mut self, id: PeerId) -> Option<String> {
        let name = self.peers.get(&id)?.room.clone()?;
        self.move_client(id, None);
        let room = self.rooms.get_mut(&name)?;
        room.members.remove(&id);
        if room.filler.take_if(|filler| *filler == id).is_some() && !room.joinable {
            // Gone before the scene was all there: the room is without one again.
            room.joinable = true;
            room.log.clear();
            // The room is there, and these were its attributes before.
            let _updated = self.update_room(&name, None, vacant(&name), |_| usize::MAX);
        }
        let room = self.rooms.get_mut(&name)?;
        if room.members.is_empty() && !(room.keep_open && room.joinable) {
            self.end_room(id, &name);
        }
        Some(name)
    }

    pub(super) fn end_room(&mut self, by: PeerId, name: &str) {
        self.changed_rooms.remove(name);
        let Some(room) = self.rooms.remove(name) else {
            return;
        };
        self.rooms_bytes -= room.bytes;
        room.log.end(room.fate());
        self.ended.retain(|(_, log)| log.strong_count() > 0);
        let log = Arc::downgrade(&room.log);
        self.ended.push((name.to_owned(), log));
        // Told even when nobody was told of the room yet: its maker knows it, and waits for this.
        self.gone_rooms.insert(name.to_owned());
        if self.may_log(by) {
            tracing::info!(room = name, "the room ends");
        }
    }

    pub(super) fn content(&mut self, id: PeerId) -> Result<(), Refusal> {
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
            None,
            Attributes::default().with_flag(attribute::JOINABLE, true),
            |_| usize::MAX,
        )
    }

    pub(super) fn delete_room(&mut self, id: PeerId, name: &str) -> Result<(), Refusal> {
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

    /// `by`: who counts for it, unless the relay itself does it. `allowed` says what the room's attributes may take, given what those of the others do.
    pub(super) fn update_room(
        &mut self,
        name: &str,
        by: Option<PeerId>,
        new: Attributes,
        allowed: impl FnOnce(usize) -> usize,
    ) -> Result<(), Refusal> {
        let room = self.rooms.get_mut(name).ok_or_else(|| no_room(name))?;
        let others = self.rooms_bytes - room.bytes;
        let (changed, bytes) = changes(&room.attributes, room.bytes, new, allowed(others))?;
        if let Some(by) = by.and_then(|by| self.peers.get(&by)) {
            room.log
                .charge(&by.card.account, changed.size_bytes())
                .map_err(|full| full.to_string())?;
        }
        room.attributes.update(changed.clone());
        room.bytes = bytes;
        room.set_by = by;
        self.rooms_bytes = others + room.bytes;
        room.log.note_attributes(&changed);
        let names = changed.iter().map(|(name, _)| name.to_owned());
        self.changed_rooms
            .entry(name.to_owned())
            .or_default()
            .extend(names);
        Ok(())
    }

    /// Tells the members of rooms whose journals fail, or are written again.
    pub(super) fn tell_of_journals(&self) {
        for (name, room) in &self.rooms {
            let text = match room.log.take_journal_news() {
                None => continue,
                Some(JournalNews::Fails(why)) => not_written_down(name, &why),
                Some(JournalNews::Recovered) => {
                    format!(
                        "The server writes the room “{name}” to its disk again. Nothing is missing."
                    )
                }
            };
            for member in &room.members {
                self.reply(*member, &RelayMessage::SendError(text.clone()));
            }
        }
    }

    /// Who and what is gone since the last time. Told before the changes: a name may be there again.
    pub(super) fn take_gone(&mut self) -> Vec<RelayMessage> {
        let clients = self.gone_clients.drain(..);
        let clients = clients.map(RelayMessage::ClientDisconnected);
        let rooms = std::mem::take(&mut self.gone_rooms);
        let rooms = rooms.into_iter().map(RelayMessage::RoomDeleted);
        clients.chain(rooms).collect()
    }

    /// What has changed since the last time, and whether there is more, for another time: what changes fast is told less
    /// often, as it is then.
    pub(super) fn take_changes(
        &mut self,
        limits: &Limits,
        now: Instant,
    ) -> (Vec<RelayMessage>, bool) {
        let rooms = self.take_changed_rooms(limits, now);
        let clients = self.take_changed_clients(limits, now);
        let later = !self.changed_clients.is_empty() || !self.changed_rooms.is_empty();
        let mut news = Vec::new();
        if !rooms.is_empty() {
            news.push(RelayMessage::RoomUpdate(rooms));
        }
        if !clients.is_empty() {
            news.push(RelayMessage::ClientUpdate(clients));
        }
        (news, later)
    }

    fn take_changed_rooms(&mut self, limits: &Limits, now: Instant) -> NamedAttributes {
        let mut changed_rooms = std::mem::take(&mut self.changed_rooms);
        let (mut rooms, mut late) = (NamedAttributes::new(), Vec::new());
        let a_second = limits.news_bytes_a_second_of_room();
        for (name, room) in &mut self.rooms {
            let figures = room.log.take_changed_figures();
            let names = changed_rooms.remove(name).unwrap_or_default();
            if !std::mem::replace(&mut room.told, true) {
                let whole = room.whole();
                room.news.count(whole.size_bytes(), a_second, now);
                rooms.insert(name.clone(), whole);
                continue;
            }
            let (now_told, later) = if room.news.is_in_time(a_second, now) {
                (names, BTreeSet::new())
            } else {
                parted(names, &attribute::OF_ROOMS)
            };
            let mut changed = room.attributes.only(&now_told);
            room.news.count(changed.size_bytes(), a_second, now);
            if let Some(figures) = figures {
                changed = with_figures(changed, figures);
            }
            if !changed.is_empty() {
                rooms.insert(name.clone(), changed);
            }
            if !later.is_empty() {
                if room.news.is_late() {
                    late.extend(room.set_by);
                }
                self.changed_rooms.insert(name.clone(), later);
            }
        }
        for id in late {
            self.refuse(
                id,
                format!(
                    "The attributes of a room change by more than {a_second} bytes a second: others see them less often."
                ),
            );
        }
        rooms
    }

    fn take_changed_clients(&mut self, limits: &Limits, now: Instant) -> NamedAttributes {
        let changed_clients = std::mem::take(&mut self.changed_clients);
        let (mut clients, mut late) = (NamedAttributes::new(), Vec::new());
        let a_second = limits.news_bytes_a_second;
        for (id, names) in changed_clients {
            let Some(peer) = self.peers.get_mut(&id) else {
                continue;
            };
            let origin = Origin::from(peer.ip);
            let of_address = limits.news_bytes_a_second_of(origin);
            let mut share = self.shares.get_mut(&origin);
            let (told, later) = if !std::mem::replace(&mut peer.told, true) {
                (peer.attributes.clone(), BTreeSet::new())
            } else if peer.news.is_in_time(a_second, now)
                && (share.as_mut()).is_none_or(|share| share.news.is_in_time(of_address, now))
            {
                (peer.attributes.only(&names), BTreeSet::new())
            } else {
                let (now_told, later) = parted(names, &attribute::OF_CLIENTS);
                (peer.attributes.only(&now_told), later)
            };
            let bytes = told.size_bytes();
            peer.news.count(bytes, a_second, now);
            if let Some(share) = share {
                share.news.count(bytes, of_address, now);
            }
            if !told.is_empty() {
                clients.insert(peer.client_id.clone(), told);
            }
            if !later.is_empty() {
                if peer.news.is_late() {
                    late.push(id);
                }
                self.changed_clients.insert(id, later);
            }
        }
        for id in late {
            self.refuse(
                id,
                format!(
                    "What you, or all from your address, tell of yourselves changes by more than {a_second} bytes a \
                     second: others see it less often. Nothing else waits."
                ),
            );
        }
        clients
    }
}

/// Parts names in those that are told at once, as the relay itself sets them, and others.
fn parted(names: BTreeSet<String>, at_once: &[&str]) -> (BTreeSet<String>, BTreeSet<String>) {
    (names.into_iter()).partition(|name| at_once.contains(&name.as_str()))
}

/// What members are told of a room whose journal cannot be written.
pub(super) fn not_written_down(name: &str, why: &str) -> String {
    format!(
        "The server cannot write the room “{name}” to its disk ({why}). It goes on in the server's memory. What is not \
         written before the server ends is lost."
    )
}

fn no_room(name: &str) -> Refusal {
    format!("There is no room “{}”.", shown(name))
}
