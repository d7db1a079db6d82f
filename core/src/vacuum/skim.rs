//! Whether a line is an event, before anything is parsed.
//!
//! Guarantees: one pass without recursion and without memory of its own, whatever the bytes; of a line that is flagged
//! the strict reader has the last word, so that a loose answer here can cost a line its place, never lose or fake it.

use memchr::{memchr_iter, memchr2, memmem};

/// What a flag looks like on its way through a wrapper that is JSON, too: after it comes `"` or `\"`.
const MARK: &[u8] = b"\"_e";

/// The same in bytes, as a journal has what is no text.
const BYTES: &[u8] = b"34,95,101,34";

/// The offset of the first thing in `text` that may be a flag.
pub(super) fn mark(text: &[u8]) -> Option<usize> {
    thread_local! {
        static FINDER: memmem::Finder<'static> = memmem::Finder::new(MARK);
    }
    FINDER.with(|finder| {
        finder.find_iter(text).find(|at| matches!(text.get(at + 3), Some(b'"' | b'\\') | None))
    })
}

/// The offset of the first thing in `text` that may be a flag as a journal's message in bytes has it.
pub(super) fn mark_in_bytes(text: &[u8]) -> Option<usize> {
    thread_local! {
        static FINDER: memmem::Finder<'static> = memmem::Finder::new(BYTES);
    }
    FINDER.with(|finder| finder.find(text))
}

/// How many lines end in `text`.
pub(super) fn lines(text: &[u8]) -> u64 {
    memchr_iter(b'\n', text).count() as u64
}

/// An object that is flagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flagged {
    /// How deep it nests, itself included.
    pub(super) depth: usize,
}

/// Whether `text` is one object with the member `"_e": 1`; brackets are counted, not matched.
pub(super) fn flagged(text: &[u8]) -> Option<Flagged> {
    let mut at = space(text, 0);
    if text.get(at) != Some(&b'{') {
        return None;
    }
    let (mut depth, mut deepest, mut flag, mut key) = (0_usize, 0, false, false);
    loop {
        match *text.get(at)? {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
                key = depth == 1;
                at += 1;
            }
            b'}' | b']' => {
                depth -= 1;
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            b',' => {
                key = depth == 1;
                at += 1;
            }
            b'"' => {
                let end = string(text, at)?;
                if std::mem::take(&mut key) && &text[at..end] == b"\"_e\"" {
                    let colon = space(text, end);
                    flag |= text.get(colon) == Some(&b':') && is_one(&text[space(text, colon + 1)..]);
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    (flag && space(text, at) == text.len()).then_some(Flagged { depth: deepest })
}

/// Where the string that begins at `at` ends, behind its quote.
fn string(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn space(text: &[u8], at: usize) -> usize {
    let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    at + text.get(at..).map_or(0, |rest| rest.iter().take_while(blank).count())
}

/// Whether a number that is 1 stands at the beginning.
fn is_one(text: &[u8]) -> bool {
    let number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    let length = text.iter().take(64).take_while(number).count();
    let number = std::str::from_utf8(&text[..length]).ok().and_then(|text| text.parse::<f64>().ok());
    number.is_some_and(|number| number.to_bits() == 1.0_f64.to_bits())
}
