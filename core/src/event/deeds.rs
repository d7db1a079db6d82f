//! What a sealed line says of a deed (docs/DEEDS.md): that it was intended, or what came of it.
//!
//! For lines of sinkwell's own, as a journal holds them; lines of strangers are `verify`'s.

use std::collections::HashSet;

use memchr::memmem;

use crate::json::{Value, parse};
use crate::seam::Uuid;

/// An intent without a result: what a crash leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedDeed {
    /// The intent's id.
    pub id: String,
    /// Whose it was.
    pub agentid: String,
    /// Its type.
    pub event_type: String,
    /// When it was about to be done.
    pub time: String,
    /// What it is about.
    pub subject: Option<String>,
    /// The agent run.
    pub runid: Option<String>,
    /// `data.tool`.
    pub tool: Option<String>,
    /// Where the intent stands.
    pub streamid: String,
    /// Its number there.
    pub sequence: u64,
    /// `file:line`, or the journal that held it.
    pub place: String,
}

impl UnfinishedDeed {
    /// The object of `sinkwell deeds --format json`.
    pub(crate) fn to_json(&self) -> Value {
        let text = |value: &String| Value::from(value.as_str());
        let members = [
            ("id", Some(text(&self.id))),
            ("type", Some(text(&self.event_type))),
            ("time", Some(text(&self.time))),
            ("agentid", Some(text(&self.agentid))),
            ("subject", self.subject.as_ref().map(text)),
            ("runid", self.runid.as_ref().map(text)),
            ("tool", self.tool.as_ref().map(text)),
            ("streamid", Some(text(&self.streamid))),
            ("sequence", Some(Value::Int(i64::try_from(self.sequence).unwrap_or(i64::MAX)))),
            ("where", Some(text(&self.place))),
        ];
        Value::Object(members.into_iter().filter_map(|(name, value)| Some((name.into(), value?))).collect())
    }
}

/// One of a deed's two events.
#[derive(Clone, Debug)]
pub(crate) enum Half {
    /// What was about to be done.
    Intent(Box<UnfinishedDeed>),
    /// What came of it.
    Result {
        /// Whose deed it is.
        agentid: String,
        /// The intent's id.
        intent: String,
    },
}

impl Half {
    /// What a sealed line says of a deed, if anything. `place` is where it was found.
    pub(crate) fn of(line: &[u8], streamid: Uuid, sequence: u64, place: &str) -> Option<Self> {
        // Few lines have it, and a canonical one has it so.
        memmem::find(line, b"\"phase\":\"")?;
        let line = parse(line).ok()?;
        let text = |name: &str| line.get(name).and_then(Value::as_str).map(str::to_owned);
        let data = line.get("data")?;
        let agentid = text("agentid")?;
        match data.get("phase").and_then(Value::as_str)? {
            "result" => Some(Self::Result { agentid, intent: text("causationid")? }),
            "intent" => Some(Self::Intent(Box::new(UnfinishedDeed {
                id: text("id")?,
                agentid,
                event_type: text("type")?,
                time: text("time")?,
                subject: text("subject"),
                runid: text("runid"),
                tool: data.get("tool").and_then(Value::as_str).map(str::to_owned),
                streamid: streamid.to_string(),
                sequence,
                place: place.to_owned(),
            }))),
            _ => None,
        }
    }
}

/// The intents of which no half is the result, each once, the oldest first.
pub(crate) fn unfinished(halves: &[Half]) -> Vec<UnfinishedDeed> {
    let mut known: HashSet<(&str, &str)> = halves
        .iter()
        .filter_map(|half| match half {
            Half::Result { agentid, intent } => Some((&**agentid, &**intent)),
            Half::Intent(_) => None,
        })
        .collect();
    let mut found: Vec<UnfinishedDeed> = Vec::new();
    for half in halves {
        if let Half::Intent(intent) = half
            && known.insert((&intent.agentid, &intent.id))
        {
            found.push((**intent).clone());
        }
    }
    found.sort_by(|a, b| a.time.cmp(&b.time));
    found
}
