//! Reading an emitter's state: whether it is ready, counters, health, metrics, what waits in its lanes, and the few
//! settings that a binding must know.

use sinkwell::{Emitter, host};

use crate::bytes::{SinkwellBytes, SinkwellOwned, put};
use crate::emitter::SinkwellEmitter;
use crate::error::{SinkwellError, at, at_mut, guard};

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

/// The deeds of processes before this one that have an intent and no result, the oldest first: a JSON list of `{"id", "type",
/// "time", "agentid", "subject", "runid", "tool", "streamid", "sequence", "where"}`, of which `subject`, `runid` and `tool`
/// may be absent (docs/DEEDS.md).
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_unfinished(
    emitter: *const SinkwellEmitter,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = at(emitter, "emitter")?;
            let deeds = emitter.emitter.unfinished_json()?;
            put(out, || deeds);
            Ok(())
        })
    }
}

/// What became of each policy document: `{"policies": [{"policy", "source", "targets": [{"kind", "name", "conditions":
/// [{"type", "status", "reason", "message", "field", "policy"}]}], "counters", "rules"}]}`.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_policy_status(
    emitter: *const SinkwellEmitter,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = at(emitter, "emitter")?;
            put(out, || emitter.emitter.policy_status());
            Ok(())
        })
    }
}

/// Reads the telemetry policies again and puts them in force as one set; one that is bad now and was good before stays
/// in force as it was.
///
/// # Ownership
/// Nothing changes hands.
///
/// # Safety
/// `emitter` is an emitter; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_reload_policies(
    emitter: *const SinkwellEmitter,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { guard(error, || at(emitter, "emitter")?.emitter.reload_policies()) }
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

/// What a host's histograms are to be given that this reader has not been given yet: `{"reader", "recordings": [{"name",
/// "unit", "description", "buckets", "points": [{"attributes", "values": [[value, times]]}]}]}`. Reader 0 is a new one,
/// which gets its number, to ask again with, and no values yet. Every histogram that policies derive is there, also one that has nothing new;
/// values of one bucket are given as their mean.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `emitter` is an emitter; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_recordings(
    emitter: *const SinkwellEmitter,
    reader: u32,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let emitter = at(emitter, "emitter")?;
            put(out, || host::recordings_json(&emitter.emitter, reader));
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
    unsafe { tell(emitter, limit, error, Emitter::depth_limit) }
}

/// How many bytes an event's envelope may have (`limits.envelope`): data that would be longer a binding need not write out, as they
/// will be refused. In the form of values nothing takes five times the room that it takes in an envelope.
///
/// # Ownership
/// `limit` stays the caller's.
///
/// # Safety
/// `emitter` is an emitter; `limit` is valid for a write; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_envelope_limit(
    emitter: *const SinkwellEmitter,
    limit: *mut u64,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { tell(emitter, limit, error, |emitter| emitter.config().limits.envelope) }
}

/// Tells one of an emitter's limits.
///
/// # Safety
/// As [`sinkwell_depth_limit`].
unsafe fn tell(
    emitter: *const SinkwellEmitter,
    limit: *mut u64,
    error: *mut SinkwellError,
    which: impl FnOnce(&Emitter) -> usize,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            *at_mut(limit, "limit")? = which(&at(emitter, "emitter")?.emitter) as u64;
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
