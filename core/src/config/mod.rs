//! Configuration: one document, YAML or JSON, the same in every language (api.md).
//!
//! Guarantees: what [`Config::load`] gives can be used as it is, with every default filled in; a document
//! with a key, word or value that is not understood gives an error instead, which names the document, line,
//! column, whole key path and the nearest known key. Nothing is ever read and ignored. No error, warning or
//! debug output holds a secret or the value of an environment variable.
//!
//! How: `load` finds the text, `tree` makes values of it that know their place, `interpolate` puts
//! environment variables into its strings, and `reader`, which reads typed values, turns it into the plain
//! data of [`model`]: the keys at the top (`document`), the agent and its key (`identity`), each `lane` with
//! its sink (`sinks`), the `governance` policy with the `content` policy in it. `resolve` says what the plain
//! data comes to.

mod content;
mod document;
mod governance;
mod identity;
mod interpolate;
mod lane;
mod load;
pub mod model;
mod reader;
mod resolve;
mod sinks;
mod suggest;
mod tree;
mod units;

#[cfg(test)]
mod tests;

pub use content::{CONTENT_CLASSES, DETECTORS};
pub use identity::uri_reference;
pub use load::{Format, Source};
pub use model::*;
pub use resolve::{DEFAULT_QUEUE_BYTES, DEFAULT_QUEUE_EVENTS, QueueCapacity};
