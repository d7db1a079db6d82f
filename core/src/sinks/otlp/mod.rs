//! The OTLP sink: sealed envelopes as OpenTelemetry log records, over gRPC or HTTP.
//!
//! Guarantees:
//! - The body of a record is the sealed line, byte for byte, so whoever receives it can verify it.
//! - A batch goes out in order, in requests no larger than `max_request_bytes`.
//! - Every answer of a receiver ends as docs/OTLP.md says; what is not known to be there is never
//!   acknowledged, and a partial success is never sent again.
//! - Summaries never hold a receiver's words, a header's value or a path of the endpoint.
//! - With nothing to send nothing runs.
//!
//! How: `config` is what a configuration says of it; `settings` puts that and the variables together, once; `request` writes envelopes as protobuf straight
//! from their canonical bytes (`record`, `pattern`, `scan`, `value`, `wire`); `client` keeps one connection
//! (`connect`, `tls`, `proxy`), for other sinks over HTTP as well; `answer` judges, and `caller`
//! puts the two together; `exporter` is the sink. The lane does the rest. `metrics` sends readings the same way, since they began or as differences (`temporality`), `spans` what finished
//! spans came to.

#[cfg(feature = "otlp")]
mod answer;
#[cfg(feature = "otlp")]
mod caller;
#[cfg(feature = "otlp")]
mod client;
#[cfg(feature = "otlp")]
mod compress;
mod config;
#[cfg(feature = "otlp")]
mod connect;
#[cfg(feature = "otlp")]
mod endpoint;
#[cfg(feature = "otlp")]
mod env;
#[cfg(feature = "otlp")]
mod exporter;
#[cfg(feature = "otlp")]
mod genai;
#[cfg(feature = "otlp")]
mod metrics;
#[cfg(feature = "otlp")]
mod pattern;
#[cfg(feature = "otlp")]
mod proxy;
#[cfg(feature = "otlp")]
mod record;
#[cfg(feature = "otlp")]
mod request;
#[cfg(feature = "otlp")]
mod resource;
#[cfg(feature = "otlp")]
mod scan;
#[cfg(feature = "otlp")]
mod semconv;
#[cfg(feature = "otlp")]
mod settings;
#[cfg(feature = "otlp")]
mod spans;
#[cfg(feature = "otlp")]
mod temporality;
#[cfg(feature = "otlp")]
mod tls;
#[cfg(feature = "otlp")]
mod value;
#[cfg(feature = "otlp")]
mod wire;

#[cfg(all(test, feature = "otlp"))]
mod tests;

pub(super) use config::{KIND, client_files, endpoint, headers};
pub use config::{OtlpBody, OtlpConfig};
#[cfg(feature = "otlp")]
pub use endpoint::Protocol;
#[cfg(feature = "otlp")]
pub use env::process_env;
#[cfg(feature = "otlp")]
pub use exporter::OtlpSink;
#[cfg(feature = "otlp")]
pub(super) use metrics::reporter;
#[cfg(feature = "otlp")]
pub use resource::Facts;
#[cfg(feature = "otlp")]
pub use settings::Settings;

/// What other sinks over HTTP share with this one.
#[cfg(feature = "otlp")]
pub(in crate::sinks) mod http {
    pub(in crate::sinks) use super::answer::{code_name, retry_after, unquote};
    pub(in crate::sinks) use super::caller::told;
    pub(in crate::sinks) use super::client::{Client, Reply, explain};
    pub(in crate::sinks) use super::compress::{Compression, decompress};
    pub(in crate::sinks) use super::connect::{Connected, connect};
    pub(in crate::sinks) use super::exporter::note_dropped;
    pub(in crate::sinks) use super::request::GRPC_PREFIX;
    pub(in crate::sinks) use super::settings::Settings;
    pub(in crate::sinks) use super::wire::{Field, Fields, put_bytes, put_varint};
}
