//! The way in from the internet: what the router said, and whether its outside address works from within.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::{Finding, check, late, millis};
use crate::net::Target;
use crate::reach::mapping::NoRouter;
use crate::reach::mapping::survey::{Port, Survey, Surveyed};
use crate::reach::{MappingState, probe};

/// How long the outside address may take to answer. Many routers let such packets vanish.
const PATIENCE: Duration = Duration::from_secs(2);

/// With less time than this nothing is tried.
const LEAST: Duration = Duration::from_millis(500);

/// What the router's side matters for.
const WHY: &str = "Colleagues who are not in your network or VPN come in through your router, which lets nobody in by \
                   itself.";

/// What to do about a port that does not lead here.
const OPEN: &str = "If somebody is to come from the internet, let people from the internet connect while you host, or \
                    run “mixdesk host --internet”.";

/// What has become of the mapping, `None` where nobody asked for one.
pub(super) fn of_router(mapping: Option<&MappingState>) -> Finding {
    let Some(state) = mapping else {
        return off();
    };
    match state {
        MappingState::Stopped => off(),
        MappingState::Asking => Finding::note(check::ROUTER, state.words(), WHY)
            .fix("Look again in a moment: routers take up to three seconds to answer."),
        MappingState::Mapped(_) | MappingState::Direct(_) => {
            let good = Finding::good(check::ROUTER, state.words(), WHY);
            match state.advice() {
                Some(advice) => good.fix(advice),
                None => good,
            }
        }
        MappingState::NoNetwork
        | MappingState::NoRouter(_)
        | MappingState::Taken { .. }
        | MappingState::Refused { .. }
        | MappingState::SharedAddress { .. } => {
            let advice = state
                .advice()
                .unwrap_or_else(|| "Use a VPN that all of you are in.".to_owned());
            Finding::problem(check::ROUTER, state.words(), WHY, advice)
        }
    }
}

const WHY_OFF: &str = "Colleagues in your own network or VPN do not need it. All others come in through your router, which \
                       lets nobody in by itself.";

fn off() -> Finding {
    Finding::note(
        check::ROUTER,
        "The router was not asked to let people from the internet in.",
        WHY_OFF,
    )
    .fix("If somebody is to come from the internet, let people from the internet connect while you host.")
}

/// The router was not asked, as there is nothing behind it to come in to.
pub(super) fn not_asked_for(port: u16) -> Finding {
    Finding::note(
        check::ROUTER,
        format!(
            "The router was not asked: what listens on port {port} takes connections from this computer only."
        ),
        WHY,
    )
    .fix("If somebody is to come from the internet, host without “--bind” first.")
}

/// What the router told when it was only asked how it stands. Nobody has asked it to let people in, so that nothing of
/// it is a problem.
pub(super) fn of_survey(surveyed: &Surveyed, port: u16) -> Finding {
    let survey = match surveyed {
        Surveyed::Unaskable(state) => return unasked(state),
        Surveyed::Public(ip) => {
            return of_router(Some(&MappingState::Direct((*ip, port).into())));
        }
        Surveyed::Silent(by_hand) => {
            return unasked(&MappingState::NoRouter(NoRouter::Silent(*by_hand)));
        }
        Surveyed::Answers(survey) => survey,
    };
    let what = told(survey, port);
    match (survey.shared, survey.port) {
        (Some(kind), _) => {
            let shared = unasked(&MappingState::SharedAddress {
                outside: survey.outside,
                kind,
            });
            Finding {
                what: format!("{what} {}", shared.what),
                ..shared
            }
        }
        (None, Port::Here(_)) if survey.outside.is_some() => {
            Finding::good(check::ROUTER, what, WHY)
        }
        (None, Port::Here(_)) => Finding::note(check::ROUTER, what, WHY)
            .fix("Look at the router's own pages for its address in the internet."),
        (None, Port::Closed) => Finding::note(check::ROUTER, what, WHY).fix(OPEN),
        (None, Port::Elsewhere(_)) => Finding::note(check::ROUTER, what, WHY).fix(
            "If somebody is to come from the internet, host on another port and tell your colleagues its number, or \
             remove that port forwarding in the router.",
        ),
        (None, Port::Unseen) => Finding::note(check::ROUTER, what, WHY).fix(format!(
            "{OPEN} If that is on already, it says itself what the router has answered."
        )),
    }
}

/// The finding for a state that nobody has wished to be another.
fn unasked(state: &MappingState) -> Finding {
    let note = Finding::note(check::ROUTER, state.words(), WHY);
    match state.advice() {
        Some(advice) => note.fix(format!(
            "Nothing, unless somebody is to come from the internet. {advice}"
        )),
        None => note,
    }
}

/// What the router has told, in words.
fn told(survey: &Survey, port: u16) -> String {
    let names: Vec<_> = survey.by.iter().map(ToString::to_string).collect();
    let names = match names.as_slice() {
        [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        names => names.join(""),
    };
    let outside = match (survey.outside, survey.shared) {
        (Some(ip), _) => format!(" Its outside address is {ip}."),
        (None, None) => " It did not tell its outside address.".to_owned(),
        // What is said of that tells it.
        (None, Some(_)) => String::new(),
    };
    let leads = match survey.port {
        Port::Here(outside) if outside == port => {
            format!("Its port {port} leads to this computer.")
        }
        Port::Here(outside) => {
            format!("Its port {outside} leads to port {port} of this computer.")
        }
        Port::Elsewhere(Some(other)) => {
            format!("Its port {port} does not lead here, but to {other}.")
        }
        Port::Elsewhere(None) => {
            format!("Its port {port} does not lead here, but to another machine.")
        }
        Port::Closed => format!("Its port {port} does not lead here."),
        Port::Unseen => format!("Whether its port {port} leads here it does not tell."),
    };
    format!("The router answers to {names}.{outside} {leads}")
}

/// Whether the outside address leads back here from within; `None` where nobody comes in by one.
pub(super) async fn of_hairpin(outside: Option<SocketAddr>, until: Instant) -> Vec<Finding> {
    let Some(outside) = outside else {
        return Vec::new();
    };
    let patience = until
        .saturating_duration_since(Instant::now())
        .min(PATIENCE);
    if patience < LEAST {
        return vec![late(check::HAIRPIN, "The router's outside address")];
    }
    let target = Target {
        host: outside.ip().to_string(),
        port: outside.port(),
    };
    vec![match probe(&target, patience).await {
        Ok(answered) => Finding::good(
            check::HAIRPIN,
            format!(
                "The outside address {outside} leads back to a Mixer server from within your own network, in {}.",
                millis(answered.round_trip)
            ),
            "The address for the internet can be tried from here, and works in your own network as well.",
        ),
        Err(why) => Finding::note(
            check::HAIRPIN,
            format!("The outside address {outside} cannot be used from within your own network: {why}"),
            "Many routers do not let a network reach itself from outside. It says nothing of people on the internet, \
             who may get in all the same.",
        )
        .fix(
            "Give colleagues in your own network the LAN address, and let somebody on the internet try the outside one.",
        ),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::doctor::Verdict;
    use crate::reach::mapping::{ByHand, MappedBy, Shared};

    #[test]
    fn what_the_router_said_is_told_with_what_to_do() {
        let shared = MappingState::SharedAddress {
            outside: None,
            kind: Shared::CarrierGrade,
        };
        for (state, verdict) in [
            (None, Verdict::Note),
            (Some(MappingState::Asking), Verdict::Note),
            (Some(MappingState::Stopped), Verdict::Note),
            (
                Some(MappingState::Direct(([8, 8, 4, 4], 1).into())),
                Verdict::Good,
            ),
            (Some(MappingState::NoNetwork), Verdict::Problem),
            (Some(shared), Verdict::Problem),
        ] {
            let finding = of_router(state.as_ref());
            assert_eq!(finding.verdict, verdict, "{state:?}");
            assert!(finding.fix.is_some(), "{state:?}");
        }
    }
    #[test]
    fn what_the_router_told_when_nobody_wished_anything_is_no_problem() {
        let survey = |shared, port| {
            Surveyed::Answers(Survey {
                by: MappedBy::ALL.to_vec(),
                outside: Some("11.9.9.9".parse().unwrap()),
                shared,
                port,
            })
        };
        let by_hand = ByHand {
            router: None,
            outside: 12_800,
            inside: "192.168.0.48:12800".parse().unwrap(),
        };
        let other = "192.168.0.9:80".parse().unwrap();
        let shared = Some(Shared::CarrierGrade);
        for (surveyed, verdict, part) in [
            (
                survey(None, Port::Here(12_800)),
                Verdict::Good,
                "port 12800 leads to this computer",
            ),
            (
                survey(None, Port::Here(1)),
                Verdict::Good,
                "Its port 1 leads to port 12800",
            ),
            (
                survey(None, Port::Closed),
                Verdict::Note,
                "PCP, NAT-PMP and UPnP. Its outside address is 11.9.9.9. Its port 12800 does not lead here.",
            ),
            (
                survey(None, Port::Elsewhere(Some(other))),
                Verdict::Note,
                "but to 192.168.0.9:80",
            ),
            (survey(None, Port::Unseen), Verdict::Note, "does not tell"),
            (
                survey(shared, Port::Here(12_800)),
                Verdict::Note,
                "shares one address",
            ),
            (
                Surveyed::Silent(by_hand),
                Verdict::Note,
                "No router answers",
            ),
            (
                Surveyed::Unaskable(MappingState::NoNetwork),
                Verdict::Note,
                "no network",
            ),
            (
                Surveyed::Public([8, 8, 4, 4].into()),
                Verdict::Good,
                "8.8.4.4:12800",
            ),
        ] {
            let finding = of_survey(&surveyed, 12_800);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.what.contains(part), "{finding:?}");
            assert!(
                finding.what.ends_with('.') && !finding.what.contains(".."),
                "{finding:?}"
            );
            assert_eq!(
                finding.fix.is_none(),
                matches!(
                    surveyed,
                    Surveyed::Answers(Survey {
                        shared: None,
                        port: Port::Here(_),
                        ..
                    })
                ),
                "{finding:?}"
            );
        }
    }
}
