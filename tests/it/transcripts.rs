//! Our relay against what clients of the reference relay saw.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::common::client::{Got, Mirror, join, string};
use crate::common::{Client, relay, soon};

const BLENDER: &str = "2.93.0";
const MIXER: &str = "1.0.0";

fn kind_name(kind: u16) -> Value {
    match kind {
        1 => json!("JOIN_ROOM"),
        3 => json!("LEAVE_ROOM"),
        4 => json!("LIST_ROOMS"),
        5 => json!("CONTENT"),
        6 => json!("CLEAR_CONTENT"),
        12 => json!("SEND_ERROR"),
        14 => json!("LIST_CLIENTS"),
        18 => json!("CLIENT_ID"),
        other => json!(other),
    }
}

/// A scenario: its clients by name, and the steps that were recorded.
struct Scenario {
    relay: mixdesk::relay::Relay,
    steps: std::vec::IntoIter<Value>,
    clients: BTreeMap<&'static str, Client>,
    /// Client ids as the relay gave them, and the names they stand for.
    names: BTreeMap<String, &'static str>,
    /// Frames of earlier steps, which are not to be seen again.
    seen: BTreeMap<&'static str, usize>,
}

impl Scenario {
    fn new(name: &str) -> Self {
        let all: Value = serde_json::from_str(include_str!("golden/reference.json")).unwrap();
        let steps = all[name].as_array().unwrap().clone().into_iter();
        Self {
            relay: relay(),
            steps,
            clients: BTreeMap::new(),
            names: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    async fn connect(&mut self, name: &'static str) {
        let client = Client::hello(self.relay.address()).await;
        self.names.insert(client.id(), name);
        let id = client.id();
        self.clients.insert(name, client);
        for (name, other) in &mut self.clients {
            other
                .until(&format!("{name} to hear"), |other| {
                    other.clients.contains_key(&id) || other.closed
                })
                .await;
        }
    }

    async fn send(&mut self, name: &str, kind: u16, payload: &[u8]) {
        self.clients
            .get_mut(name)
            .unwrap()
            .send(kind, payload)
            .await;
    }

    async fn make(&mut self, name: &str, room: &str, ignore_versions: bool) {
        self.send(name, 1, &join(room, BLENDER, MIXER, ignore_versions))
            .await;
        self.send(name, 5, b"").await;
        let room = room.to_owned();
        for client in self.clients.values_mut() {
            client
                .until("a joinable room", |client| client.is_joinable(&room))
                .await;
        }
    }

    /// The step's clients must come to see what was recorded, and nothing besides.
    async fn step(&mut self, title: &str) {
        let step = self
            .steps
            .next()
            .unwrap_or_else(|| panic!("no step {title}"));
        assert_eq!(step["step"], title);
        for (name, expected) in step["seen"].as_object().unwrap() {
            let seen = self.seen.get(name.as_str()).copied().unwrap_or(0);
            let names = self.names.clone();
            let (name, client) = self
                .clients
                .iter_mut()
                .find(|(known, _)| *known == name)
                .unwrap();
            let what = format!("what {name} saw in “{title}”: {expected}");
            client
                .until(&what, |client| view(client, seen, &names) == *expected)
                .await;
            self.seen.insert(name, client.frames.len());
        }
    }

    /// After the last step nothing more may have come.
    async fn end(mut self) {
        assert!(self.steps.next().is_none(), "not all steps were made");
        for (name, client) in self.clients.iter_mut().filter(|(_, client)| !client.closed) {
            client.barrier().await;
            let late: Vec<&Got> = client
                .frames
                .iter()
                .skip(self.seen[name])
                .filter(|got| got.kind != 18)
                .collect();
            assert!(late.is_empty(), "{name} got {late:?} besides");
        }
        soon("stopping", self.relay.stop()).await;
    }
}

/// What a client sees, as the transcripts write it.
fn view(client: &Client, seen: usize, names: &BTreeMap<String, &'static str>) -> Value {
    let known = |id: &str| names.get(id).copied().unwrap_or("?");
    let frames: Vec<Value> = client
        .frames
        .iter()
        .skip(seen)
        .map(|got| match got.kind {
            4 | 12 | 14 => json!([kind_name(got.kind)]),
            18 => json!([
                kind_name(18),
                known(std::str::from_utf8(&got.payload).unwrap())
            ]),
            kind => {
                let hex: String = got
                    .payload
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                json!([kind_name(kind), hex])
            }
        })
        .collect();
    let mirror = |mirror: &Mirror| -> Map<String, Value> {
        mirror
            .iter()
            .map(|(name, attributes)| (name.clone(), Value::Object(attributes.clone())))
            .collect()
    };
    let mut clients = Map::new();
    for (id, mut attributes) in mirror(&client.clients) {
        if let Some(own) = attributes.get_mut("id") {
            assert_eq!(*own, json!(id));
            *own = json!(known(&id));
        }
        attributes.as_object_mut().unwrap().remove("port");
        clients.insert(known(&id).to_owned(), attributes);
    }
    json!({"clients": clients, "closed": client.closed, "frames": frames, "rooms": mirror(&client.rooms)})
}

#[tokio::test(flavor = "multi_thread")]
async fn hello() {
    let mut s = Scenario::new("hello");
    s.connect("a").await;
    s.step("a connects").await;
    for kind in [18, 14, 4] {
        s.send("a", kind, b"").await;
    }
    s.step("a asks for its id and the lists").await;
    s.connect("b").await;
    s.step("b connects: a is told").await;
    let b = s.clients.get_mut("b").unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut b.stream)
        .await
        .unwrap();
    s.step("b goes: a is told").await;
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_and_join() {
    let mut s = Scenario::new("create_and_join");
    s.connect("a").await;
    s.connect("b").await;
    s.send("a", 1, &join("R", BLENDER, MIXER, false)).await;
    s.step("a creates R").await;
    s.send("b", 1, &join("R", BLENDER, MIXER, false)).await;
    s.step("b tries R before it is joinable").await;
    for (name, more) in [("obj0", ""), ("obj1", "x"), ("obj2", "xx")] {
        s.send("a", 140, &[string(name), more.into()].concat())
            .await;
    }
    s.send("a", 5, b"").await;
    s.step("a has sent the content").await;
    s.send("b", 1, &join("R", BLENDER, MIXER, false)).await;
    s.step("b joins and gets the history").await;
    s.send("a", 140, &string("from a")).await;
    s.send("b", 140, &string("from b")).await;
    s.step("both edit: each hears the other, not itself").await;
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leave() {
    let mut s = Scenario::new("leave");
    s.connect("a").await;
    s.make("a", "R", false).await;
    s.connect("b").await;
    s.send("b", 1, &join("R", BLENDER, MIXER, false)).await;
    s.step("both in").await;
    s.send("a", 3, b"R").await;
    s.step("a leaves").await;
    s.send("b", 3, b"R").await;
    s.step("b leaves: the room goes").await;
    s.send("b", 3, b"R").await;
    s.step("b leaves again: error").await;
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keep_open() {
    let mut s = Scenario::new("keep_open");
    s.connect("a").await;
    s.make("a", "R", false).await;
    s.send("a", 17, &[string("R"), vec![1, 0, 0, 0]].concat())
        .await;
    s.send("a", 3, b"R").await;
    s.step("kept open when empty").await;
    s.send("a", 7, b"R").await;
    s.step("deleted").await;
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn merging() {
    let mut s = Scenario::new("merging");
    s.connect("a").await;
    s.make("a", "R", false).await;
    let named = |name: &str, more: &str| [string(name), more.into()].concat();
    for (kind, payload) in [
        (201, named("Cube", "1")),
        (201, named("Cube", "22")),
        (201, named("Lamp", "3")),
        (201, named("Cube", "4")),
        (203, named("Cube", "5")),
        (140, named("Cube", "6")),
        (140, named("Cube", "7")),
        (205, 12u32.to_le_bytes().to_vec()),
        (139, string("Cube")),
        (1000, string("id")),
    ] {
        s.send("a", kind, &payload).await;
    }
    s.step("what the room now holds").await;
    s.connect("b").await;
    s.send("b", 1, &join("R", BLENDER, MIXER, false)).await;
    s.step("b gets the merged history").await;
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes() {
    let mut s = Scenario::new("attributes");
    s.connect("a").await;
    s.make("a", "R", false).await;
    s.connect("b").await;
    let scene = |frame: u32| format!(r#""user_scenes": {{"Scene": {{"frame": {frame}}}}}"#);
    let all = format!(
        r#"{{"user_name": "Ada", "user_color": [0.1, 0.5, 1.0], {}}}"#,
        scene(3)
    );
    s.send("a", 15, &string(&all)).await;
    s.step("a names itself").await;
    s.send(
        "a",
        15,
        &string(&format!(r#"{{"user_name": "Ada", {}}}"#, scene(4))),
    )
    .await;
    s.step("only what changed is told").await;
    s.send(
        "a",
        16,
        &[string("R"), string(r#"{"note": "x", "n": 1}"#)].concat(),
    )
    .await;
    s.step("room attributes").await;
    s.send("b", 11, "Bé".as_bytes()).await;
    s.step("the old way to set a name").await;
    s.send("b", 14, b"").await;
    s.send("b", 4, b"").await;
    s.step("b lists").await;
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions() {
    let mut s = Scenario::new("versions");
    s.connect("a").await;
    s.make("a", "R", false).await;
    s.connect("b").await;
    s.connect("c").await;
    s.send("b", 1, &join("R", "3.0.0", MIXER, false)).await;
    s.step("another Blender version is refused").await;
    s.send("b", 1, &join("R", BLENDER, "0.9.0", false)).await;
    s.step("another Mixer version is refused").await;
    s.send("b", 1, &join("R", "3.0.0", MIXER, true)).await;
    s.step("the joiner's own ignore flag does not count").await;
    s.make("c", "S", true).await;
    s.send("b", 1, &join("S", "3.0.0", "0.9.0", false)).await;
    s.step("a room made to ignore versions takes any").await;
    s.end().await;
}
