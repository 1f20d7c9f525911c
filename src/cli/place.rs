//! From what was given as a host to where to connect.

use std::time::Duration;

use super::{Exit, print};
use crate::net::Target;
use crate::reach::{Typed, first_that_answers};

/// How long each way of an invite may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where to connect: for an invite the first of its ways that answers.
///
/// # Errors
/// When none does; why is said already.
pub(super) async fn find(place: &Typed) -> Result<Target, Exit> {
    let invite = match place {
        Typed::Target(target) => return Ok(target.clone()),
        Typed::Invite(invite) => invite,
    };
    first_that_answers(&invite.targets(), PATIENCE)
        .await
        .map_err(|failed| {
            print::note("None of the addresses of this invite answers.");
            for (_, why) in failed {
                print::note(&format!("{why} {}", why.advice()));
            }
            Exit::NoConnection
        })
}

/// The room that an invite is to.
pub(super) fn room(place: &Typed) -> Option<String> {
    match place {
        Typed::Target(_) => None,
        Typed::Invite(invite) => invite.room.clone(),
    }
}
