//! What is added to rooms that live: by one peer, by all of its address, by everybody.
//!
//! A peer's account counts it on the way in, and so do those of its address and of all. Each room has a
//! [`Bill`], which says whose its bytes are, and gives them back when the room ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use super::full::Full;

/// Peers of a bill that are always let be, gone or not.
const FEW_PEERS: usize = 64;

/// Bytes on the wire, and how many there may be.
#[derive(Debug)]
struct Count {
    bytes: AtomicU64,
    limit: u64,
}

impl Count {
    fn up_to(limit: u64) -> Self {
        Self {
            bytes: AtomicU64::new(0),
            limit,
        }
    }

    /// Counts bytes; gives the limit where they were more than that. Never counts them even for a moment
    /// then: somebody else would be refused for it.
    fn take(&self, bytes: u64) -> Result<(), u64> {
        let more = |taken: u64| {
            let taken = taken.checked_add(bytes)?;
            (taken <= self.limit).then_some(taken)
        };
        self.bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .map(drop)
            .map_err(|_| self.limit)
    }

    fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What everybody has added.
#[derive(Debug)]
pub(super) struct Budget(Count);

impl Budget {
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self(Count::up_to(limit)))
    }
}

/// What all peers of one address have added, those who are gone included.
#[derive(Debug)]
pub(super) struct AddressAccount {
    own: Count,
    all: Arc<Budget>,
}

impl AddressAccount {
    pub(super) fn new(all: &Arc<Budget>, limit: u64) -> Arc<Self> {
        Arc::new(Self {
            own: Count::up_to(limit),
            all: Arc::clone(all),
        })
    }

    fn give_back(&self, bytes: u64) {
        self.own.give_back(bytes);
        self.all.0.give_back(bytes);
    }
}

/// What one peer has added.
#[derive(Debug)]
pub(super) struct Account {
    own: Count,
    address: Arc<AddressAccount>,
}

impl Account {
    pub(super) fn new(address: Arc<AddressAccount>, limit: u64) -> Arc<Self> {
        let own = Count::up_to(limit);
        Arc::new(Self { own, address })
    }

    /// Counts bytes.
    ///
    /// # Errors
    /// When that were more than the peer, its address or all may add. Nothing is counted then.
    pub(super) fn take(&self, bytes: u64) -> Result<(), Full> {
        let address = &self.address;
        self.own.take(bytes).map_err(Full::Peer)?;
        if let Err(limit) = address.own.take(bytes) {
            self.own.give_back(bytes);
            return Err(Full::Address(limit));
        }
        if let Err(limit) = address.all.0.take(bytes) {
            self.own.give_back(bytes);
            address.own.give_back(bytes);
            return Err(Full::Rooms(limit));
        }
        Ok(())
    }
}

#[cfg(test)]
impl Account {
    /// One that is never full.
    pub(super) fn boundless() -> Arc<Self> {
        Self::new(
            AddressAccount::new(&Budget::new(u64::MAX), u64::MAX),
            u64::MAX,
        )
    }
}

/// Whose a room's bytes are. They are given back when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Bill {
    /// By where the account is in memory, which nobody else has as long as this knows it.
    peers: HashMap<usize, (Weak<Account>, u64)>,
    /// The same bytes by address.
    addresses: HashMap<usize, (Arc<AddressAccount>, u64)>,
    /// Those from before this program was started: nobody knows any more whose.
    restored: Option<(Arc<Budget>, u64)>,
    /// With so many peers those are forgotten who are gone.
    look_at: usize,
}

impl Bill {
    /// The bill of a room that is brought back. It comes back however large it is.
    pub(super) fn of_restored(all: &Arc<Budget>, bytes: u64) -> Self {
        all.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut bill = Self::default();
        bill.restored = Some((Arc::clone(all), bytes));
        bill
    }

    /// Adds bytes that the account has [taken](Account::take).
    pub(super) fn add(&mut self, account: &Arc<Account>, bytes: u64) {
        if self.peers.len() >= self.look_at.max(FEW_PEERS) {
            self.peers.retain(|_, (peer, _)| peer.strong_count() > 0);
            self.look_at = 2 * self.peers.len();
        }
        let place = Arc::as_ptr(account).addr();
        let new = || (Arc::downgrade(account), 0);
        self.peers.entry(place).or_insert_with(new).1 += bytes;
        let address = &account.address;
        let place = Arc::as_ptr(address).addr();
        let new = || (Arc::clone(address), 0);
        self.addresses.entry(place).or_insert_with(new).1 += bytes;
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        for (peer, bytes) in self.peers.values() {
            if let Some(peer) = peer.upgrade() {
                peer.own.give_back(*bytes);
            }
        }
        for (address, bytes) in self.addresses.values() {
            address.give_back(*bytes);
        }
        if let Some((all, bytes)) = &self.restored {
            all.0.give_back(*bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(count: &Count) -> u64 {
        count.bytes.load(Ordering::Relaxed)
    }

    /// What is counted for these peers, for the address of the first, and for all.
    fn all_counted<const PEERS: usize>(peers: [&Account; PEERS]) -> ([u64; PEERS], u64, u64) {
        let address = &peers[0].address;
        let of_peers = peers.map(|peer| counted(&peer.own));
        (of_peers, counted(&address.own), counted(&address.all.0))
    }

    #[test]
    fn bytes_count_for_the_peer_its_address_and_all() {
        let all = Budget::new(100);
        let here = AddressAccount::new(&all, 80);
        let [a, b] = [(); 2].map(|()| Account::new(Arc::clone(&here), 60));
        let elsewhere = Account::new(AddressAccount::new(&all, 80), 60);
        assert_eq!(a.take(60), Ok(()));
        assert_eq!(a.take(1), Err(Full::Peer(60)));
        assert_eq!(b.take(21), Err(Full::Address(80)));
        assert_eq!(b.take(20), Ok(()));
        assert_eq!(elsewhere.take(21), Err(Full::Rooms(100)));
        assert_eq!(elsewhere.take(u64::MAX), Err(Full::Peer(60)));
        assert_eq!(elsewhere.take(20), Ok(()));
        assert_eq!(all_counted([&a, &b, &elsewhere]), ([60, 20, 20], 80, 100));
    }

    #[test]
    fn what_a_room_held_is_given_back_when_it_ends() {
        let all = Budget::new(100);
        let here = AddressAccount::new(&all, 80);
        let [a, b] = [(); 2].map(|()| Account::new(Arc::clone(&here), 60));
        let large = Bill::of_restored(&all, 500);
        assert_eq!(a.take(1), Err(Full::Rooms(100)));
        drop(large);
        let mut rooms = [Bill::default(), Bill::of_restored(&all, 7)];
        for room in &mut rooms {
            a.take(10).unwrap();
            room.add(&a, 10);
        }
        let [mut first, second] = rooms;
        b.take(5).unwrap();
        first.add(&b, 5);
        assert_eq!(all_counted([&a, &b]), ([20, 5], 25, 32));
        drop(b);
        assert_eq!(
            all_counted([&a]),
            ([20], 25, 32),
            "its address still has them"
        );
        drop(first);
        assert_eq!(all_counted([&a]), ([10], 10, 17));
        drop(second);
        assert_eq!(all_counted([&a]), ([0], 0, 0));
    }

    #[test]
    fn a_bill_does_not_grow_with_those_who_are_gone() {
        let here = AddressAccount::new(&Budget::new(u64::MAX), u64::MAX);
        let peer = || Account::new(Arc::clone(&here), u64::MAX);
        let mut rooms = [Bill::default(), Bill::default()];
        let staying: Vec<_> = (0..100).map(|_| peer()).collect();
        for number in 0..10_000 {
            let going = peer();
            for peer in [&going].into_iter().chain(staying.get(number)) {
                for room in &mut rooms {
                    peer.take(1).unwrap();
                    room.add(peer, 1);
                }
            }
        }
        let [one, other] = rooms;
        for room in [&one, &other] {
            assert!(room.peers.len() <= 2 * 101, "{}", room.peers.len());
        }
        assert_eq!(all_counted([&staying[99]]), ([2], 20_200, 20_200));
        drop((one, other));
        assert_eq!(all_counted([&staying[99]]), ([0], 0, 0));
    }
}
