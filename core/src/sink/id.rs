//! What an event is called.
//!
//! Guarantees: the host's own id is kept as it is, whatever its form; where the host gives none, it is a UUID of version 7.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::seam::Uuid;

/// The longest id that a host may give, in characters.
pub(crate) const LONGEST: usize = 128;

/// An event's id, the same in every lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventId {
    /// A UUID, lower-case: what sinkwell makes.
    Uuid(Uuid),
    /// The host's own, of another form: 1 to 128 printable ASCII characters.
    Own(Arc<str>),
}

impl EventId {
    /// Reads an id; `None` if no event may be called so.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'));
        // A UUID in capitals is another text.
        fits.then(|| Uuid::read(text.as_bytes()).map_or_else(|| Self::Own(text.into()), Self::Uuid))
    }

    /// As on the wire.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Uuid(id) => Cow::Owned(id.to_string()),
            Self::Own(text) => Cow::Borrowed(text),
        }
    }

    /// The host's own, if it is no UUID.
    #[must_use]
    pub fn own(&self) -> Option<&str> {
        match self {
            Self::Uuid(_) => None,
            Self::Own(text) => Some(text),
        }
    }

    /// Sixteen bytes to find it by: those of a UUID, else the first of its SHA-256.
    #[must_use]
    pub(crate) fn index(&self) -> [u8; 16] {
        match self {
            Self::Uuid(id) => id.0,
            Self::Own(text) => {
                let mut index = [0; 16];
                index.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
                index
            }
        }
    }
}

impl From<Uuid> for EventId {
    fn from(id: Uuid) -> Self {
        Self::Uuid(id)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(id) => id.fmt(f),
            Self::Own(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_id_is_kept_as_it_is() {
        let uuid = "018bcfe5-6800-7000-8000-000000000001";
        for text in [
            uuid,
            &uuid.to_uppercase(),
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "1",
            "a \"b\" \\",
            &"x".repeat(128),
        ] {
            let id = EventId::read(text).unwrap();
            assert_eq!((id.to_string(), id.text().into_owned()), (text.to_owned(), text.to_owned()));
        }
        assert!(EventId::read(uuid).unwrap().own().is_none());
        assert!(EventId::read(&uuid.to_uppercase()).unwrap().own().is_some());
        for none in ["", "a\nb", "é", "a\u{7f}", &"x".repeat(129)] {
            assert_eq!(EventId::read(none), None, "{none:?}");
        }
    }
}
