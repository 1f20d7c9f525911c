//! What the host has decided about who may connect, in the form in which it is kept between starts.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Where connections come from, as far as they are told apart: an IPv4 address, or the network of an
/// IPv6 address (its first 64 bits), as one computer has all the others in it to choose from. Addresses
/// of the link (`fe80::`) all have the same network and stand for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(ip) if !ip.is_loopback() && !ip.is_unicast_link_local() => {
                Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into()
            }
            ip => ip,
        })
    }
}

impl Origin {
    /// Whether this is the computer that the relay runs on: 127.0.0.0/8 or ::1.
    #[must_use]
    pub fn is_this_computer(self) -> bool {
        self.0.is_loopback()
    }

    fn is_network(self) -> bool {
        matches!(self.0, IpAddr::V6(ip) if !ip.is_loopback() && !ip.is_unicast_link_local())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        f.write_str(if self.is_network() { "/64" } else { "" })
    }
}

impl FromStr for Origin {
    type Err = String;

    /// Reads an address, with or without the `/64` of an IPv6 network.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("“{text}” is no address, such as 192.168.0.48 or 2001:db8::/64");
        let (address, network) = match text.trim().strip_suffix("/64") {
            Some(address) => (address, true),
            None => (text.trim(), false),
        };
        let origin = Self::from(address.parse::<IpAddr>().map_err(|_| wrong())?);
        (origin.is_network() || !network)
            .then_some(origin)
            .ok_or_else(wrong)
    }
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

/// Somebody who may not connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// From where.
    pub address: Origin,
    /// Until when; for good where there is none. In a file these are seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "seconds")]
    pub until: Option<SystemTime>,
    /// Why, as they are told; may be empty.
    #[serde(default)]
    pub reason: String,
}

impl Ban {
    pub(super) fn is_over(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// Who may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Guests {
    /// A new address waits until the host lets it in.
    pub ask: bool,
    /// Addresses that need not wait.
    pub allowed: BTreeSet<Origin>,
    /// Who may not connect at all.
    pub bans: Vec<Ban>,
}

mod seconds {
    use super::{Duration, SystemTime, UNIX_EPOCH};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &Option<SystemTime>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => to.serialize_u64(super::unix_seconds(*time)),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(
        from: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        // A time beyond all calendars is for good.
        let seconds = u64::deserialize(from)?;
        Ok(UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
    }
}

/// Seconds since 1970, rounded up, so that nothing ends early by being written down. No more than
/// fit into a TOML number.
fn unix_seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs() + u64::from(since.subsec_nanos() > 0);
    seconds.min(i64::MAX.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_told_apart_as_computers_are() {
        for (a, b, same) in [
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("2001:db8::/64", "2001:db8::7", true),
            ("fe80::1", "fe80::2", false),
        ] {
            assert_eq!(origin(a) == origin(b), same, "{a} and {b}");
        }
        for (text, this) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("128.0.0.1", false),
            ("::2", false),
        ] {
            assert_eq!(origin(text).is_this_computer(), this, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["192.0.2.1", "2001:db8:1:2::/64", "fe80::7", "::1"] {
            assert_eq!(origin(text).to_string(), text);
        }
        for text in [
            "",
            "studio",
            "192.0.2.1/64",
            "192.0.2.0/24",
            "::1/64",
            "1.2.3.4:5",
        ] {
            let error = text.parse::<Origin>().unwrap_err();
            assert!(error.contains("is no address"), "{error}");
        }
    }

    #[test]
    fn a_file_holds_them_all() {
        let ban = |address, until, reason: &str| Ban {
            address: origin(address),
            until,
            reason: reason.to_owned(),
        };
        let until = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let guests = Guests {
            ask: true,
            allowed: [origin("192.0.2.1"), origin("2001:db8::1")].into(),
            bans: vec![
                ban("192.0.2.9", None, ""),
                ban("fe80::9", Some(until), "noise"),
            ],
        };
        let text = toml::to_string_pretty(&guests).unwrap();
        assert_eq!(toml::from_str::<Guests>(&text).unwrap(), guests, "{text}");
        let by_hand = "[[bans]]\naddress = \"192.0.2.9\"\n";
        assert_eq!(
            toml::from_str::<Guests>(by_hand).unwrap().bans,
            guests.bans[..1]
        );
        assert!(toml::from_str::<Guests>("allowed = [\"studio\"]").is_err());
        let endless = "[[bans]]\naddress = \"192.0.2.9\"\nuntil = 9223372036854775807\n";
        let endless = toml::from_str::<Guests>(endless).unwrap();
        assert!(!endless.bans[0].is_over(until));
        assert!(toml::to_string(&endless).is_ok());
    }

    #[test]
    fn a_ban_does_not_end_early() {
        let ban = |until| Ban {
            address: origin("192.0.2.9"),
            until,
            reason: String::new(),
        };
        let until = UNIX_EPOCH + Duration::from_millis(1500);
        assert_eq!(unix_seconds(until), 2);
        assert!(ban(Some(until)).is_over(until));
        assert!(!ban(Some(until)).is_over(until - Duration::from_millis(1)));
        assert!(!ban(None).is_over(until));
    }
}
