//! News for all peers: changed attributes, who and what is gone. One list, read with cursors.
//!
//! A peer that falls further behind than [`KEPT_BYTES`] is given fresh lists of clients and rooms
//! instead of what it missed: presence is latest-value state, so nothing is lost by that.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

/// How much is kept for peers who are behind.
const KEPT_BYTES: usize = 8 << 20;
/// What a piece takes in memory besides its bytes, about.
const PIECE_BYTES: usize = 64;
/// How much one read gives at most, but for a single larger piece.
const BATCH_BYTES: usize = 1 << 20;

/// The news.
#[derive(Debug)]
pub(super) struct Bulletin {
    /// Short and never held across an await. Taken under the hub's lock, never the other way round.
    inner: Mutex<Inner>,
    /// The next number to be given.
    head: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Numbers are consecutive; the last one is `next - 1`.
    pieces: VecDeque<Bytes>,
    next: u64,
    bytes: usize,
}

/// What one read gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// What came since, perhaps nothing, and where to read on.
    Since(Vec<Bytes>, u64),
    /// Too much came since to be kept.
    Missed,
}

impl Bulletin {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::default(),
            head: watch::Sender::new(0),
        }
    }

    /// Appends a piece of news: whole frames.
    pub(super) fn post(&self, piece: Bytes) {
        let next = {
            let mut inner = self.inner.lock();
            inner.bytes += PIECE_BYTES + piece.len();
            inner.pieces.push_back(piece);
            inner.next += 1;
            while inner.pieces.len() > 1 && inner.bytes > KEPT_BYTES {
                inner.bytes -= inner
                    .pieces
                    .pop_front()
                    .map_or(0, |oldest| PIECE_BYTES + oldest.len());
            }
            inner.next
        };
        self.head.send_replace(next);
    }

    /// Where somebody who comes now starts.
    pub(super) fn head(&self) -> u64 {
        self.inner.lock().next
    }

    /// Rings when there is news. What it says now counts as seen.
    pub(super) fn bell(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Reads from `cursor` on, but not past `until`.
    pub(super) fn read(&self, cursor: u64, until: u64) -> News {
        let inner = self.inner.lock();
        let first = inner.next - inner.pieces.len() as u64;
        let Some(skip) = cursor
            .checked_sub(first)
            .and_then(|skip| usize::try_from(skip).ok())
        else {
            return News::Missed;
        };
        let (mut news, mut bytes, mut cursor) = (Vec::new(), 0, cursor);
        for piece in inner.pieces.iter().skip(skip) {
            if cursor >= until || bytes >= BATCH_BYTES {
                break;
            }
            bytes += piece.len();
            cursor += 1;
            news.push(piece.clone());
        }
        News::Since(news, cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_reads_at_their_own_pace() {
        let bulletin = Bulletin::new();
        for text in ["a", "b", "c"] {
            bulletin.post(Bytes::from(text));
        }
        let since = |texts: &[&str], cursor| {
            News::Since(
                texts
                    .iter()
                    .map(|text| Bytes::copy_from_slice(text.as_bytes()))
                    .collect(),
                cursor,
            )
        };
        assert_eq!(bulletin.read(1, u64::MAX), since(&["b", "c"], 3));
        assert_eq!(bulletin.read(1, 2), since(&["b"], 2));
        assert_eq!(bulletin.read(3, u64::MAX), since(&[], 3));
        assert_eq!(bulletin.head(), 3);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let bulletin = Bulletin::new();
        for _ in 0..20 {
            bulletin.post(vec![0; KEPT_BYTES / 4 - PIECE_BYTES].into());
        }
        assert_eq!(bulletin.read(0, u64::MAX), News::Missed);
        assert!(matches!(bulletin.read(16, u64::MAX), News::Since(news, 17) if news.len() == 1));
        assert!(bulletin.inner.lock().bytes <= KEPT_BYTES);
    }
}
