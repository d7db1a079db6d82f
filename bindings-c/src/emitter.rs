//! The emitter: open, emit, wait for room, look at it, end it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sinkwell::config::{Format, Source};
use sinkwell::event::read_event;
use sinkwell::host::{self, Opening};
use sinkwell::json::ObjectWriter;
use sinkwell::seam::SystemEnv;
use sinkwell::{Attempt, Emitter, Error, EventInput, Result, Wait};

use crate::bytes::{SinkwellBytes, SinkwellOwned, put};
use crate::completion::{Completion, SinkwellCallback};
use crate::error::{SinkwellError, at, at_mut, guard};
use crate::event::SinkwellEvent;
use crate::receipt::{SinkwellReceipt, put_receipt};
use crate::signer::{SinkwellSigner, host_signer};
use crate::sink::{SinkwellSink, spec};

/// An emitter: a handle, freed by `sinkwell_emitter_free`. All calls may come from any thread.
#[derive(Debug)]
pub struct SinkwellEmitter {
    pub(crate) emitter: Arc<Emitter>,
}

/// `source`: nothing; environment variables, or the default, decide.
pub const SINKWELL_SOURCE_ENVIRONMENT: i32 = 0;
/// `source`: `config` is a file's path.
pub const SINKWELL_SOURCE_PATH: i32 = 1;
/// `source`: `config` is a document's text, YAML or JSON.
pub const SINKWELL_SOURCE_TEXT: i32 = 2;
/// `source`: `config` is a mapping of the host's language, as JSON: errors name the key only.
pub const SINKWELL_SOURCE_MAPPING: i32 = 3;

/// `wait` of an emit: for room in blocking lanes, on this thread, up to their `block_timeout`.
pub const SINKWELL_WAIT: i32 = 0;
/// `wait` of an emit: never, as this thread runs an event loop; `backpressure` instead.
pub const SINKWELL_NO_WAIT: i32 = 1;
/// `wait` of an emit: never, as this is a sink of the host's, or a callback of sinkwell's, on a thread of the
/// host's own. A lane without room drops the event as `reentrant`. (On the thread that sinkwell called, it knows
/// by itself.)
pub const SINKWELL_INSIDE: i32 = 2;

/// What an emitter is opened with. Zero it, then set what is to be said. Borrowed for the call, but for the
/// sinks and the signer, which live until their `free` is called.
#[repr(C)]
#[derive(Debug)]
pub struct SinkwellOpening {
    /// One of `SINKWELL_SOURCE_*`.
    pub source: i32,
    /// 1: no threads; `sinkwell_drain` delivers.
    pub manual: u8,
    /// Zeros.
    pub reserved: [u8; 3],
    /// The configuration, as `source` says.
    pub config: SinkwellBytes,
    /// What errors call a text; its folder is that of relative paths.
    pub name: SinkwellBytes,
    /// The program's name, for the default agent id, where the operating system knows only an interpreter.
    pub program: SinkwellBytes,
    /// Host sinks; they count as required sinks.
    pub sinks: *const SinkwellSink,
    /// How many.
    pub sinks_len: u64,
    /// The host's signer, or NULL.
    pub signer: *const SinkwellSigner,
}

/// The environment, as the configuration sees it.
pub(crate) fn system(program: Option<&str>) -> SystemEnv {
    program.map_or_else(SystemEnv::default, SystemEnv::with_program)
}

/// # Safety
/// `opening` and what it points to are valid for the call.
unsafe fn source(opening: &SinkwellOpening) -> Result<Source> {
    // SAFETY: the caller's promise.
    let config = || unsafe { opening.config.required("config") };
    Ok(match opening.source {
        SINKWELL_SOURCE_ENVIRONMENT => Source::Environment,
        SINKWELL_SOURCE_PATH => Source::Path(PathBuf::from(config()?)),
        SINKWELL_SOURCE_TEXT => Source::Text {
            text: config()?.to_owned(),
            // SAFETY: the caller's promise.
            name: unsafe { opening.name.text("name")? }.map(str::to_owned),
            format: Format::default(),
        },
        SINKWELL_SOURCE_MAPPING => Source::Mapping(config()?.to_owned()),
        _ => return Err(Error::invalid_argument("must be one of SINKWELL_SOURCE_*").at("source")),
    })
}

/// Opens an emitter. Waits on this thread until every required class has a healthy sink.
///
/// # Ownership
/// `emitter` is owned by the caller then, and so are the sinks and the signer by sinkwell, whether it opens
/// or not: their `free` is called once, when nothing uses them any more.
///
/// # Safety
/// `opening` and what it points to are valid for the call; `emitter` is valid for a write; `error` is NULL or
/// valid for a write. The functions of sinks and signer may be called from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_open(
    opening: *const SinkwellOpening,
    emitter: *mut *mut SinkwellEmitter,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            crate::process::watch_forks();
            let opening = at(opening, "opening")?;
            // First, so that `free` is called whatever comes.
            let sinks: Vec<_> =
                slice(opening.sinks, opening.sinks_len).iter().map(|sink| spec(sink)).collect();
            let signer = opening.signer.as_ref().map(|table| host_signer(table)).transpose();
            let out = at_mut(emitter, "emitter")?;
            let environment = system(opening.program.text("program")?);
            let opening = Opening {
                source: source(opening)?,
                sinks: sinks.into_iter().collect::<Result<_>>()?,
                signer: signer?,
                manual: opening.manual != 0,
            };
            *out = handle(Arc::new(host::open(opening, &environment)?));
            Ok(())
        })
    }
}

/// The process's default emitter, opened from the environment on first use; the same for every caller.
///
/// # Ownership
/// `emitter` is a handle of the caller's own then; freeing it does not end the emitter.
///
/// # Safety
/// `emitter` is valid for a write; `program` is absent or text; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_default(
    program: SinkwellBytes,
    emitter: *mut *mut SinkwellEmitter,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            crate::process::watch_forks();
            let out = at_mut(emitter, "emitter")?;
            *out = handle(host::default_emitter(&system(program.text("program")?))?);
            Ok(())
        })
    }
}

/// Takes the default emitter away, so that the process can end it; the next use opens another. `emitter` is
/// NULL then if there was none.
///
/// # Ownership
/// As `sinkwell_default`.
///
/// # Safety
/// `emitter` is valid for a write; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_take_default(
    emitter: *mut *mut SinkwellEmitter,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            *at_mut(emitter, "emitter")? = host::take_default().map_or(std::ptr::null_mut(), handle);
            Ok(())
        })
    }
}

fn handle(emitter: Arc<Emitter>) -> *mut SinkwellEmitter {
    Box::into_raw(Box::new(SinkwellEmitter { emitter }))
}

/// # Safety
/// `first` is NULL or points to `len` values.
pub(crate) unsafe fn slice<'a, T>(first: *const T, len: u64) -> &'a [T] {
    match usize::try_from(len) {
        // SAFETY: the caller's promise.
        Ok(len) if !first.is_null() => unsafe { std::slice::from_raw_parts(first, len) },
        _ => &[],
    }
}

/// Emits an event. `receipt` may be NULL for who does not want one.
///
/// # Ownership
/// The event stays the caller's; `receipt` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `event` and what it points to are valid for the call; `receipt` and `error` are
/// NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_emit(
    emitter: *const SinkwellEmitter,
    event: *const SinkwellEvent,
    wait: i32,
    receipt: *mut *mut SinkwellReceipt,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = &at(emitter, "emitter")?.emitter;
            let (event, wait) = (at(event, "event")?, read_wait(wait)?);
            let emitted = event.with_input(emitter, |input| emitter.emit_with(input, wait))?;
            put_receipt(receipt, emitted);
            Ok(())
        })
    }
}

/// Emits an event given as one JSON object, with the members of `SinkwellEvent` by their names in the
/// documentation (`type`, `data`, `trace: {trace_id, span_id, flags, state}`, `content: […]`, …).
///
/// # Ownership
/// As `sinkwell_emit`.
///
/// # Safety
/// As `sinkwell_emit`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_emit_json(
    emitter: *const SinkwellEmitter,
    event: SinkwellBytes,
    wait: i32,
    receipt: *mut *mut SinkwellReceipt,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = &at(emitter, "emitter")?.emitter;
            let wait = read_wait(wait)?;
            let emitted = read_json(emitter, event, |input| emitter.emit_with(input, wait))?;
            put_receipt(receipt, emitted);
            Ok(())
        })
    }
}

/// Emits an event without waiting on this thread. Where a blocking lane has no room it returns 0 with
/// `receipted` 0 and `limit_ms` set: the caller waits for `sinkwell_on_room`, at most until it has waited for
/// `limit_ms` in all, and calls again with how long it has `waited_ms` so far. After that it is
/// `backpressure`. Otherwise `receipted` is 1.
///
/// # Ownership
/// As `sinkwell_emit`.
///
/// # Safety
/// As `sinkwell_emit`; `receipted` and `limit_ms` are valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_try_emit(
    emitter: *const SinkwellEmitter,
    event: *const SinkwellEvent,
    waited_ms: u64,
    receipted: *mut u8,
    limit_ms: *mut u64,
    receipt: *mut *mut SinkwellReceipt,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = &at(emitter, "emitter")?.emitter;
            let (receipted, limit_ms) = (at_mut(receipted, "receipted")?, at_mut(limit_ms, "limit_ms")?);
            let waited = Duration::from_millis(waited_ms);
            let attempt = at(event, "event")?.with_input(emitter, |input| emitter.try_emit(input, waited))?;
            attempted(attempt, receipted, limit_ms, receipt);
            Ok(())
        })
    }
}

/// `sinkwell_try_emit` for an event given as one JSON object.
///
/// # Ownership
/// As `sinkwell_emit`.
///
/// # Safety
/// As `sinkwell_try_emit`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_try_emit_json(
    emitter: *const SinkwellEmitter,
    event: SinkwellBytes,
    waited_ms: u64,
    receipted: *mut u8,
    limit_ms: *mut u64,
    receipt: *mut *mut SinkwellReceipt,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = &at(emitter, "emitter")?.emitter;
            let (receipted, limit_ms) = (at_mut(receipted, "receipted")?, at_mut(limit_ms, "limit_ms")?);
            let waited = Duration::from_millis(waited_ms);
            let attempt = read_json(emitter, event, |input| emitter.try_emit(input, waited))?;
            attempted(attempt, receipted, limit_ms, receipt);
            Ok(())
        })
    }
}

pub(crate) fn read_wait(wait: i32) -> Result<Wait> {
    match wait {
        SINKWELL_WAIT => Ok(Wait::Allowed),
        SINKWELL_NO_WAIT => Ok(Wait::Never),
        SINKWELL_INSIDE => Ok(Wait::Inside),
        _ => {
            Err(Error::invalid_argument("must be SINKWELL_WAIT, SINKWELL_NO_WAIT or SINKWELL_INSIDE")
                .at("wait"))
        }
    }
}

/// # Safety
/// `receipt` is NULL or valid for a write.
unsafe fn attempted(
    attempt: Attempt,
    receipted: &mut u8,
    limit_ms: &mut u64,
    receipt: *mut *mut SinkwellReceipt,
) {
    match attempt {
        Attempt::Accepted(accepted) => {
            (*receipted, *limit_ms) = (1, 0);
            // SAFETY: the caller's promise.
            unsafe { put_receipt(receipt, accepted) };
        }
        Attempt::NoRoom(limit) => {
            // Rounded up: who has waited for it in milliseconds has waited for all of it.
            let ms = limit.as_nanos().div_ceil(1_000_000);
            (*receipted, *limit_ms) = (0, u64::try_from(ms).unwrap_or(u64::MAX));
        }
    }
}

/// # Safety
/// `event` is borrowed for the call.
unsafe fn read_json<T>(
    emitter: &Emitter,
    event: SinkwellBytes,
    emit: impl FnOnce(EventInput<'_>) -> Result<T>,
) -> Result<T> {
    // SAFETY: the caller's promise.
    let text = unsafe { event.get("event")? }.unwrap_or_default();
    read_event(text, emitter.depth_limit(), &mut ObjectWriter::new(), emit)
}

/// Calls back when the blocking lanes that have no room may have some again, or at once if they have: with a
/// status of 0 and no bytes. A status other than 0 returned means that the callback will not come.
///
/// # Ownership
/// The token is the host's to free once the callback came.
///
/// # Safety
/// `emitter` is an emitter; `callback` may be called from any thread; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_on_room(
    emitter: *const SinkwellEmitter,
    token: u64,
    callback: SinkwellCallback,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = &at(emitter, "emitter")?.emitter;
            Completion::new(token, callback)?
                .start(|completion| emitter.on_room(move || completion.tell(Ok(Vec::new()))))
        })
    }
}

/// Says whether an emit would be let through now: 0, or `closed` or `required_sink_unavailable`.
///
/// # Ownership
/// Nothing changes hands.
///
/// # Safety
/// `emitter` is an emitter; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_ensure_ready(
    emitter: *const SinkwellEmitter,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { guard(error, || at(emitter, "emitter")?.emitter.ensure_ready()) }
}

/// Counters: `{lane: {"admitted", …, "dropped_by": {reason: n}, "rejected_by", "filtered_by"}}`.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_counters(
    emitter: *const SinkwellEmitter,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = at(emitter, "emitter")?;
            put(out, || host::counters_json(&emitter.emitter));
            Ok(())
        })
    }
}

/// Health: `{lane: {"state", "since", "failure", "summary", "detail", "acked", "classes"}}`.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_health(
    emitter: *const SinkwellEmitter,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = at(emitter, "emitter")?;
            put(out, || host::health_json(&emitter.emitter));
            Ok(())
        })
    }
}

/// Counters and states in the Prometheus text format.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_prometheus(
    emitter: *const SinkwellEmitter,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = at(emitter, "emitter")?;
            put(out, || emitter.emitter.prometheus().into_bytes());
            Ok(())
        })
    }
}

/// The same as instruments for a host's OpenTelemetry meter:
/// `{"metrics": [{"name", "kind": "counter" | "gauge", "unit", "description", "points": [{"attributes", "value"}]}]}`.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_metrics(
    emitter: *const SinkwellEmitter,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = at(emitter, "emitter")?;
            put(out, || host::metrics_json(&emitter.emitter));
            Ok(())
        })
    }
}

/// How many events `closed`, `backpressure` and `required_sink_unavailable` kept out.
///
/// # Ownership
/// `refused` stays the caller's.
///
/// # Safety
/// `emitter` is an emitter; `refused` is valid for a write; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_refused(
    emitter: *const SinkwellEmitter,
    refused: *mut u64,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            *at_mut(refused, "refused")? = at(emitter, "emitter")?.emitter.refused();
            Ok(())
        })
    }
}

/// How many events wait in a lane to be sealed.
///
/// # Ownership
/// `queued` stays the caller's.
///
/// # Safety
/// `emitter` is an emitter; `lane` is text; `queued` is valid for a write; `error` is NULL or valid for a
/// write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_queued(
    emitter: *const SinkwellEmitter,
    lane: SinkwellBytes,
    queued: *mut u64,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let n = at(emitter, "emitter")?.emitter.queued(lane.required("lane")?)?;
            *at_mut(queued, "queued")? = n as u64;
            Ok(())
        })
    }
}

/// Delivers on this thread what a lane of a manual emitter holds: `{"count", "records": […]}`.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `lane` is text; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_drain(
    emitter: *const SinkwellEmitter,
    lane: SinkwellBytes,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let drained = at(emitter, "emitter")?.emitter.drain(lane.required("lane")?)?;
            put(out, || host::drained_json(&drained));
            Ok(())
        })
    }
}

/// Adds a lane for a host's sink while the emitter runs.
///
/// # Ownership
/// The sink is sinkwell's then, whether it is added or not: its `free` is called once.
///
/// # Safety
/// `emitter` is an emitter; `sink` and what it points to are valid for the call; `error` is NULL or valid for
/// a write. The functions of the sink may be called from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_add_sink(
    emitter: *const SinkwellEmitter,
    sink: *const SinkwellSink,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let spec = spec(at(sink, "sink")?)?;
            host::add_sink(&at(emitter, "emitter")?.emitter, spec, &system(None))
        })
    }
}

/// Seals with another key from the next envelope on: `key` is a `key:` section as in the configuration.
///
/// # Ownership
/// The signer is sinkwell's then, whether it is taken or not: its `free` is called once.
///
/// # Safety
/// `emitter` is an emitter; `key` is text; `signer` is NULL or a signer whose functions may be called from
/// any thread; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_change_key(
    emitter: *const SinkwellEmitter,
    key: SinkwellBytes,
    signer: *const SinkwellSigner,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let signer = signer.as_ref().map(|table| host_signer(table)).transpose()?;
            let key = host::load_key(key.required("key")?, signer, &system(None))?;
            at(emitter, "emitter")?.emitter.change_key(&key)
        })
    }
}

/// Has a durable lane export again what its journal still holds, from that envelope on: nothing is sealed anew,
/// and content goes only as far as today's policy lets it. `streamid` and `sequence` are those of a cursor.
///
/// # Ownership
/// Nothing changes hands.
///
/// # Safety
/// `emitter` is an emitter; `lane` and `streamid` are text; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_repair(
    emitter: *const SinkwellEmitter,
    lane: SinkwellBytes,
    streamid: SinkwellBytes,
    sequence: u64,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = &at(emitter, "emitter")?.emitter;
            host::repair(emitter, lane.required("lane")?, streamid.required("from.streamid")?, sequence)
        })
    }
}

/// Waits on this thread until every lane has delivered what it was given, or `timeout_ms` is over:
/// `{lane: {"delivered", "pending", "where"}}`.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_flush(
    emitter: *const SinkwellEmitter,
    timeout_ms: u64,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let report = at(emitter, "emitter")?.emitter.flush(Duration::from_millis(timeout_ms));
            put(out, || host::report_json(&report));
            Ok(())
        })
    }
}

/// Ends the emitter within `timeout_ms`; the report is that of `sinkwell_flush`. Safe to call again.
///
/// # Ownership
/// `out` is owned by the caller then; the handle stays valid until it is freed.
///
/// # Safety
/// `emitter` is an emitter; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_shutdown(
    emitter: *const SinkwellEmitter,
    timeout_ms: u64,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let report = at(emitter, "emitter")?.emitter.shutdown(Duration::from_millis(timeout_ms));
            put(out, || host::report_json(&report));
            Ok(())
        })
    }
}

/// `sinkwell_flush` on a thread of sinkwell's own; the report is what the callback gets.
///
/// # Ownership
/// The token is the host's to free once the callback came; the emitter may be freed meanwhile.
///
/// # Safety
/// `emitter` is an emitter; `callback` may be called from any thread; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_flush_on(
    emitter: *const SinkwellEmitter,
    timeout_ms: u64,
    token: u64,
    callback: SinkwellCallback,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = Arc::clone(&at(emitter, "emitter")?.emitter);
            aside(token, callback, move || {
                host::report_json(&emitter.flush(Duration::from_millis(timeout_ms)))
            })
        })
    }
}

/// `sinkwell_shutdown` on a thread of sinkwell's own; the report is what the callback gets.
///
/// # Ownership
/// As `sinkwell_flush_on`.
///
/// # Safety
/// As `sinkwell_flush_on`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_shutdown_on(
    emitter: *const SinkwellEmitter,
    timeout_ms: u64,
    token: u64,
    callback: SinkwellCallback,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = Arc::clone(&at(emitter, "emitter")?.emitter);
            aside(token, callback, move || {
                host::report_json(&emitter.shutdown(Duration::from_millis(timeout_ms)))
            })
        })
    }
}

/// Does what may take long on a thread of its own: flush and shutdown are rare, so each may have one.
fn aside(
    token: u64,
    callback: SinkwellCallback,
    run: impl FnOnce() -> Vec<u8> + Send + 'static,
) -> Result<()> {
    Completion::new(token, callback)?.start(|completion| {
        std::thread::Builder::new()
            .name("sinkwell-flush".into())
            .spawn(move || completion.tell_from(|| Ok(run())))
            .map(drop)
            .map_err(|e| Error::internal(format!("no thread to wait on: {e}")))
    })
}

/// How deep `data` may nest: what is deeper a binding need not write out, as it will be refused.
///
/// # Ownership
/// `limit` stays the caller's.
///
/// # Safety
/// `emitter` is an emitter; `limit` is valid for a write; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_depth_limit(
    emitter: *const SinkwellEmitter,
    limit: *mut u64,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            *at_mut(limit, "limit")? = at(emitter, "emitter")?.emitter.depth_limit() as u64;
            Ok(())
        })
    }
}

/// Whether the configuration asks for `handle_signals`, for a host that takes signals itself
/// (`sinkwell_signals_by_host`): `handles` is 1 or 0 then.
///
/// # Ownership
/// `handles` stays the caller's.
///
/// # Safety
/// `emitter` is an emitter; `handles` is valid for a write; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_handles_signals(
    emitter: *const SinkwellEmitter,
    handles: *mut u8,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            *at_mut(handles, "handles")? = at(emitter, "emitter")?.emitter.config().handle_signals.into();
            Ok(())
        })
    }
}

/// Frees a handle and sets it to NULL. The last handle of an emitter that was not shut down does that, within
/// five seconds, on this thread: call `sinkwell_shutdown` first.
///
/// # Ownership
/// Takes the handle.
///
/// # Safety
/// `emitter` is NULL, or points to NULL or an emitter that no other call is using.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_emitter_free(emitter: *mut *mut SinkwellEmitter) {
    // SAFETY: the caller's promise.
    unsafe {
        let Some(place) = emitter.as_mut() else { return };
        let taken = std::mem::replace(place, std::ptr::null_mut());
        if !taken.is_null() {
            guard(std::ptr::null_mut(), || {
                drop(Box::from_raw(taken));
                Ok(())
            });
        }
    }
}
