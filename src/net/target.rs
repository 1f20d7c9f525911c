//! What a person types to say where a relay is.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

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

/// Why a text does not say where a relay is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Nothing was typed.
    #[error("Type a host name or an address.")]
    Empty,
    /// The part behind the colon is no port.
    #[error("“{0}” is not a port. A port is a number from 1 to 65535.")]
    Port(String),
    /// The rest is no name and no address.
    #[error("“{0}” is neither a host name nor an address.")]
    Host(String),
}

impl Target {
    /// Understands `host`, `host:port`, `1.2.3.4`, `1.2.3.4:port`, `::1`, `[::1]` and `[::1]:port`.
    /// `default_port` counts where the text names none.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, TargetError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self {
                host: ip.to_string(),
                port: default_port,
            });
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (inside, after) = rest
                .split_once(']')
                .ok_or_else(|| TargetError::Host(text.to_owned()))?;
            let port = match after.strip_prefix(':') {
                Some(port) => parse_port(port)?,
                None if after.is_empty() => default_port,
                None => return Err(TargetError::Host(text.to_owned())),
            };
            if !is_ipv6(inside) {
                return Err(TargetError::Host(inside.to_owned()));
            }
            return Ok(Self {
                host: inside.to_owned(),
                port,
            });
        }
        if is_ipv6(text) {
            return Ok(Self {
                host: text.to_owned(),
                port: default_port,
            });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host.trim_end(), parse_port(port.trim())?),
            None => (text, default_port),
        };
        if is_host(host) {
            Ok(Self {
                host: host.to_owned(),
                port,
            })
        } else {
            Err(TargetError::Host(host.to_owned()))
        }
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

/// An IPv6 address, with or without the zone that a link-local one needs (`fe80::1%eth0`).
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<Ipv6Addr>().is_ok()
        && !zone.is_empty()
        && zone.chars().all(|c| !c.is_whitespace())
}

/// A name that can be looked up. Only what no resolver could take is refused here.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    text.len() <= MAX_HOST_BYTES && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

fn parse_port(text: &str) -> Result<u16, TargetError> {
    text.parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| TargetError::Port(text.to_owned()))
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
        assert_eq!(Target::parse("  ", 1), Err(TargetError::Empty));
        for text in [
            "host:",
            "host:0",
            "host:65536",
            "host:abc",
            "[::1]:x",
            "1.2.3.4:-1",
        ] {
            assert!(
                matches!(Target::parse(text, 1), Err(TargetError::Port(_))),
                "{text}"
            );
        }
        for text in [
            "a b",
            "http//x",
            "[::1",
            "[host]:1",
            "[::1]1",
            "a..b",
            "-:1 2",
            "fe80::1%",
            &"a".repeat(300),
        ] {
            assert!(Target::parse(text, 1).is_err(), "{text}");
        }
    }

    #[test]
    fn local_is_what_mixer_calls_local() {
        for (text, local) in [
            ("LocalHost", true),
            ("127.0.0.1", true),
            ("::1", true),
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
