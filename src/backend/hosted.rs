//! Our own relay as the desk looks after it: its figures, what it writes down, and the rooms that ended.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use super::action::Notice;
use super::reaching::{Attempt, Waiting};
use super::view::{Failure, Flow, Level, RecentRoom, View};
use crate::relay::{self, Directory, GuestError, Guests, Recent, RecentRooms, Relay, plain};

/// How often the relay's figures are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What happens at the door within this time is shown together.
const GATHER: Duration = Duration::from_millis(50);
/// As many rooms are named in a sentence; of the others their number is told.
const NAMED: usize = 5;

/// Our own relay.
#[derive(Debug)]
pub(super) struct Hosted {
    relay: Relay,
    look_at: Instant,
    figures: Figures,
    shelf: RecentRooms,
    /// Rings when a room has come to the recent ones or left them; `None` when rooms are not kept.
    bell: Option<watch::Receiver<()>>,
    /// Rings when somebody waits to be let in, or could not get in.
    guests_bell: watch::Receiver<u64>,
    /// When those are looked at: what comes together is shown together.
    guests_at: Option<Instant>,
    waiting: Vec<Waiting>,
    attempts: Vec<Attempt>,
    /// One at a time, so that the last answer is the newest.
    listing: Option<JoinHandle<Vec<Recent>>>,
    recent: Vec<RecentRoom>,
    /// Those that are on their way back. Their files are no longer among the recent ones.
    reopening: Vec<RecentRoom>,
    tasks: JoinSet<Done>,
}

/// What to do next for the relay.
#[derive(Debug)]
pub(super) enum Turn {
    /// Its figures are to be looked at.
    Look,
    /// Somebody may wait, or may not have got in.
    Guests,
    /// Who does is to be looked at.
    Door,
    /// The recent rooms may be others.
    List,
    /// Those are the recent rooms.
    Listed(Vec<Recent>),
    /// What was asked for has been done, or not.
    Done(Done),
}

/// What came of something that the user asked for.
#[derive(Debug)]
pub(super) struct Done {
    /// The recent room that it is about.
    id: String,
    said: Result<Notice, Failure>,
}

/// The relay's figures as they are shown.
#[derive(Debug, Default)]
struct Figures {
    /// By the id of the client.
    people: HashMap<String, Flow>,
    /// How far behind people were when it was last looked at, by the id of the client.
    lags: HashMap<String, u64>,
    rooms: HashMap<String, RoomFigures>,
    trouble: Option<Failure>,
}

#[derive(Debug)]
struct RoomFigures {
    bytes: u64,
    /// In a second.
    growth_bytes: u64,
    trouble: Option<String>,
}

impl Hosted {
    /// Must be called within a tokio runtime.
    pub(super) fn new(relay: Relay) -> Self {
        let shelf = relay.recent_rooms();
        let mut hosted = Self {
            look_at: Instant::now() + LOOK_EVERY,
            figures: Figures::default(),
            bell: shelf.bell(),
            guests_bell: relay.guests_bell(),
            // Somebody may wait since before the bell was there.
            guests_at: Some(Instant::now()),
            waiting: Vec::new(),
            attempts: Vec::new(),
            shelf,
            listing: None,
            recent: Vec::new(),
            reopening: Vec::new(),
            tasks: JoinSet::new(),
            relay,
        };
        hosted.look();
        hosted.list();
        hosted
    }

    /// Whether somebody new has to wait until the host lets them in.
    pub(super) fn asks(&self) -> bool {
        self.relay.asks()
    }

    /// Lets all in who wait at an address, now and later.
    ///
    /// # Errors
    /// When it is banned, or too many are allowed.
    pub(super) fn let_in(&mut self, address: IpAddr) -> Result<(), GuestError> {
        self.relay.allow(address)?;
        self.waiting.retain(|waiting| waiting.address != address);
        Ok(())
    }

    /// Turns all away who wait at an address.
    pub(super) fn turn_away(&mut self, address: IpAddr) {
        self.relay.deny(address);
        self.waiting.retain(|waiting| waiting.address != address);
    }

    /// What the host has decided about who may come.
    pub(super) fn guests(&self) -> Guests {
        self.relay.guests()
    }

    /// Where it listens.
    pub(super) fn port(&self) -> u16 {
        self.relay.address().port()
    }

    /// What came of bringing back the rooms of the last time.
    pub(super) fn brought_back(&self) -> (Option<Notice>, Option<Failure>) {
        let notice = match self.relay.brought_back() {
            [] => None,
            [room] => Some(format!("Brought back the room “{room}”.")),
            rooms => Some(format!(
                "Brought back {} rooms: {}.",
                rooms.len(),
                named(rooms)
            )),
        };
        let lost = match self.relay.not_brought_back() {
            [] => None,
            [room] => Some(format!(
                "A room could not be brought back: {}.",
                plain(room)
            )),
            rooms => Some(format!(
                "{} rooms could not be brought back: {}.",
                rooms.len(),
                plain(&rooms.join("; "))
            )),
        };
        let repaired = match self.relay.repaired() {
            [] => None,
            [room] => Some(format!(
                "The file of the room “{room}” was damaged: what could be read of it is back."
            )),
            rooms => Some(format!(
                "The files of {} rooms were damaged: what could be read of them is back ({}).",
                rooms.len(),
                named(rooms)
            )),
        };
        let failures: Vec<_> = lost.into_iter().chain(repaired).collect();
        let folder = self.folder();
        (
            notice.map(info),
            (!failures.is_empty()).then(|| Failure {
                what: failures.join(" "),
                advice: format!(
                    "Nothing was deleted: what there is of it is in {folder}. The log says more."
                ),
            }),
        )
    }

    /// Waits for what is to be done next. Cancel safe.
    pub(super) async fn next(&mut self) -> Turn {
        let lists = self.listing.is_some();
        let rung = async {
            match &mut self.bell {
                // What it rings for meanwhile may come too late to be listed, so it is done again then.
                Some(bell) if !lists => bell.changed().await,
                _ => std::future::pending().await,
            }
        };
        let guests_at = self.guests_at;
        let guests = async {
            match guests_at {
                Some(then) => sleep_until(then).await,
                None => std::future::pending().await,
            }
        };
        let listed = async {
            match &mut self.listing {
                Some(listing) => listing.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            list = listed => {
                self.listing = None;
                Turn::Listed(list.unwrap_or_else(|error| {
                    tracing::error!("looking for recent rooms ended badly: {error}");
                    Vec::new()
                }))
            }
            Ok(()) = rung => Turn::List,
            Ok(()) = self.guests_bell.changed(), if self.guests_at.is_none() => Turn::Guests,
            () = guests => Turn::Door,
            Some(Ok(done)) = self.tasks.join_next() => Turn::Done(done),
            () = sleep_until(self.look_at) => Turn::Look,
        }
    }

    /// Does it. What there is to say of it.
    pub(super) fn take(&mut self, turn: Turn) -> Option<Result<Notice, Failure>> {
        match turn {
            Turn::Look => return self.look().map(Ok),
            Turn::Guests => self.guests_at = Some(Instant::now() + GATHER),
            Turn::Door => {
                self.guests_at = None;
                self.waiting = self.relay.waiting().iter().map(waiting).collect();
                let attempts = self.relay.attempts();
                self.attempts = attempts.iter().rev().map(attempt).collect();
            }
            Turn::List => self.list(),
            Turn::Listed(list) => {
                self.recent = list.into_iter().map(recent_room).collect();
            }
            Turn::Done(Done { id, said }) => {
                self.reopening.retain(|room| room.id != id);
                return Some(said);
            }
        }
        None
    }

    /// Shows what is known beyond what the relay tells everybody.
    pub(super) fn show(&self, view: &mut View) {
        for room in &mut view.rooms {
            let figures = self.figures.rooms.get(&room.name);
            room.growth_bytes = figures.map_or(0, |figures| figures.growth_bytes);
            room.trouble = figures.and_then(|figures| figures.trouble.clone());
            for person in &mut room.members {
                person.flow = self.figures.people.get(&person.id).copied();
            }
        }
        view.waiting.clone_from(&self.waiting);
        view.attempts.clone_from(&self.attempts);
        view.keeps_rooms = self.bell.is_some() && self.relay.trouble().is_none();
        view.trouble.clone_from(&self.figures.trouble);
        let is_back = |room: &&RecentRoom| self.reopening.iter().all(|back| back.id != room.id);
        view.recent_rooms = self.reopening.clone();
        view.recent_rooms
            .extend(self.recent.iter().filter(is_back).cloned());
        view.recent_rooms
            .sort_by(|one, other| (other.ended, &other.id).cmp(&(one.ended, &one.id)));
    }

    /// Looks at the relay's figures. What there is to say.
    fn look(&mut self) -> Option<Notice> {
        self.look_at = Instant::now() + LOOK_EVERY;
        let was_in_trouble = self.figures.trouble.is_some();
        let directory = self.relay.directory();
        let trouble = self.trouble(&directory);
        self.figures = self.figures.next(directory, trouble);
        (was_in_trouble && self.figures.trouble.is_none()).then(|| {
            info("All rooms are written to the disk again. Nothing is missing.".to_owned())
        })
    }

    /// Why rooms are not written down.
    fn trouble(&self, directory: &Directory) -> Option<Failure> {
        if let Some(why) = self.relay.trouble() {
            return Some(Failure {
                what: format!("Rooms are not kept: {}.", plain(why)),
                advice: "They are in memory only, and are lost if Mixdesk ends before this is put right; they are \
                         written down as soon as it is. Save a copy… keeps a room meanwhile."
                    .to_owned(),
            });
        }
        let alive = directory
            .rooms
            .iter()
            .filter_map(|room| Some((&room.name, room.trouble.as_deref()?)));
        let ended = directory.ended_in_trouble.iter();
        let mut failing = alive.chain(ended.map(|(name, why)| (name, why.as_str())));
        let Some((name, why)) = failing.next() else {
            return self.lost(directory);
        };
        let which = match failing.count() {
            0 => format!("The room “{name}” is"),
            others => format!("{} rooms are", others + 1),
        };
        Some(Failure {
            what: format!("{which} not written to the disk: {}.", plain(why)),
            advice: format!(
                "Make space on the disk of {}, and see that it can be written to. Until then keep Mixdesk running; \
                 Save a copy… keeps a room elsewhere.",
                self.folder()
            ),
        })
    }

    /// What was lost of rooms that ended in such a time.
    fn lost(&self, directory: &Directory) -> Option<Failure> {
        let (name, why) = directory.lost.last()?;
        Some(Failure {
            what: format!(
                "The room “{name}” ended while its file could not be written ({}), and its last edits are lost.",
                plain(why)
            ),
            advice: format!(
                "What was written before is under Recent rooms. Make space on the disk of {}, and see that it can \
                 be written to.",
                self.folder()
            ),
        })
    }

    /// Looks for the recent rooms, on another thread.
    fn list(&mut self) {
        let shelf = self.shelf.clone();
        self.listing = Some(spawn_blocking(move || shelf.list()));
    }

    /// Starts to bring back a room that has ended.
    pub(super) fn reopen(&mut self, id: String) {
        let Some(room) = self.recent.iter().find(|room| room.id == id) else {
            return;
        };
        if self.reopening.iter().any(|back| back.id == id) {
            return;
        }
        let name = room.name.clone();
        self.reopening.push(RecentRoom {
            reopening: true,
            ..room.clone()
        });
        let (reopening, folder) = (self.relay.reopen(id.clone()), self.folder());
        self.tasks.spawn(async move {
            let said = match reopening.await {
                Ok(name) => Ok(info(format!("“{name}” is open again."))),
                Err(why) => Err(Failure {
                    what: format!("“{name}” could not be brought back: {}.", plain(&why)),
                    advice: format!("Its file is kept in {folder}. The log says more."),
                }),
            };
            Done { id, said }
        });
    }

    /// Starts to remove a room that has ended, for good.
    pub(super) fn forget(&mut self, id: String) {
        let name = self.recent.iter().find(|room| room.id == id);
        let name = name.map_or_else(|| id.clone(), |room| room.name.clone());
        let (shelf, folder) = (self.shelf.clone(), self.folder());
        self.tasks.spawn_blocking(move || {
            let said = match shelf.forget(&id) {
                Ok(()) => Ok(info(format!("“{name}” was removed."))),
                Err(error) => Err(Failure {
                    what: format!(
                        "“{name}” could not be removed: {}.",
                        plain(&error.to_string())
                    ),
                    advice: format!("Its file is {id}, in {folder}."),
                }),
            };
            Done { id, said }
        });
    }

    /// Ends the relay in order. Rooms that are on their way back come first: else nobody would put them
    /// aside again.
    pub(super) async fn stop(mut self) {
        while self.tasks.join_next().await.is_some() {}
        self.relay.stop().await;
    }

    fn folder(&self) -> String {
        let folder = self.relay.rooms_folder().unwrap_or(Path::new(""));
        folder.display().to_string()
    }
}

impl Figures {
    fn next(&self, directory: Directory, trouble: Option<Failure>) -> Self {
        let mut next = Self {
            trouble,
            ..Self::default()
        };
        for peer in directory.peers {
            // Everybody is a little behind at any moment: it counts when it lasts.
            let before = self.lags.get(&peer.client_id).copied().unwrap_or_default();
            let flow = Flow {
                from_bytes: peer.bytes_in,
                to_bytes: peer.bytes_out,
                lag_bytes: if before > 0 { peer.lag_bytes } else { 0 },
                refusals: peer.refusals,
            };
            next.lags.insert(peer.client_id.clone(), peer.lag_bytes);
            next.people.insert(peer.client_id, flow);
        }
        for room in directory.rooms {
            let before = self.rooms.get(&room.name);
            let figures = RoomFigures {
                bytes: room.bytes,
                growth_bytes: before.map_or(0, |before| room.bytes.saturating_sub(before.bytes)),
                trouble: room.trouble,
            };
            next.rooms.insert(room.name, figures);
        }
        next
    }
}

fn recent_room(recent: Recent) -> RecentRoom {
    RecentRoom {
        id: recent.id,
        name: recent.room,
        size_bytes: recent.bytes,
        ended: recent.ended,
        reopening: false,
    }
}

fn waiting(waiting: &relay::Waiting) -> Waiting {
    Waiting {
        address: waiting.address,
        since: waiting.since,
    }
}

fn attempt(attempt: &relay::Attempt) -> Attempt {
    Attempt {
        address: attempt.address.to_string(),
        why: attempt.why.to_string(),
        at: attempt.at,
        times: attempt.count,
    }
}

fn info(text: String) -> Notice {
    Notice {
        level: Level::Info,
        text,
    }
}

/// Rooms by name, not all of many: `A, B and 12 more`.
fn named(rooms: &[String]) -> String {
    let shown: Vec<_> = rooms.iter().take(NAMED).map(String::as_str).collect();
    let shown = shown.join(", ");
    match rooms.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::relay::{self, PeerFigures};

    #[test]
    fn of_many_rooms_some_are_named() {
        let rooms: Vec<_> = (1..=7).map(|number| format!("R{number}")).collect();
        assert_eq!(named(&rooms[..2]), "R1, R2");
        assert_eq!(named(&rooms), "R1, R2, R3, R4, R5 and 2 more");
    }

    fn directory(room_bytes: u64, lag_bytes: u64) -> Directory {
        Directory {
            peers: vec![PeerFigures {
                client_id: "10.0.0.1:5".to_owned(),
                name: None,
                room: None,
                since: SystemTime::UNIX_EPOCH,
                bytes_in: 3,
                bytes_out: 4,
                lag_commands: 1,
                lag_bytes,
                refusals: 2,
            }],
            rooms: vec![relay::RoomFigures {
                name: "R".to_owned(),
                members: 1,
                commands: 1,
                bytes: room_bytes,
                memory_bytes: 0,
                trouble: None,
            }],
            ended_in_trouble: Vec::new(),
            lost: Vec::new(),
        }
    }

    #[test]
    fn growth_and_lag_are_told_from_two_looks() {
        let first = Figures::default().next(directory(1_000, 50), None);
        assert_eq!(first.rooms["R"].growth_bytes, 0);
        assert_eq!(first.people["10.0.0.1:5"].lag_bytes, 0);
        let second = first.next(directory(1_500, 70), None);
        assert_eq!(second.rooms["R"].growth_bytes, 500);
        assert_eq!(second.people["10.0.0.1:5"].lag_bytes, 70);
        assert_eq!(second.people["10.0.0.1:5"].refusals, 2);
        let third = second.next(directory(900, 0), None);
        assert_eq!(third.rooms["R"].growth_bytes, 0);
        assert_eq!(third.people["10.0.0.1:5"].lag_bytes, 0);
    }
}
