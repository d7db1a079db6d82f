//! What is known of a place in the code before it is asked: the names of its fields, and what its events say of it.
//!
//! Guarantees: what a place always says alike is worked out once for a thread that traces there. A thread remembers so many
//! places; where there are more, they take turns.

use std::collections::BTreeMap;

use tracing_core::field::FieldSet;
use tracing_core::{Field, Level, Metadata};

use crate::bridge::Record;
use crate::json::write_string;
use crate::seam::fork::PerProcess;
use crate::sync::{Mutex, lock};
use crate::types::Severity;

/// How many places a thread remembers.
const REMEMBERED: usize = 64;

/// The name of a field, without the mark of a raw identifier.
pub(super) fn name_of(field: &Field) -> &'static str {
    let name = field.name();
    name.strip_prefix("r#").unwrap_or(name)
}

/// By this name `tracing-log` marks what came through the `log` crate.
const LOG: &str = "log";

/// What a field is, beside an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Attribute,
    Message,
    /// Of the `log` crate: target, module or file, in this order.
    Log(usize),
    /// Of the `log` crate.
    Line,
}

impl Role {
    fn of(name: &str, from_log: bool) -> Self {
        match name {
            "message" => Self::Message,
            "log.target" if from_log => Self::Log(0),
            "log.module_path" if from_log => Self::Log(1),
            "log.file" if from_log => Self::Log(2),
            "log.line" if from_log => Self::Line,
            _ => Self::Attribute,
        }
    }
}

/// A field.
pub(super) struct Known {
    pub(super) role: Role,
    /// As an attribute's name in JSON: quoted, with a colon after it and a comma before it.
    pub(super) key: Box<[u8]>,
    /// Whether it has another name there than its own, which an earlier field has.
    pub(super) renamed: bool,
}

impl Known {
    fn of(field: &Field, fields: &FieldSet, from_log: bool) -> Self {
        let name = name_of(field);
        let earlier = fields.iter().take(field.index()).filter(|other| name_of(other) == name).count();
        let mut key = vec![b','];
        match earlier {
            0 => write_string(&mut key, name),
            _ => write_string(&mut key, &format!("{name}#{}", earlier + 1)),
        }
        key.push(b':');
        Self { role: Role::of(name, from_log), key: key.into(), renamed: earlier > 0 }
    }
}

/// A place in the code.
pub(super) struct Plan {
    place: &'static Metadata<'static>,
    pub(super) from_log: bool,
    pub(super) severity: Severity,
    pub(super) level: &'static str,
    /// In their order.
    pub(super) fields: Box<[Known]>,
    /// The data of its events, if that is always the same unless a value had to be respelled.
    pub(super) data: Option<&'static [u8]>,
}

impl Plan {
    fn of(place: &'static Metadata<'static>) -> Self {
        let fields = place.fields();
        let from_log = place.target() == LOG && fields.iter().any(|field| field.name() == "log.target");
        let (severity, level) = match *place.level() {
            Level::TRACE => (Severity::Trace, "TRACE"),
            Level::DEBUG => (Severity::Debug, "DEBUG"),
            Level::INFO => (Severity::Info, "INFO"),
            Level::WARN => (Severity::Warn, "WARN"),
            Level::ERROR => (Severity::Error, "ERROR"),
        };
        let record = Record {
            severity,
            level,
            logger: place.target(),
            module: place.module_path(),
            file: place.file(),
            line: place.line(),
            ..Record::default()
        };
        Self {
            place,
            from_log,
            severity,
            level,
            fields: fields.iter().map(|field| Known::of(&field, fields, from_log)).collect(),
            data: (!from_log && record.is_short()).then(|| always(place, &record)),
        }
    }
}

/// The data of this place's events, kept as long as the process, as the place itself is: its events have it without a copy. One
/// for all threads, and for a place that another one took the memory of (that of a library which was unloaded) its own.
fn always(place: &'static Metadata<'static>, record: &Record<'_>) -> &'static [u8] {
    static KEPT: PerProcess<Mutex<BTreeMap<usize, &'static [u8]>>> = PerProcess::new();
    let data = record.data();
    let mine = KEPT.get();
    let mut kept = lock(&mine);
    let kept = kept.entry(std::ptr::from_ref(place).addr()).or_default();
    if **kept != *data {
        *kept = Box::leak(data);
    }
    kept
}

/// The places that a thread remembers.
pub(super) struct Plans([Option<Box<Plan>>; REMEMBERED]);

impl Default for Plans {
    fn default() -> Self {
        Self([const { None }; REMEMBERED])
    }
}

impl Plans {
    /// What is known of this place; every place is there for as long as the process.
    pub(super) fn of(&mut self, place: &'static Metadata<'static>) -> &Plan {
        let at = std::ptr::from_ref(place).addr() / size_of::<Metadata<'_>>();
        let known = &mut self.0[at % REMEMBERED];
        // Two that meet here take turns.
        if known.as_ref().is_some_and(|plan| !std::ptr::eq(plan.place, place)) {
            *known = None;
        }
        known.get_or_insert_with(|| Box::new(Plan::of(place)))
    }
}
