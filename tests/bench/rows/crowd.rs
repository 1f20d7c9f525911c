//! Many join one small room at once, and then see one of them edit.

use super::{Round, Row};
use crate::crowd::Crowd;
use crate::ground::Ground;
use crate::reader::runtime;
use crate::sender::{Load, Sender};
use crate::statistics::p50_p99;
use crate::table::{Asked, Line};
use crate::wire::KEPT;

const ROOM: &str = "Class";
const COMMANDS: u64 = 500;
const COMMAND_BYTES: usize = 2 << 10;
const PER_SECOND: u32 = 20;
const SECONDS: usize = 5;
/// What was asked was asked of so many.
const ASKED: usize = 300;
const QUICK_PART: usize = 5;

pub(crate) struct Joiners {
    name: &'static str,
    count: usize,
}

impl Joiners {
    pub(crate) fn new(name: &'static str, count: usize) -> Self {
        Self { name, count }
    }

    fn count(&self, quick: bool) -> usize {
        if quick {
            self.count / QUICK_PART
        } else {
            self.count
        }
    }
}

impl Row for Joiners {
    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self, quick: bool) -> Vec<Line> {
        let count = self.count(quick);
        let asked = |most| {
            if self.count == ASKED {
                Asked::Most(most)
            } else {
                Asked::Nothing
            }
        };
        let edits = format!("edits of one to {count} at {PER_SECOND} Hz: latency");
        vec![
            Line::new(
                format!("{count} join a room of 1 MB at once, until all are in"),
                "s",
                asked(1.0),
            ),
            Line::new(format!("{edits} p50"), "ms", asked(15.0)),
            Line::new(format!("{edits} p99"), "ms", Asked::Nothing),
        ]
    }

    fn has_bare(&self) -> bool {
        false
    }

    fn rounds(&self, quick: bool) -> usize {
        if quick || self.count != ASKED { 1 } else { 3 }
    }

    fn prepare<'a>(&'a self, ground: &'a Ground) -> Result<Box<dyn Round + 'a>, String> {
        let stamps = SECONDS * PER_SECOND as usize;
        let count = self.count(ground.quick);
        Ok(Box::new(move || {
            let server = ground.server()?;
            let (side, address, group) = (&ground.side, server.address(), server.group()?);
            let mut sender = Sender::make(side, address, ROOM)?;
            sender.send(
                &Load::single(KEPT, COMMAND_BYTES),
                COMMANDS * COMMAND_BYTES as u64,
            )?;
            sender.barrier()?;
            runtime()?.block_on(async {
                let settle = || {
                    let group = group.clone();
                    tokio::task::spawn_blocking(move || group.settle())
                };
                let failed = |error| format!("waiting for quiet: {error}");
                let mut crowd = Crowd::gather(count, side, address, ROOM, stamps).await?;
                settle().await.map_err(failed)??;
                let entered = crowd.enter().await?;
                settle().await.map_err(failed)??;
                let sending = tokio::task::spawn_blocking(move || {
                    sender.send_stamped(stamps as u64, PER_SECOND)?;
                    Ok::<_, String>(sender)
                });
                let [p50, p99] = p50_p99(crowd.latencies().await?);
                sending
                    .await
                    .map_err(|error| format!("the sender: {error}"))??;
                Ok(vec![entered, p50, p99])
            })
        }))
    }
}
