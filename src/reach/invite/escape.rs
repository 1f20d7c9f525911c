//! Percent-encoding (RFC 3986, 2.1), with a plus for a space as in forms.
//!
//! Only letters, digits, hyphens and dots stay as they are: chat programs take `_`, `*` and `~` for type styles,
//! and a mark at the end for the end of the sentence.

use std::fmt::{self, Write};

/// Writes a name.
pub(super) fn put_text(f: &mut impl Write, text: &str) -> fmt::Result {
    put(f, text, b"")
}

/// Writes a host, with a port or without. The colons of an IPv6 address harm nothing.
pub(super) fn put_host(f: &mut impl Write, host: &str) -> fmt::Result {
    put(f, host, b":")
}

fn put(f: &mut impl Write, text: &str, also: &[u8]) -> fmt::Result {
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b' ' => f.write_char('+')?,
            b'.' if at == last => write!(f, "%2E")?,
            b'-' | b'.' => f.write_char(byte.into())?,
            _ if byte.is_ascii_alphanumeric() || also.contains(&byte) => {
                f.write_char(byte.into())?;
            }
            _ => write!(f, "%{byte:02X}")?,
        }
    }
    Ok(())
}

/// What was written. What cannot have been written by this stays as it is.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return String::from_utf8_lossy(&bytes).into_owned(),
            [b'%', high, low, after @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
                let digit = |c| hex(c).unwrap_or_default();
                bytes.push(digit(*high) << 4 | digit(*low));
                after
            }
            [b'+', after @ ..] => {
                bytes.push(b' ');
                after
            }
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
        };
    }
}

fn hex(c: u8) -> Option<u8> {
    char::from(c).to_digit(16)?.try_into().ok()
}
