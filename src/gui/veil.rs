//! Hiding addresses, for who shows the window to others.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// What stands for an address while addresses are hidden.
const DOTS: &str = "••••••••";
/// What may stand around an address in a sentence.
const AROUND: &[char] = &[
    '"', '\'', '“', '”', '‘', '’', '(', ')', '<', '>', '=', ',', ';', '{', '}',
];

/// Whether addresses are hidden, everywhere in the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Veil {
    /// They are.
    pub(crate) down: bool,
}

impl Veil {
    /// An address or a host's name as it is shown.
    pub(crate) fn over<'a>(self, address: &'a str) -> Cow<'a, str> {
        if self.down {
            Cow::Borrowed(DOTS)
        } else {
            Cow::Borrowed(address)
        }
    }

    /// A sentence as it is shown: all that can be told to be an address or an invite is hidden.
    pub(crate) fn within<'a>(self, text: &'a str) -> Cow<'a, str> {
        if !self.down {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len());
        for word in text.split_inclusive(char::is_whitespace) {
            match word.to_ascii_lowercase().find("mixdesk:") {
                // Whatever it has in it, up to the blank.
                Some(start) => {
                    shown.push_str(word.get(..start).unwrap_or_default());
                    shown.push_str(DOTS);
                    let blank = word.trim_end().len();
                    shown.push_str(word.get(blank..).unwrap_or_default());
                }
                None => hide_addresses(word, &mut shown),
            }
        }
        Cow::Owned(shown)
    }
}

/// Appends a word to what is `shown`, with dots for the addresses in it.
fn hide_addresses(word: &str, shown: &mut String) {
    let is_around = |c: char| c.is_whitespace() || AROUND.contains(&c);
    for part in word.split_inclusive(is_around) {
        let core = part.trim_end_matches(is_around);
        let core = core.trim_end_matches(['.', ':', '!', '?', '…']);
        if is_address(core) {
            shown.push_str(DOTS);
            shown.push_str(part.get(core.len()..).unwrap_or_default());
        } else {
            shown.push_str(part);
        }
    }
}

/// `192.168.0.48`, `192.168.0.48:12800`, `10.0.0.0/8`, `fe80::1%eth0`, `[::1]:5`.
fn is_address(word: &str) -> bool {
    let bare = word.split(['/', '%']).next().unwrap_or_default();
    let inside = bare.trim_start_matches('[').trim_end_matches(']');
    // A lone `::` is rather punctuation.
    word.parse::<SocketAddr>().is_ok() || inside.len() > 2 && inside.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hidden_and_all_else_stays() {
        let veil = Veil { down: true };
        for (text, shown) in [
            (
                "Nobody answers at 192.168.0.48:12800. It is there.",
                "Nobody answers at ••••••••. It is there.",
            ),
            (
                "from (10.0.0.0/8), or fe80::1%eth0",
                "from (••••••••), or ••••••••",
            ),
            ("[::1]:12800 said “192.0.2.1”", "•••••••• said “••••••••”"),
            (
                "join “mixdesk://join?n=x&l=192.0.2.1:1 now",
                "join “•••••••• now",
            ),
            (
                "At 14:03:07, TCP port 12800, Mixdesk 0.1.0, 12 s",
                "At 14:03:07, TCP port 12800, Mixdesk 0.1.0, 12 s",
            ),
        ] {
            assert_eq!(veil.within(text), shown);
            assert_eq!(Veil::default().within(text), text);
        }
        assert_eq!(veil.over("studio.example"), "••••••••");
    }
}
