//! Receipts: what became of one event, now and in the end.

use std::time::Duration;

use sinkwell::receipt::Stage;
use sinkwell::{Error, Receipt, Result, host};

use crate::bytes::{SinkwellOwned, put};
use crate::completion::{Completion, SinkwellCallback};
use crate::error::{SinkwellError, at, at_mut, free, guard};

/// A receipt: a handle, freed by `sinkwell_receipt_free`. All calls may come from any thread.
#[derive(Debug)]
pub struct SinkwellReceipt(pub(crate) Receipt);

/// `stage` of a wait: every durable lane has the event on disk.
pub const SINKWELL_JOURNALED: i32 = 0;
/// `stage` of a wait: every lane's sink has the event, or never will.
pub const SINKWELL_DELIVERED: i32 = 1;

fn read_stage(stage: i32) -> Result<Stage> {
    match stage {
        SINKWELL_JOURNALED => Ok(Stage::Journaled),
        SINKWELL_DELIVERED => Ok(Stage::Delivered),
        _ => Err(Error::invalid_argument("must be SINKWELL_JOURNALED or SINKWELL_DELIVERED").at("stage")),
    }
}

/// Writes a receipt to `out`, unless `out` is NULL.
///
/// # Safety
/// `out` is NULL or valid for a write.
pub(crate) unsafe fn put_receipt(out: *mut *mut SinkwellReceipt, receipt: Receipt) {
    if !out.is_null() {
        // SAFETY: the caller's promise. A receipt is an `Arc` inside.
        unsafe { out.write(Box::into_raw(Box::new(SinkwellReceipt(receipt)))) };
    }
}

/// The longest id of an event, in characters.
pub const SINKWELL_ID_MAX: u64 = 128;

/// The event's id as text, as it is sealed: `len` characters without a terminating zero.
///
/// # Ownership
/// `id` stays the caller's.
///
/// # Safety
/// `receipt` is a receipt; `id` is valid for writing `SINKWELL_ID_MAX` bytes, `len` for a write; `error` is NULL or valid for
/// a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_receipt_id(
    receipt: *const SinkwellReceipt,
    id: *mut u8,
    len: *mut u64,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { guard(error, || put_id(&at(receipt, "receipt")?.0.id().text(), id, len)) }
}

/// Writes an event's id.
///
/// # Safety
/// `id` is NULL or valid for writing `SINKWELL_ID_MAX` bytes, `len` NULL or valid for a write.
pub(crate) unsafe fn put_id(text: &str, id: *mut u8, len: *mut u64) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe {
        at(id, "id")?;
        at(len, "len")?;
        std::ptr::copy_nonoverlapping(text.as_ptr(), id, text.len());
        len.write(text.len() as u64);
    }
    Ok(())
}

/// What each lane did with the event: `{"id", "lanes": {lane: "enqueued"}, "evicted": {lane: n}}`.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `receipt` is a receipt; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_receipt_lanes(
    receipt: *const SinkwellReceipt,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let receipt = at(receipt, "receipt")?;
            put(out, || host::receipt_json(&receipt.0));
            Ok(())
        })
    }
}

/// How the event ended in each lane so far: `{lane: {"state", "reason", "streamid", "sequence", "hash",
/// "when"}}`; `null` where it has not.
///
/// # Ownership
/// `out` is owned by the caller then.
///
/// # Safety
/// `receipt` is a receipt; `out` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_receipt_endings(
    receipt: *const SinkwellReceipt,
    out: *mut SinkwellOwned,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let receipt = at(receipt, "receipt")?;
            put(out, || host::endings_json(&receipt.0));
            Ok(())
        })
    }
}

/// The salt of a content part, with which the host can prove what was said: 16 bytes, where `known` is 1 then. 0:
/// the event is not sealed yet, or has no such part.
///
/// # Ownership
/// `salt` and `known` stay the caller's.
///
/// # Safety
/// `receipt` is a receipt; `salt` is valid for writing 16 bytes; `known` is valid for a write; `error` is NULL or
/// valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_receipt_salt(
    receipt: *const SinkwellReceipt,
    part: u64,
    salt: *mut u8,
    known: *mut u8,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let (receipt, known) = (at(receipt, "receipt")?, at_mut(known, "known")?);
            at(salt, "salt")?;
            let found = usize::try_from(part).ok().and_then(|part| receipt.0.salt(part));
            *known = found.is_some().into();
            if let Some(found) = found {
                std::ptr::copy_nonoverlapping(found.as_ptr(), salt, found.len());
            }
            Ok(())
        })
    }
}

/// Whether a stage is reached: `reached` is 1 or 0 then.
///
/// # Ownership
/// `reached` stays the caller's.
///
/// # Safety
/// `receipt` is a receipt; `reached` and `error` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_receipt_reached(
    receipt: *const SinkwellReceipt,
    stage: i32,
    reached: *mut u8,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            *at_mut(reached, "reached")? = at(receipt, "receipt")?.0.reached(read_stage(stage)?).into();
            Ok(())
        })
    }
}

/// Calls back when a stage is reached, with the endings as `sinkwell_receipt_endings` gives them. Takes
/// memory while it waits, and nothing else. A status other than 0 means that the callback will not come.
///
/// # Ownership
/// The receipt may be freed meanwhile; the token is the host's to free once the callback came.
///
/// # Safety
/// `receipt` is a receipt; `callback` may be called from any thread; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_receipt_on(
    receipt: *const SinkwellReceipt,
    stage: i32,
    token: u64,
    callback: SinkwellCallback,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let receipt = at(receipt, "receipt")?.0.clone();
            let stage = read_stage(stage)?;
            Completion::new(token, callback)?.start(|completion| {
                let ended = receipt.clone();
                receipt.on(stage, move || {
                    completion.tell_from(|| {
                        ended.check_journaled(stage)?;
                        Ok(host::endings_json(&ended))
                    });
                })
            })
        })
    }
}

/// Waits on this thread until a stage is reached: `timeout` after `timeout_ms` milliseconds.
///
/// # Ownership
/// Nothing changes hands.
///
/// # Safety
/// `receipt` is a receipt; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_receipt_wait(
    receipt: *const SinkwellReceipt,
    stage: i32,
    timeout_ms: u64,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || at(receipt, "receipt")?.0.wait(read_stage(stage)?, Duration::from_millis(timeout_ms)))
    }
}

/// Frees a receipt and sets the handle to NULL. What it was to be told of goes on.
///
/// # Ownership
/// Takes the receipt.
///
/// # Safety
/// `receipt` is NULL, or points to NULL or a receipt that no other call is using.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_receipt_free(receipt: *mut *mut SinkwellReceipt) {
    // SAFETY: the caller's promise.
    unsafe { free(receipt) };
}
