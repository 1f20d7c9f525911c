//! The gate behind a lock, with the bells that ring when something about it changes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::attempts::Failed;
use super::gate::{Gate, Moment, Ticket, Verdict};
use super::guests::{Guests, Origin};
use super::limits::Limits;

/// Where people come in.
#[derive(Debug)]
pub(super) struct Door {
    /// Short and never held across an await. Taken under the hub's lock, never the other way round.
    gate: Mutex<Gate>,
    /// Rings when who waits, what the host has decided, or the failed attempts have changed.
    news: watch::Sender<u64>,
    /// Rings when the host has decided something: those who wait look whether it was about them.
    decisions: watch::Sender<u64>,
}

/// A connection that was accepted, and what is to become of it.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) address: SocketAddr,
    pub(super) entry: Entry,
    /// The log does not tell of it.
    pub(super) quiet: bool,
}

/// What is to become of a connection.
#[derive(Debug)]
pub(super) enum Entry {
    Enter(Stay),
    Wait(Stay, Place),
    Refuse(Failed, Farewell),
}

impl Door {
    pub(super) fn new(limits: &Limits, guests: Guests) -> Self {
        Self {
            gate: Mutex::new(Gate::new(limits, guests, Moment::now().steady)),
            news: watch::Sender::new(0),
            decisions: watch::Sender::new(0),
        }
    }

    /// Somebody connects. `None` when it is to be closed without a word.
    pub(super) fn knock(self: &Arc<Self>, address: SocketAddr) -> Option<Visit> {
        let (ip, now) = (address.ip(), Moment::now());
        let (verdict, lines) = self.gate.lock().knock(ip, now);
        if lines.skipped > 0 {
            tracing::warn!(%ip, "{} connections from there were not written down", lines.skipped);
        }
        let stay = || Stay {
            door: Arc::clone(self),
            origin: ip.into(),
        };
        let entry = match verdict {
            Verdict::Enter => Entry::Enter(stay()),
            Verdict::Wait(ticket) => {
                let door = Arc::clone(self);
                Entry::Wait(stay(), Place { door, ticket })
            }
            Verdict::Refuse(why) => {
                ring(&self.news);
                if !lines.quiet {
                    tracing::warn!(%address, "{why}");
                }
                Entry::Refuse(why, self.farewell(ip)?)
            }
        };
        Some(Visit {
            address,
            entry,
            quiet: lines.quiet,
        })
    }

    /// A place among those who are told why they are turned away, if there is one.
    pub(super) fn farewell(self: &Arc<Self>, ip: IpAddr) -> Option<Farewell> {
        let (door, origin) = (Arc::clone(self), Origin::from(ip));
        let free = self
            .gate
            .lock()
            .begin_farewell(origin, Moment::now().steady);
        // One that is made and dropped would give back a place that it never had.
        free.then(|| Farewell { door, origin })
    }

    /// Why somebody from there may not be here, if so.
    pub(super) fn exclusion(&self, ip: IpAddr) -> Option<Failed> {
        self.gate.lock().exclusion(ip.into(), Moment::now())
    }

    /// An attempt has failed.
    pub(super) fn record(&self, ip: IpAddr, why: Failed) {
        let now = Moment::now();
        self.gate.lock().record(ip, why, now.calendar);
        ring(&self.news);
    }

    /// Looks something up.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Gate, Moment) -> T) -> T {
        look(&self.gate.lock(), Moment::now())
    }

    /// Carries out what the host has decided.
    pub(super) fn decide<T>(&self, decide: impl FnOnce(&mut Gate, Moment) -> T) -> T {
        let decided = decide(&mut self.gate.lock(), Moment::now());
        ring(&self.decisions);
        ring(&self.news);
        decided
    }

    /// Rings when who waits, what the host has decided, or the failed attempts have changed.
    pub(super) fn bell(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}

fn ring(bell: &watch::Sender<u64>) {
    bell.send_modify(|rings| *rings += 1);
}

/// A connection counts for its address until this is dropped.
#[derive(Debug)]
pub(super) struct Stay {
    door: Arc<Door>,
    origin: Origin,
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.door.gate.lock().left(self.origin);
    }
}

/// One waits for the host until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    door: Arc<Door>,
    ticket: Ticket,
}

impl Place {
    /// Shows the one who waits to the host.
    pub(super) fn show(&self) {
        self.door.gate.lock().show(self.ticket);
        ring(&self.door.news);
    }

    /// Waits until the host has said something: that it may enter, or why not. Cancel safe.
    pub(super) async fn answer(&self) -> Result<(), Failed> {
        let mut bell = self.door.decisions.subscribe();
        loop {
            let answer = self.door.look(|gate, now| gate.answer(self.ticket, now));
            if let Some(answer) = answer {
                return answer;
            }
            // The door is there as long as we hold it, so this cannot fail.
            bell.changed().await.unwrap_or_default();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.gate.lock().stop_waiting(self.ticket);
        ring(&self.door.news);
    }
}

/// One is told why it is turned away until this is dropped.
#[derive(Debug)]
pub(super) struct Farewell {
    door: Arc<Door>,
    origin: Origin,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.door.gate.lock().end_farewell(self.origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beyond those whom there is time for.
    #[test]
    fn who_is_closed_without_a_word_is_an_attempt_too() {
        let ip = IpAddr::from([192, 0, 2, 1]);
        let door = Arc::new(Door::new(&Limits::default(), Guests::default()));
        door.decide(|gate, now| gate.ban(ip.into(), None, "", now))
            .unwrap();
        let visits: Vec<_> = (0..20).map(|port| door.knock((ip, port).into())).collect();
        assert_eq!(visits.iter().flatten().count(), 8);
        let attempts = door.look(|gate, _| gate.attempts());
        assert_eq!(attempts.len(), 1);
        assert_eq!(attempts[0].count, 20);
    }
}
