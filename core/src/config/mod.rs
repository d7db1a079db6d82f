//! Configuration: one document, YAML or JSON, the same in every language (api.md).
//!
//! Guarantees: what [`Config::load`] gives can be used as it is, with every default filled in; a document
//! with a key, word or value that is not understood gives an error instead, which names the document, line,
//! column, whole key path and the nearest known key. Nothing is ever read and ignored. No error, warning or
//! debug output holds a secret or the value of an environment variable.
//!
//! How: the text becomes a [`tree`] of values that know their place, environment variables are put into its
//! strings ([`interpolate`]), and typed readers ([`reader`]) turn it into the plain data of [`model`]: the
//! keys at the top ([`load`]), the agent and its key ([`identity`]), each lane ([`lane`]) with its sink
//! ([`sinks`]), the [`governance`] policy with the [`content`] policy in it.

mod content;
mod governance;
mod identity;
mod interpolate;
mod lane;
mod load;
pub mod model;
mod reader;
mod sinks;
mod suggest;
mod tree;
mod units;

#[cfg(test)]
mod tests;

pub use content::{CONTENT_CLASSES, DETECTORS};
pub use load::{Format, Source};
pub use model::*;
