//! What macOS knows of its network interfaces.

use std::net::IpAddr;

use netdev::interface::types::InterfaceType;

use super::super::{Adapter, Medium};
use super::Known;

pub(super) fn look(_: &[if_addrs::Interface]) -> Known {
    let mut known = Known::default();
    for interface in netdev::get_interfaces() {
        for (network, flags) in interface.ipv6.iter().zip(&interface.ipv6_addr_flags) {
            let ip = IpAddr::V6(network.addr());
            if flags.temporary || flags.deprecated {
                known.passing.insert(ip);
            }
            if flags.tentative || flags.duplicated {
                known.unusable.insert(ip);
            }
        }
        let has_router = interface
            .gateway
            .is_some_and(|gateway| !gateway.ipv4.is_empty());
        let adapter = Adapter {
            description: interface.friendly_name,
            medium: medium(interface.if_type),
            // macOS keeps an order of services, not a number.
            way_out: has_router.then_some(0),
        };
        known.adapters.insert(interface.name, adapter);
    }
    known
}

fn medium(sort: InterfaceType) -> Option<Medium> {
    match sort {
        InterfaceType::Ethernet => Some(Medium::Cable),
        InterfaceType::Wireless80211 => Some(Medium::Radio),
        InterfaceType::Wwanpp | InterfaceType::Wwanpp2 | InterfaceType::Wwan => {
            Some(Medium::Mobile)
        }
        InterfaceType::Tunnel => Some(Medium::Tunnel),
        _ => None,
    }
}
