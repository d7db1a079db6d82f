//! A verification's report from its JSON, and as it, by serde.
//!
//! Guarantees: what [`Report::to_json`] wrote is read back as it was, but for `strict`, which the JSON does not have. A
//! member that is missing, of another type or not known is an error.

use std::collections::BTreeMap;

use serde_core::de::{Deserialize, Deserializer, Error};
use serde_core::ser::{Serialize, Serializer};

use super::{Finding, FindingKind, Point, Report, StreamReport, Verdict};
use crate::json::Value;

/// What is wrong, and where: by the names of members.
type Read<T> = Result<T, String>;

/// An object whose members are taken out one by one.
struct Members<'a>(Vec<(&'a str, &'a Value)>);

impl<'a> Members<'a> {
    fn of(value: &'a Value) -> Read<Self> {
        match value {
            Value::Object(members) => {
                Ok(Self(members.iter().map(|(key, value)| (key.as_str(), value)).collect()))
            }
            other => Err(format!("expected an object, not {}", other.type_name())),
        }
    }

    fn maybe<T>(&mut self, name: &str, read: impl FnOnce(&'a Value) -> Read<T>) -> Read<Option<T>> {
        let Some(at) = self.0.iter().position(|(key, _)| *key == name) else { return Ok(None) };
        read(self.0.swap_remove(at).1).map(Some).map_err(|e| format!("{name}: {e}"))
    }

    fn take<T>(&mut self, name: &str, read: impl FnOnce(&'a Value) -> Read<T>) -> Read<T> {
        self.maybe(name, read)?.ok_or_else(|| format!("{name} is missing"))
    }

    fn end(self) -> Read<()> {
        self.0.first().map_or(Ok(()), |(key, _)| Err(format!("a report has no member {key:?}")))
    }
}

fn text(value: &Value) -> Read<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("expected a string, not {}", value.type_name()))
}

fn count(value: &Value) -> Read<u64> {
    let given = value.as_i64().and_then(|n| u64::try_from(n).ok());
    given.ok_or_else(|| "expected a count".to_owned())
}

fn truth(value: &Value) -> Read<bool> {
    value.as_bool().ok_or_else(|| format!("expected a boolean, not {}", value.type_name()))
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> Read<T>) -> Read<Vec<T>> {
    match value {
        Value::Array(items) => items.iter().map(read).collect(),
        other => Err(format!("expected a list, not {}", other.type_name())),
    }
}

fn named<T: Copy>(value: &Value, all: &[T], name: impl Fn(T) -> &'static str) -> Read<T> {
    let given = text(value)?;
    all.iter().copied().find(|&one| name(one) == given).ok_or_else(|| format!("unknown: {given:?}"))
}

fn verdict(value: &Value) -> Read<Verdict> {
    let all = [Verdict::Sound, Verdict::Incomplete, Verdict::Unchecked, Verdict::Findings];
    named(value, &all, Verdict::name)
}

fn point(value: &Value) -> Read<Point> {
    let mut members = Members::of(value)?;
    let point = Point { sequence: members.take("sequence", count)?, time: members.take("time", text)? };
    members.end().map(|()| point)
}

fn finding(value: &Value) -> Read<Finding> {
    let mut members = Members::of(value)?;
    let finding = Finding {
        kind: members.take("kind", |kind| named(kind, &FindingKind::ALL, FindingKind::name))?,
        from: members.maybe("from", count)?,
        to: members.maybe("to", count)?,
        place: members.maybe("where", text)?,
        note: members.take("note", text)?,
        // Its note says it.
        more: 0,
    };
    members.end().map(|()| finding)
}

fn stream(value: &Value) -> Read<StreamReport> {
    let mut members = Members::of(value)?;
    let stream = StreamReport {
        streamid: members.take("streamid", text)?,
        agentid: members.maybe("agentid", text)?,
        envelopes: members.take("envelopes", count)?,
        first: members.maybe("first", point)?,
        last: members.maybe("last", point)?,
        closed: members.take("closed", truth)?,
        head: members.maybe("head", text)?,
        verdict: members.take("verdict", verdict)?,
        findings: members.take("findings", |findings| list(findings, finding))?,
    };
    members.end().map(|()| stream)
}

fn report(value: &Value) -> Read<Report> {
    let mut members = Members::of(value)?;
    let report = Report {
        verdict: members.take("verdict", verdict)?,
        envelopes: members.take("envelopes", count)?,
        unsigned: members.take("unsigned", count)?,
        malformed: members.take("malformed", count)?,
        streams: members.take("streams", |streams| list(streams, stream))?,
        open: members.take("open", count)?,
        lost: members.take("lost", |lost| {
            let reasons = Members::of(lost)?.0.into_iter();
            reasons.map(|(reason, n)| Ok((reason.to_owned(), count(n)?))).collect::<Read<BTreeMap<_, _>>>()
        })?,
        erased: members.take("erased", count)?,
        findings: members.take("findings", |findings| list(findings, finding))?,
        beside: members.maybe("beside", |paths| list(paths, text))?.unwrap_or_default(),
        strict: false,
    };
    members.end().map(|()| report)
}

/// The object of [`Report::to_json`], as `sinkwell verify --format json` prints it. Whether notes count for
/// [`is_good`](Report::is_good) is not part of it: they do not.
///
/// ```
/// # fn main() -> serde_json::Result<()> {
/// let printed = r#"{"verdict":"sound","envelopes":3,"unsigned":0,"malformed":0,"streams":[],"open":0,"lost":{},
///     "erased":0,"findings":[]}"#;
/// let report: sinkwell::verify::Report = serde_json::from_str(printed)?;
/// assert!(report.is_good());
/// # Ok(())
/// # }
/// ```
impl<'de> Deserialize<'de> for Report {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        report(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}
