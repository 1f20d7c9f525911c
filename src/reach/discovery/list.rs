//! What is listed: one entry a host, whether it answers, and when it is asked again. Time is an argument.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use super::record::Heard;
use super::{Answer, Found};

/// Entries listed at most: more than any studio has, few enough to look through.
const ENTRIES: usize = 128;
/// Entries of one address: somebody who tries things out, not somebody who fills the list.
const ENTRIES_OF_ONE: usize = 8;
/// A host that answers is asked again after this long. Its relay sees each of these connections.
const AGAIN: Duration = Duration::from_secs(60);
/// One that was silent is asked again sooner, as often as this …
const AGAIN_SOON_TIMES: u32 = 3;
/// … after this long: it may have been busy, or a cable was out.
const AGAIN_SOON: Duration = Duration::from_secs(10);
/// After so many silences in a row the network is asked whether the host is still there.
const DOUBTED_AFTER: u32 = 2;

/// The hosts that are known, by full name in lower case.
#[derive(Debug, Default)]
pub(super) struct List {
    entries: BTreeMap<String, Entry>,
    /// Somebody was left out for want of a place.
    is_overfull: bool,
}

#[derive(Debug)]
struct Entry {
    heard: Heard,
    /// Best first, with the port; never empty.
    addresses: Vec<SocketAddr>,
    since: SystemTime,
    answer: Answer,
    /// Silences in a row.
    silences: u32,
    /// When to connect to it; `None` while that is being done, and for our own.
    check_at: Option<Instant>,
    /// Known from before the daemon was started anew, and not heard of since.
    is_old: bool,
}

/// A host to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) id: String,
    pub(super) addresses: Vec<SocketAddr>,
}

impl List {
    /// A host was heard of. `addresses` are those that can be reached, best first; with none it is not listed.
    pub(super) fn heard(
        &mut self,
        heard: Heard,
        addresses: Vec<SocketAddr>,
        now: Instant,
        time: SystemTime,
    ) {
        let id = heard.fullname.to_lowercase();
        let Some(first) = addresses.first().map(SocketAddr::ip) else {
            self.entries.remove(&id);
            return;
        };
        let check_at = (!heard.is_ours).then_some(now);
        let Some(entry) = self.entries.get_mut(&id) else {
            if !self.has_place_for(first) {
                self.is_overfull = true;
                return;
            }
            let entry = Entry {
                heard,
                addresses,
                since: time,
                answer: Answer::Unknown,
                silences: 0,
                check_at,
                is_old: false,
            };
            self.entries.insert(id, entry);
            return;
        };
        // Addresses are heard of one after the other, and the best need not be the first.
        let is_bettered = match entry.answer {
            Answer::Answers(answered) => addresses
                .iter()
                .take_while(|address| **address != answered)
                .any(|better| !entry.addresses.contains(better)),
            Answer::Unknown | Answer::Silent => false,
        };
        let is_moved = match entry.answer {
            Answer::Answers(address) => !addresses.contains(&address),
            Answer::Unknown | Answer::Silent => addresses != entry.addresses,
        };
        entry.heard = heard;
        entry.addresses = addresses;
        entry.is_old = false;
        if check_at.is_none() {
            (entry.answer, entry.check_at) = (Answer::Unknown, None);
        } else if is_moved {
            entry.answer = Answer::Unknown;
            entry.silences = 0;
            // What is under way tells about other addresses; its end asks again.
            if entry.check_at.is_some() {
                entry.check_at = check_at;
            }
        } else if is_bettered && entry.check_at.is_some() {
            entry.check_at = check_at;
        }
    }

    /// A host has said goodbye, or was not heard of for long.
    pub(super) fn gone(&mut self, fullname: &str) {
        self.entries.remove(&fullname.to_lowercase());
    }

    /// A host that is to be connected to now. Its answer is to be told by [`answered`](Self::answered).
    pub(super) fn due(&mut self, now: Instant) -> Option<Check> {
        let due = |entry: &Entry| entry.check_at.is_some_and(|at| at <= now);
        let (id, entry) = self.entries.iter_mut().find(|(_, entry)| due(entry))?;
        entry.check_at = None;
        Some(Check {
            id: id.clone(),
            addresses: entry.addresses.clone(),
        })
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.entries
            .values()
            .filter_map(|entry| entry.check_at)
            .min()
    }

    /// All are due, because somebody wants to know.
    pub(super) fn check_all(&mut self, now: Instant) {
        for entry in self.entries.values_mut() {
            if entry.check_at.is_some() {
                entry.check_at = Some(now);
            }
        }
    }

    /// A check has ended, with the address that answered if one did. Returns the full name to ask the network about
    /// when the host has been silent for so long that it may be gone.
    #[must_use]
    pub(super) fn answered(
        &mut self,
        check: &Check,
        answer: Option<SocketAddr>,
        now: Instant,
    ) -> Option<String> {
        let entry = self.entries.get_mut(&check.id)?;
        if entry.heard.is_ours || entry.check_at.is_some() {
            // Another of this name, which came while the first was asked.
            return None;
        }
        if let Some(address) = answer.filter(|address| entry.addresses.contains(address)) {
            entry.answer = Answer::Answers(address);
            entry.silences = 0;
            let best_was_asked = entry
                .addresses
                .first()
                .is_none_or(|best| check.addresses.contains(best));
            entry.check_at = Some(if best_was_asked { now + AGAIN } else { now });
            return None;
        }
        if entry.addresses != check.addresses {
            entry.check_at = Some(now);
            return None;
        }
        if entry.is_old {
            self.entries.remove(&check.id);
            return None;
        }
        entry.answer = Answer::Silent;
        entry.silences = entry.silences.saturating_add(1);
        let wait = if entry.silences <= AGAIN_SOON_TIMES {
            AGAIN_SOON
        } else {
            AGAIN
        };
        entry.check_at = Some(now + wait);
        (entry.silences >= DOUBTED_AFTER).then(|| entry.heard.fullname.clone())
    }

    /// The daemon was started anew: who has answered has to be heard of again or to answer once more, and all others
    /// have to come again.
    pub(super) fn start_anew(&mut self, now: Instant) {
        self.entries
            .retain(|_, entry| matches!(entry.answer, Answer::Answers(_)));
        for entry in self.entries.values_mut() {
            entry.is_old = true;
        }
        self.is_overfull = false;
        self.check_all(now);
    }

    /// Whether somebody was left out.
    pub(super) fn is_overfull(&self) -> bool {
        self.is_overfull
    }

    /// Whether somebody was left out, and there is place now. Says so once.
    #[must_use]
    pub(super) fn takes_more(&mut self) -> bool {
        let takes_more = self.is_overfull && self.entries.len() < ENTRIES;
        self.is_overfull &= !takes_more;
        takes_more
    }

    /// What is shown, those known longest first.
    pub(super) fn found(&self) -> Vec<Found> {
        let mut found: Vec<Found> = self
            .entries
            .iter()
            .map(|(id, entry)| Found {
                id: id.clone(),
                name: entry.heard.name.clone(),
                addresses: entry.addresses.clone(),
                version: entry.heard.version.clone(),
                rooms: entry.heard.rooms,
                people: entry.heard.people,
                asks: entry.heard.asks,
                is_ours: entry.heard.is_ours,
                since: entry.since,
                answer: entry.answer,
            })
            .collect();
        found.sort_by_key(|found| found.since);
        found
    }

    /// Whether one more may be listed; makes place where that costs only somebody who does not answer.
    fn has_place_for(&mut self, first: IpAddr) -> bool {
        let same = |entry: &&Entry| entry.addresses.iter().any(|other| other.ip() == first);
        if self.entries.values().filter(same).count() >= ENTRIES_OF_ONE {
            return false;
        }
        if self.entries.len() < ENTRIES {
            return true;
        }
        let silent = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.answer == Answer::Silent)
            .max_by_key(|(_, entry)| entry.silences)
            .map(|(id, _)| id.clone());
        silent.is_some_and(|id| self.entries.remove(&id).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn heard(name: &str) -> Heard {
        Heard {
            fullname: super::super::record::fullname(name),
            name: name.to_owned(),
            version: String::new(),
            rooms: Some(0),
            people: Some(0),
            asks: false,
            is_ours: false,
            port: 12800,
            addresses: Vec::new(),
        }
    }

    fn address(n: u8) -> SocketAddr {
        ([10, 0, 0, n], 12800).into()
    }

    struct Scene {
        list: List,
        now: Instant,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                list: List::default(),
                now: Instant::now(),
            }
        }

        fn hear(&mut self, name: &str, addresses: &[u8]) {
            let addresses = addresses.iter().map(|&n| address(n)).collect();
            self.list
                .heard(heard(name), addresses, self.now, SystemTime::UNIX_EPOCH);
        }

        fn answer(&self) -> Answer {
            self.list.found()[0].answer
        }

        /// Ends the check that is due with an answer, or none.
        fn check(&mut self, answer: Option<u8>) -> Option<String> {
            let check = self.list.due(self.now).unwrap();
            assert_eq!(self.list.due(self.now), None, "only once");
            self.list.answered(&check, answer.map(address), self.now)
        }
    }

    #[test]
    fn several_addresses_are_one_entry_and_are_asked_once() {
        let mut scene = Scene::new();
        scene.hear("a", &[1]);
        assert_eq!(scene.answer(), Answer::Unknown);
        assert_eq!(scene.check(Some(1)), None);
        scene.hear("a", &[1, 2]);
        scene.hear("A", &[2, 1]);
        assert_eq!(scene.list.found().len(), 1);
        assert_eq!(scene.list.found()[0].addresses, [address(2), address(1)]);
        assert_eq!(scene.answer(), Answer::Answers(address(1)));
        assert_eq!(scene.list.due(scene.now), None);
        // It has moved.
        scene.hear("a", &[3]);
        assert_eq!(scene.answer(), Answer::Unknown);
        assert!(scene.list.due(scene.now).is_some());
    }

    #[test]
    fn a_better_address_that_is_heard_of_later_is_tried_at_once() {
        let mut scene = Scene::new();
        scene.hear("a", &[9]);
        assert_eq!(scene.check(Some(9)), None);
        scene.hear("a", &[1, 9]);
        assert_eq!(scene.answer(), Answer::Answers(address(9)), "it still does");
        assert_eq!(scene.check(Some(1)), None);
        assert_eq!(scene.answer(), Answer::Answers(address(1)));
        assert_eq!(scene.list.due(scene.now), None);
        // The same while it is asked.
        scene.hear("b", &[9]);
        let check = scene.list.due(scene.now).unwrap();
        scene.hear("b", &[1, 9]);
        assert_eq!(
            scene.list.answered(&check, Some(address(9)), scene.now),
            None
        );
        assert_eq!(scene.check(Some(1)), None);
        assert_eq!(scene.list.due(scene.now), None);
    }

    #[test]
    fn an_answer_about_other_addresses_than_now_is_asked_for_again() {
        let mut scene = Scene::new();
        scene.hear("a", &[1]);
        let check = scene.list.due(scene.now).unwrap();
        scene.hear("a", &[2]);
        assert_eq!(scene.list.answered(&check, None, scene.now), None);
        assert_eq!(scene.answer(), Answer::Unknown);
        let check = scene.list.due(scene.now).unwrap();
        assert_eq!(check.addresses, [address(2)]);
        // Gone, and another of that name came, meanwhile.
        scene.list.gone(&record_name("A"));
        scene.hear("a", &[2]);
        assert_eq!(scene.list.answered(&check, None, scene.now), None);
        assert_eq!(scene.answer(), Answer::Unknown);
    }

    fn record_name(name: &str) -> String {
        super::super::record::fullname(name)
    }

    #[test]
    fn who_is_silent_is_asked_again_and_then_doubted() {
        let mut scene = Scene::new();
        scene.hear("a", &[1]);
        assert_eq!(scene.check(None), None);
        assert_eq!(scene.answer(), Answer::Silent);
        assert_eq!(scene.list.due(scene.now), None);
        assert_eq!(scene.list.next_due(), Some(scene.now + AGAIN_SOON));
        scene.now += AGAIN_SOON;
        assert_eq!(scene.check(None), Some(record_name("a")));
        scene.now += AGAIN_SOON;
        assert_eq!(scene.check(Some(1)), None);
        assert_eq!(scene.answer(), Answer::Answers(address(1)));
        assert_eq!(scene.list.next_due(), Some(scene.now + AGAIN));
        scene.now += SECOND;
        scene.list.check_all(scene.now);
        assert_eq!(scene.check(None), None);
        assert_eq!(scene.answer(), Answer::Silent);
    }

    #[test]
    fn our_own_is_known_and_not_connected_to() {
        let mut scene = Scene::new();
        let ours = Heard {
            is_ours: true,
            ..heard("a")
        };
        scene
            .list
            .heard(ours, vec![address(1)], scene.now, SystemTime::UNIX_EPOCH);
        assert!(scene.list.found()[0].is_ours);
        scene.list.check_all(scene.now);
        assert_eq!(scene.list.due(scene.now), None);
        scene.list.start_anew(scene.now);
        assert_eq!(scene.list.found(), []);
    }

    #[test]
    fn who_cannot_be_reached_is_not_listed() {
        let mut scene = Scene::new();
        scene.hear("a", &[]);
        assert_eq!(scene.list.found(), []);
        scene.hear("a", &[1]);
        scene.hear("a", &[]);
        assert_eq!(scene.list.found(), []);
    }

    #[test]
    fn a_flood_fills_the_list_and_no_more() {
        let mut scene = Scene::new();
        for n in 0..100 {
            scene.hear(&format!("one {n}"), &[1]);
        }
        assert_eq!(scene.list.found().len(), ENTRIES_OF_ONE);
        for n in 0..10_000_u32 {
            scene.hear(&format!("{n}"), &[2 + (n % 250) as u8]);
        }
        assert_eq!(scene.list.found().len(), ENTRIES);
        assert!(!scene.list.takes_more());
        // Who is silent makes place for others.
        for _ in 0..2 * ENTRIES {
            if let Some(check) = scene.list.due(scene.now) {
                let _doubted = scene.list.answered(&check, None, scene.now);
            }
        }
        scene.hear("honest", &[254]);
        assert_eq!(scene.list.found().len(), ENTRIES);
        assert!(
            scene
                .list
                .found()
                .iter()
                .any(|found| found.name == "honest")
        );
        assert!(!scene.list.takes_more());
        scene.list.gone(&record_name("honest"));
        assert!(scene.list.takes_more());
        assert!(!scene.list.takes_more());
    }

    #[test]
    fn after_a_new_start_only_who_answers_or_is_heard_of_stays() {
        let mut scene = Scene::new();
        for (name, n) in [("answers", 1), ("heard", 2), ("neither", 3)] {
            scene.hear(name, &[n]);
            assert_eq!(scene.check(Some(n)), None);
        }
        scene.list.start_anew(scene.now);
        scene.hear("heard", &[2]);
        while let Some(check) = scene.list.due(scene.now) {
            let answer = check.addresses.contains(&address(1)).then(|| address(1));
            assert_eq!(scene.list.answered(&check, answer, scene.now), None);
        }
        let names: Vec<_> = scene.list.found().into_iter().map(|f| f.name).collect();
        assert_eq!(names, ["answers", "heard"]);
    }
}
