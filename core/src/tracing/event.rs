//! An event of `tracing`'s, as the log bridge takes a record.
//!
//! Guarantees: every field is kept: as the message, the error, or an attribute. What came through the `log` crate
//! (`tracing-log`) has the logger and the place that it had there.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::{self, Write as _};

use tracing_core::field::{FieldSet, Iter, Visit};
use tracing_core::{Event, Field, Level, Metadata};

use super::Layer;
use super::span::Ids;
use crate::bridge::{Record, emit_direct};
use crate::json::Flat;
use crate::types::Severity;

/// The name of a field, without the mark of a raw identifier.
pub(super) fn name_of(field: &Field) -> &'static str {
    let name = field.name();
    name.strip_prefix("r#").unwrap_or(name)
}

/// The name by which `tracing-log` marks what came through the `log` crate.
const LOG: &str = "log";

/// What a thread reads events into.
#[derive(Default)]
struct Buffers {
    message: String,
    attributes: Flat,
    exception: String,
    /// A value's text on its way into `attributes`.
    text: String,
    /// Of the `log` crate: target, module, file and line.
    log: [String; 3],
    line: Option<u32>,
    known: Known,
}

/// The data of events of some callsites: it says where an event is from, which is always the same.
struct Known([Option<Said>; 64]);

struct Said {
    callsite: &'static Metadata<'static>,
    data: Box<[u8]>,
}

impl Default for Known {
    fn default() -> Self {
        Self([const { None }; 64])
    }
}

impl Known {
    /// What events of this callsite say, which `data` writes if it is not known.
    fn of(&mut self, callsite: &'static Metadata<'static>, data: impl FnOnce() -> Box<[u8]>) -> &[u8] {
        let at = std::ptr::from_ref(callsite).addr() / size_of::<Metadata<'_>>();
        let place = &mut self.0[at % 64];
        // Two that meet here take turns.
        if place.as_ref().is_some_and(|said| !std::ptr::eq(said.callsite, callsite)) {
            *place = None;
        }
        &place.get_or_insert_with(|| Said { callsite, data: data() }).data
    }
}

impl Buffers {
    fn clear(&mut self) {
        self.message.clear();
        self.attributes.clear();
        self.exception.clear();
        self.log.iter_mut().for_each(String::clear);
        self.line = None;
    }
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

pub(super) fn emit(layer: &Layer, event: &Event<'_>, ids: Option<Ids>) {
    let tried = BUFFERS.try_with(|buffers| match buffers.try_borrow_mut() {
        Ok(mut buffers) => with(layer, event, ids, &mut buffers),
        // A value traced while it was read.
        Err(_) => with(layer, event, ids, &mut Buffers::default()),
    });
    if tried.is_err() {
        with(layer, event, ids, &mut Buffers::default());
    }
}

fn with(layer: &Layer, event: &Event<'_>, ids: Option<Ids>, buffers: &mut Buffers) {
    buffers.clear();
    let metadata = event.metadata();
    let from_log = metadata.target() == LOG && event.fields().any(|field| field.name() == "log.target");
    let fields = metadata.fields();
    event.record(&mut Reading {
        fields,
        names: Names { rest: fields.iter(), bits: 0 },
        from_log,
        into: buffers,
    });
    let respelled = buffers.attributes.respelled();
    let (severity, level) = match *metadata.level() {
        Level::TRACE => (Severity::Trace, "TRACE"),
        Level::DEBUG => (Severity::Debug, "DEBUG"),
        Level::INFO => (Severity::Info, "INFO"),
        Level::WARN => (Severity::Warn, "WARN"),
        Level::ERROR => (Severity::Error, "ERROR"),
    };
    let Buffers { message, attributes, exception, log, line, known, .. } = buffers;
    let of_log = |at: usize| Some(log[at].as_str()).filter(|text| !text.is_empty());
    let outer = if ids.is_some() { None } else { outer::active() };
    let mut record = Record {
        severity,
        level,
        logger: if from_log { &log[0] } else { metadata.target() },
        message,
        attributes: attributes.finish(),
        exception,
        module: if from_log { of_log(1) } else { metadata.module_path() },
        file: if from_log { of_log(2) } else { metadata.file() },
        line: if from_log { *line } else { metadata.line() },
        trace: ids.as_ref().map(Ids::trace).or_else(|| outer.as_ref().map(outer::Active::trace)),
        permit: layer.permit,
        respelled,
        known: None,
    };
    if !from_log && respelled == 0 && record.is_short() {
        let data = known.of(metadata, || record.data());
        record.known = Some(data);
    }
    // Whoever traces asks for no answer: of what is refused the emitter counts, and tells the host's logger.
    layer.through.with("events", |emitter| drop(emit_direct(emitter, &record, &layer.through.wait)));
}

/// The span that OpenTelemetry has active here, where no span of the layer's own is.
#[cfg(not(feature = "opentelemetry"))]
mod outer {
    use crate::event::Trace;

    pub(super) enum Active {}

    impl Active {
        pub(super) fn trace(&self) -> Trace<'_> {
            match *self {}
        }
    }

    pub(super) fn active() -> Option<Active> {
        None
    }
}

#[cfg(feature = "opentelemetry")]
use crate::opentelemetry::active as outer;

/// The names of an event's first fields, as bits: nearly all names are told apart by theirs.
struct Names {
    /// Of the other fields.
    rest: Iter,
    bits: u64,
}

impl Names {
    fn bit(field: &Field) -> u64 {
        let name = name_of(field).as_bytes();
        let byte = |at: Option<&u8>| usize::from(at.copied().unwrap_or_default());
        // Its length, its end and its middle: many names of one event begin alike.
        let mixed = name.len() + 7 * byte(name.last()) + 31 * byte(name.get(name.len() / 2));
        1 << (mixed % 64)
    }

    /// Whether a field before this one may have its name. Fields are asked for in their order.
    fn may_be_before(&mut self, field: &Field) -> bool {
        for other in self.rest.by_ref() {
            let (earlier, bit) = (self.bits, Self::bit(&other));
            self.bits |= bit;
            if other.index() == field.index() {
                return earlier & bit != 0;
            }
        }
        // It was among them before, out of the order in which they stand.
        true
    }
}

/// Reads an event's fields.
struct Reading<'a> {
    fields: &'a FieldSet,
    names: Names,
    from_log: bool,
    into: &'a mut Buffers,
}

impl Reading<'_> {
    /// Writes an attribute, under a name of its own if an earlier field has its name.
    fn put(&mut self, field: &Field, put: impl FnOnce(&mut Flat, &str, &str)) {
        let name = name_of(field);
        let earlier = if self.names.may_be_before(field) {
            self.fields.iter().take(field.index()).filter(|other| name_of(other) == name).count()
        } else {
            0
        };
        let Buffers { attributes, text, .. } = &mut *self.into;
        if earlier == 0 {
            put(attributes, name, text);
        } else {
            attributes.note();
            put(attributes, &format!("{name}#{}", earlier + 1), text);
        }
    }

    /// Writes a text: the message, a place of the `log` crate's, or an attribute.
    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let into = &mut *self.into;
        let slot = match name_of(field) {
            "message" => &mut into.message,
            "log.target" if self.from_log => &mut into.log[0],
            "log.module_path" if self.from_log => &mut into.log[1],
            "log.file" if self.from_log => &mut into.log[2],
            _ => {
                into.text.clear();
                // A value that cannot be written is as far as it came.
                let _ = into.text.write_fmt(value);
                return self.put(field, |attributes, name, text| attributes.string(name, text));
            }
        };
        let _ = slot.write_fmt(value);
    }
}

impl Visit for Reading<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, |attributes, name, _| attributes.double(name, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |attributes, name, _| attributes.integer(name, value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if self.from_log && field.name() == "log.line" {
            self.into.line = u32::try_from(value).ok();
            return;
        }
        self.put(field, |attributes, name, _| attributes.integer(name, value.into()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, |attributes, name, _| attributes.integer(name, value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, |attributes, name, _| match i128::try_from(value) {
            Ok(value) => attributes.integer(name, value),
            Err(_) => attributes.spelled(name, &value.to_string()),
        });
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |attributes, name, _| attributes.truth(name, value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if matches!(field.name(), "message") || self.from_log {
            return self.text(field, format_args!("{value}"));
        }
        self.put(field, |attributes, name, _| attributes.string(name, value));
    }

    /// The first error is the record's exception, with what caused it.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if !self.into.exception.is_empty() {
            return self.text(field, format_args!("{value}"));
        }
        let said = &mut self.into.exception;
        let _ = write!(said, "{value}");
        let mut cause = value.source();
        while let Some(error) = cause {
            let _ = write!(said, "\ncaused by: {error}");
            cause = error.source();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}
