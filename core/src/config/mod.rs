//! Configuration: one document, YAML or JSON, the same in every language (api.md).

pub mod model;

pub use model::*;
