//! What real Blenders sent, through our relay and its files, byte for byte.

use std::path::{Path, PathBuf};

use mixdesk::relay::{Guests, Limits, Relay};

use crate::common::client::{Got, join};
use crate::common::history::history;
use crate::common::{Client, recording, relay_in, relay_in_memory, soon};

const ROOM: &str = "Lab";
const LEAVE: u16 = 3;
const CONTENT: u16 = 5;

/// Asks to be let in.
async fn enter(mut client: Client) -> Client {
    client.send(1, &join(ROOM, "3.4.1", "1.0.0", false)).await;
    client
}

fn wire<'a>(frames: impl IntoIterator<Item = &'a Got>) -> Vec<u8> {
    frames.into_iter().flat_map(Got::wire).collect()
}

/// Where the large recordings lie, which are not part of the project.
pub(crate) fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traffic")
}

async fn replay(sent: Vec<Got>) {
    let folder = tempfile::tempdir().unwrap();
    let relay = keeping(folder.path()).await;
    let address = relay.address();
    let a = Client::connect(address).await;
    let members = replay_to(&sent, a, || Client::hello(address)).await;
    check_restored(folder.path(), &sent).await;
    drop(members);
    soon("stopping", relay.stop()).await;
}

async fn keeping(folder: &Path) -> Relay {
    relay_in(folder, 0, Guests::default(), Limits::default()).await
}

/// What was written down by now brings the whole room back, to a relay that has nothing else.
async fn check_restored(folder: &Path, sent: &[Got]) {
    let copy = tempfile::tempdir().unwrap();
    let rooms = copy.path().join("rooms");
    std::fs::create_dir(&rooms).unwrap();
    let mut copied = 0;
    for entry in std::fs::read_dir(folder.join("rooms")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "mixdesk") {
            std::fs::copy(&path, rooms.join(path.file_name().unwrap())).unwrap();
            copied += 1;
        }
    }
    assert_eq!(copied, 1, "files of the room");
    let restored = keeping(copy.path()).await;
    assert_eq!(restored.brought_back(), [ROOM]);
    assert_eq!(
        (restored.repaired(), restored.not_brought_back()),
        (&[][..], &[][..])
    );
    let leave = sent.iter().position(|frame| frame.kind == LEAVE).unwrap();
    let mut late = Client::connect(restored.address()).await;
    late.send(1, &join(ROOM, "3.4.1", "1.0.0", false)).await;
    late.until("being in", |late| {
        late.frames.last().is_some_and(|got| got.kind == 1)
    })
    .await;
    let commands = late.frames.iter().filter(|got| got.kind > 100);
    assert!(
        wire(commands) == wire(history(&sent[..leave])),
        "the restored history differs"
    );
    soon("stopping", restored.stop()).await;
}

/// A makes the room and edits, at full speed; B joins early and listens; C joins after all edits. `hello`: somebody
/// else who is connected. Returns all three, who are in the room.
pub(crate) async fn replay_to<F: Future<Output = Client>>(
    sent: &[Got],
    mut a: Client,
    hello: impl Fn() -> F,
) -> [Client; 3] {
    let content = sent.iter().position(|frame| frame.kind == CONTENT).unwrap();
    let leave = sent.iter().position(|frame| frame.kind == LEAVE).unwrap();

    a.raw(&wire(&sent[..=content])).await;
    a.until("a joinable room", |a| a.is_joinable(ROOM)).await;
    let mut b = enter(hello().await).await;
    b.until("being in", |b| b.frames.iter().any(|got| got.kind == 1))
        .await;
    let entered = b.frames.len();

    let edits = wire(&sent[content + 1..leave]);
    let live: Vec<&Got> = sent[content + 1..leave]
        .iter()
        .filter(|frame| frame.kind > 100)
        .collect();
    let sending = async { a.raw(&edits).await };
    let receiving = b.until("all edits", |b| b.frames.len() >= entered + live.len());
    tokio::join!(sending, receiving);
    let mut c = enter(hello().await).await;
    c.until("being in", |c| c.frames.iter().any(|got| got.kind == 1))
        .await;
    b.barrier().await;
    a.barrier().await;

    let frame = |kind, payload: &[u8]| Got {
        kind,
        id: 0,
        payload: payload.to_vec(),
    };
    let (clear, joined) = (frame(6, b""), frame(1, b"\x03\0\0\0Lab"));
    let around =
        |commands: Vec<&Got>| -> Vec<u8> { [clear.wire(), wire(commands), joined.wire()].concat() };
    let replayed = history(&sent[..=content]);
    assert!(
        wire(&b.frames[..entered]) == around(replayed),
        "B's history differs"
    );
    let b_live: Vec<&Got> = b.frames[entered..]
        .iter()
        .filter(|got| got.kind > 100)
        .collect();
    assert!(wire(b_live) == wire(live), "B's live commands differ");
    let whole = history(&sent[..leave]);
    assert!(
        wire(&c.frames) == around(whole.clone()),
        "C's history differs"
    );

    let count = Some(whole.len() as u64);
    let size = Some(whole.iter().map(|frame| frame.wire().len() as u64).sum());
    let figure =
        |b: &Client, name: &str| b.rooms[ROOM].get(name).and_then(serde_json::Value::as_u64);
    b.until("the last figures", |b| {
        (figure(b, "command_count"), figure(b, "byte_size")) == (count, size)
    })
    .await;
    assert!(a.commands().is_empty(), "nobody hears themselves");
    assert_eq!(
        (a.errors(), b.errors(), c.errors()),
        (vec![], vec![], vec![])
    );
    [a, b, c]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_scene() {
    replay(recording::golden("small.A.c2s.rec.gz")).await;
}

/// Where rooms are not to be kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_scene_in_memory_alone() {
    let relay = relay_in_memory();
    let address = relay.address();
    let a = Client::connect(address).await;
    let sent = recording::golden("small.A.c2s.rec.gz");
    replay_to(&sent, a, || Client::hello(address)).await;
    soon("stopping", relay.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_of_a_medium_scene() {
    replay(recording::golden("medium-cut.A.c2s.rec.gz")).await;
}

/// The large recordings are not part of the project; CI runs this where they lie beside it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the recordings beside the project; run by .ci/run"]
async fn all_recorded_scenes() {
    for scene in ["small", "medium", "heavy"] {
        replay(recording::frames(
            &recordings().join(format!("{scene}.A.c2s.rec.gz")),
        ))
        .await;
    }
}
