//! What is known of an interface, whatever its addresses: from its name, and from what the system knows of its adapter.

use super::kind::{AddressKind, Vpn};
use super::{Interface, Medium};

/// What is known of an interface, whatever its addresses.
pub(super) struct Told {
    /// The program that made it: a VPN, containers, virtual machines.
    pub(super) made_by: Option<AddressKind>,
    /// By cable or by radio.
    pub(super) medium: Option<AddressKind>,
    /// A tunnel, and no more is known of it.
    pub(super) is_tunnel: bool,
    /// A line to an internet provider.
    pub(super) is_dial_up: bool,
    /// The mobile network.
    pub(super) is_mobile: bool,
    /// A switch of Hyper-V.
    pub(super) is_switch: bool,
}

impl Told {
    pub(super) fn of(interface: &Interface) -> Self {
        let name = interface.name.to_lowercase();
        let description = interface.adapter.description.as_deref();
        let description = description.unwrap_or_default().to_lowercase();
        let is_switch = name.starts_with("vethernet") || description.contains("hyper-v virtual");
        let carried_by = interface.adapter.medium;
        let made_by =
            first(DESCRIPTIONS, |words| description.contains(words))
                // Before `veth`: a switch of Hyper-V on Windows, not a container's end on Linux.
                .or(is_switch.then_some(AddressKind::VirtualMachine))
                .or_else(|| first(NAMES, |start| name.starts_with(start)))
                .or(is_bridge_of_docker(&name).then_some(AddressKind::Docker))
                .or((carried_by == Some(Medium::WireGuard))
                    .then_some(AddressKind::Vpn(Vpn::WireGuard)));
        // What Windows calls Ethernet may be anything that has a driver.
        let is_virtual = TUNNELS.iter().any(|word| description.contains(word));
        let is_tunnel = interface.is_point_to_point
            || carried_by == Some(Medium::Tunnel)
            || is_virtual && !is_switch && carried_by != Some(Medium::Radio);
        let medium = match carried_by {
            _ if is_tunnel || is_switch => None,
            Some(Medium::Cable) => Some(AddressKind::Ethernet),
            Some(Medium::Radio) => Some(AddressKind::WiFi),
            Some(Medium::Mobile | Medium::Tunnel | Medium::WireGuard) => None,
            None => first(CARDS, |start| name.starts_with(start)),
        };
        Self {
            made_by,
            medium,
            is_tunnel,
            is_dial_up: name.starts_with("ppp"),
            is_mobile: carried_by == Some(Medium::Mobile),
            is_switch,
        }
    }
}

/// Words of adapters' descriptions, in lower case; the first that is contained counts.
///
/// Drivers have them from their makers, in English wherever they are installed.
const DESCRIPTIONS: &[(&str, AddressKind)] = &[
    ("zerotier", AddressKind::Vpn(Vpn::ZeroTier)),
    ("hamachi", AddressKind::Vpn(Vpn::Hamachi)),
    ("radmin", AddressKind::Vpn(Vpn::Radmin)),
    ("tailscale", AddressKind::Vpn(Vpn::Tailscale)),
    ("wireguard", AddressKind::Vpn(Vpn::WireGuard)),
    ("openvpn", AddressKind::Vpn(Vpn::OpenVpn)),
    // OpenVPN's older driver.
    ("tap-windows", AddressKind::Vpn(Vpn::OpenVpn)),
    ("tap-win32", AddressKind::Vpn(Vpn::OpenVpn)),
    // The host's ends. A guest's own card is another: `vmxnet3`, `Microsoft Hyper-V Network Adapter`.
    ("vmware virtual", AddressKind::VirtualMachine),
    ("virtualbox", AddressKind::VirtualMachine),
    ("parallels", AddressKind::VirtualMachine),
];

/// Words of the descriptions of adapters that are no cards.
const TUNNELS: &[&str] = &["virtual", "tunnel", "wintun", "tap-", "vpn"];

/// Beginnings of interface names, in lower case; the first that fits counts.
///
/// Linux and macOS name by driver; Windows has the names that installers and people gave.
const NAMES: &[(&str, AddressKind)] = &[
    ("docker", AddressKind::Docker),
    ("veth", AddressKind::Docker),
    ("podman", AddressKind::Docker),
    ("nerdctl", AddressKind::Docker),
    ("cni", AddressKind::Docker),
    ("cali", AddressKind::Docker),
    ("cilium", AddressKind::Docker),
    ("flannel", AddressKind::Docker),
    ("virbr", AddressKind::VirtualMachine),
    ("vnet", AddressKind::VirtualMachine),
    ("vboxnet", AddressKind::VirtualMachine),
    ("virtualbox", AddressKind::VirtualMachine),
    ("vmnet", AddressKind::VirtualMachine),
    ("vmenet", AddressKind::VirtualMachine),
    ("vmware", AddressKind::VirtualMachine),
    ("vnic", AddressKind::VirtualMachine),
    // macOS numbers from 100 those that it makes for virtual machines, and for sharing its internet.
    ("bridge10", AddressKind::VirtualMachine),
    ("lxcbr", AddressKind::VirtualMachine),
    ("lxdbr", AddressKind::VirtualMachine),
    ("incusbr", AddressKind::VirtualMachine),
    ("mpqemubr", AddressKind::VirtualMachine),
    ("zt", AddressKind::Vpn(Vpn::ZeroTier)),
    ("zerotier", AddressKind::Vpn(Vpn::ZeroTier)),
    // ZeroTier on macOS.
    ("feth", AddressKind::Vpn(Vpn::ZeroTier)),
    ("ham", AddressKind::Vpn(Vpn::Hamachi)),
    ("logmein hamachi", AddressKind::Vpn(Vpn::Hamachi)),
    ("tailscale", AddressKind::Vpn(Vpn::Tailscale)),
    ("radmin", AddressKind::Vpn(Vpn::Radmin)),
    ("wg", AddressKind::Vpn(Vpn::WireGuard)),
    ("wireguard", AddressKind::Vpn(Vpn::WireGuard)),
    ("tun", AddressKind::Vpn(Vpn::OpenVpn)),
    ("tap", AddressKind::Vpn(Vpn::OpenVpn)),
    ("openvpn", AddressKind::Vpn(Vpn::OpenVpn)),
];

/// Beginnings of the names of network cards, in lower case.
const CARDS: &[(&str, AddressKind)] = &[
    ("wl", AddressKind::WiFi),
    ("wi-fi", AddressKind::WiFi),
    ("wifi", AddressKind::WiFi),
    ("wireless", AddressKind::WiFi),
    ("eth", AddressKind::Ethernet),
    ("enp", AddressKind::Ethernet),
    ("eno", AddressKind::Ethernet),
    ("ens", AddressKind::Ethernet),
    ("enx", AddressKind::Ethernet),
    ("em", AddressKind::Ethernet),
];

/// The first of a table that fits.
fn first(table: &[(&str, AddressKind)], fits: impl Fn(&str) -> bool) -> Option<AddressKind> {
    table
        .iter()
        .find(|(text, _)| fits(text))
        .map(|&(_, kind)| kind)
}

/// Docker names the bridge of each network after its number: `br-` and twelve digits. People have others of that sort.
fn is_bridge_of_docker(name: &str) -> bool {
    name.strip_prefix("br-")
        .is_some_and(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::super::{Adapter, Interface, Medium};
    use super::AddressKind;

    #[test]
    fn what_the_system_knows_of_the_adapter_counts_more_than_a_name_that_anybody_gave() {
        use Medium::{Cable, Mobile, Radio, Tunnel, WireGuard};
        let table = [
            // Windows: all of these are called Ethernet, or whatever it is called in the language there.
            (
                "Ethernet 3",
                "ZeroTier Virtual Port",
                Some(Cable),
                "10.147.17.5",
                "VPN (ZeroTier)",
            ),
            (
                "Ethernet 4",
                "LogMeIn Hamachi Virtual Ethernet Adapter",
                Some(Cable),
                "25.1.2.3",
                "VPN (Hamachi)",
            ),
            (
                "以太网 2",
                "Famatech Radmin VPN Ethernet Adapter",
                Some(Cable),
                "26.5.5.5",
                "VPN (Radmin)",
            ),
            (
                "Büro",
                "Tailscale Tunnel",
                None,
                "100.101.102.103",
                "VPN (Tailscale)",
            ),
            (
                "Firma",
                "WireGuard Tunnel",
                None,
                "10.0.0.2",
                "VPN (WireGuard)",
            ),
            (
                "LAN-Verbindung 2",
                "TAP-Windows Adapter V9",
                Some(Cable),
                "10.8.0.6",
                "VPN (OpenVPN)",
            ),
            (
                "LAN-Verbindung 3",
                "OpenVPN Data Channel Offload",
                None,
                "10.8.0.6",
                "VPN (OpenVPN)",
            ),
            (
                "Ethernet 5",
                "Wintun Userspace Tunnel",
                None,
                "10.2.0.2",
                "VPN",
            ),
            (
                "Ethernet 6",
                "TAP-ProtonVPN Windows Adapter V9",
                Some(Cable),
                "10.2.0.2",
                "VPN",
            ),
            (
                "Ethernet 7",
                "Fortinet Virtual Ethernet Adapter (NDIS 6.30)",
                Some(Cable),
                "10.212.134.200",
                "VPN",
            ),
            (
                "Ethernet 8",
                "Cisco AnyConnect Virtual Miniport Adapter for Windows x64",
                Some(Cable),
                "10.9.1.1",
                "VPN",
            ),
            (
                "Ethernet 9",
                "Fortinet Virtual Ethernet Adapter (NDIS 6.30)",
                Some(Cable),
                "100.64.0.9",
                "VPN (Tailscale)",
            ),
            (
                "Ethernet",
                "Realtek PCIe GbE Family Controller",
                Some(Cable),
                "192.168.0.48",
                "Ethernet",
            ),
            (
                "Ethernet",
                "Realtek PCIe GbE Family Controller",
                Some(Cable),
                "100.64.0.9",
                "Shared by the provider – not for colleagues",
            ),
            (
                "以太网",
                "Intel(R) Ethernet Connection I219-V",
                Some(Cable),
                "192.168.0.48",
                "Ethernet",
            ),
            (
                "Drahtlosnetzwerkverbindung",
                "Intel(R) Wi-Fi 6 AX201 160MHz",
                Some(Radio),
                "192.168.0.48",
                "Wi-Fi",
            ),
            (
                "LAN-Verbindung* 10",
                "Microsoft Wi-Fi Direct Virtual Adapter",
                Some(Radio),
                "192.168.137.1",
                "Wi-Fi",
            ),
            // A guest's own card, and the host's end.
            (
                "Ethernet0",
                "vmxnet3 Ethernet Adapter",
                Some(Cable),
                "192.168.0.48",
                "Ethernet",
            ),
            (
                "Ethernet",
                "Red Hat VirtIO Ethernet Adapter",
                Some(Cable),
                "192.168.0.48",
                "Ethernet",
            ),
            (
                "Ethernet",
                "Microsoft Hyper-V Network Adapter",
                Some(Cable),
                "192.168.0.48",
                "Ethernet",
            ),
            (
                "Ethernet 2",
                "VMware Virtual Ethernet Adapter for VMnet8",
                Some(Cable),
                "192.168.99.1",
                "Virtual machine – not for colleagues",
            ),
            (
                "Ethernet 2",
                "VirtualBox Host-Only Ethernet Adapter",
                Some(Cable),
                "192.168.56.1",
                "Virtual machine – not for colleagues",
            ),
            (
                "Default Switch",
                "Hyper-V Virtual Ethernet Adapter",
                Some(Cable),
                "172.28.0.1",
                "Virtual machine – not for colleagues",
            ),
            // macOS, where en0 is one thing in a laptop and another in a desktop.
            ("en0", "Wi-Fi", Some(Radio), "192.168.0.48", "Wi-Fi"),
            ("en0", "Ethernet", Some(Cable), "192.168.0.48", "Ethernet"),
            ("feth2134", "", None, "10.147.17.5", "VPN (ZeroTier)"),
            (
                "bridge100",
                "",
                None,
                "192.168.64.1",
                "Virtual machine – not for colleagues",
            ),
            ("bridge0", "Thunderbolt Bridge", None, "10.0.0.2", "LAN"),
            // Linux has no descriptions, but knows its drivers.
            ("office", "", Some(WireGuard), "10.0.0.2", "VPN (WireGuard)"),
            (
                "wg-office",
                "",
                Some(WireGuard),
                "100.64.0.2",
                "VPN (WireGuard)",
            ),
            ("office", "", Some(Tunnel), "10.8.0.6", "VPN"),
            (
                "office",
                "",
                Some(Tunnel),
                "100.101.102.103",
                "VPN (Tailscale)",
            ),
            (
                "zt5u4uxxv2",
                "",
                Some(Tunnel),
                "10.147.17.5",
                "VPN (ZeroTier)",
            ),
            ("lan0", "", Some(Cable), "192.168.0.48", "Ethernet"),
            ("radio0", "", Some(Radio), "192.168.0.48", "Wi-Fi"),
            (
                "wwan0",
                "",
                Some(Mobile),
                "10.64.3.2",
                "Shared by the provider – not for colleagues",
            ),
            (
                "wwan0",
                "",
                Some(Mobile),
                "100.64.3.2",
                "Shared by the provider – not for colleagues",
            ),
            (
                "ppp0",
                "",
                None,
                "100.64.3.2",
                "Shared by the provider – not for colleagues",
            ),
            ("br0", "", None, "192.168.0.48", "LAN"),
            ("br-lan", "", None, "192.168.0.48", "LAN"),
            (
                "br-0123456789ab",
                "",
                None,
                "172.18.0.1",
                "Docker – not for colleagues",
            ),
        ];
        for (name, description, medium, ip, label) in table {
            let interface = Interface {
                name: name.to_owned(),
                ip: ip.parse().unwrap(),
                is_up: true,
                is_point_to_point: false,
                is_passing: false,
                adapter: Adapter {
                    description: Some(description.to_owned()),
                    medium,
                    way_out: None,
                },
            };
            let kind = AddressKind::of(&interface, None).unwrap();
            assert_eq!(kind.label(), label, "{name}, {description}, {ip}");
        }
    }
}
