//! Functions that need no emitter: verification, content decisions, usage, bridges.

use std::path::Path;
use std::time::Duration;

use sinkwell::key::VerifyingKey;
use sinkwell::seam::Env as _;
use sinkwell::verify::{Options, TrustedKey, Verdict, Verifier, verify_envelope as verify_one};
use sinkwell::{Emitter, Error, audit, bridge, content, json, usage};

use crate::error::{Failure, guarded};
use crate::process::system;

/// A key to verify with: one of `file` and `bytes`.
#[derive(uniffi::Record)]
pub struct Key {
    id: String,
    file: Option<String>,
    bytes: Option<Vec<u8>>,
    agent: Option<String>,
}

/// What is verified, and how.
#[derive(uniffi::Record)]
pub struct Verification {
    inputs: Vec<String>,
    given: Vec<Vec<u8>>,
    keys: Vec<Key>,
    checkpoints: Vec<String>,
    lanes: Vec<String>,
    silence_ms: Option<u64>,
    edges: bool,
    strict: bool,
    partial: bool,
}

fn trusted(keys: Vec<Key>) -> sinkwell::Result<Vec<TrustedKey>> {
    let one = |Key { id, file, bytes, agent }| {
        let read = match (file, bytes) {
            (Some(file), None) => VerifyingKey::from_named(file),
            (None, Some(bytes)) => VerifyingKey::from_bytes(&bytes),
            _ => Err(Error::invalid_argument("a key is given by one of file and bytes")),
        };
        let key = read.map_err(|e| e.at(format!("keys.{id}")))?;
        Ok(TrustedKey { agent, ..TrustedKey::new(id, key) })
    };
    keys.into_iter().map(one).collect()
}

/// The report that `sinkwell verify --format json` prints.
#[uniffi::export]
fn verify(asked: Verification) -> Result<String, Failure> {
    Ok(guarded(|| {
        let mut verifier = Verifier::new(Options {
            keys: trusted(asked.keys)?,
            silence: asked.silence_ms.map(Duration::from_millis),
            edges: asked.edges,
            strict: asked.strict,
            partial: asked.partial,
            lanes: asked.lanes,
            ..Options::default()
        });
        for path in &asked.checkpoints {
            verifier.read_checkpoints(Path::new(path))?;
        }
        for path in &asked.inputs {
            verifier.read_path(Path::new(path))?;
        }
        for bytes in &asked.given {
            verifier.read(&mut &**bytes, "<bytes>")?;
        }
        Ok(verifier.finish()?.to_json().to_json())
    })?)
}

/// Whether an envelope by itself is sound.
#[uniffi::export]
fn verify_envelope(envelope: Vec<u8>, keys: Vec<Key>) -> Result<bool, Failure> {
    Ok(guarded(|| Ok(verify_one(&envelope, &trusted(keys)?).0 == Verdict::Sound))?)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

/// What policy would decide about content.
#[uniffi::export]
fn evaluate_content_capture(request: String) -> Result<String, Failure> {
    Ok(guarded(|| content::evaluate_json(request.as_bytes(), system(None).now()).map(text))?)
}

/// The data of `model.usage` from a provider's answer.
#[uniffi::export]
fn usage_of_model(provider: String, answer: String) -> Result<String, Failure> {
    Ok(guarded(|| usage::usage_from_json(&provider, answer.as_bytes()).map(text))?)
}

/// The data of a cost event.
#[uniffi::export]
fn usage_cost(cost: String) -> Result<String, Failure> {
    Ok(guarded(|| usage::cost_from_json(cost.as_bytes()).map(text))?)
}

/// The data of a parent's `model.usage` from its children's.
#[uniffi::export]
fn usage_roll_up(facts: String) -> Result<String, Failure> {
    Ok(guarded(|| usage::roll_up_from_json(facts.as_bytes()).map(text))?)
}

/// The events that a span stands for.
#[uniffi::export]
fn events_of_span(span: Vec<u8>) -> Result<String, Failure> {
    Ok(guarded(|| bridge::events_of_span_json(&span).map(text))?)
}

/// The event that a log record stands for.
#[uniffi::export]
fn event_of_log(record: Vec<u8>) -> Result<String, Failure> {
    Ok(guarded(|| bridge::event_of_log_json(&record).map(text))?)
}

/// Asks an audit log.
#[uniffi::export]
fn audit_call(path: String, operation: String, arguments: String) -> Result<String, Failure> {
    Ok(guarded(|| {
        let arguments =
            json::parse(arguments.as_bytes()).map_err(|e| Error::invalid_argument(e.to_string()))?;
        Ok(audit::call(Path::new(&path), &operation, &arguments)?.to_json())
    })?)
}

/// What sinks can and cannot do.
#[uniffi::export]
fn authority_boundary() -> String {
    Emitter::authority_boundary().to_owned()
}

/// A new id, as events have.
#[uniffi::export]
fn new_id() -> String {
    sinkwell::host::new_id()
}
