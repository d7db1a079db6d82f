//! The event that everybody emits: a dozen attributes, about 500 bytes as JSON, one of them different each
//! time.

use opentelemetry::logs::{AnyValue, LogRecord, Severity};
use sinkwell::json::{JsonError, ObjectWriter};

/// The type of the event.
pub(crate) const TYPE: &str = "com.example.tool.called";

/// Keys are constants of the program, as they are for everybody; texts come from outside, so the peer must
/// own them.
pub(crate) const TEXTS: [(&str, &str); 8] = [
    ("agent.version", "2026.11.3"),
    ("decision", "allowed"),
    ("gen_ai.request.model", "example-model-large-2026-10-01"),
    ("policy", "urn:example:policy/tools/read-only"),
    ("resource", "https://tickets.example.com/api/v2/tickets/483920/comments"),
    ("session.id", "0193f9a2-7c1e-7b52-a1f4-5d0c2f6e8b91"),
    ("summary", "Looked up the comments of a ticket to find out which release the customer runs; 14 found"),
    ("tool.name", "ticket_comments"),
];

/// What sinkwell is given.
pub(crate) fn write(writer: &mut ObjectWriter, n: i64) -> Result<(), JsonError> {
    writer.reset(64);
    writer.begin_object()?;
    for (key, text) in TEXTS {
        writer.key(key)?;
        writer.string(text)?;
    }
    writer.key("usage.call")?;
    writer.int(n.into())?;
    writer.key("usage.duration_ms")?;
    writer.float(18.25)?;
    writer.key("usage.input_tokens")?;
    writer.int(1843)?;
    writer.key("user.confirmed")?;
    writer.bool(true)?;
    writer.end_object()
}

/// An event of another size: one text.
pub(crate) fn write_sized(writer: &mut ObjectWriter, n: i64, text: &str) -> Result<(), JsonError> {
    writer.reset(64);
    writer.begin_object()?;
    writer.key("text")?;
    writer.string(text)?;
    writer.key("usage.call")?;
    writer.int(n.into())?;
    writer.end_object()
}

/// What the OpenTelemetry SDK is given.
pub(crate) fn fill(record: &mut impl LogRecord, n: i64) {
    record.set_event_name(TYPE);
    record.set_severity_number(Severity::Info);
    record.set_severity_text("INFO");
    for (key, text) in TEXTS {
        record.add_attribute(key, AnyValue::String(text.to_owned().into()));
    }
    record.add_attribute("usage.call", n);
    record.add_attribute("usage.duration_ms", 18.25);
    record.add_attribute("usage.input_tokens", 1843);
    record.add_attribute("user.confirmed", true);
}
