//! What is measured: a process that listens on a port of its own, and ends with its handle.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::args::words;
use crate::process_figures::Group;

/// What a relay of another make may take until it listens.
const START: Duration = Duration::from_secs(30);
/// What it may take to end by itself.
const END: Duration = Duration::from_secs(2);

/// Whom a figure is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The bare fan-out.
    Bare,
    /// Mixdesk's relay.
    Ours,
    /// Another relay, by its command line.
    Other(String),
}

impl Side {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Ours => "ours",
            Self::Other(_) => "other",
        }
    }
}

/// Leaders of the process groups that run now and where their files are, for the case that the bench is
/// interrupted.
static RUNNING: Mutex<BTreeMap<i32, PathBuf>> = Mutex::new(BTreeMap::new());

/// Ends everything that was started, at once. Nothing can be started after that.
pub(crate) fn end_all() {
    let running = RUNNING.lock();
    for leader in running.keys() {
        kill(*leader, Signal::KILL);
    }
    for home in running.values() {
        // What a process that is ending still puts there stays.
        let _removed = std::fs::remove_dir_all(home);
    }
    std::mem::forget(running);
}

fn kill(leader: i32, signal: Signal) {
    // One that has ended already needs no signal.
    let _sent = Pid::from_raw(leader).map(|leader| kill_process_group(leader, signal));
}

/// A process that is measured. It has a process group of its own, which ends with this.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    leader: i32,
    address: SocketAddr,
    /// All its files, kept until it has ended.
    home: TempDir,
}

impl Server {
    pub(crate) fn start(side: &Side) -> Result<Self, String> {
        // On a disk, where a room's files have the cost they have for people; /tmp may be memory.
        let home = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .map_err(|error| format!("no folder for the relay's files: {error}"))?;
        match side {
            Side::Bare => {
                let program = std::env::current_exe()
                    .map_err(|error| format!("this program cannot find itself: {error}"))?;
                let mut command = Command::new(program);
                command.arg("--bare-fan-out").stdin(Stdio::piped());
                Self::telling_its_port(command, home)
            }
            Side::Ours => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_mixdesk"));
                command
                    .args(["host", "--bind", "127.0.0.1", "--port", "0", "--json"])
                    .stdin(Stdio::null());
                Self::telling_its_port(command, home)
            }
            Side::Other(command) => Self::taking_a_port(command, home),
        }
    }

    /// A program whose first line is JSON with its port.
    fn telling_its_port(mut command: Command, home: TempDir) -> Result<Self, String> {
        command.stdout(Stdio::piped());
        let mut server = Self::spawn(command, home)?;
        let mut line = String::new();
        if let Some(stdout) = server.child.stdout.as_mut() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(|error| format!("the relay's first line: {error}"))?;
        }
        let told: Option<serde_json::Value> = serde_json::from_str(&line).ok();
        let port = told.and_then(|told| told.get("port")?.as_u64());
        let port = port.and_then(|port| u16::try_from(port).ok());
        match port {
            Some(port) => server.address.set_port(port),
            None => {
                return Err(format!(
                    "the relay told no port: “{line}” {}",
                    server.words()
                ));
            }
        }
        Ok(server)
    }

    /// A program that is told its port and says nothing.
    fn taking_a_port(command: &str, home: TempDir) -> Result<Self, String> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| format!("no free port: {error}"))?
            .port();
        let words = words(&command.replace("{port}", &port.to_string()))?;
        let (program, arguments) = words
            .split_first()
            .ok_or("the command of the other relay is empty")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut server = Self::spawn(command, home)?;
        server.address.set_port(port);
        let start = Instant::now();
        while let Err(error) = TcpStream::connect(server.address) {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!(
                    "{program} ended at once, {status}. {}",
                    server.words()
                ));
            }
            if start.elapsed() > START {
                return Err(format!("{program} does not answer on port {port}: {error}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    fn spawn(mut command: Command, home: TempDir) -> Result<Self, String> {
        let log = File::create(errors(home.path()))
            .map_err(|error| format!("a file for the relay's errors: {error}"))?;
        let mut running = RUNNING.lock();
        let child = command
            // What is compared with may be another Mixdesk.
            .env("MIXDESK_HOME", home.path())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|error| {
                let program = command.get_program().display();
                format!("{program} cannot be started: {error}")
            })?;
        let leader = child.id().cast_signed();
        running.insert(leader, home.path().to_owned());
        drop(running);
        Ok(Self {
            child,
            leader,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            home,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its processes, to be asked for figures.
    pub(crate) fn group(&self) -> Result<Group, String> {
        Group::of(self.child.id())
    }

    /// What ends it at any moment, from any thread.
    pub(crate) fn killer(&self) -> Killer {
        Killer(self.leader)
    }

    /// The last line it wrote about what went wrong.
    fn words(&self) -> String {
        let text = std::fs::read_to_string(errors(self.home.path())).unwrap_or_default();
        text.lines().last().unwrap_or_default().to_owned()
    }
}

fn errors(home: &Path) -> PathBuf {
    home.join("stderr")
}

/// Ends a server while somebody else waits for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Killer(i32);

impl Killer {
    pub(crate) fn kill(self) {
        // Under the lock: whoever ends the server first takes it out of there.
        let running = RUNNING.lock();
        if running.contains_key(&self.0) {
            kill(self.0, Signal::KILL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        kill(self.leader, Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < END && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(2));
        }
        // As long as it is in the set nobody has waited for it, except right above: then its number is
        // only free for others once its whole group is gone, and there is nobody to hit.
        let mut running = RUNNING.lock();
        kill(self.leader, Signal::KILL);
        running.remove(&self.leader);
        drop(running);
        let _ended = self.child.wait();
    }
}
