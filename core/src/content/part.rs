//! One content part, as host code gives it.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};
use crate::json::{MAX_SAFE_INTEGER, Value};
use crate::settings::ContentMode;

/// What a part holds. Shared, never copied on its way through the lanes.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Text.
    Text(Arc<str>),
    /// Anything else.
    Bytes(Arc<[u8]>),
}

impl Body {
    /// The bytes, UTF-8 for text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self, Self::Text(_)) { "text" } else { "bytes" };
        write!(f, "{kind}({} bytes)", self.as_bytes().len())
    }
}

/// A content part (docs/CONTENT.md). Its text, summary and reference are absent from its debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// `prompt`, `system`, `completion`, `tool_arguments`, `tool_result`, `memory`, `file`, `message`, or the
    /// host's own: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub class: String,
    /// Media type; default `text/plain` for text, `application/octet-stream` for bytes.
    pub mediatype: String,
    /// The content.
    pub body: Body,
    /// `user`, `assistant`, …: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub role: Option<String>,
    /// A reference into the host's own content store.
    pub reference: Option<String>,
    /// A summary that may be written in place of the content.
    pub summary: Option<String>,
    /// Its tokens, as the model counted them.
    pub tokens: Option<u64>,
    /// The most its source permits. Default `off`.
    pub permit: ContentMode,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("class", &self.class)
            .field("mediatype", &self.mediatype)
            .field("body", &self.body)
            .field("role", &self.role)
            .field("ref", &self.reference.as_ref().map(|_| "…"))
            .field("summary", &self.summary.as_ref().map(|_| "…"))
            .field("tokens", &self.tokens)
            .field("permit", &self.permit.name())
            .finish()
    }
}

/// Members of a part as a mapping.
const MEMBERS: [&str; 9] =
    ["class", "mediatype", "text", "bytes", "role", "ref", "summary", "tokens", "permit"];

impl Part {
    /// A text part that permits nothing yet.
    #[must_use]
    pub fn text(class: &str, text: impl Into<Arc<str>>) -> Self {
        Self::new(class, "text/plain", Body::Text(text.into()))
    }

    /// A part of bytes that permits nothing yet.
    #[must_use]
    pub fn bytes(class: &str, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::new(class, "application/octet-stream", Body::Bytes(bytes.into()))
    }

    fn new(class: &str, mediatype: &str, body: Body) -> Self {
        Self {
            class: class.to_owned(),
            mediatype: mediatype.to_owned(),
            body,
            role: None,
            reference: None,
            summary: None,
            tokens: None,
            permit: ContentMode::Off,
        }
    }

    /// The same part, permitting up to `mode`.
    #[must_use]
    pub fn permit(mut self, mode: ContentMode) -> Self {
        self.permit = mode;
        self
    }

    /// Checks the part against the rules; `at` is its place in the event, as `content[2]`.
    ///
    /// # Errors
    /// `invalid_event` at the member, as `content[2].class`.
    pub fn check(&self, at: &str) -> Result<()> {
        self.check_at(&|| at.to_owned())
    }

    /// As [`check`](Self::check), of the part with this index of an event.
    pub(crate) fn check_nth(&self, index: usize) -> Result<()> {
        self.check_at(&|| format!("content[{index}]"))
    }

    fn check_at(&self, at: &dyn Fn() -> String) -> Result<()> {
        let place = |member: &str| format!("{}.{member}", at());
        validate_class(&self.class).map_err(|e| e.at(place("class")))?;
        if !is_mediatype(&self.mediatype) {
            return Err(Error::invalid_event("not a media type; write it as text/plain or image/png")
                .at(place("mediatype")));
        }
        if self.role.as_deref().is_some_and(|role| !is_name(role)) {
            return Err(Error::invalid_event("a role is 1 to 64 of A-Z a-z 0-9 . _ -").at(place("role")));
        }
        if self.tokens.is_some_and(|tokens| tokens > MAX_SAFE_INTEGER) {
            return Err(Error::invalid_event("more tokens than a JSON number can count").at(place("tokens")));
        }
        Ok(())
    }

    /// The bytes that the part needs on the wire and in a queue, for its disclosure and its commitment.
    #[must_use]
    pub fn cost(&self) -> usize {
        let body = match &self.body {
            Body::Text(text) => text.len(),
            Body::Bytes(bytes) => bytes.len().div_ceil(3) * 4,
        };
        let texts = [&self.role, &self.reference, &self.summary];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        Self::FIXED_COST + body + self.class.len() + self.mediatype.len() + texts
    }

    /// Of [`cost`](Self::cost), names, digest, salt and decision of a part.
    pub(crate) const FIXED_COST: usize = 512;

    /// Reads a part from its mapping form: the members named in docs/CONTENT.md, `bytes` in base64; `at` is its
    /// place in the event, as `content[2]`.
    ///
    /// # Errors
    /// `invalid_event` at the member.
    pub fn from_value(value: &Value, at: &str) -> Result<Self> {
        let place = |member: &str| format!("{at}.{member}");
        let Value::Object(members) = value else {
            return Err(Error::invalid_event(format!(
                "a content part is an object, not {}",
                value.type_name()
            ))
            .at(at));
        };
        // An unknown key may be content in the wrong place: the error does not quote it.
        if members.iter().any(|(key, _)| !MEMBERS.contains(&key.as_str())) {
            return Err(Error::invalid_event(format!(
                "an unknown member; a part has {}",
                MEMBERS.join(", ")
            ))
            .at(at));
        }
        let string = |member: &str| match value.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(s)) => Ok(Some(s.clone())),
            Some(other) => Err(Error::invalid_event(format!("must be a string, not {}", other.type_name()))
                .at(place(member))),
        };
        let class = string("class")?
            .ok_or_else(|| Error::invalid_event("a part needs a class").at(place("class")))?;
        let mut part = match (string("text")?, string("bytes")?) {
            (Some(text), None) => Self::text(&class, text),
            (None, Some(bytes)) => Self::bytes(
                &class,
                STANDARD
                    .decode(bytes)
                    .map_err(|_| Error::invalid_event("not standard base64").at(place("bytes")))?,
            ),
            _ => {
                return Err(Error::invalid_event("a part holds exactly one of text and bytes").at(at));
            }
        };
        if let Some(mediatype) = string("mediatype")? {
            part.mediatype = mediatype;
        }
        part.role = string("role")?;
        part.reference = string("ref")?;
        part.summary = string("summary")?;
        part.tokens = match value.get("tokens") {
            None | Some(Value::Null) => None,
            Some(tokens) => Some(tokens.as_i64().and_then(|n| u64::try_from(n).ok()).ok_or_else(|| {
                Error::invalid_event("must be an integer of at least 0").at(place("tokens"))
            })?),
        };
        if let Some(permit) = string("permit")? {
            part.permit = mode_from_name(&permit).ok_or_else(|| {
                Error::invalid_event("must be off, redacted_summary, content_ref or raw").at(place("permit"))
            })?;
        }
        part.check(at)?;
        Ok(part)
    }
}

/// The mode of that name, with the alternative spellings of docs/CONFIG.md.
pub(crate) fn mode_from_name(name: &str) -> Option<ContentMode> {
    match name {
        "metadata_only" => Some(ContentMode::Off),
        "payload_refs" => Some(ContentMode::ContentRef),
        "raw_content" => Some(ContentMode::Raw),
        _ => ContentMode::ALL.into_iter().find(|mode| mode.name() == name),
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// RFC 6838 names, with parameters of printable ASCII.
fn is_mediatype(text: &str) -> bool {
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let restricted = |s: &str| {
        (1..=127).contains(&s.len())
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    text.len() <= 255
        && essence.trim_end().split_once('/').is_some_and(|(kind, sub)| restricted(kind) && restricted(sub))
        && parameters.bytes().all(|b| (b' '..0x7F).contains(&b))
}

/// Checks the name of a class: its characters, and that it is no spelling of hidden reasoning, which is never content.
///
/// # Errors
/// `invalid_event`, without a place.
pub fn validate_class(class: &str) -> Result<()> {
    if !is_name(class) {
        return Err(Error::invalid_event("a class is 1 to 64 of A-Z a-z 0-9 . _ -"));
    }
    let is = |hidden: &str| {
        let bare = class.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
        bare.eq(hidden.bytes())
    };
    if ["reasoning", "thinking", "chainofthought"].into_iter().any(is) {
        return Err(Error::invalid_event(
            "hidden reasoning is not captured, under any policy; leave this part out",
        ));
    }
    Ok(())
}
