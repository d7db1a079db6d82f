//! Functions that need no emitter: verification, the decision about content as a value, usage and cost, severities, and
//! the text on what sinks can and cannot do.

use std::path::Path;
use std::time::Duration;

use sinkwell::key::VerifyingKey;
use sinkwell::seam::Env as _;
use sinkwell::types::{LevelScale, Severity};
use sinkwell::verify::{Options, TrustedKey, Verdict, Verifier, verify_envelope};
use sinkwell::{Emitter, Error, Result, content, usage};

use crate::bytes::{SinkwellBytes, SinkwellOwned, put};
use crate::error::{SinkwellError, at, at_mut, guard};
use crate::process::system;
use crate::slice::Slice;

/// A key to verify with: one of `file` and `bytes`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SinkwellKey {
    /// The id that envelopes name it by.
    pub id: SinkwellBytes,
    /// Its file: `hmac:FILE` (the key's bytes as they are) or `ed25519:FILE` (SPKI PEM); unnamed, only SPKI PEM.
    pub file: SinkwellBytes,
    /// Or the key itself, named alike: `hmac:` and its bytes, or an SPKI PEM.
    pub bytes: SinkwellBytes,
    /// The agents it may seal for, where `*` stands for any text; absent: all.
    pub agent: SinkwellBytes,
}

/// Envelopes to read: one of `path` and `bytes`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SinkwellInput {
    /// A file, or a directory.
    pub path: SinkwellBytes,
    /// What a file would hold.
    pub bytes: SinkwellBytes,
}

/// What is verified, and how. Zero it, then set what is to be said. Borrowed for the call.
#[repr(C)]
#[derive(Debug)]
pub struct SinkwellVerification {
    /// Envelopes.
    pub inputs: *const SinkwellInput,
    /// How many.
    pub inputs_len: u64,
    /// Whom to trust; without a key nothing is better than `unchecked`.
    pub keys: *const SinkwellKey,
    /// How many.
    pub keys_len: u64,
    /// Checkpoints kept beside the envelopes.
    pub checkpoints: *const SinkwellInput,
    /// How many.
    pub checkpoints_len: u64,
    /// Lanes of which the input should hold something.
    pub lanes: *const SinkwellBytes,
    /// How many.
    pub lanes_len: u64,
    /// Report streams not heard of for so many milliseconds; counts only with `has_silence`.
    pub silence_ms: u64,
    /// 1 if `silence_ms` is said.
    pub has_silence: u8,
    /// 1: report authorization edges that lead nowhere.
    pub edges: u8,
    /// 1: notes and declared losses are findings, too.
    pub strict: u8,
    /// 1: the input is a part of what was written.
    pub partial: u8,
    /// Zeros.
    pub reserved: [u8; 4],
}

/// # Safety
/// `keys` is NULL or points to `len` keys, valid with what they point to for the call.
unsafe fn trusted(keys: *const SinkwellKey, len: u64) -> Result<Vec<TrustedKey>> {
    let one = |key: &SinkwellKey| {
        // SAFETY: the caller's promise.
        let (id, file, bytes, agent) = unsafe {
            (
                key.id.required("keys.id")?,
                key.file.text("keys.file")?,
                key.bytes.get("keys.bytes")?,
                key.agent.text("keys.agent")?,
            )
        };
        let read = match (file, bytes) {
            (Some(file), None) => VerifyingKey::from_named(file),
            (None, Some(bytes)) => VerifyingKey::from_bytes(bytes),
            _ => Err(Error::invalid_argument("a key is given by one of file and bytes")),
        };
        let key = read.map_err(|e| e.at(format!("keys.{id}")))?;
        Ok(TrustedKey { agent: agent.map(str::to_owned), ..TrustedKey::new(id, key) })
    };
    // SAFETY: the caller's promise.
    unsafe { Slice::new(keys, len).get(|| "keys".to_owned())? }.iter().map(one).collect()
}

/// Verifies envelopes: the report that `sinkwell verify --format json` prints.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `verification` and what it points to are valid for the call; `out` and `error` are NULL or valid for a
/// write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_verify(
    verification: *const SinkwellVerification,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let given = at(verification, "verification")?;
            let mut verifier = Verifier::new(Options {
                keys: trusted(given.keys, given.keys_len)?,
                silence: (given.has_silence != 0).then(|| Duration::from_millis(given.silence_ms)),
                edges: given.edges != 0,
                strict: given.strict != 0,
                partial: given.partial != 0,
                lanes: lanes(given)?,
                ..Options::default()
            });
            for input in
                Slice::new(given.checkpoints, given.checkpoints_len).get(|| "checkpoints".to_owned())?
            {
                match (input.path.text("checkpoints")?, input.bytes.get("checkpoints")?) {
                    (Some(path), None) => verifier.read_checkpoints(Path::new(path))?,
                    (None, Some(mut bytes)) => verifier.read_checkpoints_from(&mut bytes, "<bytes>")?,
                    _ => return Err(one_of_two().at("checkpoints")),
                }
            }
            for input in Slice::new(given.inputs, given.inputs_len).get(|| "inputs".to_owned())? {
                match (input.path.text("inputs")?, input.bytes.get("inputs")?) {
                    (Some(path), None) => verifier.read_path(Path::new(path))?,
                    (None, Some(mut bytes)) => verifier.read(&mut bytes, "<bytes>")?,
                    _ => return Err(one_of_two().at("inputs")),
                }
            }
            let report = verifier.finish()?.to_json().to_json();
            put(out, || report.into_bytes());
            Ok(())
        })
    }
}

/// # Safety
/// What `given` points to is valid for the call.
unsafe fn lanes(given: &SinkwellVerification) -> Result<Vec<String>> {
    // SAFETY: the caller's promise.
    unsafe {
        let lanes = Slice::new(given.lanes, given.lanes_len).get(|| "lanes".to_owned())?;
        lanes.iter().map(|lane| Ok(lane.required("lanes")?.to_owned())).collect()
    }
}

fn one_of_two() -> Error {
    Error::invalid_argument("an input is given by one of path and bytes")
}

/// Verifies one envelope by itself: its form, its signature and its disclosures, not its place in a stream.
/// `sound` is 1 or 0 then.
///
/// # Ownership
/// `sound` stays the caller's.
///
/// # Safety
/// `envelope` is borrowed for the call; `keys` is NULL or points to `keys_len` keys, valid with what they point
/// to for the call; `sound` is valid for a write; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_verify_envelope(
    envelope: SinkwellBytes,
    keys: *const SinkwellKey,
    keys_len: u64,
    sound: *mut u8,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let envelope = envelope.get("envelope")?.unwrap_or_default();
            let verdict = verify_envelope(envelope, &trusted(keys, keys_len)?).0;
            *at_mut(sound, "sound")? = (verdict == Verdict::Sound).into();
            Ok(())
        })
    }
}

/// Decides about the capture of content without emitting: a request as a JSON object (`policy`, `sink`,
/// `requested_mode`, `class`, …) gives `{"requested", "effective", "allowed", "reason", "failed", …}`.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `request` is text; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_evaluate_content_capture(
    request: SinkwellBytes,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let request = request.required("request")?;
            let decision = content::evaluate_json(request.as_bytes(), system(None).now())?;
            put(out, || decision);
            Ok(())
        })
    }
}

/// The data of `model.usage`, as a JSON object, from what a provider answered: its usage object, or the whole
/// response, as JSON. `provider` is `openai`, `anthropic`, …, or `otel` for the attributes of a span that follows
/// the OpenTelemetry GenAI conventions.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `provider` and `answer` are text; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_usage_model(
    provider: SinkwellBytes,
    answer: SinkwellBytes,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let (provider, answer) = (provider.required("provider")?, answer.required("usage")?);
            let data = usage::usage_from_json(provider, answer.as_bytes())?;
            put(out, || data);
            Ok(())
        })
    }
}

/// The data of a cost event, as a JSON object, from `{"amount_micros", "currency", "rate_table_version",
/// "reported"?, "correction_ref"?}`: of `cost.corrected` with a `correction_ref`, else of `cost.estimated`.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `cost` is text; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_usage_cost(
    cost: SinkwellBytes,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let data = usage::cost_from_json(cost.required("cost")?.as_bytes())?;
            put(out, || data);
            Ok(())
        })
    }
}

/// The data of a parent's `model.usage`, as a JSON object, from its children's: `[{"run", "id", "data"}]`, where
/// `id` is that of the event, so that one that comes twice counts once.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `facts` is text; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_usage_roll_up(
    facts: SinkwellBytes,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let data = usage::roll_up_from_json(facts.required("facts")?.as_bytes())?;
            put(out, || data);
            Ok(())
        })
    }
}

/// `scale`: Go's `slog`.
pub const SINKWELL_LEVELS_SLOG: i32 = 0;
/// `scale`: .NET's `LogLevel`.
pub const SINKWELL_LEVELS_LOGLEVEL: i32 = 1;

/// The severity of a log record's level, as an event has it (`warn`); absent for a `scale` that is none of
/// `SINKWELL_LEVELS_*`.
///
/// # Ownership
/// The text lives as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn sinkwell_severity(scale: i32, level: i64) -> SinkwellBytes {
    let scale = match scale {
        SINKWELL_LEVELS_SLOG => Some(LevelScale::Slog),
        SINKWELL_LEVELS_LOGLEVEL => Some(LevelScale::LogLevel),
        _ => None,
    };
    SinkwellBytes::of_text(scale.map(|scale| Severity::of_level(scale, level).name()))
}

/// What sinks can and cannot do, as a JSON object for those who must show it.
///
/// # Ownership
/// The text lives as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn sinkwell_authority_boundary() -> SinkwellBytes {
    SinkwellBytes::of(Emitter::authority_boundary().as_bytes())
}
