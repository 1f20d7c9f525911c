//! What a room's history may be after the relay was killed, judged by what its members sent and saw.

use std::collections::HashMap;

use crate::common::client::Got;
use crate::common::history::{history, is_kept, replaces};

/// One room between two starts of the program.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    /// The history at the start.
    pub(super) before: Vec<Got>,
    /// What each member has sent, or begun to.
    pub(super) sent: Vec<Vec<Got>>,
    /// What a member got that sent nothing: the order of all commands.
    pub(super) observed: Vec<Got>,
    /// What each of the others got, which is all but its own.
    pub(super) received: Vec<Vec<Got>>,
}

/// How much of what somebody knows must be in the history.
#[derive(Clone, Copy, PartialEq)]
enum Must {
    /// All that is kept.
    All,
    /// Whatever comes before something that is in it.
    Prefix,
}

/// Where each command is in a history.
struct Places<'a> {
    history: &'a [Got],
    of: HashMap<u32, usize>,
}

/// A command, short enough for a sentence.
fn shown(got: &Got) -> String {
    format!("{} (kind {})", got.id, got.kind)
}

impl Round {
    /// Whether `restored` is a history that this room may have afterwards.
    ///
    /// # Errors
    /// A sentence about the first thing that is wrong.
    pub(super) fn check(&self, restored: &[Got]) -> Result<(), String> {
        let places = self.places(restored)?;
        if history(restored).len() != restored.len() {
            return Err("commands that belong together were not merged".into());
        }
        self.check_order(restored)?;
        for (number, sent) in self.sent.iter().enumerate() {
            places
                .check(sent, Must::Prefix)
                .map_err(|wrong| format!("of what sender {number} sent: {wrong}"))?;
        }
        for (number, received) in self.received.iter().enumerate() {
            places
                .check(received, Must::All)
                .map_err(|wrong| format!("of what sender {number} received: {wrong}"))?;
        }
        Ok(())
    }

    /// Nothing altered, made up, doubled, or never to be kept.
    fn places<'a>(&self, restored: &'a [Got]) -> Result<Places<'a>, String> {
        let known: HashMap<u32, &Got> = self
            .before
            .iter()
            .chain(self.sent.iter().flatten())
            .map(|got| (got.id, got))
            .collect();
        let mut of = HashMap::new();
        for (place, got) in restored.iter().enumerate() {
            if known.get(&got.id) != Some(&got) {
                return Err(format!("{} was altered or made up", shown(got)));
            }
            if !is_kept(got) {
                return Err(format!("{} is not to be kept", shown(got)));
            }
            if of.insert(got.id, place).is_some() {
                return Err(format!("{} is there twice", shown(got)));
            }
        }
        Ok(Places {
            history: restored,
            of,
        })
    }

    /// What was observed has its place, exactly as it was observed; only the last may have been
    /// replaced by something that came later.
    fn check_order(&self, restored: &[Got]) -> Result<(), String> {
        let seen = history(self.before.iter().chain(&self.observed));
        let Some((last, rest)) = seen.split_last() else {
            return Ok(());
        };
        for (place, (expected, there)) in rest.iter().zip(restored).enumerate() {
            if *expected != there {
                return Err(format!(
                    "{} is at {place}, where {} was seen",
                    shown(there),
                    shown(expected)
                ));
            }
        }
        match restored.get(rest.len()) {
            Some(there) if there == *last || replaces(there, last) => Ok(()),
            Some(there) => Err(format!(
                "{} follows at the end of what was seen, not {}",
                shown(there),
                shown(last)
            )),
            None => Err(format!(
                "{} of {} entries that were seen are there",
                restored.len(),
                seen.len()
            )),
        }
    }
}

impl Places<'_> {
    /// `view` is in the order of the history, and what is missing of it was replaced by something
    /// that is in the history at its place.
    fn check(&self, view: &[Got], must: Must) -> Result<(), String> {
        let mut from = 0;
        let mut missing: Vec<&Got> = Vec::new();
        for got in view.iter().filter(|got| is_kept(got)) {
            let Some(&place) = self.of.get(&got.id) else {
                missing.push(got);
                continue;
            };
            if place < from {
                return Err(format!("{} is too early", shown(got)));
            }
            self.check_replaced(&missing, from, place + 1)?;
            missing.clear();
            from = place + 1;
        }
        if must == Must::All {
            self.check_replaced(&missing, from, self.history.len())?;
        }
        Ok(())
    }

    fn check_replaced(&self, missing: &[&Got], from: usize, end: usize) -> Result<(), String> {
        let there = &self.history[from..end];
        let lost = missing
            .iter()
            .find(|got| !there.iter().any(|new| replaces(new, got)));
        match lost {
            Some(got) => Err(format!("{} is lost", shown(got))),
            None => Ok(()),
        }
    }
}

mod tests {
    use super::super::{about, command};
    use super::*;

    /// Two senders, A with even ids and B with odd ones, and all that came of it.
    fn round() -> (Round, Vec<Got>) {
        let order = [
            command(140, 10, b""),
            about(201, 11, "Cube"),
            about(201, 12, "Cube"),
            command(205, 13, b""),
            about(201, 14, "Lamp"),
            about(202, 15, "Lamp"),
            command(140, 17, b""),
            command(140, 16, b"rest"),
            about(201, 18, "Cube"),
            about(201, 19, "Cube"),
            about(201, 20, "Cube"),
        ];
        let of = |odd: u32| -> Vec<Got> {
            let of_one = |got: &&Got| got.id % 2 == odd;
            order.iter().filter(of_one).cloned().collect()
        };
        let before = vec![command(140, 1, b"scene"), about(201, 2, "Cube")];
        let restored = history(before.iter().chain(&order))
            .into_iter()
            .cloned()
            .collect();
        let round = Round {
            before,
            sent: vec![of(0), of(1)],
            observed: order[..8].to_vec(),
            received: vec![of(1)[..4].to_vec(), of(0)[..4].to_vec()],
        };
        (round, restored)
    }

    fn wrong(round: &Round, restored: &[Got]) -> String {
        round.check(restored).unwrap_err()
    }

    #[test]
    fn what_may_be_is_let_through() {
        let (round, restored) = round();
        let ids: Vec<u32> = restored.iter().map(|got| got.id).collect();
        assert_eq!(ids, [1, 2, 10, 12, 14, 15, 17, 16, 20]);
        round.check(&restored).unwrap();
        // The last ones were seen by nobody, so they need not be there; and one that was sent and
        // not seen may end the history as well.
        round.check(&restored[..8]).unwrap();
        for end in [18, 19] {
            let mut shorter = restored[..8].to_vec();
            shorter.push(about(201, end, "Cube"));
            round.check(&shorter).unwrap();
        }
    }

    #[test]
    fn the_last_that_was_seen_may_have_been_replaced() {
        let (mut round, restored) = round();
        round.observed = round.observed[..2].to_vec();
        round.received = vec![vec![], vec![]];
        for end in 2..=restored.len() {
            let seen = end > 3;
            assert_eq!(round.check(&restored[..end]).is_ok(), seen, "{end}");
        }
        let mut one_of_b = restored[..3].to_vec();
        one_of_b.push(about(201, 11, "Cube"));
        round.check(&one_of_b).unwrap();
    }

    #[test]
    fn every_wrong_history_is_found() {
        let (round, restored) = round();
        for place in 0..restored.len() - 1 {
            let mut lost = restored.clone();
            lost.remove(place);
            wrong(&round, &lost);
            let mut swapped = restored.clone();
            swapped.swap(place, place + 1);
            wrong(&round, &swapped);
        }
        for place in 0..restored.len() {
            let mut altered = restored.clone();
            *altered[place].payload.last_mut().unwrap() ^= 1;
            assert!(wrong(&round, &altered).contains("altered"));
            let mut other_kind = restored.clone();
            other_kind[place].kind += 1;
            assert!(wrong(&round, &other_kind).contains("altered"));
            for at in 0..=restored.len() {
                let mut doubled = restored.clone();
                doubled.insert(at, restored[place].clone());
                assert!(wrong(&round, &doubled).contains("twice"));
            }
        }
        for end in 0..8 {
            wrong(&round, &restored[..end]);
        }
        let mut live = restored.clone();
        live.insert(4, command(205, 13, b""));
        assert!(wrong(&round, &live).contains("not to be kept"));
        let mut unmerged = restored.clone();
        unmerged.insert(3, about(201, 11, "Cube"));
        assert!(wrong(&round, &unmerged).contains("not merged"));
    }

    #[test]
    fn what_only_a_sender_received_counts() {
        let (mut round, restored) = round();
        round.observed.clear();
        round.check(&restored).unwrap();
        // B got 16, which is not there.
        let mut lost = restored[..7].to_vec();
        assert!(wrong(&round, &lost).contains("received: 16"));
        // A sent 16 before 20.
        lost.push(restored[8].clone());
        assert!(wrong(&round, &lost).contains("16 (kind 140) is lost"));
    }
}
