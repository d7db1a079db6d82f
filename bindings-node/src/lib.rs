//! The native half of the npm package: values in, values out, waiting moved to the event loop.
//!
//! Guarantees: nothing waits on the thread that runs JavaScript, except functions whose names end in `Sync`, and the
//! last delivery at `exit`; nothing keeps the process alive; a panic becomes an error of kind
//! `internal`. There is no default, no validation and no policy here: those are the core's.
//!
//! Read [`event_loop`] first (how a result comes back), then [`emitter`], [`crossing`] (how an
//! event comes in), [`log`] (spans and log records), [`vacuum`] (logs), [`receipt`], [`deed`], [`sink`].

// `#[napi]` exports these items to JavaScript, which rustc doesn't see.
#![allow(unreachable_pub)]

mod crossing;
mod deed;
mod emitter;
mod error;
mod event_loop;
mod exit;
mod layout;
mod log;
mod logger;
mod outside;
mod receipt;
mod sink;
mod vacuum;
mod verify;
