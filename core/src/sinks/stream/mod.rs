//! The `stream` sink: sealed envelopes over one long-lived gRPC stream on which both ends remember.
//!
//! Guarantees:
//! - What the peer has not acknowledged is not acknowledged to the lane; what it has, is not sent again.
//! - A stream that rotates, drains, is lost or refused loses and doubles nothing: envelopes are retained, not bytes.
//! - Memory is bounded: by what is in flight, and by the codec's state.
//! - While nothing is sent, nothing runs but a sleeping thread.
//!
//! How: [`config`] reads the keys; [`sink`] takes a lane's batches; [`link`] is the thread that does what [`supervisor`]
//! decides, with one [`wire`] at a time; [`compact`] or [`datadog`] is what goes over it, as [`codec`] says,
//! and [`proto`] how that is framed. `sinkwell intake`
//! (`crate::intake`) is the other end. Queueing, retrying, splitting and declaring are the lane's.

#[cfg(feature = "otlp")]
mod codec;
#[cfg(feature = "otlp")]
pub(crate) mod compact;
mod config;
#[cfg(feature = "otlp")]
pub(crate) mod datadog;
#[cfg(feature = "otlp")]
mod link;
#[cfg(feature = "otlp")]
pub(crate) mod proto;
#[cfg(feature = "otlp")]
mod sink;
#[cfg(feature = "otlp")]
mod supervisor;
#[cfg(feature = "otlp")]
mod wire;

#[cfg(all(test, feature = "otlp"))]
mod tests;

pub(super) use config::KIND;
pub use config::{DatadogMethod, StreamConfig, StreamProfile};
#[cfg(all(test, feature = "intake"))]
pub(crate) use wire::Outgoing;
