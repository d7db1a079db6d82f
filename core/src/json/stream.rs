//! Values as a stream of tags, for hosts that would otherwise write JSON only for the core to read it again.
//!
//! Guarantees: nothing is read beyond the bytes, whatever they are. The builder decides what becomes of the values: an
//! [`ObjectWriter`] applies the rules for data, a [`Plain`](super::Plain) spells what JSON cannot carry.
//!
//! A value is a tag of one byte and what the tag announces. Lengths are 32 bits; they, and numbers, are
//! little-endian and not aligned.
//!
//! | tag | then | value |
//! | --- | --- | --- |
//! | `{` | members: `k`, length, UTF-8 of the key, a value; at their end `}` | object |
//! | `[` | values; at their end `]` | array |
//! | `s` | length, UTF-8 | string |
//! | `w` | how many units | string, whose UTF-16 stands apart from the stream, after that of the one before |
//! | `i` | 64 bits, two's complement | integer |
//! | `z` | length, decimal digits with or without a `-` | an integer that may not fit 64 bits |
//! | `d` | 64 bits, IEEE 754 | double |
//! | `b` | length, bytes | bytes |
//! | `t`, `f`, `n` | | `true`, `false`, `null` |
//! | `u` | length, UTF-8 of what it is or what happened | a value that could not be read |
//! | `j` | length, JSON text | what the text says |

use super::ObjectWriter;
use super::keys::{Keys, MOST};
use super::number::{safe, write_i64, write_safe_f64};
use super::parse::{Builder, JsonError, drive};
use super::utf16::{LONE_SURROGATE, narrow, write_utf16};

/// What a stream feeds: values that JSON does not have, too.
pub(crate) trait Wide: Builder {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), JsonError>;
    /// An integer of any size.
    fn digits(&mut self, digits: &str) -> Result<(), JsonError>;
    /// A value that could not be read.
    fn unreadable(&mut self, what: &str) -> Result<(), JsonError>;
    /// A string that is not UTF-8.
    fn ill_text(&mut self, bytes: &[u8]) -> Result<(), JsonError>;
    /// A string as UTF-16.
    fn units(&mut self, units: &[u16]) -> Result<(), JsonError>;
    /// A key that is not UTF-8.
    fn ill_key(&mut self, bytes: &[u8]) -> Result<(), JsonError>;
    /// What a JSON text says.
    fn text_of_json(&mut self, text: &[u8]) -> Result<(), JsonError>;
}

/// Why a stream cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// The bytes are no stream of values.
    Broken,
    /// A value is not one that can be sealed.
    Refused(JsonError),
}

impl From<JsonError> for StreamError {
    fn from(e: JsonError) -> Self {
        Self::Refused(e)
    }
}

/// Reads a stream, one object, straight into a canonical writer, which holds it to the rules for `data`.
///
/// # Errors
/// The bytes are no stream, or hold what cannot be sealed.
pub fn stream_into(stream: &[u8], writer: &mut ObjectWriter) -> Result<(), StreamError> {
    stream_apart_into(stream, &[], writer)
}

/// As [`stream_into`], with the units of the texts that stand apart from the stream.
///
/// # Errors
/// As [`stream_into`].
#[doc(hidden)]
pub fn stream_apart_into(stream: &[u8], units: &[u16], writer: &mut ObjectWriter) -> Result<(), StreamError> {
    Stream { rest: stream, units }.drive(writer, 0)
}

/// Reads a stream of values, one for each of the keys and in their order, with the units of the texts that stand apart, into a
/// canonical writer: the object that [`stream_into`] would make of keys and values.
///
/// # Errors
/// As [`stream_into`]; or there are not as many values as keys.
#[doc(hidden)]
pub fn values_into(
    keys: &'static Keys,
    stream: &[u8],
    units: &[u16],
    writer: &mut ObjectWriter,
) -> Result<(), StreamError> {
    let whole = Stream { rest: stream, units };
    // How much is left where a value begins.
    let mut left = [(0_u32, 0_u32); MOST + 1];
    if u32::try_from(stream.len().max(units.len())).is_err() {
        return Err(StreamError::Broken);
    }
    let mut values = whole;
    for start in &mut left[..keys.len()] {
        *start = values.left();
        values.skip()?;
    }
    if !(values.rest.is_empty() && values.units.is_empty()) {
        return Err(StreamError::Broken);
    }
    let from = |at: usize| {
        let (bytes, texts) = left[at];
        Stream {
            rest: &stream[stream.len() - bytes as usize..],
            units: &units[units.len() - texts as usize..],
        }
    };
    let depth = writer.depth();
    // All texts of an object at once, as they are short and lie behind each other; most objects have no other than plain ones.
    let mut narrowed = std::mem::take(&mut writer.narrowed);
    narrowed.clear();
    let plain = narrow(&mut narrowed, units).then_some(&*narrowed);
    let written = writer.object_with(
        keys,
        |out, at| from(at).simple(out, plain),
        |writer, at| from(at).drive(writer, left[at + 1].0 as usize),
    );
    writer.narrowed = narrowed;
    writer.known = Some(keys);
    if let Err(StreamError::Refused(_)) = written {
        // In canonical order the first that is wrong may be another one than in the order of the values.
        writer.reset(depth);
        writer.begin_object()?;
        for at in 0..keys.len() {
            writer.key(keys.nth(at))?;
            from(at).drive(writer, left[at + 1].0 as usize)?;
        }
    }
    written
}

/// Whether bytes that are an object, as JSON text or as a stream, are a stream: there the bracket is followed by `k`;
/// in JSON by white space, a quote or the closing bracket.
pub(crate) fn is_stream(bytes: &[u8]) -> bool {
    matches!(bytes, [b'{', b'k', ..])
}

pub(crate) fn drive_stream<B: Wide>(stream: &[u8], builder: &mut B) -> Result<(), StreamError> {
    Stream { rest: stream, units: &[] }.drive(builder, 0)
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is left to read.
#[derive(Clone, Copy)]
struct Stream<'a> {
    rest: &'a [u8],
    units: &'a [u16],
}

impl<'a> Stream<'a> {
    /// Reads until no more than `left` bytes are left.
    fn drive<B: Wide>(mut self, builder: &mut B, left: usize) -> Result<(), StreamError> {
        while self.rest.len() > left
            && let Some((tag, rest)) = self.rest.split_first()
        {
            self.rest = rest;
            match tag {
                b'k' => match self.text()? {
                    Ok(key) => builder.key(key),
                    Err(bytes) => builder.ill_key(bytes),
                },
                b'w' => builder.units(self.apart()?),
                b's' => match self.text()? {
                    Ok(text) => builder.string(text),
                    Err(bytes) => builder.ill_text(bytes),
                },
                b'i' => builder.int(i64::from_le_bytes(self.fixed()?)),
                b'z' => match self.text()? {
                    Ok(digits) if is_integer(digits) => builder.digits(digits),
                    _ => return Err(StreamError::Broken),
                },
                b'd' => builder.float(f64::from_le_bytes(self.fixed()?)),
                b'b' => builder.bytes(self.counted()?),
                b't' => builder.bool(true),
                b'f' => builder.bool(false),
                b'n' => builder.null(),
                b'u' => match self.text()? {
                    Ok(what) => builder.unreadable(what),
                    Err(_) => builder.unreadable("?"),
                },
                b'{' => builder.begin_object(),
                b'}' => builder.end_object(),
                b'[' => builder.begin_array(),
                b']' => builder.end_array(),
                b'j' => builder.text_of_json(self.counted()?),
                _ => return Err(StreamError::Broken),
            }?;
        }
        Ok(())
    }

    /// Appends a value that is none of those that hold others, as JSON, and says whether it has escapes; nothing if it is another one. `plain`
    /// are all units, if they are [`narrow`].
    #[inline]
    fn simple(mut self, out: &mut Vec<u8>, plain: Option<&[u8]>) -> Result<Option<bool>, StreamError> {
        let (tag, rest) = self.rest.split_first().ok_or(StreamError::Broken)?;
        self.rest = rest;
        match (tag, plain) {
            (b'w', Some(plain)) => {
                let from = plain.len() - self.units.len();
                let length = self.apart()?.len();
                out.push(b'"');
                out.extend_from_slice(&plain[from..from + length]);
                out.push(b'"');
            }
            (b'w', None) => {
                let escaped = write_utf16(out, self.apart()?);
                return escaped.map(Some).ok_or_else(|| JsonError::new(LONE_SURROGATE).into());
            }
            (b'i', _) => write_i64(out, safe(i64::from_le_bytes(self.fixed()?).into())?),
            (b'd', _) => write_safe_f64(out, f64::from_le_bytes(self.fixed()?))?,
            (b't', _) => out.extend_from_slice(b"true"),
            (b'f', _) => out.extend_from_slice(b"false"),
            (b'n', _) => out.extend_from_slice(b"null"),
            _ => return Ok(None),
        }
        Ok(Some(false))
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], StreamError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(StreamError::Broken)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// How many bytes and units are left, where that fits.
    #[allow(clippy::cast_possible_truncation, reason = "asked of what fits")]
    fn left(&self) -> (u32, u32) {
        (self.rest.len() as u32, self.units.len() as u32)
    }

    fn length(&mut self) -> Result<usize, StreamError> {
        usize::try_from(u32::from_le_bytes(self.fixed()?)).map_err(|_| StreamError::Broken)
    }

    /// The units of a text that stands apart.
    fn apart(&mut self) -> Result<&'a [u16], StreamError> {
        let length = self.length()?;
        let (taken, rest) = self.units.split_at_checked(length).ok_or(StreamError::Broken)?;
        self.units = rest;
        Ok(taken)
    }

    fn counted(&mut self) -> Result<&'a [u8], StreamError> {
        let length = self.length()?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(StreamError::Broken)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Passes over one value.
    #[inline]
    fn skip(&mut self) -> Result<(), StreamError> {
        match self.rest {
            [b'w', rest @ ..] => {
                self.rest = rest;
                self.apart().map(drop)
            }
            [b'i' | b'd', _, _, _, _, _, _, _, _, rest @ ..] | [b't' | b'f' | b'n', rest @ ..] => {
                self.rest = rest;
                Ok(())
            }
            _ => self.skip_any(),
        }
    }

    fn skip_any(&mut self) -> Result<(), StreamError> {
        let mut depth = 0usize;
        loop {
            let (tag, rest) = self.rest.split_first().ok_or(StreamError::Broken)?;
            self.rest = rest;
            match tag {
                b'w' => _ = self.apart()?,
                b's' | b'z' | b'b' | b'u' | b'j' => _ = self.counted()?,
                b'i' | b'd' => _ = self.fixed::<8>()?,
                b't' | b'f' | b'n' => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1).ok_or(StreamError::Broken)?,
                // Its value is yet to come.
                b'k' if depth > 0 => {
                    self.counted()?;
                    continue;
                }
                _ => return Err(StreamError::Broken),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// A text, or its bytes if they are not UTF-8.
    fn text(&mut self) -> Result<Result<&'a str, &'a [u8]>, StreamError> {
        let bytes = self.counted()?;
        Ok(std::str::from_utf8(bytes).map_err(|_| bytes))
    }
}

/// What is said of bytes.
pub(super) const BYTES: &str = "bytes have no JSON form; send them as a string, in base64 for example";

impl Wide for ObjectWriter {
    fn bytes(&mut self, _: &[u8]) -> Result<(), JsonError> {
        Err(self.refuse(BYTES))
    }
    fn digits(&mut self, digits: &str) -> Result<(), JsonError> {
        self.int(digits.parse().unwrap_or(i128::MAX))
    }
    fn unreadable(&mut self, what: &str) -> Result<(), JsonError> {
        Err(self.refuse(format!("could not be read: {what}")))
    }
    fn ill_text(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        Err(self.refuse(ill(bytes)))
    }
    fn units(&mut self, units: &[u16]) -> Result<(), JsonError> {
        self.utf16(units)
    }
    fn ill_key(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        let path = self.path();
        Err(JsonError::new(ill(bytes)).in_path(path))
    }
    fn text_of_json(&mut self, text: &[u8]) -> Result<(), JsonError> {
        drive(text, self, 512)
    }
}

fn ill(bytes: &[u8]) -> String {
    let good = std::str::from_utf8(bytes).map_or_else(|e| e.valid_up_to(), str::len);
    format!("is not UTF-8 from byte {good} on; send text as UTF-8, other bytes as base64")
}
