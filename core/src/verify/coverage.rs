//! Coverage: from when to when a seam of a program was watched (docs/INTEGRATIONS.md).
//!
//! Guarantees: only covered envelopes count; nothing is kept unless it is asked for. A time that was watched begins with
//! an event `coverage` of the state `watching` and ends with the `stopped` that names it as its cause; one that no event
//! ends is shown as open, with the time at which its stream was last heard of.

use std::collections::{BTreeMap, HashSet};

use super::report::object;
use crate::envelope::line::Envelope;
use crate::json::{Value, parse};
use crate::terminal::Safe;

/// What an envelope says of coverage.
#[derive(Debug)]
pub(super) struct Told {
    id: Box<str>,
    agentid: Box<str>,
    time: Box<str>,
    seam: Box<str>,
    package: Option<Box<str>>,
    version: Option<Box<str>>,
    /// The id of the event that it ends.
    ends: Option<Box<str>>,
    stopped: bool,
}

/// All of the input.
#[derive(Default)]
pub(super) struct Coverage {
    /// An event stands in the stream of each lane, and counts once.
    seen: HashSet<(Box<str>, Box<str>)>,
    begun: Vec<(Told, usize)>,
    ended: BTreeMap<(Box<str>, Box<str>), Box<str>>,
}

impl Coverage {
    /// What an envelope says of coverage, if anything.
    pub(super) fn read(envelope: &Envelope<'_>) -> Option<Told> {
        let name = envelope.event_type.rsplit('.').next()?;
        if name != "coverage" || envelope.core {
            return None;
        }
        let data = parse(envelope.data).ok()?;
        let text = |member: &str| data.get(member).and_then(Value::as_str).map(Box::from);
        let cause = envelope.attribute("causationid").and_then(|raw| parse(raw).ok());
        Some(Told {
            id: (*envelope.id).into(),
            agentid: (*envelope.agentid).into(),
            time: (*envelope.time).into(),
            seam: text("seam")?,
            package: text("package"),
            version: text("version"),
            ends: cause.as_ref().and_then(Value::as_str).map(Box::from),
            stopped: text("state")?.as_ref() == "stopped",
        })
    }

    /// Takes what a covered envelope of a stream says.
    pub(super) fn take(&mut self, told: Told, stream: usize) {
        if !self.seen.insert((told.agentid.clone(), told.id.clone())) {
            return;
        }
        if !told.stopped {
            self.begun.push((told, stream));
        } else if let Some(since) = told.ends {
            self.ended.insert((told.agentid, since), told.time);
        }
    }

    /// What was watched, by seam and time; `heard` says when a stream was last heard of.
    pub(super) fn finish(self, heard: impl Fn(usize) -> Option<String>) -> CoverageReport {
        let watched = self.begun.into_iter().map(|(told, stream)| {
            let until = self.ended.get(&(told.agentid.clone(), told.id));
            Watched {
                seam: told.seam.into(),
                agentid: told.agentid.into(),
                package: told.package.map(Into::into),
                version: told.version.map(Into::into),
                from: told.time.into(),
                until: until.map(|time| time.to_string()),
                last_heard: heard(stream),
            }
        });
        let mut watched: Vec<_> = watched.collect();
        watched.sort_by(|a, b| (&a.seam, &a.from).cmp(&(&b.seam, &b.from)));
        CoverageReport { watched }
    }
}

impl Told {
    /// The bytes that it holds: only where coverage is asked for, and like edges counted up to 1 KiB.
    pub(super) fn size(&self) -> usize {
        let more = [&self.package, &self.version, &self.ends].into_iter().flatten().map(|text| text.len());
        let texts = self.id.len() + self.agentid.len() + self.time.len() + self.seam.len();
        (texts + more.sum::<usize>()).min(1024)
    }
}

/// A time for which a seam was watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// What was watched, as `mcp.server`.
    pub seam: String,
    /// By whose emitter.
    pub agentid: String,
    /// The framework's package.
    pub package: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// When the integration was put in.
    pub from: String,
    /// When it was taken out; `None`: nothing says so.
    pub until: Option<String>,
    /// When the stream that says so was last heard of.
    pub last_heard: Option<String>,
}

/// What the input says of coverage, by seam and time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoverageReport {
    /// Every time that was watched.
    pub watched: Vec<Watched>,
}

impl CoverageReport {
    /// A list of objects, for `sinkwell verify --coverage --format json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let one = |one: &Watched| {
            let members = [
                ("seam", Some(&one.seam)),
                ("agentid", Some(&one.agentid)),
                ("package", one.package.as_ref()),
                ("version", one.version.as_ref()),
                ("from", Some(&one.from)),
                ("until", one.until.as_ref()),
                ("last_heard", one.last_heard.as_ref()),
            ];
            let given =
                members.into_iter().filter_map(|(name, value)| Some((name, Value::from(value?.as_str()))));
            object(given)
        };
        Value::Array(self.watched.iter().map(one).collect())
    }
}

impl std::fmt::Display for CoverageReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.watched.is_empty() {
            return writeln!(f, "coverage: nothing says that any seam was watched");
        }
        writeln!(f, "coverage:")?;
        for one in &self.watched {
            write!(f, "  {}  {} to ", Safe(&one.seam), Safe(&one.from))?;
            match (&one.until, &one.last_heard) {
                (Some(until), _) => write!(f, "{}", Safe(until))?,
                (None, Some(heard)) => write!(f, "an end that nothing tells; last heard of {}", Safe(heard))?,
                (None, None) => f.write_str("an end that nothing tells")?,
            }
            write!(f, "  {}", Safe(&one.agentid))?;
            if let Some(package) = &one.package {
                let version = one.version.as_deref().unwrap_or("of an unknown version");
                write!(f, ", {} {}", Safe(package), Safe(version))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
