//! What has become of a mapping, in words that a person can act on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The protocol by which a router can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MappedBy {
    /// Port Control Protocol, RFC 6887.
    Pcp,
    /// NAT Port Mapping Protocol, RFC 6886.
    NatPmp,
    /// UPnP Internet Gateway Device.
    Upnp,
}

impl MappedBy {
    /// All of them. Which one is used is decided by who answers first.
    pub const ALL: [Self; 3] = [Self::Pcp, Self::NatPmp, Self::Upnp];
}

impl fmt::Display for MappedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pcp => "PCP",
            Self::NatPmp => "NAT-PMP",
            Self::Upnp => "UPnP",
        })
    }
}

/// What a person types into the router when it cannot be asked: TCP from `outside` to `inside`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByHand {
    /// Where the router's own pages are, as a rule.
    pub router: Option<Ipv4Addr>,
    /// The port that the internet sees.
    pub outside: u16,
    /// This computer's address in its LAN, and the port that Mixdesk listens on.
    pub inside: SocketAddrV4,
}

impl fmt::Display for ByHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TCP, port {} → {}", self.outside, self.inside)?;
        match self.router {
            Some(router) => write!(f, " (the router's pages are mostly at http://{router})"),
            None => Ok(()),
        }
    }
}

/// Why an outside address does not lead here from the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// The provider shares one public address among customers (RFC 6598).
    CarrierGrade,
    /// Another router stands between this one and the internet, at home or at the provider.
    DoubleNat,
    /// The router tells no outside address: it is not connected, or knows that it shares one.
    Untold,
}

impl Shared {
    /// What an address says that a router calls its outside; `None` when it is one that the internet can reach.
    #[must_use]
    pub fn of(outside: IpAddr) -> Option<Self> {
        let IpAddr::V4(ip) = outside.to_canonical() else {
            return None;
        };
        let [a, b, c, _] = ip.octets();
        // 192.0.0.0/24: what a router has inside of DS-Lite (RFC 6333).
        if (a == 100 && (64..128).contains(&b)) || (a, b, c) == (192, 0, 0) {
            Some(Self::CarrierGrade)
        } else if ip.is_private() {
            Some(Self::DoubleNat)
        } else if a == 0 || a >= 224 || ip.is_loopback() || ip.is_link_local() {
            Some(Self::Untold)
        } else {
            None
        }
    }
}

/// Why there is no router that lets people in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRouter {
    /// None answers to any of the protocols.
    Silent(ByHand),
    /// This computer has only IPv6 addresses, for which no router is asked.
    OnlyIpv6 {
        /// The port that Mixdesk listens on.
        port: u16,
    },
    /// Mixdesk listens on one address only, and it is not the one that a router could lead people to.
    Elsewhere {
        /// Where it listens.
        only: IpAddr,
        /// Where people would come in.
        ours: Ipv4Addr,
    },
}

/// A port of the router that leads here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Where people in the internet connect to.
    pub outside: SocketAddr,
    /// Where that leads to in this LAN.
    pub inside: SocketAddrV4,
    /// The outside port that was asked for. The router may have given another.
    pub asked: u16,
    /// By which protocol.
    pub by: MappedBy,
    /// How long the router keeps it without being asked again; `None`: until it is removed.
    pub lease: Option<Duration>,
    /// It was there already, from a Mixdesk that did not end in order, and is used again.
    pub is_reused: bool,
    /// How many times it had to be made anew, as a router that restarts forgets.
    pub remapped: u32,
}

/// What has become of the wish that people from the internet can connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappingState {
    /// The router is being asked.
    Asking,
    /// A port of the router leads here.
    Mapped(Mapped),
    /// This computer has a public address, and no router has to be asked.
    Direct(SocketAddr),
    /// This computer has no network with a router.
    NoNetwork,
    /// No router lets people in, because of this.
    NoRouter(NoRouter),
    /// The outside port leads to another machine already.
    Taken {
        /// Which, if the router tells.
        holder: Option<IpAddr>,
        /// What could be typed in by hand.
        by_hand: ByHand,
    },
    /// The router answers, and does not do it.
    Refused {
        /// By which protocol it answered last.
        by: MappedBy,
        /// What it said, as a part of a sentence.
        said: String,
        /// What could be typed in by hand.
        by_hand: ByHand,
    },
    /// What the router has outside is not an address that the internet can reach.
    SharedAddress {
        /// What it has outside, if it tells.
        outside: Option<IpAddr>,
        /// Why that is of no use.
        kind: Shared,
    },
    /// The mapping has been removed.
    Stopped,
}

impl MappingState {
    /// Where people in the internet can connect to, if they can.
    #[must_use]
    pub fn outside(&self) -> Option<SocketAddr> {
        match self {
            Self::Mapped(mapped) => Some(mapped.outside),
            Self::Direct(outside) => Some(*outside),
            _ => None,
        }
    }

    /// What could be typed into the router by hand, where that would help.
    #[must_use]
    pub fn by_hand(&self) -> Option<ByHand> {
        match self {
            Self::NoRouter(NoRouter::Silent(by_hand))
            | Self::Taken { by_hand, .. }
            | Self::Refused { by_hand, .. } => Some(*by_hand),
            _ => None,
        }
    }

    /// What has happened, as a sentence.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Asking => "The router is being asked to let people in.".to_owned(),
            Self::Mapped(mapped) => {
                let other = if mapped.outside.port() == mapped.asked {
                    String::new()
                } else {
                    format!(" It gave this port, as {} was not to be had.", mapped.asked)
                };
                format!(
                    "People from the internet reach you at {}: the router let them in by {}.{other}",
                    mapped.outside, mapped.by
                )
            }
            Self::Direct(outside) => format!(
                "This computer has a public address of its own: people from the internet reach you at {outside}."
            ),
            Self::NoNetwork => "This computer is in no network that has a router.".to_owned(),
            Self::NoRouter(why) => no_router_words(*why),
            Self::Taken { holder, by_hand } => match holder {
                Some(holder) => format!(
                    "Port {} of the router leads to another machine already, {holder}.",
                    by_hand.outside
                ),
                None => format!(
                    "Port {} of the router leads to another machine already.",
                    by_hand.outside
                ),
            },
            Self::Refused { by, said, .. } => {
                format!("The router does not let Mixdesk open a port. It answered by {by}: {said}.")
            }
            Self::SharedAddress { outside, kind } => shared_words(*outside, *kind),
            Self::Stopped => "People from the internet are not let in.".to_owned(),
        }
    }

    /// What to do about it, as a sentence; `None` when there is nothing to do.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Asking | Self::Mapped(_) | Self::Stopped => None,
            Self::Direct(_) => Some(
                "If nobody gets through, a firewall keeps them out: let TCP in on that port.".to_owned(),
            ),
            Self::NoNetwork => Some("Connect this computer to your network, by cable or Wi-Fi.".to_owned()),
            Self::NoRouter(why) => Some(no_router_advice(*why)),
            Self::Taken { .. } => Some(
                "Choose another port here and tell your colleagues its number, or remove that port forwarding in \
                 the router."
                    .to_owned(),
            ),
            Self::Refused { by_hand, .. } => Some(format!(
                "Allow this computer to open ports in the router's settings, or type the port forwarding in by hand: \
                 {by_hand}."
            )),
            Self::SharedAddress { kind, .. } => Some(shared_advice(*kind).to_owned()),
        }
    }
}

fn no_router_words(why: NoRouter) -> String {
    match why {
        NoRouter::Silent(_) => {
            "No router answers to UPnP, NAT-PMP or PCP, by which a port could be opened.".to_owned()
        }
        NoRouter::OnlyIpv6 { .. } => {
            "This computer has only IPv6 addresses, and a router is asked to let people in only for IPv4.".to_owned()
        }
        NoRouter::Elsewhere { only, ours } => format!(
            "Mixdesk listens on {only} only: people from the internet could come in only at {ours}."
        ),
    }
}

fn no_router_advice(why: NoRouter) -> String {
    match why {
        NoRouter::Silent(by_hand) => format!(
            "Switch UPnP or NAT-PMP on in the router, or type the port forwarding into it by hand: {by_hand}."
        ),
        NoRouter::OnlyIpv6 { port } => format!(
            "Let TCP port {port} in to this computer in the router's firewall: people who have IPv6 too then reach you. \
             For all others use a VPN, or let somebody else host."
        ),
        NoRouter::Elsewhere { ours, .. } => {
            format!("If they are to come in, listen on all addresses, or on {ours}.")
        }
    }
}

fn shared_words(outside: Option<IpAddr>, kind: Shared) -> String {
    let called = outside.map_or_else(String::new, |ip| format!(" ({ip})"));
    match kind {
        Shared::CarrierGrade => {
            format!(
                "Your provider shares one address among customers{called}: nobody can reach you from the internet."
            )
        }
        Shared::DoubleNat => format!(
            "Your router stands behind another router{called}: nobody can reach you from the internet through this one \
             alone."
        ),
        Shared::Untold => format!(
            "The router has no public address of its own{called}: it is not connected to the internet, or your provider \
             shares one address among customers."
        ),
    }
}

fn shared_advice(kind: Shared) -> &'static str {
    match kind {
        Shared::CarrierGrade => {
            "Use a VPN, or let somebody else host. Some providers give a public address when asked."
        }
        Shared::DoubleNat => {
            "Use a VPN, or let somebody else host. If the other router is yours too, forward the port in it to this \
             one, or make one of them a plain access point."
        }
        Shared::Untold => {
            "Check that the router is online. If it is, use a VPN, or let somebody else host."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_addresses_that_lead_nowhere_are_told_apart() {
        for (ip, kind) in [
            ("203.0.113.2", None),
            ("11.9.9.9", None),
            ("100.63.255.255", None),
            ("100.64.0.2", Some(Shared::CarrierGrade)),
            ("100.127.255.255", Some(Shared::CarrierGrade)),
            ("100.128.0.0", None),
            ("192.0.0.2", Some(Shared::CarrierGrade)),
            ("10.1.2.3", Some(Shared::DoubleNat)),
            ("172.16.0.1", Some(Shared::DoubleNat)),
            ("192.168.1.2", Some(Shared::DoubleNat)),
            ("::ffff:192.168.1.2", Some(Shared::DoubleNat)),
            ("0.0.0.0", Some(Shared::Untold)),
            ("169.254.1.1", Some(Shared::Untold)),
            ("255.255.255.255", Some(Shared::Untold)),
            ("2001:db8::1", None),
        ] {
            assert_eq!(Shared::of(ip.parse().unwrap()), kind, "{ip}");
        }
    }

    #[test]
    fn each_outcome_has_a_sentence_and_those_with_a_next_step_tell_it() {
        let by_hand = ByHand {
            router: Some(Ipv4Addr::new(192, 168, 0, 1)),
            outside: 12800,
            inside: "192.168.0.48:12801".parse().unwrap(),
        };
        let mapped = Mapped {
            outside: "203.0.113.2:12803".parse().unwrap(),
            inside: by_hand.inside,
            asked: 12800,
            by: MappedBy::NatPmp,
            lease: None,
            is_reused: false,
            remapped: 0,
        };
        let states = [
            (MappingState::Asking, false),
            (MappingState::Mapped(mapped), false),
            (MappingState::Stopped, false),
            (
                MappingState::Direct("203.0.113.2:12800".parse().unwrap()),
                true,
            ),
            (MappingState::NoNetwork, true),
            (MappingState::NoRouter(NoRouter::Silent(by_hand)), true),
            (
                MappingState::NoRouter(NoRouter::OnlyIpv6 { port: 12800 }),
                true,
            ),
            (
                MappingState::NoRouter(NoRouter::Elsewhere {
                    only: "127.0.0.1".parse().unwrap(),
                    ours: *by_hand.inside.ip(),
                }),
                true,
            ),
            (
                MappingState::Taken {
                    holder: Some("192.168.0.9".parse().unwrap()),
                    by_hand,
                },
                true,
            ),
            (
                MappingState::Refused {
                    by: MappedBy::Upnp,
                    said: "it is not allowed".to_owned(),
                    by_hand,
                },
                true,
            ),
            (
                MappingState::SharedAddress {
                    outside: Some("100.64.1.2".parse().unwrap()),
                    kind: Shared::CarrierGrade,
                },
                true,
            ),
        ];
        for (state, has_advice) in states {
            let words = state.words();
            assert!(words.ends_with('.') && !words.contains(".."), "{words}");
            assert_eq!(state.advice().is_some(), has_advice, "{words}");
            assert!(state.advice().is_none_or(|advice| advice.ends_with('.')));
        }
        let advice = MappingState::NoRouter(NoRouter::Silent(by_hand))
            .advice()
            .unwrap();
        assert!(
            advice.contains("TCP, port 12800 → 192.168.0.48:12801"),
            "{advice}"
        );
    }
}
