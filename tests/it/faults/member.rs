//! A member of a room that reads all the time, as a Blender does.

use std::time::Duration;

use serde_json::Value;
use socket2::SockRef;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::common::client::{Got, Mirror, frame, read_frame, text};
use crate::common::{Client, soon};

/// What has come since it became a [`Member`].
#[derive(Default)]
pub(super) struct Seen {
    pub(super) commands: Vec<Got>,
    pub(super) errors: Vec<String>,
    /// What it was told of rooms.
    pub(super) rooms: Mirror,
    /// Answers to CLIENT_ID.
    pub(super) answers: u32,
    pub(super) closed: bool,
}

impl Seen {
    pub(super) fn attribute(&self, room: &str, name: &str) -> Option<&Value> {
        self.rooms.get(room)?.get(name)
    }

    fn take(&mut self, got: Got) {
        match got.kind {
            101.. => self.commands.push(got),
            12 => self.errors.push(text(&got.payload)),
            18 => self.answers += 1,
            20 => {
                let changed: Mirror = serde_json::from_str(&text(&got.payload)).unwrap();
                for (room, attributes) in changed {
                    self.rooms.entry(room).or_default().extend(attributes);
                }
            }
            _ => {}
        }
    }
}

pub(super) struct Member {
    pub(super) writer: OwnedWriteHalf,
    pub(super) seen: watch::Receiver<Seen>,
    forgetting: watch::Sender<Seen>,
    reading: JoinHandle<()>,
}

impl Member {
    /// Reads on where a client stopped; what that was told counts as well.
    pub(super) fn new(client: Client) -> Self {
        let told = Seen {
            errors: client.errors(),
            ..Seen::default()
        };
        let (reader, writer) = client.stream.into_split();
        let (sender, seen) = watch::channel(told);
        let forgetting = sender.clone();
        let reading = tokio::spawn(async move {
            let mut reader = BufReader::with_capacity(256 << 10, reader);
            // Somebody who is torn off in the middle of a command has not got it.
            while let Ok(got) = read_frame(&mut reader).await {
                sender.send_modify(|seen| seen.take(got));
            }
            sender.send_modify(|seen| seen.closed = true);
        });
        Self {
            writer,
            seen,
            forgetting,
            reading,
        }
    }

    pub(super) fn seen(&self) -> watch::Ref<'_, Seen> {
        self.seen.borrow()
    }

    /// Closes the connection by a reset, as when a network breaks.
    pub(super) async fn cut_off(self) {
        SockRef::from(self.writer.as_ref())
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        self.reading.abort();
        let _cancelled = self.reading.await;
        self.writer.forget();
    }

    /// Forgets the commands that have come so far.
    pub(super) fn forget(&self) {
        self.forgetting.send_modify(|seen| seen.commands.clear());
    }

    pub(super) async fn until(&mut self, what: &str, mut done: impl FnMut(&Seen) -> bool) {
        let mut found = false;
        let either = |seen: &Seen| {
            found = done(seen);
            found || seen.closed
        };
        // Its sender is here.
        drop(soon(what, self.seen.wait_for(either)).await);
        assert!(found, "closed before {what}: {:?}", self.seen().errors);
    }

    pub(super) async fn send(&mut self, got: &Got) {
        self.raw(&got.wire()).await;
    }

    pub(super) async fn raw(&mut self, bytes: &[u8]) {
        soon("sending", self.writer.write_all(bytes)).await.unwrap();
    }

    /// Waits until the relay has read all that was sent so far, and answered it.
    pub(super) async fn barrier(&mut self) {
        let before = self.seen().answers;
        self.raw(&frame(18, 0, b"")).await;
        self.until("an answer", |seen| seen.answers > before).await;
    }
}

/// Waits until the connection has ended and all that came has been seen.
pub(super) async fn end(seen: &mut watch::Receiver<Seen>) {
    let ended = soon("the end", seen.wait_for(|seen| seen.closed)).await;
    assert!(ended.is_ok(), "the reading broke off");
}
