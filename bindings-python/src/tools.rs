//! Functions that need no emitter: verification, content decisions, usage, the command.

use std::path::PathBuf;

use pyo3::prelude::*;
use sinkwell::key::VerifyingKey;
use sinkwell::seam::{Env as _, SystemEnv};
use sinkwell::verify::{Options, TrustedKey, Verifier};
use sinkwell::{Emitter, Error, ErrorKind, json};

use crate::convert;
use crate::error::{OrRaise as _, guarded};

/// A key as Python gives it: id, a file or the key itself (each named, or an SPKI PEM), and the agents it may seal for.
pub(crate) type Key = (String, KeySource, Option<String>);

#[derive(FromPyObject)]
pub(crate) enum KeySource {
    Bytes(Vec<u8>),
    File(PathBuf),
}

pub(crate) fn trusted(py: Python<'_>, keys: Vec<Key>) -> PyResult<Vec<TrustedKey>> {
    let one = |(id, source, agent): Key| -> sinkwell::Result<TrustedKey> {
        let key = match source {
            KeySource::Bytes(bytes) => VerifyingKey::from_bytes(&bytes),
            KeySource::File(path) => VerifyingKey::from_named(path),
        };
        let key = key.map_err(|e| e.at(format!("keys.{id}")))?;
        Ok(TrustedKey { agent, ..TrustedKey::new(id, key) })
    };
    keys.into_iter().map(one).collect::<sinkwell::Result<_>>().or_raise(py)
}

/// Something to verify: a file or directory, or bytes.
#[derive(FromPyObject)]
pub(crate) enum Input {
    Bytes(Vec<u8>),
    Path(PathBuf),
}

#[pyfunction]
#[pyo3(name = "_verify")]
#[allow(clippy::too_many_arguments, reason = "called by name from sinkwell/_verify.py only")]
pub(crate) fn verify<'py>(
    py: Python<'py>,
    inputs: Vec<Input>,
    keys: Vec<Key>,
    checkpoints: Vec<Input>,
    silence: Option<f64>,
    edges: bool,
    strict: bool,
    partial: bool,
    lanes: Vec<String>,
) -> PyResult<Bound<'py, PyAny>> {
    let keys = trusted(py, keys)?;
    let silence = silence.map(|seconds| convert::seconds(py, Some(seconds))).transpose()?;
    let report = guarded(py, || {
        py.detach(|| {
            let mut verifier =
                Verifier::new(Options { keys, silence, edges, strict, partial, lanes, ..Options::default() });
            for input in checkpoints {
                match input {
                    Input::Path(path) => verifier.read_checkpoints(&path)?,
                    Input::Bytes(bytes) => verifier.read_checkpoints_from(&mut &*bytes, "<bytes>")?,
                }
            }
            for input in inputs {
                match input {
                    Input::Path(path) => verifier.read_path(&path)?,
                    Input::Bytes(bytes) => verifier.read(&mut &*bytes, "<bytes>")?,
                }
            }
            Ok(verifier.finish()?.to_json().to_json())
        })
        .or_raise(py)
    })?;
    convert::from_json(py, report.as_bytes())
}

/// Asks an audit log; see `sinkwell::audit::call`.
#[pyfunction]
#[pyo3(name = "_audit")]
pub(crate) fn audit<'py>(
    py: Python<'py>,
    path: PathBuf,
    operation: &str,
    arguments: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let bad = |e: &json::JsonError| Error::invalid_argument(e.to_string());
    let arguments = convert::to_json(arguments, bad)?;
    let answer = guarded(py, || {
        py.detach(|| {
            let arguments = json::parse(arguments.as_bytes()).map_err(|e| bad(&e))?;
            Ok(sinkwell::audit::call(&path, operation, &arguments)?.to_json())
        })
        .or_raise(py)
    })?;
    convert::from_json(py, answer.as_bytes())
}

#[pyfunction]
pub(crate) fn evaluate_content_capture<'py>(
    py: Python<'py>,
    request: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let request = convert::to_json(request, |e| {
        let error = Error::invalid_argument(e.message().to_owned());
        match e.path() {
            Some(path) => error.at(path),
            None => error,
        }
    })?;
    let now = SystemEnv::default().now();
    let decision = guarded(py, || sinkwell::content::evaluate_json(request.as_bytes(), now).or_raise(py))?;
    convert::from_json(py, &decision)
}

#[pyfunction]
pub(crate) fn usage_from_json<'py>(
    py: Python<'py>,
    provider: &str,
    usage: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let usage = convert::to_json(usage, |e| Error::invalid_argument(e.to_string()).at("usage"))?;
    let data = guarded(py, || sinkwell::usage::usage_from_json(provider, usage.as_bytes()).or_raise(py))?;
    convert::from_json(py, &data)
}

#[pyfunction]
pub(crate) fn events_of_span<'py>(py: Python<'py>, span: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let span = crate::plain::spelled(span)?.value;
    let events = guarded(py, || sinkwell::bridge::events_of_value(&span).or_raise(py))?;
    convert::from_json(py, json::Value::Array(events).to_json().as_bytes())
}

#[pyfunction]
pub(crate) fn event_of_log<'py>(py: Python<'py>, record: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let record = crate::plain::spelled(record)?;
    let event = guarded(py, || Ok(sinkwell::bridge::event_of_record(&record)))?;
    convert::from_json(py, event.to_json().as_bytes())
}

#[pyfunction]
#[pyo3(name = "_cost")]
pub(crate) fn cost<'py>(py: Python<'py>, cost: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let cost = convert::to_json(cost, |e| Error::invalid_argument(e.to_string()).at("cost"))?;
    let data = guarded(py, || sinkwell::usage::cost_from_json(cost.as_bytes()).or_raise(py))?;
    convert::from_json(py, &data)
}

#[pyfunction]
#[pyo3(name = "_roll_up")]
pub(crate) fn roll_up<'py>(py: Python<'py>, facts: Vec<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
    let one = |(i, fact): (usize, &Bound<'py, PyAny>)| {
        convert::to_json(fact, |e| Error::invalid_argument(e.to_string()).at(format!("facts[{i}]")))
    };
    let facts = facts.iter().enumerate().map(one).collect::<PyResult<Vec<String>>>()?;
    let facts = format!("[{}]", facts.join(","));
    let data = guarded(py, || sinkwell::usage::roll_up_from_json(facts.as_bytes()).or_raise(py))?;
    convert::from_json(py, &data)
}

/// The severity of a level of `logging`.
#[pyfunction]
#[pyo3(name = "_severity")]
pub(crate) fn severity(level: i64) -> &'static str {
    use sinkwell::types::{LevelScale, Severity};
    Severity::of_level(LevelScale::Logging, level).name()
}

#[pyfunction]
pub(crate) fn authority_boundary<'py>(py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
    convert::from_json(py, Emitter::authority_boundary().as_bytes())
}

/// Every kind of error with its code.
#[pyfunction]
#[pyo3(name = "_kinds")]
pub(crate) fn kinds() -> Vec<(&'static str, u8)> {
    ErrorKind::ALL.iter().map(|kind| (kind.name(), kind.code())).collect()
}

/// Sends the core's diagnostics to `logging`.
#[pyfunction]
#[pyo3(name = "_set_logger")]
pub(crate) fn set_logger() {
    sinkwell::diagnostics::set_logger(crate::wait::log);
}

/// The `sinkwell` command; returns its exit status.
#[pyfunction]
#[pyo3(name = "_command")]
pub(crate) fn command(py: Python<'_>, arguments: Vec<std::ffi::OsString>) -> PyResult<u8> {
    guarded(py, || Ok(py.detach(|| sinkwell_cli::main(arguments))))
}

/// A new id, as events have: for a run that has no name of its own.
#[pyfunction]
#[pyo3(name = "_new_id")]
pub(crate) fn new_id() -> String {
    sinkwell::host::new_id()
}

/// A stranger's text as an attribute can hold it; none where nothing is left of it.
#[pyfunction]
#[pyo3(name = "_outside_text")]
pub(crate) fn outside_text(text: &[u8]) -> Option<String> {
    sinkwell::event::outside_text(text)
}

/// A `traceparent` header's trace, span and flags; none where it is invalid.
#[pyfunction]
#[pyo3(name = "_outside_trace")]
pub(crate) fn outside_trace(traceparent: &[u8]) -> Option<(&str, &str, u8)> {
    sinkwell::event::outside_trace(traceparent).map(|trace| (trace.trace_id, trace.span_id, trace.flags))
}
