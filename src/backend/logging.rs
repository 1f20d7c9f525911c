//! The log: into files that are kept for some days, and the newest lines into memory for the window.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::speaker::Speaker;
use super::view::{Level, LogLine};

/// Lines kept for the window.
const LINES: usize = 500;
/// Longest line kept for the window, in bytes; a file has it whole.
const LINE_BYTES: usize = 500;
/// Days of log files.
const FILES: usize = 7;

/// The newest lines of the log.
#[derive(Clone, Debug)]
pub struct LogTail {
    lines: Arc<Mutex<VecDeque<LogLine>>>,
    bell: watch::Sender<()>,
}

impl Default for LogTail {
    fn default() -> Self {
        Self {
            lines: Arc::default(),
            bell: watch::Sender::new(()),
        }
    }
}

impl LogTail {
    /// All lines kept, oldest first.
    pub(super) fn lines(&self) -> Vec<LogLine> {
        self.lines.lock().iter().cloned().collect()
    }

    /// Rings when there is a new line.
    pub(super) fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    fn push(&self, line: LogLine) {
        let mut lines = self.lines.lock();
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
        drop(lines);
        self.bell.send_replace(());
    }
}

/// The log as long as the program runs: what is written last reaches the file and the terminal when this is
/// dropped.
#[derive(Debug)]
pub struct Logging {
    /// The newest lines.
    pub tail: LogTail,
    _files: Option<WorkerGuard>,
    _terminal: Option<Speaker>,
}

/// Where the log goes besides the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// To the files only.
    Silent,
    /// To standard error as well.
    Loud,
}

/// Starts the log, once a process. `folder`: where the files go; `None` keeps none. The environment
/// variable `MIXDESK_LOG` sets what is logged, as in `mixdesk=debug`.
///
/// When the folder cannot be written, the log goes on without files, and says so.
#[must_use]
pub fn start(folder: Option<&Path>, terminal: Terminal) -> Logging {
    let tail = LogTail::default();
    let appender = folder.map(|folder| {
        if let Err(error) = std::fs::create_dir_all(folder) {
            return Err(error.to_string());
        }
        RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix("mixdesk")
            .filename_suffix("log")
            .max_log_files(FILES)
            .build(folder)
            .map_err(|error| error.to_string())
    });
    let (appender, trouble) = match appender.transpose() {
        Ok(appender) => (appender, None),
        Err(error) => (None, Some(error)),
    };
    let (files, guard) = appender.map(tracing_appender::non_blocking).unzip();
    let files = files.map(|files| {
        tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(files)
    });
    // Whoever logs may hold a lock that others wait for, and a terminal may take nothing (Ctrl-S).
    let speaker = (terminal == Terminal::Loud).then(|| Speaker::start(std::io::stderr(), left_out));
    let (speaker, mute) = match speaker.transpose() {
        Ok(speaker) => (speaker, None),
        Err(error) => (None, Some(error)),
    };
    let terminal = speaker.as_ref().map(|speaker| {
        let voice = speaker.voice();
        tracing_subscriber::fmt::layer()
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(move || voice.clone())
    });
    let wanted = std::env::var("MIXDESK_LOG").ok();
    let (filter, misunderstood) = match wanted.as_deref().map(filter) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (usual_filter(), Some(error)),
        None => (usual_filter(), None),
    };
    let window = Window(tail.clone());
    // A second start in one process, as in tests, keeps the first log.
    let _already = tracing_subscriber::registry()
        .with(filter)
        .with(files)
        .with(terminal)
        .with(window)
        .try_init();
    if let Some(error) = trouble {
        tracing::warn!("no log files are written: {error}");
    }
    if let Some(error) = mute {
        tracing::warn!("the log does not stand in the terminal: {error}");
    }
    if let Some(error) = misunderstood {
        tracing::warn!("MIXDESK_LOG was not understood, and does nothing: {error}");
    }
    Logging {
        tail,
        _files: guard,
        _terminal: speaker,
    }
}

fn left_out(lines: u64) -> String {
    format!("… {lines} lines of the log are missing here: the terminal took nothing.\n")
}

/// What is logged unless the user wants something else.
fn usual_filter() -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("mixdesk", LevelFilter::INFO)
}

/// What is logged where the user wants `directives`: of what they do not speak of, warnings.
fn filter(directives: &str) -> Result<Targets, ParseError> {
    let wanted = directives.split(',').map(str::trim);
    let wanted: Vec<_> = wanted.filter(|wanted| !wanted.is_empty()).collect();
    if wanted.is_empty() {
        return Ok(usual_filter());
    }
    let filter: Targets = wanted.join(",").parse()?;
    Ok(match filter.default_level() {
        Some(_) => filter,
        None => filter.with_default(LevelFilter::WARN),
    })
}

/// Keeps lines for the window.
struct Window(LogTail);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Window {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warning,
            _ => Level::Info,
        };
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.push(LogLine {
            time: time_of_day(SystemTime::now()),
            level,
            text: text.0,
        });
    }
}

/// The message first, then the fields.
struct Text(String);

impl Text {
    fn put(&mut self, field: &Field, value: std::fmt::Arguments<'_>) {
        if field.name() == "message" {
            let rest = std::mem::take(&mut self.0);
            self.0 = format!("{value}{rest}");
        } else {
            // Writing to a string does not fail.
            let _written = write!(self.0, " · {} {value}", field.name());
        }
        if self.0.len() > LINE_BYTES {
            let end = (0..=LINE_BYTES)
                .rev()
                .find(|&end| self.0.is_char_boundary(end))
                .unwrap_or(0);
            self.0.truncate(end);
            self.0.push('…');
        }
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, format_args!("{value}"));
    }
}

/// `14:03:07 UTC`.
fn time_of_day(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
    format!(
        "{:02}:{:02}:{:02} UTC",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_tail_is_bounded_and_reads_like_a_sentence() {
        let tail = LogTail::default();
        let subscriber = tracing_subscriber::registry().with(Window(tail.clone()));
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..LINES + 10 {
                tracing::info!(room = "R", number, "made");
            }
            tracing::warn!("{}", "é".repeat(1000));
        });
        let lines = tail.lines();
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines[0].text, "made · room R · number 11");
        assert_eq!(lines[LINES - 1].level, Level::Warning);
        assert!(lines[LINES - 1].text.len() < LINE_BYTES + 5);
    }

    #[test]
    fn what_is_logged_can_be_chosen() {
        use tracing::Level;
        let logs = |filter: &Targets, target, level| filter.would_enable(target, &level);
        for (wanted, ours, others) in [
            ("mixdesk=debug", Level::DEBUG, Level::WARN),
            ("mixdesk=error", Level::ERROR, Level::WARN),
            ("mixdesk=debug, ", Level::DEBUG, Level::WARN),
            ("", Level::INFO, Level::WARN),
            ("info,mixdesk::relay=trace", Level::INFO, Level::INFO),
            ("debug", Level::DEBUG, Level::DEBUG),
        ] {
            let filter = filter(wanted).unwrap();
            assert!(logs(&filter, "mixdesk::session", ours), "{wanted}");
            assert!(logs(&filter, "netdev", others), "{wanted}");
            assert!(!logs(&filter, "netdev", Level::TRACE), "{wanted}");
        }
        assert!(logs(&usual_filter(), "mixdesk::relay", Level::INFO));
        assert!(!logs(&usual_filter(), "netdev", Level::INFO));
        assert!(filter("mixdesk=loud").is_err());
    }

    #[test]
    fn times_are_of_the_day() {
        assert_eq!(
            time_of_day(UNIX_EPOCH + Duration::from_secs(86_400 * 9 + 3_723)),
            "01:02:03 UTC"
        );
    }
}
