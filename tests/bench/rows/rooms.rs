//! A quiet room beside a room with heavy traffic. With the bare fan-out these are two processes: what
//! the machine's cores alone make of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::beside::{Cue, Quiet};
use super::{GB, MB, Round, Row};
use crate::ground::Ground;
use crate::reader::{enter, runtime};
use crate::sender::{Flow, Load, Sender};
use crate::server::{Server, Side};
use crate::statistics::p50_p99;
use crate::table::{Asked, Line};
use crate::wire::KEPT;

const LOUD_READERS: usize = 2;
/// Of the loud room, in its slower form.
const PACE: u64 = 100 * MB;
const COMMAND_BYTES: usize = 64 << 10;
/// Of that at least.
const PACE_KEPT: f64 = 95.0;
/// The most the loud room takes in a round, as its server keeps it: more than there is time for.
const MOST_BYTES: u64 = 8 * GB;

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
            Line::new(
                "a room of 100 MB/s takes in meanwhile",
                "MB/s",
                Asked::Least(PACE_KEPT),
            ),
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
        let mut quiet = Quiet::open(ground, server.address())?;
        Ok(Box::new(move || {
            let beside = |quiet: &mut Quiet, pace| {
                // Bare knows no rooms, so there the other one is another server.
                let other: Option<Server> = match ground.side {
                    Side::Bare => Some(ground.server()?),
                    _ => None,
                };
                let address = other.as_ref().unwrap_or(&server).address();
                let side = ground.side.clone();
                let act = move |cue| flow(&side, address, pace, cue);
                quiet.p99_beside(&server, "loud room", act)
            };
            // By itself right before and after, so that whatever else moves the figures moves both.
            let before = quiet.latencies()?;
            let (paced, pace) = beside(&mut quiet, Some(PACE))?;
            let between = quiet.latencies()?;
            let (full, rate) = beside(&mut quiet, None)?;
            let after = quiet.latencies()?;
            let [[_, alone], [_, alone_then]] =
                [[before, between.clone()], [between, after]].map(|both| p50_p99(both.concat()));
            Ok(vec![
                alone,
                paced,
                pace,
                paced / alone,
                full,
                full / alone_then,
                rate,
            ])
        }))
    }
}

/// Heavy traffic, until it is enough: megabytes a second that went into the room.
fn flow(side: &Side, address: SocketAddr, pace: Option<u64>, cue: Cue) -> Result<f64, String> {
    const ROOM: &str = "Loud";
    let mut sender = Sender::make(side, address, ROOM)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let readers = enter(LOUD_READERS, side, address, ROOM).await?;
        let cue = Arc::new(cue);
        for mut reader in readers {
            let cue = Arc::clone(&cue);
            tokio::spawn(async move {
                let flowing = reader
                    .until(|reader| reader.scanner.command_bytes > 0)
                    .await;
                if flowing.is_ok() {
                    cue.begins();
                }
                drop(cue);
                // Until its room ends.
                reader.until(|_| false).await
            });
        }
        let flow = Flow {
            load: Load::single(KEPT, COMMAND_BYTES),
            bytes_per_second: pace,
            stamp_every: None,
        };
        let start = Instant::now();
        let sending = tokio::task::spawn_blocking(move || {
            let sent = sender.send_flow(&flow, MOST_BYTES, || cue.is_enough())?;
            if sent >= MOST_BYTES {
                return Err("the loud room was full before it was enough".to_owned());
            }
            Ok(sent)
        });
        let sent = sending
            .await
            .map_err(|error| format!("the loud sender: {error}"))??;
        Ok(sent as f64 / MB as f64 / start.elapsed().as_secs_f64())
    })
}
