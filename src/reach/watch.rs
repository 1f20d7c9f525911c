//! This computer's addresses, kept up to date.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::system::Bell;
use super::{Address, addresses};

/// Time between two looks at least. News come in bursts: link, address, routes.
const PAUSE: Duration = Duration::from_millis(100);
/// When to look again though the system has told nothing.
const SLOWLY: Duration = Duration::from_secs(30);
/// The same where the system tells nothing at all.
const UNTOLD: Duration = Duration::from_secs(3);

/// This computer's addresses, best first, as they are now. Follows the system's own news: a cable is pulled, a VPN
/// comes up. Ends when dropped.
#[derive(Debug)]
pub struct AddressWatch {
    now: watch::Receiver<Arc<[Address]>>,
    _task: AbortOnDropHandle<()>,
}

impl AddressWatch {
    /// Begins to watch. There are no addresses until the first look, some milliseconds later:
    /// [`changed`](Self::changed) tells when.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time and I/O.
    #[must_use]
    pub fn start() -> Self {
        let (tell, now) = watch::channel(Arc::default());
        let task = tokio::spawn(follow(tell).instrument(tracing::info_span!("addresses")));
        Self {
            now,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// The addresses as they are now.
    #[must_use]
    pub fn now(&self) -> Arc<[Address]> {
        Arc::clone(&self.now.borrow())
    }

    /// Waits until the addresses are others than when this returned last. The first time it returns after the first
    /// look, also when that has found none. May be cancelled.
    pub async fn changed(&mut self) {
        if self.now.changed().await.is_err() {
            // The runtime ends, and with it whoever waits here.
            std::future::pending::<()>().await;
        }
    }
}

/// Looks whenever the system has news, until nobody wants to know.
async fn follow(tell: watch::Sender<Arc<[Address]>>) {
    // Hung before the first look, so that nothing happens between the two unseen.
    let mut bell = match spawn_blocking(Bell::hang).await {
        Ok(Ok(bell)) => Some(bell),
        Ok(Err(error)) => untold(&error),
        Err(error) => untold(&error.into()),
    };
    let mut known: Option<Vec<Address>> = None;
    loop {
        match spawn_blocking(addresses).await {
            Ok(found) if known.as_ref() != Some(&found) => {
                tracing::debug!(?found, "This computer's addresses");
                tell.send_replace(found.as_slice().into());
                known = Some(found);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "Looking for this computer's addresses failed"),
        }
        sleep(PAUSE).await;
        match &mut bell {
            None => sleep(UNTOLD).await,
            Some(hung) => {
                if let Ok(Err(error)) = timeout(SLOWLY, hung.rung()).await {
                    bell = untold(&error);
                }
            }
        }
    }
}

/// The end of the system's news, or that there never were any.
fn untold(error: &io::Error) -> Option<Bell> {
    tracing::warn!(
        %error,
        "The system does not tell when networks change; they are looked at every {} seconds",
        UNTOLD.as_secs()
    );
    None
}

#[cfg(test)]
mod tests {
    use super::{AddressWatch, addresses};

    #[tokio::test]
    async fn the_first_look_is_told_and_the_end_ends_it() {
        let mut watch = AddressWatch::start();
        watch.changed().await;
        assert_eq!(watch.now()[..], addresses()[..]);

        let mut now = watch.now.clone();
        drop(watch);
        while now.changed().await.is_ok() {}
    }
}
