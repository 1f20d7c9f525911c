//! How long an edit takes to the others, when little happens.

use super::{Round, Row};
use crate::ground::Ground;
use crate::reader::{Reader, all, enter, runtime};
use crate::sender::Sender;
use crate::server::Side;
use crate::statistics::p50_p99;
use crate::table::{Asked, Line};

const READERS: usize = 8;
const PER_SECOND: u32 = 100;
const SECONDS: u64 = 4;
const QUICK_SECONDS: u64 = 1;
/// Go before, and do not count.
const WARM_UP: usize = 20;

pub(crate) struct Latency;

impl Row for Latency {
    fn name(&self) -> &'static str {
        "latency"
    }

    fn lines(&self, _quick: bool) -> Vec<Line> {
        let what = format!("{READERS} readers, 300 B at {PER_SECOND} Hz: latency");
        vec![
            Line::new(format!("{what} p50"), "ms", Asked::MostOfBare(1.3)),
            Line::new(format!("{what} p99"), "ms", Asked::MostOfBare(2.0)),
        ]
    }

    fn has_bare(&self) -> bool {
        true
    }

    fn rounds(&self, quick: bool) -> usize {
        if quick { 2 } else { 7 }
    }

    fn prepare<'a>(&'a self, ground: &'a Ground) -> Result<Box<dyn Round + 'a>, String> {
        Ok(Box::new(|| {
            let server = ground.server()?;
            let mut room = SmallRoom::open(&ground.side, server.address(), "Latency", READERS)?;
            let seconds = ground.pick(SECONDS, QUICK_SECONDS);
            let latencies = room.measure(WARM_UP, seconds * u64::from(PER_SECOND), PER_SECOND)?;
            Ok(p50_p99(latencies).to_vec())
        }))
    }
}

/// A sender and a few readers, on a thread of their own.
pub(crate) struct SmallRoom {
    runtime: tokio::runtime::Runtime,
    sender: Option<Sender>,
    readers: Vec<Reader>,
}

impl SmallRoom {
    pub(crate) fn open(
        side: &Side,
        address: std::net::SocketAddr,
        room: &str,
        readers: usize,
    ) -> Result<Self, String> {
        let runtime = runtime()?;
        let sender = Sender::make(side, address, room)?;
        let readers = runtime.block_on(enter(readers, side, address, room))?;
        Ok(Self {
            runtime,
            sender: Some(sender),
            readers,
        })
    }

    /// The latencies of so many edits, to all readers, after some that do not count.
    pub(crate) fn measure(
        &mut self,
        warm_up: usize,
        count: u64,
        per_second: u32,
    ) -> Result<Vec<u64>, String> {
        let mut sender = self.sender.take().ok_or("the sender is gone")?;
        let wanted = warm_up + count as usize;
        let readers = std::mem::take(&mut self.readers);
        let (sender, readers) = self.runtime.block_on(async {
            let reading = readers.into_iter().map(|mut reader| {
                reader.latencies.clear();
                tokio::spawn(async move {
                    reader
                        .until(|reader| reader.latencies.len() >= wanted)
                        .await?;
                    Ok(reader)
                })
            });
            let reading = reading.collect();
            let sending = tokio::task::spawn_blocking(move || {
                sender.send_stamped(wanted as u64, per_second)?;
                Ok::<_, String>(sender)
            });
            let readers = all(reading).await?;
            let sender = sending
                .await
                .map_err(|error| format!("the sender: {error}"))??;
            Ok::<_, String>((sender, readers))
        })?;
        let latencies = readers
            .iter()
            .flat_map(|reader| &reader.latencies[warm_up..]);
        let latencies = latencies.copied().collect();
        self.sender = Some(sender);
        self.readers = readers;
        Ok(latencies)
    }
}
