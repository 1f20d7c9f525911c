//! A port of the router that leads to the host, by real routers' protocols, and the ways in which it is not to be had.
//!
//! The router's UPnP, NAT-PMP and PCP are miniupnpd's. It declares an outside address (`EXTIP`) that is not the one on
//! the wire, as it refuses to have a reserved one.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use mixdesk::reach::mapping::{MappedBy, Mapping, MappingState, Pace, Shared, Wanted};
use mixdesk::reach::outside_by_stun;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::lab::{Inside, Lab};
use crate::common::{PATIENCE, Program};

/// What the router calls its outside address, and what it is on the wire.
pub(super) const DECLARED: &str = "11.9.9.9";
pub(super) const WIRE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
/// The router's description of itself, so that its table is asked for without a search.
pub(super) const ROUTER: &str = "http://192.168.77.1:5000/rootDesc.xml";
/// What the host says to whoever connects.
const GREETING: &[u8] = b"the host";

/// Names of the protocols in arguments and events.
const WAYS: [(&str, MappedBy); 3] = [
    ("PCP", MappedBy::Pcp),
    ("NAT-PMP", MappedBy::NatPmp),
    ("UPnP", MappedBy::Upnp),
];

/// A host in the lab that keeps a mapping, as a process of its own.
struct Host {
    process: Program,
    started: Instant,
}

impl Host {
    /// Begins to ask for `port`. `arguments` as in [`keeps_a_mapping`].
    fn start(lab: &Lab, port: u16, arguments: &[(&str, &str)]) -> Self {
        let port = port.to_string();
        let arguments = [&[("PORT", port.as_str())], arguments].concat();
        let mut body = lab.body("host", "netlab::mapping::keeps_a_mapping", &arguments);
        let process = Program::start(body.stdin(Stdio::piped()));
        Self {
            process,
            started: Instant::now(),
        }
    }

    /// The next event that is one of `names`.
    fn next(&mut self, names: &[&str]) -> Value {
        loop {
            let line = self.process.line();
            let Ok(event) = serde_json::from_str::<Value>(&line) else {
                continue;
            };
            if names.contains(&event["state"].as_str().unwrap_or_default()) {
                return event;
            }
        }
    }

    /// Waits until it is mapped; tells after how long, since it was started.
    fn mapped(&mut self) -> (Value, Duration) {
        let mapped = self.next(&["mapped"]);
        (mapped, self.started.elapsed())
    }

    /// Ends it in order; returns how long the removal took.
    fn stop(mut self) -> Duration {
        drop(self.process.input());
        let stopped = self.next(&["removed"]);
        Duration::from_millis(stopped["millis"].as_u64().unwrap())
    }
}

/// A host's part: keeps a mapping of `PORT` and greets whoever connects, until its standard input ends. Arguments:
/// `WAYS` (names with commas), `MEMORY`, `LEASE` in seconds, `LOOK` and `AGAIN` in milliseconds.
#[test]
#[ignore = "needs root and the netlab"]
fn keeps_a_mapping() {
    let Some(inside) = Inside::asked() else {
        return;
    };
    let number = |key| {
        inside
            .argument(key)
            .map(|text| text.parse::<u64>().unwrap())
    };
    let port = u16::try_from(number("PORT").unwrap()).unwrap();
    let mut wanted = Wanted::new(port);
    if let Some(ways) = inside.argument("WAYS") {
        wanted.ways = WAYS
            .iter()
            .filter(|(name, _)| ways.split(',').any(|way| way == *name))
            .map(|(_, by)| *by)
            .collect();
    }
    wanted.memory = inside.argument("MEMORY").map(Into::into);
    wanted.pace = Pace {
        lease: number("LEASE").map_or(wanted.pace.lease, Duration::from_secs),
        look: number("LOOK").map_or(wanted.pace.look, Duration::from_millis),
        again_first: number("AGAIN").map_or(wanted.pace.again_first, Duration::from_millis),
        glance: Duration::from_millis(200),
        ..wanted.pace
    };
    // The harness has begun a line.
    println!();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
            .await
            .unwrap();
        tokio::spawn(async move {
            while let Ok((mut guest, _)) = listener.accept().await {
                let _greeted = guest.write_all(GREETING).await;
            }
        });
        let mapping = Mapping::start(wanted);
        let mut states = mapping.state();
        let (sender, mut asked_to_end) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _read = std::io::stdin().read_to_end(&mut Vec::new());
            sender.send(())
        });
        loop {
            println!("{}", event(&states.borrow_and_update()));
            tokio::select! {
                changed = states.changed() => changed.unwrap(),
                _ended = &mut asked_to_end => break,
            }
        }
        let began = Instant::now();
        mapping.stop().await;
        println!(
            "{}",
            json!({"state": "removed", "millis": began.elapsed().as_millis() as u64})
        );
    });
}

/// A state as a line.
fn event(state: &MappingState) -> Value {
    let name = match state {
        MappingState::Asking => "asking",
        MappingState::Mapped(_) => "mapped",
        MappingState::Direct(_) => "direct",
        MappingState::NoNetwork => "no network",
        MappingState::NoRouter(_) => "no router",
        MappingState::Taken { .. } => "taken",
        MappingState::Refused { .. } => "refused",
        MappingState::SharedAddress { .. } => "shared",
        MappingState::Stopped => "stopped",
    };
    let mut event = json!({"state": name, "words": state.words(), "advice": state.advice()});
    match state {
        MappingState::Mapped(mapped) => {
            event["outside"] = json!(mapped.outside.ip());
            event["port"] = json!(mapped.outside.port());
            event["inside"] = json!(mapped.inside.to_string());
            event["by"] = json!(mapped.by.to_string());
            event["reused"] = json!(mapped.is_reused);
            event["remapped"] = json!(mapped.remapped);
        }
        MappingState::Taken { holder, .. } => event["holder"] = json!(holder),
        MappingState::SharedAddress { outside, kind } => {
            event["outside"] = json!(outside);
            event["kind"] = json!(match kind {
                Shared::CarrierGrade => "carrier-grade",
                Shared::DoubleNat => "double NAT",
                Shared::Untold => "untold",
            });
        }
        _ => {}
    }
    event
}

/// The TCP entries of the router's table: port outside, where it leads to, seconds left.
fn table(lab: &Lab) -> Vec<(u16, String, u64)> {
    let printed = lab.sh("guest", &format!("upnpc -u {ROUTER} -l 2>&1"));
    printed
        .lines()
        .filter_map(|line| {
            // ` 0 TCP 12800->192.168.77.10:12800 'Mixdesk' '' 598`
            let (_, rest) = line.split_once(" TCP ")?;
            let (port, rest) = rest.split_once("->")?;
            let mut words = rest.split_whitespace();
            let inside = words.next()?.to_owned();
            Some((
                port.trim().parse().ok()?,
                inside,
                words.next_back()?.parse().ok()?,
            ))
        })
        .collect()
}

/// Where a port leads to, if anywhere.
fn leads_to(lab: &Lab, port: u16) -> Option<String> {
    let entries = table(lab);
    let mut entries = entries.into_iter().filter(|(outside, ..)| *outside == port);
    let inside = entries.next().map(|(_, inside, _)| inside);
    assert!(entries.next().is_none(), "{port} stands there twice");
    inside
}

/// Whether somebody in the internet is greeted at a port of the router.
fn is_reached(lab: &Lab, port: u16) -> bool {
    lab.within("internet", || {
        let at = SocketAddr::from((WIRE, port));
        let Ok(mut stream) = TcpStream::connect_timeout(&at, Duration::from_secs(1)) else {
            return false;
        };
        let mut greeting = vec![0; GREETING.len()];
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.read_exact(&mut greeting).is_ok() && greeting == GREETING
    })
}

/// Waits for something that comes by itself.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn internet_is_let_in_by_each_protocol(variant: &str) {
    let Some(lab) = Lab::up() else {
        return;
    };
    lab.igd_up(&[("EXTIP", DECLARED), ("VARIANT", variant)]);
    for (name, _) in WAYS {
        assert!(!is_reached(&lab, 12800), "nothing is open yet");
        let mut host = Host::start(&lab, 12800, &[("WAYS", name)]);
        let (mapped, took) = host.mapped();
        assert_eq!(mapped["outside"], DECLARED);
        assert_eq!(mapped["port"], 12800);
        assert_eq!(mapped["inside"], "192.168.77.10:12800");
        assert_eq!(mapped["by"], name);
        assert_eq!(mapped["reused"], false);
        assert!(is_reached(&lab, 12800), "{name}");
        assert_eq!(table(&lab).len(), 1);
        let stopped = host.stop();
        assert_eq!(table(&lab), []);
        assert!(!is_reached(&lab, 12800), "{name}: it is still open");
        println!("{variant}, {name}: mapped after {took:?}, removed in {stopped:?}");
    }
    let mut host = Host::start(&lab, 12800, &[]);
    let (mapped, took) = host.mapped();
    assert!(is_reached(&lab, 12800));
    assert_eq!(table(&lab).len(), 1, "one mapping, whoever answers");
    let stopped = host.stop();
    assert_eq!(table(&lab), []);
    println!(
        "{variant}, side by side ({}): mapped after {took:?}, removed in {stopped:?}",
        mapped["by"]
    );
}

#[test]
#[ignore = "needs root and the netlab"]
fn the_internet_is_let_in_by_a_router_with_nft() {
    internet_is_let_in_by_each_protocol("nft");
}

#[test]
#[ignore = "needs root and the netlab"]
fn the_internet_is_let_in_by_a_router_with_iptables() {
    internet_is_let_in_by_each_protocol("iptables");
}

#[test]
#[ignore = "needs root and the netlab"]
fn a_lease_is_renewed_when_half_of_it_is_over() {
    let Some(lab) = Lab::up() else {
        return;
    };
    lab.igd_up(&[("EXTIP", DECLARED), ("MINLIFE", "5")]);
    let ports = [12800, 12801, 12802];
    let mut hosts: Vec<Host> = WAYS
        .iter()
        .zip(ports)
        .map(|((name, _), port)| Host::start(&lab, port, &[("WAYS", name), ("LEASE", "6")]))
        .collect();
    for host in &mut hosts {
        host.mapped();
    }
    // Two renewals of each: what is left grows.
    let (mut left, mut renewals) = ([0; 3], [0; 3]);
    wait_for("two renewals of each", || {
        for (port, _, seconds) in table(&lab) {
            let at = ports.iter().position(|other| *other == port).unwrap();
            renewals[at] += u32::from(left[at] != 0 && seconds > left[at]);
            left[at] = seconds;
        }
        renewals.iter().all(|renewals| *renewals >= 2)
    });
    for port in ports {
        assert!(is_reached(&lab, port), "{port}");
    }
    for host in hosts {
        host.stop();
    }
    assert_eq!(table(&lab), []);
}

#[test]
#[ignore = "needs root and the netlab"]
fn a_leftover_of_a_kill_is_known_again_and_used() {
    let Some(lab) = Lab::up() else {
        return;
    };
    lab.igd_up(&[("EXTIP", DECLARED)]);
    let home = tempfile::tempdir().unwrap();
    // Somebody else has the port that is asked for, so that another one is given where the protocol can.
    lab.sh(
        "guest",
        &format!("upnpc -u {ROUTER} -a 192.168.77.20 20000 12800 TCP 600"),
    );
    for ((name, _), port) in WAYS.into_iter().zip([12800, 12810, 12820]) {
        let memory = home.path().join(name);
        let arguments = [("WAYS", name), ("MEMORY", memory.to_str().unwrap())];
        let mut host = Host::start(&lab, port, &arguments);
        let (before, _) = host.mapped();
        assert_eq!(before["reused"], false);
        let outside = u16::try_from(before["port"].as_u64().unwrap()).unwrap();
        host.process.kill();
        assert!(
            leads_to(&lab, outside).is_some(),
            "{name}: the kill has left it"
        );

        let mut host = Host::start(&lab, port, &arguments);
        let (after, took) = host.mapped();
        assert_eq!(after["reused"], true, "{name}");
        assert_eq!(after["port"], before["port"]);
        assert!(is_reached(&lab, outside));
        assert_eq!(table(&lab).len(), 2, "{name}: the guest's and ours");
        println!("{name}: known again after {took:?}");
        host.process.kill();

        // Another port is hosted from now on: the leftover goes.
        let mut host = Host::start(&lab, port + 1, &arguments);
        let (other, _) = host.mapped();
        assert_eq!(other["reused"], false);
        assert_eq!(
            leads_to(&lab, 12800).as_deref(),
            Some("192.168.77.20:20000")
        );
        assert_eq!(table(&lab).len(), 2, "{name}: {:?}", table(&lab));
        host.stop();
        assert_eq!(table(&lab).len(), 1);
        assert_eq!(std::fs::read_to_string(&memory).unwrap(), "");
    }
}

#[test]
#[ignore = "needs root and the netlab"]
fn a_port_of_another_machine_is_told_with_its_name_and_another_port_is_used_where_there_is_one() {
    let Some(lab) = Lab::up() else {
        return;
    };
    lab.igd_up(&[("EXTIP", DECLARED)]);
    lab.sh(
        "guest",
        &format!("upnpc -u {ROUTER} -a 192.168.77.20 12800 12800 TCP 600"),
    );
    for name in ["PCP", "NAT-PMP", "PCP,NAT-PMP,UPnP"] {
        let mut other = Host::start(&lab, 12800, &[("WAYS", name)]);
        let (mapped, took) = other.mapped();
        let port = u16::try_from(mapped["port"].as_u64().unwrap()).unwrap();
        assert_ne!(port, 12800);
        assert!(is_reached(&lab, port));
        println!("{} ({name}, {took:?})", mapped["words"]);
        other.stop();
        assert_eq!(table(&lab).len(), 1);
    }

    let mut host = Host::start(&lab, 12800, &[("WAYS", "UPnP"), ("AGAIN", "200")]);
    let taken = host.next(&["taken", "mapped"]);
    assert_eq!(taken["state"], "taken");
    assert_eq!(taken["holder"], "192.168.77.20", "{taken}");
    println!("{} {}", taken["words"], taken["advice"]);
    lab.sh("guest", &format!("upnpc -u {ROUTER} -d 12800 TCP"));
    host.mapped();
    assert!(is_reached(&lab, 12800), "the port was free again");
    host.stop();
}

#[test]
#[ignore = "needs root and the netlab"]
fn without_an_answer_the_numbers_to_type_in_are_told_and_a_router_that_comes_is_found() {
    let Some(lab) = Lab::up() else {
        return;
    };
    let mut host = Host::start(&lab, 12800, &[("AGAIN", "200")]);
    let told = host.next(&["no router", "mapped"]);
    let took = host.started.elapsed();
    assert_eq!(told["state"], "no router");
    let advice = told["advice"].as_str().unwrap();
    assert!(
        advice.contains("TCP, port 12800 → 192.168.77.10:12800"),
        "{advice}"
    );
    assert!(advice.contains("192.168.77.1"), "{advice}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    println!("no router: told after {took:?}: {} {advice}", told["words"]);
    lab.igd_up(&[("EXTIP", DECLARED)]);
    host.mapped();
    assert!(is_reached(&lab, 12800));
    host.stop();
}

#[test]
#[ignore = "needs root and the netlab"]
fn a_router_that_says_no_is_told() {
    let Some(lab) = Lab::up() else {
        return;
    };
    // Its rules let no port under 1024 be opened.
    lab.igd_up(&[("EXTIP", DECLARED)]);
    // Only by UPnP does it say so. By the others it tries all ports first, which takes longer than anybody waits.
    let mut host = Host::start(&lab, 80, &[("WAYS", "UPnP")]);
    let refused = host.next(&["refused", "mapped", "taken", "no router", "shared"]);
    println!("{:?}: {}", host.started.elapsed(), refused["words"]);
    assert_eq!(refused["state"], "refused", "{refused}");
    assert!(refused["words"].as_str().unwrap().contains("not allowed"));
    assert!(refused["advice"].as_str().unwrap().contains("port 80"));
    host.stop();
    assert_eq!(table(&lab), []);
}

fn a_shared_address_is_told(wannet: &str) {
    let Some(lab) = Lab::up_with(&[("WANNET", wannet)]) else {
        return;
    };
    lab.igd_up(&[]);
    // By PCP alone this router only says that it has no room.
    for name in ["NAT-PMP", "UPnP", "PCP,NAT-PMP,UPnP"] {
        let mut host = Host::start(&lab, 12800, &[("WAYS", name)]);
        let shared = host.next(&["refused", "mapped", "taken", "no router", "shared"]);
        println!(
            "{wannet}, {name}, {:?}: {}",
            host.started.elapsed(),
            shared["words"]
        );
        assert_eq!(shared["state"], "shared", "{shared}");
        assert!(shared["advice"].as_str().unwrap().contains("VPN"));
        host.stop();
    }
    assert_eq!(table(&lab), []);
}

#[test]
#[ignore = "needs root and the netlab"]
fn carrier_grade_nat_is_told() {
    a_shared_address_is_told("100.64.0");
}

#[test]
#[ignore = "needs root and the netlab"]
fn double_nat_is_told() {
    a_shared_address_is_told("192.168.5");
}

#[test]
#[ignore = "needs root and the netlab"]
fn a_router_that_restarts_has_the_mapping_again() {
    let Some(lab) = Lab::up() else {
        return;
    };
    lab.igd_up(&[("EXTIP", DECLARED)]);
    let ports = [12800, 12801, 12802];
    let arguments = [("LOOK", "500"), ("AGAIN", "200")];
    let mut hosts: Vec<Host> = WAYS
        .iter()
        .zip(ports)
        .map(|((name, _), port)| {
            Host::start(&lab, port, &[&[("WAYS", *name)][..], &arguments].concat())
        })
        .collect();
    for host in &mut hosts {
        host.mapped();
    }
    lab.igd_down();
    for port in ports {
        assert!(!is_reached(&lab, port), "the router has lost {port}");
    }
    for host in &mut hosts {
        host.next(&["asking", "no router"]);
    }
    lab.igd_up(&[("EXTIP", DECLARED)]);
    let up = Instant::now();
    for ((host, port), (name, _)) in hosts.iter_mut().zip(ports).zip(WAYS) {
        let (mapped, _) = host.mapped();
        println!(
            "{name}: mapped again {:?} after the router was up",
            up.elapsed()
        );
        assert!(mapped["remapped"].as_u64() >= Some(1), "{mapped}");
        assert_eq!(mapped["port"], port);
        assert_eq!(mapped["reused"], false, "{mapped}");
        assert!(is_reached(&lab, port));
    }
    for host in hosts {
        host.stop();
    }
    assert_eq!(table(&lab), []);
}

#[test]
#[ignore = "needs root and the netlab"]
fn a_mapping_that_the_router_forgets_is_made_anew() {
    let Some(lab) = Lab::up() else {
        return;
    };
    lab.igd_up(&[("EXTIP", DECLARED)]);
    for (name, _) in WAYS {
        let mut host = Host::start(&lab, 12800, &[("WAYS", name), ("LOOK", "1000")]);
        host.mapped();
        // By the host's own address, as the router asks for; whether it is gone is not looked at, as it may be back.
        lab.sh("host", &format!("upnpc -u {ROUTER} -d 12800 TCP"));
        let forgotten = Instant::now();
        wait_for("the mapping is back", || leads_to(&lab, 12800).is_some());
        println!(
            "{name}: back {:?} after it was forgotten",
            forgotten.elapsed()
        );
        assert!(is_reached(&lab, 12800));
        host.stop();
    }
}

#[test]
#[ignore = "needs root and the netlab"]
fn the_mapping_follows_this_computers_address() {
    let Some(lab) = Lab::up() else {
        return;
    };
    lab.igd_up(&[("EXTIP", DECLARED)]);
    let changes = [
        ("192.168.77.10", "192.168.77.11"),
        ("192.168.77.11", "192.168.77.10"),
    ];
    for ((name, _), (from, to)) in WAYS.into_iter().zip(changes.into_iter().cycle()) {
        let mut host = Host::start(&lab, 12800, &[("WAYS", name), ("LEASE", "6")]);
        host.mapped();
        lab.sh(
            "host",
            &format!(
                "ip addr del {from}/24 dev eth0; ip addr add {to}/24 dev eth0; ip route replace default via 192.168.77.1"
            ),
        );
        let changed = Instant::now();
        let (mapped, _) = host.mapped();
        println!(
            "{name}: follows after {:?}: {}",
            changed.elapsed(),
            mapped["words"]
        );
        assert_eq!(mapped["inside"], format!("{to}:12800"));
        assert!(is_reached(
            &lab,
            u16::try_from(mapped["port"].as_u64().unwrap()).unwrap()
        ));
        host.stop();
        // What the other address had ends with its lease.
        wait_for("the lease ends", || table(&lab).is_empty());
    }
}

#[test]
#[ignore = "needs root and the netlab"]
fn a_cable_that_is_out_is_told_and_in_again_is_mapped() {
    let Some(lab) = Lab::up() else {
        return;
    };
    lab.igd_up(&[("EXTIP", DECLARED)]);
    let mut host = Host::start(&lab, 12800, &[("AGAIN", "200")]);
    host.mapped();
    lab.sh("host", "ip link set eth0 down");
    host.next(&["no network"]);
    lab.sh(
        "host",
        "ip link set eth0 up; ip route replace default via 192.168.77.1",
    );
    host.mapped();
    assert!(is_reached(&lab, 12800));
    host.stop();
}

/// miniupnpd never tells an outside address that is not public. Routers of providers do, so one stands in for them here.
#[test]
#[ignore = "needs root and the netlab"]
fn a_shared_address_that_the_router_tells_is_told() {
    let Some(lab) = Lab::up() else {
        return;
    };
    for (outside, kind) in [
        ([100, 64, 3, 2], "carrier-grade"),
        ([192, 168, 178, 20], "double NAT"),
    ] {
        beside_a_providers_router(&lab, outside, || {
            let mut host = Host::start(&lab, 12800, &[("WAYS", "NAT-PMP")]);
            let told = host.next(&["shared", "mapped", "no router"]);
            println!("{} {}", told["words"], told["advice"]);
            assert_eq!(told["kind"], kind, "{told}");
            assert_eq!(told["outside"], Ipv4Addr::from(outside).to_string());
            host.stop();
        });
    }
}

/// Does something that ends with the removal of a mapping, while the router speaks NAT-PMP and says that this is its
/// outside address.
pub(super) fn beside_a_providers_router(lab: &Lab, outside: [u8; 4], what: impl FnOnce()) {
    let (sender, ready) = std::sync::mpsc::channel();
    std::thread::scope(|threads| {
        let router = threads.spawn(|| {
            lab.within("router", || {
                let socket = std::net::UdpSocket::bind("192.168.77.1:5351").unwrap();
                sender.send(()).unwrap();
                speak_nat_pmp(&socket, outside);
            });
        });
        ready.recv_timeout(PATIENCE).unwrap();
        what();
        router.join().unwrap();
    });
}

/// Answers as a NAT-PMP router with this outside address, until a mapping is removed.
fn speak_nat_pmp(socket: &std::net::UdpSocket, outside: [u8; 4]) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    loop {
        let mut request = [0; 64];
        let (length, from) = socket.recv_from(&mut request).unwrap();
        let epoch = [0, 0, 0, 9];
        let answer = match request[..length] {
            [0, 0] => [&[0, 0x80, 0, 0][..], &epoch, &outside].concat(),
            [0, 2, _, _, a, b, c, d, ..] => {
                let lease = &request[8..12];
                [&[0, 0x82, 0, 0][..], &epoch, &[a, b, c, d], lease].concat()
            }
            _ => continue,
        };
        socket.send_to(&answer, from).unwrap();
        if length == 12 && request[8..12] == [0; 4] {
            return;
        }
    }
}

/// A device of the LAN that says it is a router and then sends a page without end. It is not the router, and keeps
/// nobody from being told so.
#[test]
#[ignore = "needs root and the netlab"]
fn a_device_that_never_ends_its_answer_delays_nobody() {
    let Some(lab) = Lab::up() else {
        return;
    };
    let (sender, ready) = std::sync::mpsc::channel();
    std::thread::scope(|threads| {
        let hostile = threads.spawn(|| lab.within("guest", || endless_device(&sender)));
        ready.recv_timeout(PATIENCE).unwrap();
        let mut host = Host::start(&lab, 12800, &[("AGAIN", "60000")]);
        host.next(&["no router"]);
        let took = host.started.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
        let served = hostile.join().unwrap();
        assert!(served > 0, "the device was asked");
        println!("told after {took:?}, though a device sent {served} bytes");
        host.stop();
    });
}

/// Answers one search, and writes XML to the first who reads it, until they stop reading.
fn endless_device(ready: &std::sync::mpsc::Sender<()>) -> usize {
    let listener = std::net::TcpListener::bind("192.168.77.20:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let search = std::net::UdpSocket::bind("0.0.0.0:1900").unwrap();
    search
        .join_multicast_v4(
            &"239.255.255.250".parse().unwrap(),
            &"192.168.77.20".parse().unwrap(),
        )
        .unwrap();
    search.set_read_timeout(Some(PATIENCE)).unwrap();
    ready.send(()).unwrap();
    let (_, from) = search.recv_from(&mut [0; 1500]).unwrap();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\
         LOCATION: http://192.168.77.20:{port}/root.xml\r\n\r\n"
    );
    search.send_to(answer.as_bytes(), from).unwrap();
    let (mut reader, _) = listener.accept().unwrap();
    reader.set_write_timeout(Some(PATIENCE)).unwrap();
    let _read = reader.read(&mut [0; 1500]);
    let mut written = 0;
    let mut piece: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<root>";
    while reader.write_all(piece).is_ok() {
        written += piece.len();
        piece = b"<device><serviceList><service>";
    }
    written
}

fn outside_is_told_by_stun(natflags: &str) {
    let Some(lab) = Lab::up_with(&[("NATFLAGS", natflags)]) else {
        return;
    };
    lab.stun_up();
    let ask = |servers: &[&str]| {
        lab.within("host", || {
            let servers: Vec<String> = servers.iter().map(|&server| server.to_owned()).collect();
            let began = Instant::now();
            let told = tokio::runtime::Runtime::new()
                .unwrap()
                .block_on(outside_by_stun(&servers, Duration::from_secs(3)));
            println!(
                "{natflags:?} {servers:?}: {told:?} after {:?}",
                began.elapsed()
            );
            told
        })
    };
    assert_eq!(ask(&["203.0.113.10:3478"]), Ok(WIRE.into()));
    // One that nobody is, one where nobody listens, and one that answers.
    let servers = ["203.0.113.99", "203.0.113.1:9", "203.0.113.10"];
    assert_eq!(ask(&servers), Ok(WIRE.into()));
    assert!(ask(&servers[..2]).is_err());
}

#[test]
#[ignore = "needs root and the netlab"]
fn the_outside_address_is_told_by_stun() {
    outside_is_told_by_stun("");
}

#[test]
#[ignore = "needs root and the netlab"]
fn the_outside_address_is_told_by_stun_behind_a_symmetric_nat() {
    outside_is_told_by_stun("fully-random");
}
