//! This computer's addresses in a network namespace of their own: what they are called, which is the best, and how
//! soon a change is noticed.
//!
//! Cards and bridges are the kernel's (a card is one end of a `veth`, its cable the other), and VPNs are real tun and
//! tap devices with nothing behind them. It needs none of the lab's scripts.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mixdesk::reach::AddressWatch;

use crate::common::skip::Skipped;
use crate::common::{PATIENCE, soon};

/// Set for the part that runs inside.
const INSIDE: &str = "MIXDESK_ADDRESSES_INSIDE";

/// Within what a change counts as noticed by the system's news, most of the time: looking every few seconds would take
/// longer.
const AT_ONCE: Duration = Duration::from_secs(2);
/// The same for every change, on machines that are shared.
const AT_LAST: Duration = Duration::from_secs(6);

/// Holds a tun or tap device until its standard input ends: `perl -e TUN NAME FLAGS`.
const TUN: &str = r#"
    my ($name, $flags) = @ARGV;
    open(my $device, "+<", "/dev/net/tun") or die "/dev/net/tun: $!";
    my $request = pack("a16sx22", $name, $flags);
    ioctl($device, 0x400454ca, $request) or die "TUNSETIFF: $!";
    $| = 1;
    print "up\n";
    <STDIN>;
"#;

/// A network namespace that nobody else has, until dropped.
struct Namespace(String);

impl Namespace {
    /// `None`, with the reason printed, where there can be none.
    fn new() -> Option<Self> {
        Self::made().inspect_err(Skipped::tell).ok()
    }

    fn made() -> Result<Self, Skipped> {
        if !rustix::process::geteuid().is_root() {
            let why = "network namespaces need root";
            return Err(Skipped::Forbidden(why.to_owned()));
        }
        let name = format!("mxa-{}", std::process::id());
        let mut ip = Command::new("ip");
        ip.args(["netns", "add", &name]);
        Skipped::unless_made(&mut ip, "network namespaces are not allowed")?;
        Ok(Self(name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let ended = Command::new("ip").args(["netns", "del", &self.0]).status();
        if !ended.is_ok_and(|status| status.success()) {
            eprintln!("The namespace {} could not be taken down", self.0);
        }
    }
}

/// A VPN that is up until dropped.
pub(super) struct Tunnel(Child);

impl Tunnel {
    /// One that carries IP packets, as WireGuard, OpenVPN and Tailscale make.
    pub(super) fn tun(name: &str, ip: &str) -> Self {
        Self::up(name, 0x1001, ip)
    }

    /// One that carries Ethernet frames, as ZeroTier and Hamachi make.
    fn tap(name: &str, ip: &str) -> Self {
        Self::up(name, 0x1002, ip)
    }

    fn up(name: &str, flags: u32, network: &str) -> Self {
        let mut holder = Command::new("perl")
            .args(["-e", TUN, name, &flags.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "up\n", "{name}");
        ip(&["addr", "add", network, "dev", name]);
        ip(&["link", "set", name, "up"]);
        Self(holder)
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "ip {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A network card without an address, its cable plugged in. The cable is called `x-NAME`.
fn card(name: &str) {
    let cable = format!("x-{name}");
    ip(&["link", "add", name, "type", "veth", "peer", "name", &cable]);
    no_ipv6(&cable);
    ip(&["link", "set", &cable, "up"]);
    ip(&["link", "set", name, "up"]);
}

fn no_ipv6(name: &str) {
    fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1").unwrap();
}

/// The addresses, as a person sees them.
fn seen(watch: &AddressWatch) -> Vec<String> {
    let seen = watch.now();
    let seen = seen
        .iter()
        .map(|address| format!("{} {}", address.ip, address.kind.label()));
    seen.collect()
}

/// Does something, waits until the addresses are these, and prints and returns how long that took.
async fn noticed<T>(
    watch: &mut AddressWatch,
    what: &str,
    act: impl FnOnce() -> T,
    expected: &[&str],
) -> (T, Duration) {
    let since = Instant::now();
    let done = act();
    let acted = since.elapsed();
    let end = tokio::time::Instant::now() + PATIENCE;
    while seen(watch) != expected {
        let waited = tokio::time::timeout_at(end, watch.changed()).await;
        assert!(
            waited.is_ok(),
            "{what}: {:#?} instead of {expected:#?}",
            seen(watch)
        );
    }
    let took = since.elapsed();
    println!("noticed: {what}: {took:.0?}, of which doing it {acted:.0?}");
    (done, took)
}

#[test]
#[ignore = "needs root and network namespaces"]
fn addresses_are_named_ranked_and_followed() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let output = Command::new("timeout")
        .arg(PATIENCE.as_secs().to_string())
        .args(["ip", "netns", "exec", &namespace.0])
        .arg(std::env::current_exe().unwrap())
        .args(["netlab::addresses::inside", "--exact", "--ignored"])
        .args(["--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "{}\n{printed}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    // The first stands behind what the test runner has printed.
    for line in printed.lines() {
        if let Some(at) = line.find("noticed: ") {
            println!("{}", &line[at..]);
        }
    }
}

/// The part inside. Its own process, as `/sys` shows the namespace that a process was started in.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "part of another test, which starts it in a namespace"]
async fn inside() {
    if std::env::var_os(INSIDE).is_none() {
        println!("part of another test, which starts it in a namespace");
        return;
    }
    let mut watch = AddressWatch::start();
    soon("the first look", watch.changed()).await;
    assert_eq!(seen(&watch), [""; 0]);
    let mut times = Vec::new();

    // A cable to a camera, and Wi-Fi that leads out.
    let ((), took) = noticed(
        &mut watch,
        "cable in",
        || {
            card("eth0");
            ip(&["addr", "add", "10.0.0.5/24", "dev", "eth0"]);
        },
        &["10.0.0.5 Ethernet"],
    )
    .await;
    times.push(took);
    let ((), took) = noticed(
        &mut watch,
        "Wi-Fi up, with a router",
        || {
            card("wlan0");
            ip(&["addr", "add", "192.168.1.7/24", "dev", "wlan0"]);
            let router = "192.168.1.1";
            ip(&["route", "add", "default", "via", router, "metric", "600"]);
        },
        &["192.168.1.7 Wi-Fi", "10.0.0.5 Ethernet"],
    )
    .await;
    times.push(took);

    // A bridge of containers has a link once there is one.
    let ((), took) = noticed(
        &mut watch,
        "Docker with a container",
        || {
            ip(&["link", "add", "docker0", "type", "bridge"]);
            ip(&["addr", "add", "172.17.0.1/16", "dev", "docker0"]);
            ip(&["link", "set", "docker0", "up"]);
            card("vethc0ffee");
            ip(&["link", "set", "vethc0ffee", "master", "docker0"]);
        },
        &[
            "192.168.1.7 Wi-Fi",
            "10.0.0.5 Ethernet",
            "172.17.0.1 Docker – not for colleagues",
        ],
    )
    .await;
    times.push(took);

    // OpenVPN takes all traffic, and the best stays the best.
    let (openvpn, took) = noticed(
        &mut watch,
        "OpenVPN up, with all traffic",
        || {
            let tunnel = Tunnel::tun("tun0", "10.8.0.6/24");
            let other_end = "10.8.0.1";
            ip(&["route", "add", "default", "via", other_end]);
            tunnel
        },
        &[
            "192.168.1.7 Wi-Fi",
            "10.0.0.5 Ethernet",
            "10.8.0.6 VPN (OpenVPN)",
            "172.17.0.1 Docker – not for colleagues",
        ],
    )
    .await;
    times.push(took);
    assert_eq!(
        local_ip_address::local_ip().unwrap(),
        IpAddr::from([10, 8, 0, 6]),
        "OpenVPN has the default route"
    );

    // The others, one of which nothing names but its range, and one nothing at all.
    let (others, took) = noticed(
        &mut watch,
        "six other VPNs up",
        || {
            [
                Tunnel::tap("ztabcdefgh", "10.147.17.5/24"),
                Tunnel::tap("ham0", "25.1.2.3/8"),
                Tunnel::tun("tailscale0", "100.101.102.103/32"),
                Tunnel::tap("radio", "26.5.5.5/8"),
                Tunnel::tun("wg0", "10.9.0.2/24"),
                Tunnel::tap("office", "10.44.0.2/24"),
            ]
        },
        &[
            "192.168.1.7 Wi-Fi",
            "10.0.0.5 Ethernet",
            "10.147.17.5 VPN (ZeroTier)",
            "25.1.2.3 VPN (Hamachi)",
            "100.101.102.103 VPN (Tailscale)",
            "26.5.5.5 VPN (Radmin)",
            "10.8.0.6 VPN (OpenVPN)",
            "10.9.0.2 VPN (WireGuard)",
            "10.44.0.2 VPN",
            "172.17.0.1 Docker – not for colleagues",
        ],
    )
    .await;
    times.push(took);
    let ((), took) = noticed(
        &mut watch,
        "all VPNs down",
        || drop((openvpn, others)),
        &[
            "192.168.1.7 Wi-Fi",
            "10.0.0.5 Ethernet",
            "172.17.0.1 Docker – not for colleagues",
        ],
    )
    .await;
    times.push(took);

    // The address stays with the card, and is of no use.
    let ((), took) = noticed(
        &mut watch,
        "cable out",
        || ip(&["link", "set", "x-eth0", "down"]),
        &[
            "192.168.1.7 Wi-Fi",
            "172.17.0.1 Docker – not for colleagues",
        ],
    )
    .await;
    times.push(took);
    let ((), took) = noticed(
        &mut watch,
        "cable in again",
        || ip(&["link", "set", "x-eth0", "up"]),
        &[
            "192.168.1.7 Wi-Fi",
            "10.0.0.5 Ethernet",
            "172.17.0.1 Docker – not for colleagues",
        ],
    )
    .await;
    times.push(took);
    let ((), took) = noticed(
        &mut watch,
        "another address",
        || {
            ip(&["addr", "del", "192.168.1.7/24", "dev", "wlan0"]);
            ip(&["addr", "add", "192.168.1.8/24", "dev", "wlan0"]);
            // The route went with the address.
            let router = "192.168.1.1";
            ip(&["route", "replace", "default", "via", router]);
        },
        &[
            "192.168.1.8 Wi-Fi",
            "10.0.0.5 Ethernet",
            "172.17.0.1 Docker – not for colleagues",
        ],
    )
    .await;
    times.push(took);

    // No router answers: the computer gives itself an address. And IPv6, once nobody else is found to have it.
    noticed(
        &mut watch,
        "only what the computer gives itself",
        || {
            ip(&["addr", "flush", "dev", "wlan0"]);
            ip(&["addr", "add", "169.254.7.7/16", "dev", "wlan0"]);
        },
        &[
            "10.0.0.5 Ethernet",
            "169.254.7.7 No router – not for colleagues",
            "172.17.0.1 Docker – not for colleagues",
        ],
    )
    .await;
    noticed(
        &mut watch,
        "IPv6",
        || {
            let address = "2001:db8:0:1::5/64";
            ip(&["addr", "add", address, "dev", "eth0"]);
        },
        &[
            "10.0.0.5 Ethernet",
            "2001:db8:0:1::5 IPv6",
            "169.254.7.7 No router – not for colleagues",
            "172.17.0.1 Docker – not for colleagues",
        ],
    )
    .await;

    times.sort();
    let (usual, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    assert!(
        usual < AT_ONCE && slowest < AT_LAST,
        "noticed after {times:?}"
    );
}
