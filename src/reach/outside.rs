//! This computer's address in the internet, as a STUN server sees it (RFC 8489).
//!
//! Asked only when a person wants it: the server learns the address. Of the crates for it, stunclient does not compare
//! transaction ids, and stun_codec decodes with `unsafe` what anybody may send; what is needed is one request without
//! attributes, and two attributes of the answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::net::{UdpSocket, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::net::Target;

/// The port of a server that is named without one.
const DEFAULT_PORT: u16 = 3478;
/// More servers than these are not asked.
const MAX_SERVERS: usize = 8;
/// What a name leads to beyond this is not asked.
const MAX_ADDRESSES: usize = 4;
/// The first wait for an answer; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Binding request and its good answer (RFC 8489, 5).
const BINDING: [u8; 2] = [0x00, 0x01];
const BINDING_ANSWER: [u8; 2] = [0x01, 0x01];
/// Tells STUN from all else (RFC 8489, 5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER_BYTES: usize = 20;
/// A larger answer is cut; the address stands among its first attributes.
const MAX_ANSWER_BYTES: usize = 1500;
/// MAPPED-ADDRESS, and the one that routers do not rewrite, XOR-MAPPED-ADDRESS (RFC 8489, 14.1 and 14.2).
const MAPPED_ADDRESS: [u8; 2] = [0x00, 0x01];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];

/// Why no server told the address. The text says what happened, [`advice`](Self::advice) what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StunError {
    /// None is set.
    #[error("No STUN server is set that could be asked.")]
    NoServers,
    /// A name in the settings is none.
    #[error("“{0}” is not the address of a STUN server.")]
    NotAServer(String),
    /// The name leads nowhere.
    #[error("No computer is known by the name “{0}”.")]
    Unknown(String),
    /// Nothing came back from any.
    #[error("No STUN server answered within {} s.", .0.as_secs_f32())]
    Silent(Duration),
    /// What came back makes no sense.
    #[error("{0} answered, but not as a STUN server does.")]
    Nonsense(String),
}

impl StunError {
    /// What to do about it, as a sentence.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NoServers | Self::NotAServer(_) | Self::Nonsense(_) => {
                "Set another server in the settings, as host or host:port."
            }
            Self::Unknown(_) | Self::Silent(_) => {
                "Check that this computer is connected to the internet, or set another server in the settings."
            }
        }
    }

    /// How much it tells of what is wrong.
    fn weight(&self) -> u8 {
        match self {
            Self::NoServers => 0,
            Self::Unknown(_) => 1,
            Self::Silent(_) => 2,
            Self::NotAServer(_) => 3,
            Self::Nonsense(_) => 4,
        }
    }
}

/// Asks STUN servers, named as `host` or `host:port`, side by side for this computer's address in the internet. The
/// first good answer counts; takes no longer than `patience`.
///
/// # Errors
/// When none answers: the reason that tells the most.
pub async fn outside_by_stun(servers: &[String], patience: Duration) -> Result<IpAddr, StunError> {
    let mut asked = JoinSet::new();
    for server in servers.iter().take(MAX_SERVERS) {
        let server = server.clone();
        asked.spawn(async move {
            timeout(patience, ask(&server))
                .await
                .unwrap_or(Err(StunError::Silent(patience)))
        });
    }
    let mut failed = StunError::NoServers;
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(ip)) => return Ok(ip),
            Ok(Err(error)) => {
                tracing::debug!("{error}");
                if error.weight() > failed.weight() {
                    failed = error;
                }
            }
            Err(_) => {}
        }
    }
    Err(failed)
}

async fn ask(server: &str) -> Result<IpAddr, StunError> {
    let target = Target::parse(server, DEFAULT_PORT)
        .map_err(|_| StunError::NotAServer(server.to_owned()))?;
    let unknown = || StunError::Unknown(target.host.clone());
    let mut addresses: Vec<SocketAddr> = lookup_host((target.host.as_str(), target.port))
        .await
        .map_err(|_| unknown())?
        .take(MAX_ADDRESSES)
        .collect();
    // Routers change IPv4 addresses; an IPv6 address is known without asking.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let address = addresses.first().ok_or_else(unknown)?;
    exchange(*address)
        .await
        .ok_or_else(|| StunError::Nonsense(server.to_owned()))
}

/// Asks until an answer comes. Who is waiting sees to an end.
async fn exchange(server: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut id = [0; 12];
    getrandom::fill(&mut id).ok()?;
    let request = [&BINDING[..], &[0; 2], &COOKIE, &id].concat();
    let mut wait = FIRST_WAIT;
    let mut answer = [0; MAX_ANSWER_BYTES];
    let mut socket = None;
    loop {
        // A network that is not there yet, or a port where nobody listens: tried again with the next.
        if socket.is_none() {
            socket = connected(any, server).await;
        }
        let received = async {
            let socket = socket.as_ref()?;
            socket.send(&request).await.ok()?;
            loop {
                let length = socket.recv(&mut answer).await.ok()?;
                let answer = answer.get(..length)?;
                // Late answers to others, and forged ones, are passed over.
                if answer.get(8..HEADER_BYTES) == Some(&id[..]) {
                    return Some(address(answer));
                }
            }
        };
        match timeout(wait, received).await {
            Ok(Some(ip)) => return ip,
            Ok(None) => {
                socket = None;
                tokio::time::sleep(wait).await;
            }
            Err(_) => {}
        }
        wait *= 2;
    }
}

async fn connected(any: IpAddr, server: SocketAddr) -> Option<UdpSocket> {
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(server).await.ok()?;
    Some(socket)
}

/// The address that an answer tells; `None` when it makes no sense, or is no address of a computer.
fn address(answer: &[u8]) -> Option<IpAddr> {
    let (header, mut rest) = answer.split_at_checked(HEADER_BYTES)?;
    if !header.starts_with(&BINDING_ANSWER) || header.get(4..8) != Some(&COOKIE[..]) {
        return None;
    }
    let mut plain = None;
    while let [a, b, c, d, attributes @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        let value = attributes.get(..length)?;
        match [*a, *b] {
            XOR_MAPPED_ADDRESS => return usable(read(value, header.get(4..)?)?),
            MAPPED_ADDRESS => plain = read(value, &[0; 16]),
            _ => {}
        }
        // Attributes are padded to four bytes; after the last, the padding may be missing.
        rest = attributes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    usable(plain?)
}

/// An address of four or sixteen bytes behind one unused byte, the family, and the port; each byte XORed with `mask`,
/// which begins with the cookie.
fn read(value: &[u8], mask: &[u8]) -> Option<IpAddr> {
    let (_, address) = value.split_at_checked(4)?;
    let family = *value.get(1)?;
    let bytes: Vec<u8> = address.iter().zip(mask).map(|(a, b)| a ^ b).collect();
    match family {
        1 => Some(<[u8; 4]>::try_from(bytes).ok()?.into()),
        2 => Some(<[u8; 16]>::try_from(bytes).ok()?.into()),
        _ => None,
    }
}

fn usable(ip: IpAddr) -> Option<IpAddr> {
    let ip = ip.to_canonical();
    (!ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769, 2.2: an answer over IPv4, without what protects it.
    const SAMPLE: &[u8] =
        b"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20\
        \x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43";
    /// RFC 5769, 2.3: the same over IPv6.
    const SAMPLE_6: &[u8] = b"\x01\x01\x00\x48\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9";

    #[test]
    fn the_samples_of_the_rfc_are_read() {
        assert_eq!(address(SAMPLE), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(
            address(SAMPLE_6),
            Some("2001:db8:1234:5678:11:2233:4455:6677".parse().unwrap())
        );
    }

    #[test]
    fn an_answer_cut_anywhere_or_bent_is_no_address_and_no_panic() {
        for sample in [SAMPLE, SAMPLE_6] {
            for length in 0..sample.len() {
                assert_eq!(address(&sample[..length]), None, "{length}");
            }
            for at in 0..sample.len() {
                for bit in 0..8 {
                    let mut bent = sample.to_vec();
                    bent[at] ^= 1 << bit;
                    let _ip = address(&bent);
                }
            }
        }
        let header = &SAMPLE[..HEADER_BYTES];
        let loopback = [header, b"\x00\x01\x00\x08\x00\x01\x00\x00\x7f\x00\x00\x01"].concat();
        assert_eq!(address(&loopback), None);
    }

    #[tokio::test]
    async fn without_servers_nobody_is_asked() {
        assert_eq!(
            outside_by_stun(&[], Duration::from_secs(1)).await,
            Err(StunError::NoServers)
        );
        assert_eq!(
            outside_by_stun(&["a b".to_owned()], Duration::from_secs(1)).await,
            Err(StunError::NotAServer("a b".to_owned()))
        );
    }

    #[tokio::test]
    async fn a_forged_answer_is_passed_over_and_a_lost_request_is_sent_again() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = server.local_addr().unwrap().to_string();
        let asking =
            tokio::spawn(async move { outside_by_stun(&[at], Duration::from_secs(20)).await });
        let mut request = [0; 64];
        let (_lost, _) = server.recv_from(&mut request).await.unwrap();
        let (length, from) = server.recv_from(&mut request).await.unwrap();
        assert_eq!(length, HEADER_BYTES);
        server.send_to(SAMPLE, from).await.unwrap();
        let mut answer = SAMPLE.to_vec();
        answer[4..HEADER_BYTES].copy_from_slice(&request[4..HEADER_BYTES]);
        server.send_to(&answer, from).await.unwrap();
        assert_eq!(asking.await.unwrap(), Ok("192.0.2.1".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = server.local_addr().unwrap().to_string();
        let patience = Duration::from_millis(300);
        assert_eq!(
            outside_by_stun(&[at], patience).await,
            Err(StunError::Silent(patience))
        );
    }
}
