//! Reaching a host, and saying why it could not be reached.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::listen::prepare;
use super::target::Target;

/// A name that leads to more addresses than this is tried no further.
const MAX_ADDRESSES: usize = 8;

/// Why a host could not be reached.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The name leads nowhere.
    #[error("no computer is known by the name {host}: {error}")]
    Unknown {
        /// The name.
        host: String,
        /// What the resolver said.
        error: io::Error,
    },
    /// The computer answers, but nothing listens on the port.
    #[error("{0} refused the connection")]
    Refused(SocketAddr),
    /// Nothing came back.
    #[error("{address} did not answer within {} s", .patience.as_secs_f32())]
    TimedOut {
        /// The address tried last.
        address: SocketAddr,
        /// How long was waited.
        patience: Duration,
    },
    /// The network says that there is no way, or something else.
    #[error("{address} cannot be reached: {error}")]
    Unreachable {
        /// The address tried last.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
}

/// A connection, and what it leads to.
#[derive(Debug)]
pub struct Connected {
    /// The connection, prepared.
    pub stream: TcpStream,
    /// The address that answered.
    pub address: SocketAddr,
}

/// Connects to the first of the target's addresses that answers; waits `patience` for the name, and
/// for each address.
///
/// # Errors
/// When none answers: why the last did not, or a refusal if any refused, as that tells the most.
pub async fn connect(target: &Target, patience: Duration) -> Result<Connected, ConnectError> {
    let unknown = |error| ConnectError::Unknown {
        host: target.host.clone(),
        error,
    };
    let addresses = timeout(patience, lookup_host((target.host.as_str(), target.port)))
        .await
        .map_err(|_| unknown(io::ErrorKind::TimedOut.into()))?
        .map_err(unknown)?;
    let mut failed = None;
    for address in addresses.take(MAX_ADDRESSES) {
        match connect_to(address, patience).await {
            Ok(stream) => return Ok(Connected { stream, address }),
            Err(error) if matches!(failed, Some(ConnectError::Refused(_))) => {
                tracing::debug!("{error}");
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| unknown(io::ErrorKind::NotFound.into())))
}

async fn connect_to(address: SocketAddr, patience: Duration) -> Result<TcpStream, ConnectError> {
    let stream = match timeout(patience, TcpStream::connect(address)).await {
        Err(_) => return Err(ConnectError::TimedOut { address, patience }),
        Ok(Err(error)) => {
            return Err(match error.kind() {
                io::ErrorKind::ConnectionRefused => ConnectError::Refused(address),
                io::ErrorKind::TimedOut => ConnectError::TimedOut { address, patience },
                _ => ConnectError::Unreachable { address, error },
            });
        }
        Ok(Ok(stream)) => stream,
    };
    // On this computer, a port from the system's own range can connect to itself when nobody listens.
    if stream.local_addr().is_ok_and(|ours| ours == address) {
        return Err(ConnectError::Refused(address));
    }
    prepare(&stream).map_err(|error| ConnectError::Unreachable { address, error })?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Bind, listen};

    #[tokio::test]
    async fn a_closed_port_refuses_and_an_open_one_answers() {
        let listener = listen(Bind::All, 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["localhost", "127.0.0.1", "::1"] {
            let target = Target {
                host: host.to_owned(),
                port,
            };
            assert!(
                connect(&target, Duration::from_secs(10)).await.is_ok(),
                "{host}"
            );
        }
        drop(listener);
        let target = Target {
            host: "localhost".to_owned(),
            port,
        };
        assert!(matches!(
            connect(&target, Duration::from_secs(10)).await,
            Err(ConnectError::Refused(_))
        ));
    }
}
