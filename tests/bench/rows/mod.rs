//! What is measured. A row has one or more lines, figures that one measurement gives at once.

mod beside;
mod crowd;
mod deaf;
mod idle;
mod join;
mod latency;
mod memory;
mod rooms;
mod rough;
mod throughput;

use std::iter::zip;

use crate::args::Args;
use crate::ground::Ground;
use crate::server::Side;
use crate::table::{Entry, Found, Line};

/// Bytes as people count them.
const KB: u64 = 1000;
const MB: u64 = 1000 * KB;
const GB: u64 = 1000 * MB;

/// A piece of work that relays are compared by.
pub(crate) trait Row {
    /// For the command line.
    fn name(&self) -> &'static str;

    /// What its figures are, in order.
    fn lines(&self, quick: bool) -> Vec<Line>;

    /// Whether the bare fan-out can do it.
    fn has_bare(&self) -> bool;

    fn rounds(&self, quick: bool) -> usize;

    /// Makes one side ready for its rounds.
    fn prepare<'a>(&'a self, ground: &'a Ground) -> Result<Box<dyn Round + 'a>, String>;
}

/// One side, ready.
pub(crate) trait Round {
    /// Measures once: a figure for each line.
    fn run(&mut self) -> Result<Vec<f64>, String>;
}

impl<F: FnMut() -> Result<Vec<f64>, String>> Round for F {
    fn run(&mut self) -> Result<Vec<f64>, String> {
        self()
    }
}

pub(crate) fn all() -> Vec<Box<dyn Row>> {
    vec![
        Box::new(throughput::Throughput::new("300b", "300 B", 300, 0.40)),
        Box::new(throughput::Throughput::new("4k", "4 KiB", 4 << 10, 0.80)),
        Box::new(throughput::Throughput::new("1m", "1 MB", 1_000_000, 0.95)),
        Box::new(latency::Latency),
        Box::new(join::Join::new("join1", 500 * MB, 1)),
        Box::new(join::Join::new("join4", 300 * MB, 4)),
        Box::new(idle::Idle::new("idle16", 16, 0.2)),
        Box::new(idle::Idle::new("idle1000", 1000, 1.0)),
        Box::new(memory::Memory::new("memory500m", 500 * MB)),
        Box::new(memory::Memory::new("memory4g", 4 * GB)),
        Box::new(deaf::Deaf::kept()),
        Box::new(deaf::Deaf::ephemeral()),
        Box::new(crowd::Joiners::new("joiners300", 300)),
        Box::new(crowd::Joiners::new("joiners2000", 2000)),
        Box::new(rooms::Rooms),
        Box::new(rough::Rough),
    ]
}

/// One side of a row while it is measured.
struct Contestant<'a> {
    ground: &'a Ground,
    round: Result<Box<dyn Round + 'a>, String>,
    /// What the rounds so far have given.
    figures: Vec<Vec<f64>>,
}

/// Measures a row: all sides in turn, and that several times. A side that fails is out, the others go
/// on.
pub(crate) fn measure(row: &dyn Row, sides: &[Side], args: &Args) -> Vec<Entry> {
    let grounds: Vec<_> = sides
        .iter()
        .filter(|side| **side != Side::Bare || row.has_bare())
        .map(|side| Ground::new(side.clone(), args.quick, args.limit))
        .collect();
    let mut contestants: Vec<_> = grounds
        .iter()
        .map(|ground| Contestant {
            ground,
            round: ground.within_time(|| row.prepare(ground)),
            figures: Vec::new(),
        })
        .collect();
    for _ in 0..row.rounds(args.quick) {
        for contestant in &mut contestants {
            let Ok(round) = &mut contestant.round else {
                continue;
            };
            match contestant.ground.within_time(|| round.run()) {
                Ok(figures) => contestant.figures.push(figures),
                Err(error) => contestant.round = Err(error),
            }
        }
    }
    let lines = row.lines(args.quick);
    let entries = lines.into_iter().enumerate().map(|(index, line)| Entry {
        row: row.name(),
        line,
        found: zip(&grounds, &contestants)
            .map(|(ground, contestant)| (ground.side.clone(), contestant.found(index)))
            .collect(),
    });
    entries.collect()
}

impl Contestant<'_> {
    fn found(&self, line: usize) -> Found {
        match &self.round {
            Ok(_) => Ok(self.figures.iter().map(|round| round[line]).collect()),
            Err(reason) => Err(reason.clone()),
        }
    }
}
