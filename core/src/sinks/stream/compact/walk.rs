//! Splits a line into a skeleton and its values.
//!
//! Guarantees: skeleton and values together are the line, whatever the line is; a value is of a kind only if writing it
//! again gives the same bytes. A line that cannot be split (it holds bytes that would be taken for marks, or is no object)
//! is said so.

use std::hash::{Hash, Hasher};
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::table::{Decimal, LAST_MARK};
use super::{MOST_SKELETON, MOST_VALUES};
use crate::hex;
use crate::seam::{UnixNanos, Uuid, format_time, parse_time};

pub(in crate::sinks::stream) use super::table::Kind;

/// Arrays with more elements are sent as they are written: each length would be a schema of its own.
const MOST_ELEMENTS: usize = 16;
/// What lies deeper is sent as it is written.
const DEEPEST: usize = 8;

/// What may stand before a digest or an id in a string, as part of the skeleton. Texts that vary may not.
const PREFIXES: [&[u8]; 8] =
    [b"sha256:", b"sha-256:", b"sha384:", b"sha512:", b"sha1:", b"hmac-sha256:", b"urn:uuid:", b"did:uuid:"];

/// A value.
#[derive(Clone, Debug)]
pub(in crate::sinks::stream) struct Leaf {
    pub(in crate::sinks::stream) kind: Kind,
    /// Where it stands in the line.
    pub(in crate::sinks::stream) at: Range<usize>,
    /// Which member it is, by its path.
    pub(in crate::sinks::stream) path: u64,
    pub(in crate::sinks::stream) parsed: Parsed,
}

/// What reading a value gave.
#[derive(Clone, Copy, Debug)]
pub(in crate::sinks::stream) enum Parsed {
    AsWritten,
    Number(Decimal),
    Bool(bool),
    Time(UnixNanos),
    Uuid([u8; 16]),
    /// Digits of hexadecimal or base64: this many bytes.
    Bytes(u8),
    Sequence(u64),
}

/// Reused from line to line.
#[derive(Default)]
pub(in crate::sinks::stream) struct Walk {
    pub(in crate::sinks::stream) skeleton: Vec<u8>,
    pub(in crate::sinks::stream) leaves: Vec<Leaf>,
    /// End of the part of the line that the skeleton has.
    copied: usize,
    time: Vec<u8>,
}

impl Walk {
    /// Splits `line`; with `coarse`, `data` is one value. `false`: it cannot be split.
    pub(in crate::sinks::stream) fn run(&mut self, line: &[u8], coarse: bool) -> bool {
        self.skeleton.clear();
        self.leaves.clear();
        self.copied = 0;
        if line.first() != Some(&b'{') || self.value(line, 0, 0, 0, coarse) != Some(line.len()) {
            return false;
        }
        if line[self.copied..].iter().any(|&byte| byte <= LAST_MARK) {
            return false;
        }
        self.copy(line, line.len());
        self.leaves.len() <= MOST_VALUES && self.skeleton.len() <= MOST_SKELETON
    }

    fn copy(&mut self, line: &[u8], to: usize) {
        self.skeleton.extend_from_slice(&line[self.copied..to]);
        self.copied = to;
    }

    fn leaf(&mut self, line: &[u8], kind: Kind, at: Range<usize>, path: u64, parsed: Parsed) -> Option<()> {
        // What would be taken for a mark, or fills more than it saves, ends it here.
        if line[self.copied..at.start].iter().any(|&byte| byte <= LAST_MARK)
            || self.leaves.len() >= MOST_VALUES
        {
            return None;
        }
        self.copy(line, at.start);
        self.skeleton.push(kind as u8);
        if let Parsed::Bytes(count) = parsed {
            self.skeleton.push(count);
        }
        self.copied = at.end;
        self.leaves.push(Leaf { kind, at, path, parsed });
        Some(())
    }

    /// Walks over the value that begins at `at`; answers where it ends. `None`: this is no JSON to be split.
    fn value(&mut self, line: &[u8], at: usize, depth: usize, path: u64, coarse: bool) -> Option<usize> {
        match *line.get(at)? {
            open @ (b'{' | b'[') => {
                let end = skip(line, at)?;
                let whole = depth >= DEEPEST || (open == b'[' && elements(&line[at..end]) > MOST_ELEMENTS);
                if whole && end - at > 2 {
                    self.leaf(line, Kind::Json, at..end, path, Parsed::AsWritten)?;
                    return Some(end);
                }
                self.inside(line, at, end, depth, path, coarse)
            }
            b'"' => {
                let end = string(line, at)?;
                self.text(line, at + 1..end - 1, depth, path)?;
                Some(end)
            }
            b't' => self.word(line, at, b"true", path),
            b'f' => self.word(line, at, b"false", path),
            b'n' => line[at..].starts_with(b"null").then_some(at + 4),
            _ => {
                let end = at + line[at..].iter().position(|b| matches!(b, b',' | b'}' | b']'))?;
                let (kind, parsed) = match Decimal::read(&line[at..end]) {
                    Some(number) => (Kind::Number, Parsed::Number(number)),
                    None => (Kind::Json, Parsed::AsWritten),
                };
                self.leaf(line, kind, at..end, path, parsed)?;
                Some(end)
            }
        }
    }

    fn word(&mut self, line: &[u8], at: usize, word: &[u8], path: u64) -> Option<usize> {
        let end = at + word.len();
        line[at..].starts_with(word).then_some(())?;
        self.leaf(line, Kind::Bool, at..end, path, Parsed::Bool(word == b"true"))?;
        Some(end)
    }

    /// Walks over the members or elements between the brackets at `at` and before `end`.
    fn inside(
        &mut self,
        line: &[u8],
        at: usize,
        end: usize,
        depth: usize,
        path: u64,
        coarse: bool,
    ) -> Option<usize> {
        let object = line[at] == b'{';
        let mut at = at + 1;
        while at < end - 1 {
            let mut key: &[u8] = b"[]";
            if object {
                (line[at] == b'"').then_some(())?;
                let close = string(line, at)?;
                key = &line[at + 1..close - 1];
                (*line.get(close)? == b':').then_some(())?;
                at = close + 1;
            }
            let below = step(path, key);
            if coarse && depth == 0 && key == b"data" {
                let close = skip(line, at)?;
                self.leaf(line, Kind::Json, at..close, below, Parsed::AsWritten)?;
                at = close;
            } else {
                at = self.value(line, at, depth + 1, below, coarse)?;
            }
            match *line.get(at)? {
                b',' => at += 1,
                _ if at == end - 1 => {}
                _ => return None,
            }
        }
        Some(end)
    }

    /// The inside of a string.
    fn text(&mut self, line: &[u8], at: Range<usize>, depth: usize, path: u64) -> Option<()> {
        let text = &line[at.clone()];
        if depth == 1 {
            // Only where they are an envelope's own do these names mean anything.
            let name = |name: &[u8]| path == step(0, name);
            match text.len() {
                64 if name(b"prevhash") && hex::is_digits(text) => {
                    return self.leaf(line, Kind::Previous, at, path, Parsed::AsWritten);
                }
                20 if name(b"sequence") => {
                    if let Some(number) = crate::envelope::line::sequence(std::str::from_utf8(text).ok()?) {
                        return self.leaf(line, Kind::Sequence, at, path, Parsed::Sequence(number));
                    }
                }
                36 if name(b"streamid") => {
                    if let Some(uuid) = uuid(text) {
                        return self.leaf(line, Kind::Stream, at, path, Parsed::Uuid(uuid));
                    }
                }
                30 if name(b"time") => {
                    if let Some(time) = self.time(text) {
                        return self.leaf(line, Kind::EventTime, at, path, Parsed::Time(time));
                    }
                }
                44 | 88 if name(b"signature") => {
                    if let Ok(bytes) = STANDARD.decode(text)
                        && STANDARD.encode(&bytes).as_bytes() == text
                    {
                        let count = bytes.len() as u8;
                        return self.leaf(line, Kind::Base64, at, path, Parsed::Bytes(count));
                    }
                }
                _ => {}
            }
        }
        if text.len() == 30
            && let Some(time) = self.time(text)
        {
            return self.leaf(line, Kind::Time, at, path, Parsed::Time(time));
        }
        // W3C trace context: the trace is often the same, the span often is not.
        if text.len() == 55
            && let (b"00-", b"-", b"-") = (&text[..3], &text[35..36], &text[52..53])
            && hex::is_digits(&text[3..35])
            && hex::is_digits(&text[36..52])
        {
            let start = at.start;
            self.leaf(line, Kind::Hex, start + 3..start + 35, step(path, b"trace"), Parsed::Bytes(16))?;
            return self.leaf(line, Kind::Hex, start + 36..start + 52, step(path, b"span"), Parsed::Bytes(8));
        }
        let prefix = PREFIXES.iter().find(|prefix| text.starts_with(prefix)).map_or(0, |prefix| prefix.len());
        let (rest, from) = (&text[prefix..], at.start + prefix);
        if rest.len() == 36
            && let Some(uuid) = uuid(rest)
        {
            return self.leaf(line, Kind::Uuid, from..at.end, path, Parsed::Uuid(uuid));
        }
        if matches!(rest.len(), 16 | 32 | 40 | 64 | 96 | 128) && hex::is_digits(rest) {
            return self.leaf(line, Kind::Hex, from..at.end, path, Parsed::Bytes((rest.len() / 2) as u8));
        }
        self.leaf(line, Kind::Text, at, path, Parsed::AsWritten)
    }

    fn time(&mut self, text: &[u8]) -> Option<UnixNanos> {
        let time = parse_time(std::str::from_utf8(text).ok()?)?;
        self.time.clear();
        format_time(&mut self.time, time);
        (self.time == text).then_some(time)
    }
}

/// A member's path.
fn step(path: u64, key: &[u8]) -> u64 {
    let mut hash = std::hash::DefaultHasher::new();
    (path, key).hash(&mut hash);
    hash.finish()
}

fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let uuid = Uuid::parse(std::str::from_utf8(text).ok()?)?;
    (uuid.encode() == text).then_some(uuid.0)
}

/// Where the string ends that begins at `at`, its quotes included.
fn string(line: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', line.get(at..)?)?;
        match line[at] {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// Where the value ends that begins at `at`.
fn skip(line: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = at;
    loop {
        match *line.get(at)? {
            b'"' => at = string(line, at)?,
            b'{' | b'[' => (depth, at) = (depth + 1, at + 1),
            b'}' | b']' => (depth, at) = (depth.checked_sub(1)?, at + 1),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// How many elements stand directly in this array, which is whole.
fn elements(array: &[u8]) -> usize {
    let (mut depth, mut commas, mut at) = (0_usize, 0, 0);
    while at < array.len() {
        match array[at] {
            b'"' => {
                let Some(end) = string(array, at) else { break };
                at = end;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' if depth == 1 => commas += 1,
            _ => {}
        }
        at += 1;
    }
    commas + 1
}
