//! What a relay costs while nobody does anything.

use std::time::Duration;

use super::{Round, Row};
use crate::crowd::Crowd;
use crate::ground::Ground;
use crate::reader::runtime;
use crate::sender::Sender;
use crate::table::{Asked, Line};

const ROOM: &str = "Idle";
const TIME: Duration = Duration::from_secs(20);
const QUICK_TIME: Duration = Duration::from_secs(2);

pub(crate) struct Idle {
    name: &'static str,
    peers: usize,
    asked_percent: f64,
}

impl Idle {
    pub(crate) fn new(name: &'static str, peers: usize, asked_percent: f64) -> Self {
        Self {
            name,
            peers,
            asked_percent,
        }
    }
}

impl Row for Idle {
    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self, quick: bool) -> Vec<Line> {
        let time = if quick { QUICK_TIME } else { TIME };
        let what = format!("{} idle peers, {} s: CPU", self.peers, time.as_secs());
        vec![Line::new(
            what,
            "% of a core",
            Asked::Most(self.asked_percent),
        )]
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
            let _maker = Sender::make(&ground.side, server.address(), ROOM)?;
            runtime()?.block_on(async {
                // The maker is one of them. The others stay in until this ends.
                let members = self.peers - 1;
                let address = server.address();
                let mut crowd =
                    Crowd::gather(members, &ground.side, address, ROOM, usize::MAX).await?;
                crowd.enter().await?;
                let time = ground.pick(TIME, QUICK_TIME);
                let looking = tokio::task::spawn_blocking(move || {
                    group.settle()?;
                    group.cpu_for(time)
                });
                let share = looking
                    .await
                    .map_err(|error| format!("looking at the relay: {error}"))??;
                Ok(vec![share * 100.0])
            })
        }))
    }
}
