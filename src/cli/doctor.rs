//! `mixdesk doctor`: what keeps people out, and what to do about it.

use std::io;

use serde_json::json;
use tokio::time::Instant;

use super::args::DoctorArgs;
use super::{Exit, print};
use crate::backend::Folders;
use crate::backend::doctor::{
    Finding, HostExam, Verdict, check, examine_guest_since, examine_host, way_to_examine,
};
use crate::net::Target;
use crate::protocol::DEFAULT_PORT;
use crate::reach::Typed;
use crate::relay::Guests;

/// Examines what was asked for. `quit` stops it.
pub(super) async fn doctor(args: &DoctorArgs, quit: impl Future<Output = ()>) -> Exit {
    let begun = Instant::now();
    let asked = match &args.place {
        Some(place) => Some(target(place).await),
        None => None,
    };
    let host = asked.as_ref().filter(|target| !target.is_local());
    let mut findings = match host {
        Some(target) => {
            print::note(&format!("Looking whether {target} can be reached …"));
            examine_guest_since(target.clone(), begun)
        }
        None => {
            print::note("Looking whether colleagues can reach this computer …");
            examine_host(HostExam {
                port: asked.as_ref().map_or(DEFAULT_PORT, |target| target.port),
                starts_relay: true,
                // Another program may have one: the router knows.
                mapping: None,
                asks_router: true,
                guests: guests(),
            })
        }
    };
    let mut all = Vec::new();
    let examining = async {
        while let Some(finding) = findings.recv().await {
            if args.json {
                print::json(&as_json(&finding))?;
            }
            all.push(finding);
        }
        Ok(())
    };
    let examined: io::Result<()> = tokio::select! {
        examined = examining => examined,
        () = quit => return Exit::Failed,
    };
    let took = begun.elapsed();
    let said = examined.and_then(|()| {
        if args.json {
            print::json(&json!({
                "event": "examined",
                "host": host.map(Target::to_string),
                "problems": count(&all, Verdict::Problem),
                "notes": count(&all, Verdict::Note),
                "millis": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            }))
        } else {
            tell(&mut all)
        }
    });
    if said.is_err() {
        return Exit::Failed;
    }
    exit(&all, host.is_some())
}

/// What is to be examined.
async fn target(place: &Typed) -> Target {
    match place {
        Typed::Target(target) => target.clone(),
        Typed::Invite(invite) => way_to_examine(invite).await.unwrap_or_else(|| Target {
            host: "localhost".to_owned(),
            port: DEFAULT_PORT,
        }),
    }
}

/// Whom the settings let in. A relay for the while lets in nobody else.
fn guests() -> Guests {
    Folders::of_system().map_or_else(Guests::default, |folders| folders.settings().0.guests)
}

/// What the exit code says: as a guest it is that of a connection that does not come about.
fn exit(findings: &[Finding], as_guest: bool) -> Exit {
    let has = |checks: &[&str]| {
        let problem = |one: &&Finding| one.verdict == Verdict::Problem;
        findings
            .iter()
            .filter(problem)
            .any(|one| checks.contains(&one.check))
    };
    if as_guest && has(&[check::NAME, check::ROUTE, check::CONNECTION, check::ANSWER]) {
        Exit::NoConnection
    } else if as_guest && has(&[check::ENTRANCE]) {
        Exit::NoRoom
    } else if has(&check::ALL) {
        Exit::Failed
    } else {
        Exit::Done
    }
}

fn count(findings: &[Finding], verdict: Verdict) -> usize {
    let these = findings.iter().filter(|one| one.verdict == verdict);
    these.count()
}

/// All of them in the order in which they read best, and the sum.
fn tell(findings: &mut [Finding]) -> io::Result<()> {
    findings.sort_by_key(|one| check::ALL.iter().position(|check| *check == one.check));
    for finding in findings.iter() {
        let word = match finding.verdict {
            Verdict::Good => "ok",
            Verdict::Note => "note",
            Verdict::Problem => "PROBLEM",
        };
        print::line(&format!("{word:<9}{}", finding.what))?;
        if finding.verdict != Verdict::Good {
            print::line(&format!("         Why it matters: {}", finding.why))?;
        }
        if let Some(fix) = &finding.fix {
            print::line(&format!("         What to do: {fix}"))?;
        }
        if let Some(command) = &finding.command {
            print::line(&format!("             {command}"))?;
        }
    }
    print::line(&match count(findings, Verdict::Problem) {
        0 => "No problem was found.".to_owned(),
        1 => "1 problem was found.".to_owned(),
        problems => format!("{problems} problems were found."),
    })
}

fn as_json(finding: &Finding) -> serde_json::Value {
    json!({
        "event": "finding",
        "check": finding.check,
        "verdict": finding.verdict.word(),
        "what": finding.what,
        "why": finding.why,
        "fix": finding.fix,
        "command": finding.command,
        "elevated": finding.elevated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_what_sort_of_problem_there_is() {
        let problem = |check| Finding::problem(check, "x", "x", "x");
        let note = Finding::note(check::FIREWALL, "x", "x");
        for (findings, as_guest, expected) in [
            (vec![], false, Exit::Done),
            (vec![note.clone()], false, Exit::Done),
            (vec![note, problem(check::RELAY)], false, Exit::Failed),
            (vec![problem(check::CONNECTION)], true, Exit::NoConnection),
            (vec![problem(check::NAME)], true, Exit::NoConnection),
            (vec![problem(check::ENTRANCE)], true, Exit::NoRoom),
            (vec![problem(check::SPEED)], true, Exit::Failed),
        ] {
            assert_eq!(exit(&findings, as_guest), expected, "{findings:?}");
        }
    }
}
