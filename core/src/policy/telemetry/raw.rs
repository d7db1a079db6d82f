//! Canonical JSON, looked at without being read: where a member stands, and what kind of value it is.
//!
//! Guarantees: nothing is allocated, and nothing panics, whatever the bytes; text that is not canonical JSON gives
//! values that are not there, never wrong ones of another place.

use memchr::memchr2;

use crate::json::words::equal;

/// A value's text, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Raw<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    /// What stands between the quotes; with escapes if so said.
    Text(&'a [u8], bool),
    Object(&'a [u8]),
    Array(&'a [u8]),
}

impl<'a> Raw<'a> {
    /// Of a value's whole text.
    pub(super) fn of(text: &'a [u8]) -> Option<Self> {
        let escaped = text.first() == Some(&b'"') && memchr::memchr(b'\\', text).is_some();
        Self::spanned(text, escaped)
    }

    /// Of a value's whole text, of which it is known whether it has escapes, if it is a string.
    pub(super) fn spanned(text: &'a [u8], escaped: bool) -> Option<Self> {
        Some(match text.first()? {
            b'"' => Self::Text(text.get(1..text.len().checked_sub(1)?)?, escaped),
            b'{' => Self::Object(text),
            b'[' => Self::Array(text),
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'n' => Self::Null,
            _ => number(text)?,
        })
    }
}

/// A whole number of at most eight digits without a sign, as most are; `None` where it is anything else.
#[inline]
pub(super) fn small_number(text: &[u8], start: usize, end: usize) -> Option<i64> {
    let length = end.checked_sub(start).filter(|length| (1..=8).contains(length))?;
    let eight = u64::from_le_bytes(*text.get(start..)?.first_chunk()?);
    // Its digits last, after zeros: what is read ends where the number does.
    let digits = eight.wrapping_sub(0x3030_3030_3030_3030) << (64 - 8 * length);
    if (digits | digits.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = (digits * 10 + (digits >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    let all = (fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF;
    i64::try_from(all).ok()
}

fn number(text: &[u8]) -> Option<Raw<'_>> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() <= 18 {
        let value = digits.iter().try_fold(0_i64, |value, digit| {
            digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
        });
        if let Some(value) = value {
            return Some(Raw::Int(if negative { -value } else { value }));
        }
    }
    std::str::from_utf8(text).ok()?.parse().ok().map(Raw::Double)
}

/// The bytes of eight that are a quote or a backslash: their highest bits, exact for the lowest that is set.
fn quotes_and_escapes(eight: u64) -> u64 {
    equal(eight, b'"') | equal(eight, b'\\')
}

/// Where the string ends that begins after the quote before `at`: the place of the closing quote.
#[inline]
pub(super) fn string_end(text: &[u8], at: usize) -> Option<usize> {
    string_span(text, at).map(|(end, _)| end)
}

/// Where the string ends that begins after the quote before `at`, and whether it has escapes.
#[inline]
fn string_span(text: &[u8], at: usize) -> Option<(usize, bool)> {
    // Most are that short.
    if let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let found = quotes_and_escapes(u64::from_le_bytes(*eight));
        let end = at + found.trailing_zeros() as usize / 8;
        if found != 0 && text.get(end) == Some(&b'"') {
            return Some((end, false));
        }
    }
    long_string_span(text, at)
}

fn long_string_span(text: &[u8], mut at: usize) -> Option<(usize, bool)> {
    // A call costs more than looking at a few bytes does.
    let mut near = 3;
    let mut escaped = false;
    loop {
        match text.get(at..).and_then(<[u8]>::first_chunk) {
            Some(eight) if near > 0 => {
                let found = quotes_and_escapes(u64::from_le_bytes(*eight));
                if found == 0 {
                    at += 8;
                    near -= 1;
                    continue;
                }
                at += found.trailing_zeros() as usize / 8;
            }
            _ => at += memchr2(b'"', b'\\', text.get(at..)?)?,
        }
        if text[at] == b'"' {
            return Some((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

/// Where the value ends that begins at `at`.
pub(super) fn value_end(text: &[u8], at: usize) -> Option<usize> {
    value_span(text, at).map(|(end, _)| end)
}

/// Where the value ends that begins at `at`, and, if it is a string, whether it has escapes.
#[inline]
pub(super) fn value_span(text: &[u8], at: usize) -> Option<(usize, bool)> {
    match text.get(at)? {
        b'"' => string_span(text, at + 1).map(|(end, escaped)| (end + 1, escaped)),
        b'{' | b'[' => container_end(text, at).map(|end| (end, false)),
        _ => {
            let rest = &text[at..];
            let length = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']'));
            Some((at + length.unwrap_or(rest.len()), false))
        }
    }
}

fn container_end(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'"' => at = string_end(text, at + 1)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// An object's members: key without its quotes, value.
pub(super) struct Members<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Members<'a> {
    pub(super) fn of(object: &'a [u8]) -> Self {
        // An empty object's next byte is its end, which is no quote.
        Self { text: object, at: 1 }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.text.get(self.at) != Some(&b'"') {
            return None;
        }
        let key = self.at + 1;
        let key_end = string_end(self.text, key)?;
        let value = key_end + 2;
        let value_end = value_end(self.text, value)?;
        self.at = value_end + 1;
        Some((&self.text[key..key_end], &self.text[value..value_end]))
    }
}

/// An array's items.
pub(super) struct Items<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Items<'a> {
    pub(super) fn of(array: &'a [u8]) -> Self {
        Self { text: array, at: 1 }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.text.get(self.at), None | Some(b']')) {
            return None;
        }
        let start = self.at;
        let end = value_end(self.text, start)?;
        self.at = end + 1;
        Some(&self.text[start..end])
    }
}

/// A member's value.
pub(super) fn member<'a>(object: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    Members::of(object).find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// Where in an object the value of the member with this key, as canonical JSON writes it, begins.
pub(super) fn member_at(object: &[u8], key: &[u8]) -> Option<usize> {
    let mut members = Members::of(object);
    let (_, value) = members.find(|(name, _)| *name == key)?;
    // Behind the comma or bracket that follows the value.
    members.at.checked_sub(value.len() + 1)
}

/// A key as canonical JSON writes it, without its quotes.
pub(super) fn escaped(key: &str) -> Box<[u8]> {
    let mut out = Vec::with_capacity(key.len() + 2);
    crate::json::write_string(&mut out, key);
    out[1..out.len() - 1].into()
}

/// Writes the characters that an escaped text stands for to the front of `out`; how many bytes they take. `None`: it
/// does not fit, or is no text.
pub(super) fn unescape(text: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut from = 0;
    let mut to = 0;
    while let Some(&byte) = text.get(from) {
        // Eight at once, up to the next escape; what is copied of it is written over.
        if let Some(eight) = text[from..].first_chunk::<8>()
            && let Some(room) = out.get_mut(to..).and_then(<[u8]>::first_chunk_mut)
        {
            *room = *eight;
            let found = equal(u64::from_le_bytes(*eight), b'\\');
            let plain = found.trailing_zeros() as usize / 8;
            from += plain;
            to += plain;
            if plain > 0 {
                continue;
            }
        } else if byte != b'\\' {
            *out.get_mut(to)? = byte;
            from += 1;
            to += 1;
            continue;
        }
        let plain = match *text.get(from + 1)? {
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let digits = std::str::from_utf8(text.get(from + 2..from + 6)?).ok()?;
                // Canonical text escapes only what is below U+0020 so.
                let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
                let room = out.get_mut(to..to + character.len_utf8())?;
                to += character.encode_utf8(room).len();
                from += 6;
                continue;
            }
            byte => byte,
        };
        *out.get_mut(to)? = plain;
        from += 2;
        to += 1;
    }
    Some(to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever stands behind it.
        #[test]
        fn a_small_number_is_the_number_that_it_is_written_as(text in "[-0-9.eE]{1,10}", behind in "[,}0-9\\]]{0,9}") {
            let expected = match number(text.as_bytes()) {
                Some(Raw::Int(value)) if text.len() <= 8 && !text.starts_with('-') => Some(value),
                _ => None,
            };
            let whole = format!("{text}{behind}");
            let found = small_number(whole.as_bytes(), 0, text.len());
            // Near the end of the data the other way is taken.
            if whole.len() < 8 {
                prop_assert_eq!(found, None);
            } else {
                prop_assert_eq!(found, expected);
            }
        }
    }
}
