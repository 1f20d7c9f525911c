//! Which addresses are shown, and in which order.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};

use super::kind::is_link_local;
use super::{Address, AddressKind, Interface};

/// IPv6 addresses listed of one network. Systems keep a lasting one and, each day, a new temporary one (RFC 8981).
const IPV6_OF_ONE_NETWORK: usize = 2;
/// IPv6 addresses listed in all: enough for two networks, few enough to read.
const IPV6_IN_ALL: usize = 4;

/// Sorts a computer's addresses, best for colleagues first, and leaves out what is of no use: interfaces that are
/// down, loopback, doubles, IPv6 addresses beyond a handful, and those that every interface gives itself (`fe80::`)
/// where there are real ones.
///
/// `default` is the address that the default route uses, if known. It only decides between addresses of one kind, as
/// a VPN that takes all traffic owns the default route too and still is not what colleagues next door should use.
/// Where it is such a VPN's, the way out beneath it decides instead: the network with a router is the one that
/// colleagues are in, rather than a cable to a camera.
#[must_use]
pub fn rank(interfaces: Vec<Interface>, default: Option<IpAddr>) -> Vec<Address> {
    let mut found: Vec<(Interface, AddressKind)> = interfaces
        .into_iter()
        .filter(|interface| interface.is_up)
        .filter_map(|interface| {
            let kind = AddressKind::of(&interface, default)?;
            Some((interface, kind))
        })
        .collect();
    let has_real_ones = found.iter().any(|(_, kind)| kind.for_colleagues());
    found.retain(|(interface, kind)| {
        let is_in_vain =
            has_real_ones || interface.is_point_to_point || *kind != AddressKind::LinkLocal;
        !(interface.ip.is_ipv6() && is_link_local(interface.ip) && is_in_vain)
    });
    // Stable, so that the system's own order counts where nothing else does.
    found.sort_by_key(|(interface, kind)| place(interface, *kind, default));
    let mut addresses: Vec<Address> = found
        .into_iter()
        .map(|(interface, kind)| Address {
            ip: interface.ip,
            kind,
            interface: interface.name,
        })
        .collect();

    let mut seen = HashSet::new();
    addresses.retain(|address| seen.insert(address.ip));

    let mut of_network = HashMap::new();
    let mut in_all = 0;
    addresses.retain(|address| {
        let IpAddr::V6(ip) = address.ip else {
            return true;
        };
        if address.kind != AddressKind::Ipv6 {
            return true;
        }
        let of_this_network: &mut usize = of_network.entry(network(ip)).or_default();
        if *of_this_network == IPV6_OF_ONE_NETWORK || in_all == IPV6_IN_ALL {
            return false;
        }
        *of_this_network += 1;
        in_all += 1;
        true
    });
    addresses
}

/// Where an address stands among the others; smaller comes first.
fn place(interface: &Interface, kind: AddressKind, default: Option<IpAddr>) -> impl Ord + use<> {
    let group = match kind {
        AddressKind::Ethernet | AddressKind::WiFi | AddressKind::Lan => 0,
        AddressKind::Internet => 1,
        AddressKind::Vpn(vpn) if vpn.is_mesh() => 2,
        AddressKind::Vpn(_) => 3,
        AddressKind::Ipv6 => 4,
        AddressKind::Carrier => 5,
        AddressKind::LinkLocal => 6,
        AddressKind::Docker | AddressKind::VirtualMachine => 7,
    };
    let medium = match kind {
        AddressKind::Ethernet => 0,
        AddressKind::WiFi => 1,
        _ => 2,
    };
    let is_global_and_lasting = match interface.ip {
        IpAddr::V4(_) => (false, false, false),
        IpAddr::V6(ip) => (
            !ip.is_unique_local(),
            !interface.is_passing,
            is_made_from_hardware(ip),
        ),
    };
    let way_out = interface.adapter.way_out;
    (
        group,
        default != Some(interface.ip),
        (way_out.is_none(), way_out),
        interface.ip.is_ipv6(),
        medium,
        Reverse(is_global_and_lasting),
    )
}

/// The /64 that an address is of.
fn network(ip: Ipv6Addr) -> u128 {
    ip.to_bits() >> 64
}

/// Whether the address contains the network card's number (EUI-64, RFC 4291 appendix A): such a one never is temporary.
fn is_made_from_hardware(ip: Ipv6Addr) -> bool {
    let [.., a, b, _, _, _] = ip.octets();
    (a, b) == (0xff, 0xfe)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::Adapter;
    use super::{Interface, rank};

    fn interface(name: &str, ip: &str) -> Interface {
        Interface {
            name: name.to_owned(),
            ip: ip.parse().unwrap(),
            is_up: true,
            is_point_to_point: false,
            is_passing: false,
            adapter: Adapter::default(),
        }
    }

    /// Ranks a computer's addresses, written as `name ip`, and tells the addresses in order.
    fn ranked(interfaces: &[&str], default: Option<&str>) -> Vec<String> {
        let interfaces = interfaces.iter().map(|text| {
            let (name, ip) = text.rsplit_once(' ').unwrap();
            interface(name, ip)
        });
        let default = default.map(|ip| ip.parse().unwrap());
        rank(interfaces.collect(), default)
            .iter()
            .map(|address| address.ip.to_string())
            .collect()
    }

    #[test]
    fn groups_come_in_the_order_of_use_to_colleagues() {
        let interfaces = [
            "lo 127.0.0.1",
            "docker0 172.17.0.1",
            "eth1 169.254.1.1",
            "eth0 fd00::1",
            "eth0 2001:db8::1",
            "wlan0 100.64.0.9",
            "wg0 10.9.0.2",
            "zt12345678 10.147.17.5",
            "eth2 8.8.4.4",
            "wlan0 192.168.1.7",
            "eth0 192.168.0.48",
            "lo ::1",
        ];
        let order = [
            "192.168.0.48",
            "192.168.1.7",
            "8.8.4.4",
            "10.147.17.5",
            "10.9.0.2",
            "2001:db8::1",
            "fd00::1",
            "100.64.0.9",
            "169.254.1.1",
            "172.17.0.1",
        ];
        assert_eq!(ranked(&interfaces, None), order);
    }

    #[test]
    fn the_default_route_decides_within_a_group_only() {
        let table: [(&[&str], Option<&str>, &[&str]); 5] = [
            // Two local networks: the one that leads out.
            (
                &["eth0 10.0.0.5", "wlan0 192.168.0.7"],
                Some("192.168.0.7"),
                &["192.168.0.7", "10.0.0.5"],
            ),
            // A tunnel that takes all traffic.
            (
                &["tun0 10.8.0.6", "wlan0 192.168.0.7"],
                Some("10.8.0.6"),
                &["192.168.0.7", "10.8.0.6"],
            ),
            // Two VPNs of one sort.
            (
                &["zt1 10.1.0.1", "ham0 25.0.0.1"],
                Some("25.0.0.1"),
                &["25.0.0.1", "10.1.0.1"],
            ),
            // Without a default route, the first address that is not loopback may be named: Docker's.
            (
                &["docker0 172.17.0.1", "eth0 192.168.0.7"],
                Some("172.17.0.1"),
                &["192.168.0.7", "172.17.0.1"],
            ),
            // A default that is not among the addresses changes nothing.
            (
                &["eth0 10.0.0.5", "wlan0 192.168.0.7"],
                Some("10.99.99.99"),
                &["10.0.0.5", "192.168.0.7"],
            ),
        ];
        for (interfaces, default, order) in table {
            assert_eq!(
                ranked(interfaces, default),
                order,
                "{interfaces:?} {default:?}"
            );
        }
    }

    #[test]
    fn nothing_is_listed_twice_or_while_down() {
        assert_eq!(
            ranked(&["eth0 10.0.0.5", "br0 10.0.0.5"], None),
            ["10.0.0.5"]
        );
        assert_eq!(ranked(&["lo 127.0.0.1", "lo ::1"], None), [""; 0]);
        let down = Interface {
            is_up: false,
            ..interface("eth0", "10.0.0.5")
        };
        assert_eq!(rank(vec![down], None), []);
        assert_eq!(rank(Vec::new(), Some(IpAddr::from([10, 0, 0, 5]))), []);
    }

    #[test]
    fn a_double_is_kept_where_it_is_of_most_use() {
        let addresses = rank(
            vec![
                interface("docker0", "10.0.0.5"),
                interface("eth0", "10.0.0.5"),
            ],
            None,
        );
        assert_eq!(
            addresses
                .iter()
                .map(|address| address.interface.as_str())
                .collect::<Vec<_>>(),
            ["eth0"]
        );
    }

    #[test]
    fn of_many_ipv6_addresses_a_handful_is_kept_and_the_lasting_ones_first() {
        let interfaces = [
            "eth0 2001:db8:0:1::aaaa",
            "eth0 2001:db8:0:1::bbbb",
            "eth0 2001:db8:0:1:a8bb:ccff:fedd:eeff",
            "eth0 fd00:0:0:1::aaaa",
            "eth0 fd00:0:0:2::aaaa",
            "eth0 2001:db8:0:2::aaaa",
        ];
        let kept = [
            "2001:db8:0:1:a8bb:ccff:fedd:eeff",
            "2001:db8:0:1::aaaa",
            "2001:db8:0:2::aaaa",
            "fd00:0:0:1::aaaa",
        ];
        assert_eq!(ranked(&interfaces, None), kept);
    }

    #[test]
    fn beneath_a_vpn_with_the_default_route_the_network_with_a_router_is_the_best() {
        let with_way_out = |text: &str, way_out: Option<u32>| {
            let (name, ip) = text.rsplit_once(' ').unwrap();
            let mut interface = interface(name, ip);
            interface.adapter.way_out = way_out;
            interface
        };
        let vpn = "10.8.0.6".parse().ok();
        let table = [
            // A cable to a camera, and Wi-Fi that leads out.
            ("eth0 10.0.0.5", None, "wlan0 192.168.0.7", Some(600)),
            // Both lead out: the system's own choice.
            ("wlan0 10.0.0.5", Some(600), "eth0 192.168.0.7", Some(100)),
            // Neither does.
            ("wlan0 10.0.0.5", None, "eth0 192.168.0.7", None),
        ];
        for (other, other_way, best, best_way) in table {
            let interfaces = vec![
                with_way_out("tun0 10.8.0.6", Some(0)),
                with_way_out(other, other_way),
                with_way_out(best, best_way),
            ];
            let ranked = rank(interfaces, vpn);
            let (_, best) = best.rsplit_once(' ').unwrap();
            assert_eq!(ranked[0].ip.to_string(), best);
            assert_eq!(ranked[2].ip.to_string(), "10.8.0.6");
        }
    }

    #[test]
    fn what_every_interface_gives_itself_is_listed_only_where_there_is_nothing_else() {
        let in_vain = ["docker0 fe80::3", "veth12ab fe80::4", "docker0 172.17.0.1"];
        let nothing_else = ["eth0 fe80::1", "eth1 169.254.3.4", "eth1 fe80::2"];
        let listed = ["169.254.3.4", "fe80::1", "fe80::2", "172.17.0.1"];
        assert_eq!(ranked(&[nothing_else, in_vain].concat(), None), listed);
        let real = ["wlan0 192.168.0.48", "wlan0 fe80::5", "eth1 169.254.3.4"];
        let listed = ["192.168.0.48", "169.254.3.4", "172.17.0.1"];
        assert_eq!(ranked(&[real, in_vain].concat(), None), listed);
        let tunnel = Interface {
            is_point_to_point: true,
            ..interface("utun3", "fe80::5")
        };
        assert_eq!(rank(vec![tunnel], None), []);
    }

    #[test]
    fn temporary_ipv6_addresses_come_behind_the_lasting_one() {
        let temporary = |ip: &str| Interface {
            is_passing: true,
            ..interface("eth0", ip)
        };
        let ranked = rank(
            vec![
                temporary("2001:db8::aaaa"),
                temporary("2001:db8::bbbb"),
                interface("eth0", "2001:db8::cccc"),
            ],
            None,
        );
        let ips: Vec<String> = ranked
            .iter()
            .map(|address| address.ip.to_string())
            .collect();
        assert_eq!(ips, ["2001:db8::cccc", "2001:db8::aaaa"]);
    }
}
