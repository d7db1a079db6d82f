//! A JSON tree, members in the order given.

use std::borrow::Cow;

use super::parse::JsonError;
use super::writer::{ObjectWriter, compare_keys, write_string};
use super::{number, write_f64};

/// A JSON value. Integers are kept apart from fractions so that what came in whole goes out whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number with an integral value within ±(2^53−1).
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object; keys are unique.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// The member `key` of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.members().iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The members of an object; of anything else none.
    #[must_use]
    pub fn members(&self) -> &[(String, Value)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// The items of an array; of anything else none.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    /// The string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(s) => Some(s),
            _ => None,
        }
    }

    /// The integer; a float with an integral value counts.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(i) => Some(*i),
            _ => None,
        }
    }

    /// The boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The kind of value, as an error message names it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Appends the RFC 8785 form.
    ///
    /// # Errors
    /// A number that has none.
    pub fn write_canonical(&self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
            Self::Int(i) => number::write_i64(out, *i),
            Self::Float(f) => write_f64(out, *f)?,
            Self::String(s) => write_string(out, s),
            Self::Array(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.write_canonical(out)?;
                }
                out.push(b']');
            }
            Self::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by(|a, b| compare_keys(&a.0, &b.0));
                out.push(b'{');
                for (i, (key, value)) in sorted.into_iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_string(out, key);
                    out.push(b':');
                    value.write_canonical(out)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }

    /// The RFC 8785 form.
    ///
    /// # Errors
    /// A number that has none.
    pub fn to_canonical(&self) -> Result<Vec<u8>, JsonError> {
        let mut out = Vec::new();
        self.write_canonical(&mut out)?;
        Ok(out)
    }

    /// The value as compact JSON text, members in the order they have.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = Vec::new();
        self.write_json(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Array(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.write_json(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_string(out, key);
                    out.push(b':');
                    value.write_json(out);
                }
                out.push(b'}');
            }
            // A number that JSON cannot say is null, as ECMAScript has it.
            scalar => {
                if scalar.write_canonical(out).is_err() {
                    out.extend_from_slice(b"null");
                }
            }
        }
    }

    /// Writes this value as a member of the object that is open in a writer; where it is a list or an object, `null` in its place.
    ///
    /// # Errors
    /// As [`write_into`](Self::write_into); or the key is there already.
    pub(crate) fn write_member(&self, key: &str, w: &mut ObjectWriter) -> Result<(), JsonError> {
        match self {
            Self::String(s) => w.member(key, |out| {
                let start = out.len();
                write_string(out, s);
                Ok(out.len() - start != s.len() + 2)
            }),
            Self::Int(i) => w.member(key, |out| {
                number::write_i64(out, number::safe(i128::from(*i))?);
                Ok(false)
            }),
            Self::Float(f) => w.member(key, |out| number::write_safe_f64(out, *f).map(|()| false)),
            _ => {
                let text: &[u8] = match self {
                    Self::Bool(true) => b"true",
                    Self::Bool(false) => b"false",
                    _ => b"null",
                };
                w.member(key, |out| {
                    out.extend_from_slice(text);
                    Ok(false)
                })
            }
        }
    }

    /// Walks this value into a writer, as a member's value or an array's item.
    ///
    /// # Errors
    /// What the writer refuses, with its path.
    pub fn write_into(&self, w: &mut ObjectWriter) -> Result<(), JsonError> {
        match self {
            Self::Null => w.null(),
            Self::Bool(b) => w.bool(*b),
            Self::Int(i) => w.int(i128::from(*i)),
            Self::Float(f) => w.float(*f),
            Self::String(s) => w.string(s),
            Self::Array(items) => {
                w.begin_array()?;
                for item in items {
                    item.write_into(w)?;
                }
                w.end_array()
            }
            Self::Object(members) => {
                w.begin_object()?;
                for (key, value) in members {
                    w.key(key)?;
                    value.write_into(w)?;
                }
                w.end_object()
            }
        }
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Self::String(s.to_owned())
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Self::String(s)
    }
}

impl From<&String> for Value {
    fn from(s: &String) -> Self {
        Self::String(s.clone())
    }
}

impl From<Cow<'_, str>> for Value {
    fn from(s: Cow<'_, str>) -> Self {
        Self::String(s.into_owned())
    }
}

impl From<char> for Value {
    fn from(c: char) -> Self {
        Self::String(c.into())
    }
}

macro_rules! small {
    ($($type:ty),*) => {
        $(impl From<$type> for Value {
            fn from(i: $type) -> Self {
                Self::Int(i.into())
            }
        })*
    };
}

small!(i8, i16, i32, i64, u8, u16, u32);

/// What is beyond an `i64` is the double nearest to it, which is refused when written into an event, as every integer outside
/// ±(2^53−1) is.
macro_rules! large {
    ($($type:ty),*) => {
        $(impl From<$type> for Value {
            #[allow(clippy::cast_precision_loss, reason = "such a number is the double that it stands for")]
            fn from(i: $type) -> Self {
                i64::try_from(i).map_or(Self::Float(i as f64), Self::Int)
            }
        })*
    };
}

large!(isize, usize, u64, i128, u128);

/// A number with an integral value is written like an integer; NaN and infinities are refused when written.
impl From<f64> for Value {
    fn from(f: f64) -> Self {
        Self::Float(f)
    }
}

/// The number that its shortest digits stand for: 0.1, not 0.10000000149011612.
impl From<f32> for Value {
    fn from(f: f32) -> Self {
        Self::Float(number::meant(f))
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

/// Nothing is `null`.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(items: [T; N]) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

/// An object: `Value::from_iter([("receipt", "p-17")])`.
impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Self {
        Self::Object(members.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl<T: Clone + Into<Value>> From<&[T]> for Value {
    fn from(items: &[T]) -> Self {
        Self::Array(items.iter().cloned().map(Into::into).collect())
    }
}
