//! What was asked, what was found, and the table of both.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::server::Side;
use crate::statistics::Spread;

/// What is asked of our relay.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    /// At least this part of the bare fan-out's figure.
    LeastOfBare(f64),
    /// At most this many times the bare fan-out's figure.
    MostOfBare(f64),
    /// At most this, in the line's own unit.
    Most(f64),
    /// At least this: of what goes on beside that which is measured.
    Least(f64),
    /// Told to understand the others.
    Nothing,
}

/// One line of the table: one figure of a row.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) asked: Asked,
    /// The worst round counts, not the median of them.
    pub(crate) worst: bool,
}

impl Line {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, asked: Asked) -> Self {
        Self {
            what: what.into(),
            unit,
            asked,
            worst: false,
        }
    }

    pub(crate) fn worst(self) -> Self {
        Self {
            worst: true,
            ..self
        }
    }
}

/// A line's figures of one side: one a round, or why there are none.
pub(crate) type Found = Result<Vec<f64>, String>;

/// A line with what was found.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) row: &'static str,
    pub(crate) line: Line,
    pub(crate) found: Vec<(Side, Found)>,
}

impl Entry {
    fn rounds(&self, side: &Side) -> Option<&Found> {
        let (_, found) = self.found.iter().find(|(of, _)| of == side)?;
        Some(found)
    }

    fn value(&self, side: &Side) -> Option<f64> {
        let spread = Spread::of(self.rounds(side)?.clone().ok()?)?;
        Some(if self.line.worst {
            spread.most
        } else {
            spread.median
        })
    }

    /// The median of the rounds' ratios: a round of one side runs right after the other's, so that a
    /// slow moment of the machine meets both.
    fn of_bare(&self, side: &Side) -> Option<f64> {
        let (rounds, bare) = (self.rounds(side)?, self.rounds(&Side::Bare)?);
        let (Ok(rounds), Ok(bare)) = (rounds, bare) else {
            return None;
        };
        let ratios = rounds.iter().zip(bare).map(|(ours, bare)| ours / bare);
        Spread::of(ratios.collect()).map(|spread| spread.median)
    }

    fn met(&self, side: &Side) -> Option<bool> {
        match self.line.asked {
            Asked::LeastOfBare(least) => self.of_bare(side).map(|ratio| ratio >= least),
            Asked::MostOfBare(most) => self.of_bare(side).map(|ratio| ratio <= most),
            Asked::Most(most) => self.value(side).map(|value| value <= most),
            Asked::Least(least) => self.value(side).map(|value| value >= least),
            Asked::Nothing => None,
        }
    }

    fn asked(&self) -> String {
        let unit = self.line.unit;
        match self.line.asked {
            Asked::LeastOfBare(least) => format!("≥ {} % of bare", number(least * 100.0)),
            Asked::MostOfBare(most) => format!("≤ {} × bare", number(most)),
            Asked::Most(most) => format!("≤ {} {unit}", number(most)),
            Asked::Least(least) => format!("≥ {} {unit}", number(least)),
            Asked::Nothing => String::new(),
        }
    }

    /// The figure and between what it was; or why there is none.
    fn cell(&self, side: &Side) -> String {
        match self.rounds(side) {
            None => String::new(),
            Some(Err(reason)) => reason.replace('|', "/").replace('\n', " "),
            Some(Ok(rounds)) => {
                let (value, spread) = (self.value(side), Spread::of(rounds.clone()));
                let (Some(value), Some(spread)) = (value, spread) else {
                    return "nothing".to_owned();
                };
                if rounds.len() == 1 {
                    return number(value);
                }
                let between = format!("{}–{}", number(spread.least), number(spread.most));
                format!("{} ({between})", number(value))
            }
        }
    }

    /// Why there are no figures of one of these sides, if that is so.
    pub(crate) fn failed(&self, sides: &[Side]) -> Option<String> {
        let mut of_them = self.found.iter().filter(|(side, _)| sides.contains(side));
        of_them.find_map(|(side, found)| {
            let why = found.as_ref().err()?;
            Some(format!("{}, {}: {why}", self.row, side.name()))
        })
    }

    /// A line for who watches the bench run.
    pub(crate) fn progress(&self) -> String {
        let mut text = format!("  {} [{}]:", self.line.what, self.line.unit);
        for (side, _) in &self.found {
            write!(text, "  {} {}", side.name(), self.cell(side)).unwrap();
            if *side != Side::Bare
                && let Some(ratio) = self.of_bare(side)
            {
                write!(text, " = {} × bare", number(ratio)).unwrap();
            }
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let sides: serde_json::Map<_, _> = self
            .found
            .iter()
            .map(|(side, found)| {
                let found = match found {
                    Ok(rounds) => json!({
                        "rounds": rounds,
                        "value": self.value(side),
                        "of_bare": self.of_bare(side),
                        "met": self.met(side),
                    }),
                    Err(reason) => json!({ "failed": reason }),
                };
                (side.name().to_owned(), found)
            })
            .collect();
        json!({
            "row": self.row,
            "what": self.line.what,
            "unit": self.line.unit,
            "asked": self.asked(),
            "sides": sides,
        })
    }
}

/// With as many digits as mean something.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 | 100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        let short = text.trim_end_matches('0').trim_end_matches('.');
        return short.to_owned();
    }
    text
}

/// The table in Markdown.
pub(crate) fn markdown(entries: &[Entry], sides: &[Side]) -> String {
    let relays: Vec<_> = sides.iter().filter(|side| **side != Side::Bare).collect();
    let mut header = vec!["work".to_owned(), "unit".to_owned(), "bare".to_owned()];
    for side in &relays {
        header.push(side.name().to_owned());
        header.push(format!("{} ÷ bare", side.name()));
    }
    header.push("asked of ours".to_owned());
    header.push("met".to_owned());
    let mut rows = vec![header];
    for entry in entries {
        let mut cells = vec![
            entry.line.what.clone(),
            entry.line.unit.to_owned(),
            entry.cell(&Side::Bare),
        ];
        for side in &relays {
            cells.push(entry.cell(side));
            cells.push(entry.of_bare(side).map(number).unwrap_or_default());
        }
        cells.push(entry.asked());
        let met = entry.met(&Side::Ours);
        cells.push(
            met.map_or("", |met| if met { "yes" } else { "**no**" })
                .to_owned(),
        );
        rows.push(cells);
    }
    render(&rows)
}

/// Cells as wide as the widest of their column, so that it reads well as it is.
fn render(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            write!(text, "| {cell:width$} ").unwrap();
        }
        text.push_str("|\n");
        if index == 0 {
            for width in &widths {
                write!(text, "|{}", "-".repeat(width + 2)).unwrap();
            }
            text.push_str("|\n");
        }
    }
    text
}
