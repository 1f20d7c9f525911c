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
    Ok(listed.iter().map(|one| known.tell(one)).collect())
}

/// One address of an interface, with what else the system knows of it. Asks the system.
pub(super) fn interface(listed: &if_addrs::Interface) -> Interface {
    known::look(std::slice::from_ref(listed)).tell(listed)
}

impl Known {
    fn tell(&self, listed: &if_addrs::Interface) -> Interface {
        let ip = listed.ip();
        let adapter = self.adapters.get(identity(listed));
        Interface {
            ip,
            is_up: listed.is_oper_up() && !self.unusable.contains(&ip),
            is_point_to_point: listed.is_p2p(),
            is_passing: self.passing.contains(&ip),
            adapter: adapter.cloned().unwrap_or_default(),
            name: listed.name.clone(),
        }
    }
}

/// What the system itself tells an interface by. On Windows people may give any name to it.
fn identity(interface: &if_addrs::Interface) -> &str {
    #[cfg(windows)]
    return &interface.adapter_name;
    #[cfg(not(windows))]
    return &interface.name;
}
