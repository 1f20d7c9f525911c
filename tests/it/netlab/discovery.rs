//! Sessions in a LAN: who announces is found, and who has gone is not; beside avahi, floods and pulled cables.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mixdesk::reach::{Announcement, Announcer, Answer, Browser, Found};
use tokio::sync::watch;

use super::lab::{Inside, Lab};
use crate::common::PATIENCE;
use crate::common::program::Program;

/// Discovery promises two seconds for coming and going. The rest is for these machines, which are shared.
const PROMISED: Duration = Duration::from_secs(6);
/// As if nobody will come any more: twice what coming takes.
const LONG_ENOUGH: Duration = Duration::from_secs(4);

/// Somebody who announces a session in a place of the lab, as a process of its own.
struct Host {
    program: Program,
    input: std::process::ChildStdin,
    port: u16,
}

impl Host {
    fn start(lab: &Lab, place: &str, name: &str) -> Self {
        Self::start_with(lab, place, name, "")
    }

    /// The same with hidden interfaces, with commas between them.
    fn start_with(lab: &Lab, place: &str, name: &str, hidden: &str) -> Self {
        let arguments = [("NAME", name), ("HIDDEN", hidden)];
        let mut body = lab.body(place, "netlab::discovery::hosts", &arguments);
        let mut program = Program::start(body.stdin(Stdio::piped()));
        let input = program.input().unwrap();
        let port = said(&mut program, "port ").parse().unwrap();
        Self {
            program,
            input,
            port,
        }
    }

    /// Has it do something, and waits until it is done.
    fn order(&mut self, line: &str) {
        use std::io::Write;
        writeln!(self.input, "{line}").unwrap();
        said(&mut self.program, "done");
    }

    fn kill(self) {
        self.program.kill();
    }
}

/// The rest of the next line that begins so.
fn said(program: &mut Program, start: &str) -> String {
    loop {
        if let Some(rest) = program.line().strip_prefix(start) {
            return rest.to_owned();
        }
    }
}

fn announcement(name: &str, port: u16) -> Announcement {
    Announcement {
        name: name.to_owned(),
        port,
        rooms: 2,
        people: 3,
        asks: true,
        version: "9.8.7".to_owned(),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
#[ignore = "needs root and the netlab"]
fn hosts() {
    let Some(inside) = Inside::asked() else {
        return;
    };
    let hidden = inside.argument("HIDDEN").unwrap_or_default();
    let hidden: Vec<_> = hidden.split(',').map(str::to_owned).collect();
    // Its backlog takes the connections.
    let listener = std::net::TcpListener::bind("[::]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut announcement = announcement(&inside.argument("NAME").unwrap(), port);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let mut announcer = Some(Announcer::start(announcement.clone(), &hidden).unwrap());
    println!("\nport {port}");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match line.split_once(' ') {
            Some(("people", number)) => {
                announcement.people = number.parse().unwrap();
                announcer.as_ref().unwrap().update(announcement.clone());
            }
            Some(("name", name)) => {
                announcement.name = name.to_owned();
                announcer.as_ref().unwrap().update(announcement.clone());
            }
            _ => runtime.block_on(announcer.take().unwrap().stop()),
        }
        println!("\ndone");
    }
}

/// Waits until the list is as wanted, and tells how long that took.
async fn until(
    found: &mut watch::Receiver<Arc<[Found]>>,
    wanted: impl Fn(&[Found]) -> bool,
) -> (Vec<Found>, Duration) {
    let start = Instant::now();
    let waiting = async {
        let list = found.wait_for(|found| wanted(found)).await;
        list.unwrap().to_vec()
    };
    let Ok(list) = tokio::time::timeout(PATIENCE, waiting).await else {
        panic!("not seen: {:#?}", found.borrow());
    };
    (list, start.elapsed())
}

fn answers(found: &[Found]) -> bool {
    matches!(found, [one] if matches!(one.answer, Answer::Answers(_)))
}

fn is_silent(found: &[Found]) -> bool {
    matches!(found, [one] if one.answer == Answer::Silent)
}

/// Looks at the list of somebody in a place of the lab.
fn browse<F: Future<Output = ()>>(
    lab: &Lab,
    place: &str,
    look: impl FnOnce(Browser, watch::Receiver<Arc<[Found]>>) -> F + Send,
) {
    lab.within(place, || {
        runtime().block_on(async {
            let browser = Browser::start(&[]).unwrap();
            let found = browser.found();
            look(browser, found).await;
        });
    });
}

#[test]
#[ignore = "needs root and the netlab"]
fn a_host_is_found_and_gone_soon() {
    for snooping in ["0", "1"] {
        let Some(lab) = Lab::up_with(&[("SNOOP", snooping)]) else {
            return;
        };
        browse(&lab, "guest", |browser, mut found| {
            let lab = &lab;
            async move {
                let mut host = Host::start(lab, "host", "Studio v1.2");
                let (list, came) = until(&mut found, answers).await;
                let lan: SocketAddr = ([192, 168, 77, 10], host.port).into();
                let one = &list[0];
                assert_eq!(one.name, "Studio v1.2");
                assert_eq!(one.addresses[0], lan);
                assert_eq!(one.best(), Some(lan));
                assert_eq!(one.version, "9.8.7");
                assert_eq!((one.rooms, one.people, one.asks), (Some(2), Some(3), true));
                assert!(!one.is_ours);
                drop(browser);

                // Somebody who comes later.
                let browser = Browser::start(&[]).unwrap();
                let mut found = browser.found();
                let (_, came_late) = until(&mut found, answers).await;
                let start = Instant::now();
                host.order("stop");
                let stopped = start.elapsed();
                until(&mut found, <[Found]>::is_empty).await;
                let gone = start.elapsed();
                println!(
                    "snooping {snooping}: found {came:?} after the start, {came_late:?} by who came later, \
                     gone {gone:?} after the end, which took {stopped:?}"
                );
                for time in [came, came_late, gone, stopped] {
                    assert!(time <= PROMISED, "{time:?}");
                }
            }
        });
    }
}

#[test]
#[ignore = "needs root and the netlab"]
fn who_was_killed_is_shown_as_silent_and_then_not_at_all() {
    let Some(lab) = Lab::up() else { return };
    browse(&lab, "guest", |browser, mut found| {
        let lab = &lab;
        async move {
            let host = Host::start(lab, "host", "Studio");
            until(&mut found, answers).await;
            host.kill();
            browser.look_again();
            let (_, silent) = until(&mut found, is_silent).await;
            let (_, gone) = until(&mut found, <[Found]>::is_empty).await;
            println!("silent {silent:?} after the look, gone {gone:?} later");
            assert!(silent <= PROMISED, "{silent:?}");
            // And back.
            let _host = Host::start(lab, "host", "Studio");
            until(&mut found, answers).await;
        }
    });
}

#[test]
#[ignore = "needs root and the netlab"]
fn who_lets_nobody_in_is_shown_as_silent() {
    let Some(lab) = Lab::up() else { return };
    lab.sh(
        "host",
        "nft 'add table inet wall; add chain inet wall in { type filter hook input priority 0; }; \
         add rule inet wall in tcp flags syn drop'",
    );
    browse(&lab, "guest", |browser, mut found| {
        let lab = &lab;
        async move {
            let _host = Host::start(lab, "host", "Studio");
            until(&mut found, |found| !found.is_empty()).await;
            let (_, time) = until(&mut found, is_silent).await;
            println!("silent {time:?} after it was found");
            assert!(time <= PROMISED, "{time:?}");
            lab.sh("host", "nft delete table inet wall");
            browser.look_again();
            until(&mut found, answers).await;
        }
    });
}

#[test]
#[ignore = "needs root and the netlab"]
fn avahi_sees_ours_and_we_see_avahis() {
    let Some(lab) = Lab::up() else { return };
    let bus = lab.avahi_up("guest");
    let tool = |name: &str| {
        format!(
            "DBUS_SYSTEM_BUS_ADDRESS={bus} {}",
            Lab::tool("avahi-utils", name).display()
        )
    };
    let mut host = Host::start(&lab, "host", "Anna’s Studio");
    let browse_line = format!("{} -rpt _mixer-relay._tcp", tool("avahi-browse"));
    let seen = |what: &[&str]| {
        let end = Instant::now() + PATIENCE;
        loop {
            let lines = lab.sh("guest", &browse_line);
            let is_seen =
                |line: &str| line.starts_with('=') && what.iter().all(|w| line.contains(w));
            if lines.lines().any(is_seen) {
                return;
            }
            assert!(Instant::now() < end, "{what:?}\n{lines}");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    // avahi writes what is not ASCII as numbers.
    let port = format!(";192.168.77.10;{};", host.port);
    let name = r"Anna\226\128\153s\032Studio";
    seen(&[
        name,
        &port,
        "\"rooms=2\"",
        "\"people=3\"",
        "\"asks=yes\"",
        "\"version=9.8.7\"",
    ]);
    // What changes at once is told once.
    host.order("people 4");
    host.order("people 5");
    let start = Instant::now();
    seen(&[name, "\"people=5\""]);
    println!("a change was told after {:?}", start.elapsed());

    browse(&lab, "host", |browser, mut found| {
        let mut publish = lab.command("guest", "sh");
        publish.args([
            "-c",
            &format!(
                "exec {} 'Old Relay' _mixer-relay._tcp 12801 rooms=1",
                tool("avahi-publish-service").replacen("DBUS", "env DBUS", 1)
            ),
        ]);
        async move {
            let _browser = browser;
            let program = Program::start(&mut publish);
            let theirs = |found: &[Found]| found.iter().any(|one| one.name == "Old Relay");
            let (list, came) = until(&mut found, theirs).await;
            let one = list.iter().find(|one| one.name == "Old Relay").unwrap();
            assert_eq!(one.best(), Some(([192, 168, 77, 20], 12801).into()));
            assert_eq!((one.rooms, one.people, one.asks), (Some(1), None, false));
            // Nobody listens there.
            let is_silent = |found: &[Found]| {
                let silent = |one: &Found| one.name == "Old Relay" && one.answer == Answer::Silent;
                found.iter().any(silent)
            };
            until(&mut found, is_silent).await;
            let (_, gone) = {
                program.end(rustix::process::Signal::TERM);
                until(&mut found, |found| !theirs(found)).await
            };
            println!("avahi's was found after {came:?} and gone after {gone:?}");
            assert!(gone <= PROMISED, "{gone:?}");
        }
    });
}

#[test]
#[ignore = "needs root and the netlab"]
fn hosts_of_one_name_are_entries_of_their_own() {
    let Some(lab) = Lab::up() else { return };
    browse(&lab, "guest", |browser, mut found| {
        let lab = &lab;
        async move {
            let start = Instant::now();
            let mut hosts = [
                Host::start(lab, "host", "Studio"),
                Host::start(lab, "host", "Studio"),
                Host::start(lab, "guest", "Studio"),
            ];
            let ports: BTreeSet<_> = hosts.iter().map(|host| host.port).collect();
            let all_answer = |found: &[Found]| {
                let best = found.iter().filter_map(|one| match one.answer {
                    Answer::Answers(address) => Some(address.port()),
                    _ => None,
                });
                found.len() == 3 && best.collect::<BTreeSet<_>>() == ports
            };
            until(&mut found, all_answer).await;
            println!("all three found after {:?}", start.elapsed());
            // And they stay so, and each is found by who comes later.
            tokio::time::sleep(LONG_ENOUGH).await;
            assert!(all_answer(&found.borrow()), "{:#?}", found.borrow());
            drop(browser);
            let late = Browser::start(&[]).unwrap();
            let mut found = late.found();
            let (list, _) = until(&mut found, all_answer).await;
            let names: BTreeSet<_> = list.iter().map(|one| one.name.as_str()).collect();
            println!("{names:?}");
            hosts[0].order("stop");
            until(&mut found, |found| found.len() == 2).await;
            // Another name is another entry, and the old one goes.
            hosts[1].order("name Elsewhere");
            let renamed = |found: &[Found]| {
                found.len() == 2 && found.iter().any(|one| one.name == "Elsewhere")
            };
            until(&mut found, renamed).await;
        }
    });
}

#[test]
#[ignore = "needs root and the netlab"]
fn several_addresses_of_a_host_are_one_entry() {
    let Some(lab) = Lab::up() else { return };
    second_cable(&lab);
    lab.sh("host", "ip addr add 192.168.77.11/24 dev eth0");
    lab.sh("host", "ip addr add fd00:77::10/64 dev eth0 nodad");
    lab.sh("guest", "ip addr add fd00:77::20/64 dev eth0 nodad");
    browse(&lab, "guest", |browser, mut found| {
        let lab = &lab;
        async move {
            let _browser = browser;
            let host = Host::start(lab, "host", "Studio");
            let all = |found: &[Found]| matches!(found, [one] if one.addresses.len() == 6);
            let (list, _) = until(&mut found, all).await;
            let (list, _) = if answers(&list) {
                (list, Duration::ZERO)
            } else {
                until(&mut found, answers).await
            };
            println!("{:?}", list[0].addresses);
            let texts: Vec<_> = list[0].addresses.iter().map(ToString::to_string).collect();
            let with_port = |ip: &str| format!("{ip}:{}", host.port);
            let expected = [
                "192.168.77.10",
                "192.168.77.11",
                "192.168.99.10",
                "[fd00:77::10]",
            ];
            assert_eq!(texts[..4], expected.map(with_port));
            assert!(
                texts[4].starts_with("[fe80::") && texts[4].contains('%'),
                "{texts:?}"
            );
            assert_eq!(list[0].best().unwrap().to_string(), texts[0]);
            // By both cables, and still one.
            tokio::time::sleep(LONG_ENOUGH).await;
            assert_eq!(found.borrow().len(), 1);
        }
    });
}

/// A second network between host and guest: eth1, 192.168.99.10 and 192.168.99.20.
fn second_cable(lab: &Lab) {
    lab.sh(
        "host",
        &format!(
            "ip link add eth1 type veth peer name eth1 netns {}",
            lab.namespace("guest")
        ),
    );
    for (place, ip) in [("host", "192.168.99.10"), ("guest", "192.168.99.20")] {
        lab.sh(
            place,
            &format!("ip addr add {ip}/24 dev eth1 && ip link set eth1 up"),
        );
    }
    for place in ["host", "guest"] {
        let settled = "until [ -z \"$(ip -6 addr show tentative)\" ]; do sleep 0.1; done";
        lab.sh(place, settled);
    }
}

#[test]
#[ignore = "needs root and the netlab"]
fn hidden_and_virtual_interfaces_carry_no_announcement() {
    let Some(lab) = Lab::up() else { return };
    second_cable(&lab);
    // Containers' networks have the same addresses on every computer.
    for place in ["host", "guest"] {
        lab.sh(
            place,
            "ip link add docker0 type veth peer name veth9 && ip addr add 172.17.0.1/16 dev docker0 && \
             ip link set veth9 up && ip link set docker0 up",
        );
    }
    // Counts what the host says by mDNS on each cable.
    let count = |cable: &str| {
        let mac = lab.sh("host", &format!("ip -o link show {cable}"));
        let mac = mac
            .split_whitespace()
            .skip_while(|word| *word != "link/ether")
            .nth(1)
            .unwrap()
            .to_owned();
        lab.sh(
            "guest",
            &format!(
                "nft 'add table inet count; add chain inet count in {{ type filter hook input priority 0; }}; \
                 add counter inet count {cable}; \
                 add rule inet count in iifname {cable} ether saddr {mac} udp dport 5353 counter name {cable}'"
            ),
        );
    };
    count("eth0");
    count("eth1");
    browse(&lab, "guest", |browser, mut found| {
        let lab = &lab;
        async move {
            let _browser = browser;
            let mut host = Host::start_with(lab, "host", "Studio", "eth1");
            until(&mut found, answers).await;
            tokio::time::sleep(LONG_ENOUGH).await;
            host.order("stop");
            let ips: Vec<_> = found.borrow()[0]
                .addresses
                .iter()
                .map(|a| a.ip().to_string())
                .collect();
            assert!(
                ips[0] == "192.168.77.10" && ips[1].starts_with("fe80") && ips.len() == 2,
                "{ips:?}"
            );
        }
    });
    let packets = |cable: &str| lab.sh("guest", &format!("nft list counter inet count {cable}"));
    assert!(
        !packets("eth0").contains("packets 0 "),
        "{}",
        packets("eth0")
    );
    assert!(
        packets("eth1").contains("packets 0 "),
        "{}",
        packets("eth1")
    );
}

#[test]
#[ignore = "needs root and the netlab"]
fn a_cable_is_pulled_and_comes_back() {
    let Some(lab) = Lab::up() else { return };
    browse(&lab, "guest", |browser, mut found| {
        let lab = &lab;
        async move {
            let _host = Host::start(lab, "host", "Studio");
            until(&mut found, answers).await;
            lab.sh("router", "ip link set p-host down");
            browser.look_again();
            let (_, silent) = until(&mut found, is_silent).await;
            let (_, gone) = until(&mut found, <[Found]>::is_empty).await;
            lab.sh("router", "ip link set p-host up");
            let (_, back) = until(&mut found, answers).await;
            println!(
                "the host's cable: silent after {silent:?}, gone {gone:?} later, back {back:?} after it"
            );
            lab.sh("router", "ip link set p-guest down");
            let (_, gone) = until(&mut found, <[Found]>::is_empty).await;
            lab.sh("router", "ip link set p-guest up");
            let (_, back) = until(&mut found, answers).await;
            println!("the guest's cable: gone {gone:?} after, back {back:?} after it");
        }
    });
}

#[test]
#[ignore = "needs root and the netlab"]
fn our_own_session_is_known_as_ours() {
    let Some(lab) = Lab::up() else { return };
    browse(&lab, "host", |browser, mut found| async move {
        let _browser = browser;
        let ours = Announcer::start(announcement("Studio", 12800), &[]).unwrap();
        let (list, time) = until(&mut found, |found| !found.is_empty()).await;
        println!("ours was heard after {time:?}");
        assert!(list[0].is_ours);
        assert_eq!(list[0].answer, Answer::Unknown);
        ours.update(announcement("Other", 12800));
        until(
            &mut found,
            |found| matches!(found, [one] if one.name == "Other"),
        )
        .await;
        // Not stopped, only dropped.
        drop(ours);
        until(&mut found, <[Found]>::is_empty).await;
    });
}

#[test]
#[ignore = "needs root and the netlab"]
fn a_flood_of_announcements_stays_bounded() {
    let Some(lab) = Lab::up() else { return };
    let mut onlooker = Onlooker::start(&lab);
    let before = onlooker.program.anonymous_bytes();
    let end = Instant::now() + Duration::from_secs(20);
    let sent = lab.within("host", || {
        let socket = UdpSocket::bind((Ipv4Addr::new(192, 168, 77, 10), 0)).unwrap();
        let group = SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 251), 5353);
        let mut sent = 0_u32;
        while Instant::now() < end {
            for _ in 0..20 {
                let packet = if sent.is_multiple_of(2) {
                    hostile(sent)
                } else {
                    hostile_addresses(sent)
                };
                socket.send_to(&packet, group).unwrap();
                sent += 1;
            }
            // About a thousand a second, as a machine gone wild might do.
            std::thread::sleep(Duration::from_millis(10));
        }
        sent
    });
    let (listed, _) = onlooker.look();
    let after = onlooker.program.anonymous_bytes();
    println!(
        "{sent} hostile announcements: {listed} listed, memory {} kB before, {} kB after",
        before >> 10,
        after >> 10
    );
    assert!(listed <= 128, "{listed}");
    assert!(after < before + (100 << 20), "{before} {after}");
    // An honest one is found afterwards.
    let _host = Host::start(&lab, "host", "Honest");
    let start = Instant::now();
    while !onlooker.look().1 {
        assert!(
            start.elapsed() < 2 * PATIENCE,
            "the honest one was not found"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("an honest host was found {:?} after", start.elapsed());
}

/// Somebody who lists, in the guest's place, as a process of its own.
struct Onlooker {
    program: Program,
    input: std::process::ChildStdin,
}

impl Onlooker {
    fn start(lab: &Lab) -> Self {
        let mut body = lab.body("guest", "netlab::discovery::looks_on", &[]);
        let mut program = Program::start(body.stdin(Stdio::piped()));
        let input = program.input().unwrap();
        let mut onlooker = Self { program, input };
        onlooker.look();
        onlooker
    }

    /// How many are listed, and whether one of them is called *Honest* and answers.
    fn look(&mut self) -> (usize, bool) {
        use std::io::Write;
        writeln!(self.input, "look").unwrap();
        let line = said(&mut self.program, "listed ");
        let (number, honest) = line.split_once(' ').unwrap();
        (number.parse().unwrap(), honest == "true")
    }
}

#[test]
#[ignore = "needs root and the netlab"]
fn looks_on() {
    if Inside::asked().is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let browser = Browser::start(&[]).unwrap();
    let found = browser.found();
    for _ in std::io::stdin().lines().map_while(Result::ok) {
        let found = found.borrow();
        let is_honest =
            |one: &Found| one.name == "Honest" && matches!(one.answer, Answer::Answers(_));
        println!("\nlisted {} {}", found.len(), found.iter().any(is_honest));
    }
}

/// Addresses of computers that do not exist. As no service is named they pass for an answer to somebody's question,
/// and are remembered without any event.
fn hostile_addresses(number: u32) -> Vec<u8> {
    let mut packet = vec![0, 0, 0x84, 0, 0, 0, 0, 14, 0, 0, 0, 0];
    for one in 0..14 {
        let host = format!("h{:09}", number * 14 + one);
        packet.push(host.len() as u8);
        packet.extend(host.bytes());
        packet.extend(b"\x05local\0");
        packet.extend([0, 1, 0x80, 1, 0x7f, 0xff, 0xff, 0xff, 0, 4, 192, 168, 77, 1]);
    }
    packet
}

/// One announcement of a host that does not exist, with names and numbers of its own, for ever.
fn hostile(number: u32) -> Vec<u8> {
    let name = |labels: &[&[u8]]| {
        let mut name = Vec::new();
        for label in labels {
            name.push(label.len() as u8);
            name.extend_from_slice(label);
        }
        name.push(0);
        name
    };
    let instance = format!("\u{1b}[31m\u{202e}{number:010}{}", "x".repeat(30));
    let host = format!("h{number}");
    let service: [&[u8]; 3] = [b"_mixer-relay", b"_tcp", b"local"];
    let full = name(&[instance.as_bytes(), service[0], service[1], service[2]]);
    let host = name(&[host.as_bytes(), b"local"]);
    // Never on its way out: 68 years.
    let record = |name: &[u8], kind: u16, class: u16, data: &[u8]| {
        let mut record = name.to_vec();
        record.extend(kind.to_be_bytes());
        record.extend(class.to_be_bytes());
        record.extend(0x7fff_ffff_u32.to_be_bytes());
        record.extend((data.len() as u16).to_be_bytes());
        record.extend_from_slice(data);
        record
    };
    let srv = [&[0, 0, 0, 0, 0x32, 0x00], &host[..]].concat();
    let txt = [&[200_u8], &[b'n'; 200][..]].concat();
    let [_, _, c, d] = number.to_be_bytes();
    [
        &[0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0][..],
        &record(&name(&service), 12, 1, &full),
        &record(&full, 33, 0x8001, &srv),
        &record(&full, 16, 0x8001, &txt),
        &record(&host, 1, 0x8001, &[192, 168, 77, c ^ d]),
    ]
    .concat()
}
