//! The window's end of the backend: actions in, the newest view and the news out. Nothing here blocks.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::action::{Action, Notice};
use super::view::View;

/// Actions that may wait to be carried out. A person clicks slower than this.
const ACTIONS_WAITING: usize = 64;
/// Notices that may wait to be shown; later ones are dropped, as the log has them all.
const NOTICES_WAITING: usize = 64;

/// The window's end.
#[derive(Debug)]
pub struct Handle {
    actions: mpsc::Sender<Action>,
    view: watch::Receiver<Arc<View>>,
    notices: mpsc::Receiver<Notice>,
}

/// The backend's end.
#[derive(Debug)]
pub struct Remote {
    /// What the user asks, in order.
    pub actions: mpsc::Receiver<Action>,
    /// Where the newest view is published.
    pub view: watch::Sender<Arc<View>>,
    /// Where news are put.
    pub notices: mpsc::Sender<Notice>,
}

/// Makes both ends.
#[must_use]
pub fn pair(view: View) -> (Handle, Remote) {
    let (actions_in, actions) = mpsc::channel(ACTIONS_WAITING);
    let (view_in, view) = watch::channel(Arc::new(view));
    let (notices_in, notices) = mpsc::channel(NOTICES_WAITING);
    (
        Handle {
            actions: actions_in,
            view,
            notices,
        },
        Remote {
            actions,
            view: view_in,
            notices: notices_in,
        },
    )
}

impl Handle {
    /// Asks the backend for something. `false` when it cannot take it now: it has ended, or far too
    /// many actions wait.
    #[must_use]
    pub fn send(&self, action: Action) -> bool {
        self.actions.try_send(action).is_ok()
    }

    /// The newest view.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// The next notice not shown yet.
    pub fn notice(&mut self) -> Option<Notice> {
        self.notices.try_recv().ok()
    }
}
