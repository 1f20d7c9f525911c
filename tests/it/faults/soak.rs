//! Hours of use in a minute or ten: rooms come and go with the traffic of real Blenders, people join,
//! leave and are cut off, and the program's memory stays as it is; nothing of them is open afterwards.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::member::Member;
use super::{about, command, files, until};
use crate::common::client::{Got, frame, join, string};
use crate::common::history::{history, is_kept};
use crate::common::noise::Noise;
use crate::common::program::recent_folder;
use crate::common::skip::Skipped;
use crate::common::{Client, Program, recording};
use crate::traffic::recordings;

/// How long it runs, in seconds.
const SECONDS: &str = "MIXDESK_SOAK_SECONDS";
const DEFAULT_SECONDS: u64 = 600;
/// The first part, in which memory may grow to what use takes.
const WARM_UP: u32 = 4;
/// What may be more at the end than after that: threads take memory from places of their own, of which each has its
/// leavings, fewer and fewer new ones (7 MB in a minute, 12 in ten) …
const GROWTH_BYTES: u64 = 12 << 20;
/// … and where the first part is over before all scenes have been there.
const SHORT_GROWTH_BYTES: u64 = 16 << 20;
/// What may be there at all.
const MOST_BYTES: u64 = 80 << 20;
/// What may be open at the end besides what was at the start, of thousands that were: with heavy traffic a second runtime
/// came.
const SPARE_FILES: usize = 16;
/// Of what has ended, so much is left in the folder: a soak makes more than a disk holds.
const RECENT_FILES: usize = 50;

/// What Blender A sent in a recording: its scene, and the edits that followed.
struct Scene {
    content: Vec<Got>,
    edits: Vec<Got>,
    /// What it said of itself.
    attributes: Vec<Got>,
}

impl Scene {
    fn of(recorded: Vec<Got>) -> Self {
        let content = recorded.iter().position(|got| got.kind == 5).unwrap();
        let commands = |part: &[Got]| -> Vec<Got> {
            part.iter().filter(|got| got.kind > 100).cloned().collect()
        };
        Self {
            content: commands(&recorded[..content]),
            edits: commands(&recorded[content..]),
            attributes: recorded.into_iter().filter(|got| got.kind == 15).collect(),
        }
    }

    /// The recordings that are part of the tests, and the larger ones where they lie beside the
    /// project.
    fn all() -> Vec<Self> {
        let mut scenes = vec![
            Self::of(recording::golden("small.A.c2s.rec.gz")),
            Self::of(recording::golden("medium-cut.A.c2s.rec.gz")),
        ];
        let folder = recordings();
        let medium = folder.join("medium.A.c2s.rec.gz");
        if medium.is_file() {
            scenes.push(Self::of(recording::frames(&medium)));
        } else if folder.is_dir() {
            let why = "the medium scene is not among the recordings";
            Skipped::Missing(why.to_owned()).tell();
        } else {
            println!("without the medium scene: the recordings do not lie beside this checkout");
        }
        scenes
    }
}

/// What flowed.
#[derive(Default)]
struct Flow {
    rooms: AtomicU64,
    commands: AtomicU64,
    bytes: AtomicU64,
    joins: AtomicU64,
    cuts: AtomicU64,
}

impl Flow {
    fn sent(&self, commands: &[Got], bytes: usize) {
        self.commands
            .fetch_add(commands.len() as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

struct Soak {
    address: SocketAddr,
    flow: Flow,
    enough: AtomicBool,
}

fn wire<'a>(commands: impl IntoIterator<Item = &'a Got>) -> Vec<u8> {
    commands.into_iter().flat_map(Got::wire).collect()
}

/// What a member got is what was sent, byte for byte.
fn check<'a>(who: &str, got: &[Got], sent: impl IntoIterator<Item = &'a Got>) {
    assert!(got.iter().eq(sent), "{who} got something else");
}

impl Soak {
    async fn joined(&self, room: &str) -> (Vec<Got>, Client) {
        let mut client = Client::connect(self.address).await;
        let history = client.take_history(room).await;
        self.flow.joins.fetch_add(1, Ordering::Relaxed);
        (history, client)
    }

    /// One room after the other, each with the whole story: A makes it and edits, B listens, leaves
    /// amid that and comes back, C is cut off, D comes at the end.
    async fn replay(&self, scene: &Scene, name: &str, mut noise: Noise) {
        for number in 0.. {
            if self.enough.load(Ordering::Relaxed) {
                return;
            }
            let room = format!("{name} {number}");
            self.tell_story(scene, &room, &mut noise).await;
            self.flow.rooms.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn tell_story(&self, scene: &Scene, room: &str, noise: &mut Noise) {
        let mut a = Client::connect(self.address).await;
        a.raw(&wire(&scene.attributes)).await;
        let content = wire(&scene.content);
        a.send(1, &join(room, "2.93.0", "1.0.0", false)).await;
        a.raw(&content).await;
        a.send(5, b"").await;
        a.until("the room to be joinable", |a| a.is_joinable(room))
            .await;
        self.flow.sent(&scene.content, content.len());
        let mut a = Member::new(a);
        let mut sent: Vec<&Got> = scene.content.iter().collect();
        let parts = scene.edits.chunks(scene.edits.len().div_ceil(4).max(1));
        for (number, part) in parts.enumerate() {
            let (given, b) = self.joined(room).await;
            check("B", &given, history(sent.iter().copied()));
            let (given, c) = self.joined(room).await;
            check("C", &given, history(sent.iter().copied()));
            let (mut b, c) = (Member::new(b), Member::new(c));
            let edits = wire(part);
            a.raw(&edits).await;
            let attributes = json!({"part": number, "x": noise.below(1000)}).to_string();
            a.raw(&frame(16, 0, &[string(room), string(&attributes)].concat()))
                .await;
            if noise.one_in(2) {
                c.cut_off().await;
                self.flow.cuts.fetch_add(1, Ordering::Relaxed);
            } else {
                drop(c);
            }
            b.until("all edits", |seen| seen.commands.len() >= part.len())
                .await;
            check("B", &b.seen().commands, part);
            assert_eq!(b.seen().errors, [""; 0]);
            b.raw(&frame(3, 0, b"")).await;
            b.barrier().await;
            self.flow.sent(part, edits.len());
            sent.extend(part);
        }
        let (given, _d) = self.joined(room).await;
        check("D", &given, history(sent));
        a.barrier().await;
        let seen = a.seen();
        assert!(!seen.closed && seen.errors.is_empty() && seen.commands.is_empty());
    }

    /// One room that stays, with two who never leave it: live commands, and edits that replace one
    /// another.
    async fn stay(&self) {
        let room = "The one that stays";
        let mut maker = Client::hello(self.address).await;
        maker.make(room).await;
        let (_, listener) = self.joined(room).await;
        let (mut maker, mut listener) = (Member::new(maker), Member::new(listener));
        let mut ids = 0..;
        while !self.enough.load(Ordering::Relaxed) {
            let some: Vec<Got> = ids
                .by_ref()
                .take(50)
                .map(|id| match id % 2 {
                    0 => command(205, id, &[0; 100]),
                    _ => about(201, id, "Cube"),
                })
                .collect();
            maker.raw(&wire(&some)).await;
            let last = some.last().unwrap();
            listener
                .until("them all", |seen| seen.commands.last() == Some(last))
                .await;
            check("who stays", &listener.seen().commands, &some);
            listener.forget();
            self.flow.sent(&some, wire(&some).len());
            let kept = some.iter().rfind(|got| is_kept(got));
            let (given, _new) = self.joined(room).await;
            check("who looks in", &given, kept);
        }
        assert_eq!(maker.seen().errors, [""; 0]);
        maker.barrier().await;
        listener.barrier().await;
    }
}

async fn soak(duration: Duration, growth_bytes: u64) {
    let mut noise = Noise::of_this_run();
    let home = TempDir::new().unwrap();
    let program = Program::host(home.path());
    let files_before = program.open_files();
    let soak = Arc::new(Soak {
        address: program.address(),
        flow: Flow::default(),
        enough: AtomicBool::new(false),
    });
    let start = Instant::now();
    let mut users = JoinSet::new();
    for (number, scene) in Scene::all().into_iter().enumerate() {
        let (soak, noise) = (Arc::clone(&soak), Noise::new(noise.next()));
        users.spawn(async move { soak.replay(&scene, &format!("Shot {number}"), noise).await });
    }
    let staying = Arc::clone(&soak);
    users.spawn(async move { staying.stay().await });

    let (mut sizes, mut most_files, mut most_threads) = (Vec::new(), 0_usize, 0_usize);
    let mut look = tokio::time::interval(Duration::from_millis(200));
    while start.elapsed() < duration {
        tokio::select! {
            _ = look.tick() => {}
            ended = users.join_next() => ended.unwrap().unwrap(),
        }
        sizes.push((start.elapsed(), program.anonymous_bytes()));
        most_files = most_files.max(program.open_files());
        most_threads = most_threads.max(program.threads());
        make_space(home.path());
    }
    soak.enough.store(true, Ordering::Relaxed);
    while let Some(ended) = users.join_next().await {
        ended.unwrap();
    }
    let took = start.elapsed();
    let flow = &soak.flow;
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let seconds = took.as_secs_f64();
    println!(
        "{seconds:.0} s: {} rooms, {} joins, {} cut off, {} commands and {} MiB sent, that is {:.0} commands \
         and {:.1} MiB a second",
        of(&flow.rooms),
        of(&flow.joins),
        of(&flow.cuts),
        of(&flow.commands),
        of(&flow.bytes) >> 20,
        of(&flow.commands) as f64 / seconds,
        of(&flow.bytes) as f64 / seconds / f64::from(1 << 20),
    );
    let tenths: Vec<String> = sizes
        .chunks(sizes.len().div_ceil(10))
        .filter_map(|tenth| tenth.iter().map(|(_, bytes)| bytes >> 10).max())
        .map(|kib| kib.to_string())
        .collect();
    println!("memory of its own, by tenths: {} KiB", tenths.join(", "));
    let most = |from: Duration, to: Duration| {
        let within = sizes.iter().filter(|(at, _)| (from..to).contains(at));
        within.map(|(_, bytes)| *bytes).max().unwrap()
    };
    let warm = most(Duration::ZERO, duration / WARM_UP);
    let end = most(duration - duration / WARM_UP, took);
    let ever = most(Duration::ZERO, took);
    println!(
        "{} KiB at most while warming up, {} KiB at the end, {} KiB at most",
        warm >> 10,
        end >> 10,
        ever >> 10
    );
    println!(
        "{files_before} files open before, {most_files} at most; {most_threads} threads at most"
    );
    assert!(end <= warm + growth_bytes, "it grows");
    assert!(ever <= MOST_BYTES, "it takes too much");
    // Threads that wait for work end in their own time; connections and rooms' files do now.
    until("end of what was open", || {
        program.open_files() <= files_before + SPARE_FILES
    })
    .await;
    println!(
        "{} files open and {} threads after all have left",
        program.open_files(),
        program.threads()
    );
}

/// Deletes the oldest of what has ended.
fn make_space(home: &Path) {
    let mut ended = files(&recent_folder(home));
    ended.sort_by_key(|path| {
        let changed = path.metadata().and_then(|about| about.modified());
        std::cmp::Reverse(changed.ok())
    });
    for path in ended.iter().skip(RECENT_FILES) {
        std::fs::remove_file(path).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_seconds_of_use() {
    soak(Duration::from_secs(5), SHORT_GROWTH_BYTES).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as many seconds as MIXDESK_SOAK_SECONDS says; run by .ci/run"]
async fn a_long_time_of_use() {
    let seconds =
        std::env::var(SECONDS).map_or(DEFAULT_SECONDS, |seconds| seconds.parse().unwrap());
    soak(Duration::from_secs(seconds), GROWTH_BYTES).await;
}
