//! Values of a host's language as JSON: nothing is refused; what JSON cannot carry is spelled in another way.
//!
//! Guarantees: whatever is written, the result is a tree that every JSON reader reads alike. The values that had to be
//! spelled, cut or left out are counted. Nesting, the number of values and the work are bounded.
//!
//! This is for what comes from spans and log records, where a value in another form is worth more than an error. The data
//! of an event goes through [`ObjectWriter`](super::ObjectWriter), which refuses instead.
//!
//! | given | spelled |
//! | --- | --- |
//! | NaN, infinities | `"NaN"`, `"Infinity"`, `"-Infinity"`, as OTLP/JSON has them |
//! | a number whose integral value is outside ±(2^53−1) | its digits in a string; a double as ECMAScript writes it, `"1e+300"` |
//! | bytes | base64 in a string |
//! | text that is not Unicode | the text with U+FFFD for what is none |
//! | a key that is there twice | `key`, `key#2`, … |
//! | what failed while it was read | `"[unreadable: …]"` |
//! | what nests deeper than 64, or comes after 10 000 values | a string that says so |

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::number::is_unsafe_integer;
use super::parse::{Builder, JsonError, drive};
use super::stream::{StreamError, Wide, drive_stream, is_stream};
use super::{DEFAULT_DEPTH, MAX_SAFE_INTEGER, Value};

/// How many values are kept; a log record or a span has a few dozen.
const MAX_VALUES: usize = 10_000;

/// Builds a [`Value`] from what a host's language has, for spans and log records: refuses nothing, and spells what JSON
/// cannot carry (`"NaN"`, base64, large numbers as digits).
#[derive(Default)]
pub struct Plain {
    root: Option<Value>,
    open: Vec<(Value, String)>,
    values: usize,
    respelled: u64,
    /// How many containers are open inside one that is left out.
    skipping: usize,
    full: bool,
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the values: they may be people's words, and a debug print ends up in logs.
        write!(f, "Plain({} values)", self.values)
    }
}

/// A value that was written, and how many of its parts are not as they were given.
#[derive(Clone, Debug, PartialEq)]
pub struct Spelled {
    /// The value; `null` if none was written.
    pub value: Value,
    /// How many values were spelled, cut or left out.
    pub respelled: u64,
}

/// Reads a JSON text or a stream of values (`SINKWELL_DATA_VALUES` in the C ABI), and spells values as [`Plain`] does.
///
/// # Errors
/// The bytes are neither.
pub fn read_plain(bytes: &[u8]) -> Result<Spelled, JsonError> {
    let mut plain = Plain::default();
    if is_stream(bytes) {
        drive_stream(bytes, &mut plain).map_err(|e| match e {
            StreamError::Broken => JsonError::new("is no stream of values"),
            StreamError::Refused(e) => e,
        })?;
    } else {
        let text = String::from_utf8_lossy(bytes);
        plain.respelled += u64::from(text.len() != bytes.len());
        drive(text.as_bytes(), &mut plain, 512)?;
    }
    Ok(plain.finish())
}

impl Plain {
    /// A builder of one value.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    #[must_use]
    pub fn finish(mut self) -> Spelled {
        // Containers that were not ended are ended here.
        while !self.open.is_empty() {
            self.end();
        }
        Spelled { value: self.root.unwrap_or(Value::Null), respelled: self.respelled }
    }

    /// Whether further values are left out, so that the caller may stop walking.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Begins an object.
    pub fn object(&mut self) {
        self.begin(Value::Object(Vec::new()));
    }

    /// Begins a list.
    pub fn list(&mut self) {
        self.begin(Value::Array(Vec::new()));
    }

    /// Ends the innermost object or list.
    pub fn end(&mut self) {
        if self.skipping > 0 {
            self.skipping -= 1;
            return;
        }
        if let Some((mut value, _)) = self.open.pop() {
            if let Value::Object(members) = &mut value {
                self.respelled += told_apart(members);
            }
            self.set(value);
        }
    }

    /// The key of the value that comes next, in the innermost object.
    pub fn name(&mut self, key: &str) {
        if self.skipping == 0
            && let Some((_, slot)) = self.open.last_mut()
        {
            key.clone_into(slot);
        }
    }

    /// A text, even if its bytes are not Unicode.
    pub fn text(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        if matches!(text, std::borrow::Cow::Owned(_)) {
            self.spelled(text.into_owned());
        } else {
            self.put(|| Value::String(text.into_owned()));
        }
    }

    /// An integer of any size that a machine has.
    pub fn integer(&mut self, value: i128) {
        match i64::try_from(value) {
            Ok(small) if small.unsigned_abs() <= MAX_SAFE_INTEGER => self.put(|| Value::Int(small)),
            _ => self.spelled(value.to_string()),
        }
    }

    /// A double.
    pub fn double(&mut self, value: f64) {
        if value.is_finite() && !is_unsafe_integer(value) {
            #[allow(clippy::cast_possible_truncation, reason = "integral and within 2^53")]
            self.put(|| if value.fract() == 0.0 { Value::Int(value as i64) } else { Value::Float(value) });
        } else {
            self.spelled(ryu_js::Buffer::new().format(value).to_owned());
        }
    }

    /// Bytes.
    pub fn binary(&mut self, bytes: &[u8]) {
        self.spelled(STANDARD.encode(bytes));
    }

    /// A truth value.
    pub fn truth(&mut self, value: bool) {
        self.put(|| Value::Bool(value));
    }

    /// Nothing.
    pub fn nothing(&mut self) {
        self.put(|| Value::Null);
    }

    /// Any other value, as the text that its language gives for it; or a number, as its digits.
    pub fn spelled(&mut self, text: String) {
        self.respelled += u64::from(self.skipping == 0 && !self.full);
        self.put(|| Value::String(text));
    }

    /// A value that could not be read: `what` says its type, or what happened, and never what it holds.
    pub fn unreadable_value(&mut self, what: &str) {
        self.spelled(format!("[unreadable: {what}]"));
    }

    /// Counts something that is not as it was given, and that has no value of its own.
    pub fn note(&mut self) {
        self.respelled += 1;
    }

    fn begin(&mut self, value: Value) {
        if self.skipping > 0 || self.full {
            self.skipping += 1;
        } else if self.open.len() >= DEFAULT_DEPTH {
            self.spelled(format!("[nested deeper than {DEFAULT_DEPTH}]"));
            self.skipping = 1;
        } else {
            self.count();
            if self.full {
                self.skipping = 1;
            } else {
                self.open.push((value, String::new()));
            }
        }
    }

    fn put(&mut self, value: impl FnOnce() -> Value) {
        if self.skipping > 0 || self.full {
            return;
        }
        self.count();
        if !self.full {
            self.set(value());
        }
    }

    fn count(&mut self) {
        self.values += 1;
        if self.values > MAX_VALUES {
            self.set(Value::String(format!("[more than {MAX_VALUES} values]")));
            self.respelled += 1;
            self.full = true;
        }
    }

    fn set(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some((Value::Object(members), key)) => members.push((std::mem::take(key), value)),
            Some((Value::Array(items), _)) => items.push(value),
            Some(_) => {}
        }
    }
}

/// Gives each repeated name a name of its own; answers how many there were.
fn told_apart(members: &mut [(String, Value)]) -> u64 {
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    if keys.windows(2).all(|pair| pair[0] != pair[1]) {
        return 0;
    }
    let mut taken: HashMap<String, usize> = keys.into_iter().map(|key| (key.to_owned(), 0)).collect();
    let mut renamed = 0;
    for (key, _) in members {
        let seen = taken.get(key.as_str()).copied().unwrap_or_default();
        taken.insert(key.clone(), seen + 1);
        if seen > 0 {
            let mut n = seen + 1;
            while taken.contains_key(&format!("{key}#{n}")) {
                n += 1;
            }
            taken.insert(key.clone(), n);
            *key = format!("{key}#{n}");
            taken.insert(key.clone(), 1);
            renamed += 1;
        }
    }
    renamed
}

impl Builder for Plain {
    fn begin_object(&mut self) -> Result<(), JsonError> {
        self.object();
        Ok(())
    }
    fn end_object(&mut self) -> Result<(), JsonError> {
        self.end();
        Ok(())
    }
    fn begin_array(&mut self) -> Result<(), JsonError> {
        self.list();
        Ok(())
    }
    fn end_array(&mut self) -> Result<(), JsonError> {
        self.end();
        Ok(())
    }
    fn key(&mut self, key: &str) -> Result<(), JsonError> {
        self.name(key);
        Ok(())
    }
    fn string(&mut self, s: &str) -> Result<(), JsonError> {
        self.put(|| Value::String(s.to_owned()));
        Ok(())
    }
    fn int(&mut self, value: i64) -> Result<(), JsonError> {
        self.integer(value.into());
        Ok(())
    }
    fn float(&mut self, value: f64) -> Result<(), JsonError> {
        self.double(value);
        Ok(())
    }
    fn bool(&mut self, value: bool) -> Result<(), JsonError> {
        self.truth(value);
        Ok(())
    }
    fn null(&mut self) -> Result<(), JsonError> {
        self.nothing();
        Ok(())
    }
    fn verbatim(&mut self, text: &str) -> bool {
        self.spelled(text.to_owned());
        true
    }
    fn lone_surrogate(&mut self) -> Option<char> {
        self.respelled += 1;
        Some(char::REPLACEMENT_CHARACTER)
    }
    fn path(&self) -> String {
        String::new()
    }
}

impl Wide for Plain {
    fn units(&mut self, units: &[u16]) -> Result<(), JsonError> {
        match String::from_utf16(units) {
            Ok(text) => self.text(text.as_bytes()),
            Err(_) => self.spelled(String::from_utf16_lossy(units)),
        }
        Ok(())
    }
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        self.binary(bytes);
        Ok(())
    }
    fn digits(&mut self, digits: &str) -> Result<(), JsonError> {
        match digits.parse() {
            Ok(value) => self.integer(value),
            Err(_) => self.spelled(digits.to_owned()),
        }
        Ok(())
    }
    fn unreadable(&mut self, what: &str) -> Result<(), JsonError> {
        self.unreadable_value(what);
        Ok(())
    }
    fn ill_text(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        self.text(bytes);
        Ok(())
    }
    fn ill_key(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        self.respelled += u64::from(self.skipping == 0 && !self.full);
        self.name(&String::from_utf8_lossy(bytes));
        Ok(())
    }
    fn text_of_json(&mut self, text: &[u8]) -> Result<(), JsonError> {
        // Apart from the rest, so that a text that is none costs itself and nothing else.
        let text = String::from_utf8_lossy(text);
        let mut apart = Self { values: self.values, ..Self::default() };
        match drive(text.as_bytes(), &mut apart, 512) {
            Ok(()) => {
                self.values = apart.values;
                let read = apart.finish();
                if self.skipping == 0 && !self.full {
                    self.respelled += read.respelled;
                    self.put(|| read.value);
                }
            }
            Err(_) => self.unreadable_value("no JSON text"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_text_that_is_none_costs_itself_only() {
        let mut stream = b"{k\x01\0\0\0aj".to_vec();
        let deep = "[".repeat(600);
        stream.extend(u32::try_from(deep.len()).unwrap().to_le_bytes());
        stream.extend(deep.as_bytes());
        stream.extend(b"k\x01\0\0\0bj\x0d\0\0\0{\"n\":[1e999]}}");
        let read = read_plain(&stream).unwrap();
        assert_eq!(read.value.to_json(), r#"{"a":"[unreadable: no JSON text]","b":{"n":["1e999"]}}"#);
        assert_eq!(read.respelled, 2);
    }
}
