//! Each rule of the gate.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant, UNIX_EPOCH};

use proptest::prelude::*;

use super::attempts::Failed;
use super::gate::{Gate, GuestError, Moment, Ticket, Verdict};
use super::guests::{Guests, Origin};
use super::limits::Limits;

const SECOND: Duration = Duration::from_secs(1);

/// A gate and its clock.
struct Scene {
    gate: Gate,
    now: Moment,
}

impl Scene {
    fn new(limits: &Limits, guests: Guests) -> Self {
        let now = Moment {
            steady: Instant::now(),
            calendar: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        };
        Self {
            gate: Gate::new(limits, guests, now.steady),
            now,
        }
    }

    fn open() -> Self {
        Self::new(&Limits::default(), Guests::default())
    }

    fn asking() -> Self {
        let guests = Guests {
            ask: true,
            ..Guests::default()
        };
        Self::new(&Limits::default(), guests)
    }

    fn pass(&mut self, time: Duration) {
        self.now.steady += time;
        self.now.calendar += time;
    }

    fn knock(&mut self, text: &str) -> Verdict {
        self.gate.knock(ip(text), self.now).0
    }

    fn refused(&mut self, text: &str) -> Failed {
        match self.knock(text) {
            Verdict::Refuse(why) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Knocks, and waits where the host sees it.
    fn wait(&mut self, text: &str) -> Ticket {
        let Verdict::Wait(ticket) = self.knock(text) else {
            panic!("{text} need not wait")
        };
        self.gate.show(ticket);
        ticket
    }

    fn answer(&self, ticket: Ticket) -> Option<Result<(), Failed>> {
        self.gate.answer(ticket, self.now)
    }

    fn waiting(&self) -> Vec<(String, usize)> {
        let waiting = self.gate.waiting(self.now).into_iter();
        waiting
            .map(|waiting| (waiting.address.to_string(), waiting.connections))
            .collect()
    }

    fn ban(&mut self, text: &str, time: Option<Duration>) -> Result<(), GuestError> {
        self.gate.ban(origin(text), time, "noise", self.now)
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn origin(text: &str) -> Origin {
    text.parse().unwrap()
}

fn banned() -> Failed {
    Failed::Banned("noise".into())
}

#[test]
fn connections_of_one_address_are_limited() {
    let mut scene = Scene::open();
    for _ in 0..256 {
        assert_eq!(scene.knock("192.0.2.1"), Verdict::Enter);
    }
    scene.pass(60 * SECOND);
    assert_eq!(scene.refused("192.0.2.1"), Failed::TooMany(256));
    assert_eq!(scene.knock("192.0.2.2"), Verdict::Enter);
    scene.gate.left(origin("192.0.2.1"));
    assert_eq!(scene.knock("192.0.2.1"), Verdict::Enter);
    assert_eq!(scene.refused("192.0.2.1"), Failed::TooMany(256));
}

#[test]
fn an_ipv6_network_counts_as_one_address() {
    let mut scene = Scene::open();
    for number in 0..256 {
        assert_eq!(
            scene.knock(&format!("2001:db8::{number:x}")),
            Verdict::Enter
        );
    }
    scene.pass(60 * SECOND);
    assert_eq!(scene.refused("2001:db8::ffff"), Failed::TooMany(256));
    assert_eq!(scene.knock("2001:db8:0:1::1"), Verdict::Enter);
}

#[test]
fn connections_a_second_are_limited() {
    let mut scene = Scene::open();
    for _ in 0..256 {
        assert_eq!(scene.knock("192.0.2.1"), Verdict::Enter);
        scene.gate.left(origin("192.0.2.1"));
    }
    assert_eq!(scene.refused("192.0.2.1"), Failed::TooFast(20));
    scene.pass(SECOND);
    for _ in 0..20 {
        assert_eq!(scene.knock("192.0.2.1"), Verdict::Enter);
    }
    assert_eq!(scene.refused("192.0.2.1"), Failed::TooFast(20));
    assert_eq!(scene.knock("192.0.2.2"), Verdict::Enter);
}

#[test]
fn this_computer_is_the_hosts_own() {
    let mut scene = Scene::asking();
    for address in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
        for _ in 0..1000 {
            assert_eq!(scene.knock(address), Verdict::Enter);
        }
        assert_eq!(scene.ban(address, None), Err(GuestError::ThisComputer));
        scene.gate.deny(origin(address), scene.now);
        assert_eq!(scene.knock(address), Verdict::Enter);
    }
    assert_eq!(
        GuestError::ThisComputer.to_string(),
        "this computer cannot be banned: it is the host's own"
    );
}

#[test]
fn this_computer_may_be_treated_like_any_other() {
    let limits = Limits {
        spare_this_computer: false,
        connections_per_address: 1,
        ..Limits::default()
    };
    let mut scene = Scene::new(&limits, Guests::default());
    assert_eq!(scene.knock("127.0.0.1"), Verdict::Enter);
    scene.pass(SECOND);
    assert_eq!(scene.refused("127.0.0.1"), Failed::TooMany(1));
    assert_eq!(scene.ban("127.0.0.1", None), Ok(()));
}

#[test]
fn bans_hold_for_a_time_or_for_good() {
    let mut scene = Scene::open();
    scene.ban("192.0.2.1", Some(60 * SECOND)).unwrap();
    scene.ban("2001:db8::1", None).unwrap();
    scene.pass(59 * SECOND);
    assert_eq!(scene.refused("192.0.2.1"), banned());
    assert_eq!(scene.refused("2001:db8::2"), banned());
    let kept = scene.gate.guests(scene.now);
    assert_eq!(kept.bans.len(), 2);

    let mut later = Scene::new(&Limits::default(), kept);
    later.pass(59 * SECOND);
    assert_eq!(later.refused("192.0.2.1"), banned(), "over a restart");
    later.pass(SECOND);
    assert_eq!(later.knock("192.0.2.1"), Verdict::Enter);
    later.pass(1_000_000 * SECOND);
    assert_eq!(later.refused("2001:db8::2"), banned());
    assert_eq!(later.gate.guests(later.now).bans.len(), 1);
    assert!(later.gate.unban(origin("2001:db8::7"), later.now));
    assert!(!later.gate.unban(origin("2001:db8::7"), later.now));
    assert_eq!(later.knock("2001:db8::2"), Verdict::Enter);
}

#[test]
fn the_longest_ban_is_for_good() {
    let mut scene = Scene::open();
    scene.ban("192.0.2.1", Some(Duration::MAX)).unwrap();
    assert_eq!(scene.gate.guests(scene.now).bans[0].until, None);
}

#[test]
fn a_new_address_waits_until_the_host_lets_it_in() {
    let mut scene = Scene::asking();
    let first = scene.wait("192.0.2.1");
    scene.pass(SECOND);
    let second = scene.wait("192.0.2.1");
    let other = scene.wait("192.0.2.2");
    assert_eq!(scene.answer(first), None);
    let expected = [("192.0.2.1".to_owned(), 2), ("192.0.2.2".to_owned(), 1)];
    assert_eq!(scene.waiting(), expected);
    assert_eq!(
        scene.gate.waiting(scene.now)[0].since,
        scene.now.calendar - SECOND
    );
    scene.gate.allow(origin("192.0.2.1"), scene.now).unwrap();
    assert_eq!(scene.answer(first), Some(Ok(())));
    assert_eq!(scene.answer(second), Some(Ok(())));
    assert_eq!(scene.answer(other), None);
    assert_eq!(scene.waiting(), expected[1..]);
    assert_eq!(scene.knock("192.0.2.1"), Verdict::Enter, "later as well");
    scene.gate.stop_waiting(other);
    assert_eq!(scene.waiting(), []);
    assert_eq!(scene.answer(other), None);
}

#[test]
fn who_has_said_nothing_yet_is_not_shown() {
    let mut scene = Scene::asking();
    let Verdict::Wait(ticket) = scene.knock("192.0.2.1") else {
        panic!()
    };
    assert_eq!(scene.waiting(), []);
    scene.gate.show(ticket);
    assert_eq!(scene.waiting().len(), 1);
}

#[test]
fn a_no_holds_for_a_while() {
    let mut scene = Scene::asking();
    let ticket = scene.wait("192.0.2.1");
    scene.gate.deny(origin("192.0.2.1"), scene.now);
    assert_eq!(scene.answer(ticket), Some(Err(Failed::Denied)));
    assert_eq!(scene.refused("192.0.2.1"), Failed::Denied);
    scene.pass(299 * SECOND);
    assert_eq!(scene.refused("192.0.2.1"), Failed::Denied);
    scene.pass(SECOND);
    scene.wait("192.0.2.1");
    scene.gate.deny(origin("192.0.2.1"), scene.now);
    scene.gate.allow(origin("192.0.2.1"), scene.now).unwrap();
    assert_eq!(scene.knock("192.0.2.1"), Verdict::Enter);
    scene.gate.deny(origin("192.0.2.1"), scene.now);
    scene.pass(300 * SECOND);
    scene.wait("192.0.2.1");
}

#[test]
fn a_ban_is_an_answer_too() {
    let mut scene = Scene::asking();
    let ticket = scene.wait("192.0.2.1");
    scene.ban("192.0.2.1", None).unwrap();
    assert_eq!(scene.answer(ticket), Some(Err(banned())));
    let banned = GuestError::Banned(origin("192.0.2.1"));
    let allowed = scene.gate.allow(origin("192.0.2.1"), scene.now);
    assert_eq!(allowed, Err(banned));
    scene.gate.unban(origin("192.0.2.1"), scene.now);
    assert_eq!(scene.answer(ticket), None);
}

#[test]
fn who_is_connected_when_asking_begins_is_not_new() {
    let mut scene = Scene::open();
    assert_eq!(scene.knock("192.0.2.1"), Verdict::Enter);
    assert_eq!(scene.knock("192.0.2.2"), Verdict::Enter);
    assert_eq!(scene.knock("127.0.0.1"), Verdict::Enter);
    scene.gate.left(origin("192.0.2.2"));
    scene
        .gate
        .ask(true, [origin("192.0.2.1"), origin("127.0.0.1")]);
    assert_eq!(scene.knock("192.0.2.1"), Verdict::Enter);
    let ticket = scene.wait("192.0.2.2");
    let kept = scene.gate.guests(scene.now);
    assert!(kept.ask);
    assert_eq!(kept.allowed, [origin("192.0.2.1")].into());
    scene.gate.ask(true, [origin("192.0.2.2")]);
    assert_eq!(scene.answer(ticket), None, "waiting is not being in");
    scene.gate.ask(false, []);
    assert_eq!(scene.answer(ticket), Some(Ok(())));
}

#[test]
fn places_to_wait_are_few() {
    let mut scene = Scene::asking();
    for _ in 0..8 {
        scene.wait("192.0.2.1");
    }
    assert_eq!(scene.refused("192.0.2.1"), Failed::Crowded);
    for number in 0..31 {
        for _ in 0..8 {
            scene.wait(&format!("198.51.100.{number}"));
        }
    }
    assert_eq!(scene.refused("192.0.2.2"), Failed::Crowded);
    scene.gate.ask(false, []);
    assert_eq!(scene.knock("192.0.2.2"), Verdict::Enter);
}

#[test]
fn few_are_told_why_at_the_same_time() {
    let mut scene = Scene::open();
    let start = scene.now.steady;
    let a = origin("192.0.2.1");
    for _ in 0..8 {
        assert!(scene.gate.begin_farewell(a, start));
    }
    assert!(!scene.gate.begin_farewell(a, start));
    for number in 0..7 {
        let other = origin(&format!("198.51.100.{number}"));
        for _ in 0..8 {
            assert!(scene.gate.begin_farewell(other, start));
        }
    }
    let b = origin("192.0.2.2");
    assert!(!scene.gate.begin_farewell(b, start));
    scene.gate.end_farewell(a);
    assert!(scene.gate.begin_farewell(b, start));
}

#[test]
fn a_flood_is_not_written_down_line_by_line() {
    let mut scene = Scene::open();
    let mut written = 0;
    for _ in 0..10_000 {
        let (_, lines) = scene.gate.knock(ip("127.0.0.1"), scene.now);
        written += u32::from(!lines.quiet);
    }
    assert_eq!(written, 200);
    assert!(!scene.gate.knock(ip("192.0.2.1"), scene.now).1.quiet);
    scene.pass(10 * SECOND);
    let (_, lines) = scene.gate.knock(ip("127.0.0.1"), scene.now);
    assert_eq!((lines.quiet, lines.skipped), (false, 9_800));
    let mut written = 0;
    for number in 0..10_000u32 {
        let address = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        written += u32::from(!scene.gate.knock(address, scene.now).1.quiet);
    }
    assert!(written <= 2000, "{written}");
}

#[test]
fn refusals_are_kept_as_attempts() {
    let mut scene = Scene::open();
    scene.ban("192.0.2.1", None).unwrap();
    for _ in 0..3 {
        scene.refused("192.0.2.1");
    }
    let attempts = scene.gate.attempts();
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].count, &attempts[0].why), (3, &banned()));
}

/// What an attacker or the host may do.
#[derive(Clone, Debug)]
enum Step {
    Knock(IpAddr),
    Leave(usize),
    Farewell(IpAddr),
    Allow(IpAddr),
    Deny(IpAddr),
    Ban(IpAddr, Option<u64>),
    Unban(IpAddr),
    Ask(bool),
    Record(IpAddr, String),
    Pass(u32),
}

fn any_ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0u32..4).prop_map(|number| IpAddr::from((0xc000_0200 + number).to_be_bytes())),
        any::<u32>().prop_map(|bits| IpAddr::from(bits.to_be_bytes())),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => any_ip().prop_map(Step::Knock),
        3 => any::<usize>().prop_map(Step::Leave),
        1 => any_ip().prop_map(Step::Farewell),
        1 => any_ip().prop_map(Step::Allow),
        1 => any_ip().prop_map(Step::Deny),
        1 => (any_ip(), any::<Option<u64>>()).prop_map(|(ip, time)| Step::Ban(ip, time)),
        1 => any_ip().prop_map(Step::Unban),
        1 => any::<bool>().prop_map(Step::Ask),
        1 => (any_ip(), ".{0,40}").prop_map(|(ip, text)| Step::Record(ip, text)),
        1 => any::<u32>().prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_happens_the_counts_are_right(steps in prop::collection::vec(any_step(), 1..400)) {
        let limits = Limits { connections_per_address: 4, ..Limits::default() };
        let mut scene = Scene::new(&limits, Guests::default());
        let mut here: Vec<(IpAddr, Option<Ticket>)> = Vec::new();
        for step in steps {
            match step {
                Step::Knock(ip) => match scene.gate.knock(ip, scene.now).0 {
                    Verdict::Enter => here.push((ip, None)),
                    Verdict::Wait(ticket) => here.push((ip, Some(ticket))),
                    Verdict::Refuse(_) => {}
                },
                Step::Leave(which) if !here.is_empty() => {
                    let (ip, ticket) = here.swap_remove(which % here.len());
                    ticket.into_iter().for_each(|ticket| scene.gate.stop_waiting(ticket));
                    scene.gate.left(ip.into());
                }
                Step::Leave(_) => {}
                Step::Farewell(ip) => {
                    if scene.gate.begin_farewell(ip.into(), scene.now.steady) {
                        scene.gate.end_farewell(ip.into());
                    }
                }
                Step::Allow(ip) => drop(scene.gate.allow(ip.into(), scene.now)),
                Step::Deny(ip) => scene.gate.deny(ip.into(), scene.now),
                Step::Ban(ip, time) => {
                    let time = time.map(Duration::from_secs);
                    let _banned = scene.gate.ban(ip.into(), time, "", scene.now);
                }
                Step::Unban(ip) => {
                    scene.gate.unban(ip.into(), scene.now);
                },
                Step::Ask(ask) => scene.gate.ask(ask, here.iter().map(|(ip, _)| (*ip).into())),
                Step::Record(ip, text) => {
                    scene.gate.record(ip, Failed::Refused(text), scene.now.calendar);
                }
                Step::Pass(millis) => scene.pass(Duration::from_millis(millis.into())),
            }
            let mut counts = std::collections::HashMap::new();
            for (ip, _) in &here {
                *counts.entry(Origin::from(*ip)).or_insert(0) += 1;
            }
            for (origin, count) in counts {
                prop_assert_eq!(scene.gate.open_from(origin), count);
                prop_assert!(origin.is_this_computer() || count <= 4);
            }
            let waiting = here.iter().filter(|(_, ticket)| ticket.is_some()).count();
            prop_assert_eq!(scene.gate.sizes().waiting, waiting);
        }
    }
}

/// An attacker with as many addresses as it likes, and a host that never tires.
#[test]
fn every_table_has_a_bound() {
    let mut scene = Scene::asking();
    for number in 0..15_000u32 {
        let ip = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        if let Verdict::Wait(ticket) = scene.gate.knock(ip, scene.now).0
            && number % 2 == 0
        {
            scene.gate.stop_waiting(ticket);
            scene.gate.left(ip.into());
        }
        match number % 3 {
            0 => scene.gate.deny(ip.into(), scene.now),
            1 => drop(scene.gate.ban(ip.into(), None, "", scene.now)),
            _ => drop(scene.gate.allow(ip.into(), scene.now)),
        }
    }
    let sizes = scene.gate.sizes();
    println!("{sizes:?}");
    assert!(sizes.origins <= 8192 + 256, "{sizes:?}");
    assert!(
        sizes.waiting <= 256 && sizes.decisions == 3 * 4096,
        "{sizes:?}"
    );
}
