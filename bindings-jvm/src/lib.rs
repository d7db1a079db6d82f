//! The native half of the package for the JVM.
//!
//! Guarantees: no rule of its own: no default, no check, no policy; values are converted, errors mapped and waits moved
//! to where the JVM waits. No thread of the core ever enters the JVM: what it has to say there lies in the [`mail`], which
//! a thread of the JVM's fetches. No call waits for room, for delivery or for a host's code on the caller's thread, but for
//! opening, adding a sink and reading logs; so a virtual thread is not pinned while it waits.
//!
//! The way of an event: [`emit`] takes one buffer, which Kotlin has written ([`event`] has its form), over JNI, which is the
//! cheapest crossing there is (docs/decisions/0009-jvm.md), and so do log records, spans, steps and deeds ([`ask`]). Everything
//! else crosses by uniffi: [`emitter`], [`receipt`], [`deed`], [`vacuum`] and [`tools`]. [`sink`] carries envelopes to the host's own
//! code.

// What uniffi exports is public to it, whatever the crate says.
#![allow(unreachable_pub)]

mod ask;
mod deed;
mod emit;
mod emitter;
mod error;
mod event;
mod keys;
mod mail;
mod process;
mod receipt;
mod sink;
mod tools;
mod vacuum;

uniffi::setup_scaffolding!("sinkwell");
