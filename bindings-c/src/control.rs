//! Calls that change an open emitter: draining by hand, another sink, another key, exporting again.

use sinkwell::host;

use crate::bytes::{SinkwellBytes, SinkwellOwned, put};
use crate::emitter::SinkwellEmitter;
use crate::error::{SinkwellError, at, guard, maybe};
use crate::process::system;
use crate::signer::{SinkwellSigner, host_signer};
use crate::sink::{SinkwellSink, spec};

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
            let signer = maybe(signer, "signer")?.map(|table| host_signer(table)).transpose()?;
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
