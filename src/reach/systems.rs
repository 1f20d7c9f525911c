//! Whole computers, and what is made of their lists.
//!
//! Names, descriptions and which of them have a router are as Windows, macOS and Linux print them, in public reports
//! for the most part; the computers are put together from those, and their addresses made up.

use super::Medium::{Cable, Radio, Tunnel, WireGuard};
use super::{Adapter, Interface, Medium, rank};

/// An address as the system lists it: name, description, medium, address, and the cost of the way out.
type Listed = (
    &'static str,
    &'static str,
    Option<Medium>,
    &'static str,
    Option<u32>,
);

/// What is shown of these, in order. `tunnels` lead to one other end, as the system says.
fn shown(listed: &[Listed], tunnels: &[&str], default: &str) -> Vec<String> {
    let interfaces = listed
        .iter()
        .map(|&(name, description, medium, ip, way_out)| Interface {
            name: name.to_owned(),
            ip: ip.parse().unwrap(),
            is_up: true,
            is_point_to_point: tunnels.contains(&name),
            is_passing: false,
            adapter: Adapter {
                description: (!description.is_empty()).then(|| description.to_owned()),
                medium,
                way_out,
            },
        });
    rank(interfaces.collect(), default.parse().ok())
        .iter()
        .map(|address| format!("{} {}", address.ip, address.kind.label()))
        .collect()
}

#[test]
fn a_laptop_with_windows_in_german_and_every_vpn() {
    let realtek = "Realtek PCIe GbE Family Controller";
    let intel = "Intel(R) Wi-Fi 6 AX201 160MHz";
    let hamachi = "LogMeIn Hamachi Virtual Ethernet Adapter";
    let switch = "Hyper-V Virtual Ethernet Adapter";
    let listed: [Listed; 14] = [
        (
            "Ethernet 5",
            "TAP-Windows Adapter V9",
            Some(Cable),
            "10.8.0.6",
            Some(25),
        ),
        ("Ethernet 2", hamachi, Some(Cable), "25.48.3.7", None),
        (
            "Ethernet 2",
            hamachi,
            Some(Cable),
            "2620:9b::1930:307",
            None,
        ),
        (
            "Ethernet 3",
            "ZeroTier Virtual Port",
            Some(Cable),
            "192.168.191.12",
            None,
        ),
        (
            "Ethernet 4",
            "Famatech Radmin VPN Ethernet Adapter",
            Some(Cable),
            "26.97.1.2",
            None,
        ),
        ("Tailscale", "Tailscale Tunnel", None, "100.84.12.3", None),
        (
            "Tailscale",
            "Tailscale Tunnel",
            None,
            "fe80::2a3b:4c5d:6e7f:8091",
            None,
        ),
        (
            "vEthernet (WSL (Hyper-V firewall))",
            switch,
            Some(Cable),
            "172.28.16.1",
            None,
        ),
        (
            "LAN-Verbindung* 10",
            "Microsoft Wi-Fi Direct Virtual Adapter",
            Some(Radio),
            "169.254.8.8",
            None,
        ),
        ("Ethernet", realtek, Some(Cable), "169.254.120.7", None),
        ("WLAN", intel, Some(Radio), "192.168.178.34", Some(40)),
        ("WLAN", intel, Some(Radio), "2001:db8:17:4500::34", Some(40)),
        (
            "WLAN",
            intel,
            Some(Radio),
            "fe80::d1fb:2a3c:4d5e:6f70",
            Some(40),
        ),
        (
            "Loopback Pseudo-Interface 1",
            "Software Loopback Interface 1",
            None,
            "127.0.0.1",
            None,
        ),
    ];
    assert_eq!(
        shown(&listed, &[], "10.8.0.6"),
        [
            "192.168.178.34 Wi-Fi",
            "25.48.3.7 VPN (Hamachi)",
            "192.168.191.12 VPN (ZeroTier)",
            "26.97.1.2 VPN (Radmin)",
            "100.84.12.3 VPN (Tailscale)",
            "2620:9b::1930:307 VPN (Hamachi)",
            "10.8.0.6 VPN (OpenVPN)",
            "2001:db8:17:4500::34 IPv6",
            "169.254.8.8 No router – not for colleagues",
            "169.254.120.7 No router – not for colleagues",
            "172.28.16.1 Virtual machine – not for colleagues",
        ]
    );
}

#[test]
fn a_workstation_with_windows_whose_card_belongs_to_a_switch() {
    let switch = "Hyper-V Virtual Ethernet Adapter #2";
    let listed: [Listed; 4] = [
        ("NordLynx", "NordLynx Tunnel", None, "10.5.0.2", Some(5)),
        (
            "vEthernet (Default Switch)",
            "Hyper-V Virtual Ethernet Adapter",
            Some(Cable),
            "172.22.96.1",
            None,
        ),
        (
            "vEthernet (Extern)",
            switch,
            Some(Cable),
            "192.168.0.48",
            Some(25),
        ),
        (
            "VMware Network Adapter VMnet8",
            "VMware Virtual Ethernet Adapter for VMnet8",
            Some(Cable),
            "192.168.99.1",
            None,
        ),
    ];
    assert_eq!(
        shown(&listed, &[], "10.5.0.2"),
        [
            "192.168.0.48 LAN",
            "10.5.0.2 VPN",
            "172.22.96.1 Virtual machine – not for colleagues",
            "192.168.99.1 Virtual machine – not for colleagues",
        ]
    );
}

// The adapters of https://github.com/tailscale/tailscale/issues/1551 and the names of
// https://github.com/netbirdio/netbird/issues/349.
#[test]
fn a_laptop_with_windows_in_chinese_behind_a_switch() {
    let wintun = "Wintun Userspace Tunnel";
    let direct = "Microsoft Wi-Fi Direct Virtual Adapter #4";
    let switch = "Hyper-V Virtual Ethernet Adapter";
    let listed: [Listed; 8] = [
        ("Tailscale", "Tailscale Tunnel", None, "100.110.10.6", None),
        ("wt0", "WireGuard Tunnel", None, "100.64.0.3", None),
        ("本地连接", wintun, None, "169.254.20.2", None),
        (
            "vEthernet (外部)",
            "Hyper-V Virtual Ethernet Adapter #2",
            Some(Cable),
            "192.168.31.21",
            Some(25),
        ),
        (
            "以太网 2",
            "TAP-Windows Adapter V9",
            Some(Cable),
            "169.254.30.3",
            None,
        ),
        (
            "WLAN",
            "Intel(R) Dual Band Wireless-AC 7265",
            Some(Radio),
            "192.168.31.22",
            None,
        ),
        ("本地连接* 4", direct, Some(Radio), "169.254.40.4", None),
        ("vEthernet (WSL)", switch, Some(Cable), "172.28.16.1", None),
    ];
    assert_eq!(
        shown(&listed, &[], "192.168.31.21"),
        [
            "192.168.31.21 LAN",
            "192.168.31.22 Wi-Fi",
            "100.110.10.6 VPN (Tailscale)",
            "100.64.0.3 VPN (WireGuard)",
            "169.254.20.2 No router – not for colleagues",
            "169.254.30.3 No router – not for colleagues",
            "169.254.40.4 No router – not for colleagues",
            "172.28.16.1 Virtual machine – not for colleagues",
        ]
    );
}

#[test]
fn a_macbook_with_tailscale_as_its_exit() {
    let listed: [Listed; 10] = [
        ("lo0", "", None, "127.0.0.1", None),
        ("lo0", "", None, "fe80::1", None),
        (
            "en0",
            "Wi-Fi",
            Some(Radio),
            "fe80::1c5f:2b3a:4d5e:6f70",
            Some(0),
        ),
        ("en0", "Wi-Fi", Some(Radio), "192.168.1.23", Some(0)),
        ("awdl0", "", Some(Radio), "fe80::a8bb:ccff:fedd:eeff", None),
        ("utun0", "", Some(Tunnel), "fe80::3f1a:2b3c:4d5e:6f70", None),
        ("utun4", "", Some(Tunnel), "100.101.7.9", Some(0)),
        (
            "utun4",
            "",
            Some(Tunnel),
            "fd7a:115c:a1e0::4301:709",
            Some(0),
        ),
        ("en7", "USB 10/100/1000 LAN", Some(Cable), "10.0.0.2", None),
        ("bridge100", "", None, "192.168.64.1", None),
    ];
    assert_eq!(
        shown(&listed, &["utun0", "utun4"], "100.101.7.9"),
        [
            "192.168.1.23 Wi-Fi",
            "10.0.0.2 Ethernet",
            "100.101.7.9 VPN (Tailscale)",
            "fd7a:115c:a1e0::4301:709 VPN (Tailscale)",
            "192.168.64.1 Virtual machine – not for colleagues",
        ]
    );
}

#[test]
fn a_workstation_with_linux_containers_and_a_full_tunnel() {
    let listed: [Listed; 13] = [
        ("lo", "", None, "127.0.0.1", None),
        ("enp5s0", "", Some(Cable), "192.168.0.48", Some(100)),
        (
            "enp5s0",
            "",
            Some(Cable),
            "fe80::aabb:ccff:fedd:eeff",
            Some(100),
        ),
        ("wlp4s0", "", Some(Radio), "192.168.0.63", Some(600)),
        ("docker0", "", None, "172.17.0.1", None),
        ("br-5d2f0c1a9b7e", "", None, "172.18.0.1", None),
        ("veth3c4d5e6", "", None, "fe80::1", None),
        ("virbr0", "", None, "192.168.122.1", None),
        ("zt5u4uxxv2", "", Some(Tunnel), "10.147.17.5", None),
        ("tailscale0", "", Some(Tunnel), "100.101.102.103", None),
        ("mullvad", "", Some(WireGuard), "10.64.12.9", Some(0)),
        ("proton0", "", Some(Tunnel), "10.2.0.2", None),
        ("wwan0", "", Some(Medium::Mobile), "10.133.4.5", Some(700)),
    ];
    assert_eq!(
        shown(&listed, &["tailscale0", "mullvad", "proton0"], "10.64.12.9"),
        [
            "192.168.0.48 Ethernet",
            "192.168.0.63 Wi-Fi",
            "10.147.17.5 VPN (ZeroTier)",
            "100.101.102.103 VPN (Tailscale)",
            "10.64.12.9 VPN (WireGuard)",
            "10.2.0.2 VPN",
            "10.133.4.5 Shared by the provider – not for colleagues",
            "172.17.0.1 Docker – not for colleagues",
            "172.18.0.1 Docker – not for colleagues",
            "192.168.122.1 Virtual machine – not for colleagues",
        ]
    );
}
