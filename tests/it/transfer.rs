//! Rooms saved to files and restored, through real relays.

use mixdesk::archive::Format;
use mixdesk::net::Target;
use mixdesk::relay::Relay;
use mixdesk::session::{Identity, Progress, TransferError, restore, save};
use tokio::sync::watch;

use crate::common::client::{Got, flag, join, string};
use crate::common::{Client, recording, relay, soon};

fn target(relay: &Relay) -> Target {
    Target {
        host: "127.0.0.1".to_owned(),
        port: relay.address().port(),
    }
}

fn identity() -> Identity {
    Identity {
        name: "Ada (file)".to_owned(),
        color: [0.5; 3],
    }
}

/// A relay with a room `Lab` that holds what a real Blender sent, and the room's history.
async fn lab() -> (Relay, Client, Vec<Got>) {
    let relay = relay();
    let mut a = Client::hello(relay.address()).await;
    let sent = recording::golden("medium-cut.A.c2s.rec.gz");
    let leave = sent.iter().position(|frame| frame.kind == 3).unwrap();
    a.raw(
        &sent[..leave]
            .iter()
            .flat_map(Got::wire)
            .collect::<Vec<u8>>(),
    )
    .await;
    a.send(16, &[string("Lab"), string(r#"{"note": 1.0}"#)].concat())
        .await;
    let mut b = Client::hello(relay.address()).await;
    a.barrier().await;
    b.send(1, &join("Lab", "3.4.1", "1.0.0", false)).await;
    b.until("being in", |b| b.frames.iter().any(|got| got.kind == 1))
        .await;
    let history = b.commands().into_iter().cloned().collect();
    (relay, a, history)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_survives_both_formats() {
    let (relay, mut a, history) = lab().await;
    let folder = tempfile::tempdir().unwrap();
    for format in [Format::Mixer, Format::Mixdesk] {
        let path = folder
            .path()
            .join(format!("Back {}.room", format.extension()));
        let (progress, seen) = watch::channel(Progress::default());
        let saved = soon(
            "saving",
            save(
                &target(&relay),
                &identity(),
                "Lab",
                &path,
                format,
                &progress,
            ),
        )
        .await
        .unwrap();
        assert_eq!(saved.commands, history.len() as u64);
        let Progress {
            done_bytes,
            total_bytes,
        } = *seen.borrow();
        assert_eq!(done_bytes, total_bytes);

        let other = crate::common::relay();
        let (progress, _seen) = watch::channel(Progress::default());
        let done = soon(
            "restoring",
            restore(&target(&other), &identity(), &path, &progress),
        )
        .await
        .unwrap();
        assert_eq!((done.commands, done.lost_bytes), (saved.commands, 0));
        let mut c = Client::hello(other.address()).await;
        c.send(4, b"").await;
        let room = done.room.clone();
        // Its figures may be told before the list comes.
        c.until("the room", |c| {
            c.rooms
                .get(&room)
                .is_some_and(|room| room.contains_key("note"))
        })
        .await;
        let attributes = &c.rooms[&room];
        assert_eq!(
            (
                attributes["keep_open"].as_bool(),
                attributes["joinable"].as_bool()
            ),
            (Some(true), Some(true))
        );
        assert_eq!(attributes["note"].to_string(), "1.0");
        c.send(1, &join(&room, "3.4.1", "1.0.0", false)).await;
        c.until("being in", |c| c.frames.iter().any(|got| got.kind == 1))
            .await;
        let restored: Vec<Got> = c.commands().into_iter().cloned().collect();
        assert!(restored == history, "the history differs");
        soon("stopping", other.stop()).await;
    }
    a.barrier().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_said_and_nothing_is_left() {
    let (relay, mut a, _) = lab().await;
    let folder = tempfile::tempdir().unwrap();
    let (progress, _seen) = watch::channel(Progress::default());
    let path = folder.path().join("Lab.mixer");
    let missing = save(
        &target(&relay),
        &identity(),
        "Nowhere",
        &path,
        Format::Mixer,
        &progress,
    )
    .await;
    assert!(
        matches!(missing, Err(TransferError::NoRoom(_))),
        "{missing:?}"
    );
    let nowhere = folder.path().join("no such folder").join("Lab.mixer");
    let unwritable = save(
        &target(&relay),
        &identity(),
        "Lab",
        &nowhere,
        Format::Mixer,
        &progress,
    )
    .await;
    assert!(
        matches!(unwritable, Err(TransferError::File { .. })),
        "{unwritable:?}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    save(
        &target(&relay),
        &identity(),
        "Lab",
        &path,
        Format::Mixer,
        &progress,
    )
    .await
    .unwrap();
    let exists = restore(&target(&relay), &identity(), &path, &progress).await;
    assert!(
        matches!(exists, Err(TransferError::Exists(_))),
        "{exists:?}"
    );
    let absent = restore(
        &target(&relay),
        &identity(),
        &folder.path().join("x"),
        &progress,
    )
    .await;
    assert!(
        matches!(absent, Err(TransferError::File { .. })),
        "{absent:?}"
    );
    a.send(17, &[string("Lab"), flag(false)].concat()).await;
    a.barrier().await;
    soon("stopping", relay.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_cut_off_gives_what_is_there() {
    let (relay, mut a, history) = lab().await;
    let folder = tempfile::tempdir().unwrap();
    let (progress, _seen) = watch::channel(Progress::default());
    for format in [Format::Mixer, Format::Mixdesk] {
        let path = folder.path().join(format!("Cut {}", format.extension()));
        save(
            &target(&relay),
            &identity(),
            "Lab",
            &path,
            format,
            &progress,
        )
        .await
        .unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 10]).unwrap();
        let other = crate::common::relay();
        let done = restore(&target(&other), &identity(), &path, &progress)
            .await
            .unwrap();
        assert!(done.lost_bytes > 0);
        // The last command is gone, and a batch that it may have ended is closed again.
        assert!(done.commands == history.len() as u64 - 1 || done.commands == history.len() as u64);
    }
    a.barrier().await;
    soon("stopping", relay.stop()).await;
}

/// A relay that lists the room `Lab`, and has ended it by the time of the join: it makes it anew.
async fn forgetful() -> Target {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, address) = listener.accept().await.unwrap();
        let mut peer = Client::served(stream);
        let listed = string(r#"{"Lab": {"joinable": true, "byte_size": 9}}"#);
        peer.until("a list", |peer| peer.asked(4)).await;
        peer.send(4, &listed).await;
        peer.until("a join", |peer| peer.asked(1)).await;
        peer.send(1, &string("Lab")).await;
        peer.send(5, b"").await;
        peer.until_closed().await;
        address
    });
    Target {
        host: "127.0.0.1".to_owned(),
        port,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_just_ended_does_not_replace_its_last_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Lab.mixer");
    std::fs::write(&path, "the last copy").unwrap();
    let (progress, _seen) = watch::channel(Progress::default());
    let target = forgetful().await;
    let gone = soon(
        "saving",
        save(&target, &identity(), "Lab", &path, Format::Mixer, &progress),
    )
    .await;
    assert!(matches!(gone, Err(TransferError::NoRoom(_))), "{gone:?}");
    assert_eq!(std::fs::read(&path).unwrap(), b"the last copy");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
