//! `sink` of a lane (sinks.md).

use std::sync::Arc;

use super::model::{
    AuditConfig, AuditRetention, ConsoleConfig, FileConfig, OtlpBody, OtlpConfig, SinkConfig,
};
use super::reader::{Cursor, Table, access, quoted};
use super::suggest::nearest;
use super::tree::shown;
use crate::error::{ErrorKind, Result};
use crate::secret::Secret;
use crate::sink::SinkClass;

/// The sinks of this build.
pub(super) const KINDS: [&str; 9] =
    ["stdout", "stderr", "console", "file", "otlp", "audit_chain", "host", "memory", "null"];
/// The sinks that the product knows and this build does not have.
const LATER: [&str; 5] = ["honeycomb", "stream", "webhook", "kafka", "nats"];

/// The classes a lane may give its sink; the first is the default.
pub(super) fn classes(sink: &SinkConfig) -> &'static [SinkClass] {
    use SinkClass::{Audit, Debug, Observability, Siem};
    match sink {
        SinkConfig::Stdout | SinkConfig::Stderr => &[Debug, Observability],
        SinkConfig::File(_) => &[Observability, Debug, Audit],
        SinkConfig::Console(_) | SinkConfig::Memory | SinkConfig::Null => &[Debug],
        SinkConfig::Otlp(_) => &[Observability, Siem],
        SinkConfig::AuditChain(_) => &[Audit],
        SinkConfig::Host(_) => &[Observability, Siem, Audit, Debug],
    }
}

/// `sink: stdout` or `sink: { file: { … } }`.
pub(super) fn read(cursor: &Cursor<'_>) -> Result<SinkConfig> {
    if cursor.as_str().is_some() {
        return named(cursor);
    }
    if !cursor.is_map() {
        // Nothing at all, in YAML, is also how `null` reads: an omission must not throw events away.
        let hint = if cursor.is_null() { "; the sink `null` is written in quotes" } else { "" };
        return Err(cursor.error(format!("expected a sink: one of {}{hint}", quoted(&KINDS))));
    }
    let mut members = cursor.members()?;
    for (kind, member) in &members {
        known(kind, member)?;
    }
    let (Some((kind, options)), true) = (members.pop(), members.is_empty()) else {
        return Err(cursor.error("expected exactly one sink, as `{ file: { path: events.ndjson } }`"));
    };
    with_options(kind, &options)
}

/// A sink named by a word alone: its defaults.
pub(super) fn named(cursor: &Cursor<'_>) -> Result<SinkConfig> {
    let kind = cursor.as_str().unwrap_or_default();
    known(kind, cursor)?;
    Ok(match kind {
        "stdout" => SinkConfig::Stdout,
        "stderr" => SinkConfig::Stderr,
        "console" => SinkConfig::Console(ConsoleConfig::default()),
        "memory" => SinkConfig::Memory,
        "null" => SinkConfig::Null,
        "otlp" => SinkConfig::Otlp(Arc::new(OtlpConfig::default())),
        "file" => {
            return Err(cursor.error("a `file` needs a path: `sink: { file: { path: events.ndjson } }`"));
        }
        "audit_chain" => {
            return Err(
                cursor.error("an `audit_chain` needs a path: `sink: { audit_chain: { path: audit.db } }`")
            );
        }
        _ => return Err(cursor.error("a `host` sink needs its name: `sink: { host: my-sink }`")),
    })
}

fn known(kind: &str, cursor: &Cursor<'_>) -> Result<()> {
    if KINDS.contains(&kind) {
        return Ok(());
    }
    let sinks = quoted(&KINDS);
    if LATER.contains(&kind) {
        return Err(cursor.error_of(
            ErrorKind::Unsupported,
            format!("this build has no `{kind}` sink; the sinks it has: {sinks}"),
        ));
    }
    let all: Vec<_> = KINDS.into_iter().chain(LATER).collect();
    if cursor.is_from_env() {
        return Err(cursor.error(format!("the environment variable names no sink; known here: {sinks}")));
    }
    let hint = match nearest(kind, &all) {
        Some(word) => format!("; did you mean `{word}`? Known here: {sinks}"),
        None => format!("; known here: {sinks}"),
    };
    Err(cursor.error(format!("unknown sink `{}`{hint}", shown(kind))))
}

fn with_options(kind: &str, options: &Cursor<'_>) -> Result<SinkConfig> {
    if options.is_null() && !matches!(kind, "file" | "audit_chain" | "host") {
        return Ok(match kind {
            "stdout" => SinkConfig::Stdout,
            "stderr" => SinkConfig::Stderr,
            "memory" => SinkConfig::Memory,
            "null" => SinkConfig::Null,
            "console" => SinkConfig::Console(ConsoleConfig::default()),
            _ => SinkConfig::Otlp(Arc::new(OtlpConfig::default())),
        });
    }
    Ok(match kind {
        "stdout" => options.table(&[]).map(|_| SinkConfig::Stdout)?,
        "stderr" => options.table(&[]).map(|_| SinkConfig::Stderr)?,
        "memory" => options.table(&[]).map(|_| SinkConfig::Memory)?,
        "null" => options.table(&[]).map(|_| SinkConfig::Null)?,
        "console" => SinkConfig::Console(console(options)?),
        "file" => SinkConfig::File(file(options)?),
        "otlp" => SinkConfig::Otlp(Arc::new(otlp(options)?)),
        "audit_chain" => SinkConfig::AuditChain(audit_chain(options)?),
        _ => SinkConfig::Host(options.name()?.to_owned()),
    })
}

fn console(options: &Cursor<'_>) -> Result<ConsoleConfig> {
    let table = options.table(&["color", "stream"])?;
    Ok(ConsoleConfig {
        color: table.or("color", None, |c| {
            c.choice("color", &[("auto", None), ("always", Some(true)), ("never", Some(false))], &[])
        })?,
        stdout: table
            .or("stream", false, |c| c.choice("stream", &[("stderr", false), ("stdout", true)], &[]))?,
    })
}

fn file(options: &Cursor<'_>) -> Result<FileConfig> {
    let table = options.table(&["path", "rotate", "keep", "fsync", "allow_links", "allow_shared_write"])?;
    let rotate = table.maybe("rotate", |c| {
        let rotate = c.table(&["size", "age"])?;
        match (rotate.maybe("size", Cursor::size)?, rotate.maybe("age", Cursor::span)?) {
            (None, None) => Err(c.error("`rotate` needs a `size`, an `age` or both")),
            both => Ok(both),
        }
    })?;
    let keep = table.maybe("keep", |c| c.count(0, 1_000_000))?;
    if let (Some(keep), None) = (table.get("keep"), rotate) {
        return Err(
            keep.error("`keep` says how many rotated files stay, but nothing is rotated; add `rotate`")
        );
    }
    let (rotate_bytes, rotate_age) = rotate.unwrap_or_default();
    Ok(FileConfig {
        path: table.require("path")?.file()?,
        rotate_bytes,
        rotate_age,
        keep,
        fsync: table.or("fsync", false, Cursor::bool)?,
        access: access(&table)?,
    })
}

fn audit_chain(options: &Cursor<'_>) -> Result<AuditConfig> {
    let table = options.table(&["path", "retention", "allow_links", "allow_shared_write"])?;
    let retention = table.or("retention", None, |c| {
        if c.as_str() == Some("none") {
            return Ok(None);
        }
        if !c.is_map() {
            return Err(c.error("expected `none`, or a policy as `{ policy: two-years, max_age: 730d }`"));
        }
        let retention = c.table(&["policy", "max_age"])?;
        Ok(Some(AuditRetention {
            policy: retention.require("policy")?.name()?.to_owned(),
            max_age: retention.require("max_age")?.span()?,
        }))
    })?;
    Ok(AuditConfig { path: table.require("path")?.file()?, access: access(&table)?, retention })
}

fn otlp(options: &Cursor<'_>) -> Result<OtlpConfig> {
    let table = options.table(&[
        "endpoint",
        "protocol",
        "headers",
        "compression",
        "ca",
        "client_certificate",
        "client_key",
        "insecure",
        "body",
        "max_request_bytes",
        "resource",
    ])?;
    if let ["client_certificate"] | ["client_key"] = table.present(&["client_certificate", "client_key"])[..]
    {
        return Err(options.error("`client_certificate` and `client_key` are needed together"));
    }
    Ok(OtlpConfig {
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
        resource: table.or("resource", Vec::new(), |c| {
            c.members()?
                .into_iter()
                .map(|(key, value)| Ok((key.to_owned(), value.name()?.to_owned())))
                .collect()
        })?,
    })
}

fn endpoint(cursor: &Cursor<'_>) -> Result<String> {
    let text = cursor.name()?;
    if text.strip_prefix("unix:").is_some_and(|path| !path.is_empty()) {
        return Ok(text.to_owned());
    }
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let authority = rest.unwrap_or_default().split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || text.contains(' ') {
        return Err(cursor.error("expected a URL, as `http://localhost:4317` or `https://collector:4318`"));
    }
    if authority.contains('@') {
        return Err(cursor.error("an endpoint cannot hold a user or password; send them in `headers`"));
    }
    Ok(text.to_owned())
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

fn headers(cursor: &Cursor<'_>) -> Result<Vec<(String, Secret)>> {
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
