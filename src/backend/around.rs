//! From what is around to what the window paints.

use std::net::{IpAddr, SocketAddr};

use super::doctor;
use super::examination::{Finding, Verdict};
use super::reaching::{Address, ByHand, Internet, Nearby, NearbyHost, PublicAddress, Share};
use super::settings::DEFAULT_PORT;
use super::surroundings::{Public, Surroundings};
use super::view::Failure;
use crate::reach::{self, Answer, Found, MappingState, mapping};

/// The sessions on this network.
pub(super) fn nearby(surroundings: &Surroundings) -> Nearby {
    match surroundings.sessions() {
        Ok(found) => Nearby {
            hosts: found.iter().filter_map(host).collect(),
            off: surroundings.unannounced().map(str::to_owned),
        },
        Err(why) => Nearby {
            hosts: Vec::new(),
            off: Some(why.to_owned()),
        },
    }
}

fn host(found: &Found) -> Option<NearbyHost> {
    Some(NearbyHost {
        id: found.id.clone(),
        name: found.name.clone(),
        address: as_typed(found.best()?),
        rooms: found.rooms,
        people: found.people,
        version: found.version.clone(),
        asks: found.asks,
        since: found.since,
        silent: found.answer == Answer::Silent,
        is_ours: found.is_ours,
    })
}

/// What to tell colleagues while we host on `port`.
pub(super) fn share(surroundings: &Surroundings, session: String, port: u16) -> Share {
    let addresses = surroundings.addresses().iter();
    let invite = surroundings.invite();
    Share {
        session,
        port,
        addresses: addresses.map(address).collect(),
        internet: internet(surroundings.mapping()),
        public: public(surroundings.public(), port),
        invite: invite.map_or_else(String::new, |invite| invite.to_string()),
    }
}

fn address(address: &reach::Address) -> Address {
    Address {
        ip: address.ip,
        label: address.kind.label(),
        for_colleagues: address.kind.for_colleagues(),
    }
}

fn internet(state: Option<MappingState>) -> Internet {
    let state = match state {
        None => return Internet::Off,
        Some(MappingState::Asking) => return Internet::Asking,
        Some(state) => state,
    };
    match state.outside() {
        Some(outside) => Internet::Open {
            // With its port always: it may be another than ours.
            address: outside.to_string(),
            what: match state {
                MappingState::Direct(_) => "This computer is on the internet itself",
                _ => "The router lets people in from the internet",
            }
            .to_owned(),
            advice: state.advice(),
        },
        None => Internet::Blocked {
            what: state.words(),
            advice: state.advice().unwrap_or_default(),
            by_hand: state.by_hand().map(by_hand),
        },
    }
}

fn by_hand(by_hand: mapping::ByHand) -> ByHand {
    ByHand {
        protocol: "TCP",
        outside: by_hand.outside,
        inside: by_hand.inside.ip().to_string(),
        port: by_hand.inside.port(),
    }
}

fn public(public: Public, port: u16) -> PublicAddress {
    match public {
        Public::NotAsked => PublicAddress::NotAsked,
        Public::Asking => PublicAddress::Asking,
        Public::Known(ip) => PublicAddress::Known {
            address: as_typed(SocketAddr::new(ip, port)),
        },
        Public::Unknown(what, advice) => PublicAddress::Unknown(Failure { what, advice }),
    }
}

/// What a check of the connection has found.
pub(super) fn finding(found: doctor::Finding) -> Finding {
    let mut check = found.check.to_owned();
    if let Some(first) = check.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Finding {
        verdict: found.verdict,
        check,
        what: found.what,
        // What is good needs no reason.
        why: if found.verdict == Verdict::Good {
            String::new()
        } else {
            found.why
        },
        fix: found.fix,
        command: found.command,
    }
}

/// An address as a colleague types it: with the port only where it must be told.
#[must_use]
pub fn as_typed(at: SocketAddr) -> String {
    let has_zone = matches!(at, SocketAddr::V6(at) if at.scope_id() != 0);
    match at.ip() {
        IpAddr::V4(ip) if at.port() == DEFAULT_PORT => ip.to_string(),
        IpAddr::V6(ip) if at.port() == DEFAULT_PORT && !has_zone => ip.to_string(),
        _ => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_told_where_it_must_be() {
        for (at, typed) in [
            ("192.168.0.48:12800", "192.168.0.48"),
            ("192.168.0.48:13000", "192.168.0.48:13000"),
            ("192.168.0.48:12900", "192.168.0.48:12900"),
            ("[::1]:12900", "[::1]:12900"),
            ("[2001:db8::1]:12800", "2001:db8::1"),
            ("[2001:db8::1]:1", "[2001:db8::1]:1"),
            ("[fe80::1%3]:12800", "[fe80::1%3]:12800"),
        ] {
            assert_eq!(as_typed(at.parse().unwrap()), typed);
        }
    }
}
