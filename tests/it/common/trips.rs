//! Whether somebody delays the others: how long things take beside it, against how long they take without it.

use std::time::Duration;

/// What takes longer whatever the relay does: machines that run tests are shared.
const LENIENCY: Duration = Duration::from_millis(50);
/// The same for the slowest tenth.
const TAIL_LENIENCY: Duration = Duration::from_millis(500);
/// Half of the machine, and some more, is the rough company's own.
const TIMES: u32 = 5;

/// How long each of many took, the shortest first.
#[derive(Clone, Debug)]
pub(crate) struct Trips(Vec<Duration>);

impl Trips {
    pub(crate) fn new(mut took: Vec<Duration>) -> Self {
        assert!(took.len() >= 10, "{took:?} say nothing");
        took.sort();
        Self(took)
    }

    /// What so much of them took at most, of a hundred.
    pub(crate) fn part(&self, part: usize) -> Duration {
        self.0[(self.0.len() - 1) * part / 100]
    }

    /// Whether it went about as it does `without` whoever was there.
    ///
    /// # Errors
    /// A sentence about what took so much longer that it was held up.
    pub(crate) fn check_against(&self, without: &Self) -> Result<(), String> {
        for (part, leniency) in [(50, LENIENCY), (90, TAIL_LENIENCY)] {
            let (with, without) = (self.part(part), without.part(part));
            if with > TIMES * without + leniency {
                return Err(format!(
                    "{part} of 100 took up to {with:.1?}, and {without:.1?} without it"
                ));
            }
        }
        Ok(())
    }
}

#[test]
fn who_is_held_up_for_seconds_is_found() {
    let of = |millis: &[u64]| {
        let took = millis.iter().cycle().take(100);
        Trips::new(took.copied().map(Duration::from_millis).collect())
    };
    let without = of(&[1, 2, 1, 3]);
    for fine in [&[1, 2][..], &[4, 50], &[55], &[1, 1, 1, 1, 400]] {
        of(fine).check_against(&without).unwrap();
    }
    for held_up in [&[90][..], &[2000], &[1, 1, 1, 1, 2000], &[1, 90, 90]] {
        of(held_up).check_against(&without).unwrap_err();
    }
}
