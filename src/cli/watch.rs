//! `mixdesk watch`: what happens in a room.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::args::WatchArgs;
use super::rooms::connect;
use super::{Exit, place, print};
use crate::backend::{Settings, words};
use crate::protocol::{Kind, attribute};
use crate::session::{Command, Config, Event, Identity, Phase, Session, Snapshot, person_name};

/// How often traffic is summed up.
const SUM_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn watch(
    args: &WatchArgs,
    settings: &Settings,
    quit: impl Future<Output = ()>,
) -> Exit {
    let identity = Identity {
        name: format!("{} (watching)", settings.name),
        color: settings.color,
    };
    let Some(room) = args.room.clone().or_else(|| place::room(&args.place)) else {
        print::note("Which room? Give its name after the host, or an invite to a room.");
        return Exit::NoRoom;
    };
    let target = match place::find(&args.place).await {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let config = Config {
        reports_commands: true,
        ..Config::new(target.clone(), identity)
    };
    let (mut session, snapshot) = match connect(config).await {
        Ok(connected) => connected,
        Err(exit) => return exit,
    };
    if !snapshot.rooms.contains_key(&room) {
        print::note(&format!("There is no room “{room}” at {target}."));
        return Exit::NoRoom;
    }
    session.command(Command::Join(room.clone()));
    let mut story = Story {
        json: args.json,
        room,
        sums: Sums::default(),
    };
    let exit = tokio::select! {
        exit = story.follow(&mut session) => exit.unwrap_or(Exit::Failed),
        () = quit => Exit::Done,
    };
    session.stop().await;
    exit
}

/// What came by since the last sum.
#[derive(Debug, Default)]
struct Sums {
    commands: u64,
    bytes: u64,
    replayed_commands: u64,
    replayed_bytes: u64,
    /// The last kind, to give an idea.
    last: Option<Kind>,
}

struct Story {
    json: bool,
    room: String,
    sums: Sums,
}

impl Story {
    async fn follow(&mut self, session: &mut Session) -> io::Result<Exit> {
        let mut sum_at: Option<Instant> = None;
        let mut lost = false;
        let (snapshots, events) = session.parts();
        loop {
            let sum = async {
                match sum_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = events.recv() => {
                    let Some(event) = event else { return Ok(Exit::NoConnection) };
                    if matches!(event, Event::RoomCommand { .. }) && sum_at.is_none() {
                        sum_at = Some(Instant::now() + SUM_EVERY);
                    }
                    let snapshot = snapshots.borrow().clone();
                    if let Some(exit) = self.tell(event, &snapshot)? {
                        return Ok(exit);
                    }
                }
                () = sum => {
                    sum_at = None;
                    self.sum_up()?;
                }
                changed = snapshots.changed() => {
                    if changed.is_err() {
                        return Ok(Exit::NoConnection);
                    }
                    let snapshot = snapshots.borrow_and_update().clone();
                    match &snapshot.phase {
                        Phase::Lost { why, .. } if !lost => {
                            lost = true;
                            print::note(&format!("{why} Trying again."));
                        }
                        Phase::Online if lost => {
                            lost = false;
                            print::note("Connected again.");
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    fn tell(&mut self, event: Event, snapshot: &Snapshot) -> io::Result<Option<Exit>> {
        match event {
            Event::RoomCommand {
                kind,
                bytes,
                replayed,
            } => {
                let bytes = bytes as u64;
                if replayed {
                    self.sums.replayed_commands += 1;
                    self.sums.replayed_bytes += bytes;
                } else {
                    self.sums.commands += 1;
                    self.sums.bytes += bytes;
                    self.sums.last = Some(kind);
                }
            }
            Event::Entered(room) if room == self.room => {
                self.sum_up()?;
                let people: Vec<_> = snapshot
                    .clients
                    .iter()
                    .filter(|(id, client)| {
                        client.text(attribute::ROOM).as_ref() == Some(&self.room)
                            && snapshot.me.as_ref() != Some(id)
                    })
                    .map(|(id, client)| person_name(id, client))
                    .collect();
                self.say(
                    &json!({"event": "entered", "room": room, "people": people}),
                    &format!("In “{room}”. People here: {}.", list(&people)),
                )?;
            }
            Event::PersonEntered { name, room } if room == self.room => {
                self.say(
                    &json!({"event": "person-entered", "name": name}),
                    &format!("{} joined.", print::name(&name)),
                )?;
            }
            Event::PersonLeft { name, room } if room == self.room => {
                self.say(
                    &json!({"event": "person-left", "name": name}),
                    &format!("{} left.", print::name(&name)),
                )?;
            }
            Event::Told(text) => {
                self.say(
                    &json!({"event": "told", "text": text}),
                    &format!("The server says: {text}"),
                )?;
            }
            Event::Refused(why) => {
                print::note(&why);
                return Ok(Some(Exit::NoRoom));
            }
            Event::Left(room) if room == self.room => {
                self.say(&json!({"event": "ended"}), &format!("“{room}” has ended."))?;
                return Ok(Some(Exit::Done));
            }
            _ => {}
        }
        Ok(None)
    }

    fn sum_up(&mut self) -> io::Result<()> {
        let sums = std::mem::take(&mut self.sums);
        if sums.replayed_commands > 0 {
            self.say(&json!({"event": "history", "commands": sums.replayed_commands, "bytes": sums.replayed_bytes}),
                &format!("History: {} commands, {}.", sums.replayed_commands, words::bytes(sums.replayed_bytes)),
            )?;
        }
        if sums.commands > 0 {
            let last = sums.last.map(|kind| kind.to_string()).unwrap_or_default();
            self.say(&json!({"event": "traffic", "commands": sums.commands, "bytes": sums.bytes, "last": last}),
                &format!("{} commands, {}, the last a {last}.", sums.commands, words::bytes(sums.bytes)),
            )?;
        }
        Ok(())
    }

    fn say(&self, object: &Value, words: &str) -> io::Result<()> {
        if self.json {
            print::json(object)
        } else {
            print::line(words)
        }
    }
}

fn list(people: &[String]) -> String {
    if people.is_empty() {
        return "nobody else".to_owned();
    }
    let people: Vec<_> = people.iter().map(|name| print::name(name)).collect();
    people.join(", ")
}
