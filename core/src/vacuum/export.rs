//! systemd's journal in its export form (`journalctl -o export`).
//!
//! An entry is fields and an empty line after them. A field is `NAME=text`, or, where its text has bytes that are no plain
//! text, the line `NAME`, its length as eight bytes (the lowest first), that many bytes and the end of a line. `__CURSOR`
//! comes first.
//!
//! Guarantees: an entry is taken, or goes through, whole. What is no entry ends it where it stops being one, and what comes
//! after it is looked at as if it had not been: a length that somebody made up hides nothing.

use super::wrap::{About, Format, Stream, journal_level};

/// All its lines wait together.
pub(super) const STREAM: Stream = Stream { format: Format::Journald, error: false };

/// What an entry begins with.
const FIRST: &[u8] = b"__CURSOR=";

/// Longer names are none.
const NAME: usize = 64;

/// Whether a line may begin an entry.
pub(super) fn begins(line: &[u8], format: Format) -> bool {
    matches!(format, Format::Auto | Format::Journald) && line.starts_with(FIRST)
}

/// Where in an entry the next line begins.
#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    Field,
    /// In the length of a field, of which these bytes are there.
    Length(Vec<u8>),
    /// So many bytes before the end of a field, the end of its last line among them.
    Bytes(u64),
}

/// An entry, as far as it has been read.
#[derive(Clone, Debug)]
pub(super) struct Export {
    at: At,
    begun: bool,
}

impl Default for Export {
    fn default() -> Self {
        Self { at: At::Field, begun: false }
    }
}

/// What a line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// Part of the entry.
    More,
    /// The last of the entry.
    End,
    /// The first of another.
    Another,
    /// Not part of any entry.
    Not,
}

impl Export {
    /// The next line, with what ends it.
    pub(super) fn feed(&mut self, line: &[u8]) -> Fed {
        match &mut self.at {
            At::Field => self.field(line),
            At::Length(bytes) => {
                let (more, rest) = line.split_at(line.len().min(8 - bytes.len()));
                bytes.extend_from_slice(more);
                let Ok(length) = <[u8; 8]>::try_from(&**bytes) else { return Fed::More };
                self.at = At::Bytes(u64::from_le_bytes(length).saturating_add(1));
                self.bytes(rest)
            }
            At::Bytes(_) => self.bytes(line),
        }
    }

    fn field(&mut self, line: &[u8]) -> Fed {
        if line == b"\n" {
            return Fed::End;
        }
        if line.starts_with(FIRST) && std::mem::replace(&mut self.begun, true) {
            return Fed::Another;
        }
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        let equals = memchr::memchr(b'=', body);
        if !is_name(&body[..equals.unwrap_or(body.len())]) {
            return Fed::Not;
        }
        if equals.is_none() {
            self.at = At::Length(Vec::new());
        }
        Fed::More
    }

    fn bytes(&mut self, line: &[u8]) -> Fed {
        let At::Bytes(left) = &mut self.at else { return Fed::Not };
        let Some(rest) = left.checked_sub(line.len() as u64) else { return Fed::Not };
        *left = rest;
        match rest {
            0 if line.ends_with(b"\n") => self.at = At::Field,
            0 => return Fed::Not,
            _ => {}
        }
        Fed::More
    }
}

fn is_name(name: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    (1..=NAME).contains(&name.len()) && name.iter().all(plain)
}

/// The message of an entry, and what the journal knows of it; of a field that is there twice the first counts.
pub(super) fn read(entry: &[u8]) -> Option<(Vec<u8>, About)> {
    let mut fields: [(&str, Option<&[u8]>); 5] = [
        ("MESSAGE", None),
        ("PRIORITY", None),
        ("_TRANSPORT", None),
        ("_SOURCE_REALTIME_TIMESTAMP", None),
        ("__REALTIME_TIMESTAMP", None),
    ];
    let mut rest = entry;
    while !matches!(rest, [] | [b'\n', ..]) {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let (name, value) = match memchr::memchr(b'=', line) {
            Some(equals) => (&line[..equals], &line[equals + 1..]),
            None => {
                let (length, more) = rest.split_first_chunk::<8>()?;
                let value = more.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
                rest = more.get(value.len() + 1..).unwrap_or_default();
                (line, value)
            }
        };
        let known = fields.iter_mut().find(|(known, found)| known.as_bytes() == name && found.is_none());
        if let Some((_, found)) = known {
            *found = Some(value);
        }
    }
    let [message, priority, transport, source, received] = fields.map(|(_, value)| value);
    let text =
        |value: Option<&[u8]>| value.and_then(|value| std::str::from_utf8(value).ok()).map(str::to_owned);
    let about = About {
        format: Format::Journald,
        time: text(source).or_else(|| text(received)),
        stream: text(transport),
        level: text(priority).as_deref().and_then(journal_level),
        request: None,
    };
    Some((message?.to_vec(), about))
}
