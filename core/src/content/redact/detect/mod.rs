//! The named detectors, over the bytes of a shadow.
//!
//! Guarantees: each pass is linear in the text, whatever the text: a scan either moves on past what it has
//! read, or reads a bounded number of bytes around its trigger. Spans end on character boundaries.
//!
//! How: three passes search for triggers, and only then look closer: known prefixes and key words
//! (one Aho-Corasick automaton), digits (cards, phones, IPv4, IBAN), and single bytes (`@`, `:`). Nothing is
//! found for its entropy alone: a [name](names) or a [grammar](tokens) must also match.

mod digits;
mod email;
mod iban;
mod ip6;
mod names;
mod pairs;
mod prefix;
mod tables;
mod tokens;
mod value;

use std::ops::Range;

use super::shadow::Shadow;
use crate::settings::DETECTORS;

pub(super) use digits::is_card_number as digits_is_card;

/// A detector; its number is its index in [`DETECTORS`], which a test checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Email,
    Phone,
    Card,
    Iban,
    Ip,
    Jwt,
    Aws,
    Gcp,
    Azure,
    Github,
    Pem,
    Bearer,
    Secrets,
}

/// Which detectors are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Enabled(u16);

impl Enabled {
    pub(super) const ALL: Self = Self((1 << DETECTORS.len()) - 1);
    pub(super) const NONE: Self = Self(0);

    /// These detectors and the one of that name; `None` if there is no such detector.
    pub(super) fn with(self, name: &str) -> Option<Self> {
        DETECTORS.iter().position(|d| *d == name).map(|i| Self(self.0 | 1 << i))
    }

    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    fn any(self, kinds: &[Kind]) -> bool {
        kinds.iter().any(|kind| self.has(*kind))
    }
}

/// Something found in the shadow: where, the index of its label, and why.
#[derive(Clone, Debug)]
pub(super) struct Find {
    pub(super) span: Range<usize>,
    pub(super) label: usize,
    pub(super) why: &'static str,
}

/// What the passes read and write.
struct Scan<'a> {
    bytes: &'a [u8],
    shadow: &'a Shadow<'a>,
    enabled: Enabled,
    finds: &'a mut Vec<Find>,
}

impl Scan<'_> {
    fn found(&mut self, kind: Kind, span: Range<usize>, why: &'static str) {
        let numbers = matches!(kind, Kind::Phone | Kind::Card | Kind::Iban);
        if self.enabled.has(kind) && !(numbers && self.in_uuid(&span)) {
            self.finds.push(Find { span, label: kind as usize, why });
        }
    }

    /// Whether a span that begins with one of a UUID's groups lies within that UUID.
    fn in_uuid(&self, span: &Range<usize>) -> bool {
        const LEN: usize = 36;
        // Where its groups begin.
        [0, 9, 14, 19, 24].into_iter().filter_map(|group| span.start.checked_sub(group)).any(|start| {
            let Some(text) = self.bytes.get(start..start + LEN).filter(|_| span.end <= start + LEN) else {
                return false;
            };
            text.iter().enumerate().all(|(i, byte)| match i {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            }) && !self.word_before(start)
                && !self.word_at(start + LEN)
        })
    }

    fn at(&self, i: usize) -> u8 {
        self.bytes.get(i).copied().unwrap_or(0)
    }

    /// The byte before `i`; 0 at the start.
    fn before(&self, i: usize) -> u8 {
        if i == 0 { 0 } else { self.bytes[i - 1] }
    }

    /// Whether the byte before `i` is part of a word. A letter of another script that only looks Latin does not count,
    /// nor does the end of an escape, as in `\\n` or `%20`.
    fn word_before(&self, i: usize) -> bool {
        i > 0 && is_word(self.bytes[i - 1]) && !self.shadow.folded(i - 1) && !self.escapes(i)
    }

    /// Whether the byte at `i` is part of a word; a letter that only looks Latin does not count.
    fn word_at(&self, i: usize) -> bool {
        is_word(self.at(i)) && !self.shadow.folded(i)
    }

    /// Whether an escape ends before `i`: a backslash and its letter, a percent sign and its digits, or a terminal's
    /// colour code.
    fn escapes(&self, i: usize) -> bool {
        let bytes = &self.bytes[i.saturating_sub(8)..i];
        match bytes {
            [.., b'\\', b'n' | b'r' | b't' | b'f' | b'v'] => true,
            [.., b'%', a, b] => a.is_ascii_hexdigit() && b.is_ascii_hexdigit(),
            [head @ .., b'm'] => {
                let code = head.iter().rev().take_while(|b| b.is_ascii_digit() || **b == b';').count();
                matches!(head[..head.len() - code], [.., 0x1B, b'['])
            }
            _ => false,
        }
    }

    /// Where a token that begins with `prefix` ends. Letters at its end that only look Latin are no part of it, unless
    /// the prefix is written in such letters too.
    fn token(&self, prefix: Range<usize>, most: usize, of: impl Fn(u8) -> bool) -> usize {
        let mut end = self.run(prefix.end, most, &of);
        if self.shadow.is_plain() || self.shadow.folded(prefix.start) {
            return end;
        }
        while end > prefix.end && self.shadow.folded(end - 1) {
            end -= 1;
        }
        end
    }

    /// Where the run of bytes that are `of` the kind, beginning at `from`, ends, looking at most `most` far.
    fn run(&self, from: usize, most: usize, of: impl Fn(u8) -> bool) -> usize {
        let end = self.bytes.len().min(from.saturating_add(most));
        (from..end).find(|&i| !of(self.bytes[i])).unwrap_or(end)
    }
}

/// Whether `b` is part of a word; bytes beyond ASCII are not, so that a find may touch other scripts.
fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// Finds everything, in no particular order; spans may overlap.
pub(super) fn find_all(shadow: &Shadow<'_>, enabled: Enabled, finds: &mut Vec<Find>) {
    let text = shadow.text();
    let mut scan = Scan { bytes: text.as_bytes(), shadow, enabled, finds };
    if enabled.any(&[Kind::Card, Kind::Phone, Kind::Ip, Kind::Iban]) {
        digits::scan(&mut scan);
    }
    if enabled.has(Kind::Email) {
        email::scan(text, &mut scan);
    }
    if enabled.has(Kind::Ip) {
        ip6::scan(text, &mut scan);
    }
    if enabled.any(&[
        Kind::Jwt,
        Kind::Aws,
        Kind::Gcp,
        Kind::Azure,
        Kind::Github,
        Kind::Pem,
        Kind::Bearer,
        Kind::Secrets,
    ]) {
        prefix::scan(&mut scan);
    }
}

/// Whether a member of data with this name and value is a secret as a whole.
pub(super) fn secret_member(name: &str, value: &str) -> bool {
    match names::says(name.as_bytes()) {
        Some((_, names::Says::Password)) => value.len() >= 4 && !value::is_placeholder(value.as_bytes()),
        Some((_, names::Says::Authorization)) => false,
        // A model's pieces of text are called tokens too: for such a name, only a value that looks random is a secret.
        // The value of a name that says key or secret is one even if it does not look random.
        Some((_, names::Says::Token)) => {
            let piece = name.len() >= 5 && name.as_bytes()[name.len() - 5..].eq_ignore_ascii_case(b"token");
            let value = value.as_bytes();
            value::is_drawn(value)
                || !piece && value.len() >= 4 && !value.contains(&b' ') && !value::is_placeholder(value)
        }
        None => false,
    }
}
