//! Finding an address in a message that a person wrote around it.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::net::{Target, TargetError, parse_port};

/// “Port” as it begins in the languages that call it otherwise, and in all those that do not.
const PORT_WORDS: [&str; 6] = ["port", "puerto", "порт", "端口", "ポート", "포트"];
/// How far behind an address its port may be told, in characters.
const PORT_REACH: usize = 40;
/// The first character of the scripts of Eastern Asia.
const FIRST_OF_EAST_ASIA: u32 = 0x2e80;
/// Ports below this belong to the system's own services; in a message such a number is something else.
const FIRST_USER_PORT: u16 = 1024;
/// Last labels of names that are names even with two labels.
const ENDINGS: [&str; 16] = [
    "local", "lan", "home", "internal", "box", "com", "net", "org", "io", "eu", "dev", "app",
    "info", "cloud", "online", "xyz",
];

/// A host, and its port where that is told.
pub(super) type Found = (String, Option<u16>);

/// The first address in a message.
///
/// # Errors
/// When there is none but one that cannot be, or whose port cannot be.
pub(super) fn address(text: &str) -> Result<Option<Found>, TargetError> {
    let mut wrong = None;
    for word in words(text) {
        match word.ip() {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => {}
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    wrong.map_or(Ok(None), Err)
}

/// The first name of a computer in a message, where it cannot be taken for an ordinary word.
pub(super) fn name(text: &str) -> Option<Found> {
    words(text).find_map(Word::name)
}

/// A run of the characters that addresses and names are made of, and what stands around it.
#[derive(Clone, Copy)]
struct Word<'a> {
    before: &'a str,
    text: &'a str,
    after: &'a str,
}

fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || ".:-_[]%".contains(c);
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text.get(at..)?.find(is_part)?;
        let rest = text.get(start..)?;
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        at = start + length;
        Some(Word {
            before: text.get(..start)?,
            text: rest.get(..length)?,
            after: rest.get(length..)?,
        })
    })
}

impl Word<'_> {
    fn ip(self) -> Result<Option<Found>, TargetError> {
        if let Some((_, rest)) = self.text.split_once('[')
            && let Some((inside, after)) = rest.split_once(']')
            && let Some(host) = ipv6(inside)
            && !after.starts_with(char::is_alphanumeric)
        {
            return Ok(Some((host, self.port(after)?)));
        }
        let bare = self
            .text
            .trim_start_matches(['[', '.', '-', '_'])
            .trim_end_matches([']', '.', '-', '_']);
        if let Some(host) = ipv6(bare).or_else(|| ipv6(bare.trim_end_matches(':'))) {
            return Ok(Some((host, self.port("")?)));
        }
        self.ipv4()
    }

    fn ipv4(self) -> Result<Option<Found>, TargetError> {
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        let (mut at, mut wrong) = (0, None);
        while let Some(start) = self.rest(at).find(is_part).map(|start| at + start) {
            let rest = self.rest(start);
            let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            at = start + length;
            let digits = rest.get(..length).unwrap_or_default().trim_matches('.');
            let ends = !self.rest(at).starts_with(char::is_alphanumeric);
            if !ends
                || self.is_version(start)
                || digits.bytes().filter(|byte| *byte == b'.').count() != 3
            {
                continue;
            }
            match digits.parse::<Ipv4Addr>() {
                // Masks, which often stand beside an address, and what is nobody's.
                Ok(ip) if ip.is_unspecified() || ip.octets().first() == Some(&255) => {}
                Ok(ip) => return Ok(Some((ip.to_string(), self.port(self.rest(at))?))),
                Err(_) => wrong = Some(TargetError::Ipv4),
            }
        }
        wrong.map_or(Ok(None), Err)
    }

    /// `v1.2.3.4` is a version, and so is `blender-1.2.3.4`.
    fn is_version(self, start: usize) -> bool {
        let mut before = self.text.get(..start).unwrap_or_default().chars().rev();
        match before.next() {
            Some('v' | 'V') => true,
            Some('-' | '_') => before.next().is_some_and(char::is_alphanumeric),
            _ => false,
        }
    }

    fn rest(&self, from: usize) -> &str {
        self.text.get(from..).unwrap_or_default()
    }

    /// The port of an address that is followed by `rest` in its own word.
    fn port(self, rest: &str) -> Result<Option<u16>, TargetError> {
        match rest.strip_prefix(':') {
            Some(typed) if !typed.is_empty() => {
                parse_port(typed.trim_end_matches(['.', ':', '-', '_', ']'])).map(Some)
            }
            _ => Ok(told_port(self.after)),
        }
    }

    /// A name that has a port, or looks like one of the internet's.
    fn name(self) -> Option<Found> {
        let word = self.text.trim_matches(['.', ':', '-', '_', '[', ']', '%']);
        let (host, port) = Target::split(word).ok()?;
        if !host.contains(|c: char| c.is_ascii_alphabetic()) || host.contains(':') {
            return None;
        }
        let of_mail = self.before.ends_with('@') || self.after.starts_with('@');
        let of_page = self.before.ends_with("//") || self.after.starts_with('/');
        match port {
            Some(port) => (port >= FIRST_USER_PORT && !of_mail).then_some((host, Some(port))),
            None if of_mail || of_page || !is_internet_name(&host) => None,
            None => Some((host, told_port(self.after))),
        }
    }
}

/// An IPv6 address that somebody may have.
fn ipv6(text: &str) -> Option<String> {
    let address = text.split('%').next()?;
    let ip: Ipv6Addr = address
        .parse()
        .ok()
        .filter(|ip: &Ipv6Addr| !ip.is_unspecified())?;
    // In its short form, and with its zone checked.
    if address == text {
        return Some(ip.to_string());
    }
    Target::split(text).ok().map(|(host, _)| host)
}

/// The port in what follows an address: `, port 13000`, ` Port: 13000`, ` and the port is 13000`.
fn told_port(after: &str) -> Option<u16> {
    let near: String = after.chars().take(PORT_REACH).collect();
    let near = near.to_lowercase();
    let digits = near.find(|c: char| c.is_ascii_digit())?;
    let (words, number) = near.split_at(digits);
    let is_told = PORT_WORDS.iter().any(|port| {
        words.match_indices(port).any(|(at, _)| {
            // “Support” is no port. Chinese and Japanese put no space between words.
            let before = words
                .get(..at)
                .and_then(|before| before.chars().next_back());
            !before.is_some_and(|c| c.is_alphabetic() && u32::from(c) < FIRST_OF_EAST_ASIA)
        })
    });
    let end = number.find(|c: char| !c.is_ascii_digit());
    let number = number.get(..end.unwrap_or(number.len()))?;
    is_told.then(|| parse_port(number).ok()).flatten()
}

/// Whether a name without a port looks like one that the internet or a router gives to computers.
fn is_internet_name(name: &str) -> bool {
    let (labels, last) = (name.split('.').count(), name.rsplit('.').next());
    let last = last.unwrap_or_default().to_ascii_lowercase();
    let of_country = last.len() == 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic());
    labels >= 2 && ENDINGS.contains(&last.as_str()) || labels >= 3 && of_country
}
