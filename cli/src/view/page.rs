//! Writes what was collected into the page that `viewer/` builds.
//!
//! Guarantees: whatever the input holds, it stands in the page as base64 alone, so that nothing in it can end an element or
//! begin one. A shared secret is in no file.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sinkwell::json::Value;
use sinkwell::{Error, ErrorKind, Result};

use super::Told;
use super::collect::{Collected, Kind, Piece};

/// Built by `viewer/gen.sh`; a test of `viewer/` builds it again and compares.
const PAGE: &str = include_str!("page.html");
/// Where the data go.
const DATA: &str = "<!--data-->";
/// Where the page's policy says whom it may ask.
const CONNECT: &str = "{{connect}}";

pub(super) fn write_file(path: &Path, collected: &Collected, told: &Told) -> Result<()> {
    let failed = |e: io::Error| {
        let what = format!("the page cannot be written: {e}");
        Error::new(ErrorKind::Sink, what).at(path.display().to_string())
    };
    // First what may fail, so that no half of a page is left.
    let meta = Meta::of(collected, told)?;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        // Not before it is known that it can be its owner's alone.
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let is_file = file.metadata().map_err(failed)?.is_file();
    if is_file {
        // One that was there may be open to others: people's words go into it.
        file.set_permissions(Permissions::from_mode(0o600)).and_then(|()| file.set_len(0)).map_err(failed)?;
    }
    let mut out = BufWriter::with_capacity(256 << 10, &file);
    let written = write(&mut out, collected, &meta, "'none'").and_then(|()| out.flush());
    if written.is_err() && is_file {
        // A full disk: what is there of it is no page. Where it cannot be removed it is at least empty, as is what a link leads to
        // (that of standard output among them), which stays.
        let _ = file.set_len(0);
        if std::fs::symlink_metadata(path).is_ok_and(|here| here.is_file()) {
            let _ = std::fs::remove_file(path);
        }
    }
    written.map_err(failed)
}

/// Writes the page; `connect` is whom it may ask, as a policy says it.
pub(super) fn write(
    out: &mut dyn Write,
    collected: &Collected,
    meta: &Meta,
    connect: &str,
) -> io::Result<()> {
    let (head, foot) = PAGE.split_once(DATA).unwrap_or((PAGE, ""));
    out.write_all(head.replacen(CONNECT, connect, 1).as_bytes())?;
    for (class, value) in [("meta", Some(&meta.told)), ("graph", meta.graph.as_ref())] {
        let Some(value) = value else { continue };
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(value.to_json().as_bytes())?;
        element(out, class, "", &encoder.finish()?)?;
    }
    for piece in &collected.pieces {
        write_piece(out, piece)?;
    }
    out.write_all(foot.as_bytes())
}

fn write_piece(out: &mut dyn Write, piece: &Piece) -> io::Result<()> {
    let at = format!(" data-source=\"{}\" data-line=\"{}\"", piece.source, piece.line);
    match &piece.lines {
        Ok(lines) => element(out, "lines", &at, lines),
        Err(length) => element(out, "long", &format!("{at} data-length=\"{length}\""), b""),
    }
}

/// An element that the browser neither shows nor runs.
fn element(out: &mut dyn Write, class: &str, attributes: &str, bytes: &[u8]) -> io::Result<()> {
    write!(out, "<script type=\"text/plain\" class=\"{class}\"{attributes}>")?;
    out.write_all(STANDARD.encode(bytes).as_bytes())?;
    out.write_all(b"</script>\n")
}

/// A piece as the live page asks for it.
pub(super) fn piece_value(piece: &Piece) -> Value {
    let mut members = vec![("source", int(piece.source as u64)), ("line", int(piece.line))];
    match &piece.lines {
        Ok(lines) => members.push(("lines", STANDARD.encode(lines).as_str().into())),
        Err(length) => members.push(("length", int(*length))),
    }
    object(members)
}

/// A graph of more nodes is not put into a page: nobody reads it there, and it would be as large as the events.
const MOST_NODES: usize = 50_000;

/// What the page is told beside the lines.
pub(super) struct Meta {
    told: Value,
    /// Apart, as it is large and only one view asks for it.
    graph: Option<Value>,
}

impl Meta {
    pub(super) fn of(collected: &Collected, told: &Told) -> Result<Self> {
        let sources = collected.sources.iter().map(|source| {
            let kind = match source.kind {
                Kind::Input => "input",
                Kind::Checkpoint => "checkpoint",
            };
            object([
                ("name", source.name.as_str().into()),
                ("kind", kind.into()),
                ("bytes", int(source.bytes)),
                ("audit", source.audit.into()),
            ])
        });
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let keys = told.keys.iter().map(|(key, argument)| key_value(key, argument, told));
        let (core, graph) = core(collected, told)?;
        let told = object([
            ("format", int(1)),
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("made", int(u64::try_from(now.as_millis()).unwrap_or(0))),
            ("sources", Value::Array(sources.collect())),
            ("pieces", int(collected.pieces.len() as u64)),
            ("keys", Value::Array(keys.collect())),
            ("options", object([("partial", told.partial.into()), ("strict", told.strict.into())])),
            ("live", told.live.into()),
            ("core", core),
        ]);
        Ok(Self { told, graph })
    }
}

/// What the core says: by all keys, and by those alone that the page has; and the authorization graph, if it is not too
/// large.
pub(super) fn core(collected: &Collected, told: &Told) -> Result<(Value, Option<Value>)> {
    let (report, graph) = collected.judge(told.options(true))?;
    let mut members = vec![("report", report.to_json())];
    let secret = told.keys.iter().any(|(key, _)| key.key.ed25519_bytes().is_none());
    if secret && !told.secrets {
        members.push(("without_secrets", collected.judge(told.options(false))?.0.to_json()));
    }
    let nodes = graph.to_json();
    let small = nodes.get("nodes").is_none_or(|nodes| nodes.items().len() <= MOST_NODES);
    let graph = small.then(|| object([("graph", nodes), ("text", graph.to_string().as_str().into())]));
    Ok((object(members), graph))
}

fn key_value(key: &sinkwell::verify::TrustedKey, argument: &str, told: &Told) -> Value {
    let mut members = vec![("id", key.id.as_str().into()), ("alg", key.key.algorithm().name().into())];
    if let Some(agent) = &key.agent {
        members.push(("agent", agent.as_str().into()));
    }
    if let Some(raw) = key.key.ed25519_bytes() {
        members.push(("raw", STANDARD.encode(raw).as_str().into()));
    } else if told.secrets
        && let Some(raw) = secret(argument)
    {
        members.push(("raw", STANDARD.encode(raw).as_str().into()));
    }
    object(members)
}

/// The bytes of a shared secret, by the argument that named its file.
fn secret(argument: &str) -> Option<Vec<u8>> {
    std::fs::read(super::key_file(argument)).ok()
}

pub(super) fn object<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

pub(super) fn int(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}
