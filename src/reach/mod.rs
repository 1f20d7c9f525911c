//! How others reach this computer: its addresses, each with what it is.
//!
//! Reading order: `kind.rs` says what an address is, `rank.rs` which ones are shown and in which order. Both are
//! pure; only [`addresses`] asks the system, and sends nothing to anybody. `discovery/` announces our session to this
//! computer's networks and lists those of others. `invite/` puts all the ways here into one line for a colleague and
//! understands what a colleague has sent; pure as well. `probe.rs` tries such ways. `mapping/` asks the router to let
//! people from the internet in; `outside.rs` asks a server in the internet for this computer's address there: both
//! only when a person wants it.

mod discovery;
mod invite;
mod kind;
pub mod mapping;
mod outside;
mod probe;
mod rank;

use std::net::IpAddr;

pub use discovery::{Announcement, Announcer, Answer, Browser, DiscoveryError, Found};
pub use invite::{Invite, Route, RouteKind, SESSION_CHARS, Typed, TypedError, understand};
pub use kind::{AddressKind, Vpn};
pub use mapping::{Mapping, MappingState};
pub use outside::{StunError, outside_by_stun};
pub use probe::{Answered, NoAnswer, first_that_answers, probe};
pub use rank::rank;

/// One address of this computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address itself.
    pub ip: IpAddr,
    /// What it is.
    pub kind: AddressKind,
    /// The network interface that has it, as the system calls it: `eth0`, `Wi-Fi`, `en0`.
    pub interface: String,
}

/// One address of one network interface, as the system tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The interface's name: `eth0`, `Wi-Fi`, `en0`.
    pub name: String,
    /// One of its addresses; an interface with several comes once for each.
    pub ip: IpAddr,
    /// The interface works now: switched on, and its cable or radio has a link.
    pub is_up: bool,
    /// The interface is a tunnel to one other end, not a network of many.
    pub is_point_to_point: bool,
}

/// The addresses of this computer, best first. Empty when it has no network, or the system does not tell.
///
/// Asks the system each time, which takes some milliseconds: networks come and go while the program runs.
#[must_use]
pub fn addresses() -> Vec<Address> {
    let interfaces = match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces,
        Err(error) => {
            tracing::warn!(%error, "The system does not tell this computer's addresses");
            Vec::new()
        }
    };
    let interfaces = interfaces.into_iter().map(|interface| Interface {
        ip: interface.ip(),
        is_up: interface.is_oper_up(),
        is_point_to_point: interface.is_p2p(),
        name: interface.name,
    });
    // Only a hint: without a default route there is none, and the interfaces are listed all the same.
    let default = local_ip_address::local_ip().ok();
    rank(interfaces.collect(), default)
}

#[cfg(test)]
mod tests {
    use super::addresses;

    #[test]
    fn this_computers_addresses_are_listed_once_and_without_loopback() {
        let addresses = addresses();
        for address in &addresses {
            assert!(!address.ip.is_loopback(), "{address:?}");
            assert!(!address.interface.is_empty(), "{address:?}");
            assert_eq!(
                addresses
                    .iter()
                    .filter(|other| other.ip == address.ip)
                    .count(),
                1,
                "{address:?}"
            );
        }
    }
}
