//! Proves, in one scan and without a tree, that a text is an object already in RFC 8785 form.
//!
//! Guarantees: [`Scan::run`] answers true only for bytes that the canonical writer would give back
//! unchanged, and never panics, whatever the bytes. It then knows where the members of the object lie, and
//! those of one member that is itself an object, so that a reader may hash slices of the text as it is.
//! Anything else (other whitespace, other escapes, unsorted or repeated keys) is false: it may still be
//! JSON, and [`parse`](super::parse) says so or says why not.

use std::borrow::Cow;
use std::ops::Range;

use super::MAX_DEPTH;
use super::number::write_f64;
use super::writer::compare_keys;

/// Where a member lies: its key between the quotes, as written, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The key, without its quotes.
    pub key: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

struct Frame {
    object: bool,
    /// The last key, and whether byte order is its order.
    key: Range<usize>,
    plain: bool,
    first: bool,
}

/// A reusable scanner that checks for RFC 8785 form.
#[derive(Default)]
pub struct Scan {
    members: Vec<Span>,
    nested: Vec<Span>,
    frames: Vec<Frame>,
    number: Vec<u8>,
}

impl Scan {
    /// A scanner.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The members, in order, of the object that the last successful run checked.
    #[must_use]
    pub fn members(&self) -> &[Span] {
        &self.members
    }

    /// The members of the object under the key that the last successful run was told to look into.
    #[must_use]
    pub fn nested(&self) -> &[Span] {
        &self.nested
    }

    /// Whether `text` is an object in canonical form; `nested` names the member to look into.
    pub fn run(&mut self, text: &[u8], nested: &str) -> bool {
        self.members.clear();
        self.nested.clear();
        self.frames.clear();
        std::str::from_utf8(text).is_ok()
            && text.first() == Some(&b'{')
            && self.walk(text, nested.as_bytes()).is_some()
    }

    fn walk(&mut self, text: &[u8], nested: &[u8]) -> Option<()> {
        let mut at = 0;
        loop {
            // A value begins at `at`.
            match *text.get(at)? {
                open @ (b'{' | b'[') => {
                    let object = open == b'{';
                    if self.frames.len() == MAX_DEPTH {
                        return None;
                    }
                    self.frames.push(Frame { object, key: 0..0, plain: true, first: true });
                    at += 1;
                    if *text.get(at)? != (if object { b'}' } else { b']' }) {
                        if object {
                            at = self.key(text, at, nested)?;
                        }
                        continue;
                    }
                    self.frames.pop();
                    at += 1;
                }
                b'"' => at = string(text, at)?.0,
                b't' => at = literal(text, at, b"true")?,
                b'f' => at = literal(text, at, b"false")?,
                b'n' => at = literal(text, at, b"null")?,
                b'-' | b'0'..=b'9' => at = self.number(text, at)?,
                _ => return None,
            }
            // A value ended at `at`: close what closes here, then go on to the next value.
            loop {
                self.ended(text, at, nested);
                let Some(frame) = self.frames.last() else {
                    return (at == text.len()).then_some(());
                };
                let object = frame.object;
                match (*text.get(at)?, object) {
                    (b',', true) => {
                        at = self.key(text, at + 1, nested)?;
                        break;
                    }
                    (b',', false) => {
                        at += 1;
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.frames.pop();
                        at += 1;
                    }
                    _ => return None,
                }
            }
        }
    }

    /// Whether the frames stand directly in the object under the nested key.
    fn in_nested(&self, text: &[u8], nested: &[u8]) -> bool {
        self.frames.len() == 2
            && self.frames[1].object
            && self.members.last().is_some_and(|member| &text[member.key.clone()] == nested)
    }

    /// Notes the end of a member's value.
    fn ended(&mut self, text: &[u8], at: usize, nested: &[u8]) {
        if self.frames.len() == 1 {
            if let Some(member) = self.members.last_mut() {
                member.value.end = at;
            }
        } else if self.in_nested(text, nested)
            && let Some(member) = self.nested.last_mut()
        {
            member.value.end = at;
        }
    }

    /// Reads a key and its colon; answers where the value begins.
    fn key(&mut self, text: &[u8], at: usize, nested: &[u8]) -> Option<usize> {
        if *text.get(at)? != b'"' {
            return None;
        }
        let (end, plain) = string(text, at)?;
        let key = at + 1..end - 1;
        let frame = self.frames.last_mut()?;
        if !frame.first {
            let (last, this) = (&text[frame.key.clone()], &text[key.clone()]);
            let ascending = if plain && frame.plain {
                last < this
            } else {
                compare_keys(&unescape(last)?, &unescape(this)?).is_lt()
            };
            if !ascending {
                return None;
            }
        }
        frame.first = false;
        frame.plain = plain;
        frame.key = key.clone();
        if *text.get(end)? != b':' {
            return None;
        }
        let span = Span { key, value: end + 1..end + 1 };
        if self.frames.len() == 1 {
            self.members.push(span);
        } else if self.in_nested(text, nested) {
            self.nested.push(span);
        }
        Some(end + 1)
    }

    /// Reads a number; answers where it ends.
    fn number(&mut self, text: &[u8], at: usize) -> Option<usize> {
        let rest = &text[at..];
        let len =
            rest.iter().take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count();
        let word = &rest[..len];
        let digits = word.strip_prefix(b"-").unwrap_or(word);
        if digits.len() <= 15 && digits.iter().all(u8::is_ascii_digit) {
            let canonical = match digits {
                [] => false,
                [b'0'] => word.len() == 1,
                [first, ..] => *first != b'0',
            };
            return canonical.then_some(at + len);
        }
        let value: f64 = std::str::from_utf8(word).ok()?.parse().ok()?;
        self.number.clear();
        write_f64(&mut self.number, value).ok()?;
        (self.number == word).then_some(at + len)
    }
}

fn literal(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    text[at..].starts_with(word).then_some(at + word.len())
}

/// Reads a string that begins at `at`; answers where it ends, and whether its bytes sort as its UTF-16 code
/// units do.
fn string(text: &[u8], at: usize) -> Option<(usize, bool)> {
    let mut at = at + 1;
    let mut plain = true;
    loop {
        at += nothing_special(&text[at..]);
        match *text.get(at)? {
            b'"' => return Some((at + 1, plain)),
            b'\\' => {
                plain = false;
                at += escape(&text[at + 1..])?;
            }
            0..=0x1F => return None,
            byte => {
                plain &= byte < 0xEE;
                at += 1;
            }
        }
    }
}

/// How many bytes follow that are ASCII and mean nothing in a string, as far as can be told eight at a time.
fn nothing_special(text: &[u8]) -> usize {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    // Sets the topmost bit of the lowest byte that is 0, and perhaps of bytes above that one.
    let zero = |word: u64| word.wrapping_sub(EACH) & !word & (EACH << 7);
    let mut at = 0;
    while let Some(word) = text[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(EACH * 0x20) & !word & (EACH << 7);
        let special = zero(word ^ (EACH * 0x22)) | zero(word ^ (EACH * 0x5C)) | control | word & (EACH << 7);
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at
}

/// The length of a canonical escape, backslash included, given what follows the backslash.
fn escape(rest: &[u8]) -> Option<usize> {
    match *rest.first()? {
        b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => {
            let [b'0', b'0', high @ (b'0' | b'1'), low @ (b'0'..=b'9' | b'a'..=b'f')] = *rest.get(1..5)?
            else {
                return None;
            };
            // Those that have a short form of their own must use it.
            let short = high == b'0' && matches!(low, b'8' | b'9' | b'a' | b'c' | b'd');
            (!short).then_some(6)
        }
        _ => None,
    }
}

/// The text of a string's inside that [`string`] accepted.
pub fn unescape(inside: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(inside).ok()?;
    if !inside.contains(&b'\\') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next()? {
            'b' => '\u{8}',
            'f' => '\u{C}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let code = chars.as_str().get(..4)?;
                chars.nth(3);
                char::from_u32(u32::from_str_radix(code, 16).ok()?)?
            }
            other => other,
        });
    }
    Some(Cow::Owned(out))
}
