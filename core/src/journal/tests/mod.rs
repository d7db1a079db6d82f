//! Tests of the journal: codec, store, directory, and a model under injected faults.

mod support;

mod store;
