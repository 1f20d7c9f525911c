//! PCP, RFC 6887.

use std::time::Duration;

use crab_nat::pcp::{self, BaseMapRequest, DropMappingRange, Failure};
use crab_nat::{GATEWAY_PORT, InternetProtocol, PortMappingOptions, PortMappingType};
use tokio::net::UdpSocket;

use super::nat_pmp::{WISH, lasting, port};
use super::router::Router;
use super::state::Shared;
use super::way::{Grant, Refusal, Request};

/// Version and opcode of a request that only asks whether anybody is there (RFC 6887, 14.1), and the bit by which
/// answers differ from it.
const VERSION: u8 = 2;
const ANNOUNCE: u8 = 0;
const IS_ANSWER: u8 = 0x80;
/// Bytes of the header, which is all that such a request has.
const HEADER_BYTES: usize = 24;
/// The version that was not understood; routers that only know NAT-PMP answer so.
const UNSUPPORTED_VERSION: u8 = 1;
/// The first wait for an answer; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// A router that speaks PCP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way(Router);

impl Way {
    /// Waits until the router answers to PCP. Changes nothing there.
    pub(super) async fn probe(router: Router) -> Option<Self> {
        let socket = UdpSocket::bind((router.ours, 0)).await.ok()?;
        socket.connect(router.at(GATEWAY_PORT)).await.ok()?;
        let mut request = [0; HEADER_BYTES];
        let [version, opcode, _, _, _, _, _, _, client @ ..] = &mut request;
        (*version, *opcode) = (VERSION, ANNOUNCE);
        client.copy_from_slice(&router.ours.to_ipv6_mapped().octets());
        let mut wait = FIRST_WAIT;
        loop {
            socket.send(&request).await.ok()?;
            let mut answer = [0; pcp::MAX_DATAGRAM_SIZE];
            match tokio::time::timeout(wait, socket.recv(&mut answer)).await {
                // Whoever is asked sees to the end of the time.
                Err(_) => wait *= 2,
                // Nobody listens on the port.
                Ok(Err(_)) => return None,
                Ok(Ok(_)) => return is_pcp(&answer).then_some(Self(router)),
            }
        }
    }

    pub(super) async fn open(&self, request: &Request) -> Result<Grant, Refusal> {
        let base = BaseMapRequest::new(
            self.0.gateway.into(),
            self.0.ours.into(),
            InternetProtocol::Tcp,
            port(request.inside.port())?,
        );
        let options = PortMappingOptions {
            external_port: Some(port(request.outside_port)?),
            lifetime_seconds: Some(u32::try_from(request.lease.as_secs()).unwrap_or(u32::MAX)),
            timeout_config: Some(WISH),
        };
        let mapping = pcp::port_mapping(base, Some(request.nonce), None, options)
            .await
            .map_err(|failure| refusal(&failure))?;
        let PortMappingType::Pcp {
            external_ip: ip, ..
        } = mapping.mapping_type()
        else {
            return Err(Refusal::Denied("its answer makes no sense".to_owned()));
        };
        Ok(Grant {
            port: mapping.external_port().get(),
            ip,
            lease: lasting(mapping.lifetime()),
            epoch: Some(mapping.gateway_epoch()),
        })
    }

    pub(super) async fn close(&self, request: &Request) -> bool {
        let Ok(internal_port) = port(request.inside.port()) else {
            return false;
        };
        let range = DropMappingRange::Single {
            protocol: InternetProtocol::Tcp,
            internal_port,
        };
        let (gateway, ours) = (self.0.gateway.into(), self.0.ours.into());
        let closed = pcp::try_drop_mapping(gateway, ours, request.nonce, range, Some(WISH)).await;
        if let Err(error) = &closed {
            tracing::debug!(%error, "The mapping was not removed by PCP");
        }
        closed.is_ok()
    }
}

/// Whether a datagram, padded with zeros, is an answer of somebody who speaks PCP. A router that does not know how to
/// announce itself still does.
fn is_pcp(answer: &[u8]) -> bool {
    matches!(answer, [VERSION, opcode, _, result, ..] if opcode & IS_ANSWER != 0 && *result != UNSUPPORTED_VERSION)
}

fn refusal(failure: &Failure) -> Refusal {
    match failure {
        Failure::Timeout | Failure::Socket(_) => Refusal::Silent,
        Failure::CannotProvideExternal(_) => Refusal::Taken(None),
        Failure::NetworkFailure(_) => Refusal::Shared(Shared::Untold),
        // It sees us from another address: something between us changes it.
        Failure::AddressMismatch => Refusal::Shared(Shared::DoubleNat),
        Failure::NotAuthorized(_) => Refusal::Denied("it is not allowed".to_owned()),
        Failure::NoResources(_) => Refusal::Denied("it has no room for more".to_owned()),
        Failure::UserExceededQuota(_) => {
            Refusal::Denied("this computer has as many ports as it may".to_owned())
        }
        failure => Refusal::Denied(failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::is_pcp;

    #[test]
    fn only_answers_of_pcp_count() {
        assert!(is_pcp(&[2, 0x80, 0, 0, 0]));
        assert!(is_pcp(&[2, 0x80, 0, 4, 0]), "an operation it does not know");
        assert!(!is_pcp(&[0, 0x80, 0, 1, 0]), "NAT-PMP");
        assert!(!is_pcp(&[2, 0x80, 0, 1, 0]), "another version");
        assert!(!is_pcp(&[2, 0, 0, 0]), "what we sent");
        assert!(!is_pcp(&[]));
    }
}
