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
}

/// Where this computer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind a router.
    Behind(Router),
    /// In the internet itself.
    Public(Ipv4Addr),
    /// In no network with a router.
    Nowhere,
}

impl Place {
    /// Asks the system, which takes some milliseconds.
    pub(super) async fn find() -> Self {
        match tokio::task::spawn_blocking(find).await {
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
        let ours = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
            // Any port: connecting a datagram socket only looks up the way.
            socket.connect((self.gateway, 9))?;
            socket.local_addr()
        });
        ours.is_ok_and(|ours| ours.ip() == IpAddr::V4(self.ours))
    }

    /// The router's port of a protocol.
    pub(super) fn at(self, port: u16) -> SocketAddr {
        (self.gateway, port).into()
    }
}

fn find() -> Place {
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
    best(&addresses(), gateway_of)
}

/// The first of the addresses, best first, that a router belongs to. A VPN that takes all traffic is behind the LAN's
/// addresses in this order, and mostly has no router.
fn best(addresses: &[Address], gateway_of: impl Fn(Ipv4Addr) -> Option<Ipv4Addr>) -> Place {
    for address in addresses {
        let IpAddr::V4(ours) = address.ip else {
            continue;
        };
        match address.kind {
            AddressKind::Internet => return Place::Public(ours),
            AddressKind::Docker | AddressKind::VirtualMachine | AddressKind::LinkLocal => {}
            _ => {
                if let Some(gateway) = gateway_of(ours) {
                    return Place::Behind(Router { gateway, ours });
                }
            }
        }
    }
    Place::Nowhere
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(ip: &str, kind: AddressKind) -> Address {
        Address {
            ip: ip.parse().unwrap(),
            kind,
            interface: "x".to_owned(),
        }
    }

    #[test]
    fn the_first_address_with_a_router_counts() {
        let gateway = Ipv4Addr::new(192, 168, 0, 1);
        let ours = Ipv4Addr::new(192, 168, 0, 48);
        let of = |ip: Ipv4Addr| (ip == ours).then_some(gateway);
        let docker = address("172.17.0.1", AddressKind::Docker);
        let other = address("10.0.0.5", AddressKind::Ethernet);
        let lan = address("192.168.0.48", AddressKind::WiFi);
        let public = address("203.0.113.9", AddressKind::Internet);
        let v6 = address("2001:db8::1", AddressKind::Ipv6);
        assert_eq!(
            best(
                &[v6.clone(), other.clone(), lan.clone(), public.clone()],
                of
            ),
            Place::Behind(Router { gateway, ours })
        );
        assert_eq!(
            best(&[other, public], of),
            Place::Public(Ipv4Addr::new(203, 0, 113, 9))
        );
        assert_eq!(best(&[docker, v6], of), Place::Nowhere);
    }
}
