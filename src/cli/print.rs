//! Printing, where the other end of a pipe may be gone.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use serde_json::{Value, json};

use crate::backend::Speaker;
use crate::protocol::{cut, harmless, plays_tricks};

/// Longest name in a terminal, in characters: others choose theirs, as long as they like.
const NAME_CHARS: usize = 64;
/// How long whoever starts to host waits for the first words to be read.
const FIRST_WORDS: Duration = Duration::from_secs(1);

/// A line of what was asked for.
///
/// # Errors
/// When nobody reads it any more.
pub(super) fn line(text: &str) -> io::Result<()> {
    put(&harmless(text))
}

/// A JSON object on a line of its own.
///
/// # Errors
/// When nobody reads it any more.
pub(super) fn json(object: &Value) -> io::Result<()> {
    put(&in_json(object))
}

fn put(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Rows of cells, the titles first, as columns.
///
/// # Errors
/// When nobody reads it any more.
pub(super) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> io::Result<()> {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let cells: Vec<_> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        line(cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Something that is not what was asked for: an explanation, an error.
pub fn note(text: &str) {
    // If not even standard error can be written, there is nowhere left to say it.
    let _said = writeln!(io::stderr().lock(), "{}", harmless(text));
}

/// A name that somebody has chosen as it stands in a line.
pub(super) fn name(name: &str) -> Cow<'_, str> {
    cut(name, NAME_CHARS)
}

/// A line of JSON. What would do something to a terminal can only stand within its texts, where it may as
/// well be written as its number.
fn in_json(object: &Value) -> String {
    let text = object.to_string();
    if !text.contains(plays_tricks) {
        return text;
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if plays_tricks(c) {
            // Writing to a string does not fail.
            let _written = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    line
}

/// The same for whoever hosts meanwhile: nothing here waits for a terminal that takes nothing.
#[derive(Debug)]
pub(super) struct Printer {
    out: Speaker,
    notes: Speaker,
}

impl Printer {
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn start(as_json: bool) -> io::Result<Self> {
        let left_out = |lines| format!("… {lines} lines are missing here: nobody took them.\n");
        let left_out_json = |lines| format!("{}\n", json!({"event": "left-out", "lines": lines}));
        Ok(Self {
            out: Speaker::start(io::stdout(), if as_json { left_out_json } else { left_out })?,
            notes: Speaker::start(io::stderr(), left_out)?,
        })
    }

    /// A line of what was asked for.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        self.out.say(format!("{}\n", harmless(text)))
    }

    /// A JSON object on a line of its own.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(super) fn json(&self, object: &Value) -> io::Result<()> {
        self.out.say(format!("{}\n", in_json(object)))
    }

    /// Something that is not what was asked for.
    pub(super) fn note(&self, text: &str) {
        // If not even standard error can be written, there is nowhere left to say it.
        let _said = self.notes.say(format!("{}\n", harmless(text)));
    }

    /// Whether somebody reads what was said first, or may: a moment is waited for that.
    pub(super) fn is_read(&self) -> bool {
        self.out.is_heard(FIRST_WORDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_what_it_is_and_does_nothing_to_a_terminal() {
        let name = "a\u{1b}[2J\u{9b}\u{202e}\n“é”";
        let line = in_json(&json!({ "name": name }));
        assert!(!line.contains(plays_tricks), "{line:?}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["name"], name);
    }

    #[test]
    fn names_are_cut() {
        assert_eq!(name(&"x".repeat(64)), "x".repeat(64));
        assert_eq!(name(&"x".repeat(1 << 19)).chars().count(), 64);
    }
}
