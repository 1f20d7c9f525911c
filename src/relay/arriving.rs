//! Messages that are on their way in: what they take in memory before they are whole, counted over all
//! peers. A header may claim a gigabyte, and its sender may take its time.

use std::sync::atomic::Ordering;

use super::card::Card;
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
    /// disconnected.
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
            let (mut sum, mut most) = (0, None);
            // Those who are being disconnected already hold theirs for a moment only.
            for peer in state.peers.values_mut().filter(|peer| peer.end.is_some()) {
                if only.is_some_and(|only| Origin::from(peer.ip) != only) {
                    continue;
                }
                let held = peer.card.arriving.load(Ordering::Relaxed);
                sum += held;
                if most.as_ref().is_none_or(|(most, _)| held > *most) {
                    most = Some((held, peer));
                }
            }
            let Some((_, peer)) = most.filter(|_| sum > limit) else {
                continue;
            };
            peer.card.count_refusal();
            if let Some(end) = peer.end.take() {
                // Fails when the connection has just ended.
                let _sent = end.send(format!(
                    "The server closed the connection: messages that have not arrived whole take more than {limit} \
                     bytes of its memory, and yours is the largest."
                ));
            }
        }
    }
}
