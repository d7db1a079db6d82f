//! A strict JSON reader (RFC 8259 with the limits of RFC 7493).
//!
//! Guarantees: never panics, whatever the bytes; nesting is bounded; duplicate keys, lone surrogates,
//! invalid UTF-8, control characters in strings and trailing bytes are refused, with offset and path.

use std::borrow::Cow;
use std::fmt;

use super::number::{NOT_FINITE, is_unsafe_integer};
use super::value::Value;
use super::writer::ObjectWriter;
use super::{MAX_DEPTH, MAX_SAFE_INTEGER};

/// Why a text or a value is not JSON that can be sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    message: String,
    path: Option<String>,
    offset: Option<usize>,
}

impl JsonError {
    /// An error whose place is not yet known.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), path: None, offset: None }
    }

    pub(super) fn unsafe_integer() -> Self {
        Self::new(
            "a whole number outside ±(2^53−1), one like 1e21 too, is not the same number to every reader; send it as a string",
        )
    }

    /// The same error, naming the path of the value (the first one named stays).
    #[must_use]
    pub fn in_path(mut self, path: String) -> Self {
        self.path.get_or_insert(path);
        self
    }

    /// Whether its path is known; that of the whole object is empty.
    #[cfg(feature = "serde")]
    pub(super) fn has_path(&self) -> bool {
        self.path.is_some()
    }

    fn at(mut self, offset: usize) -> Self {
        self.offset.get_or_insert(offset);
        self
    }

    /// What is wrong and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The path of the value, as `a.b[3]`.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref().filter(|path| !path.is_empty())
    }

    /// The byte offset in the text that was read.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        self.offset
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(offset) = self.offset {
            write!(f, " (at byte {offset})")?;
        }
        Ok(())
    }
}

impl std::error::Error for JsonError {}

/// What the reader feeds: a canonical writer, or a tree.
pub(crate) trait Builder {
    /// The byte offset of the key or value that comes next.
    fn mark(&mut self, _offset: usize) {}
    fn begin_object(&mut self) -> Result<(), JsonError>;
    fn end_object(&mut self) -> Result<(), JsonError>;
    fn begin_array(&mut self) -> Result<(), JsonError>;
    fn end_array(&mut self) -> Result<(), JsonError>;
    fn key(&mut self, key: &str) -> Result<(), JsonError>;
    fn string(&mut self, s: &str) -> Result<(), JsonError>;
    fn int(&mut self, value: i64) -> Result<(), JsonError>;
    fn float(&mut self, value: f64) -> Result<(), JsonError>;
    fn bool(&mut self, value: bool) -> Result<(), JsonError>;
    fn null(&mut self) -> Result<(), JsonError>;
    /// Refuses the value that would come now: errors from here on name its path.
    fn refused(&mut self) {}
    /// Takes a number, as the text has it, on which JSON readers would not agree, or NaN or an infinity. If it answers
    /// `false`, the number is handled like any other.
    fn verbatim(&mut self, _text: &str) -> bool {
        false
    }
    /// What replaces half of a surrogate pair; `None`: it is an error.
    fn lone_surrogate(&mut self) -> Option<char> {
        None
    }
    fn path(&self) -> String;
}

/// Reads a JSON text into a tree. Any finite number is accepted, as the double it stands for.
///
/// # Errors
/// The text is not JSON, or nests deeper than [`MAX_DEPTH`].
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    parse_limited(text, MAX_DEPTH)
}

/// Reads a JSON text that may nest `depth` deep into a tree.
///
/// # Errors
/// As [`parse`].
pub fn parse_limited(text: &[u8], depth: usize) -> Result<Value, JsonError> {
    let mut tree = Tree::default();
    drive(text, &mut tree, depth)?;
    tree.root.ok_or_else(|| JsonError::new("nothing there"))
}

/// Reads a JSON object straight into a canonical writer, which holds it to the rules for `data`.
///
/// # Errors
/// The text is not a JSON object, or holds what cannot be sealed.
pub fn parse_into(text: &[u8], writer: &mut ObjectWriter) -> Result<(), JsonError> {
    drive(text, writer, MAX_DEPTH)
}

/// Reads a JSON text into any builder.
pub(crate) fn drive<B: Builder>(text: &[u8], builder: &mut B, depth: usize) -> Result<(), JsonError> {
    let text = std::str::from_utf8(text).map_err(|e| JsonError::new("not UTF-8").at(e.valid_up_to()))?;
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, builder, depth };
    reader.space();
    let result = reader.value(0).and_then(|()| {
        reader.space();
        if reader.at == reader.bytes.len() { Ok(()) } else { Err(JsonError::new("text after the value")) }
    });
    let at = reader.at;
    result.map_err(|e| {
        let path = builder.path();
        e.in_path(path).at(at)
    })
}

struct Reader<'a, B> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    builder: &'a mut B,
    depth: usize,
}

impl<'a, B: Builder> Reader<'a, B> {
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(JsonError::new(format!("expected {:?}", char::from(byte))))
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), JsonError> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(JsonError::new("expected a JSON value"))
        }
    }

    /// NaN or an infinity, as JavaScript spells them.
    fn non_finite(&self) -> Option<&'static str> {
        ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| self.text[self.at..].starts_with(word))
    }

    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        self.builder.mark(self.at);
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => match self.string() {
                Ok(s) => self.builder.string(&s),
                Err(e) => self.refuse(e),
            },
            Some(b't') => self.literal("true").and_then(|()| self.builder.bool(true)),
            Some(b'f') => self.literal("false").and_then(|()| self.builder.bool(false)),
            Some(b'n') => self.literal("null").and_then(|()| self.builder.null()),
            // As JavaScript spells them, and as many writers put them: refused with the writer's message.
            Some(b'N' | b'I' | b'-') if self.non_finite().is_some() => {
                let word = self.non_finite().unwrap_or_default();
                if self.builder.verbatim(word) {
                    self.at += word.len();
                    return Ok(());
                }
                self.refuse(JsonError::new(NOT_FINITE))
            }
            Some(b'-' | b'0'..=b'9') => match self.number() {
                Ok(Number::Int(value)) => self.builder.int(value),
                Ok(Number::Double(value)) => self.builder.float(value),
                Ok(Number::Wide(text, value)) => {
                    if self.builder.verbatim(text) {
                        return Ok(());
                    }
                    if value.is_finite() {
                        return self.builder.float(value);
                    }
                    self.refuse(JsonError::new("a number too large for a double; send it as a string"))
                }
                Err(e) => self.refuse(e),
            },
            Some(_) => self.refuse(JsonError::new("expected a JSON value")),
            None => self.refuse(JsonError::new("the text ends where a value should be")),
        }
    }

    /// Refuses a value that the builder has not seen.
    fn refuse(&mut self, error: JsonError) -> Result<(), JsonError> {
        self.builder.refused();
        Err(error)
    }

    fn check_depth(&self, depth: usize) -> Result<(), JsonError> {
        if depth > self.depth {
            return Err(JsonError::new(format!("nested deeper than {}", self.depth)));
        }
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        self.check_depth(depth)?;
        self.builder.begin_object()?;
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return self.builder.end_object();
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(JsonError::new("expected a key in double quotes"));
            }
            self.builder.mark(self.at);
            let key = self.string()?;
            self.builder.key(&key)?;
            self.space();
            self.expect(b':')?;
            self.space();
            self.value(depth)?;
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b'}') => {
                    self.at += 1;
                    return self.builder.end_object();
                }
                _ => return Err(JsonError::new("expected ',' or '}'")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        self.check_depth(depth)?;
        self.builder.begin_array()?;
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return self.builder.end_array();
        }
        loop {
            self.value(depth)?;
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b']') => {
                    self.at += 1;
                    return self.builder.end_array();
                }
                _ => return Err(JsonError::new("expected ',' or ']'")),
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    let s = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Cow::Borrowed(s));
                }
                b'\\' => return self.escaped(start).map(Cow::Owned),
                0..=0x1F => return Err(JsonError::new("a control character in a string must be escaped")),
                _ => self.at += 1,
            }
        }
        Err(JsonError::new("the text ends inside a string"))
    }

    /// The rest of a string from its first escape on; `start` is where the string began.
    fn escaped(&mut self, start: usize) -> Result<String, JsonError> {
        let mut out = self.text[start..self.at].to_owned();
        let mut from = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    out.push_str(&self.text[from..self.at]);
                    self.at += 1;
                    return Ok(out);
                }
                b'\\' => {
                    out.push_str(&self.text[from..self.at]);
                    self.at += 1;
                    let c = self.escape()?;
                    out.push(c);
                    from = self.at;
                }
                0..=0x1F => return Err(JsonError::new("a control character in a string must be escaped")),
                _ => self.at += 1,
            }
        }
        Err(JsonError::new("the text ends inside a string"))
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let byte = self.peek().ok_or_else(|| JsonError::new("the text ends inside a string"))?;
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let lone = || {
                    JsonError::new(
                        "a lone surrogate is not a character; send the text as well-formed Unicode",
                    )
                };
                let high = self.hex4()?;
                match high {
                    0xD800..=0xDBFF => {
                        if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                            return self.builder.lone_surrogate().ok_or_else(lone);
                        }
                        let before = self.at;
                        self.at += 2;
                        let low = self.hex4()?;
                        if !(0xDC00..=0xDFFF).contains(&low) {
                            let instead = self.builder.lone_surrogate().ok_or_else(lone)?;
                            // The second half is read again, as a character of its own.
                            self.at = before;
                            return Ok(instead);
                        }
                        let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                        char::from_u32(code).ok_or_else(lone)?
                    }
                    _ => match char::from_u32(high) {
                        Some(c) => c,
                        None => self.builder.lone_surrogate().ok_or_else(lone)?,
                    },
                }
            }
            _ => return Err(JsonError::new("an unknown escape in a string")),
        })
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let bad = || JsonError::new("expected four hex digits after \\u");
        let digits = self.bytes.get(self.at..self.at + 4).ok_or_else(bad)?;
        let mut code = 0;
        for &digit in digits {
            code = code * 16 + char::from(digit).to_digit(16).ok_or_else(bad)?;
        }
        self.at += 4;
        Ok(code)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Number<'a>, JsonError> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let first = self.peek();
        let digits = self.digits();
        if digits == 0 || (first == Some(b'0') && digits > 1) {
            return Err(JsonError::new("not a JSON number"));
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            if self.digits() == 0 {
                return Err(JsonError::new("not a JSON number"));
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            integer = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(JsonError::new("not a JSON number"));
            }
        }
        let text = &self.text[start..self.at];
        if integer
            && digits <= 16
            && let Ok(value) = text.parse::<i64>()
            && value.unsigned_abs() <= MAX_SAFE_INTEGER
        {
            return Ok(Number::Int(value));
        }
        let value: f64 = text.parse().map_err(|_| JsonError::new("not a JSON number"))?;
        let exact = value.is_finite() && (!integer || !is_unsafe_integer(value));
        Ok(if exact { Number::Double(value) } else { Number::Wide(text, value) })
    }
}

enum Number<'a> {
    Int(i64),
    Double(f64),
    /// One that not every reader holds exactly, or none does.
    Wide(&'a str, f64),
}

/// Builds a [`Value`].
#[derive(Default)]
struct Tree {
    root: Option<Value>,
    open: Vec<(Value, Option<String>)>,
}

impl Tree {
    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some((Value::Object(members), key)) => members.push((key.take().unwrap_or_default(), value)),
            Some((Value::Array(items), _)) => items.push(value),
            Some(_) => {}
        }
    }
}

impl Builder for Tree {
    fn begin_object(&mut self) -> Result<(), JsonError> {
        self.open.push((Value::Object(Vec::new()), None));
        Ok(())
    }
    fn end_object(&mut self) -> Result<(), JsonError> {
        if let Some((object, _)) = self.open.pop() {
            let mut keys: Vec<_> = object.members().iter().map(|(k, _)| k.as_str()).collect();
            keys.sort_unstable();
            if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(JsonError::new(format!("the key {:?} is there twice", pair[0])));
            }
            self.put(object);
        }
        Ok(())
    }
    fn begin_array(&mut self) -> Result<(), JsonError> {
        self.open.push((Value::Array(Vec::new()), None));
        Ok(())
    }
    fn end_array(&mut self) -> Result<(), JsonError> {
        if let Some((array, _)) = self.open.pop() {
            self.put(array);
        }
        Ok(())
    }
    fn key(&mut self, key: &str) -> Result<(), JsonError> {
        if let Some((_, slot)) = self.open.last_mut() {
            *slot = Some(key.to_owned());
        }
        Ok(())
    }
    fn string(&mut self, s: &str) -> Result<(), JsonError> {
        self.put(Value::String(s.to_owned()));
        Ok(())
    }
    fn int(&mut self, value: i64) -> Result<(), JsonError> {
        self.put(Value::Int(value));
        Ok(())
    }
    fn float(&mut self, value: f64) -> Result<(), JsonError> {
        #[allow(clippy::cast_possible_truncation, reason = "integral and within 2^53")]
        if value.fract() == 0.0 && !is_unsafe_integer(value) {
            self.put(Value::Int(value as i64));
        } else {
            self.put(Value::Float(value));
        }
        Ok(())
    }
    fn bool(&mut self, value: bool) -> Result<(), JsonError> {
        self.put(Value::Bool(value));
        Ok(())
    }
    fn null(&mut self) -> Result<(), JsonError> {
        self.put(Value::Null);
        Ok(())
    }
    fn path(&self) -> String {
        let mut path = String::new();
        for (value, key) in &self.open {
            match (value, key) {
                (Value::Array(items), _) => path.push_str(&format!("[{}]", items.len())),
                (_, Some(key)) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
                _ => {}
            }
        }
        path
    }
}
