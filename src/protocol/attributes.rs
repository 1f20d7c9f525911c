//! Attributes of clients and rooms: named values that survive exactly as they were written.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::json::{self, JsonError, quote};

/// What a value takes in memory besides its name and text, about: two allocations and a place in the
/// tree. Without it, a limit on bytes would let a million values of one digit through.
const VALUE_BYTES: usize = 96;

/// A name is written with escapes, the longest of which say one byte in six.
const ESCAPED_BYTES: usize = 6;

fn size(name: &str, value: &str) -> usize {
    ESCAPED_BYTES * name.len() + value.len() + VALUE_BYTES
}

/// Named values. A value is the text it was written as, so `1.0` stays `1.0` and `NaN` stays `NaN`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<String, Arc<str>>);

/// The attributes of several clients (by id) or rooms (by name).
pub type NamedAttributes = BTreeMap<String, Attributes>;

impl Attributes {
    /// Reads one JSON object. When a name stands twice the last one counts, as in Python.
    ///
    /// # Errors
    /// When `text` is not exactly one object that Python would read.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        // Lists of clients and rooms hold them one level deeper.
        let members = json::object_at(text, 1)?;
        Ok(Self(
            members
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect(),
        ))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that the names and values take at most, in memory (about) as well as written.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| size(name, value)).sum()
    }

    /// Names and values as written, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }

    /// A value as it was written.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| &**value)
    }

    /// A value that is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)?).ok()
    }

    /// A value that is a whole number which fits.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.raw(name)?.parse().ok()
    }

    /// A value that is a count or a size.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        self.raw(name)?.parse().ok()
    }

    /// A value that is true or false.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.raw(name)?.parse().ok()
    }

    /// A value that is a list of three finite numbers, such as a colour.
    #[must_use]
    pub fn triple(&self, name: &str) -> Option<[f32; 3]> {
        let triple: [f32; 3] = serde_json::from_str(self.raw(name)?).ok()?;
        triple.iter().all(|part| part.is_finite()).then_some(triple)
    }

    /// A value that is itself an object.
    #[must_use]
    pub fn nested(&self, name: &str) -> Option<Self> {
        Self::parse(self.raw(name)?).ok()
    }

    /// Sets a value that is already JSON, made by this program.
    fn set(&mut self, name: &str, value: impl Into<Arc<str>>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Sets a string.
    #[must_use]
    pub fn with_text(mut self, name: &str, value: &str) -> Self {
        self.set(name, quote(value));
        self
    }

    /// Sets a string, or `null`.
    #[must_use]
    pub fn with_text_or_null(mut self, name: &str, value: Option<&str>) -> Self {
        self.set(name, value.map_or_else(|| "null".to_owned(), quote));
        self
    }

    /// Sets a count or a size.
    #[must_use]
    pub fn with_count(mut self, name: &str, value: u64) -> Self {
        self.set(name, value.to_string());
        self
    }

    /// Sets true or false.
    #[must_use]
    pub fn with_flag(mut self, name: &str, value: bool) -> Self {
        self.set(name, if value { "true" } else { "false" });
        self
    }

    /// Sets a list of three numbers.
    #[must_use]
    pub fn with_triple(mut self, name: &str, [a, b, c]: [f32; 3]) -> Self {
        self.set(name, format!("[{a:?}, {b:?}, {c:?}]"));
        self
    }

    /// Without the named values.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|name, _| !names.contains(&name.as_str()));
        self
    }

    /// Only the named values.
    #[must_use]
    pub fn only<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> Self {
        let pick = |name: &String| {
            self.0
                .get_key_value(name)
                .map(|(name, value)| (name.clone(), Arc::clone(value)))
        };
        Self(names.into_iter().filter_map(pick).collect())
    }

    /// Takes over every value of `new` and returns those that made a difference. Values are compared
    /// one by one at this level only, as written.
    pub fn update(&mut self, new: Self) -> Self {
        let changed = self.difference(new);
        for (name, value) in &changed.0 {
            self.0.insert(name.clone(), Arc::clone(value));
        }
        changed
    }

    /// The values of `new` that an [update](Self::update) would take over.
    #[must_use]
    pub fn difference(&self, mut new: Self) -> Self {
        let is_new = |name: &String, value: &mut Arc<str>| {
            let old = self.0.get(name);
            !old.is_some_and(|old| json::same(old, value))
        };
        new.0.retain(is_new);
        new
    }

    /// What these take with `new` taken over, where they take `held` now.
    #[must_use]
    pub fn size_with(&self, held: usize, new: &Self) -> usize {
        let old = new.0.keys().filter_map(|name| self.0.get_key_value(name));
        let old: usize = old.map(|(name, value)| size(name, value)).sum();
        held.saturating_sub(old) + new.size_bytes()
    }

    /// Appends this as a JSON object, spaced as Python does.
    pub fn write(&self, out: &mut String) {
        write_object(out, self.0.iter(), |out, value| out.push_str(value));
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Attributes {
    /// From names and values that came out of [`Attributes::iter`].
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
        )
    }
}

/// Reads an object of objects.
///
/// # Errors
/// When `text` is not exactly one object of objects that Python would read.
pub fn parse_named(text: &str) -> Result<NamedAttributes, JsonError> {
    json::object(text)?
        .into_iter()
        .map(|(name, value)| Ok((name, Attributes::parse(value)?)))
        .collect()
}

/// An object of objects, spaced as Python does.
#[must_use]
pub fn write_named<'a>(named: impl IntoIterator<Item = (&'a str, &'a Attributes)>) -> String {
    let mut out = String::new();
    write_object(&mut out, named, |out, attributes| attributes.write(out));
    out
}

fn write_object<N: AsRef<str>, V>(
    out: &mut String,
    members: impl IntoIterator<Item = (N, V)>,
    mut write: impl FnMut(&mut String, V),
) {
    out.push('{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str(&quote(name.as_ref()));
        out.push_str(": ");
        write(out, value);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Attributes {
        Attributes::parse(text).unwrap()
    }

    #[test]
    fn values_survive_as_written() {
        let text = r#"{"a": NaN, "b": [1.0, 1, -Infinity], "c": 123456789012345678901234567890, "d": "\ud83d\ude00"}"#;
        assert_eq!(parse(text).to_string(), text);
    }

    #[test]
    fn the_size_of_all_follows_from_what_changes() {
        let mut mine = parse(r#"{"a": 1, "long name": "text"}"#);
        for new in [r#"{"a": 22, "b": null}"#, r#"{"long name": 1}"#, "{}"] {
            let changed = mine.difference(parse(new));
            let size = mine.size_with(mine.size_bytes(), &changed);
            mine.update(changed);
            assert_eq!(size, mine.size_bytes());
        }
    }

    #[test]
    fn only_what_changed_is_told() {
        let mut mine = parse(r#"{"a": 1, "b": {"x": 1}, "c": NaN}"#);
        let changed = mine.update(parse(r#"{"a": 1.0, "b": {"x":1}, "c": NaN, "d": null}"#));
        assert_eq!(changed.to_string(), r#"{"a": 1.0, "d": null}"#);
        assert_eq!(
            mine.to_string(),
            r#"{"a": 1.0, "b": {"x": 1}, "c": NaN, "d": null}"#
        );
        assert!(mine.update(parse(r#"{"a": 1.0}"#)).is_empty());
    }

    #[test]
    fn typed_reading_is_tolerant() {
        let all = parse(
            r#"{"t": "\u00e9", "n": 3, "big": 99999999999999999999, "f": true, "c": [0.1, 1, 0], "bad": [NaN, 1, 1]}"#,
        );
        assert_eq!(all.text("t").as_deref(), Some("é"));
        assert_eq!(
            (all.text("n"), all.integer("n"), all.count("big")),
            (None, Some(3), None)
        );
        assert_eq!((all.flag("f"), all.flag("n")), (Some(true), None));
        assert_eq!(
            (all.triple("c"), all.triple("bad")),
            (Some([0.1, 1.0, 0.0]), None)
        );
    }

    #[test]
    fn what_one_may_say_fits_into_a_list() {
        let nested =
            |depth: usize| format!("{{\"x\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
        let deepest = (0..2 * json::MAX_DEPTH)
            .rev()
            .find(|&depth| Attributes::parse(&nested(depth)).is_ok());
        let attributes = parse(&nested(deepest.unwrap()));
        assert!(parse_named(&write_named([("a", &attributes)])).is_ok());
    }

    #[test]
    fn named_attributes_round_trip() {
        let text = r#"{"127.0.0.1:5": {"id": "127.0.0.1:5", "room": null}, "a \"b\"": {}}"#;
        let named = parse_named(text).unwrap();
        assert_eq!(
            write_named(
                named
                    .iter()
                    .map(|(name, attributes)| (name.as_str(), attributes))
            ),
            text
        );
        assert!(parse_named(r#"{"a": 1}"#).is_err());
    }
}
