//! The doctor: why somebody cannot reach us, or we cannot reach somebody. Here are the single checks; the backend
//! puts them together.
//!
//! - `finding.rs`, [`Finding`]: what a check says.
//! - `self_test.rs`, [`self_test`]: two guests try a relay.
//! - `firewall/`, [`look_at_firewall`]: does this computer's firewall let colleagues in?
//! - `way.rs`, [`way_to`]: the way to a host.
//! - `tools.rs`: asking the system's own tools.
//!
//! Nothing here changes anything: what would is told as a command to copy.

mod finding;
mod firewall;
mod self_test;
mod tools;
mod way;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use finding::{Finding, Verdict, check};
pub use self_test::{Failed, Passed, ROOM_NAME, Step, Versions, self_test};
pub use way::{Way, answers_ping, way_to};

use super::Address;
use firewall::Knock;

/// A public address, for the packet of somebody from the internet. Nothing is sent there.
const SOMEBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(11, 22, 33, 44));

/// What this computer's firewall does to colleagues who connect to TCP `port` at `addresses`, and, where
/// `from_internet`, to people from the internet. Only looks.
pub async fn look_at_firewall(
    port: u16,
    addresses: &[Address],
    from_internet: bool,
) -> Vec<Finding> {
    let knock = |address: &Address, from| Knock {
        interface: address.interface.clone(),
        from,
        to: address.ip,
        port,
    };
    let for_colleagues = || addresses.iter().filter(|one| one.kind.for_colleagues());
    let mut knocks: Vec<_> = for_colleagues()
        .map(|address| knock(address, neighbour(address.ip)))
        .collect();
    let outside = for_colleagues().find(|one| one.ip.is_ipv4() && from_internet);
    knocks.extend(outside.map(|address| knock(address, SOMEBODY)));
    firewall::look(port, knocks).await
}

/// Another address of the same network.
fn neighbour(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() ^ 1).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() ^ 1).into(),
    }
}
