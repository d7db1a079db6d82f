//! The `OTEL_*` variables, read through a seam.
//!
//! Guarantees: an empty variable counts as unset and a per-signal variable wins over the general one, as the
//! OpenTelemetry specification says.

use crate::error::{Error, Result};

/// What is sent: each signal has variables, a service and a path of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Logs,
    Metrics,
    Traces,
}

impl Signal {
    /// Its name, for messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Traces => "traces",
        }
    }

    /// As it stands in the names of variables.
    pub(super) const fn variable(self) -> &'static str {
        match self {
            Self::Logs => "LOGS",
            Self::Metrics => "METRICS",
            Self::Traces => "TRACES",
        }
    }

    /// What is appended to the path of a base endpoint.
    pub(super) const fn http_path(self) -> &'static str {
        match self {
            Self::Logs => "v1/logs",
            Self::Metrics => "v1/metrics",
            Self::Traces => "v1/traces",
        }
    }

    /// The path of the gRPC method.
    pub(super) const fn grpc_path(self) -> &'static str {
        match self {
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        }
    }

    /// How many were refused, in the JSON form of a partial success.
    pub(super) const fn rejected(self) -> &'static str {
        match self {
            Self::Logs => "rejectedLogRecords",
            Self::Metrics => "rejectedDataPoints",
            Self::Traces => "rejectedSpans",
        }
    }
}

/// Looks variables up.
pub(super) struct Env<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    signal: Signal,
}

/// The process's environment. What is not UTF-8 is kept recognizably wrong, so that it is refused where
/// it is used instead of being taken for unset.
#[must_use]
pub fn process_env(name: &str) -> Option<String> {
    crate::seam::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// A setting, and where it was said: a key of the document or a variable.
#[derive(Clone, Debug)]
pub(super) struct Said<T> {
    pub(super) value: T,
    pub(super) place: String,
    /// Said by a variable for one signal only.
    pub(super) for_signal: bool,
}

impl<T> Said<T> {
    /// Something the document says under `key` of `otlp`.
    pub(super) fn document(value: T, key: &str) -> Self {
        Self { value, place: format!("otlp.{key}"), for_signal: false }
    }

    /// An error about it.
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        Error::invalid_config(message).at(self.place.as_str())
    }
}

impl<'a> Env<'a> {
    /// The variables that `get` looks up, as they concern `signal`.
    pub(super) fn of(get: &'a dyn Fn(&str) -> Option<String>, signal: Signal) -> Self {
        Self { get, signal }
    }

    /// A variable, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.get)(name).filter(|value| !value.is_empty())
    }

    /// The first of several variables.
    pub(super) fn first(&self, names: &[&str]) -> Option<Said<String>> {
        names.iter().find_map(|name| {
            let value = self.get(name)?;
            Some(Said { value, place: (*name).to_owned(), for_signal: false })
        })
    }

    /// `OTEL_EXPORTER_OTLP_<SIGNAL>_<name>`, else `OTEL_EXPORTER_OTLP_<name>`.
    pub(super) fn exporter(&self, name: &str) -> Option<Said<String>> {
        let signal = format!("OTEL_EXPORTER_OTLP_{}_{name}", self.signal.variable());
        if let Some(value) = self.get(&signal) {
            return Some(Said { value, place: signal, for_signal: true });
        }
        let general = format!("OTEL_EXPORTER_OTLP_{name}");
        let value = self.get(&general)?;
        Some(Said { value, place: general, for_signal: false })
    }
}

/// Reads `key=value,key=value` with percent-encoded values (W3C Baggage without properties), as headers and
/// resource attributes are given.
///
/// # Errors
/// A member without `=`, without a key, or with a broken percent-encoding. Values are never quoted: they
/// may be secrets.
pub(super) fn parse_list(list: &str) -> Result<Vec<(String, String)>> {
    let members = list.split(',').enumerate().filter(|(_, member)| !member.trim().is_empty());
    members
        .map(|(i, member)| {
            let nth = i + 1;
            let (key, value) = member.split_once('=').ok_or_else(|| {
                Error::invalid_config(format!(
                    "member {nth} of the list is not key=value; write a comma as %2C"
                ))
            })?;
            let key = percent_decode(key.trim()).filter(|key| !key.is_empty());
            let key = key.ok_or_else(|| {
                Error::invalid_config(format!("member {nth} of the list has no usable key before its `=`"))
            })?;
            let value = percent_decode(value.trim()).ok_or_else(|| {
                Error::invalid_config(format!(
                    "the value of `{key}` is not properly percent-encoded UTF-8; write a literal % as %25"
                ))
            })?;
            Ok((key, value))
        })
        .collect()
}

pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        rest = after;
        let digit = |c: u8| char::from(c).to_digit(16);
        out.push(u8::try_from(digit(digits[0])? << 4 | digit(digits[1])?).ok()?);
    }
    String::from_utf8(out).ok()
}
