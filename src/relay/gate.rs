//! Who may connect: rules without sockets and clocks.
//!
//! In this order: a pace a second, bans, what the host said no to, connections of one address, and
//! whether the host is to be asked. This computer is the host's own, and none of these is for it.
//! Nothing here grows with the number of addresses that somebody can use: every table has a bound.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use thiserror::Error;

use super::attempts::{Attempt, Attempts, Failed};
use super::guests::{Ban, Guests, Origin};
use super::limits::{LOG_LINES, Limits};
use super::pace::Pace;

/// Connections that wait for the host, in all.
const WAITING: usize = 256;
/// Connections of one origin that wait for the host.
const WAITING_OF_ONE: usize = 8;
/// How long a no of the host holds, so that a program that tries again by itself does not ask again
/// and again.
const DENIED: Duration = Duration::from_secs(5 * 60);
/// Origins that are remembered without a connection from there. When there are more, those that owe
/// nothing are forgotten, and if need be all.
const IDLE_ORIGINS: usize = 8192;
/// Bans, allowed addresses, and addresses that the host said no to: of each no more than these.
const DECISIONS: usize = 4096;
/// Connections that are told at the same time why they are turned away; others are closed without a
/// word, as each costs a socket for as long as it listens.
const FAREWELLS: usize = 64;
/// The same of one origin.
const FAREWELLS_OF_ONE: usize = 8;
/// Connections of one origin are written down at this pace once there were [`LOG_LINES`] …
const LINE_EVERY: Duration = Duration::from_secs(10);
/// … and those of all origins at this one …
const LINES_A_SECOND: u32 = 20;
/// … once there were so many: a log is to be read, and must fit on the disk.
const LINES_AT_ONCE: u32 = 10 * LOG_LINES;

/// A moment by two clocks: one that only goes forward, for how long something takes; the other's days
/// and hours are for people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) steady: Instant,
    pub(super) calendar: SystemTime,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self {
            steady: Instant::now(),
            calendar: SystemTime::now(),
        }
    }
}

/// Why something that the host asks for is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GuestError {
    /// Nobody bans this computer.
    #[error("this computer cannot be banned: it is the host's own")]
    ThisComputer,
    /// It is banned.
    #[error("{0} is banned: take the ban back first")]
    Banned(Origin),
    /// There are as many decisions of this sort as are kept.
    #[error("there are {DECISIONS} of these already: take one back first")]
    TooMany,
}

/// Somebody who waits for the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// From where.
    pub address: IpAddr,
    /// Since when.
    pub since: SystemTime,
    /// Connections from there that wait: the rest of them came later.
    pub connections: usize,
}

/// A place among those who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// What becomes of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is served.
    Enter,
    /// It waits until there is an [`answer`](Gate::answer).
    Wait(Ticket),
    /// It is turned away.
    Refuse(Failed),
}

/// What the log says of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    /// Nothing: there are too many.
    pub(super) quiet: bool,
    /// So many before it were not written down.
    pub(super) skipped: u64,
}

#[derive(Debug)]
struct Waiter {
    address: IpAddr,
    since: SystemTime,
    /// It has said something that a Mixer would say: worth the host's attention.
    shown: bool,
    denied: bool,
}

/// What is known of an origin.
#[derive(Debug)]
struct Visits {
    /// Connections that are served or wait.
    open: usize,
    /// Connections that are being told why they are turned away.
    farewells: usize,
    pace: Pace,
    lines: Pace,
    /// Connections that were not written down since the last that was.
    skipped: u64,
}

impl Visits {
    fn is_idle(&self) -> bool {
        self.open == 0 && self.farewells == 0
    }
}

/// Who may connect.
#[derive(Debug)]
pub(super) struct Gate {
    limits: Limits,
    ask: bool,
    allowed: BTreeSet<Origin>,
    bans: BTreeMap<Origin, Ban>,
    /// What the host said no to, and until when that holds.
    denied: BTreeMap<Origin, Instant>,
    visits: HashMap<Origin, Visits>,
    farewells: usize,
    waiting: BTreeMap<Ticket, Waiter>,
    next_ticket: Ticket,
    lines: Pace,
    attempts: Attempts,
}

impl Gate {
    pub(super) fn new(limits: &Limits, guests: Guests, now: Instant) -> Self {
        let bans = guests.bans.into_iter().map(|ban| (ban.address, ban));
        Self {
            limits: limits.clone(),
            ask: guests.ask,
            allowed: guests.allowed.into_iter().take(DECISIONS).collect(),
            bans: bans.take(DECISIONS).collect(),
            denied: BTreeMap::new(),
            visits: HashMap::new(),
            farewells: 0,
            waiting: BTreeMap::new(),
            next_ticket: Ticket(0),
            lines: Pace::new(LINES_A_SECOND, LINES_AT_ONCE, now),
            attempts: Attempts::default(),
        }
    }

    /// Somebody connects. Unless it is refused, [`left`](Self::left) is due when its connection ends.
    pub(super) fn knock(&mut self, address: IpAddr, now: Moment) -> (Verdict, Lines) {
        let origin = Origin::from(address);
        let lines = self.note(origin, now.steady);
        let verdict = self.judge(origin, address, now);
        match &verdict {
            Verdict::Refuse(why) => self.record(address, why.clone(), now.calendar),
            Verdict::Enter | Verdict::Wait(_) => self.visits(origin, now.steady).open += 1,
        }
        (verdict, lines)
    }

    fn judge(&mut self, origin: Origin, address: IpAddr, now: Moment) -> Verdict {
        if self.limits.spares(origin) {
            return Verdict::Enter;
        }
        let most = self.limits.connections_per_address;
        let visits = self.visits(origin, now.steady);
        let (taken, open) = (visits.pace.take(now.steady), visits.open);
        if taken.is_err() {
            return Verdict::Refuse(Failed::TooFast(self.limits.connects_a_second));
        }
        if let Some(why) = self.exclusion(origin, now) {
            return Verdict::Refuse(why);
        }
        if open >= most {
            return Verdict::Refuse(Failed::TooMany(open));
        }
        if !self.ask || self.allowed.contains(&origin) {
            return Verdict::Enter;
        }
        let of_one = |waiter: &&Waiter| Origin::from(waiter.address) == origin;
        if self.waiting.len() >= WAITING
            || self.waiting.values().filter(of_one).count() >= WAITING_OF_ONE
        {
            return Verdict::Refuse(Failed::Crowded);
        }
        let ticket = self.next_ticket;
        self.next_ticket.0 += 1;
        let waiter = Waiter {
            address,
            since: now.calendar,
            shown: false,
            denied: false,
        };
        self.waiting.insert(ticket, waiter);
        Verdict::Wait(ticket)
    }

    /// Why somebody from there may not be here, if so.
    pub(super) fn exclusion(&self, origin: Origin, now: Moment) -> Option<Failed> {
        if self.limits.spares(origin) {
            return None;
        }
        if let Some(ban) = self.ban_of(origin, now) {
            return Some(Failed::Banned(ban.reason.clone()));
        }
        let denied = self.denied.get(&origin);
        denied
            .is_some_and(|until| *until > now.steady)
            .then_some(Failed::Denied)
    }

    fn ban_of(&self, origin: Origin, now: Moment) -> Option<&Ban> {
        let ban = self.bans.get(&origin);
        ban.filter(|ban| !ban.is_over(now.calendar))
    }

    /// Whether a connection is to be written down.
    fn note(&mut self, origin: Origin, now: Instant) -> Lines {
        // Those of one origin that are not written down take nothing of what there is for all.
        let written =
            self.visits(origin, now).lines.take(now).is_ok() && self.lines.take(now).is_ok();
        let visits = self.visits(origin, now);
        if !written {
            visits.skipped += 1;
            return Lines {
                quiet: true,
                skipped: 0,
            };
        }
        Lines {
            quiet: false,
            skipped: std::mem::take(&mut visits.skipped),
        }
    }

    fn visits(&mut self, origin: Origin, now: Instant) -> &mut Visits {
        if self.visits.len() >= IDLE_ORIGINS && !self.visits.contains_key(&origin) {
            self.visits
                .retain(|_, visits| !visits.is_idle() || !visits.pace.is_rested(now));
            if self.visits.len() >= IDLE_ORIGINS {
                self.visits.retain(|_, visits| !visits.is_idle());
            }
        }
        // All that may be connected at the same time may also come back at the same time.
        let at_once = u32::try_from(self.limits.connections_per_address).unwrap_or(u32::MAX);
        self.visits.entry(origin).or_insert_with(|| Visits {
            open: 0,
            farewells: 0,
            pace: Pace::new(self.limits.connects_a_second, at_once, now),
            lines: Pace::every(LINE_EVERY, LOG_LINES, now),
            skipped: 0,
        })
    }

    /// A connection that was let in or waited has ended.
    pub(super) fn left(&mut self, origin: Origin) {
        if let Some(visits) = self.visits.get_mut(&origin) {
            visits.open = visits.open.saturating_sub(1);
        }
    }

    /// Takes a place among those who are told why they are turned away; `false` when there is none.
    pub(super) fn begin_farewell(&mut self, origin: Origin, now: Instant) -> bool {
        let all = self.farewells;
        let visits = self.visits(origin, now);
        let free = all < FAREWELLS && visits.farewells < FAREWELLS_OF_ONE;
        if free {
            visits.farewells += 1;
            self.farewells += 1;
        }
        free
    }

    pub(super) fn end_farewell(&mut self, origin: Origin) {
        if let Some(visits) = self.visits.get_mut(&origin) {
            visits.farewells = visits.farewells.saturating_sub(1);
        }
        self.farewells = self.farewells.saturating_sub(1);
    }

    /// One who waits is to be shown to the host.
    pub(super) fn show(&mut self, ticket: Ticket) {
        if let Some(waiter) = self.waiting.get_mut(&ticket) {
            waiter.shown = true;
        }
    }

    /// Whether one who waits may enter, or why not; `None` until the host has said something.
    pub(super) fn answer(&self, ticket: Ticket, now: Moment) -> Option<Result<(), Failed>> {
        let waiter = self.waiting.get(&ticket)?;
        let origin = Origin::from(waiter.address);
        if let Some(why) = self.exclusion(origin, now) {
            return Some(Err(why));
        }
        if waiter.denied {
            return Some(Err(Failed::Denied));
        }
        (!self.ask || self.allowed.contains(&origin)).then_some(Ok(()))
    }

    /// One waits no longer.
    pub(super) fn stop_waiting(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    /// Who waits for the host, who came first first; one entry an origin.
    pub(super) fn waiting(&self, now: Moment) -> Vec<Waiting> {
        let mut list: Vec<Waiting> = Vec::new();
        for (ticket, waiter) in &self.waiting {
            if !waiter.shown || self.answer(*ticket, now).is_some() {
                continue;
            }
            let origin = Origin::from(waiter.address);
            let same = |other: &&mut Waiting| Origin::from(other.address) == origin;
            match list.iter_mut().find(same) {
                Some(other) => other.connections += 1,
                None => list.push(Waiting {
                    address: waiter.address,
                    since: waiter.since,
                    connections: 1,
                }),
            }
        }
        list
    }

    /// Whether new addresses wait. When that begins, those who are `here` are not new.
    pub(super) fn ask(&mut self, ask: bool, here: impl IntoIterator<Item = Origin>) {
        if ask && !self.ask {
            for origin in here {
                if !self.limits.spares(origin) && self.allowed.len() < DECISIONS {
                    self.allowed.insert(origin);
                }
            }
        }
        self.ask = ask;
    }

    /// Lets an origin in, now and later.
    ///
    /// # Errors
    /// When it is banned, or too many are allowed already.
    pub(super) fn allow(&mut self, origin: Origin, now: Moment) -> Result<(), GuestError> {
        if self.ban_of(origin, now).is_some() {
            return Err(GuestError::Banned(origin));
        }
        if self.allowed.len() >= DECISIONS && !self.allowed.contains(&origin) {
            return Err(GuestError::TooMany);
        }
        self.denied.remove(&origin);
        self.allowed.insert(origin);
        Ok(())
    }

    /// Says no to an origin: to all who wait from there, and for [`DENIED`] to all who come. Takes back
    /// what was allowed before.
    pub(super) fn deny(&mut self, origin: Origin, now: Moment) {
        self.allowed.remove(&origin);
        if self.limits.spares(origin) {
            return;
        }
        for waiter in self.waiting.values_mut() {
            waiter.denied |= Origin::from(waiter.address) == origin;
        }
        if self.denied.len() >= DECISIONS {
            self.denied.retain(|_, until| *until > now.steady);
        }
        if self.denied.len() >= DECISIONS {
            self.denied.pop_first();
        }
        if let Some(until) = now.steady.checked_add(DENIED) {
            self.denied.insert(origin, until);
        }
    }

    /// Bans an origin: for so long, or for good.
    ///
    /// # Errors
    /// When it is this computer, or there are too many bans.
    pub(super) fn ban(
        &mut self,
        origin: Origin,
        time: Option<Duration>,
        reason: &str,
        now: Moment,
    ) -> Result<(), GuestError> {
        if self.limits.spares(origin) {
            return Err(GuestError::ThisComputer);
        }
        if self.bans.len() >= DECISIONS {
            self.bans.retain(|_, ban| !ban.is_over(now.calendar));
        }
        if self.bans.len() >= DECISIONS && !self.bans.contains_key(&origin) {
            return Err(GuestError::TooMany);
        }
        self.allowed.remove(&origin);
        let ban = Ban {
            address: origin,
            // What lasts longer than the calendar lasts for good.
            until: time.and_then(|time| now.calendar.checked_add(time)),
            reason: reason.to_owned(),
        };
        self.bans.insert(origin, ban);
        Ok(())
    }

    /// Takes a ban back. `false` when there was none.
    pub(super) fn unban(&mut self, origin: Origin, now: Moment) -> bool {
        let ban = self.bans.remove(&origin);
        ban.is_some_and(|ban| !ban.is_over(now.calendar))
    }

    /// Whether a new address has to wait for the host.
    pub(super) fn asks(&self) -> bool {
        self.ask
    }

    /// What the host has decided, to be kept.
    pub(super) fn guests(&self, now: Moment) -> Guests {
        let bans = self.bans.values().filter(|ban| !ban.is_over(now.calendar));
        Guests {
            ask: self.ask,
            allowed: self.allowed.clone(),
            bans: bans.cloned().collect(),
        }
    }

    /// An attempt has failed.
    pub(super) fn record(&mut self, address: IpAddr, why: Failed, at: SystemTime) {
        self.attempts.record(address, why, at);
    }

    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.attempts.list()
    }
}

/// How much is remembered, for tests.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Sizes {
    pub(super) origins: usize,
    pub(super) waiting: usize,
    pub(super) decisions: usize,
}

#[cfg(test)]
impl Gate {
    pub(super) fn sizes(&self) -> Sizes {
        Sizes {
            origins: self.visits.len(),
            waiting: self.waiting.len(),
            decisions: self.allowed.len() + self.bans.len() + self.denied.len(),
        }
    }

    pub(super) fn open_from(&self, origin: Origin) -> usize {
        self.visits.get(&origin).map_or(0, |visits| visits.open)
    }
}
