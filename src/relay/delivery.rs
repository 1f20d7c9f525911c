//! The next bytes for one peer: answers first, then news, then its room.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::PeerId;
use super::bulletin::News;
use super::cold::{Cold, ColdError};
use super::hub::{Admission, Hub};
use super::log::{LARGE_BYTES, More};
use super::outbox::{ColdRead, Outbox, Reply, Taken};

/// How much is gathered for one write, but for a single larger frame.
const GATHER_BYTES: usize = 1 << 20;

/// How much of what a peer gets was gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gathered {
    /// There may be more.
    Some,
    /// All there was, perhaps nothing. What comes next rings a bell.
    All,
}

/// What one peer has been given so far.
#[derive(Debug)]
pub(super) struct Delivery {
    id: PeerId,
    hub: Arc<Hub>,
    outbox: Arc<Outbox>,
    news_cursor: u64,
    /// The way through a room's file, and for which stay in a room.
    cold: Option<(u64, Cold)>,
    /// Bytes of lists among what was gathered last.
    list_bytes: usize,
    /// Of what was gathered last, and is not written yet, bytes that are in memory for this peer alone.
    own_bytes: usize,
}

/// A peer may not leave so much in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch {
    /// The limit, in bytes, that is exceeded.
    pub(super) limit: usize,
    /// What is to be written to the peer.
    pub(super) bytes: usize,
}

impl Delivery {
    pub(super) fn new(hub: Arc<Hub>, admission: &Admission) -> Self {
        Self {
            id: admission.card.id,
            hub,
            outbox: Arc::clone(&admission.outbox),
            news_cursor: admission.news_cursor,
            cold: None,
            list_bytes: 0,
            own_bytes: 0,
        }
    }

    /// Appends what the peer gets next to `out`, a bounded amount. What was gathered before is written by then.
    ///
    /// # Errors
    /// When its room's file cannot be read.
    pub(super) async fn gather(
        &mut self,
        out: &mut VecDeque<Bytes>,
    ) -> Result<Gathered, ColdError> {
        self.list_bytes = 0;
        let gathered = self.gather_some(out).await?;
        self.own_bytes = self.list_bytes;
        if out.iter().any(|piece| piece.len() > LARGE_BYTES) {
            self.own_bytes += self.outbox.passing_bytes();
        }
        Ok(gathered)
    }

    /// What was gathered is being written now. Whether that is more than the peer may leave in memory, if it does not
    /// take it.
    pub(super) fn begin_writing(&self) -> Option<TooMuch> {
        let bytes = self.own_bytes;
        if bytes == 0 {
            return None;
        }
        let limit = self.outbox.set_taking(bytes)?;
        Some(TooMuch { limit, bytes })
    }

    /// What was gathered is written.
    pub(super) fn end_writing(&mut self) {
        if self.own_bytes > 0 {
            self.own_bytes = 0;
            self.outbox.set_taking(0);
        }
    }

    async fn gather_some(&mut self, out: &mut VecDeque<Bytes>) -> Result<Gathered, ColdError> {
        // A frame that was begun is ended first, even if its room was left meanwhile.
        if let Some((entry, cold)) = &mut self.cold
            && !cold.is_between_frames()
        {
            cold.end_frame(out).await?;
            self.outbox.advance(*entry, cold.cursor());
            return Ok(Gathered::Some);
        }
        let mut gathered = 0;
        while let Some(reply) = self.outbox.take_reply() {
            let counted = out.len();
            match reply {
                Reply::Frame(frame) => out.push_back(frame),
                Reply::Rooms => {
                    let (list, head) = self.hub.list_rooms();
                    self.answer(list, head, out);
                }
                Reply::Clients => {
                    let (list, head) = self.hub.list_clients();
                    self.answer(list, head, out);
                }
            }
            gathered += out.iter().skip(counted).map(Bytes::len).sum::<usize>();
            if gathered >= GATHER_BYTES {
                return Ok(Gathered::Some);
            }
        }
        let before = self.news_cursor;
        if self.hub.bulletin.has_news(before) {
            self.some_news(u64::MAX, out);
        }
        let told = self.news_cursor != before;
        let taken = self.outbox.take_commands(out);
        if matches!(taken, Taken::Nothing) {
            self.cold = None;
        }
        match taken {
            // News are given a part at a time.
            Taken::Nothing | Taken::Some(More::No) if !told => Ok(Gathered::All),
            Taken::Nothing | Taken::Some(_) => Ok(Gathered::Some),
            Taken::Entered => {
                self.cold = None;
                self.hub.entered(self.id);
                Ok(Gathered::Some)
            }
            Taken::Cold(read) => {
                self.read_cold(&read, out).await?;
                Ok(Gathered::Some)
            }
        }
    }

    async fn read_cold(
        &mut self,
        read: &ColdRead,
        out: &mut VecDeque<Bytes>,
    ) -> Result<(), ColdError> {
        let ColdRead {
            log,
            range,
            skip,
            entry,
        } = read;
        let going_on = self
            .cold
            .take()
            .filter(|(other, cold)| other == entry && cold.continues(log, range.start, *skip));
        let mut cold = match going_on {
            Some((_, cold)) => cold,
            None => Cold::open(log, range, *skip)?,
        };
        cold.read(out).await?;
        self.outbox.advance(*entry, cold.cursor());
        // A room that is not read from any more is not held.
        self.cold = Some((*entry, cold)).filter(|(_, cold)| !cold.is_done());
        Ok(())
    }

    /// A list holds all that was told before it, so what was told before it goes first. Where that was
    /// too much to be kept, newer lists have gone out in its place, and this one would be a step back.
    fn answer(&mut self, list: Bytes, head: u64, out: &mut VecDeque<Bytes>) {
        while self.news_cursor < head {
            if !self.some_news(head, out) {
                return;
            }
        }
        self.list_bytes += list.len();
        out.push_back(list);
    }

    /// Appends some news up to `until`. `false` when all of it was given as lists.
    fn some_news(&mut self, until: u64, out: &mut VecDeque<Bytes>) -> bool {
        if let News::Since(pieces, cursor) = self.hub.bulletin.read(self.news_cursor, until) {
            out.extend(pieces);
            self.news_cursor = cursor;
            return true;
        }
        // The lists hold at least what was told by then; what comes after is told on top of them. Who
        // is gone by then is asked for only now, so that nobody falls in between.
        let (clients, head) = self.hub.list_clients();
        let (rooms, _) = self.hub.list_rooms();
        self.list_bytes += clients.len() + rooms.len();
        out.extend(self.hub.bulletin.gone(self.news_cursor, head));
        out.extend([clients, rooms]);
        self.news_cursor = head;
        false
    }
}
