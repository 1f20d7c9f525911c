//! What a person types or pastes to say where a relay is.

use thiserror::Error;

use super::Invite;
use super::{read, scan};
use crate::net::{Target, TargetError};

/// Longest text that is looked through, in bytes: a whole page of a chat.
const MAX_TEXT_BYTES: usize = 64 << 10;
/// So many words may be somebody's idea of a host's name; more are a message.
const NAME_WORDS: usize = 3;

/// What a text means that says where a relay is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// A name or an address.
    Target(Target),
    /// An invite.
    Invite(Invite),
}

/// Why a text does not say where a relay is, for the person who typed or pasted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{}", self.words())]
pub enum TypedError {
    /// It looks like a host, and is none.
    Target(TargetError),
    /// Longer than any message.
    TooLong,
    /// A message that says nothing of where.
    NoAddress,
    /// A link to Mixdesk that is no invite.
    NotJoin,
    /// An invite that says nothing of where.
    NoRoute,
    /// An invite that says where in a way of its own.
    Newer,
}

impl TypedError {
    /// What is wrong, in words that fit beside a field.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Target(error) => error.words(),
            Self::TooLong => "This text is too long. Paste only the address or the invite",
            Self::NoAddress => {
                "There is no address in this text. An address looks like 192.168.0.48"
            }
            Self::NotJoin => "This link is no invite. Ask your colleague for “Copy invite”",
            Self::NoRoute => {
                "This invite has no address in it. Ask your colleague to copy it again"
            }
            Self::Newer => {
                "This invite is of a newer Mixdesk. Update yours, or ask for the address"
            }
        }
    }
}

impl From<TargetError> for TypedError {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

/// Understands all that [`Target::parse`] does, an [`Invite`], and a message around either of them:
/// `my ip is 192.168.0.48, port 13000!` `default_port` counts where the text names none, but not for an invite,
/// whose own is Mixer's.
///
/// # Errors
/// When the text says nothing of where, or something that cannot be.
pub fn understand(text: &str, default_port: u16) -> Result<Typed, TypedError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(TypedError::TooLong);
    }
    let text = plain(text);
    let broken = match read::invite(&text) {
        Some(Ok(invite)) => return Ok(Typed::Invite(invite)),
        // There may be an address in it all the same.
        Some(Err(error)) => Some(error),
        None => None,
    };
    let whole = match broken {
        Some(error) => Err(error),
        None => Target::parse(&text, default_port).map_err(TypedError::from),
    };
    // Where words have no space between them, a message looks like a name of that script.
    if let Ok(target) = &whole
        && target.host.is_ascii()
    {
        return Ok(Typed::Target(target.clone()));
    }
    let found = match scan::address(&text) {
        Ok(None) if broken.is_none() => scan::name(&text),
        Ok(found) => found,
        Err(wrong) => return Err(broken.unwrap_or(wrong.into())),
    };
    match (found, whole) {
        (Some((host, port)), _) => Ok(Typed::Target(Target {
            host,
            port: port.unwrap_or(default_port),
        })),
        (None, Ok(target)) => Ok(Typed::Target(target)),
        (None, Err(error))
            if broken.is_some() || text.split_whitespace().nth(NAME_WORDS).is_none() =>
        {
            Err(error)
        }
        (None, Err(_)) => Err(TypedError::NoAddress),
    }
}

/// The text without what cannot be seen, and with the marks of other keyboards as the usual ones: chat programs
/// and Chinese or Japanese keyboards put them there.
fn plain(text: &str) -> String {
    let seen = text.chars().filter(|c| {
        !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    });
    seen.map(|c| match c {
        '\u{3002}' => '.',
        // The full-width forms, in the order of ASCII.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    })
    .collect()
}
