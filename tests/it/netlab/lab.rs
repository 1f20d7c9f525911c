//! A network of its own for one test: a host and a guest in a LAN, the router of that LAN, an internet behind it, and
//! a friend behind another router if asked for.
//!
//! ```text
//! friend 192.168.88.10 -- router2 203.0.113.3 --+-- internet 203.0.113.1, 203.0.113.10
//! host   192.168.77.10 --+                      |
//! guest  192.168.77.20 --+--- 192.168.77.1 router 203.0.113.2
//! ```
//!
//! Each [`Lab`] has names of its own, so that tests may run side by side, in one process or in many. Three ways lead
//! into one of its places:
//! - [`Lab::command`] wraps a program, the real one for instance;
//! - [`Lab::within`] runs a closure on a thread that sees only that place. Right for plain sockets; not for what reads
//!   `/proc/net` or `/sys`, which show the place that the process was started in;
//! - [`Lab::body`] runs another test of this binary as a process in that place, for what has to see it as a real
//!   program would. Such a test takes its arguments from [`Inside::asked`], and returns at once when that is `None`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::skip::Skipped;
use crate::common::{Client, PATIENCE};

/// Where the lab's scripts lie, if not beside this checkout.
const SCRIPTS: &str = "MIXDESK_NETLAB";
/// Where the lab keeps its daemons and what runs, if not in the folder for temporary files.
const RUN: &str = "LABRUN";
/// What all arguments of a body begin with in its environment.
const ARGUMENT: &str = "MIXDESK_LAB_";
/// Set for bodies, to the place that they run in.
const PLACE: &str = "MIXDESK_LAB_PLACE";
/// Labs that can stand at the same time.
const LABS: u32 = 100;

/// A lab that stands until this is dropped.
pub(crate) struct Lab {
    prefix: String,
    scripts: PathBuf,
    /// What the lab was asked for with; its scripts need it again.
    asked: HashMap<String, String>,
    /// Holds the name. The system lets go of it even when this process is killed.
    _name: File,
}

impl Lab {
    /// The lab as it is.
    pub(crate) fn up() -> Option<Self> {
        Self::up_with(&[])
    }

    /// A lab with other values of what `lab-up.sh` reads from the environment: `SECOND` (the friend and its router:
    /// `1`; none unless asked for), `SNOOP`, `NATFLAGS`, `MTU`, `WANNET`.
    ///
    /// `None`, with the reason printed, where no lab can stand.
    pub(crate) fn up_with(asked: &[(&str, &str)]) -> Option<Self> {
        let scripts = match scripts() {
            Ok(scripts) => scripts,
            Err(skipped) => {
                skipped.tell();
                return None;
            }
        };
        let (number, name) = claim();
        let mut lab = Self {
            prefix: format!("t{number:02}-"),
            scripts,
            asked: HashMap::from([("SECOND".to_owned(), "0".to_owned())]),
            _name: name,
        };
        lab.asked
            .extend(asked.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())));
        // Takes down what a killed test has left behind under this name, too.
        lab.script("lab-up.sh", &[], &[]);
        Some(lab)
    }

    /// The router's UPnP, NAT-PMP and PCP: `igd-up.sh` with what it reads from the environment: `VARIANT`, `UPNP`,
    /// `NATPMP`, `EXTIP`, `MINLIFE`, `SECURE`, `R`.
    pub(crate) fn igd_up(&self, asked: &[(&str, &str)]) {
        self.script("igd-up.sh", &[], asked);
    }

    /// Ends them, with all mappings lost.
    pub(crate) fn igd_down(&self) {
        self.script("igd-down.sh", &[], &[]);
    }

    /// An avahi-daemon in a place; returns the value of `DBUS_SYSTEM_BUS_ADDRESS` with which its tools reach it.
    pub(crate) fn avahi_up(&self, place: &str) -> String {
        self.script("avahi-up.sh", &[place], &[]);
        let socket = run().join(format!("{}{place}/dbus.sock", self.prefix));
        format!("unix:path={}", socket.display())
    }

    /// A tool that the lab has unpacked and the system does not have: `tool("avahi-utils", "avahi-browse")`.
    pub(crate) fn tool(package: &str, name: &str) -> PathBuf {
        run().join(format!("root/{package}/usr/bin/{name}"))
    }

    /// A STUN server in the internet, on port 3478 of 203.0.113.10 and 203.0.113.1 (or `WANNET`'s).
    pub(crate) fn stun_up(&self) {
        self.script("stun-up.sh", &[], &[]);
    }

    /// Makes the link of a place slow. `how`: milliseconds one way, jitter in milliseconds, Mbit/s, percent lost.
    pub(crate) fn slow_up(&self, place: &str, how: [u32; 4]) {
        let how = how.map(|number| number.to_string());
        self.script(
            "slow-up.sh",
            &[place, &how[0], &how[1], &how[2], &how[3]],
            &[],
        );
    }

    /// A command in a place.
    pub(crate) fn command(&self, place: &str, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace(place)])
            .arg(program)
            .stdin(Stdio::null());
        command
    }

    /// The same command in a place, with its arguments and environment: what `common::program` makes, for instance.
    /// Its standard input is empty.
    pub(crate) fn wrap(&self, place: &str, command: &Command) -> Command {
        let mut wrapped = self.command(place, command.get_program());
        wrapped.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        wrapped
    }

    /// Runs a shell line in a place to its end and returns what it wrote. Fails when the line fails.
    pub(crate) fn sh(&self, place: &str, line: &str) -> String {
        let mut command = self.command(place, "timeout");
        command.args([&patience(), "sh", "-c", line]);
        finish(&mut command, line)
    }

    /// Runs something on a thread that sees only the network of a place, as do threads and runtimes that it makes.
    pub(crate) fn within<T: Send>(&self, place: &str, what: impl FnOnce() -> T + Send) -> T {
        let path = Path::new("/run/netns").join(self.namespace(place));
        let namespace = File::open(&path).unwrap();
        std::thread::scope(|threads| {
            let thread = threads.spawn(move || {
                rustix::thread::move_into_link_name_space(
                    namespace.as_fd(),
                    Some(rustix::thread::LinkNameSpaceType::Network),
                )
                .unwrap();
                what()
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Somebody in a place who is connected to a relay, and to whom all is told.
    pub(crate) async fn client(&self, place: &str, address: SocketAddr) -> Client {
        let stream = self
            .within(place, || TcpStream::connect_timeout(&address, PATIENCE))
            .unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        Client::served(tokio::net::TcpStream::from_std(stream).unwrap())
            .announced()
            .await
    }

    /// Another test of this binary as a process in a place, not yet started: its full name, such as
    /// `netlab::mapping::keeps_a_mapping`, and its arguments.
    pub(crate) fn body(&self, place: &str, name: &str, arguments: &[(&str, &str)]) -> Command {
        let mut command = self.command(place, std::env::current_exe().unwrap());
        command
            .args([
                name,
                "--exact",
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(PLACE, place);
        for (key, value) in arguments {
            command.env(format!("{ARGUMENT}{key}"), value);
        }
        command
    }

    /// Runs such a test to its end and returns what it printed. Fails when it fails.
    pub(crate) fn run_body(&self, place: &str, name: &str, arguments: &[(&str, &str)]) -> String {
        let body = self.body(place, name, arguments);
        let mut command = Command::new("timeout");
        command
            .arg(patience())
            .arg(body.get_program())
            .args(body.get_args())
            .envs(body.get_envs().filter_map(|(k, v)| Some((k, v?))));
        let printed = finish(&mut command, name);
        assert!(
            printed.contains("1 passed"),
            "there is no test {name}:\n{printed}"
        );
        printed
    }

    /// The network namespace of a place: `host`, `guest`, `router`, `internet`, `friend`, `router2`.
    pub(crate) fn namespace(&self, place: &str) -> String {
        format!("{}{place}", self.prefix)
    }

    /// Runs one of the lab's scripts.
    fn script(&self, name: &str, arguments: &[&str], environment: &[(&str, &str)]) {
        let mut command = Command::new("timeout");
        command
            .args([&patience(), "bash"])
            .arg(self.scripts.join(name))
            .args(arguments)
            .envs(&self.asked)
            .envs(environment.iter().copied())
            .env("P", &self.prefix);
        finish(&mut command, name);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Not through `script`: a failed test must say why it failed, not how taking down went.
        let ended = Command::new("timeout")
            .args([&patience(), "bash"])
            .arg(self.scripts.join("lab-down.sh"))
            .env("P", &self.prefix)
            .stdin(Stdio::null())
            .output();
        if !ended.is_ok_and(|ended| ended.status.success()) {
            eprintln!("The lab {} could not be taken down", self.prefix);
        }
    }
}

/// What a body was asked for with.
pub(crate) struct Inside;

impl Inside {
    /// `None` when the test was not started by [`Lab::body`], but as one of all: it has nothing to do then.
    pub(crate) fn asked() -> Option<Self> {
        let asked = std::env::var_os(PLACE).map(|_| Self);
        if asked.is_none() {
            println!("part of another test, which starts it in the lab");
        }
        asked
    }

    /// An argument, if given.
    pub(crate) fn argument(&self, key: &str) -> Option<String> {
        std::env::var(format!("{ARGUMENT}{key}")).ok()
    }
}

/// The folder of the lab's scripts, or why no lab can stand here.
fn scripts() -> Result<PathBuf, Skipped> {
    let scripts = std::env::var_os(SCRIPTS).map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .parent()
                .unwrap()
                .join("shared/netlab")
        },
        PathBuf::from,
    );
    if !scripts.join("lab-up.sh").is_file() {
        return Err(Skipped::Missing(format!(
            "the lab's scripts do not lie in {}; {SCRIPTS} names another folder",
            scripts.display()
        )));
    }
    if !rustix::process::geteuid().is_root() {
        let why = "network namespaces need root";
        return Err(Skipped::Forbidden(why.to_owned()));
    }
    if !run().join("root").is_dir() {
        return Err(Skipped::Missing(format!(
            "the lab's daemons are not there; run {}",
            scripts.join("setup.sh").display()
        )));
    }
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--net", "--mount", "true"])
        .stdin(Stdio::null());
    Skipped::unless_made(&mut unshare, "network namespaces are not allowed")?;
    Ok(scripts)
}

/// Where the lab keeps its daemons and what runs.
fn run() -> PathBuf {
    std::env::var_os(RUN).map_or_else(|| std::env::temp_dir().join("netlab"), PathBuf::from)
}

/// A number that no other lab has, and what holds it.
fn claim() -> (u32, File) {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        for number in 0..LABS {
            let file = File::create(run().join(format!("lock-{number:02}"))).unwrap();
            match file.try_lock() {
                Ok(()) => return (number, file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => panic!("{error}"),
            }
        }
        assert!(std::time::Instant::now() < end, "all labs are taken");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// How long a program of the lab may take, as `timeout` wants it: longer than a step within a test, as it has many.
fn patience() -> String {
    (PATIENCE * 3).as_secs().to_string()
}

/// Runs a command to its end and returns what it wrote. Fails when it fails.
fn finish(command: &mut Command, what: &str) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{what}: {}\n{out}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    out
}

#[test]
#[ignore = "needs root and the netlab"]
fn two_labs_stand_side_by_side_and_nothing_of_them_remains() {
    let (Some(one), Some(other)) = (Lab::up(), Lab::up()) else {
        return;
    };
    let names = [one.namespace("host"), other.namespace("host")];
    assert_ne!(names[0], names[1]);
    for lab in [&one, &other] {
        lab.sh("host", "ping -c 1 -W 5 203.0.113.10");
        let theirs = lab.within("guest", || {
            std::net::UdpSocket::bind("192.168.77.20:0").is_ok()
        });
        assert!(theirs, "a thread is in the guest's place");
        let printed = lab.run_body(
            "host",
            "netlab::lab::sees_the_host",
            &[("IP", "192.168.77.10")],
        );
        assert!(printed.contains("bound"), "{printed}");
    }
    drop((one, other));
    for name in names {
        assert!(!Path::new("/run/netns").join(name).exists());
    }
}

#[test]
#[ignore = "needs root and the netlab"]
fn sees_the_host() {
    let Some(inside) = Inside::asked() else {
        return;
    };
    let ip = inside.argument("IP").unwrap();
    std::net::UdpSocket::bind((ip.as_str(), 0)).unwrap();
    println!("bound");
}
