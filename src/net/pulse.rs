//! Whether the other end of a connection still answers at all.
//!
//! A quiet connection is asked by the system's keep-alive (see [`prepare`](super::prepare)). One that
//! something is on its way to is not: the system sends it again, for a quarter of an hour. And a peer
//! that takes nothing (a Blender that renders) is no dead one, as its system says so again and again.
//!
//! Linux tells how that goes. Windows gives up within half a minute by itself. macOS tells only what no library that we
//! have asks for (`TCP_CONNECTION_INFO`), and sends again for some minutes: so long a peer stays there that has vanished
//! while something was on its way to it. A quiet one is noticed there as soon as elsewhere.

use std::time::Duration;

use tokio::net::tcp::{OwnedWriteHalf, WriteHalf};

/// A connection whose other end can be felt for.
pub trait Pulse {
    /// Whether the other end has left everything unanswered for so long, although it was asked several
    /// times. `false` where the system does not tell.
    fn is_dead(&self, patience: Duration) -> bool;

    /// Whether something that was written has not come there yet. `false` where the system does not tell.
    fn is_on_its_way(&self) -> bool;
}

impl Pulse for WriteHalf<'_> {
    fn is_dead(&self, patience: Duration) -> bool {
        silence(self.as_ref()).is_some_and(|silence| silence >= patience)
    }

    fn is_on_its_way(&self) -> bool {
        is_on_its_way(self.as_ref())
    }
}

impl Pulse for OwnedWriteHalf {
    fn is_dead(&self, patience: Duration) -> bool {
        silence(self.as_ref()).is_some_and(|silence| silence >= patience)
    }

    fn is_on_its_way(&self) -> bool {
        is_on_its_way(self.as_ref())
    }
}

/// Both ends of it are in this process.
#[cfg(test)]
impl Pulse for tokio::io::DuplexStream {
    fn is_dead(&self, _patience: Duration) -> bool {
        false
    }

    fn is_on_its_way(&self) -> bool {
        false
    }
}

#[cfg(test)]
impl<T> Pulse for tokio::io::WriteHalf<T> {
    fn is_dead(&self, _patience: Duration) -> bool {
        false
    }

    fn is_on_its_way(&self) -> bool {
        false
    }
}

/// A question may be on its way; this many in a row without an answer are no accident.
#[cfg(target_os = "linux")]
const UNANSWERED: u8 = 2;

/// For how long the other end has answered nothing, if it was asked.
#[cfg(target_os = "linux")]
fn silence(stream: &tokio::net::TcpStream) -> Option<Duration> {
    let told = info(stream)?;
    // What is sent again, and what asks whether it takes anything by now.
    let asked = told.tcpi_retransmits.max(told.tcpi_probes);
    (asked >= UNANSWERED).then(|| Duration::from_millis(told.tcpi_last_ack_recv.into()))
}

#[cfg(target_os = "linux")]
fn is_on_its_way(stream: &tokio::net::TcpStream) -> bool {
    info(stream).is_some_and(|told| told.tcpi_unacked > 0 || told.tcpi_notsent_bytes > 0)
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no library that we have asks this")]
fn info(stream: &tokio::net::TcpStream) -> Option<libc::tcp_info> {
    use std::mem::{size_of, zeroed};
    use std::os::fd::AsRawFd;

    // SAFETY: `tcp_info` is a C struct of integers, for which all bits zero is a value.
    let mut told: libc::tcp_info = unsafe { zeroed() };
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).ok()?;
    // SAFETY: the descriptor is open, as `stream` is borrowed; `told` and `length` are valid for writes
    // for the whole call, and `length` says how large `told` is, which the system does not go beyond.
    let answer = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut told).cast(),
            &raw mut length,
        )
    };
    (answer == 0).then_some(told)
}

/// Other systems do not tell, and give up by themselves.
#[cfg(not(target_os = "linux"))]
fn silence(_stream: &tokio::net::TcpStream) -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
fn is_on_its_way(_stream: &tokio::net::TcpStream) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::pair;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn somebody_who_takes_nothing_is_not_dead() {
        let (_deaf, mut stream) = pair().await;
        let (_, mut writer) = stream.split();
        assert!(!writer.is_dead(Duration::ZERO));
        let full = async { while writer.write_all(&[0; 1 << 16]).await.is_ok() {} };
        assert!(
            tokio::time::timeout(Duration::from_millis(500), full)
                .await
                .is_err(),
            "it takes nothing any more"
        );
        assert!(!writer.is_dead(Duration::from_millis(400)));
        assert_eq!(writer.is_on_its_way(), cfg!(target_os = "linux"));
    }
}
