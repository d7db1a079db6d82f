//! Verification, and other functions that need no emitter.

use std::time::Duration;

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use sinkwell::key::VerifyingKey;
use sinkwell::seam::{Clock as _, SystemClock};
use sinkwell::verify::{Options, TrustedKey, Verdict, Verifier, verify_envelope};
use sinkwell::{Emitter, Error, Result, bridge, content, json, usage};

use crate::emitter::text;
use crate::error::thrown;
use crate::event_loop::EventLoop;

/// A key to trust: in a file, or as bytes.
#[napi(object, object_to_js = false)]
pub struct Key {
    /// The id that envelopes name it by.
    pub id: String,
    /// Its file: `hmac:FILE`, `ed25519:FILE`, or that of an SPKI PEM.
    pub file: Option<String>,
    /// Or the key itself, named alike.
    pub bytes: Option<Uint8Array>,
    /// The agents it may seal for.
    pub agent: Option<String>,
}

/// How to verify.
#[napi(object, object_to_js = false)]
pub struct VerifyOptions {
    /// Keys to trust.
    pub keys: Vec<Key>,
    /// Files of checkpoints.
    pub checkpoints: Vec<String>,
    /// In milliseconds.
    pub silence: Option<f64>,
    /// Look at authorization edges.
    pub edges: bool,
    /// Notes count.
    pub strict: bool,
    /// One file of a rotated set.
    pub partial: bool,
    /// Lanes of which the input should hold something.
    pub lanes: Vec<String>,
}

fn trusted(keys: &[Key]) -> Result<Vec<TrustedKey>> {
    let one = |key: &Key| {
        let loaded = match (&key.file, &key.bytes) {
            (Some(file), None) => VerifyingKey::from_named(file)?,
            (None, Some(bytes)) => VerifyingKey::from_bytes(bytes)?,
            _ => {
                return Err(Error::invalid_argument("a key is given as a file or as bytes")
                    .at(format!("keys.{}", key.id)));
            }
        };
        Ok(TrustedKey { id: key.id.clone(), key: loaded, agent: key.agent.clone() })
    };
    keys.iter().map(one).collect()
}

/// Milliseconds, as JavaScript gives them, as a duration.
pub(crate) fn duration(ms: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(ms / 1e3)
        .map_err(|_| Error::invalid_argument("a duration is a number of milliseconds, at least 0"))
}

/// Verifies files; the report comes as JSON.
#[napi(catch_unwind)]
pub fn verify(
    event_loop: &EventLoop,
    token: u32,
    paths: Vec<String>,
    options: VerifyOptions,
) -> napi::Result<()> {
    let keys = trusted(&options.keys).map_err(thrown)?;
    let silence = options.silence.map(duration).transpose().map_err(thrown)?;
    let VerifyOptions { checkpoints, edges, strict, partial, lanes, .. } = options;
    event_loop.shared.run(token, move || {
        let mut verifier =
            Verifier::new(Options { keys, silence, edges, strict, partial, lanes, ..Options::default() });
        for path in &checkpoints {
            verifier.read_checkpoints(path.as_ref())?;
        }
        for path in &paths {
            verifier.read_path(path.as_ref())?;
        }
        Ok(verifier.finish()?.to_json().to_json())
    });
    Ok(())
}

/// Asks an audit log (see `sinkwell::audit::call`); arguments and answer are JSON.
#[napi(catch_unwind)]
pub fn audit(
    event_loop: &EventLoop,
    token: u32,
    path: String,
    operation: String,
    given: String,
) -> napi::Result<()> {
    event_loop.shared.run(token, move || {
        let arguments = json::parse(given.as_bytes()).map_err(|e| Error::invalid_argument(e.to_string()))?;
        Ok(sinkwell::audit::call(path.as_ref(), &operation, &arguments)?.to_json())
    });
    Ok(())
}

/// Whether one envelope is sound under these keys.
#[napi(catch_unwind)]
pub fn verify_one(line: Uint8Array, keys: Vec<Key>) -> napi::Result<bool> {
    let keys = trusted(&keys).map_err(thrown)?;
    Ok(verify_envelope(&line, &keys).0 == Verdict::Sound)
}

/// The decision of content capture, JSON to JSON.
#[napi(catch_unwind)]
pub fn evaluate_content_capture(request: String) -> napi::Result<String> {
    let now = SystemClock::default().unix_nanos();
    content::evaluate_json(request.as_bytes(), now).map(text).map_err(thrown)
}

/// The data of `model.usage` from what a provider answered, JSON to JSON.
#[napi(catch_unwind)]
pub fn usage_data(provider: String, answer: String) -> napi::Result<String> {
    usage::usage_from_json(&provider, answer.as_bytes()).map(text).map_err(thrown)
}

/// The data of a cost event, JSON to JSON.
#[napi(catch_unwind)]
pub fn cost_data(request: String) -> napi::Result<String> {
    usage::cost_from_json(request.as_bytes()).map(text).map_err(thrown)
}

/// The data of a parent's `model.usage` from its children's, JSON to JSON.
#[napi(catch_unwind)]
pub fn roll_up_data(facts: String) -> napi::Result<String> {
    usage::roll_up_from_json(facts.as_bytes()).map(text).map_err(thrown)
}

/// The outcome of a tool's call that ended with an error of this type.
#[napi(catch_unwind)]
pub fn outcome_of_error(kind: String) -> &'static str {
    bridge::outcome_of_error(&kind)
}

/// What sinks can and cannot do, as JSON.
#[napi(catch_unwind)]
pub fn authority_boundary() -> &'static str {
    Emitter::authority_boundary()
}
