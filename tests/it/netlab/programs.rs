//! The real programs, as people start them: hosting on one computer, and finding, joining and examining on others.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mixdesk::reach::{Typed, understand};
use rustix::process::Signal;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::addresses::Tunnel;
use super::doctor::{Examined, RUNS, nft};
use super::lab::Lab;
use super::mapping::{DECLARED, ROUTER, WIRE, beside_a_providers_router};
use crate::common::client::frame;
use crate::common::program::command;
use crate::common::skip::Skipped;
use crate::common::{Client, Program, recording, soon};
use crate::traffic::{recordings, replay_to};

const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 10);
/// Mixer's port, free in every lab.
const PORT: u16 = 12800;
const ROOM: &str = "Shot 12";
/// Discovery promises two seconds for coming and going. The rest is for these machines, which are shared.
const PROMISED: Duration = Duration::from_secs(6);
/// How soon a host tells of a network that has gone: sooner than by looking every three seconds.
const NEWS_WITHIN: Duration = Duration::from_millis(2500);
/// All of an examination.
const EXAMINED_WITHIN: Duration = Duration::from_secs(5);
/// How long a cable is out that nobody is to notice.
const CABLE_OUT: Duration = Duration::from_secs(5);
/// Between two commands of a sender.
const REST: Duration = Duration::from_millis(20);

/// The program in a place of the lab.
fn start(lab: &Lab, place: &str, home: &Path, args: &[&str]) -> Program {
    Program::start(&mut lab.wrap(place, &command(home, args)))
}

/// A host, and what it says of itself once it hosts.
fn host(lab: &Lab, home: &Path, args: &[&str]) -> (Program, Value) {
    let mut host = start(lab, "host", home, &[&["host", "--json"], args].concat());
    let hosting = host.event("hosting");
    assert_eq!(hosting["port"], PORT);
    (host, hosting)
}

/// What has become of asking the router.
fn asked_the_router(host: &mut Program) -> Value {
    loop {
        let internet = host.event("internet");
        if internet["asking"] == false {
            return internet;
        }
    }
}

/// The next invite.
fn invite(host: &mut Program) -> String {
    host.event("invite")["invite"].as_str().unwrap().to_owned()
}

/// Somebody beside the host who makes a room.
async fn maker(lab: &Lab) -> Client {
    let mut maker = lab.client("router", (HOST, PORT).into()).await;
    maker.make(ROOM).await;
    maker
}

/// Watches the room in a place, until it is in.
fn watch(lab: &Lab, place: &str, args: &[&str]) -> Program {
    let home = tempfile::tempdir().unwrap();
    let mut watch = start(
        lab,
        place,
        home.path(),
        &[&["watch", "--json"], args].concat(),
    );
    assert_eq!(watch.event("entered")["room"], ROOM);
    watch
}

/// A watcher gets what somebody in the room sends.
async fn gets_the_traffic(watch: &mut Program, maker: &mut Client) {
    maker.send(201, &[0; 36]).await;
    let traffic = watch.event("traffic");
    let figures = (traffic["commands"].as_u64(), traffic["bytes"].as_u64());
    assert_eq!(figures, (Some(1), Some(50)), "{traffic}");
}

/// The next news of a session that a follower tells.
fn news(nearby: &mut Program, event: &str) -> Value {
    let news = nearby.event(event);
    assert_eq!(news["name"], "Lighting review", "{news}");
    news
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and the netlab"]
async fn a_guest_finds_the_session_and_joins_it() {
    let Some(lab) = Lab::up() else { return };
    let home = tempfile::tempdir().unwrap();
    let mut nearby = start(
        &lab,
        "guest",
        home.path(),
        &["nearby", "--follow", "--json"],
    );
    for signal in [Signal::INT, Signal::TERM] {
        let began = Instant::now();
        let (mut host, _) = host(&lab, home.path(), &["--name", "Lighting review"]);
        let up = began.elapsed();
        let mut found = news(&mut nearby, "found");
        let came = began.elapsed();
        while found["answers"] != true {
            found = news(&mut nearby, "found");
        }
        let answered = began.elapsed();
        assert_eq!(found["address"], HOST.to_string(), "{found}");
        assert_eq!(found["version"], env!("CARGO_PKG_VERSION"));

        let mut maker = maker(&lab).await;
        let address = found["address"].as_str().unwrap();
        let mut by_address = watch(&lab, "guest", &[address, ROOM]);
        gets_the_traffic(&mut by_address, &mut maker).await;
        by_address.end(Signal::INT);

        // As it is pasted out of a chat, without a room and with one.
        let invite = invite(&mut host);
        let message = |invite: &str| format!("Ada: hi all, come in <{invite}>. See you there :-)");
        let mut by_invite = watch(&lab, "guest", &[&message(&invite), ROOM]);
        gets_the_traffic(&mut by_invite, &mut maker).await;
        by_invite.end(Signal::INT);
        let args = ["rooms", "--json", &message(&invite)];
        let mut rooms = start(&lab, "guest", home.path(), &args);
        assert_eq!(rooms.json()["room"], ROOM);
        let Ok(Typed::Invite(mut to_room)) = understand(&invite, PORT) else {
            panic!("{invite}");
        };
        assert_eq!(to_room.session, "Lighting review");
        to_room.room = Some(ROOM.to_owned());
        let mut by_invite = watch(&lab, "guest", &[&message(&to_room.to_string())]);
        gets_the_traffic(&mut by_invite, &mut maker).await;
        by_invite.end(Signal::INT);
        // Others see in the list who is here.
        while found["people"] != 1 || found["rooms"] != 1 {
            found = news(&mut nearby, "found");
        }

        let began = Instant::now();
        let (code, took) = host.end(signal);
        news(&mut nearby, "gone");
        let gone = began.elapsed();
        println!(
            "{signal:?}: hosts {up:.1?} after its start, is listed {came:.1?} and known to answer {answered:.1?} after \
             it; gone {gone:.1?} after the signal, ended {took:.1?} after it; {invite}"
        );
        assert_eq!(code, Some(0));
        for time in [came, gone] {
            assert!(time <= PROMISED, "{time:?}");
        }
        maker.until_closed().await;
    }
    nearby.end(Signal::INT);
}

/// Whether the router's rules lead anybody to the host.
fn is_let_in(lab: &Lab, variant: &str) -> bool {
    let rules = match variant {
        "nft" => "nft list table inet mupnp",
        _ => "iptables-legacy -w -t nat -S MINIUPNPD",
    };
    // Which of the two addresses can be read depends on the tool; the port can.
    lab.sh("router", rules).contains(&format!("dport {PORT} "))
}

fn somebody_answers(lab: &Lab, at: SocketAddr) -> bool {
    lab.within("internet", || {
        TcpStream::connect_timeout(&at, Duration::from_secs(1)).is_ok()
    })
}

/// The address on the wire is not the declared one (see `mapping.rs`). From here on the internet knows that one too, so
/// that invites hold there.
fn the_declared_address_leads_to_the_router(lab: &Lab) {
    lab.sh(
        "internet",
        &format!(
            "nft 'add table ip own; add chain ip own out {{ type nat hook output priority -100; }}; \
             add rule ip own out ip daddr {DECLARED} dnat to {WIRE}' && ip route add {DECLARED} via {WIRE}"
        ),
    );
}

async fn the_internet_joins(variant: &str) {
    let Some(lab) = Lab::up() else { return };
    the_declared_address_leads_to_the_router(&lab);
    let outside = SocketAddr::from((WIRE, PORT));
    for (ways, upnp, nat_pmp) in [
        // By each protocol alone: see `mapping.rs`. A router that speaks one of these two speaks the other.
        ("UPnP only", "yes", "no"),
        ("NAT-PMP and PCP only", "no", "yes"),
        ("all", "yes", "yes"),
    ] {
        let home = tempfile::tempdir().unwrap();
        lab.igd_up(&[
            ("EXTIP", DECLARED),
            ("VARIANT", variant),
            ("UPNP", upnp),
            ("NATPMP", nat_pmp),
        ]);
        assert!(!somebody_answers(&lab, outside), "nothing is open yet");
        let began = Instant::now();
        let (mut first, _) = host(&lab, home.path(), &["--internet"]);
        let internet = asked_the_router(&mut first);
        let mapped = began.elapsed();
        assert_eq!(
            internet["outside"],
            format!("{DECLARED}:{PORT}"),
            "{internet}"
        );
        let text = invite(&mut first);
        assert!(text.contains(&format!("&net={DECLARED}&")), "{text}");

        let mut maker = maker(&lab).await;
        let mut by_address = watch(&lab, "internet", &[&outside.to_string(), ROOM]);
        gets_the_traffic(&mut by_address, &mut maker).await;
        by_address.end(Signal::INT);
        let mut by_invite = watch(&lab, "internet", &[&text, ROOM]);
        gets_the_traffic(&mut by_invite, &mut maker).await;

        // As if the computer had lost its power, or nearly.
        first.kill();
        drop((by_invite, maker));
        assert!(is_let_in(&lab, variant), "{ways}: the kill has left it");
        let began = Instant::now();
        let (mut second, _) = host(&lab, home.path(), &["--internet"]);
        let again = asked_the_router(&mut second);
        let reused = began.elapsed();
        assert_eq!(again["outside"], internet["outside"], "{again}");
        // The room was kept, too.
        let by_invite = watch(&lab, "internet", &[&text, ROOM]);
        let mut guest = lab.client("internet", outside).await;
        guest.enter(ROOM).await;
        drop((by_invite, guest));

        let (code, ended) = second.end(Signal::TERM);
        assert_eq!(code, Some(0));
        assert!(!is_let_in(&lab, variant), "{ways}: it is still there");
        assert!(!somebody_answers(&lab, outside), "{ways}: it is still open");
        println!(
            "{variant}, {ways}: mapped {mapped:.1?} after the start, {reused:.1?} after the start that follows a kill, \
             and taken back within the {ended:.1?} of the end: {}",
            internet["what"].as_str().unwrap()
        );
        lab.igd_down();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and the netlab"]
async fn the_internet_joins_through_a_router_with_nft() {
    the_internet_joins("nft").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and the netlab"]
async fn the_internet_joins_through_a_router_with_iptables() {
    the_internet_joins("iptables").await;
}

/// Hosts, and tells what the host says of the router; its invite is one for the LAN all the same.
fn cannot_be_joined(lab: &Lab, why: &str) -> (String, String, Value) {
    let home = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let (mut host, _) = host(lab, home.path(), &["--internet"]);
    let invite = invite(&mut host);
    assert!(invite.contains(&format!("lan={HOST}&")), "{invite}");
    assert!(!invite.contains("net="), "{invite}");
    let told = asked_the_router(&mut host);
    let took = began.elapsed();
    assert_eq!(told["outside"], Value::Null, "{told}");
    let (code, ended) = host.end(Signal::TERM);
    assert_eq!(code, Some(0));
    let (what, advice) = (&told["what"], &told["advice"]);
    println!("{why}: told {took:.1?} after the start, ended in {ended:.1?}: {what} {advice}");
    let text = |words: &Value| words.as_str().unwrap().to_owned();
    (text(what), text(advice), told["by_hand"].clone())
}

#[test]
#[ignore = "needs root and the netlab"]
fn why_the_internet_cannot_join_is_told() {
    let Some(lab) = Lab::up() else { return };
    let (what, advice, by_hand) = cannot_be_joined(&lab, "no router");
    assert!(what.contains("No router answers"), "{what}");
    let numbers = format!("TCP, port {PORT} → {HOST}:{PORT}");
    assert!(advice.contains(&numbers), "{advice}");
    let expected = serde_json::json!(
        {"protocol": "TCP", "outside": PORT, "inside": format!("{HOST}:{PORT}")}
    );
    assert_eq!(by_hand, expected);

    lab.igd_up(&[("EXTIP", DECLARED), ("NATPMP", "no")]);
    let take = format!("upnpc -u {ROUTER} -a 192.168.77.20 {PORT} {PORT} TCP 600");
    lab.sh("guest", &take);
    let (what, advice, _) = cannot_be_joined(&lab, "taken");
    let words =
        format!("Port {PORT} of the router leads to another machine already, 192.168.77.20.");
    assert_eq!(what, words);
    assert!(advice.contains("Choose another port"), "{advice}");
    lab.igd_down();

    for (outside, words) in [
        (
            [100, 64, 3, 2],
            "Your provider shares one address among customers (100.64.3.2)",
        ),
        (
            [192, 168, 178, 20],
            "Your router stands behind another router (192.168.178.20)",
        ),
    ] {
        beside_a_providers_router(&lab, outside, || {
            let (what, advice, _) = cannot_be_joined(&lab, "shared");
            assert!(what.contains(words), "{what}");
            assert!(advice.contains("VPN"), "{advice}");
        });
    }
    drop(lab);
    // Of its outside address miniupnpd says nothing then.
    let Some(lab) = Lab::up_with(&[("WANNET", "100.64.0")]) else {
        return;
    };
    lab.igd_up(&[]);
    let (what, advice, _) = cannot_be_joined(&lab, "100.64.0.2 outside");
    assert!(what.contains("your provider shares one address"), "{what}");
    assert!(advice.contains("VPN"), "{advice}");
}

/// A run of the doctor, all of it, from the program's start to its end: the first that is done in time.
fn examined(lab: &Lab, place: &str, args: &[&str]) -> Examined {
    for _ in 0..RUNS {
        let examined = Examined::run(lab, place, args);
        println!(
            "{place} {args:?}: {:.1?}, {} ms by its own clock",
            examined.took, examined.millis
        );
        if examined.took <= EXAMINED_WITHIN {
            return examined;
        }
    }
    panic!("{place} {args:?}: {RUNS} times it took more than {EXAMINED_WITHIN:?}");
}

#[test]
#[ignore = "needs root and the netlab"]
fn the_doctor_is_done_in_five_seconds_on_both_sides() {
    let Some(lab) = Lab::up() else { return };
    lab.igd_up(&[("EXTIP", DECLARED)]);
    let home = tempfile::tempdir().unwrap();
    let (mut host, _) = host(&lab, home.path(), &["--internet"]);
    asked_the_router(&mut host);
    let (address, invite) = (HOST.to_string(), invite(&mut host));
    for (place, args) in [
        ("host", &[][..]),
        ("guest", &[address.as_str()]),
        ("guest", &[invite.as_str()]),
    ] {
        let open = examined(&lab, place, args);
        assert_eq!(open.code, Some(0), "{:#?}", open.findings);
        // The doctor is no part of the program that has asked the router, and sees what came of it.
        let router = "Its outside address is 11.9.9.9";
        assert!(place != "host" || open.what("router").contains(router));
    }
    nft(
        &lab,
        &format!(
            "table inet own {{ chain in {{ type filter hook input priority 0; tcp dport {PORT} drop; }}; }}"
        ),
    );
    let at_home = examined(&lab, "host", &[]);
    assert_eq!(at_home.code, Some(1), "{:#?}", at_home.findings);
    assert!(at_home.problem("firewall").contains("12800"));
    // The rule does not spare this computer itself.
    assert!(at_home.problem("relay").contains("not even this computer"));
    for place in [&address, &invite] {
        let outside = examined(&lab, "guest", &[place]);
        assert_eq!(outside.code, Some(3), "{:#?}", outside.findings);
        assert!(outside.problem("connection").contains("firewall"));
    }
}

/// What a watcher has told of a room's commands so far.
struct Watcher {
    program: Program,
    replayed: u64,
    live: u64,
}

impl Watcher {
    fn new(program: Program) -> Self {
        Self {
            program,
            replayed: 0,
            live: 0,
        }
    }

    /// Counts on until `event` is told, or one of the last kind.
    fn count_until(&mut self, event: &str) {
        loop {
            let told = self.program.json();
            let commands = told["commands"].as_u64().unwrap_or_default();
            if told["event"] == "history" {
                self.replayed += commands;
            } else {
                self.live += commands;
            }
            if told["event"] == event || told["last"] == "TRANSFORM" {
                return;
            }
        }
    }
}

/// Somebody who sends a numbered command every few milliseconds.
struct Sender {
    sent: Arc<AtomicU32>,
    is_enough: Arc<AtomicBool>,
    task: JoinHandle<Client>,
}

impl Sender {
    fn start(mut client: Client) -> Self {
        let (sent, is_enough) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (count, enough) = (Arc::clone(&sent), Arc::clone(&is_enough));
        let task = tokio::spawn(async move {
            while !enough.load(Ordering::Relaxed) {
                let number = count.load(Ordering::Relaxed);
                client.raw(&frame(140, number, b"one of many")).await;
                count.store(number + 1, Ordering::Relaxed);
                tokio::time::sleep(REST).await;
            }
            // A kind of its own, by which a watcher knows it.
            client.send(201, &[0; 36]).await;
            client
        });
        Self {
            sent,
            is_enough,
            task,
        }
    }

    fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends the last one; returns how many there were with it. Whoever sends stays in the room.
    async fn end(self) -> (u64, Client) {
        self.is_enough.store(true, Ordering::Relaxed);
        let client = soon("the last command", self.task).await.unwrap();
        (u64::from(self.sent.load(Ordering::Relaxed)) + 1, client)
    }
}

/// Puts the cable of a place in, or pulls it out.
fn cable(lab: &Lab, place: &str, state: &str) -> Instant {
    let began = Instant::now();
    lab.sh("router", &format!("ip link set p-{place} {state}"));
    began
}

fn addresses(told: &Value) -> Vec<String> {
    let addresses = told["addresses"].as_array().unwrap().iter();
    let addresses = addresses.map(|one| one["address"].as_str().unwrap());
    addresses.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and the netlab"]
async fn a_hosts_cable_out_for_some_seconds_costs_nothing() {
    let Some(lab) = Lab::up() else { return };
    let home = tempfile::tempdir().unwrap();
    let (mut host, hosting) = host(&lab, home.path(), &[]);
    let ours = [HOST.to_string()];
    assert_eq!(addresses(&hosting), ours);
    // Somebody on the host's own computer sends; beside the watcher a guest looks at each command.
    let mut maker = lab.client("host", (Ipv4Addr::LOCALHOST, PORT).into()).await;
    maker.make(ROOM).await;
    let mut watcher = Watcher::new(watch(&lab, "guest", &[&ours[0], ROOM]));
    let mut member = lab.client("guest", (HOST, PORT).into()).await;
    member.enter(ROOM).await;
    let sender = Sender::start(maker);
    watcher.count_until("traffic");

    let out = cable(&lab, "host", "down");
    assert_eq!(addresses(&host.event("addresses")), [""; 0]);
    let noticed_out = out.elapsed();
    tokio::time::sleep_until((out + CABLE_OUT).into()).await;
    let (back, missed) = (cable(&lab, "host", "up"), sender.sent());
    assert_eq!(addresses(&host.event("addresses")), ours);
    let noticed_in = back.elapsed();
    member
        .until("what was sent meanwhile", |member| {
            member.commands().len() >= missed as usize
        })
        .await;
    let flows = back.elapsed();
    let (sent, _maker) = sender.end().await;
    watcher.count_until("nothing else");
    member
        .until("the last", |member| member.commands().len() as u64 == sent)
        .await;
    println!(
        "told {noticed_out:.1?} after it was out and {noticed_in:.1?} after it was in again, {CABLE_OUT:?} later; all \
         flows {flows:.1?} after that; {sent} commands, none missing and none twice"
    );
    assert_eq!((watcher.replayed, watcher.live), (0, sent));
    let numbers: Vec<u32> = member.commands().iter().map(|got| got.id).collect();
    let expected: Vec<u32> = (0..).take(numbers.len() - 1).chain([0]).collect();
    assert_eq!(numbers, expected);
    assert_eq!(
        watcher.program.said(),
        "",
        "the watcher has noticed nothing"
    );
    for time in [noticed_out, noticed_in] {
        assert!(time <= NEWS_WITHIN, "{time:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and the netlab"]
async fn a_watcher_whose_cable_is_out_for_long_comes_back_and_has_all() {
    let Some(lab) = Lab::up() else { return };
    let home = tempfile::tempdir().unwrap();
    let (_host, _) = host(&lab, home.path(), &[]);
    let mut maker = lab.client("host", (Ipv4Addr::LOCALHOST, PORT).into()).await;
    maker.make(ROOM).await;
    let mut watcher = Watcher::new(watch(&lab, "guest", &[&HOST.to_string(), ROOM]));
    let sender = Sender::start(maker);
    watcher.count_until("traffic");
    let out = cable(&lab, "guest", "down");
    watcher.program.says("trying again").await;
    let lost = out.elapsed();
    let before = sender.sent();
    let back = cable(&lab, "guest", "up");
    watcher.program.says("connected again").await;
    let online = back.elapsed();
    watcher.count_until("entered");
    let entered = back.elapsed();
    println!(
        "the watcher says {lost:.1?} after its cable was out: {:?}; it is connected {online:.1?} after it was in again \
         and in the room {entered:.1?} after it, with {} commands of its history",
        watcher.program.said(),
        watcher.replayed
    );
    assert!(watcher.replayed >= u64::from(before));
    watcher.live = 0;
    let (sent, _maker) = sender.end().await;
    watcher.count_until("nothing else");
    assert_eq!(watcher.replayed + watcher.live, sent);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and the netlab"]
async fn a_slow_link_with_losses_carries_a_real_scene() {
    let path = recordings().join("medium.A.c2s.rec.gz");
    if !path.is_file() {
        let why = "the recordings do not lie beside this checkout";
        Skipped::Missing(why.to_owned()).tell();
        return;
    }
    let Some(lab) = Lab::up() else { return };
    let home = tempfile::tempdir().unwrap();
    let (_host, _) = host(&lab, home.path(), &[]);
    // 50 ms one way, 20 Mbit/s, 1 % lost.
    lab.slow_up("guest", [50, 0, 20, 1]);
    let sent = recording::frames(&path);
    let bytes: usize = sent.iter().map(|frame| frame.wire().len()).sum();
    let sender = lab.client("host", (HOST, PORT).into()).await;
    let began = Instant::now();
    let _members = replay_to(&sent, sender, || lab.client("guest", (HOST, PORT).into())).await;
    let took = began.elapsed();
    println!(
        "{} frames, {bytes} bytes, live and as history: {took:.1?}",
        sent.len()
    );
    // The joiner alone takes that long, or the link was not slow.
    assert!(took.as_secs_f64() > bytes as f64 * 8.0 / 20e6);
}

#[test]
#[ignore = "needs root and the netlab"]
fn a_vpn_that_takes_all_traffic_does_not_hide_the_lan() {
    let Some(lab) = Lab::up() else { return };
    let home = tempfile::tempdir().unwrap();
    let expected = [HOST.to_string(), "10.8.0.6".to_owned()];
    // Over two halves of the internet, before the LAN's route, and instead of it.
    for routes in [
        "ip route add 0.0.0.0/1 via 10.8.0.1; ip route add 128.0.0.0/1 via 10.8.0.1",
        "ip route del default; ip route add default via 192.168.77.1 metric 600; ip route add default via 10.8.0.1",
        "ip route del default via 192.168.77.1 metric 600; ip route add default via 10.8.0.1",
    ] {
        let tunnel = lab.within("host", || Tunnel::tun("tun0", "10.8.0.6/24"));
        lab.sh("host", routes);
        let way = lab.sh("host", "ip route get 203.0.113.10");
        assert!(way.contains("dev tun0"), "{way}");
        let (mut with, hosting) = host(&lab, home.path(), &[]);
        println!("{routes}: {}", hosting["addresses"]);
        assert_eq!(addresses(&hosting), expected);
        let invite = invite(&mut with);
        assert!(
            invite.contains(&format!("lan={HOST}&vpn=10.8.0.6&")),
            "{invite}"
        );
        // It goes and comes while somebody hosts.
        drop(tunnel);
        assert_eq!(addresses(&with.event("addresses")), expected[..1]);
        let began = Instant::now();
        let _tunnel = lab.within("host", || Tunnel::tun("tun0", "10.8.0.6/24"));
        lab.sh("host", "ip route add default via 10.8.0.1 metric 1");
        assert_eq!(addresses(&with.event("addresses")), expected);
        println!("told {:.1?} after it came", began.elapsed());
    }
}
