//! Who emits: the agent's id and the source URI that goes with it, and the key that seals.

use std::fmt::Write as _;

use base64::Engine as _;

use super::keys;
use crate::document::reader::{Cursor, Table};
use crate::error::{ErrorKind, Result};
use crate::seam::Env;
use crate::secret::Secret;
use crate::settings::{AgentConfig, KeyConfig, KeySource, SignMode, SignatureAlgorithm};

/// The shortest HMAC key (docs/spec/envelope.md).
const MIN_HMAC_KEY: usize = 32;

/// `agent`, or the default one.
pub(super) fn agent(cursor: Option<Cursor<'_>>, env: &dyn Env) -> Result<AgentConfig> {
    let Some(cursor) = cursor else {
        return Ok(AgentConfig { id: default_agent(env), tenant: None, allow: Vec::new() });
    };
    let table = cursor.table(keys::AGENT)?;
    Ok(AgentConfig {
        id: table.maybe("id", |c| c.name().map(str::to_owned))?.unwrap_or_else(|| default_agent(env)),
        tenant: table.maybe("tenant", |c| c.name().map(str::to_owned))?,
        allow: table.or("allow", Vec::new(), Cursor::names)?,
    })
}

/// `urn:sinkwell:agent:` and `OTEL_SERVICE_NAME`, else the program's name.
fn default_agent(env: &dyn Env) -> String {
    let service = env.var("OTEL_SERVICE_NAME").filter(|name| !name.trim().is_empty());
    let name = service.or_else(|| env.program().filter(|name| !name.is_empty()));
    let mut id = "urn:sinkwell:agent:".to_owned();
    encode(&mut id, name.as_deref().unwrap_or("unknown"), |byte| {
        byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
    });
    id
}

/// Any text as a URI-reference (RFC 3986), for an agent's id without a `source`. A text that is one already stays as it
/// is.
#[must_use]
pub fn uri_reference(agent: &str) -> String {
    let mut source = String::new();
    let has_scheme = agent.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme));
    // Without a scheme, a colon in the first segment would be read as the end of one.
    let (head, tail) =
        if has_scheme { ("", agent) } else { agent.split_at(agent.find('/').unwrap_or(agent.len())) };
    encode(&mut source, head, |byte| byte != b':' && is_uri_byte(byte));
    encode(&mut source, tail, is_uri_byte);
    source
}

/// `source`: a URI-reference.
pub(super) fn source(cursor: &Cursor<'_>) -> Result<String> {
    let text = cursor.string()?;
    let escapes = text.match_indices('%').all(|(at, _)| is_escape(text.as_bytes(), at));
    if !escapes || !text.bytes().all(|byte| byte == b'%' || is_uri_byte(byte)) {
        return Err(cursor.error(
            "not a URI-reference; a character that it cannot hold is percent-encoded, a space as `%20`",
        ));
    }
    if let Some((scheme, _)) = text.split(['/', '?', '#']).next().and_then(|first| first.split_once(':'))
        && !is_scheme(scheme)
    {
        return Err(cursor.error("not a URI-reference; what stands before the first `:` is no scheme"));
    }
    Ok(text.to_owned())
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Reserved and unreserved characters, without brackets, which are allowed only around an IPv6 address.
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=#".contains(&byte)
}

fn is_escape(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at + 1..at + 3), Some([a, b]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
}

/// Percent-encodes characters that are not allowed; escapes that are there already stay.
fn encode(out: &mut String, text: &str, allowed: impl Fn(u8) -> bool) {
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        if allowed(byte) || (byte == b'%' && is_escape(bytes, at)) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

pub(super) fn key(cursor: &Cursor<'_>) -> Result<KeyConfig> {
    let table = cursor.table_as(keys::KEY, "{ id: k1, ed25519: { file: agent.pem } }")?;
    let id = table.require("id")?.name()?.to_owned();
    let allow_group_readable = table.or("allow_group_readable", false, Cursor::bool)?;
    let modes = [SignMode::Each, SignMode::Batch].map(|mode| (mode.name(), mode));
    let sign = table.or("sign", SignMode::Each, |c| c.choice("way of signing", &modes, &[]))?;
    let (which, value) = table.one_of(&["ed25519", "hmac_sha256", "signer"])?;
    if which != "signer"
        && let Some(alg) = table.get("alg")
    {
        return Err(alg.error(format!("`alg` goes with `signer: host`; `{which}` says it already")));
    }
    let source = match which {
        "ed25519" => ed25519(&value)?,
        "hmac_sha256" => hmac(&value)?,
        _ => host_signer(&table, &value)?,
    };
    Ok(KeyConfig { id, source, allow_group_readable, sign })
}

fn ed25519(cursor: &Cursor<'_>) -> Result<KeySource> {
    let table = cursor.table(keys::ED25519)?;
    let (which, value) = table.one_of(&["file", "env", "pem"])?;
    Ok(match which {
        "file" => KeySource::Ed25519File(value.file()?),
        "env" => KeySource::Ed25519Pem(from_env(&value)?),
        _ => KeySource::Ed25519Pem(Secret::new(value.string()?.as_bytes().to_vec())),
    })
}

fn hmac(cursor: &Cursor<'_>) -> Result<KeySource> {
    let table = cursor.table(keys::HMAC)?;
    let (which, value) = table.one_of(&["file", "env", "base64"])?;
    let secret = match which {
        "file" => return Ok(KeySource::HmacFile(value.file()?)),
        "env" => from_env(&value)?,
        _ => {
            let bytes =
                base64::engine::general_purpose::STANDARD.decode(value.string()?.trim()).map_err(|_| {
                    value.error_of(ErrorKind::Key, "this is not standard base64 with its padding")
                })?;
            Secret::new(bytes)
        }
    };
    long_enough(&secret, &value)?;
    Ok(KeySource::HmacBytes(secret))
}

fn host_signer(table: &Table<'_>, signer: &Cursor<'_>) -> Result<KeySource> {
    signer.choice("signer", &[("host", ())], &[])?;
    let algorithms = [SignatureAlgorithm::Ed25519, SignatureAlgorithm::HmacSha256];
    let words = algorithms.map(|algorithm| (algorithm.name(), algorithm));
    let alg = table.require("alg")?.choice("algorithm", &words, &[("hmac_sha256", "hmac-sha256")])?;
    Ok(KeySource::Host(alg))
}

/// The bytes of the environment variable that the value names, as they are.
fn from_env(cursor: &Cursor<'_>) -> Result<Secret> {
    let name = cursor.name()?;
    match cursor.document.env.var(name) {
        Some(value) if !value.is_empty() => Ok(Secret::new(value.into_bytes())),
        // The name is not quoted: somebody who writes the key itself here by mistake must not find it in a log.
        _ => Err(cursor.error_of(
            ErrorKind::Key,
            "the environment variable named here is not set, or empty; `env` takes a variable's name",
        )),
    }
}

fn long_enough(secret: &Secret, cursor: &Cursor<'_>) -> Result<()> {
    let length = secret.expose().len();
    if length >= MIN_HMAC_KEY {
        return Ok(());
    }
    Err(cursor.error_of(
        ErrorKind::Key,
        format!(
            "an HMAC-SHA256 key needs at least {MIN_HMAC_KEY} bytes, this one has {length}; make one with `sinkwell keys new --alg hmac-sha256`"
        ),
    ))
}

/// `redaction`, which holds only the key for hashes; the redaction policy is part of `governance`.
pub(super) fn redaction_hash_key(cursor: &Cursor<'_>) -> Result<Option<Secret>> {
    let table = cursor.table_with_hint(keys::REDACTION_KEY, |_| {
        Some(
            "the redaction policy goes under `governance.content.redaction`; here is only `hash_key`"
                .to_owned(),
        )
    })?;
    table.maybe("hash_key", |c| {
        let table = c.table(keys::HASH_KEY)?;
        let (which, value) = table.one_of(&["file", "env"])?;
        let secret = if which == "file" {
            let path = value.read_now()?;
            let read = value.document.env.read_private(&path);
            read.map_err(|e| value.error_of(e.kind(), format!("{}: {}", path.display(), e.message())))?
        } else {
            from_env(&value)?
        };
        long_enough(&secret, &value)?;
        Ok(secret)
    })
}
