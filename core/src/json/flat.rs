//! One flat object as JSON text, value by value: what [`Plain`](super::Plain) and a tree would make of it, without them.
//!
//! Guarantees: the rules are those of [`plain`](super::plain): nothing is refused, what JSON cannot carry is spelled, and
//! counted. The caller gives each key once, as JSON: quoted, with a colon after it and a comma before it.

use super::number::{is_unsafe_integer, write_i64};
use super::{MAX_SAFE_INTEGER, write_f64, write_string};

/// Writes one flat object; reusable.
#[derive(Debug, Default)]
pub(crate) struct Flat {
    /// Its members so far, without the closing bracket.
    text: Vec<u8>,
    respelled: u64,
}

impl Flat {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.respelled = 0;
    }

    /// The object's text, to which nothing can be added any more; nothing where nothing was put into it.
    pub(crate) fn finish(&mut self) -> &[u8] {
        if !self.text.is_empty() {
            self.text.push(b'}');
        }
        &self.text
    }

    /// How many values are not as they were given.
    pub(crate) fn respelled(&self) -> u64 {
        self.respelled
    }

    /// Counts a change that no value shows.
    pub(crate) fn note(&mut self) {
        self.respelled += 1;
    }

    fn key(&mut self, key: &[u8]) {
        let first = self.text.is_empty();
        self.text.extend_from_slice(key);
        if first && let Some(comma) = self.text.first_mut() {
            *comma = b'{';
        }
    }

    pub(crate) fn string(&mut self, key: &[u8], value: &str) {
        self.key(key);
        write_string(&mut self.text, value);
    }

    pub(crate) fn truth(&mut self, key: &[u8], value: bool) {
        self.key(key);
        self.text.extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(crate) fn integer(&mut self, key: &[u8], value: i128) {
        match i64::try_from(value) {
            Ok(small) => self.small(key, small),
            Err(_) => self.spelled(key, &value.to_string()),
        }
    }

    pub(crate) fn small(&mut self, key: &[u8], value: i64) {
        if value.unsigned_abs() <= MAX_SAFE_INTEGER {
            self.key(key);
            write_i64(&mut self.text, value);
        } else {
            self.spelled(key, &value.to_string());
        }
    }

    pub(crate) fn double(&mut self, key: &[u8], value: f64) {
        if value.is_finite() && !is_unsafe_integer(value) {
            self.key(key);
            // It is finite.
            let _ = write_f64(&mut self.text, value);
        } else {
            self.spelled(key, ryu_js::Buffer::new().format(value));
        }
    }

    /// A value that JSON cannot carry, as its text.
    pub(crate) fn spelled(&mut self, key: &[u8], text: &str) {
        self.respelled += 1;
        self.string(key, text);
    }
}
