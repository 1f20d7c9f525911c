//! Where a row is measured: one side, its servers, and the time it may take.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::server::{Killer, Server, Side};

/// What a row has of one side.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) side: Side,
    pub(crate) quick: bool,
    started: Mutex<Vec<Killer>>,
    over: AtomicBool,
    left: Mutex<Duration>,
    limit: Duration,
}

impl Ground {
    pub(crate) fn new(side: Side, quick: bool, limit: Duration) -> Self {
        Self {
            side,
            quick,
            started: Mutex::default(),
            over: AtomicBool::new(false),
            left: Mutex::new(limit),
            limit,
        }
    }

    /// The first where it is about figures, the second where it is about seeing that it works.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// A new server, with nothing in it.
    pub(crate) fn server(&self) -> Result<Server, String> {
        let server = Server::start(&self.side)?;
        self.started.lock().push(server.killer());
        if self.over.load(Ordering::SeqCst) {
            return Err("there is no time left".to_owned());
        }
        Ok(server)
    }

    /// Does a piece of the row. If time runs out the servers are killed: whatever waits for one of
    /// them then fails, so no wait needs a limit of its own.
    pub(crate) fn within_time<T>(
        &self,
        work: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, String> {
        let start = Instant::now();
        let left = *self.left.lock();
        let result = thread::scope(|scope| {
            let (done, ended) = mpsc::channel::<()>();
            scope.spawn(move || {
                let mut patience = left;
                while ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                    self.over.store(true, Ordering::SeqCst);
                    for server in &*self.started.lock() {
                        server.kill();
                    }
                    patience = Duration::from_millis(50);
                }
            });
            // Also on the way out of a panic.
            let _done = done;
            work()
        });
        *self.left.lock() = left.saturating_sub(start.elapsed());
        match result {
            Err(_) if self.over.load(Ordering::SeqCst) => {
                Err(format!("not done within {} s", self.limit.as_secs()))
            }
            result => result,
        }
    }
}
