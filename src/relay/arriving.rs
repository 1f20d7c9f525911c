//! Messages that are on their way in: what they take in memory before they are whole, counted over all
//! peers. A header may claim a gigabyte, and its sender may take its time.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::PeerId;
use super::card::Card;
use super::ending::{Ending, Exceeded};
use super::guests::Origin;
use super::hub::Hub;

/// What a message takes up to this is not counted.
const FREE_BYTES: u64 = 1 << 20;

/// What one peer's message takes as long as it arrives.
pub(super) struct Arriving<'a> {
    hub: &'a Hub,
    card: &'a Card,
    counted: u64,
}

impl<'a> Arriving<'a> {
    pub(super) fn new(hub: &'a Hub, card: &'a Card) -> Self {
        Self {
            hub,
            card,
            counted: 0,
        }
    }

    /// It takes so many bytes of memory now. Where all together take too much, whoever holds the most of them is
    /// disconnected: of the address that holds the most.
    pub(super) fn takes(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        let bytes = if bytes > FREE_BYTES { bytes } else { 0 };
        if bytes == self.counted {
            return;
        }
        self.card.arriving.store(bytes, Ordering::Relaxed);
        let all = &self.hub.arriving;
        if bytes > self.counted {
            all.fetch_add(bytes - self.counted, Ordering::Relaxed);
            self.hub.curb_arriving(self.card);
        } else {
            all.fetch_sub(self.counted - bytes, Ordering::Relaxed);
        }
        self.counted = bytes;
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.takes(0);
    }
}

impl Hub {
    /// The message of one peer has grown.
    fn curb_arriving(&self, card: &Card) {
        let limits = self.limits();
        let (of_address, of_all) = (
            limits.arriving_bytes_per_address,
            limits.arriving_bytes_of_all,
        );
        if self.arriving.load(Ordering::Relaxed) <= of_address.min(of_all) {
            return;
        }
        let mut state = self.state.lock();
        let Some(peer) = state.peers.get(&card.id) else {
            return;
        };
        let origin = Origin::from(peer.ip);
        let from_there = (!limits.spares(origin)).then_some((of_address, Some(origin)));
        for (limit, only) in from_there.into_iter().chain([(of_all, None)]) {
            // Those who are being disconnected already hold theirs for a moment only.
            let peers = state.peers.iter().filter(|(_, peer)| peer.end.is_some());
            let held = peers.map(|(id, peer)| {
                let bytes = peer.card.arriving.load(Ordering::Relaxed);
                (Origin::from(peer.ip), *id, bytes)
            });
            let held = held.filter(|(origin, ..)| only.is_none_or(|only| *origin == only));
            let largest = one_too_many(held.collect(), limit);
            if let Some(peer) = largest.and_then(|largest| state.peers.get_mut(&largest)) {
                peer.end(Ending::Limit(Exceeded::Arriving(limit)));
            }
        }
    }
}

/// Who has to go where these hold more than the limit together: who holds the most, of those of the origin that
/// does. Somebody with a large message is not to go because others hold many smaller ones.
fn one_too_many(held: Vec<(Origin, PeerId, u64)>, limit: u64) -> Option<PeerId> {
    if held.iter().map(|(.., bytes)| bytes).sum::<u64>() <= limit {
        return None;
    }
    let mut of_origins: HashMap<Origin, (u64, (u64, PeerId))> = HashMap::new();
    for (origin, id, bytes) in held {
        let of_origin = of_origins.entry(origin).or_insert((0, (bytes, id)));
        of_origin.0 += bytes;
        of_origin.1 = of_origin.1.max((bytes, id));
    }
    let most = of_origins.into_values().max();
    most.map(|(_, (_, largest))| largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn origin(last: u8) -> Origin {
        std::net::IpAddr::from([192, 0, 2, last]).into()
    }

    #[test]
    fn nobody_goes_as_long_as_there_is_room() {
        assert_eq!(one_too_many(Vec::new(), 0), None);
        let held = vec![(origin(1), PeerId(1), 3), (origin(2), PeerId(2), 4)];
        assert_eq!(one_too_many(held.clone(), 7), None);
        assert_eq!(one_too_many(held, 6), Some(PeerId(2)));
    }

    #[test]
    fn many_from_few_addresses_do_not_push_out_one_large_message() {
        let texture = (origin(9), PeerId(9999), 38 * MIB);
        let parts = (0..3 * 256).map(|number: u16| {
            let bytes = 7 * MIB + u64::from(number);
            (origin((number % 3) as u8), PeerId(number.into()), bytes)
        });
        let mut held: Vec<_> = parts.chain([texture]).collect();
        let limit = 4 << 30;
        while let Some(gone) = one_too_many(held.clone(), limit) {
            assert_ne!(gone, texture.1);
            held.retain(|(_, id, _)| *id != gone);
        }
        let sum: u64 = held.iter().map(|(.., bytes)| bytes).sum();
        assert!(
            sum <= limit && limit - sum < 8 * MIB,
            "no more than need be"
        );
    }
}
