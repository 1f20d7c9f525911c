//! What a person types to say where a relay is.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// Longest name that the domain name system knows (RFC 1035, 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// Why a text does not say where a relay is, for the person who typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{}", self.words())]
pub enum TargetError {
    /// Nothing was typed.
    Empty,
    /// The port is no port.
    Port,
    /// Digits and dots that are no IPv4 address.
    Ipv4,
    /// Colons or brackets that are no IPv6 address.
    Ipv6,
    /// Something that no computer can be called.
    Name,
}

impl TargetError {
    /// What is wrong, in words that fit beside a field.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Empty => "Type a host name or an address",
            Self::Port => "Port is a number from 1 to 65535",
            Self::Ipv4 => "An address is four numbers from 0 to 255, like 192.168.0.48",
            Self::Ipv6 => "This is no complete IPv6 address",
            Self::Name => "A host name has only letters, digits, dots and hyphens",
        }
    }
}

impl Target {
    /// Understands `host`, `host:port`, `1.2.3.4`, `1.2.3.4:port`, `::1`, `[::1]` and `[::1]:port`.
    /// `default_port` counts where the text names none.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, TargetError> {
        let (host, port) = Self::split(text)?;
        let port = port.unwrap_or(default_port);
        Ok(Self { host, port })
    }

    /// The host, and the port where the text names one.
    ///
    /// # Errors
    /// When the text is neither name nor address.
    pub fn split(text: &str) -> Result<(String, Option<u16>), TargetError> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix('[') {
            let (inside, after) = rest.split_once(']').ok_or(TargetError::Ipv6)?;
            let port = match after.strip_prefix(':') {
                Some(port) => Some(parse_port(port)?),
                None if after.is_empty() => None,
                None => return Err(TargetError::Ipv6),
            };
            return Ok((ipv6(inside)?, port));
        }
        if text.matches(':').count() > 1 {
            return Ok((ipv6(text)?, None));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host.trim_end(), Some(parse_port(port)?)),
            None => (text, None),
        };
        check_name(host)?;
        Ok((host.to_owned(), port))
    }

    /// Whether this means the computer it is typed on: `localhost`, `127.0.0.1` or `::1`, the hosts
    /// for which Mixer starts a relay itself.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host == "127.0.0.1"
            || self.host == "::1"
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A port as typed.
///
/// # Errors
/// When it is none.
pub fn parse_port(text: &str) -> Result<u16, TargetError> {
    let text = text.trim();
    // The parser would take a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port != 0);
    port.ok_or(TargetError::Port)
}

/// An IPv6 address in its short form, with the zone that a link-local one needs (`fe80::1%eth0`).
fn ipv6(text: &str) -> Result<String, TargetError> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let address: Ipv6Addr = address.parse().map_err(|_| TargetError::Ipv6)?;
    match zone {
        None => Ok(address.to_string()),
        Some(zone) if zone.is_empty() || zone.contains(char::is_whitespace) => {
            Err(TargetError::Ipv6)
        }
        Some(zone) => Ok(format!("{address}%{zone}")),
    }
}

/// Refuses only what no resolver could take.
fn check_name(name: &str) -> Result<(), TargetError> {
    if name.is_empty() {
        return Err(TargetError::Empty);
    }
    if name.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return name
            .parse::<Ipv4Addr>()
            .map(drop)
            .map_err(|_| TargetError::Ipv4);
    }
    // Underscores are in no standard, but in many Windows computer names.
    let label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    let labels = name.strip_suffix('.').unwrap_or(name).split('.');
    if name.len() <= MAX_HOST_BYTES && labels.into_iter().all(label) {
        Ok(())
    } else {
        Err(TargetError::Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_may_type() {
        for (text, host, port) in [
            ("localhost", "localhost", 12800),
            ("  studio-b.lan ", "studio-b.lan", 12800),
            ("studio_b:13000", "studio_b", 13000),
            ("bücher.example", "bücher.example", 12800),
            ("192.168.0.48", "192.168.0.48", 12800),
            ("192.168.0.48:1", "192.168.0.48", 1),
            ("::1", "::1", 12800),
            ("[::1]", "::1", 12800),
            ("[::1]:65535", "::1", 65535),
            ("fe80::1%eth0", "fe80::1%eth0", 12800),
            ("[fe80::1%3]:99", "fe80::1%3", 99),
            ("host.", "host.", 12800),
        ] {
            assert_eq!(
                Target::parse(text, 12800),
                Ok(Target {
                    host: host.to_owned(),
                    port
                }),
                "{text}"
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_said_in_words() {
        use TargetError::{Empty, Ipv4, Ipv6, Name, Port};
        for (text, error) in [
            ("  ", Empty),
            (":12800", Empty),
            ("host:", Port),
            ("host:0", Port),
            ("host:65536", Port),
            ("host:+1", Port),
            ("host:abc", Port),
            ("[::1]:x", Port),
            ("1.2.3.4:-1", Port),
            ("192.168.0", Ipv4),
            ("192.168.0.300", Ipv4),
            ("[::1", Ipv6),
            ("[host]:1", Ipv6),
            ("[::1]1", Ipv6),
            ("fe80:::1", Ipv6),
            ("fe80::1%", Ipv6),
            ("a b", Name),
            ("http//x", Name),
            ("a..b", Name),
            (&"a".repeat(300), Name),
        ] {
            assert_eq!(Target::parse(text, 1), Err(error), "{text}");
        }
    }

    #[test]
    fn local_is_what_mixer_calls_local() {
        for (text, local) in [
            ("LocalHost", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("[0:0:0:0:0:0:0:1]", true),
            ("127.0.0.2", false),
            ("me", false),
        ] {
            assert_eq!(Target::parse(text, 1).unwrap().is_local(), local, "{text}");
        }
    }

    #[test]
    fn it_reads_back_what_it_writes() {
        for text in ["studio:1", "1.2.3.4:5", "[::1]:6", "[fe80::1%eth0]:7"] {
            assert_eq!(Target::parse(text, 9).unwrap().to_string(), text);
        }
    }
}
