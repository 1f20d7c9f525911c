//! Rings when networks change: the kernel's own news, by netlink (rtnetlink(7)).
//!
//! What the news say is not read, only that there are some: whoever hears the bell looks at everything. The crates
//! that watch networks were left aside here, as none tells of a pulled cable, which takes no address away.

use std::io;
use std::os::unix::net::UnixDatagram as StdDatagram;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::net::UnixDatagram;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE` and `RTMGRP_IPV6_IFADDR`, from `linux/rtnetlink.h`.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100;
/// News taken at once, so that a flood of them does not hold up a worker.
const AT_ONCE: usize = 256;

/// Rings when networks change.
///
/// tokio has no socket for netlink, and any other of its own reads datagrams just so: nothing but `recv` is asked of
/// this one.
pub(in super::super) struct Bell(UnixDatagram);

impl Bell {
    /// Changes from now on ring. Needs a runtime.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell its news, as in some containers.
    pub(in super::super) fn hang() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            // The protocol 0, which is NETLINK_ROUTE.
            None,
        )?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        Ok(Self(UnixDatagram::from_std(StdDatagram::from(socket))?))
    }

    /// Waits until networks have changed since the last time. May be cancelled; nothing is lost.
    ///
    /// # Errors
    ///
    /// When the kernel tells no more.
    pub(in super::super) async fn rung(&mut self) -> io::Result<()> {
        // What does not fit is thrown away by the kernel.
        let mut first_bytes = [0_u8; 16];
        there_are_some(self.0.recv(&mut first_bytes).await)?;
        for _ in 0..AT_ONCE {
            match self.0.try_recv(&mut first_bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                more => there_are_some(more)?,
            }
        }
        Ok(())
    }
}

/// Whether there are news. Also when there were more of them than the kernel keeps.
fn there_are_some(read: io::Result<usize>) -> io::Result<()> {
    match read {
        Err(error) if error.raw_os_error() != Some(Errno::NOBUFS.raw_os_error()) => Err(error),
        _ => Ok(()),
    }
}
