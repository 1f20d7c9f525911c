//! One protocol to a router that has answered to it, and what asking can lead to.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::state::{MappedBy, Shared};
use super::{nat_pmp, pcp, upnp};

/// What is wanted of a router.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Where the port shall lead to.
    pub(super) inside: SocketAddrV4,
    /// The outside port to ask for.
    pub(super) outside_port: u16,
    /// How long it shall stay when it is not asked for again.
    pub(super) lease: Duration,
    /// What people read in the router's list.
    pub(super) description: String,
    /// By which a PCP router knows its own again (RFC 6887, 11.1).
    pub(super) nonce: [u32; 3],
}

/// What a router has granted.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// The port outside.
    pub(super) port: u16,
    /// The address outside, as the router knows it.
    pub(super) ip: IpAddr,
    /// How long; `None`: for good.
    pub(super) lease: Option<Duration>,
    /// The router's clock in seconds since it started, if it tells.
    pub(super) epoch: Option<u32>,
}

/// Why a router has not granted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No answer came in time.
    Silent,
    /// The port leads to another machine: which, if it tells.
    Taken(Option<IpAddr>),
    /// It said no, in these words.
    Denied(String),
    /// It is itself not reachable from the internet.
    Shared(Shared),
}

impl Refusal {
    /// How much a refusal tells of what is wrong, against those of other protocols.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Silent => 0,
            Self::Denied(_) => 1,
            Self::Shared(_) => 2,
            Self::Taken(_) => 3,
        }
    }
}

/// A protocol that a router answers to.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// PCP.
    Pcp(pcp::Way),
    /// NAT-PMP.
    NatPmp(nat_pmp::Way),
    /// UPnP, the largest of them by far.
    Upnp(Box<upnp::Way>),
}

impl Way {
    pub(super) fn by(&self) -> MappedBy {
        match self {
            Self::Pcp(_) => MappedBy::Pcp,
            Self::NatPmp(_) => MappedBy::NatPmp,
            Self::Upnp(_) => MappedBy::Upnp,
        }
    }

    /// Asks for the mapping, or to keep it when it is there already. Takes no longer than the patience.
    pub(super) async fn open(
        &self,
        request: &Request,
        patience: Duration,
    ) -> Result<Grant, Refusal> {
        let asking = async {
            match self {
                Self::Pcp(way) => way.open(request).await,
                Self::NatPmp(way) => way.open(request).await,
                Self::Upnp(way) => way.open(request).await,
            }
        };
        tokio::time::timeout(patience, asking)
            .await
            .unwrap_or(Err(Refusal::Silent))
    }

    /// Whether the mapping stands, and with which outside address. `None`: only asking for it again tells.
    pub(super) async fn look(
        &self,
        request: &Request,
        granted: &Grant,
        patience: Duration,
    ) -> Option<Result<Look, Refusal>> {
        match self {
            Self::Pcp(_) | Self::NatPmp(_) => None,
            Self::Upnp(way) => tokio::time::timeout(patience, way.look(request, granted.port))
                .await
                .unwrap_or(Some(Err(Refusal::Silent))),
        }
    }

    /// Removes the mapping; whether the router said that it is gone.
    pub(super) async fn close(&self, request: &Request, port: u16, patience: Duration) -> bool {
        let closing = async {
            match self {
                Self::Pcp(way) => way.close(request).await,
                Self::NatPmp(way) => way.close(request).await,
                Self::Upnp(way) => way.close(port).await,
            }
        };
        tokio::time::timeout(patience, closing)
            .await
            .unwrap_or(false)
    }

    /// Removes a mapping of an address that this computer had before, where the protocol has a way to.
    pub(super) async fn close_of(&self, inside: Ipv4Addr, port: u16, patience: Duration) -> bool {
        match self {
            // The address that asks is the one that is meant.
            Self::Pcp(_) | Self::NatPmp(_) => false,
            Self::Upnp(way) => tokio::time::timeout(patience, way.close_of(inside, port))
                .await
                .unwrap_or(false),
        }
    }
}

/// What a look has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The mapping is there, and the router has this address outside.
    Stands(IpAddr),
    /// It is not.
    Gone,
}
