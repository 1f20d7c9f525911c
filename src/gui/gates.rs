//! What can be done with a room now, and else why not, in the words of the tooltip.

use crate::backend::{Membership, RecentRoom, Room, RoomState, Status, View};

const NOT_CONNECTED: &str = "Not connected at the moment";
const NO_ROOM: &str = "Select a room first";
const UPLOADING: &str = "Its maker is still sending the scene";

/// Whether something can be done; else why not.
pub(crate) type Gate = Result<(), String>;

/// Requests about rooms in general.
pub(crate) fn online(view: &View) -> Gate {
    if view.status.is_online() {
        Ok(())
    } else {
        no(NOT_CONNECTED)
    }
}

/// Join Room.
pub(crate) fn join(view: &View, room: Option<&Room>) -> Gate {
    let room = filled(view, room)?;
    match &view.membership {
        Membership::Out => Ok(()),
        Membership::Creating { room } => no(&format!("Wait until {room} is made")),
        Membership::Leaving { room } => no(&format!("Wait until you have left {room}")),
        Membership::Joining { room: inside, .. } | Membership::In { room: inside }
            if *inside == room.name =>
        {
            no("You are in this room")
        }
        Membership::Joining { room, .. } | Membership::In { room } => {
            no(&format!("Leave {room} first"))
        }
    }
}

/// Connect, to a session announced on this network.
pub(crate) fn connect_nearby(view: &View) -> Gate {
    match &view.status {
        Status::Offline => Ok(()),
        Status::Connecting { .. } | Status::Lost { .. } => no("Press Stop first"),
        Status::Hosting { .. } => no("Stop hosting first"),
        Status::Connected { .. } => no("Disconnect first"),
    }
}

/// Leave Room.
pub(crate) fn leave(view: &View) -> Gate {
    online(view)?;
    match &view.membership {
        Membership::In { .. } | Membership::Joining { .. } => Ok(()),
        Membership::Leaving { .. } => no("You are already leaving"),
        Membership::Creating { room } => no(&format!("Wait until {room} is made")),
        Membership::Out => no("You are in no room"),
    }
}

/// Open in Blender.
pub(crate) fn open_in_blender(view: &View, room: Option<&Room>) -> Gate {
    filled(view, room)?;
    if view.blender.is_none() {
        return no("No Blender was found on this computer");
    }
    Ok(())
}

/// Copy invite, to a room.
pub(crate) fn invite(room: Option<&Room>, there_is_one: bool) -> Gate {
    match room {
        None => no(NO_ROOM),
        Some(_) if !there_is_one => no("There is no address to invite to"),
        Some(_) => Ok(()),
    }
}

/// Save a copy….
pub(crate) fn save(view: &View, room: Option<&Room>) -> Gate {
    let room = filled(view, room)?;
    if room.members.is_empty() && !room.keep_open {
        return no(
            "Tick Keep open first: nobody is in this room, and it ends when the copy is made",
        );
    }
    no_transfer(view)
}

/// Restore from file….
pub(crate) fn restore(view: &View) -> Gate {
    online(view)?;
    no_transfer(view)
}

/// Keep open.
pub(crate) fn keep_open(view: &View, room: Option<&Room>) -> Gate {
    online(view)?;
    match room {
        None => no(NO_ROOM),
        Some(room) if room.keep_open && room.members.is_empty() => {
            no("Nobody is in this room: use Delete to end it")
        }
        Some(_) => Ok(()),
    }
}

/// Delete.
pub(crate) fn delete(view: &View, room: Option<&Room>) -> Gate {
    online(view)?;
    match room {
        None => no(NO_ROOM),
        Some(room) if room.state == RoomState::Empty && room.members.is_empty() => Ok(()),
        Some(_) => no("Only an empty room can be deleted"),
    }
}

/// Reopen.
pub(crate) fn reopen(view: &View, recent: &RecentRoom) -> Gate {
    online(view)?;
    if view.rooms.iter().any(|room| room.name == recent.name) {
        return no("There is a room with this name: delete that one first");
    }
    Ok(())
}

/// Create, with the name typed.
pub(crate) fn create(view: &View, name: &str) -> Gate {
    online(view)?;
    let name = name.trim();
    if name.is_empty() {
        return no("Type a name for the room first");
    }
    if view.rooms.iter().any(|room| room.name == name) {
        return no("There is a room with this name");
    }
    if view.membership != Membership::Out {
        let room = view.membership.room().unwrap_or_default();
        return no(&format!("Leave {room} first"));
    }
    Ok(())
}

fn filled<'a>(view: &View, room: Option<&'a Room>) -> Result<&'a Room, String> {
    online(view)?;
    match room {
        None => Err(NO_ROOM.to_owned()),
        Some(room) if room.state == RoomState::Uploading || !room.joinable => {
            Err(UPLOADING.to_owned())
        }
        Some(room) => Ok(room),
    }
}

fn no_transfer(view: &View) -> Gate {
    if view.transfer.is_some() {
        no("Wait until the other save or restore is done, or stop it")
    } else {
        Ok(())
    }
}

fn no(why: &str) -> Gate {
    Err(why.to_owned())
}
