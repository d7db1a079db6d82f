//! UTF-16 as a JSON string, for hosts whose texts are UTF-16.
//!
//! Guarantee: what is written is what `write_string` makes of the same text.

use super::writer::escape_one;

/// What is said of UTF-16 that is none.
pub(super) const LONE_SURROGATE: &str =
    "holds a lone surrogate, which UTF-8 cannot carry; replace it before you emit";

/// Whether a JSON string holds the unit as an ASCII character, unescaped.
fn is_plain(unit: u16) -> bool {
    (0x20..0x80).contains(&unit) && unit != u16::from(b'"') && unit != u16::from(b'\\')
}

/// Appends the units as bytes; answers whether all of them are plain, without which the bytes mean nothing. Most texts are, and to look
/// at all of their units costs less than to stop somewhere.
pub(super) fn narrow(out: &mut Vec<u8>, units: &[u16]) -> bool {
    #[allow(clippy::cast_possible_truncation, reason = "what is wider is not plain")]
    out.extend(units.iter().map(|unit| *unit as u8));
    units.iter().fold(true, |plain, unit| plain & is_plain(*unit))
}

/// Appends UTF-16 as a JSON string; answers whether it has escapes. `None`: it holds half of a character.
pub(super) fn write_utf16(out: &mut Vec<u8>, units: &[u16]) -> Option<bool> {
    out.reserve(units.len() + 2);
    out.push(b'"');
    let start = out.len();
    let mut escaped = false;
    if !narrow(out, units) {
        out.truncate(start);
        escaped = escape_utf16(out, units)?;
    }
    out.push(b'"');
    Some(escaped)
}

/// The same, of text that is not all plain, without its quotes.
#[inline(never)]
fn escape_utf16(out: &mut Vec<u8>, mut units: &[u16]) -> Option<bool> {
    let mut escaped = false;
    while let Some(first) = units.first() {
        let taken = match u8::try_from(*first) {
            Ok(byte) if byte < 0x80 && !is_plain(*first) => {
                escape_one(out, byte);
                escaped = true;
                1
            }
            Ok(byte) if byte < 0x80 => {
                let plain = units.iter().position(|unit| !is_plain(*unit)).unwrap_or(units.len());
                narrow(out, &units[..plain]);
                plain
            }
            _ => {
                let character = char::decode_utf16(units.iter().copied()).next()?.ok()?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                character.len_utf16()
            }
        };
        units = &units[taken..];
    }
    Some(escaped)
}
