//! News for all peers: who and what is gone, changed attributes. One list, read with cursors.
//!
//! A peer that falls further behind than [`KEPT_BYTES`] (a Blender that renders reads nothing for
//! minutes) is told who and what is gone since, which is kept much longer, and is given fresh lists
//! instead of the changes: presence is latest-value state, so nothing is lost by that. Lists alone
//! would not do, as Mixer never takes anything out of its mirror that it is not told to be gone.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

/// How much is kept for peers who are behind.
const KEPT_BYTES: usize = 8 << 20;
/// How much is kept of who and what is gone, for peers who are further behind: some 40,000 of them.
const GONE_BYTES: usize = 4 << 20;
/// What a piece takes in memory besides its bytes, about.
const PIECE_BYTES: usize = 96;
/// How much one read gives at most, but for a single larger piece.
const BATCH_BYTES: usize = 1 << 20;

/// The news.
#[derive(Debug)]
pub(super) struct Bulletin {
    /// Short and never held across an await. Taken under the hub's lock, never the other way round.
    inner: Mutex<Inner>,
    /// The next number to be given.
    head: watch::Sender<u64>,
    /// The same, for a look without a lock. Set before the bell rings.
    newest: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    /// Numbers are consecutive; the last one is `next - 1`.
    pieces: VecDeque<Piece>,
    bytes: usize,
    next: u64,
    /// Who and what was gone in older pieces, by their numbers.
    gone: VecDeque<(u64, Bytes)>,
    gone_bytes: usize,
}

/// A piece of news: whole frames, either part may be empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece {
    /// Who and what is gone.
    pub(super) gone: Bytes,
    /// Everything else.
    pub(super) rest: Bytes,
}

impl Piece {
    fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.rest.is_empty()
    }

    fn len(&self) -> usize {
        PIECE_BYTES + self.gone.len() + self.rest.len()
    }
}

/// What one read gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// What came since, perhaps nothing, and where to read on.
    Since(Vec<Bytes>, u64),
    /// Too much came since to be kept: see [`Bulletin::gone`] for who and what is gone. All else is in
    /// fresh lists.
    Missed,
}

impl Bulletin {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::default(),
            head: watch::Sender::new(0),
            newest: AtomicU64::new(0),
        }
    }

    /// Appends pieces of news, but for empty ones, and rings once for all of them.
    pub(super) fn post(&self, pieces: impl IntoIterator<Item = Piece>) {
        let mut inner = self.inner.lock();
        let before = inner.next;
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            inner.bytes += piece.len();
            inner.pieces.push_back(piece);
            inner.next += 1;
            inner.forget();
        }
        let next = inner.next;
        if next == before {
            return;
        }
        self.newest.store(next, Ordering::Release);
        drop(inner);
        self.head.send_replace(next);
    }

    /// Where somebody who comes now starts.
    pub(super) fn head(&self) -> u64 {
        self.inner.lock().next
    }

    /// Whether there is something to read from `cursor` on.
    pub(super) fn has_news(&self, cursor: u64) -> bool {
        self.newest.load(Ordering::Acquire) > cursor
    }

    /// Rings when there is news. What it says now counts as seen.
    pub(super) fn bell(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Reads from `cursor` on, but not past `until`.
    pub(super) fn read(&self, cursor: u64, until: u64) -> News {
        let inner = self.inner.lock();
        let Some(skip) = cursor
            .checked_sub(inner.first())
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
            let parts = [&piece.gone, &piece.rest];
            news.extend(parts.into_iter().filter(|part| !part.is_empty()).cloned());
        }
        News::Since(news, cursor)
    }
}

impl Bulletin {
    /// Who and what is gone from `cursor` on, but not past `until`.
    pub(super) fn gone(&self, cursor: u64, until: u64) -> Vec<Bytes> {
        let inner = self.inner.lock();
        let old = inner.gone.iter().map(|(number, gone)| (*number, gone));
        let kept = (inner.first()..).zip(inner.pieces.iter().map(|piece| &piece.gone));
        let wanted =
            |(number, gone): &(u64, &Bytes)| (cursor..until).contains(number) && !gone.is_empty();
        old.chain(kept)
            .filter(wanted)
            .map(|(_, gone)| gone.clone())
            .collect()
    }
}

impl Inner {
    /// The number of the oldest piece that is there whole.
    fn first(&self) -> u64 {
        self.next - self.pieces.len() as u64
    }

    fn forget(&mut self) {
        while self.pieces.len() > 1 && self.bytes > KEPT_BYTES {
            let number = self.first();
            let Some(oldest) = self.pieces.pop_front() else {
                return;
            };
            self.bytes -= oldest.len();
            if !oldest.gone.is_empty() {
                self.gone_bytes += PIECE_BYTES + oldest.gone.len();
                // Of its own size: a part would hold the whole in memory.
                let gone = Bytes::copy_from_slice(&oldest.gone);
                self.gone.push_back((number, gone));
            }
        }
        while self.gone_bytes > GONE_BYTES {
            let Some((_, oldest)) = self.gone.pop_front() else {
                return;
            };
            self.gone_bytes -= PIECE_BYTES + oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str) -> Piece {
        Piece {
            rest: Bytes::copy_from_slice(text.as_bytes()),
            ..Piece::default()
        }
    }

    fn large(gone: &str) -> Piece {
        let size = KEPT_BYTES / 4 - PIECE_BYTES - gone.len();
        Piece {
            gone: Bytes::copy_from_slice(gone.as_bytes()),
            rest: vec![0; size].into(),
        }
    }

    fn texts(texts: &[&str]) -> Vec<Bytes> {
        let bytes = texts.iter().map(|text| text.as_bytes());
        bytes.map(Bytes::copy_from_slice).collect()
    }

    #[test]
    fn everybody_reads_at_their_own_pace() {
        let bulletin = Bulletin::new();
        for text in ["a", "b", "c"] {
            bulletin.post([changed(text)]);
        }
        let since = |some: &[&str], cursor| News::Since(texts(some), cursor);
        assert_eq!(bulletin.read(1, u64::MAX), since(&["b", "c"], 3));
        assert_eq!(bulletin.read(1, 2), since(&["b"], 2));
        assert_eq!(bulletin.read(3, u64::MAX), since(&[], 3));
        assert_eq!(bulletin.head(), 3);
    }

    #[test]
    fn what_is_posted_together_rings_once_and_nothing_does_not() {
        let bulletin = Bulletin::new();
        let mut bell = bulletin.bell();
        bulletin.post([Piece::default(), Piece::default()]);
        assert!(!bell.has_changed().unwrap() && !bulletin.has_news(0));
        bulletin.post([changed("a"), Piece::default(), changed("b")]);
        assert_eq!(*bell.borrow_and_update(), 2);
        let all = News::Since(texts(&["a", "b"]), 2);
        assert_eq!(bulletin.read(0, u64::MAX), all);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let bulletin = Bulletin::new();
        for _ in 0..20 {
            bulletin.post([large("")]);
        }
        assert_eq!(bulletin.read(0, u64::MAX), News::Missed);
        assert_eq!(bulletin.gone(0, u64::MAX), Vec::<Bytes>::new());
        assert!(matches!(bulletin.read(16, u64::MAX), News::Since(news, 17) if news.len() == 1));
        assert!(bulletin.inner.lock().bytes <= KEPT_BYTES);
    }

    #[test]
    fn who_is_gone_is_remembered_for_longer() {
        let bulletin = Bulletin::new();
        for number in 0..20 {
            bulletin.post([large(&number.to_string())]);
        }
        let gone: Vec<_> = (13..20).map(|number| number.to_string()).collect();
        let gone: Vec<_> = gone.iter().map(String::as_str).collect();
        assert_eq!(bulletin.read(13, u64::MAX), News::Missed);
        assert_eq!(bulletin.gone(13, u64::MAX), texts(&gone));
        assert_eq!(bulletin.gone(13, 15), texts(&gone[..2]));
        for _ in 0..3 * GONE_BYTES / (KEPT_BYTES / 8) {
            bulletin.post([Piece {
                gone: vec![0; KEPT_BYTES / 8].into(),
                rest: Bytes::new(),
            }]);
        }
        assert!(bulletin.inner.lock().gone_bytes <= GONE_BYTES);
    }
}
