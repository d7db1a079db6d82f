//! The C ABI of sinkwell: the only one, on which Go and .NET stand.
//!
//! Guarantees: no panic crosses the ABI; every function that can fail returns a status (0, or the frozen code of an
//! error kind) and fills an owned error if it is given one; a completion's callback is called exactly once, also
//! when the emitter ends first or sinkwell panics; no rule of sinkwell is written here a second time.
//!
//! Words:
//!
//! | word | meaning |
//! | --- | --- |
//! | borrowed ([`bytes::SinkwellBytes`]) | the caller's memory, or ours during a callback; never freed by who gets it |
//! | owned ([`bytes::SinkwellOwned`]) | ours, handed over; freed by `sinkwell_owned_free` |
//! | handle | an opaque pointer backed by an `Arc`: what is under way outlives the handle |
//! | token, `user` | 64 bits of the host's, given back as they came; never looked at |
//! | reply | a handle that a host's sink or signer answers through, once, from any thread |
//!
//! Read in this order: [`bytes`] and `slice`, [`error`], [`emitter`] (the handle), [`open`], [`emit`], [`event`] and `values`
//! (the way of an event in), [`look`], [`control`], [`end`], [`receipt`]
//! and [`completion`] (waiting), [`deed`], [`sink`], [`signer`] and [`reply`] (what the host brings), [`tools`] (what
//! needs no emitter), [`span`], [`step`] and [`log`] (spans, steps and log records into events), [`vacuum`] (events out of log streams), [`outside`] (what strangers send),
//! [`process`] (logger, forks, signals).
//!
//! The signatures are literal, with fields of fixed width, so that the header and the C# imports can be
//! generated from these files as they are (`tests/generated.rs`).

pub mod bytes;
pub mod completion;
pub mod control;
pub mod deed;
pub mod emit;
pub mod emitter;
pub mod end;
pub mod error;
pub mod event;
pub mod log;
pub mod look;
pub mod open;
pub mod outside;
pub mod process;
pub mod receipt;
pub mod reply;
pub mod signer;
pub mod sink;
mod slice;
pub mod span;
pub mod step;
pub mod tools;
pub mod vacuum;
mod values;

#[cfg(test)]
mod tests;
