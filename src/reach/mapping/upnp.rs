//! UPnP Internet Gateway Device.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{
    AddPortError, GetExternalIpError, GetGenericPortMappingEntryError, PortMappingEntry,
    PortMappingProtocol, RemovePortError, RequestError, SearchOptions,
};

use super::router::Router;
use super::state::Shared;
use super::way::{Grant, Look, Refusal, Request};

/// Where devices are searched for: all of the network (the crate's default), or one.
const SSDP_PORT: u16 = 1900;
/// A device that is not the router, but says that it can map, is asked only when the router has not answered in this
/// time: a second router in the LAN leads to nowhere.
const ROUTER_FIRST: Duration = Duration::from_millis(1500);
/// Entries of the router's list that are looked through: more than any router holds, and a list may be without end.
const MAX_ENTRIES: u32 = 256;
/// Longest text of a router that is passed on.
const MAX_WORDS: usize = 120;
/// “Action failed”: what miniupnpd says when it knows that its outside address is not public.
const ACTION_FAILED: u16 = 501;
/// “String argument too long” (605) and “only permanent leases” (725) are told apart by the crate; these are not.
const NOT_AUTHORIZED: u16 = 606;

/// A router that speaks UPnP.
#[derive(Clone, Debug)]
pub(super) struct Way {
    gateway: Gateway<Tokio>,
    /// Where our entry stood in the router's list when it was last seen.
    place: Arc<AtomicU32>,
}

impl Way {
    /// Searches for a router that speaks UPnP, for so long. Changes nothing there.
    pub(super) async fn probe(router: Router, patience: Duration) -> Option<Self> {
        let gateway = find_gateway(router, patience).await?;
        tracing::debug!(device = %gateway.addr, "UPnP answers");
        Some(Self {
            gateway,
            place: Arc::default(),
        })
    }

    pub(super) async fn open(&self, request: &Request) -> Result<Grant, Refusal> {
        // First, so that nothing is mapped that leads nowhere.
        let ip = self.outside().await?;
        let seconds = u32::try_from(request.lease.as_secs()).unwrap_or(u32::MAX);
        let (added, lease) = match self.add(request, seconds).await {
            // Old routers know no end.
            Err(AddPortError::OnlyPermanentLeasesSupported) => (self.add(request, 0).await, None),
            added => (added, Some(request.lease)),
        };
        match added {
            Ok(()) => Ok(Grant {
                port: request.outside_port,
                ip,
                lease,
                epoch: None,
            }),
            Err(AddPortError::PortInUse) => {
                let holder = self
                    .find(|entry| entry.external_port == request.outside_port)
                    .await
                    .ok()
                    .flatten()
                    .and_then(|entry| entry.internal_client.parse().ok());
                Err(Refusal::Taken(holder))
            }
            Err(error) => Err(refusal_of_adding(&error)),
        }
    }

    /// `None` when the router does not let its list be read.
    pub(super) async fn look(&self, request: &Request, port: u16) -> Option<Result<Look, Refusal>> {
        let ip = match self.outside().await {
            Ok(ip) => ip,
            Err(refusal) => return Some(Err(refusal)),
        };
        let ours = request.inside;
        let is_ours = |entry: &PortMappingEntry| {
            entry.external_port == port
                && entry.internal_port == ours.port()
                && entry.internal_client.parse() == Ok(*ours.ip())
        };
        match self.find(is_ours).await {
            Ok(Some(_)) => Some(Ok(Look::Stands(ip))),
            Ok(None) => Some(Ok(Look::Gone)),
            Err(Refusal::Silent) => Some(Err(Refusal::Silent)),
            Err(_) => None,
        }
    }

    pub(super) async fn close(&self, port: u16) -> bool {
        match self
            .gateway
            .remove_port(PortMappingProtocol::TCP, port)
            .await
        {
            Ok(()) | Err(RemovePortError::NoSuchPortMapping) => true,
            Err(error) => {
                tracing::debug!(error = %short(&error.to_string()), "The mapping was not removed by UPnP");
                false
            }
        }
    }

    /// Removes an entry if it leads to that address. Many routers do not let one computer remove another's.
    pub(super) async fn close_of(&self, inside: Ipv4Addr, port: u16) -> bool {
        let is_meant = |entry: &PortMappingEntry| {
            entry.external_port == port && entry.internal_client.parse() == Ok(inside)
        };
        matches!(self.find(is_meant).await, Ok(Some(_))) && self.close(port).await
    }

    async fn outside(&self) -> Result<IpAddr, Refusal> {
        self.gateway
            .get_external_ip()
            .await
            .map_err(|error| match error {
                GetExternalIpError::ActionNotAuthorized => {
                    Refusal::Denied("it is not allowed".to_owned())
                }
                error if has_no_address(&error) => Refusal::Shared(Shared::Untold),
                GetExternalIpError::RequestError(error) => refusal(&error),
            })
    }

    async fn add(&self, request: &Request, seconds: u32) -> Result<(), AddPortError> {
        self.gateway
            .add_port(
                PortMappingProtocol::TCP,
                request.outside_port,
                request.inside.into(),
                seconds,
                &request.description,
            )
            .await
    }

    /// The first TCP entry of the router's list that is meant, beginning where ours was last seen.
    async fn find(
        &self,
        is_meant: impl Fn(&PortMappingEntry) -> bool,
    ) -> Result<Option<PortMappingEntry>, Refusal> {
        let is_meant = |entry: &PortMappingEntry| {
            matches!(entry.protocol, PortMappingProtocol::TCP) && is_meant(entry)
        };
        let last = self.place.load(Ordering::Relaxed);
        if let Ok(Some(entry)) = self.entry(last).await
            && is_meant(&entry)
        {
            return Ok(Some(entry));
        }
        for place in 0..MAX_ENTRIES {
            match self.entry(place).await? {
                None => break,
                Some(entry) if is_meant(&entry) => {
                    self.place.store(place, Ordering::Relaxed);
                    return Ok(Some(entry));
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// `None` after the last.
    async fn entry(&self, place: u32) -> Result<Option<PortMappingEntry>, Refusal> {
        match self.gateway.get_generic_port_mapping_entry(place).await {
            Ok(entry) => Ok(Some(entry)),
            Err(GetGenericPortMappingEntryError::SpecifiedArrayIndexInvalid) => Ok(None),
            Err(GetGenericPortMappingEntryError::ActionNotAuthorized) => {
                Err(Refusal::Denied("it is not allowed".to_owned()))
            }
            Err(GetGenericPortMappingEntryError::RequestError(error)) => Err(refusal(&error)),
        }
    }
}

/// Searches for the router for so long: the router itself, as a datagram to all goes where the default route leads,
/// which may be a VPN; and all, as some routers only answer to that.
pub(super) async fn find_gateway(router: Router, patience: Duration) -> Option<Gateway<Tokio>> {
    let one = search(router, Some(router.at(SSDP_PORT)), patience);
    let all = search(router, None, patience);
    tokio::pin!(one, all);
    let other = tokio::select! {
        found = &mut one => {
            return match found {
                Some(gateway) => Some(gateway),
                None => all.await,
            };
        }
        found = &mut all => found,
    };
    match other {
        Some(other) if other.addr.ip() != IpAddr::V4(router.gateway) => {
            let own = tokio::time::timeout(ROUTER_FIRST, one).await;
            own.ok().flatten().or(Some(other))
        }
        Some(own) => Some(own),
        None => one.await,
    }
}

/// One search; `at`: of one device, else of all in the network.
async fn search(
    router: Router,
    at: Option<std::net::SocketAddr>,
    patience: Duration,
) -> Option<Gateway<Tokio>> {
    let mut options = SearchOptions::default();
    options.bind_addr = (router.ours, 0).into();
    options.timeout = Some(patience);
    if let Some(at) = at {
        options.broadcast_address = at;
    }
    match search_gateway(options).await {
        Ok(gateway) => Some(gateway),
        Err(error) => {
            tracing::debug!(%error, "No UPnP");
            None
        }
    }
}

fn refusal_of_adding(error: &AddPortError) -> Refusal {
    match error {
        AddPortError::ActionNotAuthorized => Refusal::Denied("it is not allowed".to_owned()),
        AddPortError::SamePortValuesRequired => {
            Refusal::Denied("inside and outside it wants the same port".to_owned())
        }
        AddPortError::RequestError(error) => refusal(error),
        error => Refusal::Denied(short(&error.to_string())),
    }
}

/// Whether the router has no address outside: it tells none, or words in its place.
pub(super) fn has_no_address(error: &GetExternalIpError) -> bool {
    matches!(
        error,
        GetExternalIpError::RequestError(
            RequestError::InvalidResponse(_) | RequestError::ErrorCode(ACTION_FAILED, _)
        )
    )
}

fn refusal(error: &RequestError) -> Refusal {
    match error {
        RequestError::ErrorCode(NOT_AUTHORIZED, _) => {
            Refusal::Denied("it is not allowed".to_owned())
        }
        RequestError::ErrorCode(code, words) => {
            Refusal::Denied(format!("error {code}, {}", short(words)))
        }
        RequestError::InvalidResponse(_) => Refusal::Denied("its answer makes no sense".to_owned()),
        RequestError::UnsupportedAction(action) => {
            Refusal::Denied(format!("it does not know {}", short(action)))
        }
        error => {
            tracing::debug!(error = %short(&error.to_string()), "The router broke off");
            Refusal::Silent
        }
    }
}

/// Words of a router on one line, and not too many of them.
fn short(words: &str) -> String {
    words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_WORDS)
        .collect::<String>()
        .trim_end_matches('.')
        .to_owned()
}
