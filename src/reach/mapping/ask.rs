//! Asking a router for a mapping: by all protocols side by side who is there, then one after the other for the port.
//!
//! Only one is asked to map at a time, and the first that does it is enough. So there is never a second mapping to
//! remove; many routers keep one table for all protocols, where removing one of two would remove both.

use std::net::{IpAddr, SocketAddrV4};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Wanted;
use super::memory::{Memory, Remembered, end_of};
use super::router::Router;
use super::state::MappedBy;
use super::way::{Grant, Refusal, Request, Way};
use super::{nat_pmp, pcp, upnp};

/// PCP is asked so much earlier than NAT-PMP, on the same port: it tells the outside address with the mapping, and a
/// router knows its own again by it.
const PCP_FIRST: Duration = Duration::from_millis(100);
/// How long others wait for the protocol by which a leftover was made.
const SAME_FIRST: Duration = Duration::from_millis(700);
/// Ports tried after the asked one, when this computer's own earlier address has that and the router does not let it be
/// removed.
const PORTS_BESIDE_OURSELVES: u16 = 4;

/// A mapping that a router has made.
pub(super) struct Opened {
    pub(super) way: Way,
    /// With which it is asked to keep it: the outside port is the one that it gave.
    pub(super) request: Request,
    pub(super) grant: Grant,
    pub(super) is_reused: bool,
}

/// Why there is no mapping.
pub(super) enum Failed {
    /// It is no longer wanted.
    Ended,
    /// No protocol was answered.
    Nobody,
    /// The refusal that tells the most, and whose it is.
    Refused(MappedBy, Refusal),
}

/// Asks the router. Takes the patience to hear who is there, and once more for each that is asked in vain.
pub(super) async fn ask(
    router: Router,
    wanted: &Wanted,
    memory: &mut Memory,
    ended: &CancellationToken,
) -> Result<Opened, Failed> {
    let patience = wanted.pace.patience;
    let inside = SocketAddrV4::new(router.ours, wanted.port);
    let leftover = memory
        .kept()
        .filter(|(left, _)| left.router == router.gateway && left.may_stand());
    // One that leads here is asked for again as it is: the router takes that for the same.
    let same = leftover.filter(|(left, _)| left.inside == inside);
    let mut request = Request {
        inside,
        outside_port: same.map_or(wanted.port, |(left, _)| left.outside_port),
        lease: wanted.pace.lease,
        description: wanted.description.clone(),
        nonce: match same {
            Some((left, _)) => left.nonce,
            None => nonce(),
        },
    };
    let mut other = leftover.filter(|_| same.is_none()).map(|(left, _)| left);

    let mut probes = probes(router, wanted);
    let deadline = Instant::now() + patience;
    let same_until = Instant::now() + SAME_FIRST;
    let mut aside = Vec::new();
    let mut failed = Failed::Nobody;
    loop {
        let wait_until = if aside.is_empty() {
            deadline
        } else {
            same_until
        };
        let probed = tokio::select! {
            probed = timeout_at(wait_until, probes.join_next()) => probed,
            () = ended.cancelled() => return Err(Failed::Ended),
        };
        let way = match probed {
            Ok(Some(Ok(Some(way)))) => {
                let is_other = same.is_some_and(|(left, _)| left.by != way.by());
                if is_other && Instant::now() < same_until {
                    aside.push(way);
                    continue;
                }
                way
            }
            Ok(Some(_)) => continue,
            Ok(None) | Err(_) => match aside.pop() {
                Some(way) => way,
                None => return Err(failed),
            },
        };
        if let Some(left) = other {
            tracing::info!(port = left.outside_port, by = %left.by, "Removing a mapping that a Mixdesk has left behind");
            if remove(&way, &left, &request, router, patience).await {
                other = None;
            }
        }
        let by = way.by();
        let remembered = |port, lease| Remembered {
            router: router.gateway,
            inside,
            outside_port: port,
            by,
            nonce: request.nonce,
            until: end_of(lease),
        };
        // Before it is there: a crash may come in between.
        if same.is_none() {
            memory
                .keep(remembered(request.outside_port, Some(request.lease)))
                .await;
        }
        match open(&way, &mut request.clone(), other, patience).await {
            Ok(grant) => {
                let is_reused = same.is_some_and(|(left, is_from_before)| {
                    is_from_before && left.by == by && left.outside_port == grant.port
                });
                memory.keep(remembered(grant.port, grant.lease)).await;
                request.outside_port = grant.port;
                return Ok(Opened {
                    way,
                    request,
                    grant,
                    is_reused,
                });
            }
            Err(refusal) => {
                tracing::info!(%by, ?refusal, "The router did not map the port");
                let is_telling = match &failed {
                    Failed::Refused(_, before) => refusal.weight() > before.weight(),
                    _ => true,
                };
                if is_telling {
                    failed = Failed::Refused(by, refusal);
                }
            }
        }
        if ended.is_cancelled() {
            return Err(Failed::Ended);
        }
    }
}

/// Asks for the port; when this computer's own earlier address has it, for one of those after it.
async fn open(
    way: &Way,
    request: &mut Request,
    other: Option<Remembered>,
    patience: Duration,
) -> Result<Grant, Refusal> {
    let mut tries = 0;
    loop {
        let granted = way.open(request, patience).await;
        let is_ourselves = match (&granted, other) {
            (Err(Refusal::Taken(Some(IpAddr::V4(holder)))), Some(left)) => {
                *holder == *left.inside.ip()
            }
            _ => false,
        };
        let next = request.outside_port.checked_add(1);
        match next {
            Some(next) if is_ourselves && tries < PORTS_BESIDE_OURSELVES => {
                tries += 1;
                request.outside_port = next;
            }
            _ => return granted,
        }
    }
}

/// Removes a mapping that leads to another port or an earlier address of this computer.
async fn remove(
    way: &Way,
    left: &Remembered,
    request: &Request,
    router: Router,
    patience: Duration,
) -> bool {
    if *left.inside.ip() == router.ours && left.by == way.by() && left.by != MappedBy::Upnp {
        let request = Request {
            inside: left.inside,
            outside_port: left.outside_port,
            nonce: left.nonce,
            ..request.clone()
        };
        way.close(&request, left.outside_port, patience).await
    } else {
        way.close_of(*left.inside.ip(), left.outside_port, patience)
            .await
    }
}

/// Asks side by side who is there. Those that are still asked end when this is dropped.
fn probes(router: Router, wanted: &Wanted) -> JoinSet<Option<Way>> {
    let patience = wanted.pace.patience;
    let mut probes = JoinSet::new();
    for &by in &wanted.ways {
        probes.spawn(async move {
            let probe = async {
                match by {
                    MappedBy::Pcp => pcp::Way::probe(router).await.map(Way::Pcp),
                    MappedBy::NatPmp => {
                        sleep(PCP_FIRST).await;
                        nat_pmp::Way::probe(router).await.map(Way::NatPmp)
                    }
                    MappedBy::Upnp => upnp::Way::probe(router, patience)
                        .await
                        .map(|way| Way::Upnp(Box::new(way))),
                }
            };
            timeout(patience, probe).await.ok().flatten()
        });
    }
    probes
}

/// A number that nobody guesses, so that nobody else removes our mapping.
fn nonce() -> [u32; 3] {
    [(); 3].map(|()| {
        getrandom::u32().unwrap_or_else(|error| {
            tracing::warn!(%error, "No chance to be had");
            0
        })
    })
}
