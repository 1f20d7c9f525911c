//! Who a peer is, for all who have to do with it but the hub.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use tracing::Span;

use super::PeerId;
use super::account::Account;

/// One connection: what its commands are signed with, and what flowed.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) id: PeerId,
    /// Its id on the wire, `ip:port`.
    pub(super) client_id: String,
    pub(super) since: SystemTime,
    /// What it calls itself now. Short and never held across an await.
    name: Mutex<Option<Arc<str>>>,
    /// What it has added to rooms.
    pub(super) account: Arc<Account>,
    /// What is logged of it is logged in there. To enter it for each edit would take longer than much else
    /// that is done for one.
    pub(super) span: Span,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    refusals: AtomicU64,
    /// What its message takes in memory that has not arrived whole, if that is much.
    pub(super) arriving: AtomicU64,
}

impl Card {
    /// What is logged of it is logged in the span that is current now.
    pub(super) fn new(id: PeerId, client_id: String, account: Arc<Account>) -> Self {
        Self {
            id,
            client_id,
            since: SystemTime::now(),
            name: Mutex::default(),
            account,
            span: Span::current(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            arriving: AtomicU64::new(0),
        }
    }

    pub(super) fn name(&self) -> Option<Arc<str>> {
        self.name.lock().clone()
    }

    pub(super) fn rename(&self, name: Option<String>) {
        *self.name.lock() = name.map(Arc::from);
    }

    pub(super) fn count_in(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn count_out(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    /// It was told no.
    pub(super) fn count_refusal(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was told no.
    pub(super) fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    /// Bytes it sent, and bytes it took.
    pub(super) fn flowed(&self) -> (u64, u64) {
        let (read, written) = (&self.bytes_in, &self.bytes_out);
        (
            read.load(Ordering::Relaxed),
            written.load(Ordering::Relaxed),
        )
    }
}
