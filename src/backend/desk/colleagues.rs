//! The desk's part in how colleagues and we reach each other: who is around, invites, and what keeps people out.

use crate::backend::around;
use crate::backend::doctor::{Finding, HostExam, examine_guest, examine_host, examine_invite};
use crate::backend::examination::Examination;
use crate::backend::hosted::Hosted;
use crate::backend::link::Link;
use crate::backend::opening::Destination;
use crate::backend::settings::DEFAULT_PORT;
use crate::backend::view::{Failure, Status};
use crate::reach::{Typed, understand};
use crate::session::Command;

use super::Desk;
use super::connection::host_failure;

impl Desk {
    /// Shows what is around, and lets others know what is here.
    pub(super) fn look_around(&mut self) {
        self.view.nearby = around::nearby(&self.surroundings);
        self.view.share = None;
        if let Some(hosted) = &self.hosted {
            let session = self.view.settings.session();
            self.view.share = Some(around::share(&self.surroundings, session, hosted.port()));
            let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            let (rooms, people) = (count(self.view.rooms.len()), count(self.view.people));
            self.surroundings.tell(rooms, people, hosted.asks());
        }
    }

    /// Keeps settings about how we show, and does what they say.
    pub(super) fn show_as_set(&mut self) {
        self.save_soon();
        self.surroundings.follow(&self.view.settings);
    }

    /// Connects to a session announced on this network, if it still is.
    pub(super) fn connect_nearby(&mut self, id: &str) {
        let found = self.view.nearby.hosts.iter().find(|host| host.id == id);
        match found.map(|host| host.address.clone()) {
            Some(address) => self.connect(&address, DEFAULT_PORT),
            None => self.fail(Failure {
                what: "This session is no longer announced on this network.".to_owned(),
                advice: "Ask your colleague whether it has ended, or type the address.".to_owned(),
            }),
        }
    }

    /// Follows an invite that was opened elsewhere, where nothing is lost by that.
    pub(super) fn invited(&mut self, invite: &str) {
        self.view.attention += 1;
        match &self.link {
            Link::Offline => self.connect(invite, DEFAULT_PORT),
            link @ (Link::Opening { .. } | Link::Open { .. }) => {
                let invite = match understand(invite, DEFAULT_PORT) {
                    Ok(Typed::Invite(invite)) => invite,
                    Ok(Typed::Target(_)) => return,
                    Err(error) => return self.fail(host_failure(error)),
                };
                if let (Link::Open { target, .. }, Some(room)) = (link, &invite.room)
                    && invite.targets().contains(target)
                {
                    return self.ask(Command::Join(room.clone()));
                }
                let session = Destination::Invite(invite).title();
                let (is_busy, way_out) = match &self.view.status {
                    Status::Hosting { .. } => ("hosts", "Press Stop hosting"),
                    Status::Connected { .. } => ("is connected", "Press Disconnect"),
                    Status::Offline | Status::Connecting { .. } | Status::Lost { .. } => {
                        ("is connecting", "Press Stop")
                    }
                };
                let what =
                    format!("You opened an invite to {session} while this window {is_busy}.");
                self.fail(Failure {
                    what,
                    advice: format!("{way_out}, then open the invite again."),
                });
            }
        }
    }

    /// Checks the connection to a host, or whether this computer can be reached.
    pub(super) fn examine(&mut self, host: Option<String>) {
        let understood = host
            .as_deref()
            .map(|host| understand(host, self.view.settings.port));
        let findings = match understood {
            Some(Err(error)) => return self.fail(host_failure(error)),
            Some(Ok(Typed::Invite(invite))) => examine_invite(invite),
            Some(Ok(Typed::Target(target))) if !target.is_local() => examine_guest(target),
            // What is on this computer is looked at from the host's side.
            Some(Ok(Typed::Target(_))) | None => examine_host(HostExam {
                port: self
                    .hosted
                    .as_ref()
                    .map_or(self.view.settings.port, Hosted::port),
                starts_relay: self.hosted.is_none(),
                mapping: self.surroundings.mapping(),
                asks_router: true,
                guests: self.view.settings.guests.clone(),
            }),
        };
        self.view.doctor = Some(Examination::begun(host));
        self.findings = Some(findings);
    }

    /// Takes in what the check has found; `None` ends it.
    pub(super) fn found(&mut self, finding: Option<Finding>) {
        if finding.is_none() {
            self.findings = None;
        }
        if let Some(doctor) = &mut self.view.doctor {
            doctor.running = finding.is_some();
            doctor.findings.extend(finding.map(around::finding));
        }
    }
}
