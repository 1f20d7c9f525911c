//! The desk's part in the connection: opening it, what happens on it, and its end.

use tokio::sync::watch;
use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::backend::action::Notice;
use crate::backend::compose;
use crate::backend::hosted::Hosted;
use crate::backend::link::{Happened, Link, QUICK};
use crate::backend::opening::{Destination, open, session_failure};
use crate::backend::settings::{DEFAULT_PORT, RECENT_HOSTS};
use crate::backend::view::{Failure, Level, Membership, RoomState, Status};
use crate::net::Target;
use crate::reach::{Announcement, Typed, TypedError, understand};
use crate::relay::Progress;
use crate::session::{Command, Event, Phase, Snapshot};

use super::Desk;

impl Desk {
    pub(super) fn connect(&mut self, host: &str, port: u16) {
        self.disconnect();
        self.view.failure = None;
        self.view.tried = None;
        let destination = match understand(host, port) {
            Ok(Typed::Target(target)) => {
                self.view.settings.host.clone_from(&target.host);
                self.view.settings.port = target.port;
                self.save_soon();
                self.view.tried = (!target.is_local()).then(|| target.to_string());
                Destination::Target(target)
            }
            Ok(Typed::Invite(invite)) => {
                self.view.tried = Some(invite.to_string());
                Destination::Invite(invite)
            }
            Err(error) => return self.fail(host_failure(error)),
        };
        let target = destination.title();
        tracing::info!(target, "connecting");
        self.view.status = Status::Connecting { target };
        // The port of a relay that is being stopped is free only when that is done.
        let mut ending = std::mem::take(&mut self.ending);
        let identity = self.identity();
        let hosting = self.view.settings.hosting(Some(&self.rooms_folder));
        let (progress_in, progress) = watch::channel(Progress::default());
        let task = tokio::spawn(async move {
            while ending.join_next().await.is_some() {}
            open(destination, identity, hosting, &progress_in).await
        });
        self.link = Link::Opening {
            task,
            progress,
            began: std::time::Instant::now(),
            show_at: Instant::now() + QUICK,
        };
    }

    pub(super) fn disconnect(&mut self) {
        self.stop_transfer();
        match std::mem::replace(&mut self.link, Link::Offline) {
            Link::Offline => {}
            Link::Opening { task, .. } => {
                // Not aborted: a relay it may have started must end in order. It reads no more rooms.
                self.ending.spawn(async move {
                    if let Ok(Ok(opened)) = task.await {
                        drop(opened.session);
                        if let Some(relay) = opened.relay {
                            relay.stop().await;
                        }
                    }
                });
            }
            Link::Open { session, .. } => {
                let hosted = self.hosted.take();
                self.ending.spawn(async move {
                    session.stop().await;
                    if let Some(hosted) = hosted {
                        hosted.stop().await;
                    }
                });
                tracing::info!("disconnected");
            }
        }
        self.view.status = Status::Offline;
        self.surroundings.hide();
        self.view.waiting.clear();
        self.view.attempts.clear();
        self.view.rooms.clear();
        self.view.people = 0;
        self.view.membership = Membership::Out;
        self.view.bringing_back = None;
        self.view.keeps_rooms = false;
        self.view.recent_rooms.clear();
        self.view.trouble = None;
    }

    /// Takes in what happened on the link.
    pub(super) fn follow(&mut self, happened: Happened) {
        match happened {
            Happened::Opened(opened) => {
                let opened = *opened;
                self.view.bringing_back = None;
                self.hosted = opened.relay.map(Hosted::new);
                if let Some(hosted) = &self.hosted {
                    hosted.show(&mut self.view);
                    let announcement = Announcement {
                        name: self.view.settings.session(),
                        port: hosted.port(),
                        rooms: 0,
                        people: 0,
                        asks: hosted.asks(),
                        version: env!("CARGO_PKG_VERSION").to_owned(),
                    };
                    self.surroundings.host(announcement, &self.view.settings);
                    let (notice, failure) = hosted.brought_back();
                    if let Some(Notice { level, text }) = notice {
                        self.notice(level, text);
                    }
                    if let Some(failure) = failure {
                        self.fail(failure);
                    }
                }
                if opened.by_invite {
                    self.view.settings.host.clone_from(&opened.target.host);
                    self.view.settings.port = opened.target.port;
                    self.save_soon();
                }
                self.link = Link::Open {
                    target: opened.target,
                    found_here: opened.found_here,
                    room: opened.room,
                    greeted: false,
                    session: opened.session,
                };
                // It may have changed since the session was asked for.
                self.tell_identity();
            }
            Happened::NotOpened(failure) => {
                self.link = Link::Offline;
                self.view.status = Status::Offline;
                self.view.bringing_back = None;
                self.fail(failure);
            }
            Happened::BringsBack(bringing_back) => self.view.bringing_back = Some(bringing_back),
            Happened::Changed(snapshot) => self.take_in(&snapshot),
            Happened::Event(event) => self.tell(event),
            Happened::Ended => {
                self.disconnect();
                self.fail(Failure {
                    what: "The connection ended without a reason.".to_owned(),
                    advice: "Press Connect again. The log says more.".to_owned(),
                });
            }
        }
    }

    fn take_in(&mut self, snapshot: &Snapshot) {
        let Link::Open {
            target,
            found_here,
            greeted,
            room,
            ..
        } = &mut self.link
        else {
            return;
        };
        let (target, found_here) = (target.clone(), *found_here);
        match &snapshot.phase {
            Phase::Connecting => return,
            Phase::Failed(why) => {
                // It may look through all programs for the one that holds the port.
                let failure = block_in_place(|| session_failure(why, found_here));
                self.surroundings.look_again();
                self.disconnect();
                return self.fail(failure);
            }
            // The server goes on for everybody else, and this connection is back within a second.
            Phase::Lost { why, .. } if self.hosted.is_some() => {
                tracing::warn!("our own connection to the server here: {why}");
            }
            Phase::Lost { retry_at, why } => {
                // What is on the relay cannot be seen now. The list stays where it is, so that nothing
                // jumps when the connection is there again.
                for room in &mut self.view.rooms {
                    room.state = RoomState::Unknown;
                    room.members.clear();
                }
                self.view.membership = compose::membership(&snapshot.membership);
                self.view.status = Status::Lost {
                    target: target.to_string(),
                    retry_at: *retry_at,
                    why: session_failure(why, false),
                };
                return;
            }
            Phase::Online => {
                let first = !std::mem::replace(greeted, true);
                if let Some(room) = room.take() {
                    self.ask(Command::Join(room));
                }
                self.view.status = match &self.hosted {
                    Some(hosted) => Status::Hosting {
                        port: hosted.port(),
                    },
                    None => Status::Connected {
                        target: target.to_string(),
                        on_this_computer: target.is_local(),
                    },
                };
                if first && found_here {
                    self.notice(
                        Level::Info,
                        format!(
                            "A server was already running here, on port {}.",
                            target.port
                        ),
                    );
                }
                if first {
                    self.remember_host(&target);
                    // Where it was listed as one that does not answer.
                    self.surroundings.look_again();
                }
            }
        }
        self.view.people = snapshot.clients.len();
        self.view.rooms = compose::rooms(snapshot);
        self.view.membership = compose::membership(&snapshot.membership);
        if let Some(hosted) = &self.hosted {
            hosted.show(&mut self.view);
        }
    }

    fn remember_host(&mut self, target: &Target) {
        let host = if target.port == DEFAULT_PORT {
            target.host.clone()
        } else {
            target.to_string()
        };
        let recent = &mut self.view.settings.recent_hosts;
        recent.retain(|other| *other != host);
        recent.insert(0, host);
        recent.truncate(RECENT_HOSTS);
        self.save_soon();
    }

    fn tell(&mut self, event: Event) {
        let ours = self.view.membership.room().map(str::to_owned);
        let concerns_us = |room: &String| self.hosted.is_some() || ours.as_ref() == Some(room);
        match event {
            Event::PersonEntered { name, room } if concerns_us(&room) => {
                self.notice(Level::Info, format!("{name} joined “{room}”."));
            }
            Event::PersonLeft { name, room } if concerns_us(&room) => {
                self.notice(Level::Info, format!("{name} left “{room}”."));
            }
            Event::Refused(what) => self.fail(Failure {
                what,
                advice: "Nothing was changed.".to_owned(),
            }),
            Event::Told(text) => self.notice(
                Level::Warning,
                format!("A message from the server or somebody connected: {text}"),
            ),
            Event::RoomGone(room) => tracing::info!(room, "gone"),
            Event::Entered(room) => tracing::info!(room, "we are in"),
            Event::Left(room) => tracing::info!(room, "we are out"),
            Event::PersonEntered { .. } | Event::PersonLeft { .. } | Event::RoomCommand { .. } => {}
        }
    }
}

pub(super) fn host_failure(error: TypedError) -> Failure {
    Failure {
        what: format!("{error}."),
        advice: "Type what your colleague sent you, such as 192.168.0.48 or 192.168.0.48:12800."
            .to_owned(),
    }
}
