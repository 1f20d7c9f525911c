//! Reaching a host, and saying why it could not be reached.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::listen::{give_up_after, prepare};
use super::read::io_words;
use super::target::Target;

/// A name that leads to more addresses than this is tried no further.
const MAX_ADDRESSES: usize = 8;

/// How long what we sent may stay without the other system's answer before the connection counts as
/// lost. Keep-alive does not look while something is on its way.
const SEND_PATIENCE: Duration = Duration::from_secs(30);

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
    /// The name could not be looked up in time.
    #[error("looking up the name {host} took more than {} s", .patience.as_secs_f32())]
    LookupTimedOut {
        /// The name.
        host: String,
        /// How long was waited.
        patience: Duration,
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
    #[error("{address} cannot be reached: {}", io_words(.error))]
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

impl ConnectError {
    /// How much this tells of what is wrong: a computer that answers more than one that does not, and
    /// that more than a family of addresses that this computer does not have.
    fn weight(&self) -> u8 {
        match self {
            Self::Refused(_) => 2,
            Self::TimedOut { .. } => 1,
            _ => 0,
        }
    }
}

/// Connects to the first of the target's addresses that answers; waits `patience` for the name, and
/// for each address.
///
/// # Errors
/// When none answers: the reason that tells the most.
pub async fn connect(target: &Target, patience: Duration) -> Result<Connected, ConnectError> {
    let host = || target.host.clone();
    let addresses = timeout(patience, lookup_host((target.host.as_str(), target.port)))
        .await
        .map_err(|_| ConnectError::LookupTimedOut {
            host: host(),
            patience,
        })?
        .map_err(|error| ConnectError::Unknown {
            host: host(),
            error,
        })?;
    let mut failed: Option<ConnectError> = None;
    for address in addresses.take(MAX_ADDRESSES) {
        match connect_to(address, patience).await {
            Ok(stream) => return Ok(Connected { stream, address }),
            Err(error) => {
                tracing::debug!("{error}");
                if failed
                    .as_ref()
                    .is_none_or(|other| error.weight() > other.weight())
                {
                    failed = Some(error);
                }
            }
        }
    }
    Err(failed.unwrap_or_else(|| ConnectError::Unknown {
        host: host(),
        error: io::ErrorKind::NotFound.into(),
    }))
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
    prepare(&stream)
        .and_then(|()| give_up_after(&stream, SEND_PATIENCE))
        .map_err(|error| ConnectError::Unreachable { address, error })?;
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
            if host == "::1" && std::net::TcpListener::bind("[::1]:0").is_err() {
                println!("skipped {host}: this computer does not have it");
                continue;
            }
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
