//! A Mixer client written from protocol.md alone, so that the library is not tested against itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// A frame as it came: kind, id, payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) kind: u16,
    pub(crate) id: u32,
    pub(crate) payload: Vec<u8>,
}

impl Got {
    pub(crate) fn wire(&self) -> Vec<u8> {
        frame(self.kind, self.id, &self.payload)
    }
}

pub(crate) type Mirror = BTreeMap<String, Map<String, Value>>;

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Frames but those that only change the mirror.
    pub(crate) frames: Vec<Got>,
    pub(crate) clients: Mirror,
    pub(crate) rooms: Mirror,
    pub(crate) closed: bool,
    /// Bytes of all frames that have come.
    pub(crate) bytes: u64,
}

pub(crate) fn frame(kind: u16, id: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(&id.to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

pub(crate) fn string(text: &str) -> Vec<u8> {
    let mut bytes = u32::try_from(text.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

pub(crate) fn flag(flag: bool) -> Vec<u8> {
    u32::from(flag).to_le_bytes().to_vec()
}

pub(crate) fn join(room: &str, blender: &str, mixer: &str, ignore_versions: bool) -> Vec<u8> {
    [
        string(room),
        string(blender),
        string(mixer),
        flag(ignore_versions),
        flag(true),
    ]
    .concat()
}

pub(crate) fn text(payload: &[u8]) -> String {
    let length = u32::from_le_bytes(payload[..4].try_into().unwrap()) as usize;
    assert_eq!(payload.len(), 4 + length);
    String::from_utf8(payload[4..].to_vec()).unwrap()
}

/// The connection ended before a frame did.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) in_payload: bool,
}

/// Reads one frame. Not to be cancelled: what has been read of it would be lost.
pub(crate) async fn read_frame(from: &mut (impl AsyncRead + Unpin)) -> Result<Got, Broken> {
    let mut header = [0; 14];
    let broken = |in_payload| move |_| Broken { in_payload };
    from.read_exact(&mut header).await.map_err(broken(false))?;
    let size = u64::from_le_bytes(header[..8].try_into().unwrap());
    let mut payload = vec![0; usize::try_from(size).unwrap()];
    from.read_exact(&mut payload).await.map_err(broken(true))?;
    Ok(Got {
        kind: u16::from_le_bytes(header[12..].try_into().unwrap()),
        id: u32::from_le_bytes(header[8..12].try_into().unwrap()),
        payload,
    })
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = soon("connecting", TcpStream::connect(address))
            .await
            .unwrap();
        // Small messages one after the other would else wait for each other.
        stream.set_nodelay(true).unwrap();
        Self::served(stream)
    }

    /// The same on the relay's side: reads what a client sends.
    pub(crate) fn served(stream: TcpStream) -> Self {
        Self {
            stream,
            frames: Vec::new(),
            clients: Mirror::new(),
            rooms: Mirror::new(),
            closed: false,
            bytes: 0,
        }
    }

    /// Connects and waits until the relay has announced it, so that all later is told to it.
    pub(crate) async fn hello(address: SocketAddr) -> Self {
        Self::connect(address).await.announced().await
    }

    /// The same on a connection that is there.
    pub(crate) async fn announced(mut self) -> Self {
        let id = self.id();
        self.until("its own announcement", |client| {
            client.clients.contains_key(&id)
        })
        .await;
        self
    }

    /// The id the relay gives it.
    pub(crate) fn id(&self) -> String {
        self.stream.local_addr().unwrap().to_string()
    }

    pub(crate) async fn send(&mut self, kind: u16, payload: &[u8]) {
        self.raw(&frame(kind, 0, payload)).await;
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        soon("sending", self.stream.write_all(bytes)).await.unwrap();
    }

    /// Makes a room with no content.
    pub(crate) async fn make(&mut self, room: &str) {
        self.send(1, &join(room, "2.93.0", "1.0.0", false)).await;
        self.send(5, b"").await;
        let name = room.to_owned();
        self.until("the room to be joinable", |client| {
            client.is_joinable(&name)
        })
        .await;
    }

    /// Joins a room and waits until it is in.
    pub(crate) async fn enter(&mut self, room: &str) {
        self.send(1, &join(room, "2.93.0", "1.0.0", false)).await;
        self.until("being in", |client| {
            client.frames.iter().any(|got| got.kind == 1)
        })
        .await;
    }

    /// Joins a room; returns the history it was given for that, and keeps none of it.
    pub(crate) async fn take_history(&mut self, room: &str) -> Vec<Got> {
        self.frames.clear();
        self.send(1, &join(room, "2.93.0", "1.0.0", false)).await;
        // The last only, as a history may be long.
        self.until("being in", |client| {
            client
                .frames
                .last()
                .is_some_and(|got| [1, 12].contains(&got.kind))
        })
        .await;
        assert_eq!(self.errors(), [""; 0]);
        let mut history = std::mem::take(&mut self.frames);
        history.pop();
        assert_eq!(history.first().map(|got| got.kind), Some(6), "{room}");
        history.remove(0);
        history
    }

    /// The rooms as the relay lists them when asked.
    pub(crate) async fn list_rooms(&mut self) -> &Mirror {
        self.frames.clear();
        self.send(4, b"").await;
        self.until("the rooms", |client| client.asked(4)).await;
        &self.rooms
    }

    pub(crate) fn is_joinable(&self, room: &str) -> bool {
        self.rooms
            .get(room)
            .is_some_and(|room| room.get("joinable") == Some(&Value::Bool(true)))
    }

    /// Room commands among the frames, in order.
    pub(crate) fn commands(&self) -> Vec<&Got> {
        self.frames.iter().filter(|got| got.kind > 100).collect()
    }

    pub(crate) fn errors(&self) -> Vec<String> {
        self.frames
            .iter()
            .filter(|got| got.kind == 12)
            .map(|got| text(&got.payload))
            .collect()
    }

    /// Reads on until `done`. When the relay closes, `closed` is set and `done` is asked once more.
    pub(crate) async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let reading = async {
            while !done(self) {
                assert!(
                    !self.closed,
                    "closed before {what}: {:?}",
                    self.errors().last()
                );
                self.read_one().await;
            }
        };
        if tokio::time::timeout(super::PATIENCE, reading)
            .await
            .is_err()
        {
            panic!(
                "no {what}; got {:?}, rooms {:?}, clients {:?}",
                self.frames, self.rooms, self.clients
            );
        }
    }

    /// Asks for its id and waits for the answer, which comes after all answers to what it asked before.
    pub(crate) async fn barrier(&mut self) {
        let count = |client: &Self| client.frames.iter().filter(|got| got.kind == 18).count();
        let before = count(self);
        self.send(18, b"").await;
        self.until("an answer", |client| count(client) > before)
            .await;
    }

    /// Whether a frame of this kind has come.
    pub(crate) fn asked(&self, kind: u16) -> bool {
        self.frames.iter().any(|got| got.kind == kind)
    }

    /// Reads until the relay closes.
    pub(crate) async fn until_closed(&mut self) {
        self.until("the relay to close", |client| client.closed)
            .await;
    }

    async fn read_one(&mut self) {
        let got = match read_frame(&mut self.stream).await {
            Ok(got) => got,
            Err(Broken { in_payload }) => {
                assert!(!in_payload, "closed in the middle of a message");
                self.closed = true;
                return;
            }
        };
        let Got { kind, id, payload } = got;
        self.bytes += 14 + payload.len() as u64;
        match kind {
            4 | 14 if !payload.is_empty() => {
                let list = if kind == 4 {
                    &mut self.rooms
                } else {
                    &mut self.clients
                };
                *list = serde_json::from_str(&text(&payload)).unwrap();
                self.frames.push(Got { kind, id, payload });
            }
            19 | 20 => {
                let mirror = if kind == 20 {
                    &mut self.rooms
                } else {
                    &mut self.clients
                };
                let changed: Mirror = serde_json::from_str(&text(&payload)).unwrap();
                for (name, attributes) in changed {
                    mirror.entry(name).or_default().extend(attributes);
                }
            }
            21 => {
                self.rooms.remove(&text(&payload));
            }
            22 => {
                self.clients.remove(&text(&payload));
            }
            _ => self.frames.push(Got { kind, id, payload }),
        }
    }
}
