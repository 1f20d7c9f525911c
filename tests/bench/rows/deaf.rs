//! A member that never reads: what it costs the relay, and the others. Two servers with the same load,
//! one without and one with such a member, are measured in turn.

use std::time::Instant;

use tokio::runtime::Runtime;

use super::{GB, MB, Round, Row};
use crate::ground::Ground;
use crate::process_figures::{Group, Watch};
use crate::reader::{Reader, all, enter, runtime};
use crate::sender::{Flow, Load, Sender};
use crate::server::Server;
use crate::statistics::p50_p99;
use crate::table::{Asked, Line};
use crate::wire::{EPHEMERAL, KEPT};

const ROOM: &str = "Deaf";
/// Others in the room.
const READERS: usize = 3;
const ROUNDS: u64 = 12;
/// In all rounds together.
const BYTES: u64 = GB;
const QUICK_BYTES: u64 = 150 * MB;
const COMMAND_BYTES: usize = 64 << 10;
const BYTES_PER_SECOND: u64 = 100 * MB;
/// Of that at least, in megabytes.
const FLOWS: f64 = 95.0;
/// Some 400 a second.
const BLOCKS_A_STAMP: u64 = 4;

pub(crate) struct Deaf {
    name: &'static str,
    of: &'static str,
    kind: u16,
}

impl Deaf {
    pub(crate) fn kept() -> Self {
        Self {
            name: "deaf-kept",
            of: "kept",
            kind: KEPT,
        }
    }

    pub(crate) fn ephemeral() -> Self {
        Self {
            name: "deaf-live",
            of: "never kept",
            kind: EPHEMERAL,
        }
    }
}

impl Row for Deaf {
    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self, quick: bool) -> Vec<Line> {
        let megabytes = if quick { QUICK_BYTES } else { BYTES } / MB;
        let what = format!(
            "one never reads {megabytes} MB of commands that are {}",
            self.of
        );
        vec![
            Line::new(
                format!("{what}: the others' p99 without it"),
                "ms",
                Asked::Nothing,
            ),
            Line::new(format!("{what}: with it"), "ms", Asked::Nothing),
            Line::new(format!("{what}: with ÷ without"), "×", Asked::Most(1.2)),
            Line::new(
                format!("{what}: growth of RssAnon"),
                "MB",
                Asked::Most(16.0),
            )
            .worst(),
            Line::new(format!("{what}: growth without it"), "MB", Asked::Nothing).worst(),
            Line::new(
                format!("{what}: those flow with it"),
                "MB/s",
                Asked::Least(FLOWS),
            ),
        ]
    }

    fn has_bare(&self) -> bool {
        false
    }

    fn rounds(&self, quick: bool) -> usize {
        if quick { 2 } else { ROUNDS as usize }
    }

    fn prepare<'a>(&'a self, ground: &'a Ground) -> Result<Box<dyn Round + 'a>, String> {
        let mut without = Scene::open(ground, false)?;
        let mut with = Scene::open(ground, true)?;
        let flow = Flow {
            load: Load::single(self.kind, COMMAND_BYTES),
            bytes_per_second: Some(BYTES_PER_SECOND),
            stamp_every: Some(BLOCKS_A_STAMP),
        };
        let bytes = ground.pick(BYTES, QUICK_BYTES) / self.rounds(ground.quick) as u64;
        let mut with_first = false;
        Ok(Box::new(move || {
            with_first = !with_first;
            let (alone, deaf);
            if with_first {
                deaf = with.run(&flow, bytes)?;
                alone = without.run(&flow, bytes)?;
            } else {
                alone = without.run(&flow, bytes)?;
                deaf = with.run(&flow, bytes)?;
            }
            Ok(vec![
                alone.p99,
                deaf.p99,
                deaf.p99 / alone.p99,
                deaf.growth,
                alone.growth,
                deaf.rate,
            ])
        }))
    }
}

/// A server with a room.
struct Scene {
    runtime: Runtime,
    sender: Option<Sender>,
    readers: Vec<Reader>,
    group: Group,
    anonymous_before: u64,
    /// Those that never read.
    deaf: Vec<Reader>,
    _server: Server,
}

/// Of one round.
struct Found {
    /// Milliseconds.
    p99: f64,
    /// Megabytes more than before all rounds, at the worst moment of this one.
    growth: f64,
    /// What was sent, in megabytes a second.
    rate: f64,
}

impl Scene {
    fn open(ground: &Ground, with_deaf: bool) -> Result<Self, String> {
        let server = ground.server()?;
        let (side, address) = (&ground.side, server.address());
        let runtime = runtime()?;
        let sender = Sender::make(side, address, ROOM)?;
        let readers = runtime.block_on(enter(READERS, side, address, ROOM))?;
        let deaf = runtime.block_on(enter(usize::from(with_deaf), side, address, ROOM))?;
        let group = server.group()?;
        group.settle()?;
        Ok(Self {
            runtime,
            sender: Some(sender),
            readers,
            anonymous_before: group.memory()?.anonymous,
            group,
            deaf,
            _server: server,
        })
    }

    fn run(&mut self, flow: &Flow, bytes: u64) -> Result<Found, String> {
        let watch = Watch::start(&self.group)?;
        let mut sender = self.sender.take().ok_or("the sender is gone")?;
        // The last thing sent is a command with the time.
        let blocks = BLOCKS_A_STAMP * bytes.div_ceil(BLOCKS_A_STAMP * COMMAND_BYTES as u64);
        let (bytes, stamps) = (blocks * COMMAND_BYTES as u64, blocks / BLOCKS_A_STAMP);
        let readers = std::mem::take(&mut self.readers);
        let (sender, readers, rate) = self.runtime.block_on(async {
            let reading = readers.into_iter().map(|mut reader| {
                reader.latencies.clear();
                tokio::spawn(async move {
                    reader
                        .until(|reader| reader.latencies.len() as u64 >= stamps)
                        .await?;
                    Ok(reader)
                })
            });
            let reading = reading.collect();
            let flow = flow.clone();
            let start = Instant::now();
            let sending = tokio::task::spawn_blocking(move || {
                sender.send_flow(&flow, bytes, || false)?;
                Ok::<_, String>((sender, start.elapsed()))
            });
            let readers = all(reading).await?;
            let (sender, took) = sending
                .await
                .map_err(|error| format!("the sender: {error}"))??;
            for deaf in &self.deaf {
                deaf.is_connected().await?;
            }
            let rate = bytes as f64 / MB as f64 / took.as_secs_f64();
            Ok::<_, String>((sender, readers, rate))
        })?;
        let latencies = readers.iter().flat_map(|reader| &reader.latencies);
        let [_, p99] = p50_p99(latencies.copied().collect());
        self.sender = Some(sender);
        self.readers = readers;
        let grown = watch
            .most()?
            .anonymous
            .saturating_sub(self.anonymous_before);
        Ok(Found {
            p99,
            growth: grown as f64 / MB as f64,
            rate,
        })
    }
}
