//! Keys of objects that come again and again: looked at once, so that each further object brings only its values.
//!
//! Guarantees: the keys are unique and known in canonical order; what is written with them is what
//! [`ObjectWriter::key`] and the values would make of the object.

use std::sync::OnceLock;

use super::parse::JsonError;
use super::writer::{compare_keys, write_string};

/// As many keys an object may have that is written this way.
pub(crate) const MOST: usize = 64;

/// The keys of an object, in the order in which their values come.
#[doc(hidden)]
#[derive(Debug)]
pub struct Keys {
    /// The keys, one after the other, in canonical order.
    pub(super) text: Box<str>,
    /// As JSON, each with a comma before and a colon after it.
    pub(super) quoted: Box<[u8]>,
    /// In canonical order.
    pub(super) places: Box<[Place]>,
    /// Whether none of them has a meaning of its own in an event of the host's, once somebody has looked.
    ordinary: OnceLock<bool>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Where it ends in `text`, and in `quoted`.
    pub(super) end: usize,
    pub(super) quoted_end: usize,
    /// How many come before it in the order in which values come.
    pub(super) at: usize,
}

impl Keys {
    /// Keys in the order in which their values will come.
    ///
    /// # Errors
    /// A key is there twice, or there are more than 64 of them.
    pub fn new(keys: &[&str]) -> Result<Self, JsonError> {
        if keys.len() > MOST {
            return Err(JsonError::new(format!("more than {MOST} keys")));
        }
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by(|&a, &b| compare_keys(keys[a], keys[b]));
        if let Some(pair) = order.windows(2).find(|pair| keys[pair[0]] == keys[pair[1]]) {
            return Err(JsonError::new(format!("the key {:?} is there twice", keys[pair[0]])));
        }
        let (mut text, mut quoted, mut places) = (String::new(), Vec::new(), Vec::new());
        for at in order {
            text.push_str(keys[at]);
            quoted.push(b',');
            write_string(&mut quoted, keys[at]);
            quoted.push(b':');
            places.push(Place { end: text.len(), quoted_end: quoted.len(), at });
        }
        let ordinary = OnceLock::new();
        Ok(Self { text: text.into(), quoted: quoted.into(), places: places.into(), ordinary })
    }

    /// Whether none of them has a meaning of its own, by `look`, which is asked once.
    pub(super) fn are_ordinary(&self, look: impl FnOnce() -> bool) -> bool {
        *self.ordinary.get_or_init(look)
    }

    /// The one whose value comes after so many others.
    pub(super) fn nth(&self, at: usize) -> &str {
        let end = |i: usize| self.places[i].end;
        let place = self.places.iter().position(|place| place.at == at);
        place.map_or("", |i| &self.text[i.checked_sub(1).map_or(0, end)..end(i)])
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}
