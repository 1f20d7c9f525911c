//! JSON as Python's `json` module writes and reads it.
//!
//! That is not quite JSON: `NaN`, `Infinity` and `-Infinity` occur, integers have any number of
//! digits, and `1.0` and `1` are two different values to the receiver. So values are checked here but
//! never converted: they stay the text they came as. What Python would refuse is refused, because a
//! relay that passed it on would break every receiver.

use thiserror::Error;

/// How deep values may be nested. Python itself gives up near 1,000.
pub const MAX_DEPTH: usize = 128;
/// How many digits an integer may have: Python 3.11's own limit, past which reading one raises.
pub const MAX_INTEGER_DIGITS: usize = 4300;
/// How many members an object may have that is taken apart. A client has a dozen attributes, and a
/// member takes 30 times the memory of its shortest text.
pub const MAX_MEMBERS: usize = 65_536;

/// Why a text is not what Python's `json` module reads. Positions are byte offsets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JsonError {
    /// Something else was expected.
    #[error("{expected} expected at byte {at}")]
    Expected {
        /// What should stand there.
        expected: &'static str,
        /// Where.
        at: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels at byte {0}")]
    Depth(usize),
    /// An integer longer than [`MAX_INTEGER_DIGITS`].
    #[error("an integer of more than {MAX_INTEGER_DIGITS} digits at byte {0}")]
    Digits(usize),
    /// More members than [`MAX_MEMBERS`].
    #[error("more than {MAX_MEMBERS} members")]
    Members,
    /// A member's name is not valid Unicode: half a surrogate pair.
    #[error("a name with half a surrogate pair at byte {0}")]
    Name(usize),
}

/// The members of an object: names as text, values as they were written.
///
/// # Errors
/// When `text` is not exactly one object that Python would read.
pub fn object(text: &str) -> Result<Vec<(String, &str)>, JsonError> {
    object_at(text, 0)
}

/// The same of an object that stands `depth` deep in others, or is going to: what is taken from one
/// message must fit into another.
pub(super) fn object_at(text: &str, depth: usize) -> Result<Vec<(String, &str)>, JsonError> {
    let mut scanner = Scanner { text, at: 0 };
    let mut members = Vec::new();
    scanner.space();
    scanner.members(depth, |name, value| {
        if members.len() == MAX_MEMBERS {
            return Err(JsonError::Members);
        }
        members.push((name, value));
        Ok(())
    })?;
    scanner.space();
    if scanner.at == text.len() {
        Ok(members)
    } else {
        Err(scanner.expected("the end"))
    }
}

/// Whether two values are written alike but for white space between their parts.
pub(super) fn same(a: &str, b: &str) -> bool {
    a == b || significant(a).eq(significant(b))
}

/// The bytes of a value without the white space outside its strings.
fn significant(text: &str) -> impl Iterator<Item = u8> {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().filter(move |&byte| {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            true
        } else {
            quoted = byte == b'"';
            !is_space(byte)
        }
    })
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// `text` as a JSON string, quotes included.
#[must_use]
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Expected {
            expected,
            at: self.at,
        }
    }

    fn space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn take_word(&mut self, word: &str) -> bool {
        let there = self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word));
        self.at += if there { word.len() } else { 0 };
        there
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn members(
        &mut self,
        depth: usize,
        mut each: impl FnMut(String, &'a str) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if !self.take(b'{') {
            return Err(self.expected("an object"));
        }
        self.space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let start = self.at;
            self.string()?;
            let name =
                serde_json::from_str(self.since(start)).map_err(|_| JsonError::Name(start))?;
            self.space();
            if !self.take(b':') {
                return Err(self.expected("a colon"));
            }
            self.space();
            let start = self.at;
            self.value(depth + 1)?;
            each(name, self.since(start))?;
            if self.end_of_list(b'}')? {
                return Ok(());
            }
        }
    }

    /// After an element: a comma (`false`), or the end (`true`).
    fn end_of_list(&mut self, close: u8) -> Result<bool, JsonError> {
        self.space();
        if self.take(close) {
            return Ok(true);
        }
        if !self.take(b',') {
            return Err(self.expected("a comma or the end of the list"));
        }
        self.space();
        Ok(false)
    }

    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::Depth(self.at));
        }
        match self.peek() {
            Some(b'{') => self.members(depth, |_, _| Ok(())),
            Some(b'[') => {
                self.at += 1;
                self.space();
                if self.take(b']') {
                    return Ok(());
                }
                loop {
                    self.value(depth + 1)?;
                    if self.end_of_list(b']')? {
                        return Ok(());
                    }
                }
            }
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if ["null", "true", "false", "NaN", "Infinity"]
                .iter()
                .any(|word| self.take_word(word)) =>
            {
                Ok(())
            }
            _ => Err(self.expected("a value")),
        }
    }

    fn string(&mut self) -> Result<(), JsonError> {
        if !self.take(b'"') {
            return Err(self.expected("a string"));
        }
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                            self.at += 1;
                        }
                        Some(b'u') => {
                            let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
                            if !digits
                                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
                            {
                                return Err(self.expected("four hexadecimal digits"));
                            }
                            self.at += 5;
                        }
                        _ => return Err(self.expected("an escape")),
                    }
                }
                Some(byte) if byte >= 0x20 => self.at += 1,
                _ => return Err(self.expected("the rest of a string")),
            }
        }
    }

    fn digits(&mut self) -> Result<usize, JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.expected("a digit"))
        } else {
            Ok(self.at - start)
        }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.take(b'-') && self.take_word("Infinity") {
            return Ok(());
        }
        let digits = if self.take(b'0') { 1 } else { self.digits()? };
        let mut integer = true;
        if self.take(b'.') {
            integer = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            integer = false;
            let _signed = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        if integer && digits > MAX_INTEGER_DIGITS {
            Err(JsonError::Digits(start))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<String, JsonError> {
        let text = format!("{{\"a\": {text}}}");
        let [(name, value)] = &object(&text)?[..] else {
            panic!("one member")
        };
        assert_eq!(name, "a");
        Ok((*value).to_owned())
    }

    #[test]
    fn values_stay_as_written() {
        for text in [
            "NaN",
            "Infinity",
            "-Infinity",
            "1",
            "1.0",
            "-0.0",
            "1e400",
            "0.1e-7",
            "123456789012345678901234567890",
            "null",
            "true",
            "false",
            "\"\"",
            "\"\\ud800\"",
            "\"\\u00e9\\n\"",
            "\"é\"",
            "[]",
            "[1, [2, {\"b\": NaN}]]",
            "{}",
            "{\"x\": {\"y\": [1.0,  2]}}",
        ] {
            assert_eq!(value(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for text in [
            "",
            "nan",
            "-NaN",
            "+1",
            "01",
            "1.",
            ".5",
            "1e",
            "0x10",
            "'a'",
            "\"a",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\t\"",
            "\"\u{1}\"",
            "[1,]",
            "[1 2]",
            "{\"a\" 1}",
            "{a: 1}",
            "{\"a\": 1,}",
            "None",
            "True",
            "1 2",
            "--1",
        ] {
            assert!(value(text).is_err(), "{text}");
        }
        for text in ["", "[]", "1", "{} {}", "{}x", "{", "null"] {
            assert!(object(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nesting_and_digits_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(value(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(
            value(&nested(MAX_DEPTH + 1)),
            Err(JsonError::Depth(_))
        ));
        assert!(value(&"[".repeat(1_000_000)).is_err());
        assert!(value(&"9".repeat(MAX_INTEGER_DIGITS)).is_ok());
        assert!(matches!(
            value(&"9".repeat(MAX_INTEGER_DIGITS + 1)),
            Err(JsonError::Digits(_))
        ));
    }

    #[test]
    fn members_are_bounded() {
        let members = |count: usize| format!("{{\"a\": 1{}}}", ", \"b\": 2".repeat(count - 1));
        assert!(object(&members(MAX_MEMBERS)).is_ok());
        assert_eq!(object(&members(MAX_MEMBERS + 1)), Err(JsonError::Members));
    }

    #[test]
    fn a_name_is_decoded_so_that_it_cannot_hide() {
        assert_eq!(object("{\"\\u0069d\": 1}").unwrap()[0].0, "id");
        assert!(matches!(
            object("{\"\\ud800\": 1}"),
            Err(JsonError::Name(_))
        ));
    }

    #[test]
    fn white_space_makes_no_difference_but_numbers_do() {
        assert!(same("[1, 2]", "[1,2]"));
        assert!(same("{\"a b\" : 1}", "{\"a b\":1}"));
        assert!(!same("\"a b\"", "\"ab\""));
        assert!(!same("\"\\\" x\"", "\"\\\"x\""));
        assert!(!same("1", "1.0"));
        assert!(same("NaN", "NaN"));
    }
}
