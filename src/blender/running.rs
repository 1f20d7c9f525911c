//! Following a Blender that was started.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time;
use tracing::Instrument;

use super::state::{Failure, Reason, State, readable};

/// How often the status file is looked at: soon enough for somebody who watches.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A status file is a few hundred bytes; a larger one is not the script's.
const STATUS_BYTES: u64 = 64 * 1024;
/// How much of the log's end is read for its last line.
const LOG_TAIL_BYTES: u64 = 4 * 1024;

/// A Blender that was started. Dropping it leaves Blender alone, and still awaits its end.
#[derive(Debug)]
pub struct Running {
    status: PathBuf,
    log: PathBuf,
    end: watch::Receiver<Option<End>>,
    last: Option<State>,
}

/// How Blender's process ended.
#[derive(Clone, Debug)]
enum End {
    /// As when its window is closed.
    Well,
    /// By itself, with what the system says and the last line it wrote.
    Badly(String),
}

impl Running {
    /// Follows a process that tells its state in the file `status` and writes its output to `log`, both inside
    /// `folder`.
    pub(super) fn follow(child: Child, folder: PathBuf, status: PathBuf, log: PathBuf) -> Self {
        let (end_in, end) = watch::channel(None);
        let span = tracing::info_span!("blender", pid = child.id());
        tokio::spawn(wait(child, folder, log.clone(), end_in).instrument(span));
        Self {
            status,
            log,
            end,
            last: None,
        }
    }

    /// Where Blender's output goes. The file goes when Blender has ended well and this value is dropped.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Waits for the next state, which always differs from the one before. [`State::Ended`] is the last; then `None`.
    ///
    /// Cancel safe: a state is not lost when the future is dropped.
    pub async fn next_state(&mut self) -> Option<State> {
        let state = match &self.last {
            None => State::Starting,
            Some(State::Ended) => return None,
            Some(state) if state.is_settled() => {
                end_of(&mut self.end).await;
                State::Ended
            }
            Some(_) => self.next_told().await,
        };
        self.last = Some(state.clone());
        Some(state)
    }

    /// Waits for the status file to tell something new, or for the end.
    async fn next_told(&mut self) -> State {
        loop {
            // Before the look: what was told just before the end is then still seen.
            let end = self.end.borrow().clone();
            if let Some(state) = self.told().await
                && Some(&state) != self.last.as_ref()
            {
                return state;
            }
            match end {
                Some(End::Badly(detail)) => {
                    return State::Failed(Failure {
                        reason: Reason::Crashed,
                        detail,
                    });
                }
                Some(End::Well) => return State::Ended,
                // Whether it ended or the time is over, the next look comes first.
                None => drop(time::timeout(LOOK_EVERY, end_of(&mut self.end)).await),
            }
        }
    }

    /// What the status file tells now.
    async fn told(&self) -> Option<State> {
        let file = File::open(&self.status).await.ok()?;
        let mut text = Vec::new();
        file.take(STATUS_BYTES + 1)
            .read_to_end(&mut text)
            .await
            .ok()?;
        if text.len() as u64 > STATUS_BYTES {
            None
        } else {
            State::parse(&text)
        }
    }
}

/// Waits until the process has ended.
async fn end_of(end: &mut watch::Receiver<Option<End>>) {
    // The sender goes without a word only together with the whole runtime.
    drop(end.wait_for(Option::is_some).await);
}

/// Awaits the process, so that it does not stay as a zombie, and tidies up after it.
async fn wait(mut child: Child, folder: PathBuf, log: PathBuf, end: watch::Sender<Option<End>>) {
    let status = child.wait().await;
    let how = how_it_ended(status, &log).await;
    let remove = match &how {
        End::Well => true,
        End::Badly(detail) => {
            tracing::warn!(detail, log = %log.display(), "Blender ended badly");
            false
        }
    };
    // First the news: the folder's status file may still have some, and is read before it is removed.
    end.send_replace(Some(how));
    if remove {
        end.closed().await;
        if let Err(error) = fs::remove_dir_all(&folder).await {
            tracing::debug!(%error, folder = %folder.display(), "The folder of Blender's start stays");
        }
    }
}

async fn how_it_ended(status: io::Result<ExitStatus>, log: &Path) -> End {
    let status = match status {
        Ok(status) if status.success() => return End::Well,
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    let line = last_line(log).await.unwrap_or_default();
    End::Badly(if line.is_empty() {
        status
    } else {
        format!("{status}; its last words: {line}")
    })
}

/// The last line with anything in it.
async fn last_line(log: &Path) -> io::Result<String> {
    let mut file = File::open(log).await?;
    let size = file.metadata().await?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(LOG_TAIL_BYTES)))
        .await?;
    let mut tail = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut tail).await?;
    let tail = String::from_utf8_lossy(&tail);
    Ok(tail
        .lines()
        .map(readable)
        .rfind(|line| !line.is_empty())
        .unwrap_or_default())
}
