//! JSON values as OTLP `AnyValue`s and `KeyValue`s, written while the text is scanned.
//!
//! Guarantees: every JSON value has an `AnyValue`; integral numbers are `int_value`, others `double_value`;
//! what nests deeper than [`DEEPEST`] becomes its JSON text, because receivers bound the nesting of messages
//! (a level of JSON is up to three messages, and a limit of 100 is common).

use super::scan::{Malformed, Number, Scanner, Token};
use super::wire::{
    close, field_len, fixed64_tag, len_tag, open, put_head, put_varint, varint_len, varint_tag,
};

/// Levels of JSON that are written as values of their own.
pub(super) const DEEPEST: usize = 16;

const KEY: u8 = len_tag(1);
const VALUE: u8 = len_tag(2);
const STRING: u8 = len_tag(1);
const BOOL: u8 = varint_tag(2);
const INT: u8 = varint_tag(3);
const DOUBLE: u8 = fixed64_tag(4);
const ARRAY: u8 = len_tag(5);
const MAP: u8 = len_tag(6);
/// `ArrayValue.values` and `KeyValueList.values`.
const VALUES: u8 = len_tag(1);

/// A value that needs no look-ahead.
#[derive(Clone, Copy)]
pub(super) enum Scalar<'a> {
    /// `string_value`
    String(&'a [u8]),
    /// `bool_value`
    Bool(bool),
    /// `int_value`
    Int(i64),
    /// `double_value`
    Double(f64),
    /// None of them: JSON's null.
    Null,
}

impl Scalar<'_> {
    fn len(self) -> usize {
        match self {
            Self::String(s) => field_len(s.len()),
            Self::Bool(_) => 2,
            // Negative numbers are 64 bits of two's complement.
            Self::Int(i) if i < 0 => 11,
            Self::Int(i) => 1 + varint_len(usize::try_from(i).unwrap_or(usize::MAX)),
            Self::Double(_) => 9,
            Self::Null => 0,
        }
    }

    fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::String(s) => {
                put_head(out, STRING, s.len());
                out.extend_from_slice(s);
            }
            Self::Bool(b) => out.extend_from_slice(&[BOOL, u8::from(b)]),
            Self::Int(i) => {
                out.push(INT);
                put_varint(out, i.cast_unsigned());
            }
            Self::Double(d) => {
                out.push(DOUBLE);
                out.extend_from_slice(&d.to_le_bytes());
            }
            Self::Null => {}
        }
    }
}

impl From<Number> for Scalar<'_> {
    fn from(number: Number) -> Self {
        match number {
            Number::Int(i) => Self::Int(i),
            Number::Double(d) => Self::Double(d),
        }
    }
}

/// Appends field `tag` of type `KeyValue`.
pub(super) fn put_pair(out: &mut Vec<u8>, tag: u8, key: &[u8], value: Scalar<'_>) {
    let value_len = value.len();
    let pair_len = field_len(key.len()) + field_len(value_len);
    out.reserve(field_len(pair_len));
    // Of most pairs each length fits into one byte.
    if pair_len < 0x80 {
        out.extend_from_slice(&[tag, pair_len as u8, KEY, key.len() as u8]);
        out.extend_from_slice(key);
        if let Scalar::String(s) = value {
            out.extend_from_slice(&[VALUE, value_len as u8, STRING, s.len() as u8]);
            out.extend_from_slice(s);
            return;
        }
        out.extend_from_slice(&[VALUE, value_len as u8]);
    } else {
        put_head(out, tag, pair_len);
        put_head(out, KEY, key.len());
        out.extend_from_slice(key);
        put_head(out, VALUE, value_len);
    }
    value.put(out);
}

/// What a field of type `KeyValue` holds before its value's length.
pub(super) fn head_of(key: &[u8]) -> Box<[u8]> {
    let mut head = Vec::with_capacity(field_len(key.len()) + 1);
    put_head(&mut head, KEY, key.len());
    head.extend_from_slice(key);
    head.push(VALUE);
    head.into_boxed_slice()
}

/// What a field `tag` of type `KeyValue` holds before the text of its value, if that is a string of `len` bytes; `head` is
/// [`head_of`] its key.
pub(super) fn lead_of(tag: u8, head: &[u8], len: usize) -> Vec<u8> {
    let mut lead = Vec::with_capacity(head.len() + 16);
    put_head(&mut lead, tag, head.len() + field_len(field_len(len)) - 1);
    lead.extend_from_slice(head);
    put_varint(&mut lead, field_len(len) as u64);
    put_head(&mut lead, STRING, len);
    lead
}

/// As [`put_pair`], with what [`head_of`] made of its key; nothing for null, as an attribute without a value is no
/// attribute.
#[inline]
pub(super) fn put_pair_after(out: &mut Vec<u8>, tag: u8, head: &[u8], value: Scalar<'_>) {
    if matches!(value, Scalar::Null) {
        return;
    }
    let value_len = value.len();
    let pair_len = head.len() + varint_len(value_len) + value_len;
    out.reserve(field_len(pair_len));
    put_head(out, tag, pair_len);
    out.extend_from_slice(head);
    put_varint(out, value_len as u64);
    value.put(out);
}

/// Appends field `tag` of type `AnyValue` that holds a string.
pub(super) fn put_string(out: &mut Vec<u8>, tag: u8, s: &[u8]) {
    put_head(out, tag, field_len(s.len()));
    Scalar::String(s).put(out);
}

/// Appends field `tag` of type `KeyValue` whose value is the array or object that the scanner has just
/// entered.
pub(super) fn put_pair_nested<'a>(
    out: &mut Vec<u8>,
    tag: u8,
    key: &[u8],
    scanner: &mut Scanner<'a>,
    token: &Token<'a>,
    scratch: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let pair = open(out, tag, 2);
    put_head(out, KEY, key.len());
    out.extend_from_slice(key);
    put_value(out, VALUE, scanner, token, 0, scratch)?;
    close(out, pair);
    Ok(())
}

/// Appends field `tag` of type `AnyValue`: the value that `token` begins.
pub(super) fn put_value<'a>(
    out: &mut Vec<u8>,
    tag: u8,
    scanner: &mut Scanner<'a>,
    token: &Token<'a>,
    depth: usize,
    scratch: &mut Vec<u8>,
) -> Result<(), Malformed> {
    match *token {
        Token::Array | Token::Object if depth >= DEEPEST => put_string(out, tag, scanner.skip_opened()?),
        Token::Array => {
            let value = open(out, tag, 1);
            let list = open(out, ARRAY, 1);
            let mut first = true;
            while scanner.element(&mut first)? {
                let token = scanner.token()?;
                put_value(out, VALUES, scanner, &token, depth + 1, scratch)?;
            }
            close(out, list);
            close(out, value);
        }
        Token::Object => {
            let value = open(out, tag, 1);
            let map = open(out, MAP, 1);
            let mut first = true;
            while let Some(key) = scanner.member(&mut first)? {
                let pair = open(out, VALUES, 1);
                let key = key.text(scratch)?;
                put_head(out, KEY, key.len());
                out.extend_from_slice(key);
                let token = scanner.token()?;
                put_value(out, VALUE, scanner, &token, depth + 1, scratch)?;
                close(out, pair);
            }
            close(out, map);
            close(out, value);
        }
        ref token => {
            let scalar = scalar(token, scratch)?;
            put_head(out, tag, scalar.len());
            scalar.put(out);
        }
    }
    Ok(())
}

/// The scalar that a token is; arrays and objects are none.
pub(super) fn scalar<'b, 'a: 'b>(
    token: &Token<'a>,
    scratch: &'b mut Vec<u8>,
) -> Result<Scalar<'b>, Malformed> {
    Ok(match token {
        Token::String(raw) => Scalar::String(raw.text(scratch)?),
        Token::Number(number) => (*number).into(),
        Token::Bool(b) => Scalar::Bool(*b),
        Token::Null => Scalar::Null,
        Token::Object | Token::Array => return Err(Malformed),
    })
}
