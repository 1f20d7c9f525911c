//! `mixdesk rooms`: what a relay has.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};

use super::args::RoomsArgs;
use super::{Exit, place, print};
use crate::backend::{Settings, words};
use crate::protocol::{Attributes, attribute};
use crate::session::{Config, Identity, Phase, Session, Snapshot};

pub(super) async fn rooms(args: &RoomsArgs, settings: &Settings) -> Exit {
    let identity = Identity {
        name: settings.name.clone(),
        color: settings.color,
    };
    let target = match place::find(&args.place).await {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let config = Config::new(target, identity);
    let (session, snapshot) = match connect(config).await {
        Ok(connected) => connected,
        Err(exit) => return exit,
    };
    let printed = if args.json {
        as_json(&snapshot)
    } else {
        as_table(&snapshot)
    };
    session.stop().await;
    if printed.is_ok() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

/// Starts a session and waits until it is online.
///
/// # Errors
/// When it is not going to be; why is said already.
pub(super) async fn connect(config: Config) -> Result<(Session, Arc<Snapshot>), Exit> {
    let mut session = Session::start(config, None);
    let why = loop {
        let snapshot = session.snapshot();
        match &snapshot.phase {
            Phase::Online => return Ok((session, snapshot)),
            Phase::Failed(why) | Phase::Lost { why, .. } => {
                break format!("{why} {}", why.advice());
            }
            Phase::Connecting => {}
        }
        if !session.changed().await {
            break "The session ended.".to_owned();
        }
    };
    print::note(&why);
    Err(Exit::NoConnection)
}

/// How many people are in a room.
pub(super) fn people(snapshot: &Snapshot, room: &str) -> usize {
    snapshot
        .clients
        .values()
        .filter(|client| client.text(attribute::ROOM).as_deref() == Some(room))
        .count()
}

fn as_json(snapshot: &Snapshot) -> io::Result<()> {
    for (name, room) in snapshot.rooms.iter() {
        let text = |name| room.text(name).map_or(Value::Null, Value::from);
        let count = |name| room.count(name).map_or(Value::Null, Value::from);
        let flag = |name| room.flag(name).map_or(Value::Null, Value::from);
        print::json(&json!({
            "room": name,
            "people": people(snapshot, name),
            "bytes": count(attribute::BYTE_SIZE),
            "edits": count(attribute::COMMAND_COUNT),
            "blender_version": text(attribute::BLENDER_VERSION),
            "mixer_version": text(attribute::MIXER_VERSION),
            "ignore_version_check": flag(attribute::IGNORE_VERSION_CHECK),
            "keep_open": flag(attribute::KEEP_OPEN),
            "joinable": flag(attribute::JOINABLE),
        }))?;
    }
    Ok(())
}

fn as_table(snapshot: &Snapshot) -> io::Result<()> {
    if snapshot.rooms.is_empty() {
        return print::line("No rooms yet.");
    }
    let heads = [
        "Room", "People", "Size", "Edits", "Blender", "Mixer", "State",
    ]
    .map(str::to_owned);
    let mut rows = vec![heads];
    for (name, room) in snapshot.rooms.iter() {
        let text = |name| print::name(&room.text(name).unwrap_or_default()).into_owned();
        rows.push([
            print::name(name).into_owned(),
            people(snapshot, name).to_string(),
            words::bytes(room.count(attribute::BYTE_SIZE).unwrap_or_default()),
            room.count(attribute::COMMAND_COUNT)
                .unwrap_or_default()
                .to_string(),
            text(attribute::BLENDER_VERSION),
            text(attribute::MIXER_VERSION),
            state(room, people(snapshot, name)).to_owned(),
        ]);
    }
    print::table(&rows)
}

fn state(room: &Attributes, people: usize) -> &'static str {
    match (
        room.flag(attribute::JOINABLE),
        room.flag(attribute::KEEP_OPEN),
    ) {
        (Some(true), Some(true)) if people == 0 => "Empty, kept open",
        (Some(true), _) if people == 0 => "Empty",
        (Some(true), _) => "Ready",
        _ => "Uploading…",
    }
}
