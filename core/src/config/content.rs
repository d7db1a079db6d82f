//! `governance.content` (docs/CONTENT.md): the policy under which content may leave.

use super::keys;
use crate::document::reader::{Cursor, quoted};
use crate::document::suggest::misspelt;
use crate::error::Result;
use crate::seam::{UnixNanos, parse_time};
use crate::settings::{
    CONTENT_CLASSES, ContentLimits, ContentMode, ContentPolicy, ContentRule, DETECTORS, RedactionConfig,
    Replacement, RetentionConfig, SamplingConfig,
};

/// Hidden reasoning is never captured, so no configuration can ask for it, however it is spelled.
const REFUSED_CLASSES: [&str; 3] = ["reasoning", "thinking", "chainofthought"];

const MODE_ALIASES: [(&str, &str); 3] =
    [("metadata_only", "off"), ("payload_refs", "content_ref"), ("raw_content", "raw")];

/// A content mode. `false` counts as `off`: YAML 1.1 reads the word so before a host passes its mapping.
pub(super) fn mode(cursor: &Cursor<'_>) -> Result<ContentMode> {
    if cursor.is_false() {
        return Ok(ContentMode::Off);
    }
    cursor.choice("mode", &ContentMode::ALL.map(|mode| (mode.name(), mode)), &MODE_ALIASES)
}

/// Refuses words that are no class, classes of hidden reasoning, and words that are almost certainly misspelt.
pub(super) fn check_class(class: &str, cursor: &Cursor<'_>) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !(1..=64).contains(&class.len()) || !class.bytes().all(plain) {
        return Err(cursor.error("a class of content has up to 64 letters, digits, `.`, `_` and `-`"));
    }
    let bare: String = class.chars().filter(char::is_ascii_alphanumeric).collect();
    if REFUSED_CLASSES.contains(&bare.to_ascii_lowercase().as_str()) {
        return Err(cursor.error(format!("hidden reasoning is never captured, so `{class}` cannot be named")));
    }
    match misspelt(class, &CONTENT_CLASSES) {
        Some(known) if !CONTENT_CLASSES.contains(&class) => Err(cursor.error(format!(
            "unknown class of content; did you mean `{known}`? A class of your own needs a name less like it"
        ))),
        _ => Ok(()),
    }
}

/// What a policy is checked against when it is part of a configuration.
#[derive(Clone, Copy)]
pub(super) struct Surroundings {
    /// Rules that have expired by then are refused.
    pub(super) now: UnixNanos,
    /// Whether there is a key for keyed hashes.
    pub(super) hash_key: bool,
}

/// `governance.content`; without `surroundings`, a policy that stands alone.
pub(super) fn read(cursor: &Cursor<'_>, surroundings: Option<Surroundings>) -> Result<ContentPolicy> {
    let table = cursor.table(keys::CONTENT)?;
    let policy = ContentPolicy {
        mode: table.or("mode", ContentMode::Off, mode)?,
        classes: table.or("classes", Vec::new(), |c| {
            c.members()?
                .into_iter()
                .map(|(class, c)| {
                    check_class(class, &c)?;
                    Ok((class.to_owned(), rule(&c, surroundings.map(|s| s.now))?))
                })
                .collect()
        })?,
        redaction: table.maybe("redaction", |c| redaction(c, surroundings.is_none_or(|s| s.hash_key)))?,
        retention: table.maybe("retention", |c| {
            let table = c.table(keys::RETENTION)?;
            Ok(RetentionConfig {
                class: table.require("class")?.name()?.to_owned(),
                window: table.require("window")?.span()?,
            })
        })?,
        sampling: table.maybe("sampling", sampling)?,
        limits: table.or("limits", ContentLimits::default(), |c| {
            let table = c.table(keys::CONTENT_LIMITS)?;
            Ok(ContentLimits {
                bytes: table.maybe("bytes", Cursor::size)?,
                parts: table.int("parts")?,
                tokens: table.int("tokens")?,
                media_bytes: table.maybe("media_bytes", Cursor::size)?,
            })
        })?,
        children: table.or("children", Vec::new(), Cursor::names)?,
    };
    let grants_raw = policy.mode == ContentMode::Raw
        || policy.classes.iter().any(|(_, rule)| rule.mode == ContentMode::Raw);
    let missing: Vec<_> = ["redaction", "retention", "sampling"]
        .into_iter()
        .filter(|section| table.get(section).is_none())
        .collect();
    if grants_raw && !missing.is_empty() {
        cursor.warn(&format!(
            "`raw` is granted, but without {} its gates never open: parts stay at `redacted_summary`",
            quoted(&missing)
        ));
    }
    Ok(policy)
}

/// `{ mode, tenants, agents, expires }`, or a mode alone.
fn rule(cursor: &Cursor<'_>, now: Option<UnixNanos>) -> Result<ContentRule> {
    if !cursor.is_map() {
        return Ok(ContentRule { mode: mode(cursor)?, ..ContentRule::default() });
    }
    let table = cursor.table(keys::RULE)?;
    let names = |key| table.maybe(key, non_empty);
    Ok(ContentRule {
        mode: mode(&table.require("mode")?)?,
        tenants: names("tenants")?.unwrap_or_default(),
        agents: names("agents")?.unwrap_or_default(),
        expires: table.maybe("expires", |c| expires(c, now))?,
    })
}

/// An empty list could be read as "nobody" and means "all" in the model, so it is refused.
fn non_empty(cursor: &Cursor<'_>) -> Result<Vec<String>> {
    match cursor.names()? {
        names if names.is_empty() => {
            Err(cursor.error("an empty list would hold for nobody; leave the key out to mean all"))
        }
        names => Ok(names),
    }
}

/// A date, which ends the rule as that day begins in UTC, or an RFC 3339 time.
fn expires(cursor: &Cursor<'_>, now: Option<UnixNanos>) -> Result<UnixNanos> {
    let text = cursor.string()?;
    let date = text.len() == 10 && text.bytes().filter(|byte| *byte == b'-').count() == 2;
    let time = if date { parse_time(&format!("{text}T00:00:00Z")) } else { parse_time(text) };
    let Some(time) = time else {
        return Err(cursor.error("expected a date as `2027-01-01`, or a time as `2027-01-01T12:00:00Z`"));
    };
    if now.is_some_and(|now| time <= now) {
        return Err(cursor.error("this rule has expired; renew it or take it out"));
    }
    Ok(time)
}

fn redaction(cursor: &Cursor<'_>, hash_key: bool) -> Result<RedactionConfig> {
    if let Some(id) = cursor.as_str() {
        let shown = if cursor.is_from_env() {
            String::new()
        } else {
            format!(" `{}`", crate::document::tree::shown(id))
        };
        return Err(cursor.error(format!(
            "unknown redaction policy{shown}; define it here, as `{{ id: pii-1, detectors: [email, card] }}`"
        )));
    }
    let table = cursor.table(keys::REDACTION)?;
    let words = DETECTORS.map(|name| (name, name));
    let mut detectors: Vec<String> = Vec::new();
    for item in table.or("detectors", Vec::new(), Cursor::list)? {
        let name = item.choice("detector", &words, &[])?;
        if !detectors.iter().any(|known| known == name) {
            detectors.push(name.to_owned());
        }
    }
    let mut paths = Vec::new();
    for item in table.or("paths", Vec::new(), Cursor::list)? {
        let path = item.string()?;
        if !(path.starts_with("$.") || path.starts_with("$[")) {
            return Err(item.error("a path starts at the root, as `$.user.name`"));
        }
        paths.push(path.to_owned());
    }
    let patterns = table.or("patterns", Vec::new(), |c| {
        c.members()?
            .into_iter()
            .map(|(name, c)| {
                let pattern = c.string()?;
                regex::Regex::new(pattern).map_err(|e| c.error(regex_error(&e)))?;
                Ok((name.to_owned(), pattern.to_owned()))
            })
            .collect()
    })?;
    let mut keep = Vec::new();
    for item in table.or("keep", Vec::new(), Cursor::list)? {
        let pattern = item.string()?;
        regex::Regex::new(pattern).map_err(|e| item.error(regex_error(&e)))?;
        keep.push(pattern.to_owned());
    }
    let replacements =
        [("mask", Replacement::Mask), ("drop", Replacement::Drop), ("hash", Replacement::Hash)];
    let replace =
        table.or("replace", Replacement::Mask, |c| match c.choice("replacement", &replacements, &[])? {
            Replacement::Hash if !hash_key => Err(c.error(
                "hashes need a key; add `redaction: { hash_key: { file: hash.key } }` at the top of the configuration",
            )),
            replacement => Ok(replacement),
        })?;
    Ok(RedactionConfig {
        id: table.require("id")?.name()?.to_owned(),
        detectors,
        paths,
        patterns,
        keep,
        replace,
        keep_identifiers: table.or("keep_identifiers", false, Cursor::bool)?,
    })
}

/// Only the last line of a regular expression's error says what is wrong; the lines before it draw a picture.
fn regex_error(error: &regex::Error) -> String {
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    format!("not a linear-time regular expression: {reason}")
}

fn sampling(cursor: &Cursor<'_>) -> Result<SamplingConfig> {
    let table = cursor.table(keys::SAMPLING)?;
    let key = table.or("key", "run", |c| {
        c.choice("sampling key", &[("run", "run"), ("trace", "trace"), ("event", "event")], &[])
    })?;
    let rate = table.require("rate")?.table(keys::RATE)?;
    let numerator_at = rate.require("numerator")?;
    rate.require("denominator")?;
    let numerator = rate.int("numerator")?.unwrap_or(0);
    let denominator = rate.int("denominator")?.unwrap_or(1);
    if numerator > denominator {
        return Err(numerator_at.error(format!(
            "a rate of {numerator} in {denominator} is more than all; the numerator is at most the denominator"
        )));
    }
    Ok(SamplingConfig { key: key.to_owned(), numerator, denominator })
}
