//! NAT-PMP, RFC 6886.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::natpmp::{self, Failure};
use crab_nat::{InternetProtocol, PortMappingOptions, TimeoutConfig};

use super::router::Router;
use super::state::Shared;
use super::way::{Grant, Refusal, Request};

/// When a question is sent again: after 0.25, 0.75 and 1.75 s. The crate's own times reach 14 s; the end is seen to by
/// who asks.
const QUESTION: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_millis(250),
    max_retries: 8,
    max_retry_timeout: Some(Duration::from_secs(1)),
};

/// When a wish is sent again: after 1 s, once. miniupnpd works through all ports, for many seconds, each time that it
/// is asked for one that its rules forbid.
pub(super) const WISH: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_secs(1),
    max_retries: 1,
    max_retry_timeout: None,
};

/// A router that speaks NAT-PMP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way(Router);

impl Way {
    /// Waits until the router answers to NAT-PMP. Changes nothing there.
    pub(super) async fn probe(router: Router) -> Option<Self> {
        match natpmp::external_address(router.gateway.into(), Some(QUESTION)).await {
            // Without an outside address it answers all the same, and says why when it is asked to map.
            Ok(_) | Err(Failure::NetworkFailure | Failure::NotAuthorized) => Some(Self(router)),
            Err(error) => {
                tracing::debug!(%error, "No NAT-PMP");
                None
            }
        }
    }

    pub(super) async fn open(&self, request: &Request) -> Result<Grant, Refusal> {
        let gateway = self.0.gateway.into();
        // First, so that nothing is mapped that leads nowhere.
        let ip = natpmp::external_address(gateway, Some(QUESTION))
            .await
            .map_err(|failure| refusal(&failure))?;
        let options = PortMappingOptions {
            external_port: Some(port(request.outside_port)?),
            lifetime_seconds: Some(u32::try_from(request.lease.as_secs()).unwrap_or(u32::MAX)),
            timeout_config: Some(WISH),
        };
        let inside = port(request.inside.port())?;
        let mapping = natpmp::port_mapping(gateway, InternetProtocol::Tcp, inside, options)
            .await
            .map_err(|failure| refusal(&failure))?;
        Ok(Grant {
            port: mapping.external_port().get(),
            ip: IpAddr::V4(ip),
            lease: lasting(mapping.lifetime()),
            epoch: Some(mapping.gateway_epoch()),
        })
    }

    pub(super) async fn close(&self, request: &Request) -> bool {
        let Ok(inside) = port(request.inside.port()) else {
            return false;
        };
        let gateway = self.0.gateway.into();
        let tcp = InternetProtocol::Tcp;
        let closed = natpmp::try_drop_mapping(gateway, tcp, Some(inside), Some(WISH)).await;
        if let Err(error) = &closed {
            tracing::debug!(%error, "The mapping was not removed by NAT-PMP");
        }
        closed.is_ok()
    }
}

/// A port as it stands in requests. Port 0 would mean all of them.
pub(super) fn port(port: u16) -> Result<NonZeroU16, Refusal> {
    NonZeroU16::new(port).ok_or_else(|| Refusal::Denied("port 0 is none".to_owned()))
}

/// How long a mapping of so many seconds lasts.
pub(super) fn lasting(seconds: u32) -> Option<Duration> {
    (seconds != u32::MAX).then(|| Duration::from_secs(u64::from(seconds)))
}

fn refusal(failure: &Failure) -> Refusal {
    match failure {
        Failure::Timeout | Failure::Socket(_) => Refusal::Silent,
        Failure::NetworkFailure => Refusal::Shared(Shared::Untold),
        Failure::NotAuthorized => Refusal::Denied("it is not allowed".to_owned()),
        Failure::OutOfResources => Refusal::Denied("it has no room for more".to_owned()),
        failure => Refusal::Denied(failure.to_string()),
    }
}
