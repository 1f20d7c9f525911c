//! What *Connect* means: as in Mixer, a local host starts the relay there unless one runs already.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::block_in_place;

use super::settings::Hosting;
use super::view::Failure;
use crate::net::{Bind, Target, TargetError, connect, parse_port};
use crate::reach::{Invite, NoAnswer, first_that_answers};
use crate::relay::{Progress, Relay, RelayError, bind};
use crate::session::{Config, Identity, Session, Why};

/// How long a port of this computer may take to answer. It does so at once, unless nobody is there:
/// some systems ask a closed port several times before they believe it.
const PROBE_PATIENCE: Duration = Duration::from_millis(300);
/// How long it may take when something does hold the port.
const LOCAL_PATIENCE: Duration = Duration::from_secs(2);
/// How long each way of an invite may take. They are tried side by side.
const WAY_PATIENCE: Duration = Duration::from_secs(5);
/// Our own relay needs no mercy: a session to it that was lost is there again within a second.
const OWN_WAIT: Duration = Duration::from_secs(1);

/// What is connected to.
#[derive(Clone, Debug)]
pub(super) enum Destination {
    /// A host; a local one is hosted by us where nobody does.
    Target(Target),
    /// The first host that answers of those in an invite, and perhaps a room there.
    Invite(Invite),
}

impl Destination {
    /// What it is called while it is reached for.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Target(target) => target.to_string(),
            Self::Invite(Invite { session, .. }) if session.is_empty() => {
                "the session of an invite".to_owned()
            }
            Self::Invite(Invite { session, .. }) => format!("“{session}”"),
        }
    }
}

/// What came of *Connect*.
#[derive(Debug)]
pub(super) struct Opened {
    /// What the session is to.
    pub(super) target: Target,
    /// An invite was followed.
    pub(super) by_invite: bool,
    /// The room that it was to.
    pub(super) room: Option<String>,
    /// Our own relay, if we started it.
    pub(super) relay: Option<Relay>,
    /// The session; it still has to greet.
    pub(super) session: Session,
    /// A relay that ran here already is used.
    pub(super) found_here: bool,
}

/// Starts a relay where *Connect* means that, and a session to it.
///
/// # Errors
/// When the port cannot be had, or no way of an invite leads to a relay.
pub(super) async fn open(
    destination: Destination,
    identity: Identity,
    hosting: Hosting,
    progress: &watch::Sender<Progress>,
) -> Result<Opened, Failure> {
    match destination {
        Destination::Target(target) => open_target(target, identity, hosting, progress).await,
        Destination::Invite(invite) => {
            let targets = invite.targets();
            let found = tokio::select! {
                found = first_that_answers(&targets, WAY_PATIENCE) => found,
                // Nobody waits for it any more.
                () = progress.closed() => Err(Vec::new()),
            };
            let target = found.map_err(|tried| no_way(&invite, &tried))?;
            Ok(Opened {
                by_invite: true,
                relay: None,
                session: Session::start(Config::new(target.clone(), identity), None),
                found_here: false,
                target,
                room: invite.room,
            })
        }
    }
}

/// Why none of the ways of an invite leads there.
fn no_way(invite: &Invite, tried: &[(Target, NoAnswer)]) -> Failure {
    let whys: Vec<_> = tried.iter().map(|(_, why)| why.to_string()).collect();
    let session = Destination::Invite(invite.clone()).title();
    // The first way is the nearest, and what is wrong there tells the most.
    let advice = tried
        .first()
        .map_or("Ask your colleague for a new invite.", |(_, why)| {
            why.advice()
        });
    Failure {
        what: format!("No way leads to {session}. {}", whys.join(" ")),
        advice: advice.to_owned(),
    }
}

async fn open_target(
    target: Target,
    identity: Identity,
    hosting: Hosting,
    progress: &watch::Sender<Progress>,
) -> Result<Opened, Failure> {
    let found = |connected| {
        let config = Config::new(target.clone(), identity.clone());
        Opened {
            relay: None,
            session: Session::start(config, connected),
            found_here: target.is_local(),
            target: target.clone(),
            by_invite: false,
            room: None,
        }
    };
    if !target.is_local() {
        return Ok(found(None));
    }
    if let Ok(connected) = connect(&target, PROBE_PATIENCE).await {
        return Ok(found(Some(connected)));
    }
    let relay = match host(Bind::All, target.port, hosting, progress).await {
        Ok(relay) => relay,
        Err(error) => {
            if matches!(error, RelayError::Taken(_))
                && let Ok(connected) = connect(&target, LOCAL_PATIENCE).await
            {
                return Ok(found(Some(connected)));
            }
            // It may look through all programs for the one that holds the port.
            return Err(block_in_place(|| port_failure(&error)));
        }
    };
    let own = Target {
        host: "127.0.0.1".to_owned(),
        port: relay.address().port(),
    };
    let first = connect(&own, LOCAL_PATIENCE).await.ok();
    let config = Config {
        longest_wait: OWN_WAIT,
        ..Config::new(own, identity)
    };
    Ok(Opened {
        relay: Some(relay),
        session: Session::start(config, first),
        found_here: false,
        target,
        by_invite: false,
        room: None,
    })
}

/// Reads what is typed into Port.
///
/// # Errors
/// What is wrong with it, in words that fit beside the field.
pub fn read_port(typed: &str) -> Result<u16, &'static str> {
    parse_port(typed).map_err(TargetError::words)
}

/// Starts a relay, with the rooms that were alive when the last one was killed. `progress` shows how far
/// bringing those back is.
///
/// # Errors
/// When the port cannot be had.
pub async fn host(
    at: Bind,
    port: u16,
    hosting: Hosting,
    progress: &watch::Sender<Progress>,
) -> Result<Relay, RelayError> {
    let Hosting {
        limits,
        guests,
        keeping,
    } = hosting;
    let bound = bind(at, port)?;
    let relay = match keeping {
        Some(keeping) => bound.start_keeping(limits, guests, keeping, progress).await,
        None => bound.start(limits, guests),
    };
    tracing::info!(port = relay.address().port(), "hosting");
    Ok(relay)
}

/// Why we cannot host, in words.
#[must_use]
pub fn port_failure(error: &RelayError) -> Failure {
    match error {
        RelayError::Taken(port) => taken(*port),
        RelayError::Forbidden(port) => Failure {
            what: format!("The system does not let you host on port {port}."),
            advice: if *port < 1024 {
                "Choose a port above 1023. Mixer's own is 12800.".to_owned()
            } else {
                "It is reserved or held by another program. Choose another port.".to_owned()
            },
        },
        RelayError::Other { .. } => Failure {
            what: format!("This computer cannot host: {error}."),
            advice: "Choose another port, or see the log.".to_owned(),
        },
    }
}

/// The port is another program's.
fn taken(port: u16) -> Failure {
    let by = holder(port).map_or_else(
        || "another program".to_owned(),
        |name| format!("another program ({name})"),
    );
    Failure {
        what: format!("Port {port} on this computer is taken by {by}."),
        advice: "End that program, or choose another port and tell your colleagues its number."
            .to_owned(),
    }
}

/// The program that listens on a port of this computer, where the system tells.
pub(super) fn holder(port: u16) -> Option<String> {
    let process = listeners::get_process_by_port(port, listeners::Protocol::TCP).ok()?;
    Some(process.name).filter(|name| !name.is_empty())
}

/// Why a session could not begin or broke, in words. `found_here`: it was to a program on this
/// computer that we took for a relay.
pub(super) fn session_failure(why: &Why, found_here: bool) -> Failure {
    match why {
        Why::NotMixer(target, _)
        | Why::Silent(target)
        | Why::ClosedEarly(target)
        | Why::Nonsense(target, _)
            if found_here =>
        {
            taken(target.port)
        }
        why => Failure {
            what: why.to_string(),
            advice: why.advice().to_owned(),
        },
    }
}
