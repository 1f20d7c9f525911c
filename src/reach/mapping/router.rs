//! Which router to ask, and from which of this computer's addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use crate::reach::{Address, AddressKind, addresses};

/// The router of this computer's best network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Router {
    /// Its address inside.
    pub(super) gateway: Ipv4Addr,
    /// This computer's address in its LAN, to which the port shall lead.
    pub(super) ours: Ipv4Addr,
    /// The address from which the system talks to the router: `ours`, unless a tunnel takes even that.
    way: Option<Ipv4Addr>,
}

/// Where this computer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind a router.
    Behind(Router),
    /// In the internet itself.
    Public(Ipv4Addr),
    /// At an address that the provider gives to many.
    Shared(Ipv4Addr),
    /// People could come in at this address, and it is not the one that is listened on.
    Elsewhere(Ipv4Addr),
    /// In networks that only have IPv6.
    OnlyIpv6,
    /// In no network with a router.
    Nowhere,
}

impl Place {
    /// Asks the system, which takes some milliseconds. `only`: the address that is listened on, if it is not all.
    pub(super) async fn find(only: Option<IpAddr>) -> Self {
        match tokio::task::spawn_blocking(move || find(only)).await {
            Ok(place) => place,
            Err(error) => {
                tracing::warn!(%error, "The system could not be asked for its router");
                Self::Nowhere
            }
        }
    }
}

impl Router {
    /// Whether this computer would still talk to the router from the same address. Nothing is sent.
    pub(super) fn stands(self) -> bool {
        way_to(self.gateway) == self.way
    }

    /// The router's port of a protocol.
    pub(super) fn at(self, port: u16) -> SocketAddr {
        (self.gateway, port).into()
    }
}

/// The address from which the system would talk to another. Nothing is sent.
fn way_to(gateway: Ipv4Addr) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Any port: connecting a datagram socket only looks up the way.
    socket.connect((gateway, 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(ours) => Some(ours),
        IpAddr::V6(_) => None,
    }
}

fn find(only: Option<IpAddr>) -> Place {
    let interfaces = netdev::get_interfaces();
    let gateway_of = |ours: Ipv4Addr| {
        let interface = interfaces
            .iter()
            .find(|interface| interface.ipv4_addrs().contains(&ours))?;
        let gateways = interface.gateway.as_ref()?;
        gateways
            .ipv4
            .iter()
            .copied()
            .find(|ip| !ip.is_unspecified())
    };
    place(&addresses(), only, gateway_of, way_to)
}

/// The best place that people can be let in at.
fn place(
    addresses: &[Address],
    only: Option<IpAddr>,
    gateway_of: impl Fn(Ipv4Addr) -> Option<Ipv4Addr>,
    way_to: impl Fn(Ipv4Addr) -> Option<Ipv4Addr>,
) -> Place {
    // Who listens on all of IPv6 listens on all of IPv4 too.
    let is_listened =
        |ours: Ipv4Addr| only.is_none_or(|only| only.is_unspecified() || only == IpAddr::V4(ours));
    let mut places = addresses
        .iter()
        .filter_map(|address| place_of(address, addresses, &gateway_of, &way_to));
    let mut first_other = None;
    let listened = places.find(|(ours, place)| {
        let is_listened = is_listened(*ours);
        if !is_listened {
            first_other.get_or_insert((*ours, *place));
        }
        is_listened
    });
    match (listened, first_other) {
        // Nobody could come in there, whoever listens.
        (Some((_, place)), _) | (None, Some((_, place @ Place::Shared(_)))) => place,
        (None, Some((ours, _))) => Place::Elsewhere(ours),
        (None, None) if has_only_ipv6(addresses) => Place::OnlyIpv6,
        (None, None) => Place::Nowhere,
    }
}

/// Where an address puts this computer, and the address at which people would come in; `None` where it leads to no
/// router. The best address that leads to one counts: a VPN that takes all traffic is behind the LAN's addresses in this
/// order, and mostly has no router.
fn place_of(
    address: &Address,
    all: &[Address],
    gateway_of: impl Fn(Ipv4Addr) -> Option<Ipv4Addr>,
    way_to: impl Fn(Ipv4Addr) -> Option<Ipv4Addr>,
) -> Option<(Ipv4Addr, Place)> {
    let IpAddr::V4(ip) = address.ip else {
        return None;
    };
    match address.kind {
        AddressKind::Internet => Some((ip, Place::Public(ip))),
        AddressKind::Carrier => Some((ip, Place::Shared(ip))),
        AddressKind::Docker | AddressKind::VirtualMachine | AddressKind::LinkLocal => None,
        _ => {
            let gateway = gateway_of(ip)?;
            let way = way_to(gateway);
            // With two cards in one LAN the system takes the one that it likes, and the router sees that one's address.
            let is_in_lan = |way: &Ipv4Addr| {
                all.iter()
                    .any(|other| other.ip == IpAddr::V4(*way) && is_lan(other.kind))
            };
            let ours = way.filter(is_in_lan).unwrap_or(ip);
            let router = Router { gateway, ours, way };
            Some((ours, Place::Behind(router)))
        }
    }
}

fn is_lan(kind: AddressKind) -> bool {
    matches!(
        kind,
        AddressKind::Ethernet | AddressKind::WiFi | AddressKind::Lan
    )
}

/// Whether there is a network beyond this computer, VPNs aside, and none with IPv4.
fn has_only_ipv6(addresses: &[Address]) -> bool {
    let has_ipv4 = addresses
        .iter()
        .any(|address| address.ip.is_ipv4() && is_lan(address.kind));
    !has_ipv4
        && addresses
            .iter()
            .any(|address| address.kind == AddressKind::Ipv6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
    const OURS: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 48);

    fn address(ip: &str, kind: AddressKind) -> Address {
        Address {
            ip: ip.parse().unwrap(),
            kind,
            interface: "x".to_owned(),
        }
    }

    /// The gateway of the whole LAN.
    fn gateway_of(ours: Ipv4Addr) -> Option<Ipv4Addr> {
        (ours.octets()[..3] == GATEWAY.octets()[..3]).then_some(GATEWAY)
    }

    fn behind(ours: Ipv4Addr, way: Ipv4Addr) -> Place {
        Place::Behind(Router {
            gateway: GATEWAY,
            ours,
            way: Some(way),
        })
    }

    #[test]
    fn the_first_address_with_a_router_counts() {
        let docker = address("172.17.0.1", AddressKind::Docker);
        let other = address("10.0.0.5", AddressKind::Ethernet);
        let lan = address("192.168.0.48", AddressKind::WiFi);
        let public = address("203.0.113.9", AddressKind::Internet);
        let v6 = address("2001:db8::1", AddressKind::Ipv6);
        let best = |addresses: &[Address]| place(addresses, None, gateway_of, |_| Some(OURS));
        assert_eq!(
            best(&[v6.clone(), other.clone(), lan, public.clone()]),
            behind(OURS, OURS)
        );
        assert_eq!(
            best(&[other.clone(), public]),
            Place::Public(Ipv4Addr::new(203, 0, 113, 9))
        );
        assert_eq!(best(&[docker.clone(), other, v6.clone()]), Place::Nowhere);
        assert_eq!(best(&[docker.clone(), v6]), Place::OnlyIpv6);
        assert_eq!(best(&[docker]), Place::Nowhere);
        assert_eq!(best(&[]), Place::Nowhere);
    }

    #[test]
    fn an_address_of_the_provider_is_told_as_such() {
        let carrier = address("100.64.1.2", AddressKind::Carrier);
        let gateway = |_| Some(Ipv4Addr::new(100, 64, 0, 1));
        for only in [None, Some(Ipv4Addr::LOCALHOST.into())] {
            assert_eq!(
                place(std::slice::from_ref(&carrier), only, gateway, |_| None),
                Place::Shared(Ipv4Addr::new(100, 64, 1, 2))
            );
        }
    }

    #[test]
    fn of_two_cards_in_one_lan_the_one_counts_that_the_system_takes() {
        let wifi = Ipv4Addr::new(192, 168, 0, 49);
        let addresses = [
            address("192.168.0.48", AddressKind::Ethernet),
            address("192.168.0.49", AddressKind::WiFi),
            address("10.8.0.6", AddressKind::Vpn(crate::reach::Vpn::OpenVpn)),
        ];
        let way = |way: Ipv4Addr| move |_| Some(way);
        assert_eq!(
            place(&addresses, None, gateway_of, way(wifi)),
            behind(wifi, wifi)
        );
        // A tunnel that takes even the way to the router: nothing can be typed into that for the tunnel's address.
        let tunnel = Ipv4Addr::new(10, 8, 0, 6);
        assert_eq!(
            place(&addresses, None, gateway_of, way(tunnel)),
            behind(OURS, tunnel)
        );
    }

    #[test]
    fn a_place_stands_whichever_address_the_system_takes() {
        // Nothing that ranks first is the system's way to this computer itself.
        let addresses = [address("192.168.0.48", AddressKind::Ethernet)];
        let found = place(&addresses, None, |_| Some(Ipv4Addr::LOCALHOST), way_to);
        let Place::Behind(router) = found else {
            panic!("{found:?}");
        };
        assert_eq!((router.ours, router.way), (OURS, Some(Ipv4Addr::LOCALHOST)));
        assert!(router.stands());
        let moved = Router {
            way: Some(OURS),
            ..router
        };
        assert!(!moved.stands());
    }

    #[test]
    fn nobody_is_led_to_an_address_that_is_not_listened_on() {
        let public = Ipv4Addr::new(203, 0, 113, 9);
        let addresses = [
            address("192.168.0.48", AddressKind::Ethernet),
            address("192.168.0.49", AddressKind::WiFi),
            address("203.0.113.9", AddressKind::Internet),
            address("2001:db8::1", AddressKind::Ipv6),
        ];
        let elsewhere = Place::Elsewhere(OURS);
        for (only, found) in [
            ("0.0.0.0", behind(OURS, OURS)),
            ("::", behind(OURS, OURS)),
            ("192.168.0.48", behind(OURS, OURS)),
            ("192.168.0.49", elsewhere),
            ("127.0.0.1", elsewhere),
            ("2001:db8::1", elsewhere),
            ("203.0.113.9", Place::Public(public)),
        ] {
            let only = Some(only.parse().unwrap());
            let way_to = |_| Some(OURS);
            assert_eq!(
                place(&addresses, only, gateway_of, way_to),
                found,
                "{only:?}"
            );
        }
    }
}
