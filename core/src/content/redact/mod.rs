//! Redaction: once per event, before sealing, the same in every language.
//!
//! Guarantees: linear time, whatever the text; what a detector sees, it sees through full-width digits,
//! zero-width joiners and look-alike letters; a replacement begins and ends on character boundaries; text that
//! was redacted before, here or by a provider, stays as it is. If something cannot be redacted, that is an error, and
//! the caller must not let it out.
//!
//! How: the [detectors](detect) and the host's patterns look at a [shadow] of the text and name spans;
//! overlapping spans merge; each is replaced by `[label]`, by nothing, or by `[label:hash]`.

mod data;
mod detect;
mod identify;
mod path;
mod shadow;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use hmac::{Hmac, KeyInit, Mac};
use regex::Regex;
use sha2::Sha256;

use self::detect::{Enabled, Find, find_all};
use self::path::Path;
use self::shadow::Shadow;
use crate::content::Body;
use crate::error::{Error, Result};
use crate::seam::{Random as _, SystemRandom};
use crate::secret::Secret;
use crate::settings::{DETECTORS, RedactionConfig, Replacement};

/// The shortest key for keyed hashes, in bytes: they hide short values, which can be tried one by one by anyone who
/// guesses the key.
const MIN_HASH_KEY: usize = 16;

/// The reason given for what a host's pattern finds.
const PATTERN: &str = "a pattern of the policy";

/// A compiled redaction policy.
pub struct Redactor {
    enabled: Enabled,
    patterns: Vec<Regex>,
    keep: Vec<Regex>,
    paths: Vec<Path>,
    /// The labels of the detectors, then those of the patterns.
    labels: Vec<String>,
    replace: Replacement,
    hash: Option<Hmac<Sha256>>,
    /// Hashes ids, which are always hashed: with the policy's key, or one of the process if the policy has none.
    ids: Hmac<Sha256>,
    keep_identifiers: bool,
}

/// One place that a policy replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained<'a> {
    /// Where, in bytes.
    pub span: Range<usize>,
    /// The detector, or the policy's own pattern.
    pub label: &'a str,
    /// What the detector recognized it by.
    pub why: &'static str,
}

/// A span to replace, the value as it was read, its label's index, and why.
type Masking = (Range<usize>, String, usize, &'static str);

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} patterns, {} paths)", self.patterns.len(), self.paths.len())
    }
}

impl Redactor {
    /// Compiles a policy. Without named detectors all of them run. With a `hash_key` identifiers are hashed,
    /// and finds too where the policy says `replace: hash`.
    ///
    /// # Errors
    /// Kind `policy`, at the key: an unknown detector, a pattern that is no linear-time regular expression or
    /// matches nothing at all, a path that cannot be read, `hash` without a key.
    pub fn compile(config: &RedactionConfig, hash_key: Option<&Secret>) -> Result<Self> {
        let at = |key: &str| format!("governance.content.redaction.{key}");
        let mut enabled = if config.detectors.is_empty() { Enabled::ALL } else { Enabled::NONE };
        for (i, name) in config.detectors.iter().enumerate() {
            enabled = enabled.with(name).ok_or_else(|| {
                Error::policy(format!("an unknown detector; there are {}", DETECTORS.join(", ")))
                    .at(at(&format!("detectors[{i}]")))
            })?;
        }
        let mut labels: Vec<String> = DETECTORS.iter().map(|d| (*d).to_owned()).collect();
        let mut patterns = Vec::new();
        for (name, pattern) in &config.patterns {
            patterns.push(compile_pattern(name, pattern).map_err(|e| e.at(at(&format!("patterns.{name}"))))?);
            labels.push(name.clone());
        }
        let keep = config
            .keep
            .iter()
            .enumerate()
            .map(|(i, pattern)| compile_keep(pattern).map_err(|e| e.at(at(&format!("keep[{i}]")))))
            .collect::<Result<_>>()?;
        let paths = config
            .paths
            .iter()
            .enumerate()
            .map(|(i, path)| Path::compile(path).map_err(|e| e.at(at(&format!("paths[{i}]")))))
            .collect::<Result<_>>()?;
        let hash = match hash_key {
            Some(key) if key.expose().len() < MIN_HASH_KEY => {
                return Err(Error::policy(format!(
                    "the key for keyed hashes needs at least {MIN_HASH_KEY} bytes"
                ))
                .at("redaction.hash_key"));
            }
            Some(key) => Hmac::new_from_slice(key.expose()).ok(),
            None if config.replace == Replacement::Hash => {
                return Err(Error::policy("a keyed hash needs `redaction.hash_key`; give one or use mask")
                    .at(at("replace")));
            }
            None => None,
        };
        let ids = match &hash {
            Some(hash) => hash.clone(),
            None => Hmac::new_from_slice(process_key())
                .map_err(|_| Error::internal("the key for hashed ids cannot be used"))?,
        };
        Ok(Self {
            enabled,
            patterns,
            keep,
            paths,
            labels,
            replace: config.replace,
            hash,
            ids,
            keep_identifiers: config.keep_identifiers,
        })
    }

    /// The text with every find replaced; borrowed when there is none.
    ///
    /// # Errors
    /// The text is too long to be searched: it must not be let out.
    pub fn redact_text<'t>(&self, text: &'t str) -> Result<Cow<'t, str>> {
        if u32::try_from(text.len()).is_err() {
            return Err(Error::invalid_event("text of 4 GiB or more cannot be redacted"));
        }
        let shadow = Shadow::of(text);
        let finds = self.find(text, &shadow);
        if finds.is_empty() {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (span, value, label, _) in finds {
            out.push_str(&text[done..span.start]);
            self.replacement(&mut out, &self.labels[label], &value, self.replace);
            done = span.end;
        }
        out.push_str(&text[done..]);
        Ok(Cow::Owned(out))
    }

    /// What would be replaced, in order, and why.
    ///
    /// # Errors
    /// As [`Redactor::redact_text`].
    pub fn explain(&self, text: &str) -> Result<Vec<Explained<'_>>> {
        if u32::try_from(text.len()).is_err() {
            return Err(Error::invalid_event("text of 4 GiB or more cannot be redacted"));
        }
        let shadow = Shadow::of(text);
        let explained = |(span, _, label, why): Masking| Explained { span, label: &self.labels[label], why };
        Ok(self.find(text, &shadow).into_iter().map(explained).collect())
    }

    /// The body with every find replaced. Bytes that are UTF-8 are redacted as text; others cannot be
    /// rewritten, and are refused when anything is found in them.
    ///
    /// # Errors
    /// The body could not be redacted: it must not be let out.
    pub fn redact_body(&self, body: &Body) -> Result<Body> {
        match body {
            Body::Text(text) => Ok(match self.redact_text(text)? {
                Cow::Borrowed(_) => body.clone(),
                Cow::Owned(text) => Body::Text(text.into()),
            }),
            Body::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if !bytes.contains(&0) => Ok(match self.redact_text(text)? {
                    Cow::Borrowed(_) => body.clone(),
                    Cow::Owned(text) => Body::Bytes(text.into_bytes().into()),
                }),
                _ => self.refuse_finds(bytes).map(|()| body.clone()),
            },
        }
    }

    /// Refuses binary in which something is found, read as 8-bit text or, where it has NULs, as UTF-16.
    fn refuse_finds(&self, bytes: &[u8]) -> Result<()> {
        let clear = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let shadow = Shadow::of(&text);
            self.find(&text, &shadow).is_empty()
        };
        let wide = || bytes.iter().copied().filter(|b| *b != 0).collect::<Vec<u8>>();
        if clear(bytes) && (!bytes.contains(&0) || clear(&wide())) {
            Ok(())
        } else {
            Err(Error::invalid_event("binary content holds what the policy redacts and cannot be rewritten"))
        }
    }

    /// The spans of `text` to replace, in order and without overlap.
    fn find(&self, text: &str, shadow: &Shadow<'_>) -> Vec<Masking> {
        let mut finds = Vec::new();
        find_all(shadow, self.enabled, &mut finds);
        self.leave_kept(shadow.text(), &mut finds);
        let mut spans: Vec<_> = finds
            .into_iter()
            .map(|Find { span, label, why }| (shadow.original(span.clone()), span, label, true, why))
            .collect();
        for (i, pattern) in self.patterns.iter().enumerate() {
            let label = DETECTORS.len() + i;
            let found = |m: regex::Match<'_>| m.range();
            spans.extend(
                pattern
                    .find_iter(shadow.text())
                    .map(found)
                    .filter(|m| !m.is_empty())
                    .map(|span| (shadow.original(span.clone()), span, label, true, PATTERN)),
            );
            if shadow.text().len() != text.len() || shadow.text() != text {
                // A pattern may also be meant for the letters of the text itself, and not for those of its shadow.
                spans.extend(
                    pattern
                        .find_iter(text)
                        .map(found)
                        .filter(|m| !m.is_empty())
                        .map(|span| (span.clone(), span, label, false, PATTERN)),
                );
            }
        }
        spans.sort_by(|a, b| (a.0.start, b.0.end, a.2).cmp(&(b.0.start, a.0.end, b.2)));
        let mut merged: Vec<Masking> = Vec::with_capacity(spans.len());
        for (span, read, label, shadowed, why) in spans {
            match merged.last_mut() {
                // Overlapping finds are one, under the label of the first and longest.
                Some((last, ..)) if span.start < last.end => last.end = last.end.max(span.end),
                _ => {
                    let source = if shadowed { shadow.text() } else { text };
                    let value =
                        if self.hash.is_some() { normalize(label, &source[read]) } else { String::new() };
                    merged.push((span, value, label, why));
                }
            }
        }
        merged
    }

    /// Takes out what the policy keeps: finds of detectors that lie within a match of one of its patterns.
    fn leave_kept(&self, text: &str, finds: &mut Vec<Find>) {
        if self.keep.is_empty() || finds.is_empty() {
            return;
        }
        let kept: Vec<Range<usize>> =
            self.keep.iter().flat_map(|keep| keep.find_iter(text).map(|m| m.range())).collect();
        let within = |span: &Range<usize>| kept.iter().any(|k| k.start <= span.start && k.end >= span.end);
        finds.retain(|find| !within(&find.span));
    }

    /// Whether the policy keeps a value as a whole.
    fn keeps(&self, value: &str) -> bool {
        self.keep.iter().any(|keep| keep.find_iter(value).any(|m| m.range() == (0..value.len())))
    }

    /// Appends what takes the place of `value`.
    fn replacement(&self, out: &mut String, label: &str, value: &str, replace: Replacement) {
        match (replace, &self.hash) {
            (Replacement::Drop, _) => {}
            (Replacement::Hash, Some(hash)) => {
                out.push('[');
                out.push_str(label);
                out.push(':');
                out.push_str(&keyed(hash, label, value));
                out.push(']');
            }
            _ => {
                out.push('[');
                out.push_str(label);
                out.push(']');
            }
        }
    }
}

/// The key for ids where the policy has none: the same for every emitter of the process, and never stored.
fn process_key() -> &'static [u8] {
    static KEY: OnceLock<[u8; 16]> = OnceLock::new();
    KEY.get_or_init(|| SystemRandom.bytes16("redacted ids", 0))
}

/// The first 8 bytes of HMAC-SHA256 over the label, a newline and the value, in hex: enough to match equal values
/// by, for up to some millions of values without a collision.
fn keyed(hash: &Hmac<Sha256>, label: &str, value: &str) -> String {
    let mut mac = hash.clone();
    mac.update(label.as_bytes());
    mac.update(b"\n");
    mac.update(value.as_bytes());
    let mut hex = Vec::with_capacity(16);
    crate::hex::push(&mut hex, &mac.finalize().into_bytes()[..8]);
    String::from_utf8(hex).unwrap_or_default()
}

/// The normal form of a value: the same for all ways to write it, as with and without spaces.
fn normalize(label: usize, value: &str) -> String {
    match DETECTORS.get(label).copied() {
        Some("email") => value.to_lowercase(),
        Some("card" | "phone") => value.chars().filter(char::is_ascii_digit).collect(),
        Some("iban") => {
            value.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
        }
        _ => value.to_owned(),
    }
}

fn compile_pattern(name: &str, pattern: &str) -> Result<Regex> {
    let named = (1..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !named {
        return Err(Error::policy("a pattern's name is 1 to 32 of A-Z a-z 0-9 _ -"));
    }
    if DETECTORS.contains(&name) {
        return Err(Error::policy("a pattern must not have the name of a detector"));
    }
    compile_regex(pattern)
}

fn compile_regex(pattern: &str) -> Result<Regex> {
    let regex = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|e| {
        Error::policy(format!("not a linear-time regular expression: {}", one_line(&e.to_string())))
    })?;
    if regex.is_match("") {
        return Err(Error::policy("the pattern matches the empty text, and so everywhere"));
    }
    Ok(regex)
}

/// Compiles a pattern of what is kept. One that matches any text is refused, as it would silently switch redaction off.
fn compile_keep(pattern: &str) -> Result<Regex> {
    const ANYTHING: [&str; 2] = ["\u{1}~ \u{3b1};0z", "jane@example.com and 4111 1111 1111 1111"];
    let regex = compile_regex(pattern)?;
    let all = |text: &str| regex.find(text).is_some_and(|m| m.len() == text.len());
    if ANYTHING.iter().any(|text| all(text)) {
        return Err(Error::policy("the pattern keeps any text; name the shape of what is to stay"));
    }
    Ok(regex)
}

/// The last line of the regex compiler's message: what is wrong, without the picture of where.
fn one_line(message: &str) -> &str {
    message.lines().last().unwrap_or(message).trim().trim_start_matches("error: ")
}
