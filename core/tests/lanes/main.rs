//! Whole emitters with threads, against sinks that misbehave. Nothing here sleeps: tests wait for events.
//!
//! `SINKWELL_SOAK=N` runs N times as much.

mod isolation;
mod ledger;
mod support;
