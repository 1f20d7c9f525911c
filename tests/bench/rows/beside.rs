//! A quiet room, and what happens beside it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::latency::SmallRoom;
use crate::ground::Ground;
use crate::machine;
use crate::server::Server;
use crate::statistics::p50_p99;

const READERS: usize = 2;
const PER_SECOND: u32 = 200;
const SECONDS: u64 = 4;
const QUICK_SECONDS: u64 = 1;
const WARM_UP: usize = 20;

/// A room in which little happens.
pub(crate) struct Quiet {
    room: SmallRoom,
    edits: u64,
}

impl Quiet {
    pub(crate) fn open(ground: &Ground, address: SocketAddr) -> Result<Self, String> {
        Ok(Self {
            room: SmallRoom::open(&ground.side, address, "Quiet", READERS)?,
            edits: ground.pick(SECONDS, QUICK_SECONDS) * u64::from(PER_SECOND),
        })
    }

    /// How long its edits take, in nanoseconds each.
    pub(crate) fn latencies(&mut self) -> Result<Vec<u64>, String> {
        self.room.measure(WARM_UP, self.edits, PER_SECOND)
    }

    /// The 99th percentile of how long its edits take, in milliseconds.
    pub(crate) fn p99(&mut self) -> Result<f64, String> {
        let [_, p99] = p50_p99(self.latencies()?);
        Ok(p99)
    }

    /// That while `act` goes on beside it, and how much that did a second. `server`, where the room is, has settled then.
    pub(crate) fn p99_beside(
        &mut self,
        server: &Server,
        name: &str,
        act: impl FnOnce(Cue) -> Result<f64, String> + Send + 'static,
    ) -> Result<(f64, f64), String> {
        let company = Company::start(name, act)?;
        let p99 = self.p99();
        // Whatever came of that.
        let rate = company.end()?;
        server.group()?.settle()?;
        Ok((p99?, rate))
    }
}

/// Something that goes on until it is enough. It only gets what nobody else wants of the machine: it stands for other
/// computers, which take nothing from the one that the relay runs on.
struct Company {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<Result<f64, String>>,
}

/// For whoever is company.
pub(crate) struct Cue {
    enough: Arc<AtomicBool>,
    begins: mpsc::Sender<()>,
}

impl Cue {
    /// Says that it goes on now.
    pub(crate) fn begins(&self) {
        // Nobody waits for it any more after a failure.
        let _heard = self.begins.send(());
    }

    pub(crate) fn is_enough(&self) -> bool {
        self.enough.load(Ordering::SeqCst)
    }
}

impl Company {
    /// Returns when it goes on. `act` gives how much it did a second.
    fn start(
        name: &str,
        act: impl FnOnce(Cue) -> Result<f64, String> + Send + 'static,
    ) -> Result<Self, String> {
        let enough = Arc::new(AtomicBool::new(false));
        let (begins, begun) = mpsc::channel();
        let cue = Cue {
            enough: Arc::clone(&enough),
            begins,
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                machine::step_aside()?;
                act(cue)
            })
            .map_err(|error| format!("no thread for the {name}: {error}"))?;
        // Whether it failed is seen at its end.
        let _begun = begun.recv();
        Ok(Self { enough, thread })
    }

    /// How much it did a second.
    fn end(self) -> Result<f64, String> {
        self.enough.store(true, Ordering::SeqCst);
        self.thread
            .join()
            .map_err(|_panic| "what was beside the quiet room broke off")?
    }
}
