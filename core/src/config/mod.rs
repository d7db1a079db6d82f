//! Configuration: one document, YAML or JSON, the same in every language (docs/CONFIG.md).
//!
//! Guarantees: what [`Config::load`] gives can be used as it is, with every default filled in; a document
//! with a key, word or value that is not understood gives an error instead, which names the document, line,
//! column, whole key path and the nearest known key. Nothing is ever read and ignored. No error, warning or
//! debug output holds a secret or the value of an environment variable.
//!
//! How: `load` finds the text and [`crate::document`] reads it, by the `keys` that are declared, into the plain data of
//! [`crate::settings`]: the keys at the `top`, the agent and its key (`identity`), each `lane` with its sink (`sinks`),
//! the `governance` policy with the `content` policy in it. `reference` makes the documentation's tables and the JSON
//! Schema of the same keys.

mod content;
mod governance;
mod identity;
mod keys;
mod lane;
mod load;
pub mod reference;
mod sinks;
mod top;

#[cfg(test)]
mod tests;

pub use crate::settings::*;
pub use crate::sink::SinkConfig;
pub use crate::sinks::audit_chain::{AuditConfig, AuditRetention};
pub use crate::sinks::otlp::{OtlpBody, OtlpConfig};
pub use crate::sinks::{
    ConsoleConfig, DatadogMethod, FileConfig, HoneycombConfig, HostName, StreamConfig, StreamProfile,
};
pub use identity::uri_reference;
pub use load::{Format, Source};
