//! What one peer still gets: answers to what it asked, and its place in a room.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::PeerId;
use super::cold::Skip;
use super::log::{Lag, Log, More, Read, Seq};
use super::pending::Pending;
use crate::protocol::RelayMessage;

/// Somebody who leaves still gets what is left of the room if it is at most this much, so that the
/// frames before LEAVE_ROOM are those of a relay that queues. A longer rest is dropped: to leave is
/// the way to stop a long join.
const LEAVING_BYTES: usize = 1 << 20;
/// … and if it is found within this many reads: one may have sent much that one does not get oneself.
const LEAVING_READS: usize = 512;
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
            entry: 0,
        }
    }

    /// Takes the next frames, a bounded batch.
    fn take(&mut self, out: &mut VecDeque<Bytes>) -> Taken {
        let Some(entering) = &mut self.entering else {
            return match self.log.live(self.cursor, self.id) {
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
    /// Short and never held across an await. Under it only a log's lock is taken.
    state: Mutex<State>,
    /// Rings when something was put in, or the member's place changed. One waiter, the peer's write
    /// loop, so a stored permit is enough.
    bell: Notify,
}

#[derive(Debug)]
struct State {
    replies: VecDeque<Reply>,
    pending: Pending,
    member: Option<Member>,
    /// How often the peer has entered a room.
    entries: u64,
    closing: bool,
}

impl State {
    fn push(&mut self, reply: Reply) {
        self.pending.add(reply.waiting_bytes());
        self.replies.push_back(reply);
    }
}

/// The bell of the log that a write loop listens to.
pub(super) type LogBell = (Arc<Log>, watch::Receiver<Seq>);

impl Outbox {
    pub(super) fn new(pending: Pending) -> Self {
        Self {
            state: Mutex::new(State {
                replies: VecDeque::new(),
                pending,
                member: None,
                entries: 0,
                closing: false,
            }),
            bell: Notify::new(),
        }
    }

    /// Puts an answer in.
    pub(super) fn push(&self, reply: Reply) {
        self.state.lock().push(reply);
        self.bell.notify_one();
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
        state.member = Some(member);
        drop(state);
        self.bell.notify_one();
    }

    /// Takes the peer's place in its room away, and says so.
    pub(super) fn leave(&self) {
        let mut state = self.state.lock();
        let rest = state.member.take().and_then(Member::rest);
        for frame in rest.into_iter().flatten() {
            state.push(Reply::Frame(frame));
        }
        state.push(Reply::message(&RelayMessage::LeaveRoom));
        drop(state);
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

    /// Makes `bell` the one of the present room.
    pub(super) fn follow(&self, bell: &mut Option<LogBell>) {
        match (&*bell, self.log()) {
            (Some((old, _)), Some(new)) if Arc::ptr_eq(old, &new) => {}
            (_, log) => *bell = log.map(|log| (Arc::clone(&log), log.bell())),
        }
    }
}
