//! Finding an invite in a text, whatever a chat program has made of it.

use super::escape::decoded;
use super::typed::TypedError;
use super::{Invite, MAX_ROUTES, Route, RouteKind, VERSION, room_name, tidy_name};
use crate::net::Target;
use crate::protocol::DEFAULT_PORT;

/// What every invite begins with, in any case of letters.
const SCHEME: &str = "mixdesk:/";
/// What an invite asks for.
const JOIN: &str = "join";
/// Longest invite that is read, in bytes: longer than the longest that is written.
const MAX_BYTES: usize = 16 << 10;
/// Lines that one invite may have been broken into.
const MAX_LINES: usize = 100;
/// Keys that are looked at in one invite.
const MAX_KEYS: usize = 64;
/// Invites that are looked at in one text.
const MAX_INVITES: usize = 8;

/// What ends an invite besides a space: the marks that programs put around a link.
const AROUND: [char; 10] = ['<', '>', '"', '|', '`', '“', '”', '„', '«', '»'];
/// What may stand before a line that is quoted.
const QUOTES: [char; 2] = ['>', '|'];

/// The first invite in a text that says where to connect; `None` when there is none at all.
///
/// # Errors
/// What is wrong with the first one when none makes sense.
pub(super) fn invite(text: &str) -> Option<Result<Invite, TypedError>> {
    let mut first = None;
    for start in starts(text).take(MAX_INVITES) {
        match read(&gather(text.get(start..).unwrap_or_default())) {
            Ok(invite) => return Some(Ok(invite)),
            Err(error) => first = first.or(Some(Err(error))),
        }
    }
    first
}

/// Where invites begin.
fn starts(text: &str) -> impl Iterator<Item = usize> {
    let scheme = SCHEME.as_bytes();
    text.as_bytes()
        .windows(scheme.len())
        .enumerate()
        .filter(move |(_, window)| window.eq_ignore_ascii_case(scheme))
        .map(|(start, _)| start)
}

/// All of an invite that begins a text, without what stands around it. The version ends it, so one that was
/// broken into lines is put together up to there; one without goes as far as it has no space.
fn gather(text: &str) -> String {
    let mut all = String::new();
    let mut first_line = 0;
    for (number, line) in text.split(['\n', '\r']).take(MAX_LINES).enumerate() {
        let line = line.trim_start_matches(|c: char| c.is_whitespace() || QUOTES.contains(&c));
        let (piece, after) = line
            .find(|c: char| c.is_whitespace() || AROUND.contains(&c))
            .map_or((line, ""), |end| line.split_at(end));
        // `&` comes as `&amp;` out of HTML, twice over sometimes, and as `\&` out of Markdown.
        let piece = piece.replace('\\', "").replace("&amp;", "&");
        all.push_str(&piece.replace("&amp;", "&"));
        if number == 0 {
            first_line = all.len();
        }
        if let Some(whole) = up_to_version(&all) {
            return whole.to_owned();
        }
        if !after.trim().is_empty() || all.len() > MAX_BYTES {
            break;
        }
    }
    all.truncate(first_line);
    all
}

/// The invite up to its version, if that stands last.
fn up_to_version(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let key = lower.rfind("&v=").or_else(|| lower.rfind("?v="))?;
    let number = key + 3;
    let digits = lower
        .bytes()
        .skip(number)
        .take_while(u8::is_ascii_digit)
        .count();
    let end = number + digits;
    let is_last = digits > 0 && !lower.get(end..)?.starts_with('&');
    text.get(..end).filter(|_| is_last)
}

fn read(text: &str) -> Result<Invite, TypedError> {
    if text.len() > MAX_BYTES {
        return Err(TypedError::TooLong);
    }
    let text = text.split('#').next().unwrap_or_default();
    let (action, query) = text.split_once('?').unwrap_or((text, ""));
    let action = action.get(SCHEME.len()..).unwrap_or_default();
    if !action.trim_matches('/').eq_ignore_ascii_case(JOIN) {
        return Err(TypedError::NotJoin);
    }
    let mut invite = Invite {
        session: String::new(),
        room: None,
        routes: Vec::new(),
    };
    let mut newer = false;
    for (key, value) in query
        .split('&')
        .take(MAX_KEYS)
        .filter_map(|pair| pair.split_once('='))
    {
        let key = key.trim().to_ascii_lowercase();
        let text = || decoded(value.trim_end_matches(is_end_mark));
        match key.as_str() {
            "name" => invite.session = tidy_name(&text()),
            "room" => invite.room = room_name(&text()).map(str::to_owned),
            "v" => newer = text().parse::<u32>().is_ok_and(|version| version > VERSION),
            key => {
                let kind = RouteKind::ALL.into_iter().find(|kind| kind.key() == key);
                let route = kind.and_then(|kind| route(kind, value));
                if let Some(route) = route
                    && invite.routes.len() < MAX_ROUTES
                    && !invite.routes.contains(&route)
                {
                    invite.routes.push(route);
                }
            }
        }
    }
    match invite.routes.is_empty() {
        false => Ok(invite),
        true if newer => Err(TypedError::Newer),
        true => Err(TypedError::NoRoute),
    }
}

fn route(kind: RouteKind, value: &str) -> Option<Route> {
    let parse = |value: &str| Target::parse(&decoded(value), DEFAULT_PORT);
    // The brackets of an IPv6 address may be its end, or may be around all of it.
    let trimmed = value.trim_end_matches(is_end_mark);
    let target = if trimmed.starts_with('[') && value.ends_with(']') {
        parse(value)
    } else {
        parse(trimmed)
    };
    let Target { host, port } = target.ok()?;
    Some(Route { kind, host, port })
}

/// What no value of ours ends with, and many a sentence does.
fn is_end_mark(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '+' | '-' | '%')
}
