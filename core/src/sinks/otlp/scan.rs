//! Walks the canonical JSON of an envelope without making a tree of it.
//!
//! Guarantees: never panics and never reads past the end, whatever the bytes; what is not JSON is
//! [`Malformed`]. It is no validator: envelopes are canonical already, so this checks only what walking
//! needs.

use memchr::{memchr, memchr2};

use crate::json::MAX_SAFE_INTEGER;
use crate::json::words::equal;

/// The bytes are not the JSON of an envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A string between its quotes, as it stands in the text.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    bytes: &'a [u8],
    escaped: bool,
}

impl<'a> Raw<'a> {
    /// The text it stands for, if it has no escapes.
    pub(super) fn plain(&self) -> Option<&'a [u8]> {
        (!self.escaped).then_some(self.bytes)
    }

    /// As it stands in the text, escapes and all.
    pub(super) fn written(&self) -> &'a [u8] {
        self.bytes
    }

    /// The text it stands for; `scratch` holds it if it has escapes.
    pub(super) fn text<'b>(&self, scratch: &'b mut Vec<u8>) -> Result<&'b [u8], Malformed>
    where
        'a: 'b,
    {
        if !self.escaped {
            return Ok(self.bytes);
        }
        scratch.clear();
        self.unescape(scratch)?;
        Ok(scratch)
    }

    /// Appends the text it stands for.
    pub(super) fn unescape(&self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        if !self.escaped {
            out.extend_from_slice(self.bytes);
            return Ok(());
        }
        let mut rest = self.bytes;
        while let Some(at) = memchr(b'\\', rest) {
            out.extend_from_slice(&rest[..at]);
            let (&kind, after) = rest[at + 1..].split_first().ok_or(Malformed)?;
            rest = after;
            out.push(match kind {
                b'"' | b'\\' | b'/' => kind,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'u' => {
                    let (digits, after) = rest.split_at_checked(4).ok_or(Malformed)?;
                    rest = after;
                    let mut code = 0_u32;
                    for &digit in digits {
                        code = code << 4 | char::from(digit).to_digit(16).ok_or(Malformed)?;
                    }
                    // Canonical JSON escapes control characters only, so no pair of surrogates is met.
                    let c = char::from_u32(code).ok_or(Malformed)?;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                _ => return Err(Malformed),
            });
        }
        out.extend_from_slice(rest);
        Ok(())
    }
}

/// What a value begins with.
pub(super) enum Token<'a> {
    /// A string, consumed.
    String(Raw<'a>),
    /// A number, consumed.
    Number(Number),
    /// A boolean, consumed.
    Bool(bool),
    /// `null`, consumed.
    Null,
    /// `{`: its members come next, by [`Scanner::member`].
    Object,
    /// `[`: its elements come next, by [`Scanner::element`].
    Array,
}

impl Token<'_> {
    /// Whether it is a value of its own, rather than the beginning of one.
    pub(super) fn is_scalar(&self) -> bool {
        !matches!(self, Self::Object | Self::Array)
    }

    /// The text of a string; anything else is malformed.
    pub(super) fn text<'b>(&'b self, scratch: &'b mut Vec<u8>) -> Result<&'b [u8], Malformed> {
        match self {
            Self::String(raw) => raw.text(scratch),
            _ => Err(Malformed),
        }
    }
}

/// A number, as OTLP tells them apart.
#[derive(Clone, Copy)]
pub(super) enum Number {
    /// Integral, and the same to every reader of JSON: within ±(2^53−1).
    Int(i64),
    /// Any other.
    Double(f64),
}

/// Where the first quote or backslash stands. Most strings are short: their words are looked at here, and only what is
/// longer is worth a call of memchr.
#[inline]
fn special(text: &[u8]) -> Option<usize> {
    const WORDS: usize = 4;
    let (words, _) = text.as_chunks::<8>();
    for (i, word) in words.iter().take(WORDS).enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = equal(word, b'"') | equal(word, b'\\');
        if found != 0 {
            return Some(i * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let seen = words.len().min(WORDS) * 8;
    memchr2(b'"', b'\\', &text[seen..]).map(|at| seen + at)
}

/// A place in the text.
#[derive(Clone)]
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// At the beginning of `text`.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = *self.text.get(self.at).ok_or(Malformed)?;
        self.at += 1;
        Ok(byte)
    }

    fn literal(&mut self, rest: &[u8]) -> Result<(), Malformed> {
        if self.text[self.at..].starts_with(rest) {
            self.at += rest.len();
            return Ok(());
        }
        Err(Malformed)
    }

    /// The rest of a string whose opening quote has been read.
    #[inline]
    fn string(&mut self) -> Result<Raw<'a>, Malformed> {
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += special(&self.text[self.at..]).ok_or(Malformed)?;
            if self.text[self.at] == b'"' {
                let bytes = &self.text[start..self.at];
                self.at += 1;
                return Ok(Raw { bytes, escaped });
            }
            escaped = true;
            self.at += 2;
            if self.at > self.text.len() {
                return Err(Malformed);
            }
        }
    }

    /// The next value's beginning.
    #[inline]
    pub(super) fn token(&mut self) -> Result<Token<'a>, Malformed> {
        Ok(match self.byte()? {
            b'"' => Token::String(self.string()?),
            b'{' => Token::Object,
            b'[' => Token::Array,
            b't' => self.literal(b"rue").map(|()| Token::Bool(true))?,
            b'f' => self.literal(b"alse").map(|()| Token::Bool(false))?,
            b'n' => self.literal(b"ull").map(|()| Token::Null)?,
            b'-' | b'0'..=b'9' => Token::Number(self.number()?),
            _ => return Err(Malformed),
        })
    }

    fn number(&mut self) -> Result<Number, Malformed> {
        /// As many digits as no `i64` is too small for.
        const MOST: usize = 18;
        let start = self.at - 1;
        let negative = self.text[start] == b'-';
        let digits = start + usize::from(negative);
        let mut value = 0_i64;
        self.at = digits;
        while let Some(digit @ b'0'..=b'9') = self.text.get(self.at) {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            self.at += 1;
        }
        let integral = !matches!(self.text.get(self.at), Some(b'.' | b'e' | b'E'));
        if integral && (1..=MOST).contains(&(self.at - digits)) && value.unsigned_abs() <= MAX_SAFE_INTEGER {
            return Ok(Number::Int(if negative { -value } else { value }));
        }
        while let Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') = self.text.get(self.at) {
            self.at += 1;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).map_err(|_| Malformed)?;
        text.parse().map(Number::Double).map_err(|_| Malformed)
    }

    /// The key of the next member, after `{` (`first`) or another member; `None` at `}`.
    #[inline]
    pub(super) fn member(&mut self, first: &mut bool) -> Result<Option<Raw<'a>>, Malformed> {
        if !self.more(first, b'}')? {
            return Ok(None);
        }
        if self.byte()? != b'"' {
            return Err(Malformed);
        }
        let key = self.string()?;
        if self.byte()? == b':' { Ok(Some(key)) } else { Err(Malformed) }
    }

    /// Whether another element follows, after `[` (`first`) or another element.
    #[inline]
    pub(super) fn element(&mut self, first: &mut bool) -> Result<bool, Malformed> {
        self.more(first, b']')
    }

    #[inline]
    fn more(&mut self, first: &mut bool, end: u8) -> Result<bool, Malformed> {
        let is_first = std::mem::replace(first, false);
        match *self.text.get(self.at).ok_or(Malformed)? {
            byte if byte == end => {
                self.at += 1;
                Ok(false)
            }
            b',' if !is_first => {
                self.at += 1;
                Ok(true)
            }
            _ if is_first => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// What has not been read yet.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Passes over `len` bytes of it that are known.
    pub(super) fn pass(&mut self, len: usize) {
        self.at = (self.at + len).min(self.text.len());
    }

    /// Skips a value and gives its text.
    pub(super) fn skip(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.byte()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1).ok_or(Malformed)?,
                b',' | b':' => {}
                // A number or a literal: up to what can end it.
                _ => {
                    while let Some(byte) = self.text.get(self.at)
                        && !matches!(byte, b',' | b'}' | b']')
                    {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                return Ok(&self.text[start..self.at]);
            }
        }
    }

    /// The text of an object or array whose opening bracket has just been read, bracket included.
    pub(super) fn skip_opened(&mut self) -> Result<&'a [u8], Malformed> {
        self.at -= 1;
        self.skip()
    }

    /// Whether everything has been read.
    pub(super) fn ended(&self) -> bool {
        self.at == self.text.len()
    }
}
