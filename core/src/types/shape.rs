//! What a member's value may be, decided on its canonical bytes.
//!
//! RFC 8785 gives every value one spelling, so the first byte tells the kind of value, an integer is one
//! without `.` and `e`, and a choice is a comparison of bytes. No tree is built and nothing is copied.

/// What the value of a member may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// A string.
    Text,
    /// `true` or `false`.
    Bool,
    /// A number without a fraction.
    Integer,
    /// A number without a fraction, not below zero.
    Count,
    /// A number, not below zero.
    Amount,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A list whose items are all strings.
    Texts,
    /// A list of anything.
    List,
    /// An object with these members, where it has them, and any others.
    Object(&'static [(&'static str, Shape)]),
    /// One of two.
    Either(&'static Shape, &'static Shape),
}

/// Where in a value its shape is wrong, and what should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// Path below the member, as `.policy_refs[3]`; empty for the member itself.
    pub(super) path: String,
    /// What is there, without its text.
    pub(super) found: &'static str,
    /// What may be there.
    pub(super) expected: String,
}

impl Shape {
    /// Checks a value in canonical bytes against this shape.
    pub(super) fn check(&self, value: &[u8]) -> Result<(), Mismatch> {
        match self {
            Self::Texts if value.first() == Some(&b'[') => {
                match items(value).position(|item| item.first() != Some(&b'"')) {
                    None => Ok(()),
                    Some(at) => {
                        Err(self.mismatch(format!("[{at}]"), items(value).nth(at).unwrap_or_default()))
                    }
                }
            }
            Self::Object(known) if value.first() == Some(&b'{') => {
                for (key, inner) in members(value) {
                    if let Some((name, shape)) = known.iter().find(|(name, _)| name.as_bytes() == key) {
                        shape
                            .check(inner)
                            .map_err(|e| Mismatch { path: format!(".{name}{}", e.path), ..e })?;
                    }
                }
                Ok(())
            }
            Self::Either(one, other) => match one.check(value) {
                Ok(()) => Ok(()),
                // A mismatch in a list's items explains more than "neither a string nor a list".
                Err(first) => other.check(value).map_err(|second| {
                    if second.path.is_empty() {
                        Mismatch { expected: format!("{} or {}", first.expected, second.expected), ..first }
                    } else {
                        second
                    }
                }),
            },
            _ if self.fits(value) => Ok(()),
            _ => Err(self.mismatch(String::new(), value)),
        }
    }

    fn fits(&self, value: &[u8]) -> bool {
        let first = value.first().copied().unwrap_or_default();
        match self {
            Self::Text => first == b'"',
            Self::Bool => matches!(first, b't' | b'f'),
            Self::Integer => value.strip_prefix(b"-").unwrap_or(value).iter().all(u8::is_ascii_digit),
            Self::Count => value.iter().all(u8::is_ascii_digit),
            Self::Amount => first.is_ascii_digit(),
            Self::OneOf(names) => names.iter().any(|name| is_string(value, name)),
            Self::List => first == b'[',
            Self::Texts | Self::Object(_) | Self::Either(..) => false,
        }
    }

    fn mismatch(&self, path: String, value: &[u8]) -> Mismatch {
        let expected = if path.is_empty() { self.describe() } else { "a string".to_owned() };
        let found = match (self, kind_of(value)) {
            (Self::OneOf(_), "a string") => "another string",
            (Self::Integer | Self::Count | Self::Amount, "a number") => "another number",
            (_, kind) => kind,
        };
        Mismatch { path, found, expected }
    }

    /// The shape in words, as a remedy names it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Text => "a string".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Integer => "an integer".to_owned(),
            Self::Count => "an integer of at least 0".to_owned(),
            Self::Amount => "a number of at least 0".to_owned(),
            Self::OneOf(names) => format!("one of {}", names.join(", ")),
            Self::Texts => "a list of strings".to_owned(),
            Self::List => "a list".to_owned(),
            Self::Object(_) => "an object".to_owned(),
            Self::Either(one, other) => format!("{} or {}", one.describe(), other.describe()),
        }
    }
}

/// Whether the value is the JSON string `text`, which needs no escapes.
pub(super) fn is_string(value: &[u8], text: &str) -> bool {
    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) == Some(text.as_bytes())
}

/// The value of a member of an object in canonical bytes; of anything else none.
pub(super) fn member<'a>(object: &'a [u8], key: &str) -> Option<&'a [u8]> {
    members(object).find(|(name, _)| *name == key.as_bytes()).map(|(_, value)| value)
}

/// The kind of value, as an error names it. Never the value: it may be a secret.
pub(super) fn kind_of(value: &[u8]) -> &'static str {
    match value.first() {
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        _ => "a number",
    }
}

/// The members of an object: the key between its quotes as it is written, the value's bytes. A key with
/// escapes stays escaped, so it equals no name of a table, which has none.
fn members(object: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = if object.first() == Some(&b'{') { &object[1..] } else { &[][..] };
    std::iter::from_fn(move || {
        if rest.first() != Some(&b'"') {
            return None;
        }
        let key = take_value(&mut rest);
        rest = rest.strip_prefix(b":")?;
        let value = take_value(&mut rest);
        rest = rest.strip_prefix(b",").unwrap_or_default();
        Some((key.get(1..key.len() - 1)?, value))
    })
}

/// The items of an array.
fn items(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = if array.first() == Some(&b'[') { &array[1..] } else { &[][..] };
    std::iter::from_fn(move || {
        if rest.first().is_none_or(|byte| *byte == b']') {
            return None;
        }
        let item = take_value(&mut rest);
        rest = rest.strip_prefix(b",").unwrap_or_default();
        Some(item)
    })
}

/// Splits the value at the front off `rest`: up to the first comma, colon or closing bracket of its own
/// level.
fn take_value<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let bytes = *rest;
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b'}' | b']' => break,
            b',' | b':' if depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    let (value, after) = bytes.split_at(at.min(bytes.len()));
    *rest = after;
    value
}
