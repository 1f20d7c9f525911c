//! Linux: asks nftables, iptables, ufw and firewalld, and puts together what they say.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::walk::{Cause, Fate, Knock};
use super::{PATIENCE, firewalld, iptables, nft, tools, ufw};
use crate::reach::doctor::finding::{Cure, Finding, check};

/// What colleagues notice while a rule drops their packets.
const WHY: &str = "Colleagues' connections do not get through it: they see “did not answer”, or “nobody answers”.";
/// How much of a rule is shown, in characters.
const RULE_CHARS: usize = 160;

/// What the tools said.
#[derive(Debug)]
struct Heard {
    nft: Result<String, tools::Mute>,
    /// What iptables says of IPv4 and of IPv6: by its old way and by its new one, where it has both.
    iptables: [Vec<Result<String, tools::Mute>>; 2],
    ufw: Result<String, tools::Mute>,
    ufw_conf: Option<String>,
    /// All zones, and the default one's name.
    firewalld: Result<(String, String), tools::Mute>,
}

/// Something that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Obstacle {
    /// Sure, or possible.
    is_sure: bool,
    /// Whose rule it is.
    by: By,
    /// In words: the rule and where it stands.
    what: String,
    /// What opens it, where `by` has nothing better.
    opening: String,
    interface: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Ufw,
    Firewalld,
    Nftables,
    Iptables,
}

pub(super) async fn look(port: u16, knocks: Vec<Knock>) -> Vec<Finding> {
    let heard = Arc::new(hear().await);
    let knocks = Arc::new(knocks);
    // What the tools said may be megabytes.
    let judging = {
        let (heard, knocks) = (Arc::clone(&heard), Arc::clone(&knocks));
        spawn_blocking(move || judge(&heard, &knocks))
    };
    let Ok((barriers, mut obstacles)) = judging.await else {
        return vec![super::unseen("Its rules could not be looked through.")];
    };
    for (interface, barrier) in barriers {
        obstacles.extend(of_nft(&barrier, interface, port).await);
    }
    let mut findings = told(&obstacles, &heard, port);
    if findings.is_empty() {
        findings.push(nothing_in_the_way(&heard, &knocks, port));
    }
    findings
}

/// What of nftables stands in the way, each with the interface, and what of iptables does. Takes a while where there
/// are many rules.
fn judge(heard: &Heard, knocks: &[Knock]) -> (Vec<(String, nft::Barrier)>, BTreeSet<Obstacle>) {
    let of_iptables = knocks.iter().flat_map(|knock| of_iptables(heard, knock));
    (barriers(heard, knocks), of_iptables.collect())
}

async fn hear() -> Heard {
    let save = |tool: &'static str| tools::output(tool, &[], PATIENCE);
    // Where both ways are there, the tool without either's name may be the one or the other.
    let new = async |tool, or_else| match save(tool).await {
        Err(tools::Mute::Absent) => save(or_else).await,
        told => told,
    };
    let zones = async {
        let (zones, default) = tokio::join!(
            tools::output("firewall-cmd", &["--list-all-zones"], PATIENCE),
            tools::output("firewall-cmd", &["--get-default-zone"], PATIENCE),
        );
        Ok((zones?, default?))
    };
    let (nft, v4, v4_old, v6, v6_old, ufw, ufw_conf, firewalld) = tokio::join!(
        tools::output("nft", &["-j", "list", "ruleset"], PATIENCE),
        new("iptables-nft-save", "iptables-save"),
        save("iptables-legacy-save"),
        new("ip6tables-nft-save", "ip6tables-save"),
        save("ip6tables-legacy-save"),
        tools::output("ufw", &["status", "verbose"], PATIENCE),
        tokio::fs::read_to_string("/etc/ufw/ufw.conf"),
        zones,
    );
    Heard {
        nft,
        iptables: [vec![v4, v4_old], vec![v6, v6_old]],
        ufw,
        ufw_conf: ufw_conf.ok(),
        firewalld,
    }
}

/// What of nftables stands in the way of which interface.
fn barriers(heard: &Heard, knocks: &[Knock]) -> Vec<(String, nft::Barrier)> {
    let Ok(json) = &heard.nft else {
        return Vec::new();
    };
    let ruleset = match nft::Ruleset::parse(json) {
        Ok(ruleset) => ruleset,
        Err(error) => {
            tracing::warn!("nft's answer is not understood: {error}");
            return Vec::new();
        }
    };
    let told = |version: &[Result<String, _>]| version.first().is_some_and(Result::is_ok);
    let [v4, v6] = &heard.iptables;
    let families = [("ip", told(v4)), ("ip6", told(v6))];
    let iptables_told: Vec<_> = families
        .iter()
        .filter(|(_, told)| *told)
        .map(|(family, _)| *family)
        .collect();
    let of_knock = |knock: &Knock| {
        let interface = knock.interface.clone();
        let barriers = ruleset.barriers(knock, &iptables_told);
        barriers
            .into_iter()
            .map(move |barrier| (interface.clone(), barrier))
    };
    knocks.iter().flat_map(of_knock).collect()
}

/// A barrier in words, for which nft is asked once more.
async fn of_nft(barrier: &nft::Barrier, interface: String, port: u16) -> Option<Obstacle> {
    let (Fate::Blocked(cause) | Fate::Perhaps(cause)) = &barrier.fate else {
        return None;
    };
    let nft::Barrier {
        family,
        table,
        base,
        ..
    } = barrier;
    let what = match cause {
        Cause::Policy => format!(
            "The chain “{base}” of the table “{family} {table}” drops all that no rule lets in."
        ),
        Cause::Rule { chain, rule } => {
            let args = ["-a", "list", "chain", family, table, chain];
            let listing = tools::output("nft", &args, PATIENCE).await;
            let text = listing
                .ok()
                .and_then(|listing| nft::rule_text(&listing, rule));
            let text = text.unwrap_or_else(|| format!("number {rule}"));
            format!(
                "A rule stands in the way: {} (table “{family} {table}”, chain “{chain}”).",
                short(&text)
            )
        }
    };
    Some(Obstacle {
        is_sure: matches!(barrier.fate, Fate::Blocked(_)),
        by: if table == "firewalld" {
            By::Firewalld
        } else {
            By::Nftables
        },
        what,
        opening: barrier.opening(port),
        interface,
    })
}

/// What of iptables stands in the way.
fn of_iptables(heard: &Heard, knock: &Knock) -> Vec<Obstacle> {
    let [v4, v6] = &heard.iptables;
    let is_v4 = knock.to.is_ipv4();
    let mut obstacles = Vec::new();
    let texts: BTreeSet<_> = (if is_v4 { v4 } else { v6 }).iter().flatten().collect();
    for text in texts {
        let rules = iptables::Rules::parse(text);
        let is_ufws = is_ufw_on(heard) && text.contains("\n:ufw-");
        let is_firewallds = heard.firewalld.is_ok() && text.contains("\n:INPUT_ZONES ");
        for barrier in rules.barriers(knock) {
            let (Fate::Blocked(cause) | Fate::Perhaps(cause)) = &barrier.fate else {
                continue;
            };
            let what = match cause {
                Cause::Policy => format!(
                    "The chain {} of iptables drops all that no rule lets in.",
                    barrier.chain
                ),
                Cause::Rule { rule, .. } => {
                    format!("A rule of iptables stands in the way: {}.", short(rule))
                }
            };
            let in_filter = barrier.table == "filter";
            obstacles.push(Obstacle {
                is_sure: matches!(barrier.fate, Fate::Blocked(_)),
                by: match cause {
                    // ufw lets in what its user allowed before the rest is dropped.
                    Cause::Policy if is_ufws && in_filter => By::Ufw,
                    Cause::Rule { .. } if is_ufws && barrier.is_of("ufw-") => By::Ufw,
                    Cause::Rule { .. } if is_firewallds && in_filter => By::Firewalld,
                    _ => By::Iptables,
                },
                what,
                opening: barrier.opening(is_v4, knock.port),
                interface: knock.interface.clone(),
            });
        }
    }
    obstacles
}

fn is_ufw_on(heard: &Heard) -> bool {
    heard.ufw_conf.as_deref().is_some_and(ufw::is_on)
}

/// One finding for each program whose rules stand in the way, and one for those that nobody's are.
fn told(obstacles: &BTreeSet<Obstacle>, heard: &Heard, port: u16) -> Vec<Finding> {
    let mut findings = Vec::new();
    for by in [By::Ufw, By::Firewalld, By::Nftables, By::Iptables] {
        let these: Vec<_> = obstacles.iter().filter(|one| one.by == by).collect();
        let sure: Vec<_> = these.iter().copied().filter(|one| one.is_sure).collect();
        let is_sure = !sure.is_empty();
        let these = if is_sure { sure } else { these };
        if these.is_empty() {
            continue;
        }
        let distinct = |text: fn(&Obstacle) -> &String| {
            let all: BTreeSet<_> = these.iter().map(|one| text(one).clone()).collect();
            all.into_iter().collect::<Vec<_>>()
        };
        let interfaces = distinct(|one| &one.interface);
        let (name, mut openings, lasts) = match by {
            By::Ufw => ("ufw", vec![ufw::opening(port)], true),
            By::Firewalld => {
                let zones: BTreeSet<_> = interfaces
                    .iter()
                    .filter_map(|interface| zone(heard, interface, port))
                    .collect();
                let openings = zones.iter().flat_map(|zone| firewalld::opening(zone, port));
                ("firewalld", openings.collect(), true)
            }
            By::Nftables => ("nftables", Vec::new(), false),
            By::Iptables => ("iptables", Vec::new(), false),
        };
        if openings.is_empty() {
            openings = distinct(|one| &one.opening);
        }
        let does = if is_sure { "keeps" } else { "may keep" };
        let what = format!(
            "This computer's firewall ({name}) {does} out people who connect to TCP port {port} on {}. {}",
            interfaces.join(", "),
            distinct(|one| &one.what).join(" ")
        );
        let fix = if lasts {
            "Run this in a terminal. It holds for good.".to_owned()
        } else {
            format!(
                "Run this in a terminal. It holds until this computer starts again, or its rules are loaded anew: to \
                 let the port in for good, write it into the rules of {name}."
            )
        };
        let finding = if is_sure {
            Finding::problem(check::FIREWALL, what, WHY, fix)
        } else {
            let why = format!("It hangs on rules that cannot be judged from here. {WHY}");
            Finding::note(check::FIREWALL, what, why)
                .fix(format!("If people cannot connect: {fix}"))
        };
        findings.push(finding.with(Cure::as_root(&openings)));
    }
    findings
}

fn zone(heard: &Heard, interface: &str, port: u16) -> Option<String> {
    let (zones, default) = heard.firewalld.as_ref().ok()?;
    Some(firewalld::door(zones, default, interface, port)?.zone)
}

/// No rule that was seen stands in the way. Some may not have been seen.
fn nothing_in_the_way(heard: &Heard, knocks: &[Knock], port: u16) -> Finding {
    let nft_seen = heard.nft.is_ok();
    let [v4, v6] = &heard.iptables;
    let heard_of_iptables = || v4.iter().chain(v6);
    let iptables_seen = heard_of_iptables().any(Result::is_ok);
    let iptables_hidden =
        heard_of_iptables().any(|told| matches!(told, Err(mute) if *mute != tools::Mute::Absent));
    let is_absent = |mute: Option<&tools::Mute>| mute == Some(&tools::Mute::Absent);
    let nft_absent = is_absent(heard.nft.as_ref().err());
    let all_seen = (nft_seen || nft_absent) && !iptables_hidden && (nft_seen || iptables_seen);
    if knocks.is_empty() {
        let what = "Without a network there is nothing for a firewall to keep out.";
        return Finding::note(check::FIREWALL, what, WHY);
    }
    if all_seen {
        let looked_at = match (nft_seen, iptables_seen) {
            (true, true) => "nftables, iptables",
            (true, false) => "nftables",
            _ => "iptables",
        };
        let what = format!(
            "No rule of this computer's firewall keeps people out of TCP port {port} (looked at: {looked_at})."
        );
        return Finding::good(check::FIREWALL, what, WHY);
    }
    partly_seen(heard, knocks, port)
}

/// The rules themselves cannot be seen, mostly for want of rights. What the programs tell that write them counts.
fn partly_seen(heard: &Heard, knocks: &[Knock], port: u16) -> Finding {
    let doors: Vec<_> = heard
        .firewalld
        .iter()
        .flat_map(|(zones, default)| {
            knocks
                .iter()
                .filter_map(|knock| firewalld::door(zones, default, &knock.interface, port))
        })
        .collect();
    if let Some(door) = doors.iter().find(|door| !door.open) {
        let zone = &door.zone;
        let what = format!(
            "This computer's firewall (firewalld) keeps out people who connect to TCP port {port}: its zone “{zone}” \
             does not let it in."
        );
        return Finding::problem(
            check::FIREWALL,
            what,
            WHY,
            "Run this in a terminal. It holds for good.",
        )
        .with(Cure::as_root(&firewalld::opening(zone, port)));
    }
    if let Some(door) = doors.first() {
        let what = format!(
            "This computer's firewall (firewalld) lets people connect to TCP port {port} in its zone “{}”.",
            door.zone
        );
        return Finding::good(check::FIREWALL, what, WHY);
    }
    let ufw = heard.ufw.as_ref().ok();
    match ufw.and_then(|text| ufw::parse(text, port)) {
        Some(ufw::Ufw::On { open: true }) => {
            let what =
                format!("This computer's firewall (ufw) lets people connect to TCP port {port}.");
            return Finding::good(check::FIREWALL, what, WHY);
        }
        Some(ufw::Ufw::On { open: false }) => {
            let what = format!(
                "This computer's firewall (ufw) keeps out people who connect to TCP port {port}."
            );
            let fix = "Run this in a terminal. It holds for good.";
            return Finding::problem(check::FIREWALL, what, WHY, fix)
                .with(Cure::as_root(&[ufw::opening(port)]));
        }
        Some(ufw::Ufw::Off) | None => {}
    }
    if is_ufw_on(heard) {
        let what = format!(
            "This computer's firewall (ufw) is on. Whether it lets people connect to TCP port {port} is told to an \
             administrator only."
        );
        let fix = "If you have not opened the port yet, run this in a terminal. It holds for good, and does no harm \
                   where it was open before.";
        return Finding::note(check::FIREWALL, what, WHY)
            .fix(fix)
            .with(Cure::as_root(&[ufw::opening(port)]));
    }
    let said = |name: &str, mute: &tools::Mute| format!("{name} {}", mute.words());
    let mut mutes = Vec::new();
    mutes.extend(heard.nft.as_ref().err().map(|mute| said("nft", mute)));
    let [v4, _] = &heard.iptables;
    let first = v4.first().and_then(|told| told.as_ref().err());
    mutes.extend(first.map(|mute| said("iptables-save", mute)));
    let what = format!(
        "Whether this computer's firewall keeps people out of TCP port {port} could not be seen: {}. Neither ufw nor \
         firewalld is on.",
        mutes.join(", ")
    );
    let program = super::program();
    let again = format!(
        "{} doctor localhost:{port}",
        super::shell_word(&program.display().to_string())
    );
    Finding::note(check::FIREWALL, what, WHY)
        .fix("Run the doctor as administrator to have the rules looked at.")
        .with(Cure {
            command: format!("sudo {again}"),
            elevated: None,
        })
}

/// A rule as far as it fits into a sentence.
fn short(rule: &str) -> String {
    let harmless = rule.chars().filter(|c| !c.is_control());
    let mut text: String = harmless.take(RULE_CHARS).collect();
    if rule.chars().count() > RULE_CHARS {
        text.push('…');
    }
    format!("“{text}”")
}
