//! Ports for those who say which one they want: somebody who is to be there again at the same one, or nobody.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports that the systems give to nobody who asks for any, so that the other tests get none of them.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A port that nobody has, on any address.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two runs of these tests at the same time begin in different places.
    let start = std::process::id().wrapping_mul(131);
    for _ in PORTS {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = start.wrapping_add(step) % u32::from(PORTS.end - PORTS.start);
        let port = PORTS.start + offset as u16;
        if is_free(port) {
            return port;
        }
    }
    panic!("no port is free");
}

/// Whether a relay could have the port.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        && TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).map_or_else(
            // A computer without IPv6 has no such address.
            |error| error.kind() != std::io::ErrorKind::AddrInUse,
            |_| true,
        )
}
