//! Listening on a port, and what every socket gets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

/// Connections that may wait to be accepted: a whole studio that reconnects at once.
const BACKLOG: i32 = 1024;
/// A quiet connection is asked whether it still lives after this long …
const KEEPALIVE_AFTER: Duration = Duration::from_secs(10);
/// … again this much later …
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
/// … and given up after this many questions, so a dead one that was quiet is noticed within 30 s.
/// One that something is on its way to is felt for within the same time, where the system tells: see `pulse.rs`.
const KEEPALIVE_TIMES: u32 = 3;

/// Where to listen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bind {
    /// Every address of this computer, IPv4 and IPv6 on one port.
    #[default]
    All,
    /// One address only.
    Only(IpAddr),
}

/// Opens a listening socket. Port 0 takes any free one. Must run within a tokio runtime.
///
/// # Errors
/// When the port is taken, not allowed, or the address is not this computer's.
pub fn listen(bind: Bind, port: u16) -> io::Result<TcpListener> {
    match bind {
        Bind::Only(ip) => listen_at(SocketAddr::new(ip, port)),
        Bind::All => match listen_at(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)) {
            // A computer with IPv6 switched off has no such socket or no such address.
            Err(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
                ) =>
            {
                listen_at(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
            }
            other => other,
        },
    }
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    // Elsewhere than on Windows this only lets a restarted relay have its port back at once; on
    // Windows it would let two programs share the port.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Prepares a connected socket: small messages go out at once, and a dead other end is noticed.
///
/// # Errors
/// When the connection is gone already.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_TIMES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Gives a connection up when what was sent stays unanswered for so long. Only for our own end of a
/// session: a Blender that renders takes nothing for minutes, and must not be thrown out for it.
///
/// # Errors
/// When the connection is gone already.
#[cfg(target_os = "linux")]
pub(super) fn give_up_after(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(Some(patience))
}

/// Gives a connection up when what was sent stays unanswered for so long; here the system's own
/// patience counts, which is shorter than on Linux.
#[cfg(not(target_os = "linux"))]
pub(super) fn give_up_after(_stream: &TcpStream, _patience: Duration) -> io::Result<()> {
    Ok(())
}

/// An address as people know it: an IPv4 peer of a socket for both is an IPv4 peer.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Lets this process have as many open connections as the system allows, where it starts with fewer.
#[cfg(unix)]
pub fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    // macOS takes no more than this where it says that there is no limit.
    let wanted = limit.maximum.unwrap_or(10_240);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!("the number of open files stays as it is: {error}");
        }
    }
}

/// Lets this process have as many open connections as the system allows; here it always has.
#[cfg(not(unix))]
pub fn raise_open_files() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_port_serves_both_families() {
        let listener = listen(Bind::All, 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        for ip in ["127.0.0.1", "::1"] {
            if ip == "::1" && std::net::TcpListener::bind("[::1]:0").is_err() {
                println!("skipped {ip}: this computer does not have it");
                continue;
            }
            let stream = TcpStream::connect((ip, port)).await.unwrap();
            let (_, from) = listener.accept().await.unwrap();
            assert_eq!(canonical(from), stream.local_addr().unwrap());
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let listener = listen(Bind::Only(Ipv4Addr::LOCALHOST.into()), 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        for bind in [Bind::All, Bind::Only(Ipv4Addr::LOCALHOST.into())] {
            assert_eq!(
                listen(bind, port).unwrap_err().kind(),
                io::ErrorKind::AddrInUse
            );
        }
    }
}
