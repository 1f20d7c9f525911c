//! How a session is written into DNS records, and read from those of others.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::OnceLock;

use mdns_sd::{ResolvedService, ScopedIp, ServiceInfo};

use super::{Announcement, SERVICE};

/// Longest instance name of ours, in bytes. DNS has 63 (RFC 1035, 2.3.4), of which a clash takes some: ` (999)`.
const LABEL_BYTES: usize = 57;
/// Longest value of ours, in bytes, so that it fits into a string of a TXT record with its key (RFC 6763, 6.1).
const VALUE_BYTES: usize = 200;
/// Longest name shown, in characters.
const NAME_CHARS: usize = 64;
/// Longest version shown, in characters.
const VERSION_CHARS: usize = 24;
/// Addresses looked at of one host.
const ADDRESSES: usize = 16;

/// The keys of the TXT record.
mod key {
    pub(super) const VERSION: &str = "version";
    pub(super) const ROOMS: &str = "rooms";
    pub(super) const PEOPLE: &str = "people";
    pub(super) const ASKS: &str = "asks";
    /// The session's name, where the instance's cannot be it.
    pub(super) const NAME: &str = "name";
    /// Which process announces this, so that it knows itself again.
    pub(super) const PROCESS: &str = "process";
}

/// What somebody has announced, bounded and cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// Its full name as it came, which the daemon knows it by.
    pub(super) fullname: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) rooms: Option<u32>,
    pub(super) people: Option<u32>,
    pub(super) asks: bool,
    pub(super) is_ours: bool,
    pub(super) port: u16,
    /// Its addresses; those of a link with the number of the interface that leads there.
    pub(super) addresses: Vec<(IpAddr, u32)>,
}

/// A number that nobody else is likely to have.
pub(super) fn chance() -> u64 {
    // A hash with a random key.
    RandomState::new().hash_one(())
}

/// What this process puts into all it announces.
fn process() -> &'static str {
    static PROCESS: OnceLock<String> = OnceLock::new();
    PROCESS.get_or_init(|| format!("{:016x}", chance()))
}

/// A host name that nobody else has. The computer's own may belong to another mDNS program, whose records would be
/// taken back with ours.
pub(super) fn host() -> String {
    format!("mixdesk-{:016x}.local.", chance())
}

/// The instance name for a session: without what the mDNS crate gets wrong, dots and backslashes above all.
pub(super) fn label(session: &str) -> String {
    let clean = clean(&session.replace(['.', '\\'], " "), NAME_CHARS);
    match cut(&clean, LABEL_BYTES).trim_end() {
        "" => "Mixdesk".to_owned(),
        label => label.to_owned(),
    }
}

/// The full name of an instance.
pub(super) fn fullname(label: &str) -> String {
    format!("{label}.{SERVICE}")
}

/// The instance name within a full name.
fn instance(fullname: &str) -> Option<&str> {
    let at = fullname.len().checked_sub(SERVICE.len())?;
    let (instance, service) = fullname.split_at_checked(at)?;
    let instance = instance.strip_suffix('.')?;
    service.eq_ignore_ascii_case(SERVICE).then_some(instance)
}

/// The records of a session.
///
/// # Errors
/// When the crate finds something wrong with them, which what is made here gives no reason for.
pub(super) fn service(
    announcement: &Announcement,
    label: &str,
    host: &str,
) -> mdns_sd::Result<ServiceInfo> {
    let mut txt = vec![
        ("txtvers", "1".to_owned()),
        (
            key::VERSION,
            cut(&announcement.version, VALUE_BYTES).to_owned(),
        ),
        (key::ROOMS, announcement.rooms.to_string()),
        (key::PEOPLE, announcement.people.to_string()),
        (
            key::ASKS,
            if announcement.asks { "yes" } else { "no" }.to_owned(),
        ),
        (key::PROCESS, process().to_owned()),
    ];
    if announcement.name != label {
        txt.push((key::NAME, cut(&announcement.name, VALUE_BYTES).to_owned()));
    }
    let service = ServiceInfo::new(SERVICE, label, host, (), announcement.port, &txt[..])?;
    Ok(service.enable_addr_auto())
}

/// Reads what somebody has announced. `None` when it is no session.
pub(super) fn heard(service: &ResolvedService) -> Option<Heard> {
    let instance = instance(&service.fullname)?;
    if service.port == 0 {
        return None;
    }
    let text = |key| service.get_property_val_str(key);
    let number = |key| text(key)?.parse().ok();
    let host = service.host.trim_end_matches('.');
    let names = [
        text(key::NAME),
        Some(instance),
        host.strip_suffix(".local").or(Some(host)),
    ];
    let name = names
        .into_iter()
        .flatten()
        .map(|name| clean(name, NAME_CHARS))
        .find(|name| !name.is_empty())?;
    let mut addresses: Vec<_> = service.addresses.iter().map(scoped).collect();
    // The set has no order of its own.
    addresses.sort_unstable();
    addresses.truncate(ADDRESSES);
    Some(Heard {
        fullname: service.fullname.clone(),
        name,
        version: clean(text(key::VERSION).unwrap_or_default(), VERSION_CHARS),
        rooms: number(key::ROOMS),
        people: number(key::PEOPLE),
        asks: text(key::ASKS).is_some_and(|text| text.eq_ignore_ascii_case("yes")),
        is_ours: text(key::PROCESS) == Some(process()),
        port: service.port,
        addresses,
    })
}

fn scoped(address: &ScopedIp) -> (IpAddr, u32) {
    match address {
        ScopedIp::V6(ip) if ip.addr().is_unicast_link_local() => {
            ((*ip.addr()).into(), ip.scope_id().index)
        }
        other => (other.to_ip_addr(), 0),
    }
}

/// A text as a single line of at most `chars` characters, without any that are not seen or that turn others around.
fn clean(text: &str, chars: usize) -> String {
    let mut clean = String::new();
    let mut left = chars;
    for c in text.trim().chars() {
        if left == 0 {
            break;
        }
        let c = if c.is_whitespace() || c.is_control() {
            ' '
        } else if is_unseen(c) {
            continue;
        } else {
            c
        };
        if c == ' ' && (clean.is_empty() || clean.ends_with(' ')) {
            continue;
        }
        clean.push(c);
        left -= 1;
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// Characters of no width, and those that set the direction of text (Unicode's default ignorable and bidi controls).
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The beginning of a text that fits into so many bytes.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(name: &str) -> Announcement {
        Announcement {
            name: name.to_owned(),
            port: 12800,
            rooms: 2,
            people: 3,
            asks: true,
            version: "0.1.0".to_owned(),
        }
    }

    fn resolved(announcement: &Announcement) -> ResolvedService {
        service(announcement, &label(&announcement.name), "x.local.")
            .unwrap()
            .as_resolved_service()
    }

    #[test]
    fn what_is_announced_is_what_is_heard() {
        for name in [
            "Studio",
            "Anna’s Studio v1.2",
            r"C:\films\one",
            "日本のスタジオ日本のスタジオ日本のスタジオ日本の",
        ] {
            let heard = heard(&resolved(&announcement(name))).unwrap();
            assert_eq!(heard.name, name);
            assert_eq!(heard.version, "0.1.0");
            assert_eq!((heard.rooms, heard.people), (Some(2), Some(3)));
            assert_eq!((heard.asks, heard.port), (true, 12800));
            assert!(heard.is_ours);
        }
    }

    #[test]
    fn an_instance_name_is_one_label() {
        let long = "é".repeat(200);
        for (session, expected) in [
            ("Studio", "Studio"),
            ("a.b\\c", "a b c"),
            ("", "Mixdesk"),
            (" \u{202e}\n", "Mixdesk"),
            (&long, &long[..56]),
        ] {
            assert_eq!(label(session), expected);
        }
        assert_eq!(instance(&fullname("a b")), Some("a b"));
        assert_eq!(instance("a._MIXER-relay._tcp.LOCAL."), Some("a"));
        for other in ["a._http._tcp.local.", "", "é", SERVICE] {
            assert_eq!(instance(other), None, "{other:?}");
        }
    }

    #[test]
    fn what_strangers_say_is_cleaned_and_bounded() {
        let mut service = resolved(&announcement("x"));
        let txt: Vec<(&str, String)> = vec![
            (
                "name",
                format!("\u{202e}evil\r\n\t\u{7}  {}", "n".repeat(120)),
            ),
            ("version", "\u{1b}[31m9".repeat(20)),
            ("rooms", "-1".into()),
            ("people", "99999999999999999999".into()),
            ("asks", "maybe".into()),
            ("process", "0".into()),
        ];
        service.txt_properties = ServiceInfo::new(SERVICE, "x", "x.local.", (), 1, &txt[..])
            .unwrap()
            .get_properties()
            .clone();
        let heard = heard(&service).unwrap();
        assert_eq!(heard.name, format!("evil {}", "n".repeat(59)));
        assert!(heard.version.chars().count() <= VERSION_CHARS);
        assert!(!heard.version.contains('\u{1b}'));
        assert_eq!((heard.rooms, heard.people), (None, None));
        assert!(!heard.asks && !heard.is_ours);
    }

    #[test]
    fn who_tells_no_name_is_called_as_its_computer() {
        let mut service = resolved(&announcement("x"));
        service.fullname = fullname("\u{200b}");
        service.host = "studio-pc.local.".into();
        assert_eq!(heard(&service).unwrap().name, "studio-pc");
        service.port = 0;
        assert_eq!(heard(&service), None);
    }
}
