//! What is remembered between starts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::relay::{Guests, Keeping, Limits};

pub use crate::protocol::DEFAULT_PORT;
/// How many hosts are remembered.
pub const RECENT_HOSTS: usize = 8;
/// Longest name of a person.
pub const MAX_NAME_CHARS: usize = 64;
/// Longest name of a session: no more fits into an announcement (RFC 6763, 4.1.1).
pub const MAX_SESSION_BYTES: usize = 63;
/// Servers that tell whoever asks how they see its address (RFC 8489).
const STUN_SERVERS: [&str; 2] = ["stun.cloudflare.com:3478", "stun.l.google.com:19302"];

/// What is remembered between starts. Every field has a default, so an older or newer file still loads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What the Host field says.
    pub host: String,
    /// What the Port field says.
    pub port: u16,
    /// Hosts connected to before, newest first, at most [`RECENT_HOSTS`].
    pub recent_hosts: Vec<String>,
    /// The name others see.
    pub name: String,
    /// The colour others see: red, green, blue, each from 0 to 1.
    pub color: [f32; 3],
    /// Light, dark, or as the system says.
    pub theme: Theme,
    /// Whether the router is asked to let people from the internet connect while we host.
    pub internet: bool,
    /// Whether the sessions that we host are announced on this network.
    pub announce: bool,
    /// Whether sessions that others announce on this network are looked for.
    pub discover: bool,
    /// What they are called; by the name of whoever hosts when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
    /// The servers that are asked for this network's public address, as `host:port`, when a person wants to
    /// know it.
    pub stun_servers: Vec<String>,
    /// Network interfaces, by name, on which nothing is announced.
    pub hidden_interfaces: Vec<String>,
    /// Where the window was.
    pub window: Option<WindowPlace>,
    /// How much anybody may ask of the relay we host.
    pub relay: Limits,
    /// How the rooms that we host are kept.
    pub rooms: RoomKeeping,
    /// Who may connect to it.
    pub guests: Guests,
}

/// How the rooms that we host are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomKeeping {
    /// Whether rooms are written to the disk as they grow, so that they survive this program.
    pub keep: bool,
    /// Where; this program's own folder when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Days that a room which ended can be brought back.
    pub recent_days: u32,
    /// Bytes that all of those may take; the oldest go first.
    pub recent_bytes: u64,
}

impl Default for RoomKeeping {
    fn default() -> Self {
        Self {
            keep: true,
            folder: None,
            recent_days: 14,
            recent_bytes: 20 << 30,
        }
    }
}

/// What a relay that we host is to be like.
#[derive(Clone, Debug)]
pub struct Hosting {
    /// How much anybody may ask of it.
    pub limits: Limits,
    /// Who may connect to it.
    pub guests: Guests,
    /// Where its rooms are kept; in memory only when not set.
    pub keeping: Option<Keeping>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: DEFAULT_PORT,
            recent_hosts: Vec::new(),
            name: String::new(),
            color: [0.9, 0.45, 0.35],
            theme: Theme::System,
            internet: false,
            announce: true,
            discover: true,
            session_name: None,
            stun_servers: STUN_SERVERS.map(str::to_owned).to_vec(),
            hidden_interfaces: Vec::new(),
            window: None,
            relay: Limits::default(),
            rooms: RoomKeeping::default(),
            guests: Guests::default(),
        }
    }
}

impl Settings {
    /// What a relay is to be like whose own folder for rooms would be `folder`.
    #[must_use]
    pub fn hosting(&self, folder: Option<&Path>) -> Hosting {
        let RoomKeeping {
            keep,
            folder: chosen,
            recent_days,
            recent_bytes,
        } = &self.rooms;
        let folder = chosen.as_deref().or(folder).filter(|_| *keep);
        Hosting {
            limits: self.relay.clone(),
            guests: self.guests.clone(),
            keeping: folder.map(|folder| Keeping {
                folder: folder.to_owned(),
                recent_for: Duration::from_secs(u64::from(*recent_days) * 24 * 60 * 60),
                recent_bytes: *recent_bytes,
            }),
        }
    }

    /// What the sessions that we host are called: `Ada's session` unless another name was chosen.
    #[must_use]
    pub fn session(&self) -> String {
        let name = match &self.session_name {
            Some(name) => name.clone(),
            None => {
                // The name gives way, so that the words stay.
                let name = short(&self.name, MAX_SESSION_BYTES - "'s session".len());
                format!("{name}'s session")
            }
        };
        short(&name, MAX_SESSION_BYTES).to_owned()
    }

    /// What these have changed since `base`, over `there`.
    #[must_use]
    pub(super) fn over(&self, base: &Self, there: Self) -> Self {
        fn pick<T: Clone + PartialEq>(ours: &T, base: &T, there: T) -> T {
            if ours == base { there } else { ours.clone() }
        }
        Self {
            host: pick(&self.host, &base.host, there.host),
            port: pick(&self.port, &base.port, there.port),
            recent_hosts: pick(&self.recent_hosts, &base.recent_hosts, there.recent_hosts),
            name: pick(&self.name, &base.name, there.name),
            color: pick(&self.color, &base.color, there.color),
            theme: pick(&self.theme, &base.theme, there.theme),
            internet: pick(&self.internet, &base.internet, there.internet),
            announce: pick(&self.announce, &base.announce, there.announce),
            discover: pick(&self.discover, &base.discover, there.discover),
            session_name: pick(&self.session_name, &base.session_name, there.session_name),
            stun_servers: pick(&self.stun_servers, &base.stun_servers, there.stun_servers),
            hidden_interfaces: pick(
                &self.hidden_interfaces,
                &base.hidden_interfaces,
                there.hidden_interfaces,
            ),
            window: pick(&self.window, &base.window, there.window),
            relay: pick(&self.relay, &base.relay, there.relay),
            rooms: pick(&self.rooms, &base.rooms, there.rooms),
            guests: pick(&self.guests, &base.guests, there.guests),
        }
    }
}

/// The start of a text that takes no more than so many bytes, without blank ends.
pub(super) fn short(text: &str, bytes: usize) -> &str {
    let text = text.trim();
    let end = text.floor_char_boundary(bytes);
    text.get(..end).unwrap_or(text).trim_end()
}

/// Light, dark, or as the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

/// Where the window is, in logical points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowPlace {
    /// Width of the inside.
    pub width: f32,
    /// Height of the inside.
    pub height: f32,
    /// Left edge of the frame, where the system tells it.
    pub x: Option<f32>,
    /// Top edge of the frame, where the system tells it.
    pub y: Option<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_called_after_its_host_unless_a_name_was_chosen() {
        let mut settings = Settings {
            name: " Zoé ".to_owned(),
            ..Settings::default()
        };
        assert_eq!(settings.session(), "Zoé's session");
        settings.name = "é".repeat(MAX_NAME_CHARS);
        assert!(settings.session().ends_with("é's session"));
        assert!(settings.session().len() <= MAX_SESSION_BYTES);
        settings.session_name = Some("Shot 12".to_owned());
        assert_eq!(settings.session(), "Shot 12");
    }
}
