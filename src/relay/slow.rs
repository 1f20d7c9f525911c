//! Members who are too far behind for too long: dropped where the host wants that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::PeerId;
use super::ending::{Ending, Exceeded};
use super::hub::Hub;

/// How often members are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Since when some are too far behind.
#[derive(Debug, Default)]
struct SlowMembers(BTreeMap<PeerId, Instant>);

impl SlowMembers {
    /// Looks at all members and how many bytes they are behind; gives those who have been too far
    /// behind for too long.
    fn judge(
        &mut self,
        members: impl IntoIterator<Item = (PeerId, u64)>,
        (bytes, patience): (u64, Duration),
        now: Instant,
    ) -> Vec<PeerId> {
        let before = std::mem::take(&mut self.0);
        for (id, lag_bytes) in members {
            if lag_bytes > bytes {
                self.0.insert(id, before.get(&id).copied().unwrap_or(now));
            }
        }
        let too_long = |since: &Instant| now.saturating_duration_since(*since) >= patience;
        let dropped = self.0.iter().filter(|(_, since)| too_long(since));
        dropped.map(|(id, _)| *id).collect()
    }
}

/// Drops slow members until the relay ends. Only to be run where the host wants that.
pub(super) async fn watch(hub: Arc<Hub>, shutdown: CancellationToken) {
    let limits = hub.limits();
    let allowed = (limits.slow_bytes, Duration::from_secs(limits.slow_seconds));
    let ending = Ending::Limit(Exceeded::Slow {
        bytes: limits.slow_bytes,
        seconds: limits.slow_seconds,
    });
    let mut slow = SlowMembers::default();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let members = hub.with_state(|state| {
            let lag = |peer: &super::state::Peer| (peer.card.id, peer.outbox.lag().bytes);
            state.peers.values().map(lag).collect::<Vec<_>>()
        });
        let dropped = slow.judge(members, allowed, Instant::now());
        if !dropped.is_empty() {
            hub.end(|peer| dropped.contains(&peer.card.id), &ending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_stays_too_far_behind_is_dropped() {
        let (mut slow, start) = (SlowMembers::default(), Instant::now());
        let allowed = (100, Duration::from_secs(10));
        let (a, b) = (PeerId(1), PeerId(2));
        let mut judge = |seconds, lags: [u64; 2]| {
            let now = start + Duration::from_secs(seconds);
            slow.judge([(a, lags[0]), (b, lags[1])], allowed, now)
        };
        assert!(judge(0, [101, 101]).is_empty());
        assert!(judge(6, [500, 100]).is_empty(), "b has caught up");
        assert!(judge(9, [500, 101]).is_empty());
        assert_eq!(judge(10, [500, 101]), [a]);
        assert_eq!(judge(19, [0, 101]), [b]);
    }
}
