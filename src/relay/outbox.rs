//! What one peer still gets: answers to what it asked, and its place in a room.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::PeerId;
use super::card::Card;
use super::cold::Skip;
use super::log::{Lag, Listener, Log, More, Read, Seq};
use super::pending::Pending;
use crate::net::{Line, MAX_SLICES, Pulse, WriteError, advance};
use crate::protocol::RelayMessage;

/// Somebody who leaves still gets what is left of the room if it is at most this much, so that the
/// frames before LEAVE_ROOM are those of a relay that queues. A longer rest is dropped: to leave is
/// the way to stop a long join.
const LEAVING_BYTES: usize = 1 << 20;
/// … and if it is found within this many reads: one may have sent much that one does not get oneself, and
/// nobody is to wait for the search.
const LEAVING_READS: usize = 32;
/// Who waits for the next commands is given this much of them by whoever brings them. More is left to its
/// own task, so that everybody has a turn.
const AT_ONCE_BYTES: usize = 16 << 10;
/// What an answer takes in memory while it waits, besides its bytes, about.
const REPLY_BYTES: usize = 96;

/// An answer that waits for its peer.
#[derive(Debug)]
pub(super) enum Reply {
    /// A frame.
    Frame(Bytes),
    /// All rooms, as they are when it is written.
    Rooms,
    /// All clients, as they are when it is written.
    Clients,
}

impl Reply {
    pub(super) fn message(message: &RelayMessage) -> Self {
        Self::Frame(message.encode().into_wire())
    }

    fn waiting_bytes(&self) -> usize {
        match self {
            Self::Frame(bytes) => REPLY_BYTES + bytes.len(),
            Self::Rooms | Self::Clients => REPLY_BYTES,
        }
    }
}

/// A peer's place in a room.
#[derive(Debug)]
pub(super) struct Member {
    id: PeerId,
    room: String,
    log: Arc<Log>,
    cursor: Seq,
    entering: Option<Entering>,
    /// Bytes of large ephemeral commands that were taken.
    passing_bytes: usize,
    /// Which of the peer's stays in rooms this is.
    entry: u64,
}

/// What came of taking the next frames of a room.
#[derive(Debug)]
pub(super) enum Taken {
    /// There are none for now.
    Nothing,
    /// These, and perhaps more.
    Some(More),
    /// The last of them was JOIN_ROOM: the history is all given.
    Entered,
    /// The next ones are only in the room's file.
    Cold(ColdRead),
}

/// What is to be read from a room's file for a member.
#[derive(Debug)]
pub(super) struct ColdRead {
    pub(super) log: Arc<Log>,
    pub(super) range: Range<Seq>,
    pub(super) skip: Skip,
    /// For [`Outbox::advance`].
    pub(super) entry: u64,
}

/// On the way in: CLEAR_CONTENT, the history up to here, JOIN_ROOM.
#[derive(Debug)]
struct Entering {
    cleared: bool,
    replay_until: Seq,
}

impl Member {
    /// Somebody who joins: gets the history as it is now, then what comes live.
    pub(super) fn joining(id: PeerId, room: &str, log: Arc<Log>) -> Self {
        let entering = Some(Entering {
            cleared: false,
            replay_until: log.head(),
        });
        Self {
            id,
            room: room.to_owned(),
            log,
            cursor: Seq::default(),
            entering,
            passing_bytes: 0,
            entry: 0,
        }
    }

    /// The maker: is in from the start, and gets nothing of what was before.
    pub(super) fn making(id: PeerId, room: &str, log: Arc<Log>) -> Self {
        Self {
            id,
            room: room.to_owned(),
            cursor: log.head(),
            log,
            entering: None,
            passing_bytes: 0,
            entry: 0,
        }
    }

    /// Whether the history is all given.
    fn is_in(&self) -> bool {
        self.entering.is_none()
    }

    /// Takes the next frames, a bounded batch.
    fn take(&mut self, out: &mut VecDeque<Bytes>) -> Taken {
        let Some(entering) = &mut self.entering else {
            let passing = Cell::new(0);
            let read = self.log.live(self.cursor, self.id, &passing);
            self.passing_bytes += passing.get();
            return match read {
                Read::Cold(range) => self.cold(range, Skip::Own(self.id)),
                Read::Batch(_, cursor, _) if cursor == self.cursor => Taken::Nothing,
                Read::Batch(frames, cursor, more) => {
                    self.cursor = cursor;
                    out.extend(frames);
                    Taken::Some(more)
                }
            };
        };
        if !entering.cleared {
            entering.cleared = true;
            out.push_back(RelayMessage::ClearContent.encode().into_wire());
        }
        let until = entering.replay_until;
        match self.log.replay(self.cursor, until) {
            Read::Cold(range) => return self.cold(range, Skip::Superseded),
            Read::Batch(frames, cursor, _) => {
                let advanced = cursor != self.cursor;
                self.cursor = cursor;
                out.extend(frames);
                if cursor < until {
                    // The rest is being written down, and nobody sees it before.
                    return if advanced {
                        Taken::Some(More::Yes)
                    } else {
                        Taken::Nothing
                    };
                }
            }
        }
        out.push_back(
            RelayMessage::JoinRoom(self.room.clone())
                .encode()
                .into_wire(),
        );
        self.entering = None;
        Taken::Entered
    }

    fn cold(&self, range: Range<Seq>, skip: Skip) -> Taken {
        Taken::Cold(ColdRead {
            log: Arc::clone(&self.log),
            range,
            skip,
            entry: self.entry,
        })
    }

    /// All that is left, if it is little.
    fn rest(mut self) -> Option<VecDeque<Bytes>> {
        let (mut rest, mut bytes) = (VecDeque::new(), 0);
        for _ in 0..LEAVING_READS {
            let counted = rest.len();
            match self.take(&mut rest) {
                Taken::Nothing => return Some(rest),
                Taken::Cold(_) => return None,
                Taken::Some(_) | Taken::Entered => {}
            }
            bytes += rest.iter().skip(counted).map(Bytes::len).sum::<usize>();
            if bytes > LEAVING_BYTES {
                return None;
            }
        }
        None
    }
}

/// What one peer still gets.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Short and never held across an await. Under it only a log's lock is taken, and a line's.
    state: Mutex<State>,
    /// Rings when something was put in, the member's place changed, or its room has something for it. One
    /// waiter, the peer's write loop, so a stored permit is enough.
    bell: Notify,
    card: Arc<Card>,
    /// This, for logs.
    this: Weak<Self>,
}

#[derive(Debug)]
struct State {
    replies: VecDeque<Reply>,
    pending: Pending,
    /// What is being written and in memory for this peer alone.
    taking: Pending,
    member: Option<Member>,
    /// How often the peer has entered a room.
    entries: u64,
    closing: bool,
    /// The connection, while all is written and the write loop rests.
    resting: Option<Line>,
    /// What was to be written in its place and did not fit.
    begun: VecDeque<Bytes>,
    /// It answers nothing any more.
    dead: bool,
}

impl State {
    fn push(&mut self, reply: Reply) {
        self.pending.add(reply.waiting_bytes());
        self.replies.push_back(reply);
    }

    /// Passes the next commands of the room on to a peer that rests. `false` when its own task has to.
    fn pass_on(&mut self, card: &Card) -> bool {
        let Some(line) = &self.resting else {
            return false;
        };
        let Some(member) = self.member.as_mut().filter(|member| member.is_in()) else {
            return false;
        };
        if !self.begun.is_empty() || !self.replies.is_empty() {
            return false;
        }
        match member.take(&mut self.begun) {
            Taken::Nothing => return true,
            Taken::Some(More::No) => {}
            Taken::Some(More::Yes) | Taken::Entered | Taken::Cold(_) => return false,
        }
        if self.begun.is_empty() {
            return true;
        }
        let bytes: usize = self.begun.iter().map(Bytes::len).sum();
        if bytes > AT_ONCE_BYTES || self.begun.len() > MAX_SLICES {
            return false;
        }
        let slices: Vec<_> = self.begun.iter().map(|bytes| IoSlice::new(bytes)).collect();
        // What does not fit, and why, is for its own task.
        let written = line.try_write(&slices).unwrap_or(0);
        card.count_out(written as u64);
        advance(&mut self.begun, written);
        self.begun.is_empty()
    }
}

/// A write loop that rests, until this is dropped.
#[derive(Debug)]
pub(super) struct Resting<'a>(&'a Outbox);

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.state.lock().resting = None;
    }
}

impl Listener for Outbox {
    fn ring(&self, at_once: bool) -> bool {
        let served = at_once && self.state.lock().pass_on(&self.card);
        if !served {
            self.bell.notify_one();
        }
        served
    }
}

impl Outbox {
    /// `pending` counts what waits, `taking` what is being written and in memory for this peer alone.
    pub(super) fn new(pending: Pending, taking: Pending, card: Arc<Card>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            card,
            this: this.clone(),
            state: Mutex::new(State {
                replies: VecDeque::new(),
                pending,
                taking,
                member: None,
                entries: 0,
                closing: false,
                resting: None,
                begun: VecDeque::new(),
                dead: false,
            }),
            bell: Notify::new(),
        })
    }

    /// The write loop has written all there was, and waits for the [bell](Self::changed). Until then
    /// whoever brings commands may write them to `line`: waking it takes longer than that.
    pub(super) fn rest(&self, line: Option<&Line>) -> Resting<'_> {
        let mut state = self.state.lock();
        if state.replies.is_empty() && state.begun.is_empty() && !state.closing {
            state.resting = line.cloned();
        }
        Resting(self)
    }

    /// What was begun while the write loop rested, which goes first.
    ///
    /// # Errors
    /// When the peer was [found](Self::feel) to be dead.
    pub(super) fn begun(&self) -> Result<VecDeque<Bytes>, WriteError> {
        let mut state = self.state.lock();
        if state.dead {
            return Err(WriteError::Dead);
        }
        Ok(std::mem::take(&mut state.begun))
    }

    /// Feels for a peer whose write loop rests, as all was written: that is not to say that it has come.
    /// Who has confirmed nothing for so long is dead.
    pub(super) fn feel(&self, patience: Duration) {
        let mut state = self.state.lock();
        let resting = state.resting.as_ref();
        if resting.is_some_and(|line| line.is_dead(patience)) {
            state.dead = true;
            drop(state);
            self.bell.notify_one();
        }
    }

    /// Puts an answer in.
    pub(super) fn push(&self, reply: Reply) {
        self.state.lock().push(reply);
        self.bell.notify_one();
    }

    /// So many bytes that are in memory for this peer alone are being written to it now. Gives the limit, in
    /// bytes, that is exceeded by them and that the peer is to blame for, if it does not take them.
    pub(super) fn set_taking(&self, bytes: usize) -> Option<usize> {
        let mut state = self.state.lock();
        state.taking.set(bytes);
        state.taking.exceeds()
    }

    /// Bytes of large ephemeral commands that were taken since this was last asked.
    pub(super) fn passing_bytes(&self) -> usize {
        let mut state = self.state.lock();
        let member = state.member.as_mut();
        member.map_or(0, |member| std::mem::take(&mut member.passing_bytes))
    }

    /// The limit, in bytes, that is exceeded by what waits and that the peer is to blame for.
    pub(super) fn exceeds(&self) -> Option<usize> {
        self.state.lock().pending.exceeds()
    }

    /// Gives the peer a place in a room.
    pub(super) fn enter(&self, mut member: Member) {
        let mut state = self.state.lock();
        state.entries += 1;
        member.entry = state.entries;
        let log = Arc::clone(&member.log);
        state.member = Some(member);
        drop(state);
        log.listen(self.listener());
        self.bell.notify_one();
    }

    /// Takes the peer's place in its room away, and says so.
    pub(super) fn leave(&self) {
        let mut state = self.state.lock();
        let member = state.member.take();
        let log = member.as_ref().map(|member| Arc::clone(&member.log));
        let rest = member.and_then(Member::rest);
        for frame in rest.into_iter().flatten() {
            state.push(Reply::Frame(frame));
        }
        state.push(Reply::message(&RelayMessage::LeaveRoom));
        drop(state);
        if let Some(log) = log {
            log.unlisten(&self.listener());
        }
        self.bell.notify_one();
    }

    /// The log of the room that the peer is in.
    pub(super) fn log(&self) -> Option<Arc<Log>> {
        self.state
            .lock()
            .member
            .as_ref()
            .map(|member| Arc::clone(&member.log))
    }

    /// What was not taken yet, answers and its room's commands, it does not get any more.
    pub(super) fn forget_rest(&self) {
        let mut state = self.state.lock();
        while let Some(reply) = state.replies.pop_front() {
            state.pending.remove(reply.waiting_bytes());
        }
        state.member = None;
    }

    /// Nothing new will be put in: the write loop is to end once all is written.
    pub(super) fn close(&self, last: Option<Reply>) {
        let mut state = self.state.lock();
        if let Some(last) = last {
            state.push(last);
        }
        state.closing = true;
        drop(state);
        self.bell.notify_one();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.state.lock().closing
    }

    /// Whether the peer will be given more of its room as soon as that is written down.
    pub(super) fn awaits_room(&self) -> bool {
        let state = self.state.lock();
        state
            .member
            .as_ref()
            .is_some_and(|member| member.log.has_hidden())
    }

    pub(super) fn take_reply(&self) -> Option<Reply> {
        let mut state = self.state.lock();
        let reply = state.replies.pop_front()?;
        state.pending.remove(reply.waiting_bytes());
        Some(reply)
    }

    /// Takes the next frames of the room, a bounded batch.
    pub(super) fn take_commands(&self, out: &mut VecDeque<Bytes>) -> Taken {
        let mut state = self.state.lock();
        state
            .member
            .as_mut()
            .map_or(Taken::Nothing, |member| member.take(out))
    }

    /// Notes how far a cold read has come, if the peer is still where it was.
    pub(super) fn advance(&self, entry: u64, cursor: Seq) {
        let mut state = self.state.lock();
        if let Some(member) = state.member.as_mut().filter(|member| member.entry == entry) {
            member.cursor = member.cursor.max(cursor);
        }
    }

    /// How far the peer is behind in its room.
    pub(super) fn lag(&self) -> Lag {
        let state = self.state.lock();
        let member = state.member.as_ref();
        member.map_or(Lag::default(), |member| member.log.lag(member.cursor))
    }

    /// Waits until something was put in since the last wait.
    pub(super) async fn changed(&self) {
        self.bell.notified().await;
    }

    fn listener(&self) -> Weak<dyn Listener> {
        self.this.clone()
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
