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
//! | `i` | 64 bits, two's complement | integer |
//! | `z` | length, decimal digits with or without a `-` | an integer that may not fit 64 bits |
//! | `d` | 64 bits, IEEE 754 | double |
//! | `b` | length, bytes | bytes |
//! | `t`, `f`, `n` | | `true`, `false`, `null` |
//! | `u` | length, UTF-8 of what it is or what happened | a value that could not be read |
//! | `j` | length, JSON text | what the text says |

use super::ObjectWriter;
use super::keys::{Keys, MOST};
use super::parse::{Builder, JsonError, drive};

/// What a stream feeds: values that JSON does not have, too.
pub(crate) trait Wide: Builder {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), JsonError>;
    /// An integer of any size.
    fn digits(&mut self, digits: &str) -> Result<(), JsonError>;
    /// A value that could not be read.
    fn unreadable(&mut self, what: &str) -> Result<(), JsonError>;
    /// A string that is not UTF-8.
    fn ill_text(&mut self, bytes: &[u8]) -> Result<(), JsonError>;
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
    drive_stream(stream, writer)
}

/// Reads a stream of values, one for each of the keys and in their order, into a canonical writer: the object that
/// [`stream_into`] would make of keys and values.
///
/// # Errors
/// As [`stream_into`]; or there are not as many values as keys.
#[doc(hidden)]
pub fn values_into(keys: &Keys, stream: &[u8], writer: &mut ObjectWriter) -> Result<(), StreamError> {
    let mut ends = [0; MOST];
    let mut values = Stream { rest: stream };
    for end in &mut ends[..keys.len()] {
        values.skip()?;
        *end = stream.len() - values.rest.len();
    }
    if !values.rest.is_empty() {
        return Err(StreamError::Broken);
    }
    writer.object_with(keys, |writer, at| {
        let start = if at == 0 { 0 } else { ends[at - 1] };
        drive_stream(&stream[start..ends[at]], writer)
    })
}

/// Whether bytes that are an object, as JSON text or as a stream, are a stream: there the bracket is followed by `k`;
/// in JSON by white space, a quote or the closing bracket.
pub(crate) fn is_stream(bytes: &[u8]) -> bool {
    matches!(bytes, [b'{', b'k', ..])
}

pub(crate) fn drive_stream<B: Wide>(stream: &[u8], builder: &mut B) -> Result<(), StreamError> {
    let mut stream = Stream { rest: stream };
    while let Some((tag, rest)) = stream.rest.split_first() {
        stream.rest = rest;
        match tag {
            b'k' => match stream.text()? {
                Ok(key) => builder.key(key),
                Err(bytes) => builder.ill_key(bytes),
            },
            b's' => match stream.text()? {
                Ok(text) => builder.string(text),
                Err(bytes) => builder.ill_text(bytes),
            },
            b'i' => builder.int(i64::from_le_bytes(stream.fixed()?)),
            b'z' => match stream.text()? {
                Ok(digits) if is_integer(digits) => builder.digits(digits),
                _ => return Err(StreamError::Broken),
            },
            b'd' => builder.float(f64::from_le_bytes(stream.fixed()?)),
            b'b' => builder.bytes(stream.counted()?),
            b't' => builder.bool(true),
            b'f' => builder.bool(false),
            b'n' => builder.null(),
            b'u' => match stream.text()? {
                Ok(what) => builder.unreadable(what),
                Err(_) => builder.unreadable("?"),
            },
            b'{' => builder.begin_object(),
            b'}' => builder.end_object(),
            b'[' => builder.begin_array(),
            b']' => builder.end_array(),
            b'j' => builder.text_of_json(stream.counted()?),
            _ => return Err(StreamError::Broken),
        }?;
    }
    Ok(())
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is left to read.
struct Stream<'a> {
    rest: &'a [u8],
}

impl<'a> Stream<'a> {
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], StreamError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(StreamError::Broken)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn counted(&mut self) -> Result<&'a [u8], StreamError> {
        let length = u32::from_le_bytes(self.fixed()?);
        let length = usize::try_from(length).map_err(|_| StreamError::Broken)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(StreamError::Broken)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Passes over one value.
    fn skip(&mut self) -> Result<(), StreamError> {
        let mut depth = 0usize;
        loop {
            let (tag, rest) = self.rest.split_first().ok_or(StreamError::Broken)?;
            self.rest = rest;
            match tag {
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
