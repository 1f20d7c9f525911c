//! The next bytes for one peer: answers first, then news, then its room.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::PeerId;
use super::bulletin::News;
use super::hub::{Admission, Hub};
use super::outbox::{Outbox, Reply, Taken};

/// How much is gathered for one write, but for a single larger frame.
const GATHER_BYTES: usize = 1 << 20;

/// What one peer has been given so far.
#[derive(Debug)]
pub(super) struct Delivery {
    id: PeerId,
    hub: Arc<Hub>,
    outbox: Arc<Outbox>,
    news_cursor: u64,
}

impl Delivery {
    pub(super) fn new(hub: Arc<Hub>, admission: &Admission) -> Self {
        let Admission {
            id,
            outbox,
            news_cursor,
            ..
        } = admission;
        Self {
            id: *id,
            hub,
            outbox: Arc::clone(outbox),
            news_cursor: *news_cursor,
        }
    }

    /// Appends what the peer gets next to `out`, a bounded amount. `false` when there was nothing.
    pub(super) fn gather(&mut self, out: &mut VecDeque<Bytes>) -> bool {
        let (mut any, mut gathered) = (false, 0);
        while let Some(reply) = self.outbox.take_reply() {
            any = true;
            let counted = out.len();
            match reply {
                Reply::Frame(frame) => out.push_back(frame),
                Reply::Rooms => {
                    let (list, head) = self.hub.list_rooms();
                    self.news_until(head, out);
                    out.push_back(list);
                }
                Reply::Clients => {
                    let (list, head) = self.hub.list_clients();
                    self.news_until(head, out);
                    out.push_back(list);
                }
            }
            gathered += out.iter().skip(counted).map(Bytes::len).sum::<usize>();
            if gathered >= GATHER_BYTES {
                return true;
            }
        }
        let before = self.news_cursor;
        self.some_news(u64::MAX, out);
        any |= self.news_cursor != before;
        match self.outbox.take_commands(out) {
            Taken::Nothing => any,
            Taken::Some => true,
            Taken::Entered => {
                self.hub.entered(self.id);
                true
            }
        }
    }

    /// A list holds all that was told before it, so what was told before it goes first.
    fn news_until(&mut self, until: u64, out: &mut VecDeque<Bytes>) {
        while self.news_cursor < until {
            self.some_news(until, out);
        }
    }

    fn some_news(&mut self, until: u64, out: &mut VecDeque<Bytes>) {
        match self.hub.bulletin.read(self.news_cursor, until) {
            News::Since(pieces, cursor) => {
                out.extend(pieces);
                self.news_cursor = cursor;
            }
            News::Missed(gone) => {
                // Lists hold at least what was told by then; what comes after is told on top of them.
                let (clients, head) = self.hub.list_clients();
                let (rooms, _) = self.hub.list_rooms();
                out.extend(gone);
                out.extend([clients, rooms]);
                self.news_cursor = head;
            }
        }
    }
}
