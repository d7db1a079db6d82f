//! A log record of Rust's own logging, straight into an event.
//!
//! Guarantees: the event is the one that [`log`](super::log) makes of [`Record::spelled`], the same record in the form of
//! every language. A record that does not fit in that way (it is too large, a name is too long) goes through there.

use super::log::{NAME, emit_record};
use super::{Door, Told};
use crate::error::{ErrorKind, Result};
use crate::event::{Ready, Trace, Words, Written, with_writer};
use crate::json::{DEFAULT_DEPTH, JsonError, ObjectWriter, Spelled, Value, parse};
use crate::settings::ContentMode;
use crate::types::Severity;

/// A log record; of its members [`log`](super::log) has the table.
#[derive(Debug, Default)]
pub(crate) struct Record<'a> {
    pub(crate) severity: Severity,
    /// `level_name`
    pub(crate) level: &'a str,
    pub(crate) logger: &'a str,
    pub(crate) message: &'a str,
    /// An object's text; empty: none.
    pub(crate) attributes: &'a [u8],
    /// The exception's message; empty: none.
    pub(crate) exception: &'a str,
    /// `code.module`, `code.file`, `code.line`
    pub(crate) module: Option<&'a str>,
    pub(crate) file: Option<&'a str>,
    pub(crate) line: Option<u32>,
    pub(crate) trace: Option<Trace<'a>>,
    pub(crate) permit: ContentMode,
    /// How many of the attributes are not as they were given.
    pub(crate) respelled: u64,
    /// What [`data`](Self::data) made of a record that has the same of all that it is made of.
    pub(crate) known: Option<&'static [u8]>,
}

impl Record<'_> {
    /// Whether its names are as they are given.
    pub(crate) fn is_short(&self) -> bool {
        let names = [Some(self.level), Some(self.logger), self.module, self.file];
        names.into_iter().flatten().all(|name| name.len() <= NAME)
    }

    /// The event's data: canonical, and what a `log.record` is asked for.
    pub(crate) fn data(&self) -> Box<[u8]> {
        with_writer(DEFAULT_DEPTH, |writer| self.written(writer).into())
    }

    fn written<'w>(&self, writer: &'w mut ObjectWriter) -> &'w [u8] {
        // Texts and a small number, in order: nothing that could be refused.
        let _ = self.write_data(writer);
        writer.finish().map(|data| data.bytes()).unwrap_or_default()
    }

    fn write_data(&self, writer: &mut ObjectWriter) -> Result<(), JsonError> {
        writer.begin_object()?;
        if self.module.is_some() || self.file.is_some() || self.line.is_some() {
            writer.key("code")?;
            writer.begin_object()?;
            if let Some(file) = self.file {
                writer.key("file")?;
                writer.string(file)?;
            }
            if let Some(line) = self.line {
                writer.key("line")?;
                writer.int(line.into())?;
            }
            if let Some(module) = self.module {
                writer.key("module")?;
                writer.string(module)?;
            }
            writer.end_object()?;
        }
        writer.key("level")?;
        writer.string(self.level)?;
        writer.key("logger")?;
        writer.string(self.logger)?;
        if self.respelled > 0 {
            writer.key("respelled")?;
            writer.int(self.respelled.into())?;
        }
        writer.end_object()
    }

    fn words(&self) -> Words<'_> {
        let Self { message, attributes, exception, permit, .. } = *self;
        Words { message: message.as_bytes(), attributes, exception: exception.as_bytes(), permit }
    }

    /// The record in the form of every language.
    pub(crate) fn spelled(&self) -> Spelled {
        let mut members: Vec<(String, Value)> = Vec::new();
        let mut put = |key: &str, value: Value| members.push((key.to_owned(), value));
        put("level", Value::Int(self.severity.number().into()));
        put("level_name", self.level.into());
        put("logger", self.logger.into());
        let code = [
            ("module", self.module.map(Value::from)),
            ("file", self.file.map(Value::from)),
            ("line", self.line.map(Value::from)),
        ];
        let code: Vec<_> =
            code.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        if !code.is_empty() {
            put("code", Value::Object(code));
        }
        if let Some(trace) = &self.trace {
            put("trace_id", trace.trace_id.into());
            put("span_id", trace.span_id.into());
            put("flags", Value::Int(trace.flags.into()));
            if let Some(state) = trace.state {
                put("state", state.into());
            }
        }
        put("permit", self.permit.name().into());
        if !self.message.is_empty() {
            put("message", self.message.into());
        }
        if !self.exception.is_empty() {
            put("exception", Value::Object(vec![("message".to_owned(), self.exception.into())]));
        }
        if !self.attributes.is_empty() {
            // It was written here.
            put("attributes", parse(self.attributes).unwrap_or(Value::Null));
        }
        Spelled { value: Value::Object(members), respelled: self.respelled }
    }
}

/// Emits a record, as [`emit_record`] emits [`Record::spelled`].
///
/// # Errors
/// As [`emit_record`].
pub(crate) fn emit_direct<D: Door>(emitter: &D, record: &Record<'_>, waiter: &D::Waiter<'_>) -> Result<()> {
    if record.known.is_some() || record.is_short() {
        let emit = |data: Written<'_>| {
            let ready = Ready { data, severity: record.severity, words: record.words(), trace: record.trace };
            emitter.emit_ready(&ready, waiter)
        };
        let tried = match record.known {
            Some(data) => emit(Written::Always(data)),
            None => with_writer(DEFAULT_DEPTH, |writer| emit(Written::Here(record.written(writer)))),
        };
        match tried {
            Err(e) if e.kind() == ErrorKind::InvalidEvent => {}
            other => return other.inspect_err(|e| emitter.not_emitted(Told::Log, e)),
        }
    }
    emit_record(emitter, &record.spelled(), waiter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::event_of_record;
    use crate::content::Part;
    use crate::event::{Attribute, Data, Event, EventInput, Freezer, Identity, read_value};
    use crate::glob::Globs;
    use crate::settings::Limits;
    use crate::timeline::Timeline;

    fn data(input: &EventInput<'_>) -> String {
        let Data::Object(writer) = input.data else { panic!("no data") };
        String::from_utf8(writer.finish().unwrap().bytes().to_vec()).unwrap()
    }

    fn freezer(tenant: Option<&str>) -> Freezer {
        let identity = Identity {
            agent: "urn:example:agent".into(),
            tenant: tenant.map(Into::into),
            source: "s".to_owned(),
            prefix: "com.example.".to_owned(),
            allow: Globs::default(),
            limits: Limits { envelope: 1 << 20, depth: 64 },
            policy_version: None,
        };
        Freezer::new(identity.into(), Timeline::new(None, false).into())
    }

    /// Everything of two events but when they occurred.
    fn assert_same(one: &Event, other: &Event) {
        const ATTRIBUTES: [Attribute; Attribute::COUNT] = [
            Attribute::Attempt,
            Attribute::Causation,
            Attribute::Correlation,
            Attribute::Run,
            Attribute::Subject,
            Attribute::Traceparent,
            Attribute::Tracestate,
            Attribute::Turn,
        ];
        assert_eq!(one.data(), other.data());
        for attribute in ATTRIBUTES {
            assert_eq!(one.attribute(attribute), other.attribute(attribute), "{attribute:?}");
        }
        assert_eq!((one.agent(), one.tenant()), (other.agent(), other.tenant()));
        assert_eq!(one.event_type(), other.event_type());
        assert_eq!(one.short_type_bytes(), other.short_type_bytes());
        assert_eq!((one.severity, one.terminal), (other.severity, other.terminal));
        assert_eq!((one.parts(), one.child()), (other.parts(), other.child()));
        assert_eq!(one.cost(), other.cost());
        assert_eq!((one.places().len(), other.places().len()), (0, 0));
    }

    #[test]
    fn the_event_is_that_of_the_record_in_the_form_of_every_language() {
        let freezers = [freezer(None), freezer(Some("acme"))];
        let trace = Trace {
            trace_id: "0af7651916cd43dd8448eb211c80319c",
            span_id: "b7ad6b7169203331",
            flags: 1,
            state: Some("a=b"),
        };
        let severities = Severity::ALL.into_iter().flat_map(|severity| {
            [("", None, 0), ("said \"so\"", Some(7), 2)].map(|(message, line, respelled)| Record {
                severity,
                level: severity.text(),
                logger: "app::module",
                message,
                attributes: if respelled > 0 { br#"{"b":1,"a":"two","c":[0.5]}"#.as_slice() } else { b"" },
                exception: if line.is_some() { "gone\ncaused by: gone" } else { "" },
                module: line.map(|_| "app::module"),
                file: (severity != Severity::Warn).then_some("src/app.rs"),
                line,
                trace: line.map(|_| trace),
                permit: if respelled > 0 { ContentMode::Raw } else { ContentMode::Off },
                respelled,
                known: None,
            })
        });
        for record in severities {
            let event = event_of_record(&record.spelled());
            let (mut one, mut other) = (ObjectWriter::new(), ObjectWriter::new());
            record.write_data(&mut one).unwrap();
            read_value(&event, DEFAULT_DEPTH, &mut other, |input| {
                assert_eq!(input.event_type, "log.record");
                assert_eq!(
                    data(&EventInput { data: Data::Object(&one), ..EventInput::new("") }),
                    data(&input)
                );
                assert_eq!(record.words().parts(), input.content);
                let cost: usize = input.content.iter().map(Part::cost).sum();
                assert_eq!(record.words().cost(), cost);
                assert_eq!(*record.data(), *data(&input).as_bytes());
                // What is not asked again: the type's own rules.
                let members = one.finish().unwrap();
                assert!(crate::types::validate("log.record", members.members()).is_ok());
                assert_eq!(Some(record.severity.name()), input.severity);
                assert_eq!(record.trace, input.trace);
                let always: &'static [u8] = Box::leak(record.data());
                for (freezer, run) in freezers.iter().zip([None, Some("run-7")]) {
                    for data in [Written::Here(always), Written::Always(always)] {
                        let words = record.words();
                        let ready = Ready { data, severity: record.severity, words, trace: record.trace };
                        let whole = freezer.freeze(EventInput { run, ..input.clone() })?;
                        let mut event = Event::blank();
                        freezer.freeze_record(&mut event, &ready, run)?;
                        assert_same(&event, &whole);
                    }
                }
                Ok(())
            })
            .unwrap();
        }
    }
}
