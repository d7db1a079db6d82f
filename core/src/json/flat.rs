//! One flat object as JSON text, value by value: what [`Plain`](super::Plain) and a tree would make of it, without them.
//!
//! Guarantees: the rules are those of [`plain`](super::plain): nothing is refused, what JSON cannot carry is spelled, and
//! counted. The caller gives each key once.

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

    fn key(&mut self, key: &str) {
        self.text.push(if self.text.is_empty() { b'{' } else { b',' });
        write_string(&mut self.text, key);
        self.text.push(b':');
    }

    pub(crate) fn string(&mut self, key: &str, value: &str) {
        self.key(key);
        write_string(&mut self.text, value);
    }

    pub(crate) fn truth(&mut self, key: &str, value: bool) {
        self.key(key);
        self.text.extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(crate) fn integer(&mut self, key: &str, value: i128) {
        match i64::try_from(value) {
            Ok(small) if small.unsigned_abs() <= MAX_SAFE_INTEGER => {
                self.key(key);
                write_i64(&mut self.text, small);
            }
            _ => self.spelled(key, &value.to_string()),
        }
    }

    pub(crate) fn double(&mut self, key: &str, value: f64) {
        if value.is_finite() && !is_unsafe_integer(value) {
            self.key(key);
            // It is finite.
            let _ = write_f64(&mut self.text, value);
        } else {
            self.spelled(key, ryu_js::Buffer::new().format(value));
        }
    }

    /// A value that JSON cannot carry, as its text.
    pub(crate) fn spelled(&mut self, key: &str, text: &str) {
        self.respelled += 1;
        self.string(key, text);
    }
}
