//! Many members who are connected first, then join at once, and read all the time meanwhile: news of
//! each other, and each other's edits.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::reader::{Reader, all};
use crate::server::Side;

/// Members in a room, or about to be.
#[derive(Debug)]
pub(crate) struct Crowd {
    go: watch::Sender<bool>,
    entered: mpsc::UnboundedReceiver<Result<Instant, String>>,
    members: Vec<JoinHandle<Result<Vec<u64>, String>>>,
}

impl Crowd {
    /// Connects so many, one after the other. They wait outside until told, and leave their latencies
    /// once they have got so many stamped commands.
    pub(crate) async fn gather(
        count: usize,
        side: &Side,
        address: SocketAddr,
        room: &'static str,
        stamps: usize,
    ) -> Result<Self, String> {
        let (go, told) = watch::channel(false);
        let (in_now, entered) = mpsc::unbounded_channel();
        let mut members = Vec::new();
        for _ in 0..count {
            let mut reader = Reader::connect(address).await?;
            reader.hello().await?;
            let (side, mut told, in_now) = (side.clone(), told.clone(), in_now.clone());
            members.push(tokio::spawn(async move {
                tokio::select! {
                    told = told.wait_for(|go| *go) => { let _still_there = told; }
                    lost = reader.until(|_| false) => { lost?; }
                }
                let result = reader.enter(&side, room).await;
                let failed = result.is_err();
                // Nobody listens any more after a failure.
                let _heard = in_now.send(result);
                if !failed {
                    reader
                        .until(|reader| reader.latencies.len() >= stamps)
                        .await?;
                }
                Ok(reader.latencies)
            }));
        }
        Ok(Self {
            go,
            entered,
            members,
        })
    }

    /// All join at once. Returns when the last was in, in seconds.
    pub(crate) async fn enter(&mut self) -> Result<f64, String> {
        let start = Instant::now();
        self.go.send_replace(true);
        let mut last = start;
        for _ in 0..self.members.len() {
            let entered = self.entered.recv().await;
            last = last.max(entered.ok_or("the members of the load are gone")??);
        }
        Ok((last - start).as_secs_f64())
    }

    /// What all have measured, once they have all stamped commands.
    pub(crate) async fn latencies(self) -> Result<Vec<u64>, String> {
        Ok(all(self.members).await?.concat())
    }
}
