//! Tests of the journal: codec, store, directory, and a model under injected faults.

mod simfs;
mod support;

mod model;
mod store;
