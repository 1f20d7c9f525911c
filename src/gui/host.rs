//! What may stand in the Host and Port fields, in the words shown at the field.
//!
//! The rules are those that connecting uses; this is to help while typing.

use crate::backend::Typed;
pub(crate) use crate::backend::{read_host as parse_host, read_port as parse_port};

/// What may be pasted into Host: a long message around an invite, in characters.
pub(crate) const MAX_PASTED_CHARS: usize = 4096;

/// Whether the text in Host names its port itself, so that the Port field does not count; an invite has its own.
pub(crate) fn has_port(typed: &Typed) -> bool {
    match typed {
        Typed::Host { port, .. } => port.is_some(),
        Typed::Invite { .. } => true,
    }
}

/// What Connect will do with `text`, which was understood as `typed`.
pub(crate) fn caption(typed: &Typed, text: &str) -> String {
    match typed {
        Typed::Invite {
            session,
            room,
            ways,
        } => invite(session, room.as_deref(), *ways),
        Typed::Host {
            is_local: true,
            port,
            ..
        } => format!("Starts a server on this computer{}", own_port(*port)),
        // There is more in the text: what was found in it is told.
        Typed::Host { host, port, .. } if text.trim().contains(char::is_whitespace) => {
            format!("Connects to {}, as found in this text", target(host, *port))
        }
        Typed::Host { port, .. } => format!("Connects to another computer{}", own_port(*port)),
    }
}

fn own_port(port: Option<u16>) -> String {
    port.map_or_else(String::new, |port| {
        format!(", on port {port} as Host says. The Port field is not used.")
    })
}

/// `Invite to Ada's session, 3 ways in`.
fn invite(session: &str, room: Option<&str>, ways: usize) -> String {
    let session = if session.is_empty() {
        "a session"
    } else {
        session
    };
    let ways = match ways {
        1 => "1 way in".to_owned(),
        ways => format!("{ways} ways in"),
    };
    match room {
        Some(room) => format!("Invite to {session}, room “{room}”, {ways}"),
        None => format!("Invite to {session}, {ways}"),
    }
}

fn target(host: &str, port: Option<u16>) -> String {
    match port {
        None => host.to_owned(),
        Some(port) if host.contains(':') => format!("[{host}]:{port}"),
        Some(port) => format!("{host}:{port}"),
    }
}

/// What to check when there is no way in to what Host says: the host and port; none where that is this
/// computer.
pub(crate) fn to_check(text: &str, port: u16) -> Option<String> {
    match parse_host(text) {
        Ok(Typed::Host { is_local: true, .. }) => None,
        Ok(Typed::Host {
            host, port: own, ..
        }) => Some(target(&host, Some(own.unwrap_or(port)))),
        // The backend finds the ways of an invite in it.
        Ok(Typed::Invite { .. }) | Err(_) => Some(text.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caption_of(text: &str) -> String {
        caption(&parse_host(text).unwrap(), text)
    }

    #[test]
    fn the_caption_says_what_connect_does() {
        for (text, caption) in [
            ("localhost", "Starts a server on this computer"),
            ("studio", "Connects to another computer"),
            (
                "studio:12900",
                "Connects to another computer, on port 12900 as Host says. The Port field is not used.",
            ),
            (
                "hi, my address is 192.168.0.48:12900 :)",
                "Connects to 192.168.0.48:12900, as found in this text",
            ),
            (
                "mixdesk://join?name=Ada%27s+session&lan=192.168.0.48&vpn=10.147.17.5&net=203.0.113.17:41000&v=1",
                "Invite to Ada's session, 3 ways in",
            ),
            (
                "come! mixdesk://join?lan=192.168.0.48&room=Shot+12&v=1",
                "Invite to a session, room “Shot 12”, 1 way in",
            ),
        ] {
            assert_eq!(caption_of(text), caption);
        }
    }

    #[test]
    fn what_is_checked_is_what_is_connected_to() {
        assert_eq!(to_check("localhost", 12800), None);
        assert_eq!(to_check("studio", 12900).as_deref(), Some("studio:12900"));
        assert_eq!(to_check("::5", 12800).as_deref(), Some("[::5]:12800"));
        assert_eq!(to_check(" studio:1 ", 5).as_deref(), Some("studio:1"));
    }
}
