//! An envelope as columns.

use std::collections::HashSet;

use super::HoneycombConfig;
use crate::json::{Value, parse};
use crate::sink::{Envelope, Failure, FailureKind};

/// Columns that Honeycomb reads, so that traces show.
const TRACE: &str = "trace.trace_id";
const SPAN: &str = "trace.span_id";
const PARENT: &str = "trace.parent_id";

/// What stays the same for every event.
pub(super) struct Shape {
    pub(super) config: HoneycombConfig,
    pub(super) service: Option<String>,
}

/// The columns of one event, each once.
struct Columns {
    members: Vec<(String, Value)>,
    taken: HashSet<String>,
    /// The longest text.
    longest: usize,
}

impl Columns {
    fn has(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    /// A column that is ours, or the first of its name.
    fn put(&mut self, name: String, value: Value) {
        if let Value::String(text) = &value {
            self.longest = self.longest.max(text.len());
        }
        self.taken.insert(name.clone());
        self.members.push((name, value));
    }

    /// A member of `data`: under its name, or behind `data.` where that is another's.
    fn member(&mut self, mut name: String, value: Value) {
        while self.has(&name) {
            name.insert_str(0, "data.");
        }
        self.put(name, value);
    }
}

impl Shape {
    /// An element of the batch.
    ///
    /// # Errors
    /// The event is beyond a limit, or no envelope.
    pub(super) fn event(&self, envelope: &Envelope) -> Result<Vec<u8>, Failure> {
        let malformed = || {
            Failure::new(FailureKind::Serialization, "the envelope's bytes are not the JSON of an envelope")
        };
        let Ok(Value::Object(members)) = parse(&envelope.bytes) else { return Err(malformed()) };
        let mut columns = Columns { members: Vec::new(), taken: HashSet::new(), longest: 0 };
        let (mut data, mut time) = (None, None);
        for (name, value) in members {
            match (name.as_str(), value) {
                ("data", value) => data = Some(value),
                ("time", value) => {
                    time = value.as_str().map(str::to_owned);
                    columns.put(name, value);
                }
                (_, value @ (Value::Object(_) | Value::Array(_))) => {
                    columns.put(name, Value::String(value.to_json()));
                }
                (_, value) => columns.put(name, value),
            }
        }
        self.known(&mut columns, data.as_ref());
        let rate = data.as_ref().and_then(|data| data.get("sampleRate")).and_then(Value::as_i64);
        if let Some(Value::Object(members)) = data {
            self.flatten(&mut columns, members);
        }
        if self.config.envelope {
            columns
                .member("envelope".to_owned(), String::from_utf8_lossy(&envelope.bytes).into_owned().into());
        }
        let HoneycombConfig { max_fields, max_string, max_event, .. } = self.config;
        let over = |what: String| Err(Failure::new(FailureKind::Rejected, what));
        if columns.members.len() > max_fields {
            let n = columns.members.len();
            return over(format!("the event has {n} columns, more than the {max_fields} of `max_fields`"));
        }
        if columns.longest > max_string {
            let n = columns.longest;
            return over(format!(
                "a text of the event has {n} bytes, more than the {max_string} of `max_string`"
            ));
        }
        let mut event = vec![("data".to_owned(), Value::Object(columns.members))];
        event.extend(time.map(|time| ("time".to_owned(), Value::String(time))));
        event.extend(rate.filter(|rate| *rate > 0).map(|rate| ("samplerate".to_owned(), Value::Int(rate))));
        let bytes = Value::Object(event).to_json().into_bytes();
        if bytes.len() > max_event {
            let n = bytes.len();
            return over(format!("the event has {n} bytes, more than the {max_event} of `max_event`"));
        }
        Ok(bytes)
    }

    /// What Honeycomb shows traces by, as far as it is known.
    fn known(&self, columns: &mut Columns, data: Option<&Value>) {
        let text =
            |name: &str| data.and_then(|data| data.get(name)).and_then(Value::as_str).map(str::to_owned);
        let find = |columns: &Columns, name: &str| {
            columns
                .members
                .iter()
                .find(|(known, _)| known == name)
                .and_then(|(_, value)| value.as_str())
                .map(str::to_owned)
        };
        // version, trace id, span id, flags
        let parent = find(columns, "traceparent");
        let mut parts = parent.iter().flat_map(|parent| parent.split('-')).skip(1);
        if let (Some(trace), Some(span)) = (parts.next(), parts.next()) {
            columns.put(TRACE.to_owned(), trace.into());
            columns.put(SPAN.to_owned(), span.into());
            if let Some(parent) = text("parent_span_id") {
                columns.put(PARENT.to_owned(), parent.into());
            }
        }
        if text("name").is_none()
            && let Some(event_type) = find(columns, "type")
        {
            columns.put("name".to_owned(), event_type.into());
        }
        if let Some(service) = self.service.clone().filter(|_| text("service.name").is_none()) {
            columns.put("service.name".to_owned(), service.into());
        }
    }

    /// Members of `data`, the less nested first, so that of two with one name the less nested has it.
    fn flatten(&self, columns: &mut Columns, members: Vec<(String, Value)>) {
        let mut level: Vec<(String, Value)> = members;
        for depth in 1.. {
            let mut deeper = Vec::new();
            for (name, value) in level {
                match value {
                    Value::Object(inner) if depth < self.config.depth && !inner.is_empty() => {
                        let inner = inner.into_iter().map(|(key, value)| (format!("{name}.{key}"), value));
                        deeper.extend(inner);
                    }
                    value @ (Value::Object(_) | Value::Array(_)) => {
                        columns.member(name, Value::String(value.to_json()));
                    }
                    value => columns.member(name, value),
                }
            }
            if deeper.is_empty() {
                return;
            }
            level = deeper;
        }
    }
}
