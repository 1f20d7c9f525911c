//! `mixdesk recent`: rooms that ended here and can be brought back.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::args::RecentArgs;
use super::{Exit, print};
use crate::backend::words;
use crate::relay::{Recent, recent_rooms};

/// Lists what is in `folder`, which another Mixdesk may have in use.
pub(super) fn recent(args: &RecentArgs, folder: Option<&Path>) -> Exit {
    let Some(folder) = folder else {
        print::note("Rooms are not kept: the settings say so, or there is no folder for them.");
        return Exit::Failed;
    };
    let rooms = recent_rooms(folder);
    let printed = if args.json {
        as_json(&rooms)
    } else {
        as_table(&rooms)
    };
    if printed.is_ok() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

fn as_json(rooms: &[Recent]) -> io::Result<()> {
    for room in rooms {
        let ended = room.ended.duration_since(UNIX_EPOCH).unwrap_or_default();
        print::json(&json!({
            "id": room.id,
            "room": room.room,
            "bytes": room.bytes,
            "ended": ended.as_secs(),
        }))?;
    }
    Ok(())
}

fn as_table(rooms: &[Recent]) -> io::Result<()> {
    if rooms.is_empty() {
        return print::line("No recent rooms.");
    }
    let heads = ["Room", "Size", "Ended", "Id"].map(str::to_owned);
    let now = SystemTime::now();
    let rows = rooms.iter().map(|room| {
        [
            print::name(&room.room).into_owned(),
            words::bytes(room.bytes),
            words::ago(now.duration_since(room.ended).unwrap_or_default()),
            room.id.clone(),
        ]
    });
    print::table(&std::iter::once(heads).chain(rows).collect::<Vec<_>>())
}
