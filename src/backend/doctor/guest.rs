//! The guest's side: can this computer reach a host?

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout};

use super::{Exam, Finding, check, late, millis, rate, start};
use crate::blender;
use crate::net::{Target, Why};
use crate::reach::doctor::{Failed, Passed, Versions, Way, answers_ping, self_test, way_to};
use crate::reach::{Answered, probe};

/// How long the name may take.
const NAME_PATIENCE: Duration = Duration::from_millis(2500);
/// How long the host may take to answer: longer than a system looks for a computer in its own network before it
/// says that there is none.
const HOST_PATIENCE: Duration = Duration::from_millis(3500);
/// A rate below which a scene takes long.
const SLOW: f64 = 1e6;
/// A round trip above which working together feels late.
const LATE: Duration = Duration::from_millis(150);
/// What a scene has, to say how long it would take.
const SCENE_BYTES: f64 = 100e6;

/// Looks whether this computer can reach a host. Must be called within a tokio runtime.
#[must_use]
pub fn examine_guest(target: Target) -> mpsc::Receiver<Finding> {
    examine_guest_since(target, Instant::now())
}

/// The same, where what came before belongs to it: all ends five seconds after `begun`.
#[must_use]
pub fn examine_guest_since(target: Target, begun: Instant) -> mpsc::Receiver<Finding> {
    start(begun, |exam| examine(exam, target))
}

async fn examine(mut exam: Exam, target: Target) {
    let Some(addresses) = of_name(&exam, &target).await else {
        return;
    };
    // What answers is what counts; until that is known, the first address tells the way.
    let Some(first) = addresses.first().copied() else {
        return;
    };
    let until = exam.waits_until;
    exam.check(late(check::CONNECTION, "The way to the host"), async move {
        let patience = HOST_PATIENCE.min(until.saturating_duration_since(Instant::now()));
        // Beside the others, and waited for only where they fail. Stopped when dropped.
        let mut pinging = JoinSet::new();
        pinging.spawn(answers_ping(first.ip()));
        let (way, found) = tokio::join!(way_to(first), probe(&target, patience));
        let way = way.ok();
        let mut findings = Vec::new();
        findings.extend(
            way.as_ref()
                .map(|way| of_way(way, first.ip(), found.is_ok())),
        );
        match found {
            Ok(answered) => {
                findings.extend(of_answer(&target, &answered));
                if answered.rooms.is_some() {
                    findings.extend(of_visit(&target, until).await);
                }
            }
            Err(why) => {
                let pings = pinging.join_next().await.and_then(Result::ok).flatten();
                findings.push(of_silence(&why, way.as_ref(), pings));
            }
        }
        findings
    });
    exam.finish().await;
}

/// The addresses behind the name; `None` when there are none, which is told.
async fn of_name(exam: &Exam, target: &Target) -> Option<Vec<SocketAddr>> {
    const WHY: &str = "Without an address there is nowhere to connect to.";
    let looked_up = timeout(
        NAME_PATIENCE,
        lookup_host((target.host.as_str(), target.port)),
    );
    let why = match looked_up.await {
        Err(_) => Why::LookupTimedOut(target.clone()),
        Ok(Err(_)) => Why::UnknownName(target.clone()),
        Ok(Ok(addresses)) => {
            let addresses: Vec<_> = addresses.collect();
            let is_name = target.host.parse::<IpAddr>().is_err();
            if is_name && !addresses.is_empty() {
                let ips: BTreeSet<_> = addresses.iter().map(|at| at.ip().to_string()).collect();
                let ips: Vec<_> = ips.into_iter().collect();
                let what = format!("The name “{}” stands for {}.", target.host, ips.join(", "));
                exam.say(Finding::good(check::NAME, what, WHY)).await;
            }
            if !addresses.is_empty() {
                return Some(addresses);
            }
            Why::UnknownName(target.clone())
        }
    };
    let advice = why.advice();
    exam.say(Finding::problem(check::NAME, why.to_string(), WHY, advice))
        .await;
    None
}

fn of_way(way: &Way, to: IpAddr, answers: bool) -> Finding {
    const WHY: &str = "Both of you have to be in the same network or VPN, or the host's router has to let people in.";
    let through = match &way.address {
        Some(address) => format!("{} ({})", address.interface, address.kind.label()),
        None => way.from.to_string(),
    };
    if way.is_here {
        let what = format!("{to} is this computer itself.");
        return Finding::good(check::ROUTE, what, "Nothing is in between.");
    }
    if way.is_direct {
        let what = format!("{to} is in the same network as this computer, through {through}.");
        return Finding::good(check::ROUTE, what, WHY);
    }
    let what = format!("The way to {to} leads through a router, by {through}.");
    if !is_private(to) || answers {
        return Finding::good(check::ROUTE, what, WHY);
    }
    Finding::note(
        check::ROUTE,
        format!("{what} But {to} is an address that only means something within the host's own network, and this computer is in another one."),
        WHY,
    )
    .fix(
        "Ask the host for another address: that of a VPN both of you are in, or the outside address of the host's \
         router.",
    )
}

/// For one network's own use, where others may have the same (RFC 1918, RFC 3927, RFC 6598, RFC 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let is_shared = matches!(ip.octets(), [100, 64..=127, ..]);
            ip.is_private() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Nothing that is a relay answers.
fn of_silence(why: &Why, way: Option<&Way>, pings: Option<bool>) -> Finding {
    let is_direct = way.is_some_and(|way| way.is_direct);
    let (check, matters) = match why {
        Why::Refused(_) => (
            check::CONNECTION,
            "The computer answers, so the way to it is open: only the server is missing there, or its firewall \
             turns you away.",
        ),
        Why::TimedOut(..) => (
            check::CONNECTION,
            match (pings, is_direct) {
                (Some(true), _) => {
                    "The computer is there and answers a ping, so what keeps you out is most likely its firewall."
                }
                (_, true) => {
                    "It would be in your own network, so the computer is off, its address has changed, or its \
                     firewall keeps silent."
                }
                _ => "A firewall or a router on the way keeps silent, or nobody has that address.",
            },
        ),
        Why::Unreachable(..) => (
            check::CONNECTION,
            if is_direct {
                "It would be in your own network, but no computer has that address there now."
            } else {
                "No packet gets there at all: not even a firewall has been asked."
            },
        ),
        Why::NotMixer(..) | Why::Silent(_) | Why::ClosedEarly(_) | Why::Nonsense(..) => (
            check::ANSWER,
            "The way is open, but what answers there is not what you are looking for.",
        ),
        _ => (
            check::CONNECTION,
            "Without a connection there is no session.",
        ),
    };
    let fix = match (why, pings, is_direct) {
        (Why::TimedOut(target, _), Some(true), _) | (Why::TimedOut(target, _), _, true) => format!(
            "Let the host run “mixdesk doctor” there: it says how to open TCP port {}. Compare the address, too.",
            target.port
        ),
        _ => why.advice().to_owned(),
    };
    Finding::problem(check, why.to_string(), matters, fix)
}

/// A relay answers.
fn of_answer(target: &Target, answered: &Answered) -> Vec<Finding> {
    const WHY: &str = "It is what Blender and Mixdesk connect to.";
    let count = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    let mut findings = vec![Finding::good(
        check::CONNECTION,
        format!(
            "{target} takes connections, and answers after {}.",
            millis(answered.round_trip)
        ),
        "The name, the way, the firewall and the port are right.",
    )];
    let rooms = answered.rooms.map(|rooms| count(rooms, "room", "rooms"));
    let people = answered
        .people
        .map(|people| count(people, "other person", "other people"));
    let has: Vec<_> = rooms.into_iter().chain(people).collect();
    let has = if has.is_empty() {
        String::new()
    } else {
        format!(" It has {}.", has.join(" and "))
    };
    findings.push(Finding::good(
        check::ANSWER,
        format!("It is a Mixer server.{has}"),
        WHY,
    ));
    if answered.rooms.is_none() {
        let said = answered.said.as_deref().unwrap_or("nothing more");
        findings.push(Finding::problem(
            check::ENTRANCE,
            format!("The server does not let you in yet. It said: {said}"),
            "Until the host lets you in, you see no rooms.",
            "Call the host: “ask before people connect” may be on there, the server full, or you may be banned.",
        ));
    }
    findings
}

/// A relay that lets us in: its versions, and how fast the way is.
async fn of_visit(target: &Target, until: Instant) -> Vec<Finding> {
    let (tested, installed) = tokio::join!(self_test(target, until), spawn_blocking(blender::find));
    match tested {
        Ok(passed) => {
            let installed = installed.unwrap_or_default();
            let have: BTreeSet<_> = installed
                .into_iter()
                .filter_map(|one| one.version)
                .collect();
            let mut findings = vec![of_speed(&passed)];
            findings.extend(of_versions(&passed.versions, &have));
            findings
        }
        Err(failed @ (Failed::Altered(_) | Failed::Kept(_))) => vec![Finding::problem(
            check::SPEED,
            failed.to_string(),
            "A scene would not arrive as it was sent.",
            "Ask the host to start its server again, or to use another.",
        )],
        Err(failed) => vec![
            Finding::note(
                check::SPEED,
                format!("How fast the way to {target} is could not be measured. {failed}"),
                "On a slow way it takes long to join a room with a large scene.",
            )
            .fix("Look again in a moment."),
        ],
    }
}

fn of_speed(passed: &Passed) -> Finding {
    let what = format!(
        "The round trip takes {}, and {} go there and back at the same time (tried in a room that is gone again).",
        millis(passed.round_trip),
        rate(passed.bytes_a_second)
    );
    let seconds = (SCENE_BYTES / passed.bytes_a_second.max(1.0)).ceil();
    let why = format!(
        "A scene of 100 MB takes about {seconds:.0} s to join. An edit is seen {} later.",
        millis(passed.round_trip)
    );
    if passed.bytes_a_second >= SLOW && passed.round_trip <= LATE {
        return Finding::good(check::SPEED, what, why);
    }
    Finding::note(check::SPEED, what, why)
        .fix("Use a cable instead of Wi-Fi, let no other download run, or let somebody with a faster line host.")
}

/// What the rooms were made with, and whether there is a Blender for it here.
fn of_versions(rooms: &BTreeSet<Versions>, have: &BTreeSet<String>) -> Option<Finding> {
    const WHY: &str = "Mixer wants equal versions of Blender and of itself, unless a room was made with the check off.";
    if rooms.is_empty() {
        return None;
    }
    let made: Vec<_> = rooms
        .iter()
        .map(|one| {
            let any = if one.any_may_join {
                ", any may join"
            } else {
                ""
            };
            format!("Blender {} and Mixer {}{any}", one.blender, one.mixer)
        })
        .collect();
    let what = format!("Rooms there were made with {}.", made.join("; "));
    let fits = |room: &Versions| {
        let has = |version: &String| {
            room.blender == *version || room.blender.starts_with(&format!("{version}."))
        };
        room.any_may_join || have.iter().any(has)
    };
    // Without any Blender found here there is nothing to compare.
    if have.is_empty() || rooms.iter().all(fits) {
        return Some(Finding::good(check::VERSIONS, what, WHY));
    }
    let have: Vec<_> = have.iter().map(String::as_str).collect();
    let what = format!(
        "{what} The Blenders found on this computer are {}.",
        have.join(", ")
    );
    Some(
        Finding::note(check::VERSIONS, what, WHY)
            .fix("Use the same Blender as the host, or let the room's maker switch the version check off in Mixer's panel."),
    )
}
