//! Invites: one line that carries every way to reach a host.
//!
//! `mixdesk://join?name=Lighting+review&lan=192.168.0.48&vpn=10.147.17.5&net=203.0.113.17:41000&room=Shot+12&v=1`
//!
//! | key | what it says |
//! |---|---|
//! | `name` | what the session is called |
//! | `lan`, `vpn`, `net` | a route: a host, with its port where that is not 12800. Any number of each, the best first |
//! | `room` | the room to join, where the invite is to one |
//! | `v` | the version of this form. It stands last: what comes after it is no more of the invite |
//!
//! Other keys are for later and are passed over. Chat programs and mail do all sorts of things to such a line;
//! `read.rs` sees through them, and `typed.rs` through whatever else is pasted where a host belongs.
//!
//! Invariant: nothing here asks or sends anything, and whatever the text, nothing here panics or keeps more than
//! the bounds below.

mod escape;
mod read;
mod scan;
#[cfg(test)]
mod tests;
mod typed;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::{Address, AddressKind};
use crate::net::Target;
use crate::protocol::DEFAULT_PORT;

use escape::{put_host, put_text};
pub use typed::{Typed, TypedError, understand};

/// The version that is written.
const VERSION: u32 = 1;
/// Longest session name, in characters.
pub const SESSION_CHARS: usize = 64;
/// Longest room name, in bytes: a relay has none that are longer.
const ROOM_BYTES: usize = 255;
/// Routes of one invite.
pub(in crate::reach) const MAX_ROUTES: usize = 12;
/// Routes of one kind in an invite to this computer: it is to fit into a line of a chat.
const OF_A_KIND: usize = 2;

/// Every way to reach a session, as told to a colleague. Its text is the invite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// What the session is called; empty when it has no name. At most [`SESSION_CHARS`] are told.
    pub session: String,
    /// The room to join, if the invite is to one.
    pub room: Option<String>,
    /// The ways there, the best first. At most 12 are told.
    pub routes: Vec<Route>,
}

/// One way to reach a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Through which sort of network.
    pub kind: RouteKind,
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// Through which sort of network a route leads, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteKind {
    /// The same local network.
    Lan,
    /// The same virtual private network.
    Vpn,
    /// The internet.
    Internet,
}

impl RouteKind {
    const ALL: [Self; 3] = [Self::Lan, Self::Vpn, Self::Internet];

    fn key(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Vpn => "vpn",
            Self::Internet => "net",
        }
    }

    fn of(address: &Address) -> Option<Self> {
        // Unique local addresses (RFC 4193) are for one site.
        let of_one_site = |ip| matches!(ip, IpAddr::V6(ip) if ip.is_unique_local());
        match address.kind {
            kind if !kind.for_colleagues() => None,
            AddressKind::Vpn(_) => Some(Self::Vpn),
            AddressKind::Internet => Some(Self::Internet),
            AddressKind::Ipv6 if !of_one_site(address.ip) => Some(Self::Internet),
            _ => Some(Self::Lan),
        }
    }
}

impl Route {
    /// What to connect to.
    #[must_use]
    pub fn target(&self) -> Target {
        Target {
            host: self.host.clone(),
            port: self.port,
        }
    }
}

impl Invite {
    /// An invite to this computer: its `addresses`, best first, where a relay listens on `port`, and the
    /// address that it has `outside` of its router. The best of each kind, so that it fits into a line.
    #[must_use]
    pub fn here(
        session: &str,
        addresses: &[Address],
        port: u16,
        outside: Option<SocketAddr>,
    ) -> Self {
        let route = |kind, ip: IpAddr, port| Route {
            kind,
            host: ip.to_string(),
            port,
        };
        let outside = outside.map(|at| route(RouteKind::Internet, at.ip(), at.port()));
        // Mixer in Blender knows IPv4 only, so IPv6 is for want of anything else.
        let any_ipv4 = addresses
            .iter()
            .any(|address| address.ip.is_ipv4() && address.kind.for_colleagues());
        let ours = addresses
            .iter()
            .filter(|address| address.ip.is_ipv4() || !any_ipv4)
            .filter_map(|address| Some(route(RouteKind::of(address)?, address.ip, port)))
            .filter(|ours| outside.as_ref() != Some(ours));
        let all: Vec<_> = outside.iter().cloned().chain(ours).collect();
        let mut routes: Vec<Route> = Vec::new();
        for kind in RouteKind::ALL {
            let of_kind = all.iter().filter(|route| route.kind == kind);
            routes.extend(of_kind.take(OF_A_KIND).cloned());
        }
        Self {
            session: tidy_name(session),
            room: None,
            routes,
        }
    }

    /// The same, to one room.
    #[must_use]
    pub fn for_room(&self, room: &str) -> Self {
        Self {
            room: Some(room.to_owned()),
            ..self.clone()
        }
    }

    /// Where to try to connect, the best first.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        self.routes.iter().map(Route::target).collect()
    }
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mixdesk://join?")?;
        let session = tidy_name(&self.session);
        if !session.is_empty() {
            f.write_str("name=")?;
            put_text(f, &session)?;
            f.write_str("&")?;
        }
        for route in self.routes.iter().take(MAX_ROUTES) {
            write!(f, "{}=", route.kind.key())?;
            if route.port == DEFAULT_PORT {
                put_host(f, &route.host)?;
            } else {
                put_host(f, &route.target().to_string())?;
            }
            f.write_str("&")?;
        }
        if let Some(room) = self.room.as_deref().and_then(room_name) {
            f.write_str("room=")?;
            put_text(f, room)?;
            f.write_str("&")?;
        }
        write!(f, "v={VERSION}")
    }
}

/// A session's name as it may stand on a screen: no control characters, and no more than fits.
fn tidy_name(name: &str) -> String {
    let seen: String = name.chars().filter(|c| !c.is_control()).collect();
    let cut: String = seen.trim().chars().take(SESSION_CHARS).collect();
    cut.trim_end().to_owned()
}

/// A room's name, which has to be exactly that, or none.
fn room_name(name: &str) -> Option<&str> {
    (!name.is_empty() && name.len() <= ROOM_BYTES).then_some(name)
}
