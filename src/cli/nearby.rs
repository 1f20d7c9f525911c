//! `mixdesk nearby`: the sessions on this network.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::args::NearbyArgs;
use super::{Exit, print};
use crate::backend::{Settings, as_typed, words};
use crate::reach::{Answer, Browser, Found};

/// How long is listened before they are listed: who announces answers within a second, and is then connected to.
const LISTEN: Duration = Duration::from_secs(3);

/// Lists them, or tells what changes until `quit` resolves.
pub(super) async fn nearby(
    args: &NearbyArgs,
    settings: &Settings,
    quit: impl Future<Output = ()>,
) -> Exit {
    let browser = match Browser::start(&settings.hidden_interfaces) {
        Ok(browser) => browser,
        Err(error) => {
            print::note(&error.to_string());
            return Exit::Failed;
        }
    };
    let mut found = browser.found();
    let said = if args.follow {
        let mut told = HashMap::new();
        let following = async {
            loop {
                let sessions = Arc::clone(&found.borrow_and_update());
                changes(&mut told, &sessions, args.json)?;
                if found.changed().await.is_err() {
                    return Ok(());
                }
            }
        };
        tokio::select! {
            said = following => said,
            () = quit => Ok(()),
        }
    } else {
        print::note("Listening on this network …");
        tokio::select! {
            () = tokio::time::sleep(LISTEN) => {}
            () = quit => return Exit::Done,
        }
        let sessions = Arc::clone(&found.borrow());
        list(&sessions, args.json)
    };
    if said.is_ok() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

/// Tells who has come, gone or changed.
fn changes(told: &mut HashMap<String, Found>, sessions: &[Found], as_json: bool) -> io::Result<()> {
    let now: HashMap<_, _> = sessions
        .iter()
        .map(|session| (session.id.clone(), session.clone()))
        .collect();
    for gone in told.values().filter(|old| !now.contains_key(&old.id)) {
        if as_json {
            print::json(&json!({"event": "gone", "id": gone.id, "name": gone.name}))?;
        } else {
            print::line(&format!("Gone: {}", print::name(&gone.name)))?;
        }
    }
    for session in sessions {
        if told.get(&session.id) == Some(session) {
            continue;
        }
        if as_json {
            print::json(&object(session))?;
        } else {
            print::line(&row(session).join("  "))?;
        }
    }
    *told = now;
    Ok(())
}

fn list(sessions: &[Found], as_json: bool) -> io::Result<()> {
    if as_json {
        return sessions
            .iter()
            .try_for_each(|session| print::json(&object(session)));
    }
    if sessions.is_empty() {
        return print::line(
            "Nobody announces a session on this network. Connecting by address works all the same.",
        );
    }
    let heads = ["Session", "Address", "People", "Rooms", "", "Since"].map(str::to_owned);
    let rows = sessions.iter().map(row);
    print::table(&std::iter::once(heads).chain(rows).collect::<Vec<_>>())
}

fn row(session: &Found) -> [String; 6] {
    let count = |count: Option<u32>| count.map_or_else(String::new, |count| count.to_string());
    let state = match (session.answer, session.asks) {
        (Answer::Silent, _) => "does not answer",
        (_, true) => "asks its host first",
        _ => "",
    };
    [
        print::name(&session.name).into_owned(),
        session.best().map_or_else(String::new, as_typed),
        count(session.people),
        count(session.rooms),
        state.to_owned(),
        words::ago(session.since.elapsed().unwrap_or_default()),
    ]
}

fn object(session: &Found) -> serde_json::Value {
    let addresses: Vec<_> = session.addresses.iter().map(ToString::to_string).collect();
    json!({
        "event": "found",
        "id": session.id,
        "name": session.name,
        "address": session.best().map(as_typed),
        "addresses": addresses,
        "people": session.people,
        "rooms": session.rooms,
        "version": session.version,
        "asks": session.asks,
        "answers": match session.answer {
            Answer::Unknown => None,
            Answer::Answers(_) => Some(true),
            Answer::Silent => Some(false),
        },
    })
}
