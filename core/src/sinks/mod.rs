//! The sinks of this build: a folder each, and one table.
//!
//! To add one: a folder with a [`Kind`] (its name, classes, keys), its [`Settings`](crate::sink::Settings) and its
//! [`Sink`](crate::sink::Sink); a line in [`KINDS`]; what it depends on in `Cargo.toml`; a vector in
//! `tests/vectors/config`. Configuration, `doctor`, `docs/CONFIG.md` and the JSON Schema follow from the table.

pub mod audit_chain;
mod console;
mod file;
mod honeycomb;
mod host;
pub mod memory;
pub mod otlp;
mod standard;
pub(crate) mod stream;
#[cfg(test)]
mod tally;
pub(crate) mod trial;

use std::time::Duration;

pub use console::ConsoleConfig;
pub use file::FileConfig;
pub use honeycomb::HoneycombConfig;
pub use host::HostName;
pub use stream::{DatadogMethod, StreamConfig, StreamProfile};

use crate::error::{Error, Result};
use crate::sink::{Kind, Reporter, SinkConfig};

/// Every kind, in the order in which errors and documentation name them.
pub(crate) const KINDS: &[&Kind] = &[
    &standard::STDOUT,
    &standard::STDERR,
    &console::KIND,
    &file::KIND,
    &otlp::KIND,
    &honeycomb::KIND,
    &stream::KIND,
    &audit_chain::KIND,
    &host::KIND,
    &memory::MEMORY,
    &memory::NULL,
    #[cfg(test)]
    &tally::KIND,
];

/// The sinks that the product knows and this build does not have.
pub(crate) const LATER: [&str; 3] = ["webhook", "kafka", "nats"];

/// How long a lane waits for a batch to fill, where its sink has no reason for another time.
const LINGER: Duration = Duration::from_millis(200);

/// The kind of that name.
pub(crate) fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|kind| kind.name == name)
}

/// The names of all kinds.
pub(crate) fn names() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.name).collect()
}

/// Whether instruments can be reported to where this sink sends.
pub(crate) fn reports(config: &SinkConfig) -> bool {
    cfg!(feature = "otlp") && config.get::<otlp::OtlpConfig>().is_some()
}

/// What reports instruments to where this sink sends, or without one to where `OTEL_EXPORTER_OTLP_*` says.
///
/// # Errors
/// `unsupported`: nothing can be reported there. `invalid_config`: as the sink's own.
pub(crate) fn reporter(config: Option<&SinkConfig>, timeout: Duration) -> Result<Box<dyn Reporter>> {
    let unsupported =
        || Error::unsupported("metrics go to OTLP receivers only, in a build with the feature `otlp`");
    #[cfg(feature = "otlp")]
    {
        let default = otlp::OtlpConfig::default();
        let config = match config {
            Some(config) => config.get::<otlp::OtlpConfig>().ok_or_else(unsupported)?,
            None => &default,
        };
        otlp::reporter(config, timeout)
    }
    #[cfg(not(feature = "otlp"))]
    {
        let _ = (config, timeout);
        Err(unsupported())
    }
}
