//! Joining a large room. Bare is the same bytes from a sender that has them, to as many readers.

use std::time::Instant;

use tokio::runtime::Runtime;

use super::{MB, Round, Row};
use crate::ground::Ground;
use crate::reader::{Reader, all, enter, runtime};
use crate::sender::{Load, Sender};
use crate::server::Side;
use crate::table::{Asked, Line};

const ROOM: &str = "Large";
const QUICK_BYTES: u64 = 50 * MB;

pub(crate) struct Join {
    name: &'static str,
    bytes: u64,
    joiners: usize,
}

impl Join {
    pub(crate) fn new(name: &'static str, bytes: u64, joiners: usize) -> Self {
        Self {
            name,
            bytes,
            joiners,
        }
    }

    fn bytes(&self, quick: bool) -> u64 {
        if quick { QUICK_BYTES } else { self.bytes }
    }
}

impl Row for Join {
    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self, quick: bool) -> Vec<Line> {
        let (megabytes, joiners) = (self.bytes(quick) / MB, self.joiners);
        let what = match joiners {
            1 => format!("join a room of {megabytes} MB"),
            _ => format!("join a room of {megabytes} MB, {joiners} at once: in all"),
        };
        vec![Line::new(what, "MB/s", Asked::LeastOfBare(0.9))]
    }

    fn has_bare(&self) -> bool {
        true
    }

    fn rounds(&self, quick: bool) -> usize {
        if quick { 2 } else { 7 }
    }

    fn prepare<'a>(&'a self, ground: &'a Ground) -> Result<Box<dyn Round + 'a>, String> {
        let bytes = self.bytes(ground.quick);
        let runtime = runtime()?;
        let in_all = |(took, bytes): (f64, u64)| {
            Ok(vec![bytes as f64 * self.joiners as f64 / MB as f64 / took])
        };
        if ground.side == Side::Bare {
            return Ok(Box::new(move || {
                in_all(bare(ground, &runtime, bytes, self.joiners)?)
            }));
        }
        let server = ground.server()?;
        let mut sender = Sender::make(&ground.side, server.address(), ROOM)?;
        let sent = sender.send(&Load::mixed(), bytes)?;
        sender.barrier()?;
        Ok(Box::new(move || {
            // The room and its server live as long as this.
            let _maker = &sender;
            let address = server.address();
            in_all(runtime.block_on(async {
                let mut joiners = Vec::new();
                for _ in 0..self.joiners {
                    joiners.push(Reader::connect(address).await?);
                }
                let start = Instant::now();
                let joining = joiners.into_iter().map(|mut joiner| {
                    let side = ground.side.clone();
                    tokio::spawn(async move {
                        let done = joiner.enter(&side, ROOM).await?;
                        match joiner.scanner.command_bytes {
                            got if got == sent => Ok(done),
                            got => Err(format!("a joiner got {got} bytes of {sent}")),
                        }
                    })
                });
                let done = all(joining.collect()).await?;
                let last = done.into_iter().max().unwrap_or(start);
                Ok::<_, String>(((last - start).as_secs_f64(), sent))
            })?)
        }))
    }
}

fn bare(
    ground: &Ground,
    runtime: &Runtime,
    bytes: u64,
    readers: usize,
) -> Result<(f64, u64), String> {
    let server = ground.server()?;
    let mut sender = Sender::make(&ground.side, server.address(), ROOM)?;
    runtime.block_on(async {
        let readers = enter(readers, &ground.side, server.address(), ROOM).await?;
        let load = Load::mixed();
        let expected = load.rounded(bytes);
        let reading = readers.into_iter().map(|mut reader| {
            tokio::spawn(async move {
                reader
                    .until(|reader| reader.scanner.command_bytes >= expected)
                    .await
            })
        });
        let reading = reading.collect();
        let start = Instant::now();
        let sending = tokio::task::spawn_blocking(move || {
            let sent = sender.send(&load, bytes)?;
            Ok::<_, String>((sender, sent))
        });
        let done = all(reading).await?;
        let (_sender, sent) = sending
            .await
            .map_err(|error| format!("the sender: {error}"))??;
        let last = done.into_iter().max().unwrap_or(start);
        Ok((((last - start).as_secs_f64()), sent))
    })
}
