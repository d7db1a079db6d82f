//! sinkwell: sealed governance and telemetry events for AI agents.
//!
//! Read the modules in this order to follow one event from `emit` to acknowledgement.
#![forbid(unsafe_code)]

pub mod config;
pub mod error;
pub mod fork;
pub mod json;
pub mod key;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod seam;
pub mod secret;
pub mod sink;
pub mod types;

#[cfg(test)]
mod testing;

pub use error::{Error, ErrorKind, Result};
