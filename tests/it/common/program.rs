//! The program as a process.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;

use super::PATIENCE;

/// Another build of the program to test, the release build for one.
const PROGRAM: &str = "MIXDESK_PROGRAM";

/// The program's file.
fn executable() -> OsString {
    std::env::var_os(PROGRAM).unwrap_or_else(|| env!("CARGO_BIN_EXE_mixdesk").into())
}

/// The program without a display and with everything it keeps in `home`, not yet started.
pub(crate) fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(executable());
    command
        .args(args)
        .env("MIXDESK_HOME", home)
        .stdin(Stdio::null());
    for display in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        command.env_remove(display);
    }
    command
}

/// What [`Program::host`] starts, not yet started.
pub(crate) fn hosting(home: &Path, port: u16) -> Command {
    let port = port.to_string();
    command(
        home,
        &["host", "--port", &port, "--bind", "127.0.0.1", "--json"],
    )
}

/// Where a program with this home keeps its rooms.
pub(crate) fn rooms_folder(home: &Path) -> PathBuf {
    home.join("rooms")
}

/// Where it puts those away that have ended.
pub(crate) fn recent_folder(home: &Path) -> PathBuf {
    rooms_folder(home).join("recent")
}

/// A program that runs until it is ended; killed at the latest when this is dropped.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    /// What it has written to standard error.
    said: Arc<Mutex<String>>,
    /// Open, and read by nobody.
    unread: Option<BufReader<ChildStdout>>,
    port: u16,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let said = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&said);
        let err = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                let mut said = written.lock();
                said.push_str(&line);
                said.push('\n');
            }
        });
        Self {
            child,
            lines,
            said,
            unread: None,
            port: 0,
        }
    }

    /// Starts one in a terminal that takes nothing after its first line.
    pub(crate) fn start_unread(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        sender.send(line).unwrap();
        Self {
            child,
            lines,
            said: Arc::default(),
            unread: Some(out),
            port: 0,
        }
    }

    /// A relay on a free port of the loopback interface that listens by now.
    pub(crate) fn host(home: &Path) -> Self {
        Self::start_hosting(&mut hosting(home, 0))
    }

    /// The same with a command of [`hosting`].
    pub(crate) fn start_hosting(command: &mut Command) -> Self {
        Self::start(command).hosts()
    }

    /// Waits until it listens.
    pub(crate) fn hosts(mut self) -> Self {
        let hosting = self.event("hosting");
        self.port = u16::try_from(hosting["port"].as_u64().unwrap()).unwrap();
        self
    }

    /// Its standard input, if that was piped and is not taken yet.
    pub(crate) fn input(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The next line of its output. Fails when there is none any more.
    pub(crate) fn line(&mut self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("no line: {error}; it said:\n{}", self.said()))
    }

    pub(crate) fn json(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// The next line that tells of `event`.
    pub(crate) fn event(&mut self, event: &str) -> Value {
        loop {
            let line = self.json();
            if line["event"] == event {
                return line;
            }
        }
    }

    /// What it has written to standard error, which is its log and its words to the user.
    pub(crate) fn said(&self) -> String {
        self.said.lock().clone()
    }

    /// Waits for words, in any case of letters, on standard error.
    pub(crate) async fn says(&self, words: &str) {
        let waiting = async {
            while !self.said().to_lowercase().contains(words) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("“{words}” was not said:\n{}", self.said());
        }
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.end_now();
    }

    fn end_now(&mut self) {
        self.unread = None;
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

#[cfg(unix)]
impl Program {
    /// Sends a signal; returns the exit code and how long the end took.
    pub(crate) fn end(mut self, signal: rustix::process::Signal) -> (Option<i32>, Duration) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let asked = std::time::Instant::now();
        rustix::process::kill_process(pid, signal).unwrap();
        let code = self.child.wait().unwrap().code();
        (code, asked.elapsed())
    }
}

#[cfg(target_os = "linux")]
impl Program {
    /// Memory that is the process's own, in bytes: what it has allocated and touched.
    pub(crate) fn anonymous_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"))
            .and_then(|line| line.trim().strip_suffix("kB"))
            .unwrap();
        kib.trim().parse::<u64>().unwrap() << 10
    }

    /// How many files and connections it has open.
    pub(crate) fn open_files(&self) -> usize {
        self.listed("fd")
    }

    pub(crate) fn threads(&self) -> usize {
        self.listed("task")
    }

    /// How many entries the system has of one sort for this process.
    fn listed(&self, sort: &str) -> usize {
        let folder = format!("/proc/{}/{sort}", self.child.id());
        std::fs::read_dir(folder).unwrap().count()
    }

    /// Places that threads take memory from, besides the one that all have: each is a part that is used and one that is
    /// not yet, of 64 MiB together, and begins at a multiple of that.
    #[cfg(target_env = "gnu")]
    pub(crate) fn arenas(&self) -> usize {
        const ARENA_BYTES: u64 = 64 << 20;
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.child.id())).unwrap();
        let maps: Vec<(u64, u64, &str)> = maps
            .lines()
            .map(|line| {
                let (range, rest) = line.split_once(' ').unwrap();
                let (start, end) = range.split_once('-').unwrap();
                let number = |text| u64::from_str_radix(text, 16).unwrap();
                (number(start), number(end), rest.get(..4).unwrap())
            })
            .collect();
        let is_arena = |pair: &&[(u64, u64, &str)]| {
            let [(start, middle, used), (next, end, unused)] = pair else {
                return false;
            };
            let is_whole = start % ARENA_BYTES == 0 && end - start == ARENA_BYTES;
            is_whole && middle == next && (*used, *unused) == ("rw-p", "---p")
        };
        maps.windows(2).filter(is_arena).count()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end_now();
    }
}
