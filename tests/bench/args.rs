//! The bench's own command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures the relay from outside, beside a bare TCP fan-out on the same machine.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo bench --", version)]
pub(crate) struct Args {
    /// Only these rows; an unknown name shows all of them.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) rows: Vec<String>,
    /// Smaller sizes and fewer rounds: to see that it works, not to judge by.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measures another relay as well. {port} in its command line becomes the port it has to take.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) against: Option<String>,
    /// Leaves our own relay out.
    #[arg(long, requires = "against")]
    pub(crate) without_ours: bool,
    /// Writes all figures of all rounds to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// What one relay may take for one row; then it is ended, and the row says so.
    #[arg(long, value_name = "SECONDS", default_value = "240", value_parser = seconds)]
    pub(crate) limit: Duration,
    /// Given by `cargo bench`. Without it, as under `cargo test --all-targets`, nothing is measured.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    /// Be the bare fan-out.
    #[arg(long, hide = true)]
    pub(crate) bare_fan_out: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .map(Duration::from_secs)
        .map_err(|error| error.to_string())
}

/// The words of a command line: split at spaces, except between two quotes of one sort. No shell takes
/// part in this.
pub(crate) fn words(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("the quote {open} in “{command}” is not closed"));
    }
    words.extend(word);
    Ok(words)
}
