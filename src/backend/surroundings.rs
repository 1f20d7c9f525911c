//! What is around: this computer's addresses, the sessions on its networks, and the router.
//!
//! One place for the tasks of `reach/`, for the window and the terminal. The router and the internet are asked only
//! when the host wants that.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::settings::Settings;
use crate::reach::mapping::Wanted;
use crate::reach::{
    Address, AddressWatch, Announcement, Announcer, Browser, Found, Invite, Mapping, MappingState,
    StunError, outside_by_stun,
};

/// How long servers on the internet may take to tell how they see us.
const STUN_PATIENCE: Duration = Duration::from_secs(3);

/// How long the program's end waits for what others see of us to be taken back.
const LEAVE_PATIENCE: Duration = Duration::from_secs(2);

/// What is around. Ends what it has started when it is dropped; [`leave`](Self::leave) waits for that.
#[derive(Debug)]
pub struct Surroundings {
    addresses: AddressWatch,
    now: Arc<[Address]>,
    sessions: Sessions,
    presence: Option<Presence>,
    settings: Settings,
    /// The only address that our relay listens on, if it is not all of them.
    only: Option<IpAddr>,
    /// Where a mapping is remembered over a crash.
    memory: Option<PathBuf>,
    /// What is being taken back.
    ending: Ending,
}

/// What is being taken back. Only when that is done something new of the sort begins: a late goodbye would take the
/// new one back as well.
#[derive(Debug, Default)]
struct Ending {
    announcers: JoinSet<()>,
    mappings: JoinSet<()>,
}

/// The sessions on this computer's networks.
#[derive(Debug)]
enum Sessions {
    /// They are looked for.
    Listed {
        browser: Browser,
        found: watch::Receiver<Arc<[Found]>>,
    },
    /// They are not, because of this.
    Unlisted(String),
}

/// How our own session shows, while we host.
#[derive(Debug)]
struct Presence {
    announcement: Announcement,
    announced: Announced,
    mapping: Option<(Mapping, watch::Receiver<MappingState>)>,
    public: Public,
    asking: Option<AbortOnDropHandle<Result<IpAddr, StunError>>>,
}

#[derive(Debug)]
enum Announced {
    /// As the host wants it.
    No,
    Yes(Announcer),
    /// It does not work, because of this.
    Failed(String),
}

/// This network's address as the internet sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Public {
    /// Nobody has asked.
    #[default]
    NotAsked,
    /// A server is being asked.
    Asking,
    /// What it said.
    Known(IpAddr),
    /// What went wrong, and what to do, as sentences.
    Unknown(String, String),
}

impl Surroundings {
    /// Begins to look around. `memory`: a file that remembers what the router was asked for, over a crash. Must be
    /// called within a tokio runtime.
    #[must_use]
    pub fn start(settings: &Settings, memory: Option<PathBuf>) -> Self {
        Self {
            addresses: AddressWatch::start(),
            now: Arc::default(),
            sessions: Sessions::start(settings),
            presence: None,
            settings: settings.clone(),
            only: None,
            memory,
            ending: Ending::default(),
        }
    }

    /// Waits until something of it has changed. Cancel safe.
    pub async fn changed(&mut self) {
        let found = async {
            match &mut self.sessions {
                Sessions::Listed { found, .. } => changed(found).await,
                Sessions::Unlisted(_) => std::future::pending().await,
            }
        };
        let presence = async {
            match &mut self.presence {
                Some(presence) => presence.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.addresses.changed() => {
                let before = self.ways_out();
                self.take_addresses();
                self.look_again();
                let is_elsewhere = self.ways_out() != before;
                if let Some(presence) = &mut self.presence {
                    // It was the address of another network, perhaps.
                    if is_elsewhere && matches!(presence.public, Public::Known(_)) {
                        presence.public = Public::NotAsked;
                    }
                    if let Some((mapping, _)) = &presence.mapping {
                        mapping.look_again();
                    }
                }
            }
            () = found => {}
            () = presence => {}
            Some(_) = self.ending.announcers.join_next() => self.begin(),
            Some(_) = self.ending.mappings.join_next() => self.begin(),
        }
    }

    /// Our relay listens on this address only, if it does not on all: others are of no use to anybody.
    pub fn listens_on(&mut self, only: Option<IpAddr>) {
        self.only = only;
        self.take_addresses();
    }

    fn take_addresses(&mut self) {
        let all = self.addresses.now();
        let Some(only) = self.only else {
            self.now = all;
            return;
        };
        // All (who listens on `::` is reached by IPv4 too), all of IPv4, or one.
        let fits =
            |ip: IpAddr| ip == only || only.is_unspecified() && (only.is_ipv6() || ip.is_ipv4());
        self.now = all.iter().filter(|one| fits(one.ip)).cloned().collect();
    }

    /// What our address on the internet depends on.
    fn ways_out(&self) -> Vec<IpAddr> {
        let all = self.now.iter();
        all.filter(|one| one.ip.is_ipv4() && one.kind.for_colleagues())
            .map(|one| one.ip)
            .collect()
    }

    /// The interfaces that nothing is announced on.
    fn hidden(&self) -> Vec<String> {
        let mut hidden = self.settings.hidden_interfaces.clone();
        let all = self.addresses.now();
        let useless = all.iter().filter(|one| {
            let same = |other: &&Address| other.interface == one.interface;
            !self.now.iter().any(|other| same(&other))
        });
        hidden.extend(useless.map(|one| one.interface.clone()));
        hidden
    }

    /// We host from now on.
    pub fn host(&mut self, announcement: Announcement, settings: &Settings) {
        self.hide();
        self.presence = Some(Presence {
            announcement,
            announced: Announced::No,
            mapping: None,
            public: Public::default(),
            asking: None,
        });
        self.follow(settings);
    }

    /// We host no more: what was announced or asked of the router is taken back.
    pub fn hide(&mut self) {
        let Some(presence) = self.presence.take() else {
            return;
        };
        if let Announced::Yes(announcer) = presence.announced {
            self.ending.announcers.spawn(announcer.stop());
        }
        if let Some((mapping, _)) = presence.mapping {
            self.ending.mappings.spawn(mapping.stop());
        }
    }

    /// Does what the settings say, which may have changed.
    pub fn follow(&mut self, settings: &Settings) {
        self.settings = settings.clone();
        let Some(presence) = &mut self.presence else {
            return;
        };
        presence.announcement.name = settings.session();
        if !settings.announce
            && let Announced::Yes(announcer) =
                std::mem::replace(&mut presence.announced, Announced::No)
        {
            self.ending.announcers.spawn(announcer.stop());
        }
        if !settings.internet
            && let Some((mapping, _)) = presence.mapping.take()
        {
            self.ending.mappings.spawn(mapping.stop());
        }
        if let Announced::Yes(announcer) = &presence.announced {
            announcer.update(presence.announcement.clone());
        }
        self.begin();
    }

    /// Begins what the settings say and is not there, unless something of the sort is still ending.
    fn begin(&mut self) {
        let hidden = self.hidden();
        let Some(presence) = &mut self.presence else {
            return;
        };
        if self.settings.announce
            && self.ending.announcers.is_empty()
            && !matches!(presence.announced, Announced::Yes(_))
        {
            let announcement = presence.announcement.clone();
            presence.announced = match Announcer::start(announcement, &hidden) {
                Ok(announcer) => Announced::Yes(announcer),
                Err(error) => {
                    tracing::warn!("{error}");
                    Announced::Failed(error.to_string())
                }
            };
        }
        if self.settings.internet && self.ending.mappings.is_empty() && presence.mapping.is_none() {
            let mapping = Mapping::start(Wanted {
                only: self.only,
                memory: self.memory.clone(),
                ..Wanted::new(presence.announcement.port)
            });
            let state = mapping.state();
            presence.mapping = Some((mapping, state));
        }
    }

    /// Says how many are here, which others read in their lists.
    pub fn tell(&mut self, rooms: u32, people: u32, asks: bool) {
        let Some(presence) = &mut self.presence else {
            return;
        };
        presence.announcement = Announcement {
            rooms,
            people,
            asks,
            ..presence.announcement.clone()
        };
        if let Announced::Yes(announcer) = &presence.announced {
            announcer.update(presence.announcement.clone());
        }
    }

    /// Asks a server on the internet how it sees this network. Only while we host.
    pub fn find_public(&mut self, servers: &[String]) {
        let Some(presence) = &mut self.presence else {
            return;
        };
        let servers = servers.to_vec();
        let asking = tokio::spawn(async move { outside_by_stun(&servers, STUN_PATIENCE).await });
        presence.asking = Some(AbortOnDropHandle::new(asking));
        presence.public = Public::Asking;
    }

    /// Looks again now whether the sessions on this network answer: one did not.
    pub fn look_again(&self) {
        if let Sessions::Listed { browser, .. } = &self.sessions {
            browser.look_again();
        }
    }

    /// Takes back what others see of us, and waits for that: two seconds at most.
    pub async fn leave(&mut self) {
        self.hide();
        let Ending {
            announcers,
            mappings,
        } = &mut self.ending;
        let announcers = async { while announcers.join_next().await.is_some() {} };
        let mappings = async { while mappings.join_next().await.is_some() {} };
        let (announcers, mappings) = tokio::join!(
            timeout(LEAVE_PATIENCE, announcers),
            timeout(LEAVE_PATIENCE, mappings)
        );
        if announcers.is_err() {
            tracing::warn!("taking the announcement back took too long");
        }
        if mappings.is_err() {
            tracing::warn!(
                "the router was not heard of in time: the mapping may stay until its lease ends"
            );
        }
    }

    /// This computer's addresses, best first.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.now
    }

    /// The sessions on this computer's networks.
    ///
    /// # Errors
    /// Why they are not looked for, as a sentence.
    pub fn sessions(&self) -> Result<Arc<[Found]>, &str> {
        match &self.sessions {
            Sessions::Listed { found, .. } => Ok(Arc::clone(&found.borrow())),
            Sessions::Unlisted(why) => Err(why),
        }
    }

    /// Why our session is not announced though it should be, as a sentence.
    #[must_use]
    pub fn unannounced(&self) -> Option<&str> {
        match &self.presence.as_ref()?.announced {
            Announced::Failed(why) => Some(why),
            Announced::No | Announced::Yes(_) => None,
        }
    }

    /// What has become of asking the router; `None` while nobody wants that.
    #[must_use]
    pub fn mapping(&self) -> Option<MappingState> {
        match &self.presence.as_ref()?.mapping {
            Some((_, state)) => Some(state.borrow().clone()),
            // It begins when the one before has ended.
            None => self.settings.internet.then_some(MappingState::Asking),
        }
    }

    /// This network's address as the internet sees it.
    #[must_use]
    pub fn public(&self) -> Public {
        let presence = self.presence.as_ref();
        presence.map_or(Public::NotAsked, |presence| presence.public.clone())
    }

    /// Every way to our session; `None` while we do not host, or nobody could reach us.
    #[must_use]
    pub fn invite(&self) -> Option<Invite> {
        let Announcement { name, port, .. } = &self.presence.as_ref()?.announcement;
        let invite = Invite::here(name, &self.now, *port, self.outside());
        (!invite.routes.is_empty()).then_some(invite)
    }

    /// Where people on the internet can connect to.
    fn outside(&self) -> Option<SocketAddr> {
        let presence = self.presence.as_ref()?;
        let mapped = self.mapping().and_then(|state| state.outside());
        mapped.or(match presence.public {
            // The host asked for it to give it to somebody: the router was set up by hand.
            Public::Known(ip) => Some(SocketAddr::new(ip, presence.announcement.port)),
            _ => None,
        })
    }
}

impl Sessions {
    fn start(settings: &Settings) -> Self {
        if !settings.discover {
            return Self::Unlisted(
                "Sessions on this network are not looked for: that is switched off in settings.toml."
                    .to_owned(),
            );
        }
        match Browser::start(&settings.hidden_interfaces) {
            Ok(browser) => Self::Listed {
                found: browser.found(),
                browser,
            },
            Err(error) => {
                tracing::warn!("{error}");
                Self::Unlisted(error.to_string())
            }
        }
    }
}

impl Presence {
    /// Cancel safe.
    async fn changed(&mut self) {
        let mapping = async {
            match &mut self.mapping {
                Some((_, state)) => changed(state).await,
                None => std::future::pending().await,
            }
        };
        let answer = async {
            match &mut self.asking {
                Some(asking) => asking.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = mapping => {}
            answer = answer => {
                self.asking = None;
                self.public = match answer {
                    Ok(Ok(ip)) => Public::Known(ip),
                    Ok(Err(error)) => Public::Unknown(error.to_string(), error.advice().to_owned()),
                    Err(error) => {
                        tracing::error!("asking for the public address ended badly: {error}");
                        Public::NotAsked
                    }
                };
            }
        }
    }
}

/// Waits for the next value; for ever when there will be none.
async fn changed<T>(values: &mut watch::Receiver<T>) {
    if values.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_leaves_waits_for_no_router_that_never_answers() {
        let settings = Settings {
            discover: false,
            ..Settings::default()
        };
        let mut surroundings = Surroundings::start(&settings, None);
        surroundings.ending.mappings.spawn(std::future::pending());
        let began = tokio::time::Instant::now();
        surroundings.leave().await;
        assert_eq!(began.elapsed().as_secs(), LEAVE_PATIENCE.as_secs());
    }
}
