//! What the system knows of its networks, and its news of them. Each system has its own ways.

#[cfg_attr(target_os = "linux", path = "bell_linux.rs")]
mod bell;
#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(
    not(any(target_os = "linux", target_os = "macos", windows)),
    path = "other.rs"
)]
mod known;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;

pub(super) use bell::Bell;

use super::{Adapter, Interface};

/// What the system tells beyond the list of addresses.
#[derive(Default)]
struct Known {
    /// By what [`identity`] tells.
    adapters: HashMap<String, Adapter>,
    /// Addresses that will be given up.
    passing: HashSet<IpAddr>,
    /// Addresses that cannot be used, or not yet.
    unusable: HashSet<IpAddr>,
}

/// All addresses of all interfaces, in the system's order.
///
/// # Errors
///
/// When the system does not tell them. What else it does not tell is left open in what is returned.
pub(super) fn interfaces() -> io::Result<Vec<Interface>> {
    let listed = if_addrs::get_if_addrs()?;
    let known = known::look(&listed);
    let interfaces = listed.into_iter().map(|interface| {
        let ip = interface.ip();
        Interface {
            ip,
            is_up: interface.is_oper_up() && !known.unusable.contains(&ip),
            is_point_to_point: interface.is_p2p(),
            is_passing: known.passing.contains(&ip),
            adapter: known
                .adapters
                .get(identity(&interface))
                .cloned()
                .unwrap_or_default(),
            name: interface.name,
        }
    });
    Ok(interfaces.collect())
}

/// What the system itself tells an interface by. On Windows people may give any name to it.
fn identity(interface: &if_addrs::Interface) -> &str {
    #[cfg(windows)]
    return &interface.adapter_name;
    #[cfg(not(windows))]
    return &interface.name;
}
