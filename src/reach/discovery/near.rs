//! Which networks are spoken to, and which announced addresses count.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::reach::{AddressKind, system};

/// Addresses kept of one host.
const ADDRESSES: usize = 6;

/// A network that this computer is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Network {
    ip: IpAddr,
    /// Leading bits that all its addresses share.
    prefix_bits: u8,
    is_vpn: bool,
}

/// Whether sessions are announced and looked for at an address of this computer: not on loopback, not in what its
/// user has hidden, and not among containers and virtual machines.
pub(super) fn is_spoken_to(interface: &if_addrs::Interface, hidden: &[String]) -> bool {
    if hidden.contains(&interface.name) {
        return false;
    }
    match kind(interface) {
        None | Some(AddressKind::Docker | AddressKind::VirtualMachine | AddressKind::Carrier) => {
            false
        }
        // Two computers on one cable have no other, and IPv6 is spoken from such a one.
        Some(AddressKind::LinkLocal) => true,
        Some(kind) => kind.for_colleagues(),
    }
}

fn kind(interface: &if_addrs::Interface) -> Option<AddressKind> {
    let known = system::interface(interface);
    // Only a switch of Windows' Hyper-V needs it, and asking the system is not free.
    let default = known
        .name
        .to_lowercase()
        .starts_with("vethernet")
        .then(|| local_ip_address::local_ip().ok())
        .flatten();
    AddressKind::of(&known, default)
}

/// The networks that sessions may be in. Asks the system, which takes some milliseconds.
pub(super) fn networks(hidden: &[String]) -> Vec<Network> {
    let interfaces = match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces,
        Err(error) => {
            tracing::debug!("the system does not tell this computer's networks: {error}");
            Vec::new()
        }
    };
    let spoken_to = interfaces
        .iter()
        .filter(|interface| interface.is_oper_up() && is_spoken_to(interface, hidden));
    spoken_to
        .map(|interface| Network {
            ip: interface.ip(),
            prefix_bits: match &interface.addr {
                if_addrs::IfAddr::V4(v4) => v4.prefixlen,
                // Addresses from DHCPv6 come with 128, and their network has 64 all the same.
                if_addrs::IfAddr::V6(v6) => v6.prefixlen.min(64),
            },
            is_vpn: matches!(kind(interface), Some(AddressKind::Vpn(_))),
        })
        .collect()
}

/// The addresses of a host that are in one of our networks, best first.
///
/// Others are left out: a stranger's announcement must not have us connect to the internet, nor to our own containers,
/// whose addresses are the same on every computer.
pub(super) fn best_first(
    addresses: &[(IpAddr, u32)],
    port: u16,
    networks: &[Network],
) -> Vec<SocketAddr> {
    let mut near: Vec<_> = addresses
        .iter()
        .filter_map(|&(ip, scope)| {
            let place = place(ip, networks)?;
            let address = match ip {
                IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                    SocketAddrV6::new(ip, port, 0, scope).into()
                }
                ip => SocketAddr::new(ip, port),
            };
            Some((place, address))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    near.truncate(ADDRESSES);
    near.into_iter().map(|(_, address)| address).collect()
}

/// Where an address stands among the others of a host; smaller is better. `None`: it is in no network of ours.
fn place(ip: IpAddr, networks: &[Network]) -> Option<impl Ord + Copy + use<>> {
    let is_of_link = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let is_usable = !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast());
    let network = networks
        .iter()
        .filter(|network| network.holds(ip))
        .min_by_key(|network| network.is_vpn);
    let is_vpn = network.filter(|_| is_usable)?.is_vpn;
    Some((is_of_link, is_vpn, ip.is_ipv6()))
}

impl Network {
    fn holds(&self, ip: IpAddr) -> bool {
        let (ours, theirs, bits) = match (self.ip, ip) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => (
                u128::from(ours.to_bits()),
                u128::from(theirs.to_bits()),
                u32::BITS,
            ),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits(), theirs.to_bits(), Ipv6Addr::BITS)
            }
            _ => return false,
        };
        let of_host = bits.saturating_sub(u32::from(self.prefix_bits));
        // All 128 bits cannot be shifted out at once.
        (ours ^ theirs).checked_shr(of_host).unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str, is_vpn: bool) -> Network {
        let (ip, bits) = text.split_once('/').unwrap();
        Network {
            ip: ip.parse().unwrap(),
            prefix_bits: bits.parse().unwrap(),
            is_vpn,
        }
    }

    fn best(addresses: &[&str], networks: &[Network]) -> Vec<String> {
        let addresses: Vec<_> = addresses
            .iter()
            .map(|ip| (ip.parse().unwrap(), 7))
            .collect();
        let best = best_first(&addresses, 12800, networks);
        best.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_local_network_comes_first_and_strangers_addresses_not_at_all() {
        let networks = [
            network("10.147.17.5/24", true),
            network("192.168.77.20/24", false),
            network("fe80::1/64", false),
            network("fd00:1::1/64", false),
        ];
        let addresses = [
            "fe80::2",
            "fd00:1::2",
            "10.147.17.9",
            "192.168.77.10",
            "192.168.78.10",
            "172.17.0.1",
            "127.0.0.1",
            "8.8.8.8",
            "224.0.0.1",
            "2001:db8::1",
            "::1",
            "169.254.1.1",
        ];
        assert_eq!(
            best(&addresses, &networks),
            [
                "192.168.77.10:12800",
                "[fd00:1::2]:12800",
                "10.147.17.9:12800",
                "[fe80::2%7]:12800"
            ]
        );
        assert_eq!(best(&addresses, &[]), [""; 0]);
    }

    #[test]
    fn networks_of_any_size_hold_what_is_theirs() {
        for (text, inside, outside) in [
            ("10.0.0.1/32", "10.0.0.1", "10.0.0.2"),
            ("10.0.0.1/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.1/31", "10.0.0.0", "10.0.0.2"),
            ("2001:db8::1/64", "2001:db8::ffff", "2001:db8:0:1::1"),
            ("10.0.0.1/0", "192.168.0.1", "::ffff:10.0.0.1"),
            ("::1/0", "2001:db8::1", "10.0.0.1"),
        ] {
            let network = network(text, false);
            assert!(network.holds(inside.parse().unwrap()), "{text} {inside}");
            assert!(!network.holds(outside.parse().unwrap()), "{text} {outside}");
        }
    }

    #[test]
    fn of_many_addresses_a_handful_is_kept() {
        let many: Vec<String> = (1..200).map(|n| format!("10.0.0.{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(
            best(&many, &[network("10.0.0.1/24", false)]).len(),
            ADDRESSES
        );
    }

    #[test]
    fn loopback_hidden_and_virtual_interfaces_are_not_spoken_to() {
        let interface = |name: &str, ip: [u8; 4]| if_addrs::Interface {
            name: name.to_owned(),
            addr: if_addrs::IfAddr::V4(if_addrs::Ifv4Addr {
                ip: ip.into(),
                netmask: [255, 255, 255, 0].into(),
                prefixlen: 24,
                broadcast: None,
            }),
            index: Some(1),
            oper_status: if_addrs::IfOperStatus::Up,
            is_p2p: false,
            #[cfg(windows)]
            adapter_name: String::new(),
        };
        for (name, ip, spoken_to) in [
            ("eth0", [192, 168, 0, 48], true),
            ("wlan0", [169, 254, 1, 1], true),
            ("zt1", [10, 147, 17, 5], true),
            ("lo", [127, 0, 0, 1], false),
            ("docker0", [172, 17, 0, 1], false),
            ("virbr0", [192, 168, 122, 1], false),
            ("eth1", [192, 168, 1, 48], false),
        ] {
            assert_eq!(
                is_spoken_to(&interface(name, ip), &["eth1".to_owned()]),
                spoken_to,
                "{name}"
            );
        }
    }
}
