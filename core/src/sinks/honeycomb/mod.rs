//! The Honeycomb sink: sealed envelopes as events of Honeycomb's batch API.
//!
//! Guarantees:
//! - Every element of an answer decides about its own event: what is not said to be taken is never acknowledged, and an answer
//!   that is short or unreadable is no answer.
//! - Nothing is cut to fit: an event beyond Honeycomb's limits is refused before it is sent, with the limit, and so reaches the
//!   dead-letter file and is declared.
//! - The key is in the request's header and nowhere else: in no log, error, record or `Debug` form.
//! - A column has one meaning: the envelope's attributes have their names, and a member of `data` that is called as one of
//!   them, or as another member when flattened, stands under `data.` and its name.
//!
//! How: [`config`] reads the keys; [`shape`] makes the columns; [`sink`] sends, with the client of [`super::otlp`]; [`answer`]
//! judges. Queueing, retrying and declaring are the lane's.

#[cfg(feature = "otlp")]
mod answer;
mod config;
#[cfg(feature = "otlp")]
mod shape;
#[cfg(feature = "otlp")]
mod sink;

#[cfg(all(test, feature = "otlp"))]
mod tests;

pub use config::HoneycombConfig;
pub(super) use config::KIND;
