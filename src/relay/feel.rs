//! Peers that are gone without a word while something is on its way to them.
//!
//! Whoever writes feels for the one who takes nothing (`net/write.rs`), and a connection on which nothing is
//! under way is asked by the system's keep-alive. Between the two is what the system has taken and the other
//! end has not confirmed: there it asks nobody, and says nothing for a quarter of an hour.

use std::sync::Arc;

use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;

use super::hub::Hub;
use crate::net::{DEAD_AFTER, FEEL_EVERY};

/// Peers that are felt for before others get their turn: each is a call to the system.
const TURN: usize = 64;

/// Feels for all peers, again and again until the relay ends.
pub(super) async fn watch(hub: Arc<Hub>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(FEEL_EVERY) => {}
        }
        let outboxes: Vec<_> = hub.with_state(|state| {
            let peers = state.peers.values();
            peers.map(|peer| Arc::clone(&peer.outbox)).collect()
        });
        for some in outboxes.chunks(TURN) {
            some.iter().for_each(|outbox| outbox.feel(DEAD_AFTER));
            yield_now().await;
        }
    }
}
