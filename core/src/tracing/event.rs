//! An event of `tracing`'s, as the log bridge takes a record.
//!
//! Guarantees: every field is kept: as the message, the error, or an attribute. What came through the `log` crate
//! (`tracing-log`) has the logger and the place that it had there.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::{self, Write as _};

use tracing_core::field::Visit;
use tracing_core::{Event, Field};

use super::Layer;
use super::plan::{Known, Plan, Plans, Role};
use super::span::Ids;
use crate::active::{Active, active};
use crate::bridge::{Record, emit_direct};
use crate::json::Flat;

/// What a thread reads events into.
#[derive(Default)]
struct Buffers {
    plans: Plans,
    texts: Texts,
}

#[derive(Default)]
struct Texts {
    message: String,
    attributes: Flat,
    exception: String,
    /// A value's text on its way into `attributes`.
    text: String,
    /// Of the `log` crate: target, module and file.
    log: [String; 3],
    /// Of the `log` crate.
    line: Option<u32>,
}

impl Texts {
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
        Ok(mut buffers) => with(layer, event, ids.as_ref(), &mut buffers),
        // A value traced while it was read.
        Err(_) => with(layer, event, ids.as_ref(), &mut Buffers::default()),
    });
    if tried.is_err() {
        with(layer, event, ids.as_ref(), &mut Buffers::default());
    }
}

fn with(layer: &Layer, event: &Event<'_>, ids: Option<&Ids>, buffers: &mut Buffers) {
    let Buffers { plans, texts } = buffers;
    let metadata = event.metadata();
    let plan = plans.of(metadata);
    texts.clear();
    event.record(&mut Reading { plan, into: texts });
    let Texts { message, attributes, exception, log, line, .. } = texts;
    let of_log = |at: usize| Some(log[at].as_str()).filter(|text| !text.is_empty());
    // The span that OpenTelemetry has active here, where no span of the layer's own is.
    let outer = if ids.is_some() { None } else { active() };
    let respelled = attributes.respelled();
    let record = Record {
        severity: plan.severity,
        level: plan.level,
        logger: if plan.from_log { &log[0] } else { metadata.target() },
        message,
        attributes: attributes.finish(),
        exception,
        module: if plan.from_log { of_log(1) } else { metadata.module_path() },
        file: if plan.from_log { of_log(2) } else { metadata.file() },
        line: if plan.from_log { *line } else { metadata.line() },
        trace: ids.map(Ids::trace).or_else(|| outer.as_ref().map(Active::trace)),
        permit: layer.permit,
        respelled,
        known: plan.data.filter(|_| respelled == 0),
    };
    // Whoever traces asks for no answer: of what is refused the emitter counts, and tells the host's logger.
    layer.through.with("events", |emitter| drop(emit_direct(emitter, &record, &layer.through.wait)));
}

/// Reads an event's fields.
struct Reading<'a> {
    plan: &'a Plan,
    into: &'a mut Texts,
}

impl<'a> Reading<'a> {
    /// What is known of a field. All that an event has are those of its place.
    fn known(&self, field: &Field) -> Option<&'a Known> {
        self.plan.fields.get(field.index())
    }

    /// Writes an attribute.
    fn put(&mut self, field: &Field, put: impl FnOnce(&mut Flat, &[u8])) {
        if let Some(known) = self.known(field) {
            self.put_as(known, put);
        }
    }

    fn put_as(&mut self, known: &Known, put: impl FnOnce(&mut Flat, &[u8])) {
        if known.renamed {
            self.into.attributes.note();
        }
        put(&mut self.into.attributes, &known.key);
    }

    /// Writes a text: the message, a place of the `log` crate's, or an attribute. A value that cannot be written is as far as
    /// it came.
    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let Some(known) = self.known(field) else { return };
        let into = &mut *self.into;
        let slot = match known.role {
            Role::Message => &mut into.message,
            Role::Log(at) => &mut into.log[at],
            Role::Attribute | Role::Line => {
                let mut text = std::mem::take(&mut into.text);
                text.clear();
                let _ = text.write_fmt(value);
                self.put_as(known, |attributes, key| attributes.string(key, &text));
                self.into.text = text;
                return;
            }
        };
        let _ = slot.write_fmt(value);
    }
}

impl Visit for Reading<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, |attributes, key| attributes.double(key, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |attributes, key| attributes.small(key, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let Some(known) = self.known(field) else { return };
        if known.role == Role::Line {
            self.into.line = u32::try_from(value).ok();
            return;
        }
        self.put_as(known, |attributes, key| attributes.integer(key, value.into()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, |attributes, key| attributes.integer(key, value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, |attributes, key| match i128::try_from(value) {
            Ok(value) => attributes.integer(key, value),
            Err(_) => attributes.spelled(key, &value.to_string()),
        });
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |attributes, key| attributes.truth(key, value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let Some(known) = self.known(field) else { return };
        match known.role {
            Role::Message => self.into.message.push_str(value),
            Role::Log(at) => self.into.log[at].push_str(value),
            Role::Attribute | Role::Line => {
                self.put_as(known, |attributes, key| attributes.string(key, value));
            }
        }
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
