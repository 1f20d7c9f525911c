//! One sender, eight readers, as fast as it goes.

use std::time::Instant;

use super::{MB, Round, Row};
use crate::ground::Ground;
use crate::reader::{all, enter, runtime};
use crate::sender::{Load, Sender};
use crate::table::{Asked, Line};
use crate::wire::KEPT;

const READERS: usize = 8;
/// Of one round: long enough that the start of it does not count.
const SECONDS: f64 = 1.5;
const QUICK_SECONDS: f64 = 0.3;
/// The most one sends in a round: the room keeps it.
const MOST_BYTES: u64 = 1000 * MB;
/// The part of a round that goes before it, so that sockets, threads and memory are warm.
const WARM_UP: u64 = 8;

pub(crate) struct Throughput {
    name: &'static str,
    of: &'static str,
    command_bytes: usize,
    asked: f64,
}

impl Throughput {
    pub(crate) fn new(
        name: &'static str,
        of: &'static str,
        command_bytes: usize,
        asked: f64,
    ) -> Self {
        Self {
            name,
            of,
            command_bytes,
            asked,
        }
    }
}

impl Row for Throughput {
    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self, _quick: bool) -> Vec<Line> {
        let what = format!("{READERS} readers, commands of {}", self.of);
        vec![
            Line::new(
                format!("{what}: delivered in all"),
                "MB/s",
                Asked::LeastOfBare(self.asked),
            ),
            Line::new(format!("{what}: taken in"), "per second", Asked::Nothing),
        ]
    }

    fn has_bare(&self) -> bool {
        true
    }

    fn rounds(&self, quick: bool) -> usize {
        if quick { 2 } else { 7 }
    }

    fn prepare<'a>(&'a self, ground: &'a Ground) -> Result<Box<dyn Round + 'a>, String> {
        let load = Load::of(KEPT, self.command_bytes);
        let wanted = ground.pick(SECONDS, QUICK_SECONDS);
        // How much that is differs by orders of magnitude.
        let mut bytes = MB;
        loop {
            let (took, sent) = stream(ground, &load, bytes)?;
            if took > wanted / 4.0 || bytes >= MOST_BYTES {
                bytes = (sent as f64 / took * wanted) as u64;
                break;
            }
            bytes *= 4;
        }
        let bytes = bytes.clamp(MB, MOST_BYTES);
        Ok(Box::new(move || {
            let (took, sent) = stream(ground, &load, bytes)?;
            let per_second = sent as f64 / took;
            Ok(vec![
                per_second * READERS as f64 / MB as f64,
                per_second / self.command_bytes as f64,
            ])
        }))
    }
}

/// Seconds from the first byte sent until the last reader has the last one, and how much was sent.
fn stream(ground: &Ground, load: &Load, bytes: u64) -> Result<(f64, u64), String> {
    let server = ground.server()?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let mut sender = Sender::make(&ground.side, server.address(), "Stream")?;
        let mut readers = enter(READERS, &ground.side, server.address(), "Stream").await?;
        let (mut total, mut figures) = (0, (0.0, 0));
        for bytes in [bytes / WARM_UP, bytes] {
            total += load.rounded(bytes);
            let reading = readers.into_iter().map(|mut reader| {
                tokio::spawn(async move {
                    let done = reader
                        .until(|reader| reader.scanner.command_bytes >= total)
                        .await?;
                    if reader.scanner.command_bytes > total {
                        return Err("a reader got more than was sent".to_owned());
                    }
                    Ok((reader, done))
                })
            });
            let reading = reading.collect();
            let (load, start) = (load.clone(), Instant::now());
            let sending = tokio::task::spawn_blocking(move || {
                let sent = sender.send(&load, bytes)?;
                Ok::<_, String>((sender, sent))
            });
            let read = all(reading).await?;
            let sent;
            (sender, sent) = sending
                .await
                .map_err(|error| format!("the sender: {error}"))??;
            let last = read.iter().map(|(_, done)| *done).max().unwrap_or(start);
            figures = ((last - start).as_secs_f64(), sent);
            readers = read.into_iter().map(|(reader, _)| reader).collect();
        }
        Ok::<_, String>(figures)
    })
}
