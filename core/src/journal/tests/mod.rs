//! Tests of the journal: codec, store, directory, and a model under injected faults.

mod support;

mod codec;
mod damage;
mod dir;
mod model;
mod store;
mod taken;
