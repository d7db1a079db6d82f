//! Deterministic sampling: the same key gets the same answer in every process, language and version.
//!
//! The rule, which never changes: SHA-256 over the ASCII bytes `sinkwell-sample-v1`, a newline and the key's
//! UTF-8 bytes; its first 8 bytes are a big-endian integer `h`; the key is included when
//! `floor(h × denominator / 2^64) < numerator`.

use sha2::{Digest, Sha256};

use crate::settings::SamplingConfig;

/// Whether `key` is among the `numerator` of `denominator` keys that are included.
#[must_use]
pub fn included(key: &str, numerator: u64, denominator: u64) -> bool {
    let mut hash = Sha256::new();
    hash.update(b"sinkwell-sample-v1\n");
    hash.update(key.as_bytes());
    let digest = hash.finalize();
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    (u128::from(u64::from_be_bytes(head)) * u128::from(denominator)) >> 64 < u128::from(numerator)
}

/// The keys that an event offers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keys<'a> {
    /// The run's id.
    pub run: Option<&'a str>,
    /// The trace id, 32 lower-case hex digits.
    pub trace: Option<&'a str>,
    /// The event's id.
    pub event: &'a str,
}

/// Decides for one event. If the event lacks the configured key, its own id is used, so that of events without a run
/// some are sampled, and not all or none.
#[must_use]
pub fn decide(config: &SamplingConfig, keys: &Keys<'_>) -> bool {
    let key = match config.key.as_str() {
        "run" => keys.run,
        "trace" => keys.trace,
        _ => None,
    };
    included(key.unwrap_or(keys.event), config.numerator, config.denominator)
}
