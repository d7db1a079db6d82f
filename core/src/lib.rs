#![doc = include_str!("../README.md")]
//!
//! # The map
//!
//! One event goes through the modules from the top of this list to its bottom, and a module imports only from those
//! below it (`core/tests/ladder.rs` holds that).
//!
//! | module | what it is |
//! | --- | --- |
//! | `intake` | the other end of the `stream` sink: takes streams, and gives their envelopes to a sink |
//! | `async_sink` | a sink of one's own, in the form that every language has |
//! | `signed` | a sealed envelope with its attributes by name |
//! | `verify` | is what arrived whole and unaltered? shares the lowest modules with the rest, and none of its state |
//! | `tracing` | what is traced: events as log records, spans as spans |
//! | `opentelemetry` | the OpenTelemetry SDK's spans |
//! | `through` | the emitter that these emit through, and what they leave out |
//! | `simple` | two lines: an event from values, through the process's default emitter |
//! | `active` | the trace context of the code that emits |
//! | `host` | what every binding needs: opening with host sinks, reports as JSON, the default emitter |
//! | `doctor` | looks at a configuration and says what would go wrong |
//! | `vacuum` | events out of log streams |
//! | `deed` | an act that happens only once its intent is safe, and what came of it |
//! | `emitter` | what a program opens: admission, flush, shutdown, signals, metrics |
//! | `receipt` | what a caller holds of one event, and can await |
//! | `policy` | telemetry policies: documents, expressions as programs, what they do to an event |
//! | `lane` | all between the emitter and one sink: queue, sealing, delivery, losses, health; what lanes tell each other |
//! | `journal` | what a durable lane writes before it delivers |
//! | `config` | how a configuration document is read |
//! | `sinks` | a folder for each kind of sink, and their table |
//! | `lines` | files of whole lines: the `file` sink, checkpoints, dead letters |
//! | `envelope` | the sealed form of an event, and how its line is read |
//! | `bridge` | other people's telemetry into events |
//! | `usage` | a provider's usage object into the data of `model.usage` |
//! | `event` | what host code emits, checked and frozen |
//! | `types` | the built-in event types, and the shape of their data |
//! | `timeline` | one clock and one random pool for an emitter |
//! | `diagnostics` | words for the host's own logger |
//! | `content` | people's words: gates, redaction, disclosure |
//! | `settings` | what a configuration says, once it has been read |
//! | `sink` | the contract of lanes and sinks |
//! | `patience` | how a thread of the host waits for a lane |
//! | `document` | a document, strictly read by keys that are declared once |
//! | `key` | keys that seal, and keys that verify |
//! | `reentry` | whether this thread is inside a sink's delivery, where an `emit` may not wait |
//! | `home` | the event loops that run a host's sinks, as a thread must know of them before it waits for one |
//! | `seam` | clock, randomness, files, environment, forks, databases, standard output: nothing else touches the world |
//! | `sync` | locks and threads: the standard library's, or shuttle's where schedules are tried |
//! | `terminal` | text of strangers, made fit for a terminal |
//! | `secret` | bytes that appear in no log, error or debug output |
//! | `error` | closed kinds with stable codes |
//! | `glob` | `*` and `?` in names |
//! | `json` | RFC 8785: one parser, one writer |
//! | `hex` | lower-case hexadecimal digits |
#![forbid(unsafe_code)]
// See `seam`. Tests build what they need.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

// What is hidden serves the command and the bindings, which are released with the core, and is no part of the interface:
// `core/public-api.txt` says what is, and `scripts/lint-rust.sh` holds it.
mod active;
mod async_sink;
#[doc(hidden)]
pub mod bridge;
pub mod config;
pub mod content;
pub mod deed;
#[doc(hidden)]
pub mod diagnostics;
#[doc(hidden)]
pub mod doctor;
mod document;
mod emitter;
#[doc(hidden)]
pub mod envelope;
pub mod error;
pub mod event;
#[doc(hidden)]
pub mod glob;
#[doc(hidden)]
pub mod hex;
#[doc(hidden)]
pub mod home;
#[doc(hidden)]
pub mod host;
#[cfg(feature = "intake")]
#[doc(hidden)]
pub mod intake;
#[doc(hidden)]
pub mod journal;
pub mod json;
pub mod key;
pub mod lane;
mod lines;
#[cfg(feature = "opentelemetry")]
pub mod opentelemetry;
mod patience;
pub mod policy;
pub mod receipt;
mod reentry;
pub mod seam;
pub mod secret;
mod settings;
mod signed;
mod simple;
pub mod sink;
mod sinks;
mod sync;
#[doc(hidden)]
pub mod terminal;
#[cfg(any(feature = "tracing", feature = "opentelemetry"))]
mod through;
mod timeline;
#[cfg(feature = "tracing")]
pub mod tracing;
pub mod types;
pub mod usage;
pub mod vacuum;
pub mod verify;

#[cfg(test)]
mod testing;

// The examples of the project's own page are tried as well.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub use async_sink::{AsyncSink, GovernanceEventSink, SinkError, Task, open};
pub use emitter::{
    Attempt, Drained, Emitter, HostSink, LaneReport, Metric, MetricKind, MetricPoint, Options,
    SHUTDOWN_LIMIT, SIGNAL_LIMIT, SinkFactory, Wait, Waiter, Where, end_on_signal, is_ending_on_signal,
    leave_signals_to_host, place_signal_handlers, push_on_signal,
};
pub use error::{Error, ErrorKind, Result};
pub use event::EventInput;
pub use receipt::Receipt;
pub use seam::{fork, sqlite};
pub use signed::SignedGovernanceEvent;
pub use simple::{Event, configure, default_emitter, emit, flush, shutdown};
pub use sinks::{audit_chain as audit, memory, otlp};
