//! The task that keeps a mapping: asks, looks again, renews, follows this computer and its router, and removes.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::ask::{Failed, Opened, ask};
use super::memory::{Memory, Remembered, end_of};
use super::router::{Place, Router};
use super::state::{ByHand, Mapped, MappedBy, MappingState, NoRouter, Shared};
use super::way::{Grant, Look, Refusal, Request, Way};
use super::{STOP_PATIENCE, Wanted};

/// A router that gives a lease of no length is not asked more often than this.
const SHORTEST_RENEWAL: Duration = Duration::from_secs(1);
/// What is renewed when its half-life ends so soon after a look is renewed with the look.
const SLACK: Duration = Duration::from_millis(50);

/// What keeping a mapping needs.
pub(super) struct Keeper {
    pub(super) wanted: Wanted,
    pub(super) told: watch::Sender<MappingState>,
    /// Rung when somebody knows that the network has changed.
    pub(super) bell: Arc<Notify>,
    pub(super) ended: CancellationToken,
}

/// Why a mapping is no longer held.
enum Left {
    Ended,
    Moved,
    Lost,
}

/// What has become of a mapping when it was looked at.
enum Looked {
    /// It is there, and the router has this address outside.
    Stands(IpAddr),
    /// It was asked for again.
    Renewed { grant: Grant, was_gone: bool },
}

impl Keeper {
    /// Runs until it is ended, and then removes the mapping.
    pub(super) async fn keep(self) {
        let pace = self.wanted.pace;
        let mut memory = Memory::open(self.wanted.memory.clone()).await;
        let mut again = pace.again_first;
        let mut remapped = 0;
        loop {
            let place = Place::find(self.wanted.only).await;
            if self.ended.is_cancelled() {
                break;
            }
            match place {
                Place::Behind(router) => {
                    match ask(router, &self.wanted, &mut memory, &self.ended).await {
                        Ok(opened) => {
                            again = pace.again_first;
                            match self.hold(opened, router, &mut memory, &mut remapped).await {
                                Left::Ended => break,
                                Left::Moved => {
                                    tracing::info!("This computer's network has changed");
                                }
                                Left::Lost => {
                                    remapped += 1;
                                    tracing::info!("The router does not answer as before");
                                }
                            }
                            self.tell(MappingState::Asking);
                            continue;
                        }
                        Err(Failed::Ended) => break,
                        Err(failed) => {
                            let outcome = self.outcome(failed, router);
                            // Asking costs such a router work, and it seldom changes its mind; one that did it before
                            // is about to start, rather.
                            if remapped == 0 && matches!(outcome, MappingState::Refused { .. }) {
                                again = pace.again_refused;
                            }
                            self.tell(outcome);
                        }
                    }
                }
                place => self.tell(self.without_router(place)),
            }
            tokio::select! {
                () = self.ended.cancelled() => break,
                () = self.bell.notified() => again = pace.again_first,
                () = self.moved(place) => {
                    again = pace.again_first;
                    self.tell(MappingState::Asking);
                }
                () = sleep(again) => again = (again * 2).min(pace.again_last),
            }
        }
        self.tell(MappingState::Stopped);
    }

    /// Keeps what the router has made, until it is lost or not wanted any more.
    async fn hold(
        &self,
        opened: Opened,
        router: Router,
        memory: &mut Memory,
        remapped: &mut u32,
    ) -> Left {
        let pace = self.wanted.pace;
        let Opened {
            way,
            mut request,
            mut grant,
            is_reused,
        } = opened;
        let mut asked = Instant::now();
        loop {
            let by = way.by();
            self.tell(match Shared::of(grant.ip) {
                // The mapping stays: it is one half of the way in when the other router is set up by hand.
                Some(kind) => MappingState::SharedAddress {
                    outside: Some(grant.ip),
                    kind,
                },
                None => MappingState::Mapped(Mapped {
                    outside: SocketAddr::new(grant.ip, grant.port),
                    inside: request.inside,
                    asked: self.wanted.port,
                    by,
                    lease: grant.lease,
                    is_reused,
                    remapped: *remapped,
                }),
            });
            let half_life = grant
                .lease
                .map(|lease| asked + (lease / 2).max(SHORTEST_RENEWAL));
            let next_look = Instant::now() + pace.look;
            let waited = tokio::select! {
                () = self.ended.cancelled() => None,
                () = self.moved(Place::Behind(router)) => return Left::Moved,
                () = self.bell.notified() => Some(()),
                () = sleep_until(half_life.map_or(next_look, |due| due.min(next_look))) => Some(()),
            };
            let is_due = half_life.is_some_and(|due| due <= Instant::now() + SLACK);
            // An end does not wait for a router that is slow to answer.
            let looked = match waited {
                None => None,
                Some(()) => tokio::select! {
                    () = self.ended.cancelled() => None,
                    looked = look(&way, &request, &grant, is_due, pace.patience) => Some(looked),
                },
            };
            let renewed = match looked {
                Some(Ok(Looked::Stands(ip))) => {
                    grant.ip = ip;
                    continue;
                }
                Some(Ok(Looked::Renewed { grant, was_gone })) => {
                    *remapped += u32::from(was_gone);
                    grant
                }
                Some(Err(refusal)) => {
                    tracing::info!(?refusal, "The mapping was not renewed");
                    return Left::Lost;
                }
                None => {
                    if way.close(&request, grant.port, STOP_PATIENCE).await {
                        memory.forget().await;
                    }
                    return Left::Ended;
                }
            };
            if renewed.port != grant.port
                || has_restarted(grant.epoch, asked.elapsed(), renewed.epoch)
            {
                tracing::info!("The router has started anew, and has the mapping again");
                *remapped += 1;
            }
            (asked, grant) = (Instant::now(), renewed);
            request.outside_port = grant.port;
            memory
                .keep(Remembered {
                    router: router.gateway,
                    inside: request.inside,
                    outside_port: grant.port,
                    by,
                    nonce: request.nonce,
                    until: end_of(grant.lease),
                })
                .await;
        }
    }

    /// Waits until this computer has another address, or another router.
    async fn moved(&self, from: Place) {
        loop {
            sleep(self.wanted.pace.glance).await;
            let stands = match from {
                Place::Behind(router) => router.stands(),
                place => Place::find(self.wanted.only).await == place,
            };
            if !stands {
                return;
            }
        }
    }

    /// What there is to tell of a place where no router is asked.
    fn without_router(&self, place: Place) -> MappingState {
        let port = self.wanted.port;
        match (place, self.wanted.only) {
            (Place::Public(ip), _) => MappingState::Direct((ip, port).into()),
            (Place::Shared(ip), _) => MappingState::SharedAddress {
                outside: Some(ip.into()),
                kind: Shared::CarrierGrade,
            },
            (Place::Elsewhere(ours), Some(only)) => {
                MappingState::NoRouter(NoRouter::Elsewhere { only, ours })
            }
            (Place::OnlyIpv6, _) => MappingState::NoRouter(NoRouter::OnlyIpv6 { port }),
            (Place::Elsewhere(_) | Place::Nowhere | Place::Behind(_), _) => MappingState::NoNetwork,
        }
    }

    fn outcome(&self, failed: Failed, router: Router) -> MappingState {
        let by_hand = ByHand {
            router: Some(router.gateway),
            outside: self.wanted.port,
            inside: SocketAddrV4::new(router.ours, self.wanted.port),
        };
        let Failed::Refused(by, refusal) = failed else {
            return MappingState::NoRouter(NoRouter::Silent(by_hand));
        };
        let refused = |by: MappedBy, said: String| MappingState::Refused { by, said, by_hand };
        match refusal {
            Refusal::Taken(holder) => MappingState::Taken { holder, by_hand },
            Refusal::Shared(kind) => MappingState::SharedAddress {
                outside: None,
                kind,
            },
            Refusal::Denied(said) => refused(by, said),
            Refusal::Silent => refused(by, "it fell silent when asked for the port".to_owned()),
        }
    }

    fn tell(&self, state: MappingState) {
        self.told.send_if_modified(|told| {
            let is_news = *told != state;
            if is_news {
                tracing::info!("{}", state.words());
                *told = state;
            }
            is_news
        });
    }
}

/// Looks whether a mapping stands, and asks for it again where it does not, is due, or only asking tells.
async fn look(
    way: &Way,
    request: &Request,
    granted: &Grant,
    is_due: bool,
    patience: Duration,
) -> Result<Looked, Refusal> {
    let mut was_gone = false;
    if !is_due {
        match way.look(request, granted, patience).await {
            Some(Ok(Look::Stands(ip))) => return Ok(Looked::Stands(ip)),
            Some(Ok(Look::Gone)) => {
                tracing::info!("The router has forgotten the mapping");
                was_gone = true;
            }
            Some(Err(refusal)) => return Err(refusal),
            None => {}
        }
    }
    let grant = way.open(request, patience).await?;
    Ok(Looked::Renewed { grant, was_gone })
}

/// Whether a router has started anew, by its clock of so many seconds before and now (RFC 6886, 3.6).
fn has_restarted(before: Option<u32>, elapsed: Duration, now: Option<u32>) -> bool {
    let (Some(before), Some(now)) = (before, now) else {
        return false;
    };
    let expected = u64::from(before) + elapsed.as_secs() * 7 / 8;
    u64::from(now) + 2 < expected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_goes_back_or_stands_is_a_restart() {
        let minute = Duration::from_secs(60);
        assert!(!has_restarted(Some(1000), minute, Some(1060)));
        assert!(
            !has_restarted(Some(1000), minute, Some(1052)),
            "a slow clock"
        );
        assert!(has_restarted(Some(1000), minute, Some(1000)));
        assert!(has_restarted(Some(1000), minute, Some(3)));
        assert!(!has_restarted(None, minute, Some(3)));
    }
}
