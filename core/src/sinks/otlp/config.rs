//! `otlp` in a configuration.

use std::path::PathBuf;

use crate::document::keys::{Form, Key};
use crate::document::reader::{Cursor, Table};
use crate::error::{ErrorKind, Result};
use crate::secret::Secret;
use crate::sink::{Alone, Examined, Kind, Made, Making, Settings, SinkClass, SinkConfig};

/// `otlp`
pub(crate) const KIND: Kind = Kind {
    name: "otlp",
    about: "OTLP log records over gRPC or HTTP; what is left out comes from `OTEL_EXPORTER_OTLP_*`: [OTLP.md](OTLP.md)",
    classes: &[SinkClass::Observability, SinkClass::Siem],
    linger: crate::sinks::LINGER,
    keys: &[
        Key::new("endpoint", Form::Text, "`http://localhost:4317`", "a URL, or `unix:PATH`"),
        Key::new("protocol", Form::Word(&["grpc", "http/protobuf"]), "by the port", ""),
        Key::new("headers", Form::Map(&Form::Text), "none", "sent with every request; values are secret"),
        Key::new("compression", Form::Word(&["none", "gzip", "zstd"]), "`none`", "of requests"),
        Key::new("ca", Form::Path, "the system's", "certificates (PEM) that vouch for the receiver"),
        Key::new("client_certificate", Form::Path, "none", "PEM; together with `client_key`"),
        Key::new("client_key", Form::Path, "none", "PEM"),
        Key::new("insecure", Form::Bool, "by the URL", "plain text although gRPC would use TLS"),
        Key::new(
            "body",
            Form::Word(&["string", "map", "none"]),
            "`string`",
            "the sealed line, so that any receiver can verify it; or its members; or nothing",
        ),
        Key::new("max_request_bytes", Form::Size, "4 MiB", "most bytes of one request, before compression"),
        Key::new(
            "signals",
            Form::List(&Form::Word(&["logs", "traces"])),
            "`[logs]`",
            "with `traces`, what the span bridge made of finished spans goes out as spans, too ([OTLP.md](OTLP.md))",
        ),
        Key::new("resource", Form::Map(&Form::Text), "none", "further resource attributes"),
    ],
    alone: Alone::Default(|| SinkConfig::new(OtlpConfig::default())),
    read,
};

/// `otlp`: what the document says; environment variables fill what it leaves out (the OpenTelemetry
/// specification's names and per-signal forms).
#[derive(Clone, Debug, Default)]
pub struct OtlpConfig {
    /// Base endpoint, or a full one if `endpoint_is_signal`.
    pub endpoint: Option<String>,
    /// `grpc` or `http/protobuf`.
    pub protocol: Option<String>,
    /// Extra headers; values may be secret.
    pub headers: Vec<(String, Secret)>,
    /// `none`, `gzip` or `zstd`.
    pub compression: Option<String>,
    /// CA bundle (PEM).
    pub ca: Option<PathBuf>,
    /// Client certificate (PEM).
    pub client_certificate: Option<PathBuf>,
    /// Client key (PEM).
    pub client_key: Option<PathBuf>,
    /// Plain text although gRPC would use TLS.
    pub insecure: Option<bool>,
    /// `string` (default), `map` or `none`.
    pub body: OtlpBody,
    /// Most bytes of one request before compression. Default 4 MiB.
    pub max_request_bytes: Option<usize>,
    /// Whether finished spans go out as spans, too.
    pub traces: bool,
    /// Extra resource attributes.
    pub resource: Vec<(String, String)>,
}

/// `otlp.body`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtlpBody {
    /// The sealed envelope as its canonical JSON string.
    #[default]
    String,
    /// The envelope as an OTLP map.
    Map,
    /// No body.
    None,
}

impl Settings for OtlpConfig {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    #[cfg(feature = "otlp")]
    fn make(&self, making: &Making<'_>) -> Result<Made> {
        let sink = sink(self, making)?;
        let traffic = vec![sink.traffic()];
        Ok(Made { traffic, ..Made::new(sink) })
    }

    #[cfg(not(feature = "otlp"))]
    fn make(&self, _making: &Making<'_>) -> Result<Made> {
        Err(crate::error::Error::unsupported("this build is without the feature `otlp`"))
    }

    #[cfg(feature = "otlp")]
    fn examine(&self, making: &Making<'_>) -> Examined {
        let wrong = |text| Examined::Found(crate::sink::Grade::Wrong, text);
        match sink(self, making).map(|mut sink| sink.probe()) {
            Err(e) => wrong(e.to_string()),
            Ok(Err(failure)) => wrong(super::caller::told(&failure)),
            Ok(Ok(())) => Examined::Deliver,
        }
    }

    #[cfg(not(feature = "otlp"))]
    fn examine(&self, _making: &Making<'_>) -> Examined {
        Examined::Deliver
    }
}

#[cfg(feature = "otlp")]
fn sink(config: &OtlpConfig, making: &Making<'_>) -> Result<super::OtlpSink> {
    // The sink gives up a little before the lane does, so that it can say what it was waiting for.
    let timeout = making.timeout.mul_f32(0.9);
    let settings =
        super::Settings::resolve(config, &super::process_env, &super::Facts::of_process(), timeout)?;
    let clock = std::sync::Arc::new(crate::seam::SystemClock::default());
    let sink = super::OtlpSink::new(settings, clock)?;
    if !config.traces {
        return Ok(sink);
    }
    sink.with_traces(super::Settings::resolve_traces(
        config,
        &super::process_env,
        &super::Facts::of_process(),
        timeout,
    )?)
}

fn read(cursor: &Cursor<'_>) -> Result<SinkConfig> {
    let Some(table) = cursor.table_or_nothing(KIND.keys)? else {
        return Ok(SinkConfig::new(OtlpConfig::default()));
    };
    client_files(cursor, &table)?;
    Ok(SinkConfig::new(OtlpConfig {
        endpoint: table.maybe("endpoint", endpoint)?,
        protocol: table.maybe("protocol", protocol)?,
        headers: table.or("headers", Vec::new(), |c| headers(c))?,
        compression: table.maybe("compression", |c| {
            let words = [("none", "none"), ("gzip", "gzip"), ("zstd", "zstd")];
            c.choice("compression", &words, &[]).map(str::to_owned)
        })?,
        ca: table.maybe("ca", Cursor::file)?,
        client_certificate: table.maybe("client_certificate", Cursor::file)?,
        client_key: table.maybe("client_key", Cursor::file)?,
        insecure: table.maybe("insecure", Cursor::bool)?,
        body: body(&table)?,
        max_request_bytes: table.maybe("max_request_bytes", Cursor::size_in_memory)?,
        traces: table.or("signals", false, signals)?,
        resource: table.or("resource", Vec::new(), |c| {
            c.members()?
                .into_iter()
                .map(|(key, value)| Ok((key.to_owned(), value.name()?.to_owned())))
                .collect()
        })?,
    }))
}

/// A client has a certificate and its key, or neither.
pub(in crate::sinks) fn client_files(cursor: &Cursor<'_>, table: &Table<'_>) -> Result<()> {
    match table.present(&["client_certificate", "client_key"])[..] {
        ["client_certificate"] | ["client_key"] => {
            Err(cursor.error("`client_certificate` and `client_key` are needed together"))
        }
        _ => Ok(()),
    }
}

/// Whether traces are among the signals; logs always are.
fn signals(cursor: &Cursor<'_>) -> Result<bool> {
    let (mut logs, mut traces) = (false, false);
    for item in cursor.list()? {
        if item.choice("signal", &[("logs", false), ("traces", true)], &[])? {
            traces = true;
        } else {
            logs = true;
        }
    }
    if !logs {
        return Err(
            cursor.error("`logs` is missing: most of a lane's events are no spans, and go as log records")
        );
    }
    Ok(traces)
}

pub(in crate::sinks) fn endpoint(cursor: &Cursor<'_>) -> Result<String> {
    let text = cursor.name()?;
    if text.strip_prefix("unix:").is_some_and(|path| !path.is_empty()) {
        return Ok(text.to_owned());
    }
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let authority = match rest {
        Some(rest) => rest.split(['/', '?', '#']).next().unwrap_or_default(),
        None => grpc_target(text),
    };
    if authority.is_empty() || text.contains(' ') {
        return Err(cursor.error(
            "expected a URL, as `http://localhost:4317` or `https://collector:4318`, or for gRPC `HOST:PORT`",
        ));
    }
    if authority.contains('@') {
        return Err(cursor.error("an endpoint cannot hold a user or password; send them in `headers`"));
    }
    Ok(text.to_owned())
}

/// `HOST:PORT`, gRPC's own form, for which `insecure` says whether TLS is spoken; nothing if it is none.
fn grpc_target(text: &str) -> &str {
    let target = text.trim_start_matches("dns:///").trim_start_matches("dns:");
    let Some((host, port)) = target.rsplit_once(':') else { return "" };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let named = !host.is_empty() && !host.contains(['/', '?', '#']) && (bracketed || !host.contains(':'));
    if named && port.parse::<u16>().is_ok_and(|port| port > 0) { target } else { "" }
}

fn protocol(cursor: &Cursor<'_>) -> Result<String> {
    if cursor.as_str() == Some("http/json") {
        return Err(cursor.error_of(
            ErrorKind::Unsupported,
            "OTLP as JSON is not supported; use `grpc` or `http/protobuf`",
        ));
    }
    let words = [("grpc", "grpc"), ("http/protobuf", "http/protobuf")];
    cursor.choice("protocol", &words, &[]).map(str::to_owned)
}

pub(in crate::sinks) fn headers(cursor: &Cursor<'_>) -> Result<Vec<(String, Secret)>> {
    cursor
        .members()?
        .into_iter()
        .map(|(name, value)| {
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if name.is_empty() || !name.chars().all(token) {
                return Err(value.error("this is no name for a header"));
            }
            Ok((name.to_owned(), Secret::new(value.name()?.as_bytes().to_vec())))
        })
        .collect()
}

fn body(table: &Table<'_>) -> Result<OtlpBody> {
    let words = [("string", OtlpBody::String), ("map", OtlpBody::Map), ("none", OtlpBody::None)];
    table.or("body", OtlpBody::String, |c| c.choice("body", &words, &[]))
}
