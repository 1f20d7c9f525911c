//! The connection as far as the desk is concerned, and what happens on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::opening::Opened;
use super::view::{BringingBack, Failure};
use crate::net::Target;
use crate::relay::Progress;
use crate::session::{Event, Session, Snapshot};

/// Bringing back rooms that takes no longer than this is not shown.
pub(super) const QUICK: Duration = Duration::from_millis(300);
/// How often it is shown how far that is.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// The connection as far as the desk is concerned.
#[derive(Debug)]
pub(super) enum Link {
    Offline,
    Opening {
        task: JoinHandle<Result<Opened, Failure>>,
        /// How far bringing back rooms is. Without this end of it that stops.
        progress: watch::Receiver<Progress>,
        began: std::time::Instant,
        /// When it may be shown next.
        show_at: Instant,
    },
    Open {
        target: Target,
        found_here: bool,
        /// The room to join as soon as that can be asked for.
        room: Option<String>,
        greeted: bool,
        session: Session,
    },
}

/// Something that happened on the link.
pub(super) enum Happened {
    Opened(Box<Opened>),
    NotOpened(Failure),
    BringsBack(BringingBack),
    Changed(Arc<Snapshot>),
    Event(Event),
    Ended,
}

impl Link {
    /// Waits for what happens next; for ever while offline. Cancel safe.
    pub(super) async fn next(&mut self) -> Happened {
        match self {
            Self::Offline => std::future::pending().await,
            Self::Opening {
                task,
                progress,
                began,
                show_at,
                ..
            } => {
                let further = async {
                    tokio::time::sleep_until(*show_at).await;
                    progress.changed().await
                };
                tokio::select! {
                    biased;
                    opened = task => match opened {
                        Ok(Ok(opened)) => Happened::Opened(Box::new(opened)),
                        Ok(Err(failure)) => Happened::NotOpened(failure),
                        Err(error) => {
                            tracing::error!("connecting ended badly: {error}");
                            Happened::Ended
                        }
                    },
                    Ok(()) = further => {
                        *show_at = Instant::now() + PROGRESS_EVERY;
                        let Progress { done, total } = *progress.borrow_and_update();
                        Happened::BringsBack(BringingBack {
                            done_bytes: done,
                            total_bytes: total,
                            since: *began,
                        })
                    }
                }
            }
            Self::Open { session, .. } => {
                let (snapshot, events): (&mut watch::Receiver<_>, _) = session.parts();
                tokio::select! {
                    biased;
                    changed = snapshot.changed() => match changed {
                        Ok(()) => Happened::Changed(Arc::clone(&snapshot.borrow_and_update())),
                        Err(_) => Happened::Ended,
                    },
                    Some(event) = events.recv() => Happened::Event(event),
                }
            }
        }
    }
}
