//! Strings and flags inside a payload: taken one after the other, and at the end nothing may be left.

use thiserror::Error;

use super::json::JsonError;

/// Why a payload does not say what its kind should.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// The payload ended before the field did.
    #[error("the message ends in the middle of {0}")]
    Short(&'static str),
    /// The field is not text.
    #[error("{0} is not valid UTF-8")]
    NotText(&'static str),
    /// Bytes were left after the last field.
    #[error("{0} bytes are left over after the message")]
    LeftOver(usize),
    /// The attributes are not what Python's `json` module reads.
    #[error("the attributes are not valid JSON: {0}")]
    Json(#[from] JsonError),
    /// This number is not one that this side may send.
    #[error("{0} is not a message that can be sent here")]
    Unknown(super::kind::Kind),
}

/// A payload, taken from the front.
#[derive(Clone, Copy, Debug)]
pub struct Take<'a>(&'a [u8]);

impl<'a> Take<'a> {
    /// Starts at the front of `payload`.
    #[must_use]
    pub fn new(payload: &'a [u8]) -> Self {
        Self(payload)
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, WireError> {
        let (bytes, rest) = self
            .0
            .split_first_chunk::<4>()
            .ok_or(WireError::Short(what))?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// A string: u32 byte length, then UTF-8.
    ///
    /// # Errors
    /// When the payload is too short for it, or it is not UTF-8.
    pub fn string(&mut self, what: &'static str) -> Result<&'a str, WireError> {
        let length = usize::try_from(self.u32(what)?).map_err(|_| WireError::Short(what))?;
        let (text, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(WireError::Short(what))?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| WireError::NotText(what))
    }

    /// A flag: u32, where 1 is true and all else false.
    ///
    /// # Errors
    /// When the payload is too short for it.
    pub fn flag(&mut self, what: &'static str) -> Result<bool, WireError> {
        Ok(self.u32(what)? == 1)
    }

    /// All that is left, as bare UTF-8 with no length before it.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn bare_text(self, what: &'static str) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.0).map_err(|_| WireError::NotText(what))
    }

    /// All that is left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Ends the payload.
    ///
    /// # Errors
    /// When bytes are left.
    pub fn finish(self) -> Result<(), WireError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(WireError::LeftOver(self.0.len()))
        }
    }
}

/// Appends a string: u32 byte length, then UTF-8. The length is what a u32 can say; a longer text is
/// cut at a character, which no sender of ours comes near.
pub(super) fn put_string(out: &mut Vec<u8>, text: &str) {
    let mut length = text.len().min(u32::MAX as usize);
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(text.as_bytes().get(..length).unwrap_or_default());
}

/// Appends a flag.
pub(super) fn put_flag(out: &mut Vec<u8>, flag: bool) {
    out.extend_from_slice(&u32::from(flag).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_true() {
        for (bytes, flag) in [
            ([1, 0, 0, 0], true),
            ([0, 0, 0, 0], false),
            ([2, 0, 0, 0], false),
            ([1, 1, 0, 0], false),
        ] {
            assert_eq!(Take::new(&bytes).flag("a flag"), Ok(flag));
        }
    }

    #[test]
    fn a_string_is_bounded_by_what_is_there() {
        assert_eq!(Take::new(b"\x02\0\0\0ab").string("a name"), Ok("ab"));
        assert_eq!(
            Take::new(b"\x03\0\0\0ab").string("a name"),
            Err(WireError::Short("a name"))
        );
        assert_eq!(
            Take::new(b"\xff\xff\xff\xffab").string("a name"),
            Err(WireError::Short("a name"))
        );
        assert_eq!(
            Take::new(b"\x01\0\0\0\xff").string("a name"),
            Err(WireError::NotText("a name"))
        );
        assert_eq!(
            Take::new(b"\x01\0").string("a name"),
            Err(WireError::Short("a name"))
        );
    }
}
