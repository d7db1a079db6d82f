//! A span of `tracing`'s, as the span bridge takes one.
//!
//! Guarantees: a span's ids are of the form of W3C trace context, the trace's that of the outermost span here. It is told
//! when it starts and when it ends, so that the core knows which run everything inside it belongs to.

use std::error::Error;
use std::fmt;

use tracing_core::Field;
use tracing_core::field::Visit;

use super::Layer;
use super::plan::name_of;
use crate::bridge::emit_span_value;
use crate::emitter::Emitter;
use crate::event::Trace;
use crate::hex;
use crate::json::{Plain, Value};
use crate::seam::{Clock as _, Random as _, SystemClock, SystemRandom, UnixNanos};

/// The ids of a span, in hexadecimal digits.
#[derive(Clone, Copy)]
pub(super) struct Ids {
    trace: [u8; 32],
    span: [u8; 16],
}

impl Ids {
    fn new(around: Option<Self>) -> Self {
        let random = SystemRandom.bytes16("", 0);
        let trace = around.map_or_else(|| digits(&random), |around| around.trace);
        Self { trace, span: digits(&SystemRandom.bytes16("", 0)[..8]) }
    }

    /// As the context of an event.
    pub(super) fn trace(&self) -> Trace<'_> {
        Trace { trace_id: text(&self.trace), span_id: text(&self.span), flags: 1, state: None }
    }
}

/// The digits of half as many bytes.
fn digits<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut digits = [b'0'; N];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&hex::pair(*byte));
    }
    digits
}

fn text(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

/// What is known of an open span.
pub(super) struct Open {
    ids: Ids,
    around: Option<Ids>,
    start: UnixNanos,
    /// `otel.name`
    name: Option<String>,
    /// `otel.status_code`
    status: Option<&'static str>,
    failed: bool,
    attributes: Vec<(String, Value)>,
}

impl Open {
    pub(super) fn new(around: Option<Ids>) -> Self {
        Self {
            ids: Ids::new(around),
            around,
            start: SystemClock::default().unix_nanos(),
            name: None,
            status: None,
            failed: false,
            attributes: Vec::new(),
        }
    }

    pub(super) fn ids(&self) -> Ids {
        self.ids
    }

    /// An error was traced in it.
    pub(super) fn failed(&mut self) {
        self.failed = true;
    }

    /// Tells of its start or, with a time, of its end.
    pub(super) fn tell(&self, emitter: &Emitter, name: &str, layer: &Layer, end: Option<UnixNanos>) {
        let name = self.name.as_deref().unwrap_or(name);
        let status = self.status.unwrap_or(if self.failed { "error" } else { "unset" });
        let mut members: Vec<(String, Value)> = Vec::with_capacity(10);
        let mut put = |member: &str, value: Value| members.push((member.to_owned(), value));
        put("name", name.into());
        put("trace_id", text(&self.ids.trace).into());
        put("span_id", text(&self.ids.span).into());
        if let Some(around) = &self.around {
            put("parent_span_id", text(&around.span).into());
        }
        put("flags", Value::Int(1));
        put("start_unix_nano", self.start.to_string().into());
        if let Some(end) = end {
            put("end_unix_nano", end.to_string().into());
            put("status", status.into());
            if std::thread::panicking() {
                put("raised", "panic".into());
            }
        }
        put("attributes", Value::Object(self.attributes.clone()));
        put("permit", layer.permit.name().into());
        // Whoever traces asks for no answer: of what is refused the emitter counts, and tells the host's logger.
        drop(emit_span_value(emitter, &Value::Object(members), &layer.through.wait));
    }

    fn put(&mut self, field: &Field, spell: impl FnOnce(&mut Plain)) {
        let mut plain = Plain::new();
        spell(&mut plain);
        let value = plain.finish().value;
        let name = name_of(field);
        match (name, value.as_str()) {
            ("otel.name", Some(given)) => self.name = Some(given.to_owned()),
            ("otel.status_code", Some(given)) => {
                let known = ["unset", "ok", "error"].into_iter();
                self.status = known.into_iter().find(|known| known.eq_ignore_ascii_case(given));
            }
            _ => match self.attributes.iter_mut().find(|(known, _)| known == name) {
                Some((_, old)) => *old = value,
                None => self.attributes.push((name.to_owned(), value)),
            },
        }
    }
}

impl Visit for Open {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, |plain| plain.double(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |plain| plain.integer(value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |plain| plain.integer(value.into()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, |plain| plain.integer(value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, |plain| match i128::try_from(value) {
            Ok(value) => plain.integer(value),
            Err(_) => plain.spelled(value.to_string()),
        });
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |plain| plain.truth(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, |plain| plain.text(value.as_bytes()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, |plain| plain.text(value.to_string().as_bytes()));
        self.failed();
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, |plain| plain.text(format!("{value:?}").as_bytes()));
    }
}
