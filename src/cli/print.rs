//! Printing, where the other end of a pipe may be gone.

use std::io::{self, Write};
use std::time::Duration;

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

/// Bytes in words: `112.6 MB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    // Only shown, so a rounded count is good enough.
    let mut value = count as f64 / 1000.0;
    let mut units = UNITS.iter().peekable();
    while value >= 999.95 && units.len() > 1 {
        value /= 1000.0;
        units.next();
    }
    format!("{value:.1} {}", units.next().unwrap_or(&"PB"))
}

/// How long ago something was: `just now`, `5 min ago`, `3 h ago`, `2 days ago`.
pub(super) fn ago(passed: Duration) -> String {
    let minutes = passed.as_secs() / 60;
    match minutes {
        0 => "just now".to_owned(),
        1..60 => format!("{minutes} min ago"),
        60..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_words() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (112_600_000, "112.6 MB"),
            (999_960, "1.0 MB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        assert!(bytes(u64::MAX).ends_with(" PB"));
    }

    #[test]
    fn names_cannot_play_with_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\né"), "a\u{fffd}[2Jb\u{fffd}é");
    }
}
