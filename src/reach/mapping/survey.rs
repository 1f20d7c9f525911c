//! Looking at the router without changing anything there, for who only wants to know how it stands.
//!
//! PCP and NAT-PMP tell that they are there, NAT-PMP and UPnP the outside address, and UPnP the list of ports. Mappings
//! made by any of the three stand in that list with most routers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use crab_nat::natpmp::{self, Failure};
use igd_next::aio::Gateway;
use igd_next::aio::tokio::Tokio;
use igd_next::{GetGenericPortMappingEntryError, PortMappingEntry, PortMappingProtocol};
use tokio::time::{Instant, timeout_at};

use super::pcp;
use super::router::{Place, Router};
use super::state::{ByHand, MappedBy, MappingState, NoRouter, Shared};
use super::upnp::{find_gateway, has_no_address};

/// How long a router may take to answer to a protocol.
const PATIENCE: Duration = Duration::from_secs(2);
/// Entries of the router's list that are looked through: a list may be without end.
const MAX_ENTRIES: u32 = 256;

/// What is between this computer and the internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Surveyed {
    /// There is no router that could be asked, for this reason.
    Unaskable(MappingState),
    /// Nothing: this computer has a public address.
    Public(Ipv4Addr),
    /// A router that answers to no protocol.
    Silent(ByHand),
    /// A router that answers.
    Answers(Survey),
}

/// What a router has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The protocols that it answers to, at least one.
    pub by: Vec<MappedBy>,
    /// Its outside address, if it tells.
    pub outside: Option<IpAddr>,
    /// Why its outside address is of no use, as far as that is known.
    pub shared: Option<Shared>,
    /// What its list of ports says of ours.
    pub port: Port,
}

/// Where a port of the router leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// This one leads to the port that is meant, at this computer.
    Here(u16),
    /// The one of the same number leads to another machine, or another port.
    Elsewhere(Option<SocketAddrV4>),
    /// None leads here.
    Closed,
    /// The router has no list, or does not let it be read.
    Unseen,
}

impl Surveyed {
    /// Where people in the internet come in through the router, if they can.
    #[must_use]
    pub fn outside(&self) -> Option<SocketAddr> {
        match self {
            Self::Answers(Survey {
                outside: Some(ip),
                shared: None,
                port: Port::Here(port),
                ..
            }) => Some(SocketAddr::new(*ip, *port)),
            _ => None,
        }
    }
}

/// Asks the router by all protocols side by side how it stands, and whether `port` of this computer can be reached from
/// the internet. Comes back by `until`, with what was told by then.
pub async fn survey(port: u16, until: Instant) -> Surveyed {
    let router = match timeout_at(until, Place::find(None)).await {
        Ok(Place::Behind(router)) => router,
        Ok(Place::Public(ip)) => return Surveyed::Public(ip),
        Ok(Place::Shared(ip)) => {
            return Surveyed::Unaskable(MappingState::SharedAddress {
                outside: Some(ip.into()),
                kind: Shared::CarrierGrade,
            });
        }
        Ok(Place::OnlyIpv6) => {
            return Surveyed::Unaskable(MappingState::NoRouter(NoRouter::OnlyIpv6 { port }));
        }
        Ok(Place::Elsewhere(_) | Place::Nowhere) | Err(_) => {
            return Surveyed::Unaskable(MappingState::NoNetwork);
        }
    };
    let inside = SocketAddrV4::new(router.ours, port);
    let heard_until = until.min(Instant::now() + PATIENCE);
    let (pcp, nat_pmp, upnp) = tokio::join!(
        timeout_at(heard_until, pcp::Way::probe(router)),
        timeout_at(heard_until, by_nat_pmp(router)),
        by_upnp(router, inside, until),
    );
    let is_pcp = pcp.is_ok_and(|way| way.is_some());
    let nat_pmp = nat_pmp.ok().flatten();
    let mut by = Vec::new();
    by.extend(is_pcp.then_some(MappedBy::Pcp));
    by.extend(nat_pmp.map(|_| MappedBy::NatPmp));
    by.extend(upnp.map(|_| MappedBy::Upnp));
    if by.is_empty() {
        return Surveyed::Silent(ByHand {
            router: Some(router.gateway),
            outside: port,
            inside,
        });
    }
    let (of_upnp, port) = upnp.unwrap_or((Outside::Unseen, Port::Unseen));
    let (outside, shared) = match (of_upnp, nat_pmp) {
        (Outside::At(ip), _) | (_, Some(Outside::At(ip))) => (Some(ip), Shared::of(ip)),
        (Outside::None, _) | (_, Some(Outside::None)) => (None, Some(Shared::Untold)),
        _ => (None, None),
    };
    Surveyed::Answers(Survey {
        by,
        outside,
        shared,
        port,
    })
}

/// What a router tells of its outside address.
#[derive(Clone, Copy, Debug)]
enum Outside {
    At(IpAddr),
    /// It has none.
    None,
    /// It was not told, or not in time.
    Unseen,
}

async fn by_nat_pmp(router: Router) -> Option<Outside> {
    match natpmp::external_address(router.gateway.into(), None).await {
        Ok(ip) => Some(Outside::At(ip.into())),
        Err(Failure::NetworkFailure) => Some(Outside::None),
        Err(Failure::NotAuthorized) => Some(Outside::Unseen),
        Err(error) => {
            tracing::debug!(%error, "No NAT-PMP");
            None
        }
    }
}

async fn by_upnp(router: Router, inside: SocketAddrV4, until: Instant) -> Option<(Outside, Port)> {
    let gateway = find_gateway(router, PATIENCE).await?;
    let (outside, port) = tokio::join!(
        timeout_at(until, outside(&gateway)),
        timeout_at(until, where_it_leads(&gateway, inside)),
    );
    Some((
        outside.unwrap_or(Outside::Unseen),
        port.unwrap_or(Port::Unseen),
    ))
}

async fn outside(gateway: &Gateway<Tokio>) -> Outside {
    match gateway.get_external_ip().await {
        Ok(ip) => Outside::At(ip),
        Err(error) if has_no_address(&error) => Outside::None,
        Err(_) => Outside::Unseen,
    }
}

/// Looks through the router's list.
async fn where_it_leads(gateway: &Gateway<Tokio>, inside: SocketAddrV4) -> Port {
    let mut entries = Vec::new();
    for place in 0..MAX_ENTRIES {
        match gateway.get_generic_port_mapping_entry(place).await {
            Ok(entry) => {
                let port = of_entry(&entry, inside);
                if let Some(Port::Here(_)) = port {
                    return Port::Here(entry.external_port);
                }
                entries.extend(port);
            }
            Err(GetGenericPortMappingEntryError::SpecifiedArrayIndexInvalid) => {
                return entries.pop().unwrap_or(Port::Closed);
            }
            Err(_) => break,
        }
    }
    entries.pop().unwrap_or(Port::Unseen)
}

/// What one entry of the list says of the port.
fn of_entry(entry: &PortMappingEntry, inside: SocketAddrV4) -> Option<Port> {
    let leads_to = entry.internal_client.parse().ok();
    let leads_to = leads_to.map(|ip| SocketAddrV4::new(ip, entry.internal_port));
    // One that is switched off leads nowhere, one for a single other computer only from there.
    let is_for_all = entry.enabled && matches!(entry.remote_host.as_str(), "" | "0.0.0.0" | "*");
    if !matches!(entry.protocol, PortMappingProtocol::TCP) || !is_for_all {
        None
    } else if leads_to == Some(inside) {
        Some(Port::Here(entry.external_port))
    } else {
        (entry.external_port == inside.port()).then_some(Port::Elsewhere(leads_to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(protocol: PortMappingProtocol, outside: u16, client: &str) -> PortMappingEntry {
        PortMappingEntry {
            remote_host: String::new(),
            external_port: outside,
            protocol,
            internal_port: 12_800,
            internal_client: client.to_owned(),
            enabled: true,
            port_mapping_description: String::new(),
            lease_duration: 0,
        }
    }

    #[test]
    fn an_entry_leads_here_elsewhere_or_is_of_no_account() {
        use PortMappingProtocol::{TCP, UDP};
        let inside = "192.168.0.48:12800".parse().unwrap();
        let other = "192.168.0.9:12800".parse().unwrap();
        for (entry, expected) in [
            (entry(TCP, 12_800, "192.168.0.48"), Some(Port::Here(12_800))),
            (entry(TCP, 12_803, "192.168.0.48"), Some(Port::Here(12_803))),
            (entry(UDP, 12_800, "192.168.0.48"), None),
            (entry(TCP, 12_803, "192.168.0.9"), None),
            (
                entry(TCP, 12_800, "192.168.0.9"),
                Some(Port::Elsewhere(Some(other))),
            ),
            (
                entry(TCP, 12_800, "a name\r\n"),
                Some(Port::Elsewhere(None)),
            ),
            (
                PortMappingEntry {
                    enabled: false,
                    ..entry(TCP, 12_800, "192.168.0.48")
                },
                None,
            ),
            (
                PortMappingEntry {
                    remote_host: "203.0.113.9".to_owned(),
                    ..entry(TCP, 12_800, "192.168.0.48")
                },
                None,
            ),
        ] {
            assert_eq!(of_entry(&entry, inside), expected);
        }
    }

    #[test]
    fn only_a_public_address_and_a_port_that_leads_here_are_a_way_in() {
        let survey = |shared, port| {
            Surveyed::Answers(Survey {
                by: vec![MappedBy::Upnp],
                outside: Some("11.9.9.9".parse().unwrap()),
                shared,
                port,
            })
        };
        let here = survey(None, Port::Here(12_803));
        assert_eq!(here.outside(), Some("11.9.9.9:12803".parse().unwrap()));
        for none in [
            survey(Some(Shared::CarrierGrade), Port::Here(12_803)),
            survey(None, Port::Closed),
            Surveyed::Unaskable(MappingState::NoNetwork),
        ] {
            assert_eq!(none.outside(), None, "{none:?}");
        }
    }
}
