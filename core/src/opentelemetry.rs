//! Spans of the OpenTelemetry SDK into events: a [`SpanProcessor`].
//!
//! Guarantees: a span is converted, and that is all; which span is which event is the span bridge's to say, the same in every
//! language. The processor never waits unless it is told to, and leaves out what is traced within a sink.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
/// A span by its trace context.
fn identified(context: &SpanContext) -> Vec<(&'static str, Value)> {
    let mut members = vec![
        ("trace_id", context.trace_id().to_string().into()),
        ("span_id", context.span_id().to_string().into()),
        ("flags", Value::Int(context.trace_flags().to_u8().into())),
    ];
    let state = context.trace_state().header();
    if !state.is_empty() {
        members.push(("state", state.into()));
    }
    members
}

#[allow(clippy::disallowed_types, reason = "a time to tell; the clock is not asked")]
use std::time::SystemTime;

use ::opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
use ::opentelemetry::{Array, Context, KeyValue, Value as Given};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData};

use crate::bridge::emit_span_value;
use crate::emitter::{Emitter, Wait};
use crate::json::{Plain, Value};
use crate::settings::ContentMode;
use crate::through::Through;

/// Emits what each span stands for: an agent's when it starts, too, every other when it has ended. Spans that follow the
/// GenAI and MCP conventions are runs, tool calls and usage, all others a `span`; messages, arguments and results become
/// content parts.
///
/// ```
/// # fn main() -> sinkwell::Result<()> {
/// # let config = r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned();
/// # let config = sinkwell::config::Config::load(
/// #     sinkwell::config::Source::Mapping(config), &sinkwell::seam::SystemEnv::default())?;
/// # let emitter = std::sync::Arc::new(sinkwell::Emitter::open(sinkwell::Options::new(config))?);
/// use opentelemetry::trace::{Tracer as _, TracerProvider as _};
/// use opentelemetry_sdk::trace::SdkTracerProvider;
///
/// // `SpanProcessor::new()` alone emits through the process's default emitter.
/// let processor = sinkwell::opentelemetry::SpanProcessor::new().emitter(emitter.clone());
/// let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
/// provider.tracer("agent").in_span("execute_tool search", |_| ());
/// # let counters = emitter.counters();
/// # assert_eq!(counters[0].1.admitted, 1);
/// # Ok(())
/// # }
/// ```
///
/// What a sampler drops reaches no processor: sample behind it, by policies.
#[derive(Default)]
#[must_use]
pub struct SpanProcessor {
    through: Through,
    permit: ContentMode,
}

impl fmt::Debug for SpanProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanProcessor").field("permit", &self.permit.name()).finish_non_exhaustive()
    }
}

impl SpanProcessor {
    /// One that emits through the process's default emitter, which the first span opens.
    pub fn new() -> Self {
        Self::default()
    }

    /// Emits through this one, which stays its owner's to end.
    pub fn emitter(mut self, emitter: Arc<Emitter>) -> Self {
        self.through.emitter = Some(emitter);
        self
    }

    /// The most that the content of the spans may be captured, as a content part's; default `Off`.
    pub fn permit(mut self, permit: ContentMode) -> Self {
        self.permit = permit;
        self
    }

    /// Whether a thread that starts or ends a span may wait, up to a lane's `block_timeout`, when a blocking lane is full.
    /// Default `false`: such a span is then refused, counted, and told to the host's logger.
    pub fn wait(mut self, wait: bool) -> Self {
        self.through.wait = if wait { Wait::Allowed } else { Wait::Never };
        self
    }

    fn emit(&self, span: &SpanData, ended: bool) {
        let span = described(span, ended, self.permit);
        // Instrumentation never breaks what it watches; of what is refused the emitter counts, and tells the host's logger.
        self.through.with("spans", |emitter| drop(emit_span_value(emitter, &span, &self.through.wait)));
    }

    /// Waits until every lane has delivered or declared what it was given.
    fn flush(&self, timeout: Duration) -> OTelSdkResult {
        let report = self.through.open().map(|emitter| emitter.flush(timeout)).unwrap_or_default();
        let pending = report.iter().any(|(_, lane)| lane.pending > 0);
        if pending { Err(OTelSdkError::Timeout(timeout)) } else { Ok(()) }
    }
}

impl opentelemetry_sdk::trace::SpanProcessor for SpanProcessor {
    fn on_start(&self, span: &mut Span, _: &Context) {
        if let Some(span) = span.exported_data() {
            self.emit(&span, false);
        }
    }

    fn on_end(&self, span: SpanData) {
        self.emit(&span, true);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.flush(Duration::from_secs(30))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.flush(timeout)
    }
}

fn described(span: &SpanData, ended: bool, permit: ContentMode) -> Value {
    let mut members: Vec<(String, Value)> = Vec::with_capacity(14);
    let mut put = |member: &str, value: Value| members.push((member.to_owned(), value));
    put("name", span.name.as_ref().into());
    let kind = match span.span_kind {
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    };
    put("kind", kind.into());
    let context = &span.span_context;
    if context.is_valid() {
        identified(context).into_iter().for_each(|(member, value)| put(member, value));
    }
    if span.parent_span_id != SpanId::INVALID {
        put("parent_span_id", span.parent_span_id.to_string().into());
        put("parent_is_remote", span.parent_span_is_remote.into());
    }
    put("start_unix_nano", nanos(span.start_time));
    let status = match span.status {
        Status::Unset => "unset",
        Status::Ok => "ok",
        // Its description may be people's words.
        Status::Error { .. } => "error",
    };
    put("status", status.into());
    if ended {
        put("end_unix_nano", nanos(span.end_time));
        if std::thread::panicking() {
            put("raised", "panic".into());
        }
    }
    put("attributes", attributes(&span.attributes));
    let events = span.events.iter().map(|event| {
        Value::Object(vec![
            ("name".to_owned(), event.name.as_ref().into()),
            ("time_unix_nano".to_owned(), nanos(event.timestamp)),
            ("attributes".to_owned(), attributes(&event.attributes)),
        ])
    });
    put("events", Value::Array(events.collect()));
    let links = span.links.iter().map(|link| {
        let identified = identified(&link.span_context).into_iter();
        let members = identified.map(|(member, value)| (member.to_owned(), value));
        let own = [("attributes".to_owned(), attributes(&link.attributes))];
        Value::Object(members.chain(own).collect())
    });
    put("links", Value::Array(links.collect()));
    put("permit", permit.name().into());
    Value::Object(members)
}

#[allow(clippy::disallowed_types, reason = "a time to tell; the clock is not asked")]
fn nanos(time: SystemTime) -> Value {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos().to_string().into()
}

fn attributes(given: &[KeyValue]) -> Value {
    let mut plain = Plain::new();
    plain.object();
    for KeyValue { key, value, .. } in given {
        plain.name(key.as_str());
        match value {
            Given::Bool(value) => plain.truth(*value),
            Given::I64(value) => plain.integer((*value).into()),
            Given::F64(value) => plain.double(*value),
            Given::String(value) => plain.text(value.as_str().as_bytes()),
            Given::Array(Array::Bool(items)) => list(&mut plain, items, |plain, item| plain.truth(*item)),
            Given::Array(Array::I64(items)) => {
                list(&mut plain, items, |plain, item| plain.integer((*item).into()))
            }
            Given::Array(Array::F64(items)) => list(&mut plain, items, |plain, item| plain.double(*item)),
            Given::Array(Array::String(items)) => {
                list(&mut plain, items, |plain, item| plain.text(item.as_str().as_bytes()));
            }
            // A kind of value that came after this was written.
            other => plain.spelled(other.to_string()),
        }
    }
    plain.finish().value
}

fn list<T>(plain: &mut Plain, items: &[T], each: impl Fn(&mut Plain, &T)) {
    plain.list();
    items.iter().for_each(|item| each(plain, item));
    plain.end();
}
