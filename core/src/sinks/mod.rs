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
#[cfg(test)]
mod tally;
pub(crate) mod trial;

use std::time::Duration;

pub use console::ConsoleConfig;
pub use file::FileConfig;
pub use honeycomb::HoneycombConfig;
pub use host::HostName;

use crate::sink::Kind;

/// Every kind, in the order in which errors and documentation name them.
pub(crate) const KINDS: &[&Kind] = &[
    &standard::STDOUT,
    &standard::STDERR,
    &console::KIND,
    &file::KIND,
    &otlp::KIND,
    &honeycomb::KIND,
    &audit_chain::KIND,
    &host::KIND,
    &memory::MEMORY,
    &memory::NULL,
    #[cfg(test)]
    &tally::KIND,
];

/// The sinks that the product knows and this build does not have.
pub(crate) const LATER: [&str; 4] = ["stream", "webhook", "kafka", "nats"];

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
