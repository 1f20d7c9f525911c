//! A quiet room beside a room with heavy traffic. With the bare fan-out these are two processes: what
//! the machine's cores alone make of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use super::latency::SmallRoom;
use super::{GB, MB, Round, Row};
use crate::ground::Ground;
use crate::reader::{enter, runtime};
use crate::sender::{Flow, Load, Sender};
use crate::server::{Server, Side};
use crate::statistics::p50_p99;
use crate::table::{Asked, Line};
use crate::wire::KEPT;

const QUIET_READERS: usize = 2;
const LOUD_READERS: usize = 2;
const PER_SECOND: u32 = 200;
const SECONDS: u64 = 3;
const QUICK_SECONDS: u64 = 1;
const WARM_UP: usize = 20;
/// Of the loud room, in its slower form.
const PACE: u64 = 100 * MB;
const COMMAND_BYTES: usize = 64 << 10;
/// The most the loud room takes in a round: its server keeps it.
const MOST_BYTES: u64 = 2 * GB;

pub(crate) struct Rooms;

impl Row for Rooms {
    fn name(&self) -> &'static str {
        "rooms"
    }

    fn lines(&self, _quick: bool) -> Vec<Line> {
        let what = "a quiet room";
        let full = "a room at full speed";
        vec![
            Line::new(
                format!("{what} by itself: latency p99"),
                "ms",
                Asked::Nothing,
            ),
            Line::new(format!("{what} beside 100 MB/s: p99"), "ms", Asked::Nothing),
            Line::new(format!("{what}: beside ÷ by itself"), "×", Asked::Most(1.2)),
            Line::new(format!("{what} beside {full}: p99"), "ms", Asked::Nothing),
            Line::new(
                format!("{what}: beside {full} ÷ by itself"),
                "×",
                Asked::Most(1.2),
            ),
            Line::new(format!("{full} takes in meanwhile"), "MB/s", Asked::Nothing),
        ]
    }

    fn has_bare(&self) -> bool {
        true
    }

    fn rounds(&self, quick: bool) -> usize {
        if quick { 1 } else { 5 }
    }

    fn prepare<'a>(&'a self, ground: &'a Ground) -> Result<Box<dyn Round + 'a>, String> {
        let server = ground.server()?;
        let mut quiet = SmallRoom::open(&ground.side, server.address(), "Quiet", QUIET_READERS)?;
        let count = ground.pick(SECONDS, QUICK_SECONDS) * u64::from(PER_SECOND);
        Ok(Box::new(move || {
            let mut p99 = || {
                let [_, p99] = p50_p99(quiet.measure(WARM_UP, count, PER_SECOND)?);
                Ok::<_, String>(p99)
            };
            let mut beside = |pace| {
                // Bare knows no rooms, so there the other one is another server.
                let other: Option<Server> = match ground.side {
                    Side::Bare => Some(ground.server()?),
                    _ => None,
                };
                let address = other.as_ref().unwrap_or(&server).address();
                let loud = Loud::start(&ground.side, address, pace)?;
                let p99 = p99();
                let rate = loud.end()?;
                server.group()?.settle()?;
                Ok::<_, String>((p99?, rate))
            };
            let (paced, _) = beside(Some(PACE))?;
            let (full, rate) = beside(None)?;
            let alone = p99()?;
            Ok(vec![alone, paced, paced / alone, full, full / alone, rate])
        }))
    }
}

/// Heavy traffic, until it is enough.
struct Loud {
    enough: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<f64, String>>,
}

impl Loud {
    /// Returns when traffic flows.
    fn start(side: &Side, address: SocketAddr, pace: Option<u64>) -> Result<Self, String> {
        let enough = Arc::new(AtomicBool::new(false));
        let (flows, flowing) = mpsc::channel();
        let (side, until) = (side.clone(), Arc::clone(&enough));
        let thread = std::thread::Builder::new()
            .name("loud room".to_owned())
            .spawn(move || flow(&side, address, pace, &until, flows))
            .map_err(|error| format!("no thread for the loud room: {error}"))?;
        if flowing.recv().is_err() {
            enough.store(true, Ordering::SeqCst);
            let ended = thread.join().map_err(|_panic| "the loud room broke off")?;
            return Err(ended
                .err()
                .unwrap_or_else(|| "the loud room took all and gave nothing".to_owned()));
        }
        Ok(Self { enough, thread })
    }

    /// Megabytes a second that went into the room.
    fn end(self) -> Result<f64, String> {
        self.enough.store(true, Ordering::SeqCst);
        self.thread
            .join()
            .map_err(|_panic| "the loud room broke off")?
    }
}

fn flow(
    side: &Side,
    address: SocketAddr,
    pace: Option<u64>,
    enough: &Arc<AtomicBool>,
    flows: mpsc::Sender<()>,
) -> Result<f64, String> {
    const ROOM: &str = "Loud";
    let mut sender = Sender::make(side, address, ROOM)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let readers = enter(LOUD_READERS, side, address, ROOM).await?;
        let mut flows = Some(flows);
        for mut reader in readers {
            let flows = flows.take();
            tokio::spawn(async move {
                let flowing = reader
                    .until(|reader| reader.scanner.command_bytes > 0)
                    .await;
                if let (Ok(_), Some(flows)) = (flowing, flows) {
                    let _heard = flows.send(());
                }
                // Until its room ends.
                reader.until(|_| false).await
            });
        }
        let flow = Flow {
            load: Load::single(KEPT, COMMAND_BYTES),
            bytes_per_second: pace,
            stamp_every: None,
        };
        let (until, start) = (Arc::clone(enough), Instant::now());
        let sending = tokio::task::spawn_blocking(move || {
            sender.send_flow(&flow, MOST_BYTES, || until.load(Ordering::SeqCst))
        });
        let sent = sending
            .await
            .map_err(|error| format!("the loud sender: {error}"))??;
        Ok(sent as f64 / MB as f64 / start.elapsed().as_secs_f64())
    })
}
