//! sinkwell: sealed governance and telemetry events for AI agents.
//!
//! Read the modules in this order to follow one event from `emit` to acknowledgement.
#![forbid(unsafe_code)]

pub mod bridge;
pub mod config;
pub mod content;
mod deadletter;
pub mod diagnostics;
pub mod doctor;
mod document;
mod emitter;
pub mod envelope;
pub mod error;
pub mod event;
pub mod fork;
pub mod glob;
pub mod host;
pub mod journal;
pub mod json;
pub mod key;
pub mod lane;
mod lines;
pub mod policy;
pub mod receipt;
pub mod seam;
pub mod secret;
mod settings;
mod simple;
pub mod sink;
mod sinks;
pub mod sqlite;
mod sync;
pub mod terminal;
mod timeline;
pub mod types;
pub mod usage;
pub mod verify;

#[cfg(test)]
mod testing;

pub use emitter::{
    Attempt, Drained, Emitter, HostSink, LaneReport, Metric, MetricKind, MetricPoint, Options,
    SHUTDOWN_LIMIT, SIGNAL_LIMIT, SinkFactory, Wait, Waiter, Where, end_on_signal, is_ending_on_signal,
    leave_signals_to_host, place_signal_handlers, push_on_signal,
};
pub use error::{Error, ErrorKind, Result};
pub use event::EventInput;
pub use receipt::Receipt;
pub use simple::{Event, emit, shutdown};
pub use sinks::{audit_chain as audit, memory, otlp};
