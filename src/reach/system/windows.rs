//! What Windows knows of its network adapters.

use ipconfig::IfType;

use super::super::{Adapter, Medium};
use super::Known;

pub(super) fn look(_: &[if_addrs::Interface]) -> Known {
    let adapters = ipconfig::get_adapters().unwrap_or_else(|error| {
        tracing::debug!(%error, "Windows does not tell what its network adapters are");
        Vec::new()
    });
    let adapters = adapters.iter().map(|adapter| {
        let known = Adapter {
            description: Some(adapter.description().to_owned()),
            medium: medium(adapter.if_type()),
            way_out: adapter
                .gateways()
                .iter()
                .any(|gateway| gateway.is_ipv4() && !gateway.is_unspecified())
                .then(|| adapter.ipv4_metric()),
        };
        (adapter.adapter_name().to_owned(), known)
    });
    Known {
        adapters: adapters.collect(),
        ..Known::default()
    }
}

/// What carries an adapter. Most virtual ones call themselves Ethernet, too; their descriptions tell.
fn medium(sort: IfType) -> Option<Medium> {
    match sort {
        IfType::EthernetCsmacd => Some(Medium::Cable),
        IfType::Ieee80211 => Some(Medium::Radio),
        IfType::Tunnel => Some(Medium::Tunnel),
        _ => None,
    }
}
