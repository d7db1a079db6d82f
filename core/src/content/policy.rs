//! The content policy as JSON, and what makes one unusable.

use std::time::Duration;

use crate::config::{
    ContentCeiling, ContentLimits, ContentMode, ContentPolicy, ContentRule, RedactionConfig, Replacement,
    RetentionConfig, SamplingConfig,
};
use crate::content::part::{mode_from_name, validate_class};
use crate::content::redact::detect::DETECTORS;
use crate::error::{Error, Result};
use crate::json::Value;
use crate::seam::{UnixNanos, parse_time};

/// Refuses a policy that cannot mean what it says: a hidden-reasoning or malformed class, an unknown
/// detector, a rule that had expired before `now`, `raw` without what its gates need, a lane that would see
/// more than any rule can grant it. `lanes` are ids with their ceilings.
///
/// # Errors
/// Kind `policy`, at the key.
pub fn check_policy(policy: &ContentPolicy, lanes: &[(&str, &ContentCeiling)], now: UnixNanos) -> Result<()> {
    let at = |key: &str| format!("governance.content.{key}");
    for (class, rule) in &policy.classes {
        let place = at(&format!("classes.{class}"));
        validate_class(class).map_err(|e| Error::policy(e.message()).at(place.clone()))?;
        if rule.expires.is_some_and(|expires| expires <= now) {
            return Err(
                Error::policy("has already expired; renew it or take it out").at(format!("{place}.expires"))
            );
        }
    }
    let grants_raw =
        policy.mode == ContentMode::Raw || policy.classes.iter().any(|(_, r)| r.mode == ContentMode::Raw);
    if grants_raw {
        for (missing, key) in [
            (policy.redaction.is_none(), "redaction"),
            (policy.retention.is_none(), "retention"),
            (policy.sampling.is_none(), "sampling"),
        ] {
            if missing {
                return Err(Error::policy(format!(
                    "`raw` is granted, but without `{key}` its gate never opens; declare it or grant less"
                ))
                .at(at(key)));
            }
        }
    }
    if let Some(sampling) = &policy.sampling
        && (sampling.denominator == 0 || sampling.numerator > sampling.denominator)
    {
        return Err(Error::policy("a rate is between 0 and 1").at(at("sampling.rate")));
    }
    if let Some(redaction) = &policy.redaction {
        if redaction.id.is_empty() {
            return Err(Error::policy("a redaction policy needs an id").at(at("redaction.id")));
        }
        if let Some(i) = redaction.detectors.iter().position(|d| !DETECTORS.contains(&d.as_str())) {
            return Err(Error::policy(format!("an unknown detector; there are {}", DETECTORS.join(", ")))
                .at(at(&format!("redaction.detectors[{i}]"))));
        }
    }
    for (lane, ceiling) in lanes {
        for class in &ceiling.classes {
            validate_class(class)
                .map_err(|e| Error::policy(e.message()).at(format!("lanes.{lane}.content.classes")))?;
            let rule = policy.classes.iter().find(|(c, _)| c == class).map_or(policy.mode, |(_, r)| r.mode);
            let most = rule.max(policy.mode);
            if ceiling.mode > most {
                return Err(Error::policy(format!(
                    "the lane asks for `{}` of `{class}`, but the policy grants at most `{}`",
                    ceiling.mode.name(),
                    most.name()
                ))
                .at(format!("lanes.{lane}.content.mode")));
            }
        }
    }
    Ok(())
}

/// Reads JSON values of known shape, naming the place of what does not fit.
struct Reader<'a> {
    value: &'a Value,
    place: String,
}

impl<'a> Reader<'a> {
    fn new(value: &'a Value, place: &str, keys: &[&str]) -> Result<Self> {
        let Value::Object(members) = value else {
            return Err(Error::policy(format!("must be an object, not {}", value.type_name())).at(place));
        };
        if let Some((key, _)) = members.iter().find(|(key, _)| !keys.contains(&key.as_str())) {
            return Err(Error::policy(format!("an unknown key; there are {}", keys.join(", ")))
                .at(format!("{place}.{key}")));
        }
        Ok(Self { value, place: place.to_owned() })
    }

    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.place)
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.value.get(key).filter(|v| **v != Value::Null)
    }

    fn read<T>(&self, key: &str, what: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Result<Option<T>> {
        self.get(key)
            .map(|v| read(v).ok_or_else(|| Error::policy(format!("must be {what}")).at(self.at(key))))
            .transpose()
    }

    fn string(&self, key: &str) -> Result<Option<String>> {
        self.read(key, "a string", |v| v.as_str().map(str::to_owned))
    }

    fn strings(&self, key: &str) -> Result<Vec<String>> {
        let list = self.read(key, "a list of strings", |v| match v {
            Value::Array(items) => items.iter().map(|i| i.as_str().map(str::to_owned)).collect(),
            _ => None,
        })?;
        Ok(list.unwrap_or_default())
    }

    fn mode(&self, key: &str) -> Result<ContentMode> {
        let what = "off, redacted_summary, content_ref or raw";
        Ok(self.read(key, what, |v| v.as_str().and_then(mode_from_name))?.unwrap_or_default())
    }

    fn count(&self, key: &str) -> Result<Option<u64>> {
        self.read(key, "an integer of at least 0", |v| v.as_i64().and_then(|n| u64::try_from(n).ok()))
    }

    fn size(&self, key: &str) -> Result<Option<u64>> {
        self.read(key, "a size as 64KiB", |v| match v {
            Value::Int(n) => u64::try_from(*n).ok(),
            Value::String(text) => size(text),
            _ => None,
        })
    }
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (_, factor) = units.iter().find(|(unit, _)| *unit == text[split..].trim())?;
    text[..split].parse::<u64>().ok()?.checked_mul(*factor)
}

fn size(text: &str) -> Option<u64> {
    const K: u64 = 1024;
    with_unit(
        text,
        &[
            ("", 1),
            ("B", 1),
            ("KiB", K),
            ("MiB", K * K),
            ("GiB", K * K * K),
            ("kB", 1000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
        ],
    )
}

fn duration(text: &str) -> Option<Duration> {
    const S: u64 = 1000;
    let units = [
        ("ms", 1),
        ("s", S),
        ("m", 60 * S),
        ("min", 60 * S),
        ("h", 3600 * S),
        ("d", 86_400 * S),
        ("w", 7 * 86_400 * S),
    ];
    with_unit(text, &units).map(Duration::from_millis)
}

/// A lane's `content` from JSON.
///
/// # Errors
/// Kind `policy`, at the key below `place`.
pub fn ceiling_from_json(value: &Value, place: &str) -> Result<ContentCeiling> {
    let r = Reader::new(value, place, &["mode", "classes"])?;
    Ok(ContentCeiling { mode: r.mode("mode")?, classes: r.strings("classes")? })
}

/// `governance.content` from JSON.
///
/// # Errors
/// Kind `policy`, at the key below `place`.
pub fn policy_from_json(value: &Value, place: &str) -> Result<ContentPolicy> {
    let r = Reader::new(
        value,
        place,
        &["mode", "classes", "redaction", "retention", "sampling", "limits", "children"],
    )?;
    let mut policy =
        ContentPolicy { mode: r.mode("mode")?, children: r.strings("children")?, ..Default::default() };
    for (class, rule) in r.get("classes").map_or(&[][..], Value::members) {
        let c =
            Reader::new(rule, &r.at(&format!("classes.{class}")), &["mode", "tenants", "agents", "expires"])?;
        validate_class(class).map_err(|e| Error::policy(e.message()).at(c.place.clone()))?;
        policy.classes.push((
            class.clone(),
            ContentRule {
                mode: c.mode("mode")?,
                tenants: c.strings("tenants")?,
                agents: c.strings("agents")?,
                expires: c.read("expires", "a date or an RFC 3339 time", |v| v.as_str().and_then(time))?,
            },
        ));
    }
    policy.redaction = r.get("redaction").map(|v| redaction(v, &r.at("redaction"))).transpose()?;
    policy.retention = r.get("retention").map(|v| retention(v, &r.at("retention"))).transpose()?;
    policy.sampling = r.get("sampling").map(|v| sampling(v, &r.at("sampling"))).transpose()?;
    if let Some(v) = r.get("limits") {
        let l = Reader::new(v, &r.at("limits"), &["bytes", "parts", "tokens", "media_bytes"])?;
        policy.limits = ContentLimits {
            bytes: l.size("bytes")?,
            parts: l.count("parts")?,
            tokens: l.count("tokens")?,
            media_bytes: l.size("media_bytes")?,
        };
    }
    Ok(policy)
}

/// A time, or a date at its first instant in UTC.
fn time(text: &str) -> Option<UnixNanos> {
    parse_time(text).or_else(|| parse_time(&format!("{text}T00:00:00Z")))
}

fn redaction(value: &Value, place: &str) -> Result<RedactionConfig> {
    let r =
        Reader::new(value, place, &["id", "detectors", "paths", "patterns", "replace", "keep_identifiers"])?;
    let replace = r.read("replace", "mask, drop or hash", |v| match v.as_str()? {
        "mask" => Some(Replacement::Mask),
        "drop" => Some(Replacement::Drop),
        "hash" => Some(Replacement::Hash),
        _ => None,
    })?;
    let mut patterns = Vec::new();
    for (name, pattern) in r.get("patterns").map_or(&[][..], Value::members) {
        let pattern = pattern.as_str().ok_or_else(|| {
            Error::policy("must be a regular expression").at(format!("{place}.patterns.{name}"))
        })?;
        patterns.push((name.clone(), pattern.to_owned()));
    }
    Ok(RedactionConfig {
        id: r.string("id")?.unwrap_or_default(),
        detectors: r.strings("detectors")?,
        paths: r.strings("paths")?,
        patterns,
        replace: replace.unwrap_or_default(),
        keep_identifiers: r.read("keep_identifiers", "true or false", Value::as_bool)?.unwrap_or_default(),
    })
}

fn retention(value: &Value, place: &str) -> Result<RetentionConfig> {
    let r = Reader::new(value, place, &["class", "window"])?;
    let missing = |key: &str| Error::policy("is missing").at(r.at(key));
    Ok(RetentionConfig {
        class: r.string("class")?.filter(|c| !c.is_empty()).ok_or_else(|| missing("class"))?,
        window: r
            .read("window", "a duration as 30d", |v| v.as_str().and_then(duration))?
            .ok_or_else(|| missing("window"))?,
    })
}

fn sampling(value: &Value, place: &str) -> Result<SamplingConfig> {
    let r = Reader::new(value, place, &["key", "rate"])?;
    let key = r.string("key")?.unwrap_or_default();
    if !matches!(key.as_str(), "run" | "trace" | "event") {
        return Err(Error::policy("must be run, trace or event").at(r.at("key")));
    }
    let rate = r.get("rate").ok_or_else(|| Error::policy("is missing").at(r.at("rate")))?;
    let rate = Reader::new(rate, &r.at("rate"), &["numerator", "denominator"])?;
    let numerator = rate.count("numerator")?.unwrap_or_default();
    let denominator = rate.count("denominator")?.unwrap_or_default();
    if denominator == 0 || numerator > denominator {
        return Err(Error::policy("a rate is between 0 and 1").at(rate.place));
    }
    Ok(SamplingConfig { key, numerator, denominator })
}
