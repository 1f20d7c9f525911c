//! The guest's side where there is an invite: one of its ways is examined.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Finding, examine_guest_since};
use crate::net::Target;
use crate::reach::{Invite, Route, RouteKind, first_that_answers};

/// How long the ways may take to answer before one of them is examined.
const PATIENCE: Duration = Duration::from_secs(1);

/// Looks whether this computer can reach the host of an invite. Must be called within a tokio runtime.
#[must_use]
pub fn examine_invite(invite: Invite) -> mpsc::Receiver<Finding> {
    let (tell, findings) = mpsc::channel(1);
    let begun = Instant::now();
    let examining = async move {
        let Some(target) = way_to_examine(&invite).await else {
            return;
        };
        let mut found = examine_guest_since(target, begun);
        while let Some(finding) = found.recv().await {
            if tell.send(finding).await.is_err() {
                return;
            }
        }
    };
    tokio::spawn(examining);
    findings
}

/// Which way of an invite is worth examining: the first that answers, or else the one that should do so from
/// everywhere. `None` where it has no way.
pub async fn way_to_examine(invite: &Invite) -> Option<Target> {
    if let Ok(target) = first_that_answers(&invite.targets(), PATIENCE).await {
        return Some(target);
    }
    let is_for_all = |route: &&Route| route.kind == RouteKind::Internet;
    let for_all = invite.routes.iter().find(is_for_all);
    for_all.or(invite.routes.first()).map(Route::target)
}
