//! The way in from the internet: what the router said, and whether its outside address works from within.

use std::time::Duration;

use super::{Finding, check, millis};
use crate::net::Target;
use crate::reach::{MappingState, probe};

/// How long the outside address may take to answer. Many routers let such packets vanish.
const PATIENCE: Duration = Duration::from_secs(2);

/// What has become of the mapping, `None` where nobody asked for one.
pub(super) fn of_router(mapping: Option<&MappingState>) -> Finding {
    const WHY: &str = "Colleagues who are not in your network or VPN come in through your router, which lets nobody in by itself.";
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

/// Another program hosts, and this one cannot ask it.
pub(super) fn unseen() -> Finding {
    Finding::note(
        check::ROUTER,
        "Whether the router was asked to let people from the internet in, only the program that hosts can say.",
        WHY_OFF,
    )
    .fix("Look there: the window and “mixdesk host --internet” tell what has become of it.")
}

fn off() -> Finding {
    Finding::note(
        check::ROUTER,
        "The router was not asked to let people from the internet in.",
        WHY_OFF,
    )
    .fix("If somebody is to come from the internet, let people from the internet connect while you host.")
}

/// Whether the outside address leads back here from within.
pub(super) async fn of_hairpin(mapping: Option<MappingState>) -> Vec<Finding> {
    // A public address of this computer's own is no way around.
    let Some(state @ MappingState::Mapped(_)) = mapping else {
        return Vec::new();
    };
    let Some(outside) = state.outside() else {
        return Vec::new();
    };
    let target = Target {
        host: outside.ip().to_string(),
        port: outside.port(),
    };
    vec![match probe(&target, PATIENCE).await {
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
    use crate::reach::mapping::Shared;

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
}
