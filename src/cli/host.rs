//! `mixdesk host`: a relay in the terminal.

use std::io;
use std::time::Duration;

use serde_json::json;

use tokio::sync::watch;
use tokio::time::{interval, timeout};

use super::print::{self, Printer};
use super::ways::Ways;
use super::{Exit, HostArgs, commands, no_threads};
use crate::backend::{Folders, Hosting, Settings, Surroundings, host as start_relay, port_failure};
use crate::net::{Bind, raise_open_files};
use crate::reach::Announcement;
use crate::relay::{Guests, Progress, Relay, recent_rooms};

/// How long the first look at this computer's addresses may take.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// How often it is looked how many are here, for others' lists.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// Hosts until `quit` resolves. What the host decides about guests is kept in `folders`, if there are
/// any.
pub async fn host(
    args: &HostArgs,
    settings: Settings,
    folders: Option<&Folders>,
    quit: impl Future<Output = ()>,
) -> Exit {
    let printer = match Printer::start(args.json) {
        Ok(printer) => printer,
        Err(error) => {
            print::note(&no_threads(&error));
            return Exit::Failed;
        }
    };
    let hosting = settings.hosting(folders.map(|folders| folders.rooms.as_path()));
    if !are_recent(&args.reopen, &hosting, &printer) {
        return Exit::NoRoom;
    }
    raise_open_files();
    let bind = args.bind.map_or(Bind::All, Bind::Only);
    // Rooms are brought back as long as somebody looks how far that is.
    let (progress, _look) = watch::channel(Progress::default());
    let relay = match start_relay(bind, args.port, hosting, &progress).await {
        Ok(relay) => relay,
        Err(error) => {
            let failure = port_failure(&error);
            printer.note(&format!("{} {}", failure.what, failure.advice));
            return Exit::Failed;
        }
    };
    let port = relay.address().port();
    if let Some(why) = relay.trouble() {
        printer.note(&format!(
            "Rooms are kept in memory only until this is put right, and are lost if this program ends before: {why}."
        ));
    }
    for lost in relay.not_brought_back() {
        printer.note(&format!("A room could not be brought back: {lost}."));
    }
    for room in relay.repaired() {
        printer.note(&format!(
            "The file of the room “{room}” was damaged: what could be read of it is back. The log says more."
        ));
    }
    if !relay.brought_back().is_empty() {
        let rooms: Vec<_> = relay
            .brought_back()
            .iter()
            .map(|room| print::name(room))
            .collect();
        printer.note(&format!("Brought back: {}.", rooms.join(", ")));
    }
    for id in &args.reopen {
        if reopen(&relay, id, args.json, &printer).await.is_err() {
            return Exit::Failed;
        }
    }
    let settings = shown(settings, args);
    let mut surroundings = Surroundings::start(&settings, folders.map(Folders::mapping));
    surroundings.listens_on(args.bind);
    // The first look at the addresses, which takes some milliseconds.
    let _looked = timeout(FIRST_LOOK, surroundings.changed()).await;
    surroundings.host(announcement(&relay, &settings), &settings);
    let told = Ways::tell(&printer, port, args.json, &surroundings).ok();
    let Some(mut ways) = told.filter(|_| printer.is_read()) else {
        tokio::join!(relay.stop(), surroundings.leave());
        return Exit::Failed;
    };
    let keep = |guests: Guests| {
        if let Some(Err(error)) = folders.map(|folders| folders.keep_guests(guests)) {
            printer.note(&format!(
                "Your settings could not be kept, so this holds only as long as you host: {error}."
            ));
        }
    };
    let attending = async {
        let mut count = interval(COUNT_EVERY);
        loop {
            tokio::select! {
                () = surroundings.changed() => {
                    // Whoever reads our output may end, and we host on.
                    let _read = ways.tell_changes(&surroundings);
                }
                _ = count.tick() => {
                    let Announcement { rooms, people, asks, .. } = announcement(&relay, &settings);
                    surroundings.tell(rooms, people, asks);
                }
            }
        }
    };
    tokio::select! {
        () = quit => {}
        () = attending => {}
        () = commands::attend(&relay, &printer, args.json, keep) => {}
    }
    printer.note("Ending: everybody gets what is ready for them.");
    tokio::join!(relay.stop(), surroundings.leave());
    Exit::Done
}

/// Whether all of these are recent rooms; says which is not.
fn are_recent(ids: &[String], hosting: &Hosting, printer: &Printer) -> bool {
    if ids.is_empty() {
        return true;
    }
    let folder = hosting.keeping.as_ref().map(|keeping| &keeping.folder);
    let recent = folder.map_or_else(Vec::new, |folder| recent_rooms(folder));
    let missing = ids
        .iter()
        .find(|id| recent.iter().all(|room| room.id != **id));
    if let Some(id) = missing {
        printer.note(&format!(
            "There is no recent room with the id “{id}”. “mixdesk recent” lists them."
        ));
    }
    missing.is_none()
}

/// Brings back a room that has ended. Hosting goes on without it where that does not work.
async fn reopen(relay: &Relay, id: &str, as_json: bool, printer: &Printer) -> io::Result<()> {
    match relay.reopen(id.to_owned()).await {
        Ok(room) if as_json => printer.json(&json!({"event": "reopened", "id": id, "room": room})),
        Ok(room) => printer.line(&format!("Brought back: {room}")),
        Err(why) => {
            printer.note(&format!("“{id}” could not be brought back: {why}"));
            Ok(())
        }
    }
}

/// How the session is to show: as the settings say, and the command line.
fn shown(mut settings: Settings, args: &HostArgs) -> Settings {
    let is_open = args.bind.is_none_or(|ip| !ip.is_loopback());
    settings.internet = is_open && (settings.internet || args.internet);
    settings.announce = is_open && settings.announce && !args.no_announce;
    // The window lists the sessions of others; here nobody looks.
    settings.discover = false;
    if let Some(name) = &args.name {
        settings.session_name = Some(name.clone());
    }
    settings
}

/// What others read in their lists.
fn announcement(relay: &Relay, settings: &Settings) -> Announcement {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Announcement {
        name: settings.session(),
        port: relay.address().port(),
        rooms: count(relay.rooms()),
        people: count(relay.peers()),
        asks: relay.asks(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
