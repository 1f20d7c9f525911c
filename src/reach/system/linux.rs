//! What Linux knows of its network interfaces: `/sys/class/net` and `/proc/net`.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use super::super::{Adapter, Medium};
use super::Known;

/// Bytes read of one of the kernel's files. Default routes stand first; a router of the internet has a million others.
const MOST_BYTES: u64 = 1 << 20;

/// Flags of an IPv6 address, from `linux/if_addr.h`.
const TEMPORARY: u32 = 0x01;
const DUPLICATE: u32 = 0x08;
const DEPRECATED: u32 = 0x20;
const TENTATIVE: u32 = 0x40;

/// A route that works and leads over a router, from `linux/route.h`.
const UP: u32 = 0x1;
const OVER_A_ROUTER: u32 = 0x2;

pub(super) fn look(interfaces: &[if_addrs::Interface]) -> Known {
    let ways_out = ways_out(&read(Path::new("/proc/net/route")));
    let mut known = Known::default();
    for interface in interfaces {
        let name = &interface.name;
        known
            .adapters
            .entry(name.clone())
            .or_insert_with(|| Adapter {
                description: None,
                medium: medium(&Path::new("/sys/class/net").join(name)),
                way_out: ways_out.get(name).copied(),
            });
    }
    for (ip, flags) in flags(&read(Path::new("/proc/net/if_inet6"))) {
        if flags & (TEMPORARY | DEPRECATED) != 0 {
            known.passing.insert(ip);
        }
        if flags & (TENTATIVE | DUPLICATE) != 0 {
            known.unusable.insert(ip);
        }
    }
    known
}

/// What carries an interface; `folder` is where the kernel shows it.
fn medium(folder: &Path) -> Option<Medium> {
    let event = read(&folder.join("uevent"));
    let sort = event
        .lines()
        .find_map(|line| line.strip_prefix("DEVTYPE="))
        .unwrap_or_default();
    let has = |name: &str| folder.join(name).exists();
    match sort {
        "wireguard" => Some(Medium::WireGuard),
        "wwan" => Some(Medium::Mobile),
        _ if sort == "wlan" || has("phy80211") || has("wireless") => Some(Medium::Radio),
        _ if has("tun_flags") => Some(Medium::Tunnel),
        // Bridges, containers' ends and the like have none.
        _ if has("device") => Some(Medium::Cable),
        _ => None,
    }
}

/// The interfaces with a default route over a router, from `/proc/net/route`: each with the least metric.
///
/// A tunnel to one other end has such a route without a router.
fn ways_out(routes: &str) -> HashMap<String, u32> {
    let mut ways = HashMap::new();
    for line in routes.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[name, "00000000", _, flags, _, _, metric, "00000000", ..] = fields.as_slice() else {
            continue;
        };
        let Ok(flags) = u32::from_str_radix(flags, 16) else {
            continue;
        };
        let Ok(metric) = metric.parse::<u32>() else {
            continue;
        };
        if flags & UP != 0 && flags & OVER_A_ROUTER != 0 {
            ways.entry(name.to_owned())
                .and_modify(|least: &mut u32| *least = metric.min(*least))
                .or_insert(metric);
        }
    }
    ways
}

/// The IPv6 addresses with their flags, from `/proc/net/if_inet6`.
fn flags(addresses: &str) -> impl Iterator<Item = (IpAddr, u32)> {
    addresses.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let bits = u128::from_str_radix(fields.next()?, 16).ok()?;
        let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
        Some((IpAddr::V6(Ipv6Addr::from_bits(bits)), flags))
    })
}

/// The beginning of a file of the kernel; nothing where there is none.
fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path)
        && let Err(error) = file.take(MOST_BYTES).read_to_end(&mut bytes)
    {
        tracing::debug!(%error, path = %path.display(), "A file of the kernel cannot be read");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::IpAddr;
    use std::path::Path;

    use super::{DEPRECATED, Medium, TEMPORARY, TENTATIVE, flags, medium, ways_out};

    /// A laptop on cable and Wi-Fi with OpenVPN taking all traffic (`redirect-gateway def1`), and Docker.
    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0
enp0s31f6\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
wlp4s0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
wlp4s0\t00000000\t0101A8C0\t0003\t0\t0\t20600\t00000000\t0\t0\t0
wg0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0
tun0\t0000080A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
enp0s31f6\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
enp0s31f6\tnonsense
";

    #[test]
    fn ways_out_are_default_routes_over_a_router_at_their_least_metric() {
        let ways = ways_out(ROUTES);
        assert_eq!(ways.len(), 2, "{ways:?}");
        assert_eq!(ways["enp0s31f6"], 100);
        assert_eq!(ways["wlp4s0"], 600);
        assert!(ways_out("").is_empty());
    }

    #[test]
    fn flags_of_ipv6_addresses_are_read() {
        let text = "\
fe800000000000006bf6c1950a69f825 02 40 20 80   enp0s31f6
20010db8000000015c1ab3ee0a69f825 02 40 00 01   enp0s31f6
20010db8000000016bf6c1950a69f825 02 40 00 60   enp0s31f6
00000000000000000000000000000001 01 80 10 80       lo
nonsense
";
        let flags: Vec<(IpAddr, u32)> = flags(text).collect();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(
            flags,
            [
                (ip("fe80::6bf6:c195:a69:f825"), 0x80),
                (ip("2001:db8:0:1:5c1a:b3ee:a69:f825"), TEMPORARY),
                (
                    ip("2001:db8:0:1:6bf6:c195:a69:f825"),
                    DEPRECATED | TENTATIVE
                ),
                (ip("::1"), 0x80),
            ]
        );
    }

    #[test]
    fn the_kernels_folder_tells_what_carries_an_interface() {
        let table: [(&str, &[&str], Option<Medium>); 9] = [
            ("", &["device"], Some(Medium::Cable)),
            (
                "DEVTYPE=wlan\nINTERFACE=wlp4s0\n",
                &["device", "phy80211"],
                Some(Medium::Radio),
            ),
            ("", &["device", "wireless"], Some(Medium::Radio)),
            ("DEVTYPE=wwan\n", &["device"], Some(Medium::Mobile)),
            (
                "DEVTYPE=wireguard\nINTERFACE=office\n",
                &[],
                Some(Medium::WireGuard),
            ),
            (
                "INTERFACE=office\nIFINDEX=7\n",
                &["tun_flags"],
                Some(Medium::Tunnel),
            ),
            ("DEVTYPE=bridge\n", &["bridge"], None),
            ("DEVTYPE=veth\n", &[], None),
            ("INTERFACE=lo\n", &[], None),
        ];
        for (event, files, expected) in table {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("uevent"), event).unwrap();
            for file in files {
                fs::write(folder.path().join(file), "").unwrap();
            }
            assert_eq!(medium(folder.path()), expected, "{event} {files:?}");
        }
        assert_eq!(medium(Path::new("/nowhere")), None);
    }
}
