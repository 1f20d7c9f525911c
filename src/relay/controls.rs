//! What the host does about people: who is here, who waits, who may not come.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::watch;

use super::attempts::{Attempt, verdict};
use super::ending::Ending;
use super::gate::{Gate, GuestError, Waiting};
use super::guests::{Ban, Guests, Origin};
use super::hub::Hub;
use super::serve::Relay;
use super::state::Peer;
use crate::protocol::attribute;

/// Longest reason that somebody is told, in characters.
const REASON_CHARS: usize = 200;

/// Somebody who is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What the relay calls it, and what [`Relay::kick`] takes: `address:port`.
    pub client_id: String,
    /// From where.
    pub address: IpAddr,
    /// What it calls itself, if it has said so. Anybody may choose any name.
    pub name: Option<String>,
    /// The room that it is in or on its way into.
    pub room: Option<String>,
}

impl Relay {
    /// Who is connected, who came first first. Those who wait to be let in are not.
    #[must_use]
    pub fn people(&self) -> Vec<Person> {
        self.hub.people()
    }

    /// Removes somebody: it is told why, gets what is ready for it within a second, and is
    /// disconnected. The others see it go at once. `false` when nobody is called that.
    pub fn kick(&self, client_id: &str, reason: &str) -> bool {
        let ending = Ending::Host(verdict("removed", &short(reason)));
        self.hub.end(|peer| peer.client_id == client_id, &ending) > 0
    }

    /// Bans an address, for so long or for good, and removes all who are connected from there; returns
    /// how many. Whoever is banned is told the reason. An address that is banned already is banned
    /// anew. For IPv6, see [`Origin`].
    ///
    /// # Errors
    /// When it is this computer, or there are too many bans.
    pub fn ban(
        &self,
        address: impl Into<Origin>,
        time: Option<Duration>,
        reason: &str,
    ) -> Result<usize, GuestError> {
        let (origin, reason) = (address.into(), short(reason));
        let ban = self
            .hub
            .door
            .decide(|gate, now| gate.ban(origin, time, &reason, now));
        ban.inspect(|()| tracing::info!(%origin, ?time, reason, "banned"))?;
        // After the ban: whoever is let in meanwhile is here by now, and all others see the ban.
        let ending = Ending::Host(verdict("banned", &reason));
        Ok(self
            .hub
            .end(|peer| Origin::from(peer.ip) == origin, &ending))
    }

    /// Takes a ban back. `false` when there was none.
    pub fn unban(&self, address: impl Into<Origin>) -> bool {
        let origin = address.into();
        self.hub.door.decide(|gate, now| gate.unban(origin, now))
    }

    /// The bans that hold now.
    #[must_use]
    pub fn bans(&self) -> Vec<Ban> {
        self.guests().bans
    }

    /// Whether a new address waits until the host lets it in. When that begins, the addresses of those
    /// who are served count as allowed: not of those who have said nothing yet, or are being removed. When it
    /// ends, all who wait are let in.
    pub fn ask_before_connecting(&self, ask: bool) {
        let here = self.hub.served();
        self.hub.door.decide(|gate, _| gate.ask(ask, here));
    }

    /// Whether a new address has to wait until the host lets it in.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.hub.door.look(|gate, _| gate.asks())
    }

    /// Who waits to be let in, who came first first; one entry an address.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        self.hub.door.look(Gate::waiting)
    }

    /// Lets all in who wait at an address, and all who come from there later.
    ///
    /// # Errors
    /// When the address is banned, or too many are allowed.
    pub fn allow(&self, address: impl Into<Origin>) -> Result<(), GuestError> {
        let origin = address.into();
        self.hub.door.decide(|gate, now| gate.allow(origin, now))
    }

    /// Turns all away who wait at an address, and for five minutes all who come from there. An
    /// allowance is taken back; who is connected stays.
    pub fn deny(&self, address: impl Into<Origin>) {
        let origin = address.into();
        self.hub.door.decide(|gate, now| gate.deny(origin, now));
    }

    /// The last attempts that failed, oldest first: at most 200, and 20 of one address. The same again
    /// is counted.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.hub.door.look(|gate, _| gate.attempts())
    }

    /// What the host has decided about who may connect, to be kept and given to
    /// [`Bound::start`](super::Bound::start) the next time.
    #[must_use]
    pub fn guests(&self) -> Guests {
        self.hub.door.look(Gate::guests)
    }

    /// Changes whenever [`waiting`](Self::waiting), [`guests`](Self::guests) or
    /// [`attempts`](Self::attempts) do; who is connected is in the session's lists. The number itself
    /// means nothing.
    #[must_use]
    pub fn guests_bell(&self) -> watch::Receiver<u64> {
        self.hub.door.bell()
    }
}

impl Hub {
    fn people(&self) -> Vec<Person> {
        let state = self.state.lock();
        let person = |peer: &Peer| Person {
            client_id: peer.client_id.clone(),
            address: peer.ip,
            name: peer.attributes.text(attribute::USER_NAME),
            room: peer.room.clone(),
        };
        state.peers.values().map(person).collect()
    }

    /// From where those come who have said something and are not being removed.
    fn served(&self) -> BTreeSet<Origin> {
        let state = self.state.lock();
        let peers = state.peers.values();
        let served = peers.filter(|peer| peer.end.is_some() && peer.card.flowed().0 > 0);
        served.map(|peer| peer.ip.into()).collect()
    }

    /// Ends connections; returns how many.
    pub(super) fn end(&self, which: impl Fn(&Peer) -> bool, ending: &Ending) -> usize {
        let mut state = self.state.lock();
        let peers = state.peers.values_mut().filter(|peer| which(peer));
        peers
            .map(|peer| usize::from(peer.end(ending.clone())))
            .sum()
    }
}

fn short(reason: &str) -> String {
    reason.trim().chars().take(REASON_CHARS).collect()
}
