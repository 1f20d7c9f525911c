//! How others reach this computer: its addresses, each with what it is.
//!
//! Reading order: `kind.rs` and `told.rs` say what an address is, `rank.rs` which ones are shown and in which order.
//! They are pure; `system/` asks the system, and hears of it when networks change; `watch.rs` keeps the list up to date.
//! So far nothing is sent to anybody. `discovery/` announces our session to this computer's networks and lists those of
//! others. `invite/` puts all the ways here into one line for a colleague and understands what a colleague has sent;
//! pure as well. `probe.rs` tries such ways. `mapping/` asks the router to let people from the internet in; `outside.rs`
//! asks a server in the internet for this computer's address there: both only when a person wants it. `doctor/` says what
//! keeps people out.

mod discovery;
pub mod doctor;
mod invite;
mod kind;
pub mod mapping;
mod outside;
mod probe;
mod rank;
mod system;
#[cfg(test)]
mod systems;
mod told;
mod watch;

use std::net::IpAddr;

pub use discovery::{Announcement, Announcer, Answer, Browser, DiscoveryError, Found};
pub use invite::{Invite, Route, RouteKind, SESSION_CHARS, Typed, TypedError, understand};
pub use kind::{AddressKind, Vpn};
pub use mapping::{Mapping, MappingState};
pub use outside::{StunError, outside_by_stun};
pub use probe::{Answered, NoAnswer, first_that_answers, probe};
pub use rank::rank;
pub use watch::AddressWatch;

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
    /// The address works now: the interface is switched on, its cable or radio has a link, and nobody else was found
    /// to have the address.
    pub is_up: bool,
    /// The interface is a tunnel to one other end, not a network of many.
    pub is_point_to_point: bool,
    /// The address will be given up, within days or at once: temporary (RFC 8981) or deprecated (RFC 4862).
    pub is_passing: bool,
    /// What has the address.
    pub adapter: Adapter,
}

/// What is behind a network interface, as far as the system knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adapter {
    /// What its driver calls it, where names are given by people and installers: on Windows, where “Ethernet 3” may
    /// be a `ZeroTier Virtual Port`.
    pub description: Option<String>,
    /// What carries it.
    pub medium: Option<Medium>,
    /// There is a router behind it that leads out, though not necessarily the one in use now. The number is the
    /// system's reluctance to take it: of several, the least wins.
    pub way_out: Option<u32>,
}

/// What carries a network interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A network card, or what the computer takes for one.
    Cable,
    /// A Wi-Fi card.
    Radio,
    /// A modem in a mobile network.
    Mobile,
    /// A program of this computer, or another computer that the program speaks to.
    Tunnel,
    /// The kernel's own WireGuard.
    WireGuard,
}

/// The addresses of this computer, best first. Empty when it has no network, or the system does not tell.
///
/// Asks the system each time, which takes some milliseconds and may block: [`AddressWatch`] does it where it harms
/// nobody, and whenever networks change.
#[must_use]
pub fn addresses() -> Vec<Address> {
    let interfaces = system::interfaces().unwrap_or_else(|error| {
        tracing::warn!(%error, "The system does not tell this computer's addresses");
        Vec::new()
    });
    // Only a hint: without a default route there is none, and the interfaces are listed all the same.
    let default = local_ip_address::local_ip().ok();
    rank(interfaces, default)
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
