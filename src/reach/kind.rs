//! What an address is: what is known of its interface (`told.rs`), and the address's range.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Interface;
use super::told::Told;

/// What an address is, as far as colleagues are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// A local network by cable.
    Ethernet,
    /// A local network by radio.
    WiFi,
    /// A local network; the interface's name does not tell which sort.
    Lan,
    /// A public IPv4 address: this computer is on the internet without a router in between.
    Internet,
    /// A virtual private network.
    Vpn(Vpn),
    /// An IPv6 address that is valid beyond the local link.
    Ipv6,
    /// Shared by an internet provider among many customers (RFC 6598): nobody can connect to it from outside.
    Carrier,
    /// Given by the computer itself for want of a router (RFC 3927, RFC 4291).
    LinkLocal,
    /// A network between this computer and its containers.
    Docker,
    /// A network between this computer and its virtual machines.
    VirtualMachine,
}

/// The product behind a virtual private network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vpn {
    /// ZeroTier.
    ZeroTier,
    /// LogMeIn Hamachi.
    Hamachi,
    /// Tailscale.
    Tailscale,
    /// Radmin VPN.
    Radmin,
    /// WireGuard.
    WireGuard,
    /// OpenVPN, or another that uses the same driver.
    OpenVpn,
    /// Any other tunnel.
    Other,
}

impl AddressKind {
    /// What to call it on screen.
    #[must_use]
    pub fn label(&self) -> String {
        let label = match self {
            Self::Ethernet => "Ethernet",
            Self::WiFi => "Wi-Fi",
            Self::Lan => "LAN",
            Self::Internet => "Internet",
            Self::Vpn(vpn) => vpn.label(),
            Self::Ipv6 => "IPv6",
            Self::Carrier => "Shared by the provider – not for colleagues",
            Self::LinkLocal => "No router – not for colleagues",
            Self::Docker => "Docker – not for colleagues",
            Self::VirtualMachine => "Virtual machine – not for colleagues",
        };
        label.to_owned()
    }

    /// Whether a colleague could reach this computer there.
    #[must_use]
    pub fn for_colleagues(&self) -> bool {
        match self {
            Self::Ethernet
            | Self::WiFi
            | Self::Lan
            | Self::Internet
            | Self::Vpn(_)
            | Self::Ipv6 => true,
            Self::Carrier | Self::LinkLocal | Self::Docker | Self::VirtualMachine => false,
        }
    }

    /// What the address of an interface is. `None` for those that mean nothing to anybody else: loopback,
    /// unspecified, multicast, Teredo.
    pub(super) fn of(interface: &Interface, default: Option<IpAddr>) -> Option<Self> {
        let ip = interface.ip;
        if ip.is_loopback()
            || ip.is_unspecified()
            || ip.is_multicast()
            || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
            || is_teredo(ip)
        {
            return None;
        }
        let told = Told::of(interface);
        // Windows moves the network card's own address to a virtual switch that bridges it to the outside.
        let is_bridge_to_outside =
            told.is_switch && (default == Some(ip) || interface.adapter.way_out.is_some());
        Some(match told.made_by {
            Some(kind @ (Self::Docker | Self::VirtualMachine)) if !is_bridge_to_outside => kind,
            _ if is_link_local(ip) => Self::LinkLocal,
            // A name is surer than a range: people give their ZeroTier networks any range they like.
            Some(kind @ Self::Vpn(_)) => kind,
            _ => by_range(ip, &told),
        })
    }
}

impl Vpn {
    fn label(self) -> &'static str {
        match self {
            Self::ZeroTier => "VPN (ZeroTier)",
            Self::Hamachi => "VPN (Hamachi)",
            Self::Tailscale => "VPN (Tailscale)",
            Self::Radmin => "VPN (Radmin)",
            Self::WireGuard => "VPN (WireGuard)",
            Self::OpenVpn => "VPN (OpenVPN)",
            Self::Other => "VPN",
        }
    }

    /// Made for colleagues to reach each other, where the others mostly lead to a company or to the internet.
    pub(super) fn is_mesh(self) -> bool {
        match self {
            Self::ZeroTier | Self::Hamachi | Self::Tailscale | Self::Radmin => true,
            Self::WireGuard | Self::OpenVpn | Self::Other => false,
        }
    }
}

/// What the range tells of an address that no name explains.
fn by_range(ip: IpAddr, told: &Told) -> AddressKind {
    let vpn = match ip {
        IpAddr::V4(ip) => vpn_of_v4(ip),
        IpAddr::V6(ip) => vpn_of_v6(ip),
    };
    let is_line = told.medium.is_some() || told.is_dial_up || told.is_mobile;
    match (ip, vpn) {
        // On a network card or a modem this range comes from the provider (RFC 6598), elsewhere from Tailscale.
        (IpAddr::V4(_), Some(Vpn::Tailscale)) if is_line => AddressKind::Carrier,
        (_, Some(vpn)) => AddressKind::Vpn(vpn),
        (IpAddr::V4(ip), None) if is_translated(ip) => AddressKind::Carrier,
        (IpAddr::V4(ip), None) if is_public(ip) => AddressKind::Internet,
        (IpAddr::V4(_), None) if told.is_mobile => AddressKind::Carrier,
        (_, None) if told.is_tunnel => AddressKind::Vpn(Vpn::Other),
        (IpAddr::V4(_), None) => told.medium.unwrap_or(AddressKind::Lan),
        (IpAddr::V6(_), None) => AddressKind::Ipv6,
    }
}

/// Whether a provider that only has IPv6 lets this computer speak IPv4 from the address: 464XLAT and DS-Lite (RFC 7335).
fn is_translated(ip: Ipv4Addr) -> bool {
    matches!(ip.octets(), [192, 0, 0, _])
}

/// Whether the internet leads to the address; it does not to those for private use (RFC 1918), for documentation
/// (RFC 5737), for tests of equipment (RFC 2544), of “this network” (RFC 791) and for the future (RFC 1112), all of which
/// people do give to their own networks.
fn is_public(ip: Ipv4Addr) -> bool {
    let is_reserved = matches!(ip.octets(), [198, 18..=19, ..] | [0 | 240.., ..]);
    !(ip.is_private() || ip.is_documentation() || is_reserved)
}

/// Ranges that a product took for itself, though public ones of others, as their owners never announce them.
fn vpn_of_v4(ip: Ipv4Addr) -> Option<Vpn> {
    match ip.octets() {
        [100, 64..=127, ..] => Some(Vpn::Tailscale),
        [25, ..] => Some(Vpn::Hamachi),
        [26, ..] => Some(Vpn::Radmin),
        _ => None,
    }
}

fn vpn_of_v6(ip: Ipv6Addr) -> Option<Vpn> {
    match ip.segments() {
        [0xfd7a, 0x115c, 0xa1e0, ..] => Some(Vpn::Tailscale),
        [0x2620, 0x009b, ..] => Some(Vpn::Hamachi),
        _ => None,
    }
}

/// Made up by Windows, to be reached over Microsoft's servers, which are gone (RFC 4380).
fn is_teredo(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if matches!(ip.segments(), [0x2001, 0, ..]))
}

pub(super) fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Adapter;
    use super::super::Medium;
    use super::{AddressKind, Interface, Vpn};

    fn kind(name: &str, ip: &str) -> Option<AddressKind> {
        AddressKind::of(&interface(name, ip), None)
    }

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

    #[test]
    fn name_and_range_tell_what_an_address_is() {
        let table = [
            ("eth0", "192.168.0.48", "Ethernet", true),
            ("enp3s0", "10.1.2.3", "Ethernet", true),
            ("Ethernet 2", "192.168.0.48", "Ethernet", true),
            ("wlan0", "172.16.0.9", "Wi-Fi", true),
            ("wlp2s0", "192.168.0.48", "Wi-Fi", true),
            ("Wi-Fi", "192.168.0.48", "Wi-Fi", true),
            ("WLAN", "192.168.0.48", "Wi-Fi", true),
            ("en0", "192.168.0.48", "LAN", true),
            ("Netzwerk", "192.168.0.48", "LAN", true),
            ("eth0", "8.8.4.4", "Internet", true),
            ("eth0", "172.32.0.1", "Internet", true),
            ("eth0", "192.0.2.2", "Ethernet", true),
            ("eth0", "198.18.0.1", "Ethernet", true),
            ("eth0", "0.1.2.3", "Ethernet", true),
            ("wlan0", "240.0.0.1", "Wi-Fi", true),
            ("eth0", "255.255.255.254", "Ethernet", true),
            ("eth0", "192.0.1.1", "Internet", true),
            (
                "en0",
                "192.0.0.2",
                "Shared by the provider – not for colleagues",
                false,
            ),
            (
                "clat4",
                "192.0.0.4",
                "Shared by the provider – not for colleagues",
                false,
            ),
            ("ztabcdefgh", "10.147.17.5", "VPN (ZeroTier)", true),
            (
                "ZeroTier One [8056c2e21c000001]",
                "10.147.17.5",
                "VPN (ZeroTier)",
                true,
            ),
            ("ztabcdefgh", "25.1.2.3", "VPN (ZeroTier)", true),
            ("ztabcdefgh", "fd80:56c2::1", "VPN (ZeroTier)", true),
            ("ham0", "25.1.2.3", "VPN (Hamachi)", true),
            ("LogMeIn Hamachi", "25.1.2.3", "VPN (Hamachi)", true),
            ("Ethernet 3", "25.1.2.3", "VPN (Hamachi)", true),
            ("Ethernet 3", "2620:9b::1901:203", "VPN (Hamachi)", true),
            ("tailscale0", "100.101.102.103", "VPN (Tailscale)", true),
            ("utun4", "100.64.0.1", "VPN (Tailscale)", true),
            ("utun4", "100.127.255.254", "VPN (Tailscale)", true),
            ("utun4", "fd7a:115c:a1e0::1", "VPN (Tailscale)", true),
            (
                "wlan0",
                "100.64.0.1",
                "Shared by the provider – not for colleagues",
                false,
            ),
            ("Radmin VPN", "26.5.5.5", "VPN (Radmin)", true),
            ("Ethernet 4", "26.5.5.5", "VPN (Radmin)", true),
            ("wg0", "10.0.0.2", "VPN (WireGuard)", true),
            ("tun0", "10.8.0.6", "VPN (OpenVPN)", true),
            ("tap0", "10.8.0.6", "VPN (OpenVPN)", true),
            ("eth0", "2001:db8::1", "IPv6", true),
            ("eth0", "fd00::1", "IPv6", true),
            (
                "eth0",
                "169.254.7.7",
                "No router – not for colleagues",
                false,
            ),
            ("eth0", "fe80::1", "No router – not for colleagues", false),
            (
                "ztabcdefgh",
                "fe80::1",
                "No router – not for colleagues",
                false,
            ),
            (
                "docker0",
                "172.17.0.1",
                "Docker – not for colleagues",
                false,
            ),
            (
                "br-0123456789ab",
                "172.18.0.1",
                "Docker – not for colleagues",
                false,
            ),
            ("veth12ab", "fe80::1", "Docker – not for colleagues", false),
            (
                "virbr0",
                "192.168.122.1",
                "Virtual machine – not for colleagues",
                false,
            ),
            (
                "vboxnet0",
                "192.168.56.1",
                "Virtual machine – not for colleagues",
                false,
            ),
            (
                "vmnet8",
                "192.168.99.1",
                "Virtual machine – not for colleagues",
                false,
            ),
            (
                "VMware Network Adapter VMnet8",
                "192.168.99.1",
                "Virtual machine – not for colleagues",
                false,
            ),
            (
                "vEthernet (WSL)",
                "172.28.0.1",
                "Virtual machine – not for colleagues",
                false,
            ),
        ];
        for (name, ip, label, for_colleagues) in table {
            let kind = kind(name, ip).unwrap();
            assert_eq!(kind.label(), label, "{name} {ip}");
            assert_eq!(kind.for_colleagues(), for_colleagues, "{name} {ip}");
        }
    }

    #[test]
    fn addresses_that_mean_nothing_elsewhere_are_none() {
        for ip in [
            "127.0.0.1",
            "127.1.2.3",
            "::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "2001:0:4137:9e76:2cf1:3b8f:3f57:fe77",
        ] {
            assert_eq!(kind("eth0", ip), None, "{ip}");
        }
    }

    #[test]
    fn an_unknown_tunnel_is_a_vpn_unless_it_has_a_public_address() {
        let tunnel = |ip: &str| Interface {
            is_point_to_point: true,
            ..interface("proton0", ip)
        };
        assert_eq!(
            AddressKind::of(&tunnel("10.2.0.2"), None),
            Some(AddressKind::Vpn(Vpn::Other))
        );
        assert_eq!(
            AddressKind::of(&tunnel("fd00::2"), None),
            Some(AddressKind::Vpn(Vpn::Other))
        );
        // The computer's end of 464XLAT.
        assert_eq!(
            AddressKind::of(&tunnel("192.0.0.4"), None),
            Some(AddressKind::Carrier)
        );
        // A modem's dial-up (PPPoE) has the computer's own public address.
        assert_eq!(
            AddressKind::of(&tunnel("8.8.4.4"), None),
            Some(AddressKind::Internet)
        );
    }

    #[test]
    fn a_switch_that_leads_out_is_the_real_network() {
        let switch = interface("vEthernet (External)", "192.168.0.48");
        assert_eq!(
            AddressKind::of(&switch, Some(switch.ip)),
            Some(AddressKind::Lan)
        );
        assert_eq!(
            AddressKind::of(&switch, None),
            Some(AddressKind::VirtualMachine)
        );
        // A VPN has the default route, and the switch still its router.
        let leads_out = Interface {
            adapter: Adapter {
                description: Some("Hyper-V Virtual Ethernet Adapter #2".to_owned()),
                medium: Some(Medium::Cable),
                way_out: Some(25),
            },
            ..switch
        };
        assert_eq!(
            AddressKind::of(&leads_out, Some([10, 8, 0, 6].into())),
            Some(AddressKind::Lan)
        );
    }
}
