//! The way to a host, as this computer's own tables tell it. Nothing is sent, but for one ping.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

use super::tools;
use crate::reach::{Address, addresses};

/// How long a ping may take in all: it waits a second for an answer.
const PING_PATIENCE: Duration = Duration::from_millis(1500);

/// The way to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The address of this computer that the host will see, if there is no router in between.
    pub from: IpAddr,
    /// What that address is, where it is one of those that this computer lists.
    pub address: Option<Address>,
    /// The host's address is of the same network, so that no router is in between.
    pub is_direct: bool,
    /// The host's address is this computer's own.
    pub is_here: bool,
}

/// The way to an address. Asks the system's tables; sends nothing.
///
/// # Errors
/// When there is none.
pub async fn way_to(to: SocketAddr) -> io::Result<Way> {
    let any: IpAddr = if to.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    // Only chooses the way.
    socket.connect(to).await?;
    let from = socket.local_addr()?.ip();
    let look = move || {
        let address = addresses().into_iter().find(|address| address.ip == from);
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        let is_direct = interfaces.iter().any(|one| is_in(to.ip(), &one.addr));
        let is_here = interfaces.iter().any(|one| one.ip() == to.ip());
        (address, is_direct, is_here)
    };
    let (address, is_direct, is_here) = tokio::task::spawn_blocking(look)
        .await
        .map_err(io::Error::other)?;
    Ok(Way {
        from,
        address,
        is_direct,
        is_here,
    })
}

fn is_in(ip: IpAddr, of: &if_addrs::IfAddr) -> bool {
    match (ip, of) {
        (IpAddr::V4(ip), if_addrs::IfAddr::V4(own)) => {
            ip.to_bits() & own.netmask.to_bits() == own.ip.to_bits() & own.netmask.to_bits()
        }
        (IpAddr::V6(ip), if_addrs::IfAddr::V6(own)) => {
            ip.to_bits() & own.netmask.to_bits() == own.ip.to_bits() & own.netmask.to_bits()
        }
        _ => false,
    }
}

/// Whether a computer answers one ping; `None` where that cannot be asked. No answer proves nothing: many
/// computers do not answer.
pub async fn answers_ping(ip: IpAddr) -> Option<bool> {
    let ip = ip.to_string();
    let args: &[&str] = match std::env::consts::OS {
        "windows" => &["-n", "1", "-w", "1000", &ip],
        // Its ping knows IPv4 only.
        "macos" if ip.contains(':') => return None,
        "macos" => &["-n", "-c", "1", "-t", "1", &ip],
        _ => &["-n", "-c", "1", "-W", "1", &ip],
    };
    let said = tools::ask("ping", args, PING_PATIENCE).await.ok()?;
    // In every language; on Windows the router's “not reachable” counts as done, too.
    Some(said.is_done && said.text.to_lowercase().contains("ttl="))
}
