//! The computer's clock set years back and forward, between two runs and amid one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::member::Member;
use super::{command, files, make, until};
use crate::common::client::Got;
use crate::common::program::{hosting, recent_folder};
use crate::common::skip::Skipped;
use crate::common::{Client, Program};

const ROOM: &str = "Shot 12";
/// Offsets from the real time, as libfaketime takes them.
const JUMPS: [&str; 5] = ["+0", "+40y", "-20y", "+1y", "-400d"];
/// In so many different years at least a program is while the clock jumps. A year on may still be the same one.
const YEARS: usize = 3;
/// How long a member may wait for a command while the clock jumps.
const PROMPTLY: Duration = Duration::from_secs(30);

/// A clock that can be set.
struct Clock {
    library: PathBuf,
    offset: PathBuf,
    _folder: TempDir,
}

impl Clock {
    /// `None`, with the reason told, where there can be none.
    fn new() -> Option<Self> {
        Self::made().inspect_err(Skipped::tell).ok()
    }

    fn made() -> Result<Self, Skipped> {
        let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu", ""];
        let library = folders
            .iter()
            .flat_map(|folder| ["/usr/lib", "/usr/lib64"].map(|lib| Path::new(lib).join(folder)))
            .map(|lib| lib.join("faketime/libfaketimeMT.so.1"))
            .find(|path| path.is_file());
        let Some(library) = library else {
            let why = "libfaketime is not installed";
            return Err(Skipped::Missing(why.to_owned()));
        };
        let folder = TempDir::new().unwrap();
        let clock = Self {
            library,
            offset: folder.path().join("offset"),
            _folder: folder,
        };
        clock.set(JUMPS[0]);
        Ok(clock)
    }

    fn set(&self, offset: &str) {
        // In one step, as it is read at any moment.
        let new = self.offset.with_extension("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(new, &self.offset).unwrap();
    }

    /// Lets a program go by this clock. Only the time of day: what counts seconds goes on, as it does
    /// when the clock of a computer is set.
    fn lend<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.offset)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    fn host(&self, home: &Path) -> Program {
        Program::start_hosting(self.lend(&mut hosting(home, 0)))
    }
}

/// The years that the program has logged something in.
fn years(program: &Program) -> BTreeSet<String> {
    let said = program.said();
    let logged = said.lines().filter(|line| line.get(4..5) == Some("-"));
    logged
        .filter_map(|line| line.get(..4).map(str::to_owned))
        .collect()
}

/// One says something, the other gets it soon.
async fn say(sender: &mut Member, receiver: &mut Member, got: &Got) {
    let said = Instant::now();
    sender.send(got).await;
    receiver
        .until("the command", |seen| seen.commands.last() == Some(got))
        .await;
    assert!(said.elapsed() < PROMPTLY, "{:?}", said.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_between_runs_loses_no_room() {
    let Some(clock) = Clock::new() else { return };
    let home = TempDir::new().unwrap();
    let mut history = vec![command(140, 1, b"scene")];
    let mut seen_years = BTreeSet::new();
    for (number, jump) in (10..).zip(JUMPS.repeat(2)) {
        clock.set(jump);
        let program = clock.host(home.path());
        let mut client = Client::hello(program.address()).await;
        if number == 10 {
            make(&mut client, ROOM, &history).await;
        } else {
            let there = client.take_history(ROOM).await;
            assert!(
                there == history,
                "with the clock at {jump}: {}",
                program.said()
            );
        }
        let mut other = Client::connect(program.address()).await;
        other.take_history(ROOM).await;
        let (mut client, mut other) = (Member::new(client), Member::new(other));
        let got = command(140, number, b"");
        say(&mut client, &mut other, &got).await;
        history.push(got);
        until("a line of its log", || !years(&program).is_empty()).await;
        seen_years.extend(years(&program));
        program.kill();
    }
    println!("{seen_years:?}");
    assert!(
        seen_years.len() >= YEARS,
        "the clock was not set: {seen_years:?}"
    );
    assert_eq!(
        files(&recent_folder(home.path())),
        [""; 0].map(PathBuf::from)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_amid_use_disturbs_nobody() {
    let Some(clock) = Clock::new() else { return };
    let home = TempDir::new().unwrap();
    // Longer than the test takes, and nothing to a clock that jumps.
    std::fs::write(
        home.path().join("settings.toml"),
        "[relay]\nhandshake_seconds = 90\nstall_seconds = 90\nwrite_seconds = 90\nlive_seconds = 90\n",
    )
    .unwrap();
    let program = clock.host(home.path());
    let mut maker = Client::hello(program.address()).await;
    make(&mut maker, ROOM, &[]).await;
    let mut other = Client::connect(program.address()).await;
    other.take_history(ROOM).await;
    // In the middle of a message, and about to say its first one.
    let mut halfway = Client::hello(program.address()).await;
    halfway.raw(&command(140, 0, &[0; 100]).wire()[..50]).await;
    let silent = Client::connect(program.address()).await;
    let (mut maker, mut other) = (Member::new(maker), Member::new(other));
    let halfway_rest = command(140, 0, &[0; 100]).wire()[50..].to_vec();
    let mut halfway = Member::new(halfway);
    let mut silent = Member::new(silent);
    let mut history = Vec::new();
    for (id, jump) in (0..).zip(JUMPS.repeat(4)) {
        clock.set(jump);
        for kind in [140, 205] {
            let got = command(kind, id, b"");
            say(&mut maker, &mut other, &got).await;
            say(&mut other, &mut maker, &got).await;
            if kind == 140 {
                history.extend([got.clone(), got]);
            }
        }
        // Somebody new, whose attributes and time are told.
        let mut new = Client::hello(program.address()).await;
        assert!(new.list_rooms().await.contains_key(ROOM));
    }
    halfway.raw(&halfway_rest).await;
    halfway.barrier().await;
    silent.barrier().await;
    for member in [&maker, &other, &halfway, &silent] {
        assert!(!member.seen().closed);
        assert_eq!(member.seen().errors, [""; 0]);
    }
    // It has logged who was new after each jump: else its clock was never set.
    until("log of several years", || years(&program).len() >= YEARS).await;
    println!("{:?}", years(&program));
    program.kill();
    let program = clock.host(home.path());
    let mut client = Client::connect(program.address()).await;
    assert_eq!(client.take_history(ROOM).await, history);
}
