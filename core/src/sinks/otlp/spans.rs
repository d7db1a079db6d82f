//! What finished spans came to, as OTLP spans.
//!
//! | field | from |
//! | --- | --- |
//! | `trace_id`, `span_id`, `flags` | `traceparent` |
//! | `trace_state` | `tracestate`, with the threshold by which policies sampled |
//! | `parent_span_id` | `data.parent_span_id` |
//! | `name` | `data.name`, or as the GenAI and MCP conventions name such a span |
//! | `kind` | `data.span_kind`; where it is not there, client for a model's and an MCP call, else internal |
//! | `start_time_unix_nano`, `end_time_unix_nano` | `time` less `data.duration_ms`, and `time` |
//! | `status` | `error` for one with an `error.type` or that failed, else what the span said |
//! | `events`, `links` and how many of them were left out | `data.span_events`, `data.span_links` |
//! | `attributes` | the rest of `data`, flattened; `cloudevents.event_id`, `cloudevents.event_type`, `sinkwell.hash` and the run |
//!
//! Guarantees: a span holds nothing that its envelope does not show, and of content nothing at all: that goes with the log
//! record. A span is sent once, however often its batch is tried, unless an answer was lost. Parents need not come
//! before children. What a receiver refuses for good of spans is said, and costs no event.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::answer::Verdict;
use super::caller::{Caller, told};
use super::metrics::{Front, SECOND};
use super::record::parse_traceparent;
use super::request::RequestWriter;
use super::scan::Scanner;
use super::semconv::Names;
use super::settings::Settings;
use super::value::{Scalar, put_pair, put_pair_nested};
use super::wire::{field_len, fixed32_tag, fixed64_tag, len_tag, put_bytes, put_varint, varint_tag};
use crate::diagnostics::{self, Repeat};
use crate::error::Result;
use crate::hex;
use crate::json::{self, Value};
use crate::seam::{Clock, Instant, parse_time};
use crate::sink::{Answer, Answers, Envelope, EnvelopeHash, Failure, SinkHealth, SpanThreshold};

const TRACE_ID: u8 = len_tag(1);
const SPAN_ID: u8 = len_tag(2);
const TRACE_STATE: u8 = len_tag(3);
const PARENT: u8 = len_tag(4);
const NAME: u8 = len_tag(5);
const KIND: u8 = varint_tag(6);
const START: u8 = fixed64_tag(7);
const END: u8 = fixed64_tag(8);
const ATTRIBUTES: u8 = len_tag(9);
const STATUS: u8 = len_tag(15);
/// A 32-bit field above 15: its tag takes two bytes.
const FLAGS: [u8; 2] = [0x85, 0x01];

const EVENTS: u8 = len_tag(11);
const EVENTS_DROPPED: u8 = varint_tag(12);
const LINKS: u8 = len_tag(13);
const LINKS_DROPPED: u8 = varint_tag(14);
/// Of an event of a span.
const EVENT_TIME: u8 = fixed64_tag(1);
const EVENT_NAME: u8 = len_tag(2);
const EVENT_ATTRIBUTES: u8 = len_tag(3);
/// Of a link.
const LINK_STATE: u8 = len_tag(3);
const LINK_ATTRIBUTES: u8 = len_tag(4);
const LINK_FLAGS: u8 = fixed32_tag(6);

const INTERNAL: u8 = 1;
const CLIENT: u8 = 3;
/// By their numbers, from 1.
const KINDS: [&str; 5] = ["internal", "server", "client", "producer", "consumer"];
const OK: u8 = 1;
const ERROR: u8 = 2;

/// Members of a `tracestate`, as W3C limits them.
const MOST_MEMBERS: usize = 32;
/// Characters of OpenTelemetry's member, as both limit it.
const MOST_VALUE: usize = 256;
/// Spans that are remembered as sent: more than a lane has in its hands at once.
const MOST_SENT: usize = 16 * 1024;
/// Members of `data` that are no attributes: fields of a span, what is about content, and what policies noted.
const NO_ATTRIBUTES: [&str; 14] = [
    "name",
    "span_kind",
    "span_events",
    "span_links",
    "span_events_left_out",
    "span_links_left_out",
    "parent_span_id",
    "duration_ms",
    "content",
    "disclosures",
    "capture",
    "view",
    "sampling.threshold",
    "sampling.randomness",
];

/// Sends spans beside the log records of the same events.
pub(super) struct SpanSender {
    caller: Caller,
    front: Front,
    /// Those whose spans are there, while the lane may give their envelopes to the sink again.
    sent: HashSet<EnvelopeHash>,
    clock: Arc<dyn Clock>,
    said: Repeat,
}

/// A span of one request.
type Encoded = (EnvelopeHash, Vec<u8>);

impl SpanSender {
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        let front = Front::new(&settings);
        let caller = Caller::new(settings, Arc::clone(&clock))?;
        Ok(Self { caller, front, sent: HashSet::new(), clock, said: Repeat::default() })
    }

    /// How the last request went.
    pub(super) fn health(&self) -> Option<SinkHealth> {
        self.caller.last.clone()
    }

    /// Tries the receiver with a request that holds no spans.
    pub(super) fn probe(&mut self) -> Result<(), Failure> {
        let deadline = self.caller.deadline();
        match self.caller.call(RequestWriter::empty(), 0, deadline) {
            Verdict::Accepted(_) | Verdict::Partial(..) => Ok(()),
            Verdict::Retry(failure, _) | Verdict::Refused(failure) | Verdict::Unread(failure) => Err(failure),
        }
    }

    /// Sends the spans of a batch that are not there yet; an error is to be tried again.
    pub(super) fn send(
        &mut self,
        batch: &[Envelope],
        deadline: Instant,
    ) -> Result<(), (Failure, Option<Duration>)> {
        if self.sent.len() > MOST_SENT {
            // Envelopes that the lane gave up and did not give to the sink again.
            self.sent.clear();
        }
        let most = self.front.limit.saturating_sub(self.front.room());
        let (mut spans, mut size) = (Vec::<Encoded>::new(), 0);
        for envelope in batch.iter().filter(|envelope| envelope.span.is_some()) {
            if self.sent.contains(&envelope.hash) {
                continue;
            }
            let Some(span) = encode(envelope) else { continue };
            let own = field_len(span.len());
            if !spans.is_empty() && size + own > most {
                self.request(&spans, deadline)?;
                spans.clear();
                size = 0;
            }
            size += own;
            spans.push((envelope.hash, span));
        }
        self.request(&spans, deadline)
    }

    /// Sends these in one request, and in halves what is refused as one, so that a span that is refused costs no other.
    fn request(&mut self, spans: &[Encoded], deadline: Instant) -> Result<(), (Failure, Option<Duration>)> {
        if spans.is_empty() {
            return Ok(());
        }
        let mut fields = Vec::new();
        spans.iter().for_each(|(_, span)| put_bytes(&mut fields, SECOND, span));
        let refused = match self.caller.call(self.front.request(&fields), 0, deadline) {
            Verdict::Accepted(_) => None,
            Verdict::Retry(failure, after) => return Err((failure, after)),
            Verdict::Unread(failure) => return Err((failure, None)),
            Verdict::Refused(_) if spans.len() > 1 => {
                let (first, second) = spans.split_at(spans.len() / 2);
                self.request(first, deadline)?;
                return self.request(second, deadline);
            }
            // Which of them were refused a partial success does not say, and none is to be sent again.
            Verdict::Partial(_, failure) | Verdict::Refused(failure) => Some(failure),
        };
        if let Some(failure) = refused {
            let now = self.clock.now();
            if self.said.may_speak(now) {
                self.said.speak(now);
                let told = told(&failure);
                diagnostics::warn(&format!("spans: {told}; their events go as log records all the same"));
            }
        }
        self.sent.extend(spans.iter().map(|(hash, _)| *hash));
        Ok(())
    }

    /// Forgets those that the lane will not give to the sink again, by what became of their records.
    pub(super) fn answered(&mut self, batch: &[Envelope], answers: &Answers) {
        match answers {
            Answers::Retry(..) | Answers::Gone(_) => {}
            // The lane tries the halves.
            Answers::RefusedBatch(_) if batch.len() > 1 => {}
            Answers::Each(each) => {
                for (envelope, answer) in batch.iter().zip(each) {
                    if !matches!(answer, Answer::Retry(..)) {
                        self.sent.remove(&envelope.hash);
                    }
                }
            }
            Answers::Acknowledged | Answers::Partial { .. } | Answers::RefusedBatch(_) => {
                for envelope in batch {
                    self.sent.remove(&envelope.hash);
                }
            }
        }
    }
}

/// The `Span` of an envelope; `None` where it has no trace context.
pub(super) fn encode(envelope: &Envelope) -> Option<Vec<u8>> {
    let form = envelope.span?;
    let whole = json::parse(&envelope.bytes).ok()?;
    let text = |key: &str| whole.get(key).and_then(Value::as_str);
    let (trace, span, flags) = parse_traceparent(text("traceparent")?.as_bytes())?;
    let data = whole.get("data")?;
    let mut out = Vec::with_capacity(512);
    put_bytes(&mut out, TRACE_ID, &trace);
    put_bytes(&mut out, SPAN_ID, &span);
    let state = trace_state(text("tracestate").unwrap_or_default(), form.threshold);
    if !state.is_empty() {
        put_bytes(&mut out, TRACE_STATE, state.as_bytes());
    }
    let said = |key: &str| data.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(parent) = said("parent_span_id").and_then(|id| hex::read::<8>(id.as_bytes())) {
        put_bytes(&mut out, PARENT, &parent);
    }
    let names = Names::get();
    let event_type = text("type").unwrap_or_default();
    put_bytes(&mut out, NAME, name(event_type, &said).as_bytes());
    let is_call = said("mcp.method.name").is_some() || said("source.family") == Some("model");
    let given = said("span_kind").and_then(|kind| KINDS.iter().position(|known| *known == kind));
    let kind = given.and_then(|at| u8::try_from(at + 1).ok());
    out.extend_from_slice(&[KIND, kind.unwrap_or(if is_call { CLIENT } else { INTERNAL })]);
    let end = envelope.time.max(0);
    let took = match data.get("duration_ms") {
        Some(Value::Int(millis)) => millis.saturating_mul(1_000_000),
        #[allow(clippy::cast_possible_truncation, reason = "a float that is out of range saturates")]
        Some(Value::Float(millis)) => (millis * 1e6).round() as i64,
        _ => 0,
    };
    out.push(START);
    out.extend_from_slice(&end.saturating_sub(took.max(0)).max(0).to_le_bytes());
    out.push(END);
    out.extend_from_slice(&end.to_le_bytes());
    let attributes = data.members().iter().filter(|(key, _)| !NO_ATTRIBUTES.contains(&key.as_str()));
    put_attributes(&mut out, ATTRIBUTES, attributes);
    let hash = hex::text(&envelope.hash);
    let own = [
        (names.envelope(b"id"), text("id")),
        (names.envelope(b"type"), Some(event_type)),
        (Some(&b"sinkwell.hash"[..]), Some(hash.as_str())),
        (Some(&b"sinkwell.runid"[..]), text("runid")),
    ];
    for (key, value) in own {
        if let (Some(key), Some(value)) = (key, value) {
            put_pair(&mut out, ATTRIBUTES, key, Scalar::String(value.as_bytes()));
        }
    }
    put_events(&mut out, data);
    put_links(&mut out, data);
    let failed = said("error.type").is_some()
        || said("status") == Some("error")
        || matches!(said("outcome"), Some("error" | "timeout" | "denied"))
        || event_type.ends_with("run.failed");
    let code = match (failed, said("status")) {
        (true, _) => Some(ERROR),
        (false, Some("ok")) => Some(OK),
        _ => None,
    };
    if let Some(code) = code {
        put_bytes(&mut out, STATUS, &[varint_tag(3), code]);
    }
    out.extend_from_slice(&FLAGS);
    out.extend_from_slice(&u32::from(flags).to_le_bytes());
    Some(out)
}

/// The span's own name where its event has it, else the conventions': what is done, and with what.
fn name<'d>(event_type: &'d str, said: &impl Fn(&str) -> Option<&'d str>) -> String {
    if let Some(name) = said("name") {
        return name.to_owned();
    }
    let target = ["gen_ai.tool.name", "tool", "gen_ai.request.model", "gen_ai.agent.name"];
    let target = target.into_iter().find_map(said);
    match (said("mcp.method.name").or_else(|| said("gen_ai.operation.name")), target) {
        (Some(done), Some(target)) => format!("{done} {target}"),
        (Some(done), None) => done.to_owned(),
        (None, Some(target)) => target.to_owned(),
        (None, None) => event_type.to_owned(),
    }
}

/// What happened during the span.
fn put_events(out: &mut Vec<u8>, data: &Value) {
    let mut one = Vec::new();
    for event in data.get("span_events").map(Value::items).unwrap_or_default() {
        let text = |key: &str| event.get(key).and_then(Value::as_str);
        let Some(name) = text("name") else { continue };
        one.clear();
        if let Some(time) = text("time").and_then(parse_time) {
            one.push(EVENT_TIME);
            one.extend_from_slice(&time.max(0).to_le_bytes());
        }
        put_bytes(&mut one, EVENT_NAME, name.as_bytes());
        put_attributes(&mut one, EVENT_ATTRIBUTES, own_attributes(event));
        put_bytes(out, EVENTS, &one);
    }
    put_left_out(out, EVENTS_DROPPED, data.get("span_events_left_out"));
}

/// Other spans that it has to do with.
fn put_links(out: &mut Vec<u8>, data: &Value) {
    let mut one = Vec::new();
    for link in data.get("span_links").map(Value::items).unwrap_or_default() {
        let text = |key: &str| link.get(key).and_then(Value::as_str).unwrap_or_default();
        let trace = hex::read::<16>(text("trace_id").as_bytes());
        let (Some(trace), Some(span)) = (trace, hex::read::<8>(text("span_id").as_bytes())) else { continue };
        one.clear();
        put_bytes(&mut one, TRACE_ID, &trace);
        put_bytes(&mut one, SPAN_ID, &span);
        if !text("state").is_empty() {
            put_bytes(&mut one, LINK_STATE, text("state").as_bytes());
        }
        put_attributes(&mut one, LINK_ATTRIBUTES, own_attributes(link));
        if let Some(flags) = link.get("flags").and_then(Value::as_i64).and_then(|n| u8::try_from(n).ok()) {
            one.push(LINK_FLAGS);
            one.extend_from_slice(&u32::from(flags).to_le_bytes());
        }
        put_bytes(out, LINKS, &one);
    }
    put_left_out(out, LINKS_DROPPED, data.get("span_links_left_out"));
}

fn own_attributes(of: &Value) -> impl Iterator<Item = &(String, Value)> {
    of.get("attributes").map(Value::members).unwrap_or_default().iter()
}

fn put_left_out(out: &mut Vec<u8>, tag: u8, count: Option<&Value>) {
    if let Some(count) = count.and_then(Value::as_i64).and_then(|n| u32::try_from(n).ok()) {
        out.push(tag);
        put_varint(out, count.into());
    }
}

/// Writes members flattened; of two of one name the less nested one.
fn put_attributes<'v>(out: &mut Vec<u8>, tag: u8, members: impl Iterator<Item = &'v (String, Value)>) {
    let mut all: BTreeMap<String, (usize, &Value)> = BTreeMap::new();
    for (key, value) in members {
        flatten(key.clone(), value, 0, &mut all);
    }
    let mut scratch = Vec::new();
    for (key, (_, value)) in all {
        if key.is_empty() || key.starts_with("cloudevents.") || key.starts_with("sinkwell.") {
            continue;
        }
        let scalar = match value {
            Value::String(text) => Scalar::String(text.as_bytes()),
            Value::Bool(value) => Scalar::Bool(*value),
            Value::Int(number) => Scalar::Int(*number),
            Value::Float(number) => Scalar::Double(*number),
            // An attribute without a value is no attribute.
            Value::Null => continue,
            nested => {
                let Ok(text) = nested.to_canonical() else { continue };
                let start = out.len();
                let mut scanner = Scanner::new(&text);
                let written = scanner.token().and_then(|token| {
                    put_pair_nested(out, tag, key.as_bytes(), &mut scanner, &token, &mut scratch)
                });
                if written.is_err() {
                    out.truncate(start);
                }
                continue;
            }
        };
        put_pair(out, tag, key.as_bytes(), scalar);
    }
}

fn flatten<'v>(key: String, value: &'v Value, depth: usize, all: &mut BTreeMap<String, (usize, &'v Value)>) {
    match value {
        Value::Object(members) if depth < super::value::DEEPEST => {
            for (name, value) in members {
                flatten(format!("{key}.{name}"), value, depth + 1, all);
            }
        }
        value => {
            if all.get(&key).is_none_or(|(known, _)| depth < *known) {
                all.insert(key, (depth, value));
            }
        }
    }
}

/// A `tracestate` whose threshold is the one that policies came to; its other members stay as they are, byte for byte.
pub(super) fn trace_state(given: &str, threshold: SpanThreshold) -> String {
    let set = match threshold {
        SpanThreshold::Brought => return given.to_owned(),
        SpanThreshold::Set(threshold) => {
            let digits = format!("{threshold:014x}");
            let short = digits.trim_end_matches('0');
            Some(format!("th:{}", if short.is_empty() { "0" } else { short }))
        }
        SpanThreshold::Unknown => None,
    };
    let members: Vec<&str> = given.split(',').filter(|member| !member.trim().is_empty()).collect();
    let ours = members.iter().find_map(|member| member.trim().strip_prefix("ot="));
    let kept = ours.into_iter().flat_map(|ours| ours.split(';')).filter(|part| !part.starts_with("th:"));
    let kept: Vec<&str> = kept.filter(|part| !part.is_empty()).collect();
    let with = |set: Option<&str>| {
        let parts: Vec<&str> = set.into_iter().chain(kept.iter().copied()).collect();
        parts.join(";")
    };
    let mut value = with(set.as_deref());
    if value.len() > MOST_VALUE || (ours.is_none() && members.len() >= MOST_MEMBERS) {
        // There is no room to say what it is: then it is not known.
        value = with(None);
    }
    let own = (!value.is_empty()).then(|| format!("ot={value}"));
    // What was changed stands first, as W3C asks.
    let others =
        members.iter().filter(|member| !member.trim().starts_with("ot=")).map(|member| (*member).to_owned());
    own.into_iter().chain(others).collect::<Vec<_>>().join(",")
}
