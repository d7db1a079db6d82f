//! The native half of the npm package: values in, values out, waiting moved to the event loop.
//!
//! Guarantees: nothing here waits on the thread that runs JavaScript, but `openSync` and the last words at
//! `exit`, whose names say so; nothing keeps the process alive; a panic becomes an error of kind
//! `internal`. There is no default, no validation and no policy here: those are the core's.
//!
//! Read [`event_loop`] first (how a result comes back), then [`emitter`], [`crossing`] (how an
//! event comes in), [`log`] (spans and log records), [`receipt`], [`sink`].

// What `#[napi]` exports is for JavaScript; rustc sees nobody who reaches it.
#![allow(unreachable_pub)]

mod crossing;
mod emitter;
mod error;
mod event_loop;
mod log;
mod logger;
mod receipt;
mod sink;
mod verify;
