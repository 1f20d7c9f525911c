//! `mixdesk host`: a relay in the terminal.

use std::io;
use std::net::{IpAddr, SocketAddr};

use serde_json::json;

use tokio::sync::watch;

use super::{Exit, HostArgs, commands, print};
use crate::backend::{Folders, Hosting, Settings, host as start_relay, port_failure};
use crate::net::{Bind, raise_open_files};
use crate::protocol::DEFAULT_PORT;
use crate::reach::{self, Address};
use crate::relay::{Guests, Progress, Relay, recent_rooms};

/// Hosts until `quit` resolves. What the host decides about guests is kept in `folders`, if there are
/// any.
pub async fn host(
    args: &HostArgs,
    settings: Settings,
    folders: Option<&Folders>,
    quit: impl Future<Output = ()>,
) -> Exit {
    let hosting = settings.hosting(folders.map(|folders| folders.rooms.as_path()));
    if !are_recent(&args.reopen, &hosting) {
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
            print::note(&format!("{} {}", failure.what, failure.advice));
            return Exit::Failed;
        }
    };
    let port = relay.address().port();
    if let Some(why) = relay.trouble() {
        print::note(&format!(
            "Rooms are kept in memory only, and are lost when this program ends: {why}."
        ));
    }
    for lost in relay.not_brought_back() {
        print::note(&format!("A room could not be brought back: {lost}."));
    }
    if !relay.brought_back().is_empty() {
        print::note(&format!(
            "Brought back: {}.",
            relay.brought_back().join(", ")
        ));
    }
    for id in &args.reopen {
        if reopen(&relay, id, args.json).await.is_err() {
            return Exit::Failed;
        }
    }
    let mut addresses = reach::addresses();
    if let Some(ip) = args.bind {
        let family = ip.is_unspecified();
        addresses
            .retain(|address| address.ip == ip || family && address.ip.is_ipv4() == ip.is_ipv4());
    }
    if show(args.json, port, &addresses).is_err() {
        return Exit::Failed;
    }
    let keep = |guests: Guests| {
        if let Some(Err(error)) = folders.map(|folders| folders.keep_guests(guests)) {
            print::note(&format!(
                "Your settings could not be kept, so this holds only as long as you host: {error}."
            ));
        }
    };
    tokio::select! {
        () = quit => {}
        () = commands::attend(&relay, args.json, keep) => {}
    }
    print::note("Ending: everybody gets what is ready for them.");
    relay.stop().await;
    Exit::Done
}

/// Whether all of these are recent rooms; says which is not.
fn are_recent(ids: &[String], hosting: &Hosting) -> bool {
    if ids.is_empty() {
        return true;
    }
    let folder = hosting.keeping.as_ref().map(|keeping| &keeping.folder);
    let recent = folder.map_or_else(Vec::new, |folder| recent_rooms(folder));
    let missing = ids
        .iter()
        .find(|id| recent.iter().all(|room| room.id != **id));
    if let Some(id) = missing {
        print::note(&format!(
            "There is no recent room with the id “{id}”. “mixdesk recent” lists them."
        ));
    }
    missing.is_none()
}

/// Brings back a room that has ended. Hosting goes on without it where that does not work.
async fn reopen(relay: &Relay, id: &str, as_json: bool) -> io::Result<()> {
    match relay.reopen(id.to_owned()).await {
        Ok(room) if as_json => print::json(&json!({"event": "reopened", "id": id, "room": room})),
        Ok(room) => print::line(&format!("Brought back: {room}")),
        Err(why) => {
            print::note(&format!("“{id}” could not be brought back: {why}"));
            Ok(())
        }
    }
}

/// An address as a colleague types it, with the port only where it must be told.
fn shared(ip: IpAddr, port: u16) -> String {
    if port == DEFAULT_PORT {
        ip.to_string()
    } else {
        SocketAddr::new(ip, port).to_string()
    }
}

fn show(as_json: bool, port: u16, addresses: &[Address]) -> io::Result<()> {
    if as_json {
        let addresses: Vec<_> = addresses
            .iter()
            .map(|address| {
                json!({
                    "address": address.ip.to_string(),
                    "label": address.kind.label(),
                    "for_colleagues": address.kind.for_colleagues(),
                })
            })
            .collect();
        return print::json(&json!({"event": "hosting", "port": port, "addresses": addresses}));
    }
    print::line(&format!("Hosting on port {port}."))?;
    match addresses
        .first()
        .filter(|address| address.kind.for_colleagues())
    {
        Some(best) => print::line(&format!(
            "Give this address to your colleagues: {}",
            shared(best.ip, port)
        ))?,
        None => print::line("No network was found: only this computer can connect, to localhost.")?,
    }
    for address in addresses {
        print::line(&format!(
            "  {:<40} {}",
            address.ip.to_string(),
            address.kind.label()
        ))?;
    }
    print::line("Press Ctrl-C to stop, type help for what else you can do.")
}
