//! Printing, where the other end of a pipe may be gone.

use std::io::{self, Write};

/// A line of what was asked for.
///
/// # Errors
/// When nobody reads it any more.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", harmless(text))?;
    out.flush()
}

/// A JSON object on a line of its own.
///
/// # Errors
/// When nobody reads it any more.
pub(super) fn json(object: &serde_json::Value) -> io::Result<()> {
    line(&object.to_string())
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

/// A line as it may stand in a terminal: others choose their names and words, and a control character
/// in them could do anything there.
fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_play_with_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\né"), "a\u{fffd}[2Jb\u{fffd}é");
    }
}
