//! Splits a line into a skeleton and its values.
//!
//! Guarantees: skeleton and values together are the line, whatever the line is; a value is of a kind only if writing it
//! again gives the same bytes. A line that cannot be split (it holds bytes that would be taken for marks, or is no object)
//! is said so.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::table::{Decimal, LAST_MARK};
use super::{MOST_SKELETON, MOST_VALUES};
use crate::hex;
use crate::seam::{UnixNanos, Uuid, read_time};

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
    /// Which member it is, by its path; 0 unless paths were asked for.
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

/// How a line is split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sinks::stream) struct How {
    /// `data` is one value.
    pub(in crate::sinks::stream) coarse: bool,
    /// Leaves know their paths, which only a skeleton that is new needs.
    pub(in crate::sinks::stream) paths: bool,
}

/// Reused from line to line.
#[derive(Default)]
pub(in crate::sinks::stream) struct Walk {
    pub(in crate::sinks::stream) skeleton: Vec<u8>,
    pub(in crate::sinks::stream) leaves: Vec<Leaf>,
    how: How,
    /// End of the part of the line that the skeleton has.
    copied: usize,
}

/// Where in a line the walk is.
#[derive(Clone, Copy)]
struct Member<'a> {
    depth: usize,
    path: u64,
    key: &'a [u8],
}

impl Walk {
    /// Splits `line`. `false`: it cannot be split.
    pub(in crate::sinks::stream) fn run(&mut self, line: &[u8], how: How) -> bool {
        self.skeleton.clear();
        self.leaves.clear();
        self.how = how;
        self.copied = 0;
        // What would be taken for a mark is in no canonical line.
        let marks = line.iter().fold(false, |found, &byte| found | (byte <= LAST_MARK));
        let top = Member { depth: 0, path: 0, key: b"" };
        if marks || line.first() != Some(&b'{') || self.value(line, 0, top) != Some(line.len()) {
            return false;
        }
        self.copy(line, line.len());
        self.skeleton.len() <= MOST_SKELETON
    }

    fn copy(&mut self, line: &[u8], to: usize) {
        self.skeleton.extend_from_slice(&line[self.copied..to]);
        self.copied = to;
    }

    fn leaf(&mut self, line: &[u8], kind: Kind, at: Range<usize>, path: u64, parsed: Parsed) -> Option<()> {
        if self.leaves.len() == MOST_VALUES {
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
    fn value(&mut self, line: &[u8], at: usize, member: Member<'_>) -> Option<usize> {
        let path = member.path;
        match *line.get(at)? {
            b'{' if member.depth < DEEPEST => self.object(line, at, member),
            open @ (b'{' | b'[') => {
                let end = skip(line, at)?;
                let whole =
                    member.depth >= DEEPEST || (open == b'[' && elements(&line[at..end]) > MOST_ELEMENTS);
                if whole && end - at > 2 {
                    self.leaf(line, Kind::Json, at..end, path, Parsed::AsWritten)?;
                    return Some(end);
                }
                self.array(line, at, end, member)
            }
            b'"' => {
                let end = string(line, at)?;
                self.text(line, at + 1..end - 1, member)?;
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

    /// Walks over the members of the object that begins at `at`.
    fn object(&mut self, line: &[u8], at: usize, member: Member<'_>) -> Option<usize> {
        let mut at = at + 1;
        if *line.get(at)? == b'}' {
            return Some(at + 1);
        }
        loop {
            (*line.get(at)? == b'"').then_some(())?;
            let close = string(line, at)?;
            let key = &line[at + 1..close - 1];
            (*line.get(close)? == b':').then_some(())?;
            let below = Member { depth: member.depth + 1, path: self.step(member.path, key), key };
            at = close + 1;
            at = if self.how.coarse && member.depth == 0 && key == b"data" {
                let close = skip(line, at)?;
                self.leaf(line, Kind::Json, at..close, below.path, Parsed::AsWritten)?;
                close
            } else {
                self.value(line, at, below)?
            };
            match *line.get(at)? {
                b',' => at += 1,
                b'}' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// Walks over the elements of the array from `at` to `end`.
    fn array(&mut self, line: &[u8], at: usize, end: usize, member: Member<'_>) -> Option<usize> {
        let below = Member { depth: member.depth + 1, path: self.step(member.path, b"[]"), key: b"[]" };
        let mut at = at + 1;
        while at < end - 1 {
            at = self.value(line, at, below)?;
            match *line.get(at)? {
                b',' => at += 1,
                _ if at == end - 1 => {}
                _ => return None,
            }
        }
        Some(end)
    }

    /// The inside of a string.
    fn text(&mut self, line: &[u8], at: Range<usize>, member: Member<'_>) -> Option<()> {
        let text = &line[at.clone()];
        let path = member.path;
        if member.depth == 1 {
            // Only where they are an envelope's own do these names mean anything.
            match (member.key, text.len()) {
                (b"prevhash", 64) if hex::is_digits(text) => {
                    return self.leaf(line, Kind::Previous, at, path, Parsed::AsWritten);
                }
                (b"sequence", 20) => {
                    if let Some(number) = crate::envelope::line::sequence(std::str::from_utf8(text).ok()?) {
                        return self.leaf(line, Kind::Sequence, at, path, Parsed::Sequence(number));
                    }
                }
                (b"streamid", 36) => {
                    if let Some(Uuid(uuid)) = Uuid::read(text) {
                        return self.leaf(line, Kind::Stream, at, path, Parsed::Uuid(uuid));
                    }
                }
                (b"time", 30) => {
                    if let Some(time) = read_time(text) {
                        return self.leaf(line, Kind::EventTime, at, path, Parsed::Time(time));
                    }
                }
                // What can be read has one spelling: no other padding, no bits that mean nothing.
                (b"signature", 44 | 88) => {
                    if let Ok(count) = STANDARD.decode_slice(text, &mut [0; 66]) {
                        return self.leaf(line, Kind::Base64, at, path, Parsed::Bytes(count as u8));
                    }
                }
                _ => {}
            }
        }
        if text.len() == 30
            && let Some(time) = read_time(text)
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
            let (trace, span) = (self.step(path, b"trace"), self.step(path, b"span"));
            self.leaf(line, Kind::Hex, start + 3..start + 35, trace, Parsed::Bytes(16))?;
            return self.leaf(line, Kind::Hex, start + 36..start + 52, span, Parsed::Bytes(8));
        }
        let prefix = PREFIXES.iter().find(|prefix| text.starts_with(prefix)).map_or(0, |prefix| prefix.len());
        let (rest, from) = (&text[prefix..], at.start + prefix);
        if rest.len() == 36
            && let Some(Uuid(uuid)) = Uuid::read(rest)
        {
            return self.leaf(line, Kind::Uuid, from..at.end, path, Parsed::Uuid(uuid));
        }
        if matches!(rest.len(), 16 | 32 | 40 | 64 | 96 | 128) && hex::is_digits(rest) {
            return self.leaf(line, Kind::Hex, from..at.end, path, Parsed::Bytes((rest.len() / 2) as u8));
        }
        self.leaf(line, Kind::Text, at, path, Parsed::AsWritten)
    }

    /// A member's path.
    fn step(&self, path: u64, key: &[u8]) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        if !self.how.paths {
            return 0;
        }
        let mut hash = DefaultHasher::new();
        (path, key).hash(&mut hash);
        hash.finish()
    }
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
