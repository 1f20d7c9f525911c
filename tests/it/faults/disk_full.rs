//! Rooms go on when nothing can be written any more, everybody is told once, and what was missing
//! is written when there is space again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::member::Member;
use super::{check_put_away, command, files, make, room_files, until};
use crate::common::client::Got;
use crate::common::noise::Noise;
use crate::common::program::{recent_folder, rooms_folder};
use crate::common::skip::Skipped;
use crate::common::{Client, Program};

const ROOM: &str = "Shot 12";
const MIB: usize = 1 << 20;
/// The disk, and what fills it at first: 6 MiB are left for the room and the log. Large enough that
/// with the ballast gone a second copy of the room fits beside the first.
const DISK_MIB: usize = 24;
const BALLAST_MIB: usize = 18;
/// What the room grows to.
const ROOM_MIB: u32 = 8;

/// A small disk, gone when this is dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`, with the reason told, where there can be none.
    fn mount() -> Option<Self> {
        Self::mounted().inspect_err(Skipped::tell).ok()
    }

    fn mounted() -> Result<Self, Skipped> {
        let folder = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={DISK_MIB}m"), "tmpfs"])
            .arg(folder.path());
        Skipped::unless_made(&mut mount, "a small disk cannot be mounted")?;
        Ok(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes space.
    fn ballast(&self, mib: usize) -> PathBuf {
        let path = self.path().join("ballast");
        std::fs::write(&path, vec![1; mib * MIB]).unwrap();
        path
    }

    /// Takes all space that there is.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("ballast");
        let filled = std::fs::write(&path, vec![1; (DISK_MIB + 1) * MIB]);
        assert!(filled.is_err());
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, so that a program that is still ending does not hold it.
        let _unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Two members who exchange commands, each of which the other must get.
struct Exchange {
    pair: [Member; 2],
    noise: Noise,
    next: u32,
    /// Everything in the room.
    history: Vec<Got>,
}

impl Exchange {
    async fn start(program: &Program, room: &str) -> Self {
        let mut maker = Client::hello(program.address()).await;
        make(&mut maker, room, &[]).await;
        let mut other = Client::hello(program.address()).await;
        assert_eq!(other.take_history(room).await, []);
        Self {
            pair: [Member::new(maker), Member::new(other)],
            noise: Noise::new(0xd15c),
            next: 0,
            history: Vec::new(),
        }
    }

    /// One sends, and the other gets it.
    async fn say(&mut self, bytes: usize) {
        let got = command(140, self.next, &self.noise.bytes(bytes));
        let [sender, receiver] = &mut self.pair;
        if self.next.is_multiple_of(2) {
            std::mem::swap(sender, receiver);
        }
        self.next += 1;
        let before = receiver.seen().commands.len();
        sender.send(&got).await;
        receiver
            .until("the command", |seen| seen.commands.len() > before)
            .await;
        assert!(receiver.seen().commands[before] == got, "it was altered");
        self.history.push(got);
    }

    /// Waits until everybody was told so many things.
    async fn told(&mut self, count: usize) {
        for member in &mut self.pair {
            member
                .until("being told", |seen| seen.errors.len() >= count)
                .await;
        }
    }

    /// Everybody was told exactly so many things.
    async fn were_told(&mut self, count: usize) -> Vec<String> {
        for member in &mut self.pair {
            member.barrier().await;
            assert_eq!(
                member.seen().errors.len(),
                count,
                "{:?}",
                member.seen().errors
            );
        }
        self.pair[0].seen().errors.clone()
    }
}

async fn check_restored(home: &Path, expected: &[Got]) {
    let program = Program::host(home);
    let mut client = Client::connect(program.address()).await;
    let history = client.take_history(ROOM).await;
    assert!(
        history == expected,
        "{} of {} commands came back:\n{}",
        history.len(),
        expected.len(),
        program.said()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_made_good_when_there_is_space_again() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let ballast = disk.ballast(BALLAST_MIB);
    let program = Program::host(disk.path());
    let mut exchange = Exchange::start(&program, ROOM).await;
    while exchange.next < ROOM_MIB * 4 {
        exchange.say(MIB / 4).await;
    }
    exchange.told(1).await;
    for _ in 0..100 {
        exchange.say(100).await;
    }
    let errors = exchange.were_told(1).await;
    println!("{errors:?}");
    assert!(errors[0].contains(ROOM), "which room: {errors:?}");
    program.says("no space").await;
    let complaints = program.said().to_lowercase().matches("no space").count();
    assert!(
        complaints < 10,
        "said {complaints} times:\n{}",
        program.said()
    );

    std::fs::remove_file(ballast).unwrap();
    exchange.told(2).await;
    println!("{:?}", exchange.were_told(2).await);
    for _ in 0..10 {
        exchange.say(100).await;
    }
    program.kill();
    check_restored(disk.path(), &exchange.history).await;
}

/// Killed before there is space again: what could be written is there, and nothing is altered.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_the_disk_is_full_leaves_what_could_be_written() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let ballast = disk.ballast(BALLAST_MIB);
    let program = Program::host(disk.path());
    let mut exchange = Exchange::start(&program, ROOM).await;
    while exchange.next < ROOM_MIB * 4 {
        exchange.say(MIB / 4).await;
    }
    exchange.told(1).await;
    program.kill();
    for space_again in [false, true] {
        if space_again {
            std::fs::remove_file(&ballast).unwrap();
        }
        let program = Program::host(disk.path());
        let mut client = Client::connect(program.address()).await;
        let history = client.take_history(ROOM).await;
        println!("{} of {} came back", history.len(), exchange.history.len());
        // Of the 6 MiB that were free the log has taken a little.
        assert!(history.len() >= 16, "{}", history.len());
        assert!(exchange.history.starts_with(&history));
        program.kill();
    }
}

/// A disk that is full from the start.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_starts_and_hosts_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let ballast = disk.fill();
    let program = Program::host(disk.path());
    let mut exchange = Exchange::start(&program, ROOM).await;
    for _ in 0..20 {
        exchange.say(100).await;
    }
    exchange.pair[0]
        .until("being told", |seen| seen.errors.len() == 1)
        .await;
    std::fs::remove_file(ballast).unwrap();
    exchange.pair[0]
        .until("being told", |seen| seen.errors.len() == 2)
        .await;
    exchange.say(100).await;
    program.kill();
    check_restored(disk.path(), &exchange.history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_the_disk_is_full_is_told_as_well() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    disk.fill();
    let program = Program::host(disk.path());
    let mut exchange = Exchange::start(&program, ROOM).await;
    exchange.say(100).await;
    let errors = exchange.were_told(1).await;
    assert!(errors[0].contains(ROOM), "which room: {errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_folder_for_rooms_it_hosts_all_the_same() {
    let home = TempDir::new().unwrap();
    std::fs::write(rooms_folder(home.path()), "in the way").unwrap();
    let program = Program::host(home.path());
    let mut exchange = Exchange::start(&program, ROOM).await;
    for _ in 0..100 {
        exchange.say(100).await;
    }
    exchange.told(1).await;
    exchange.were_told(1).await;
    program.says("kept in memory only").await;
    let (code, took) = program.end(Signal::TERM);
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(
        std::fs::read(rooms_folder(home.path())).unwrap(),
        b"in the way"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn once_there_is_a_folder_for_rooms_all_of_them_are_written_down() {
    let home = TempDir::new().unwrap();
    std::fs::write(rooms_folder(home.path()), "in the way").unwrap();
    let program = Program::host(home.path());
    let mut exchange = Exchange::start(&program, ROOM).await;
    exchange.say(100).await;
    exchange.told(1).await;
    exchange.were_told(1).await;
    std::fs::remove_file(rooms_folder(home.path())).unwrap();
    exchange.told(2).await;
    let told = exchange.were_told(2).await;
    assert!(told[1].contains("again"), "{told:?}");
    exchange.say(100).await;
    program.kill();
    check_restored(home.path(), &exchange.history).await;
}

/// The last one leaves while nothing can be written, and there is space again later.
#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_ends_while_the_disk_is_full_is_written_down_once_it_is_not() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let program = Program::host(disk.path());
    let mut exchange = Exchange::start(&program, ROOM).await;
    exchange.say(100).await;
    let ballast = disk.fill();
    // More than is left over in the file's last page.
    for _ in 0..3 {
        exchange.say(MIB).await;
    }
    exchange.told(1).await;
    exchange.were_told(1).await;
    let Exchange { pair, history, .. } = exchange;
    for member in pair {
        member.cut_off().await;
    }
    let mut watcher = Client::connect(program.address()).await;
    while !watcher.list_rooms().await.is_empty() {}
    std::fs::remove_file(ballast).unwrap();
    program.says("the room is written down again").await;
    until("room put away", || {
        room_files(&recent_folder(disk.path())).len() == 1
    })
    .await;
    program.kill();
    check_put_away(disk.path(), &history);
}

/// The same for a folder that goes away, and comes back, while rooms are open.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_taken_away_loses_nobody_anything() {
    let home = TempDir::new().unwrap();
    let program = Program::host(home.path());
    let mut exchange = Exchange::start(&program, ROOM).await;
    exchange.say(100).await;
    std::fs::remove_dir_all(rooms_folder(home.path())).unwrap();
    for _ in 0..100 {
        exchange.say(100).await;
    }
    until("room written anew", || {
        room_files(&rooms_folder(home.path())).len() == 1
    })
    .await;
    for _ in 0..100 {
        exchange.say(100).await;
    }
    exchange.were_told(0).await;
    // No other program takes the folder meanwhile.
    let beside = Program::host(home.path());
    let mut client = Client::connect(beside.address()).await;
    assert!(client.list_rooms().await.is_empty());
    beside.kill();
    program.kill();
    check_restored(home.path(), &exchange.history).await;
}

/// Somebody tidies up: the file goes away, something else lies in its place, and the room ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_room_whose_file_is_deleted_is_under_the_recent_ones_when_it_ends() {
    let home = TempDir::new().unwrap();
    let program = Program::host(home.path());
    let mut exchange = Exchange::start(&program, ROOM).await;
    exchange.say(100).await;
    let file = room_files(&rooms_folder(home.path())).remove(0);
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "by hand").unwrap();
    let (code, _) = program.end(Signal::TERM);
    assert_eq!(code, Some(0));
    for member in &mut exchange.pair {
        member.until("the end", |seen| seen.closed).await;
    }
    check_put_away(home.path(), &exchange.history);
    let kept = files(&rooms_folder(home.path()));
    assert!(
        kept.iter()
            .any(|path| std::fs::read(path).unwrap() == b"by hand")
    );
}
