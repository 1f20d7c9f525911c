//! Rings when networks change: the system's own news, through netwatcher.
//!
//! On Windows `NotifyUnicastIpAddressChange` and `NotifyIpInterfaceChange`, elsewhere a routing socket. Both systems
//! take the addresses from an interface whose cable is pulled, so that netwatcher sees it.

use std::io;
use std::sync::Arc;

use tokio::sync::Notify;

/// Rings when networks change.
pub(in super::super) struct Bell {
    /// Keeps one ring that nobody has waited for.
    rings: Arc<Notify>,
    _watch: netwatcher::WatchHandle,
}

impl Bell {
    /// Changes from now on ring; the first ring comes at once.
    ///
    /// # Errors
    ///
    /// When the system does not tell its news.
    pub(in super::super) fn hang() -> io::Result<Self> {
        let rings = Arc::new(Notify::new());
        let rope = Arc::clone(&rings);
        let watch = netwatcher::watch_interfaces_with_callback(move |_| rope.notify_one())
            .map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self {
            rings,
            _watch: watch,
        })
    }

    /// Waits until networks have changed since the last time. May be cancelled; nothing is lost.
    ///
    /// # Errors
    ///
    /// Never here.
    #[allow(clippy::unnecessary_wraps)]
    pub(in super::super) async fn rung(&mut self) -> io::Result<()> {
        self.rings.notified().await;
        Ok(())
    }
}
