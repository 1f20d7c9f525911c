//! What others have chosen (names, words) as it may be shown to a person.

use std::borrow::Cow;

/// Whether a character does something to what stands around it: a control character, a line end, or one
/// that turns the direction of writing.
#[must_use]
pub fn plays_tricks(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// A text in which nothing [`plays_tricks`]: each such character is U+FFFD.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if text.contains(plays_tricks) {
        text.replace(plays_tricks, "\u{fffd}").into()
    } else {
        text.into()
    }
}

/// The first `chars` characters of a text, with an ellipsis in the place of the last where there are more.
#[must_use]
pub fn cut(text: &str, chars: usize) -> Cow<'_, str> {
    if text.char_indices().nth(chars).is_none() {
        return text.into();
    }
    let mut short: String = text.chars().take(chars.saturating_sub(1)).collect();
    short.push('…');
    short.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_play_with_what_stands_around_them() {
        assert_eq!(harmless("Zoé, ミクサー"), "Zoé, ミクサー");
        for (text, shown) in [
            ("a\u{1b}[2Jb\né", "a\u{fffd}[2Jb\u{fffd}é"),
            ("a\u{9b}2J\u{7f}", "a\u{fffd}2J\u{fffd}"),
            ("ada\u{202e}gnp.exe\u{2066}", "ada\u{fffd}gnp.exe\u{fffd}"),
            ("a\u{2028}b\u{200f}", "a\u{fffd}b\u{fffd}"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(cut("héllo", 5), "héllo");
        assert_eq!(cut("héllo!", 5), "héll…");
        assert_eq!(cut("", 5), "");
    }
}
