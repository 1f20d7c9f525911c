//! What may go wrong around the relay, and what must be there afterwards: the program killed at any
//! moment, rooms that end, damaged files, a full disk, broken and numerous peers, a clock that jumps,
//! and hours of use.
//!
//! The program is a process of its own here and is judged by what its members see, its files and its
//! words, against what protocol.md says a history is. Each test has a short form; the long ones are
//! run by .ci/run.

// Processes are killed and signalled, and limits and mounts are Linux's.
#![cfg(target_os = "linux")]

mod clock;
mod damaged;
mod disk_full;
mod ended;
mod killed;
mod member;
mod model;
mod peers;
mod rough_company;
mod soak;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::client::Got;
use crate::common::program::recent_folder;
use crate::common::{Client, PATIENCE};

/// A command that is told apart from all others by its id, which it also says.
fn command(kind: u16, id: u32, rest: &[u8]) -> Got {
    let payload = [&id.to_le_bytes()[..], rest].concat();
    Got { kind, id, payload }
}

/// A command of a mergeable kind about something.
fn about(kind: u16, id: u32, path: &str) -> Got {
    let payload = [
        &crate::common::client::string(path)[..],
        &id.to_le_bytes()[..],
    ]
    .concat();
    Got { kind, id, payload }
}

/// All files below a folder, sorted; none if there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect();
    files.sort();
    files
}

/// The rooms' files below a folder, sorted.
fn room_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = files(folder);
    files.retain(|path| path.extension().is_some_and(|end| end == "mixdesk"));
    files
}

/// How many rooms' files below a folder hold these words.
fn stands_in(folder: &Path, words: &str) -> usize {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes
            .windows(words.len())
            .any(|part| part == words.as_bytes())
    };
    room_files(folder).iter().filter(|path| holds(path)).count()
}

/// One file was put away; it holds what the room `held`.
fn check_put_away(home: &Path, held: &[Got]) {
    let away = room_files(&recent_folder(home));
    let [path] = &away[..] else {
        panic!("{away:?}")
    };
    let bytes = std::fs::read(path).unwrap();
    for got in held {
        let wire = got.wire();
        assert!(
            bytes.windows(wire.len()).any(|part| part == wire),
            "{} is not in the file",
            got.id
        );
    }
}

/// Waits for something that nobody tells of, such as a file.
async fn until(what: &str, done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, waiting).await.is_ok(),
        "no {what}"
    );
}

/// Waits until a room's file says that the room is whole: only then anybody is let in. That it is joinable is
/// told before that.
async fn written(maker: &Client, room: &str) {
    let mut other = Client::connect(maker.stream.peer_addr().unwrap()).await;
    other.take_history(room).await;
    other.send(3, b"").await;
    other.barrier().await;
}

/// Makes a room with a content.
async fn make(maker: &mut Client, room: &str, content: &[Got]) {
    maker
        .send(
            1,
            &crate::common::client::join(room, "2.93.0", "1.0.0", false),
        )
        .await;
    let bytes: Vec<u8> = content.iter().flat_map(Got::wire).collect();
    maker.raw(&bytes).await;
    maker.send(5, b"").await;
    maker
        .until("the room to be joinable", |maker| maker.is_joinable(room))
        .await;
}
