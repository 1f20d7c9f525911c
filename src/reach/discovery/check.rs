//! Whether a host takes connections.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long all addresses together have.
const PATIENCE: Duration = Duration::from_secs(2);
/// A worse address is tried this long after the one before it, which may answer till then (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(100);

/// The first of the addresses that takes a connection, which is closed at once. `None` when none does in time.
pub(super) async fn check(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let mut tries = JoinSet::new();
    for (&address, wait) in addresses.iter().zip(0..) {
        tries.spawn(async move {
            sleep(HEAD_START * wait).await;
            let connection = TcpStream::connect(address).await;
            // To the system's own ports a connection can be to itself when nobody listens.
            let is_other = connection.is_ok_and(|c| c.local_addr().ok() != Some(address));
            is_other.then_some(address)
        });
    }
    let first = async {
        while let Some(tried) = tries.join_next().await {
            if let Ok(Some(address)) = tried {
                return Some(address);
            }
        }
        None
    };
    timeout(PATIENCE, first).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_best_that_answers_is_told() {
        let one = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let two = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let [a, b, c] = [&one, &two, &closed].map(|l| l.local_addr().unwrap());
        drop(closed);
        assert_eq!(check(&[c, a, b]).await, Some(a));
        assert_eq!(check(&[c]).await, None);
        assert_eq!(check(&[]).await, None);
    }
}
