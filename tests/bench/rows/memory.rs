//! What a relay holds in memory for a large room.

use super::{GB, MB, Round, Row};
use crate::ground::Ground;
use crate::process_figures::Watch;
use crate::reader::{Reader, runtime};
use crate::sender::{Load, Sender};
use crate::table::{Asked, Line};

const ROOM: &str = "Large";
const ASKED_MB: f64 = 80.0;
/// A room that is built to be quick is so much smaller.
const QUICK_PART: u64 = 10;

pub(crate) struct Memory {
    name: &'static str,
    bytes: u64,
}

impl Memory {
    pub(crate) fn new(name: &'static str, bytes: u64) -> Self {
        Self { name, bytes }
    }

    fn bytes(&self, quick: bool) -> u64 {
        if quick {
            self.bytes / QUICK_PART
        } else {
            self.bytes
        }
    }
}

impl Row for Memory {
    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self, quick: bool) -> Vec<Line> {
        let bytes = self.bytes(quick);
        let size = match bytes / GB {
            0 => format!("{} MB", bytes / MB),
            gigabytes => format!("{gigabytes} GB"),
        };
        let line = |what: &str, asked| Line::new(format!("a room of {size}: {what}"), "MB", asked);
        vec![
            line("RssAnon", Asked::Most(ASKED_MB)),
            line("VmRSS", Asked::Nothing),
            line("most RssAnon while it is made", Asked::Nothing),
            line("most RssAnon while one joins", Asked::Most(ASKED_MB)),
            line("most VmRSS while one joins", Asked::Nothing),
        ]
    }

    fn has_bare(&self) -> bool {
        false
    }

    fn rounds(&self, _quick: bool) -> usize {
        1
    }

    fn prepare<'a>(&'a self, ground: &'a Ground) -> Result<Box<dyn Round + 'a>, String> {
        Ok(Box::new(|| {
            let server = ground.server()?;
            let group = server.group()?;
            let mut sender = Sender::make(&ground.side, server.address(), ROOM)?;
            let making = Watch::start(&group)?;
            sender.send(&Load::mixed(), self.bytes(ground.quick))?;
            sender.barrier()?;
            let making = making.most()?;
            group.settle()?;
            let made = group.memory()?;
            let joining = Watch::start(&group)?;
            runtime()?.block_on(async {
                let mut joiner = Reader::connect(server.address()).await?;
                joiner.enter(&ground.side, ROOM).await
            })?;
            let joining = joining.most()?;
            let megabytes = |bytes: u64| bytes as f64 / MB as f64;
            Ok(vec![
                megabytes(made.anonymous),
                megabytes(made.resident),
                megabytes(making.anonymous),
                megabytes(joining.anonymous),
                megabytes(joining.resident),
            ])
        }))
    }
}
