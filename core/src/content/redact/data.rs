//! Redaction of `data`: path rules, then every string and every key, then identifiers.
//!
//! Members that refer to ids are redacted by the same rule as the ids, so that the reference still matches.
//!
//! Keys are searched like values, as a mapping by e-mail address would leak through them. Where two keys become the
//! same, the later one is numbered. Integers are searched for card numbers only.

use std::borrow::Cow;
use std::collections::HashMap;

use super::detect::{Kind, digits_is_card, secret_member};
use super::identify::{by_name, by_shape, paths};
use super::{Redactor, keyed};
use crate::error::{Error, Result};
use crate::json::{self, Value};
use crate::seam::Uuid;
use crate::settings::Replacement;

/// Members of `data` that refer to ids: of a run, of events, of what was corrected.
const REFERRING: [&str; 3] = ["authz", "correction_ref", "parent_run"];

/// Aliases given within one event: equal values, equal alias.
#[derive(Default)]
struct Aliases {
    given: HashMap<(&'static str, String), usize>,
    counts: HashMap<&'static str, usize>,
}

impl Redactor {
    /// `data`, an object in canonical form, redacted and in canonical form; borrowed when nothing changes.
    ///
    /// # Errors
    /// The bytes are not a JSON object.
    pub fn redact_data<'d>(&self, data: &'d [u8]) -> Result<Cow<'d, [u8]>> {
        self.redact_event(data, None).map(|(data, _)| data)
    }

    /// As [`redact_data`](Self::redact_data), and also redacts the event's subject, with the same aliases as in the
    /// data.
    ///
    /// # Errors
    /// The bytes are not a JSON object.
    pub(crate) fn redact_event<'d>(
        &self,
        data: &'d [u8],
        subject: Option<&str>,
    ) -> Result<(Cow<'d, [u8]>, Option<String>)> {
        let unreadable = |e: json::JsonError| Error::invalid_event(e.message()).at("data");
        let mut value = json::parse(data).map_err(unreadable)?;
        if !matches!(value, Value::Object(_)) {
            return Err(Error::invalid_event("must be an object").at("data"));
        }
        for path in &self.paths {
            path.apply(&mut value, &mut |found| self.replace_place(found));
        }
        let mut aliases = Aliases::default();
        self.walk(&mut value, None, &mut aliases)?;
        let out = value.to_canonical().map_err(unreadable)?;
        let subject = subject.map(|text| self.string(text, None, &mut aliases)).transpose()?.flatten();
        Ok((if out == data { Cow::Borrowed(data) } else { Cow::Owned(out) }, subject))
    }

    /// An id as it is sealed. If a detector or a pattern finds something in it, its keyed hash takes its place; that is
    /// the same wherever the id stands, so that references to it still match. A UUID of version 7, as sinkwell makes
    /// them, stays.
    ///
    /// # Errors
    /// As [`Redactor::redact_text`].
    pub fn redact_id<'t>(&self, id: &'t str) -> Result<Cow<'t, str>> {
        let ours = || Uuid::parse(id).is_some_and(|id| id.0[6] >> 4 == 7);
        if is_replaced(id) || ours() || matches!(self.redact_text(id)?, Cow::Borrowed(_)) {
            return Ok(Cow::Borrowed(id));
        }
        Ok(Cow::Owned(format!("[id:{}]", keyed(&self.ids, "id", id))))
    }

    /// Redacts all ids in a value that refers to some.
    fn redact_ids(&self, value: &mut Value) -> Result<()> {
        match value {
            Value::String(id) => {
                if let Cow::Owned(hash) = self.redact_id(id)? {
                    *id = hash;
                }
                Ok(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.redact_ids(item)),
            Value::Object(members) => members.iter_mut().try_for_each(|(_, value)| self.redact_ids(value)),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => Ok(()),
        }
    }

    /// The replacement for a value that a path rule names.
    fn replace_place(&self, found: &Value) -> Option<Value> {
        if found.as_str().is_some_and(is_replaced) && self.replace != Replacement::Drop {
            return Some(found.clone());
        }
        match (self.replace, &self.hash) {
            (Replacement::Drop, _) => None,
            (Replacement::Hash, Some(hash)) => {
                // A string is hashed by its text, not its JSON form, so that its hash is the same wherever it stands.
                let text = match found {
                    Value::String(text) => text.clone(),
                    other => String::from_utf8(other.to_canonical().unwrap_or_default()).unwrap_or_default(),
                };
                Some(Value::String(format!("[redacted:{}]", keyed(hash, "redacted", &text))))
            }
            _ => Some(Value::from("[redacted]")),
        }
    }

    fn walk(&self, value: &mut Value, key: Option<&str>, aliases: &mut Aliases) -> Result<()> {
        match value {
            Value::String(text) => {
                if let Some(new) = self.string(text, key, aliases)? {
                    *text = new;
                }
            }
            Value::Int(number) => {
                let text = number.to_string();
                if self.keeps(&text) {
                    return Ok(());
                }
                if self.enabled.has(Kind::Card) && digits_is_card(&text) {
                    let mut out = String::new();
                    self.replacement(&mut out, "card", &text, self.replace);
                    *value = Value::String(out);
                } else if let Some(label) = key.and_then(by_name).filter(|_| !self.keep_identifiers) {
                    *value = Value::String(self.alias(label, &text, aliases));
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.walk(item, key, aliases)?;
                }
            }
            Value::Object(members) => {
                let mut renamed = false;
                for (at, value) in &mut *members {
                    if key.is_none() && REFERRING.contains(&at.as_str()) {
                        self.redact_ids(value)?;
                        continue;
                    }
                    self.walk(value, Some(at), aliases)?;
                    if let Cow::Owned(new) = self.redact_text(at)? {
                        *at = new;
                        renamed = true;
                    }
                }
                if renamed {
                    number_duplicates(members);
                }
            }
            Value::Null | Value::Bool(_) | Value::Float(_) => {}
        }
        Ok(())
    }

    /// The replacement for a string of data; `None` if it stays as it is.
    fn string(&self, text: &str, key: Option<&str>, aliases: &mut Aliases) -> Result<Option<String>> {
        if is_replaced(text) {
            return Ok(None);
        }
        // Of a value that the policy keeps, only what the policy's own patterns match is replaced.
        if self.keeps(text) {
            return Ok(match self.redact_text(text)? {
                Cow::Borrowed(_) => None,
                Cow::Owned(new) => Some(new),
            });
        }
        if self.enabled.has(Kind::Secrets) && key.is_some_and(|key| secret_member(key, text)) {
            let mut out = String::new();
            self.replacement(&mut out, "secrets", text, self.replace);
            return Ok(Some(out));
        }
        if !self.keep_identifiers && !text.is_empty() {
            if let Some(label) = key.and_then(by_name).or_else(|| by_shape(text)) {
                return Ok(Some(self.alias(label, text, aliases)));
            }
            let found = paths(text);
            if !found.is_empty() {
                let mut out = String::with_capacity(text.len());
                let mut done = 0;
                for span in found {
                    out.push_str(&self.redact_text(&text[done..span.start])?);
                    out.push_str(&self.alias("path", &text[span.clone()], aliases));
                    done = span.end;
                }
                out.push_str(&self.redact_text(&text[done..])?);
                return Ok(Some(out));
            }
        }
        Ok(match self.redact_text(text)? {
            Cow::Borrowed(_) => None,
            Cow::Owned(new) => Some(new),
        })
    }

    /// An identifier's hash; without a key, its alias, which is the same for equal values within one event.
    fn alias(&self, label: &'static str, value: &str, aliases: &mut Aliases) -> String {
        if let Some(hash) = &self.hash {
            return format!("[{label}:{}]", keyed(hash, label, value));
        }
        let n = *aliases.given.entry((label, value.to_owned())).or_insert_with(|| {
            let count = aliases.counts.entry(label).or_default();
            *count += 1;
            *count
        });
        format!("[{label}#{n}]")
    }
}

/// Whether the whole text is the replacement that a redactor wrote, sinkwell's or a provider's.
fn is_replaced(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|t| t.strip_suffix(']'))
        .or_else(|| text.strip_prefix('<').and_then(|t| t.strip_suffix('>')));
    let masked = |t: &str| !t.is_empty() && t.bytes().all(|b| b == b'*');
    masked(text)
        || inner.is_some_and(|t| {
            masked(t)
                || (t.len() <= 64
                    && t.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
                    && t.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b':' | b'#')))
        })
}

/// Numbers keys that redaction made equal: `[email]`, `[email]#2`.
fn number_duplicates(members: &mut [(String, Value)]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (key, _) in members {
        let n = seen.entry(key.clone()).or_default();
        *n += 1;
        if *n > 1 {
            let mut n = *n;
            let mut numbered = format!("{key}#{n}");
            while seen.contains_key(&numbered) {
                n += 1;
                numbered = format!("{key}#{n}");
            }
            seen.insert(numbered.clone(), 1);
            *key = numbered;
        }
    }
}
