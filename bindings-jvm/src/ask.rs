//! What is asked for each step, log record, deed and receipt, over JNI: bytes in, bytes out. uniffi has all of it, too, and takes ten to
//! thirty microseconds for a call (docs/decisions/0009-jvm.md).
//!
//! `unsafe`: as [`emit`](crate::emit). A deed is called by a number, and so never by an address that is gone.

use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jni_sys::{JNIEnv, jbyteArray, jclass, jint, jlong};
use sinkwell::{Emitter, Error, Result, bridge};

use crate::deed::{Attempted, NativeDeed, intend};
use crate::emit::{ask_outcome, with_bytes};
use crate::emitter::blocking;
use crate::error::guarded;

/// Deeds under way, by their numbers.
static DEEDS: Mutex<Option<HashMap<u64, Arc<NativeDeed>>>> = Mutex::new(None);
static NEXT: AtomicU64 = AtomicU64::new(1);

fn deeds() -> MutexGuard<'static, Option<HashMap<u64, Arc<NativeDeed>>>> {
    DEEDS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep(deed: Arc<NativeDeed>) -> u64 {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    deeds().get_or_insert_default().insert(number, deed);
    number
}

fn deed(number: jlong) -> Result<Arc<NativeDeed>> {
    let known = deeds().as_ref().and_then(|deeds| deeds.get(&(number as u64)).cloned());
    known.ok_or_else(|| Error::invalid_argument("the deed has ended; say what came of it before it ends"))
}

fn broken() -> Error {
    Error::internal("a question that cannot be read; please report")
}

/// A length of one byte, and so many bytes of text; 255: none.
fn short_text<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a str>> {
    let (length, after) = rest.split_first().ok_or_else(broken)?;
    *rest = after;
    if *length == u8::MAX {
        return Ok(None);
    }
    let (text, after) = after.split_at_checked(usize::from(*length)).ok_or_else(broken)?;
    *rest = after;
    std::str::from_utf8(text).map(Some).map_err(|_| broken())
}

/// What an emitter is asked, by the numbers of `Question` in Kotlin.
fn of_emitter(
    emitter: &Arc<Emitter>,
    what: jint,
    mut bytes: &[u8],
    waited_ms: jlong,
) -> Result<Option<Vec<u8>>> {
    let number = |n: usize| Some((n as u64).to_le_bytes().to_vec());
    Ok(match what {
        1 => {
            bridge::emit_log(&**emitter, bytes, &blocking(waited_ms))?;
            None
        }
        2 => number(bridge::emit_span(&**emitter, bytes, &blocking(waited_ms))?),
        3 => number(bridge::emit_step(&**emitter, bytes, &blocking(waited_ms))?),
        4 => Some(bridge::intent_of_step_json(&**emitter, bytes)?),
        5 => Some(bridge::result_of_step_json(&**emitter, bytes, &blocking(waited_ms))?),
        6 => {
            let until = short_text(&mut bytes)?;
            let (timeout, draft) = bytes.split_first_chunk().ok_or_else(broken)?;
            let timeout_ms = u64::try_from(i64::from_le_bytes(*timeout)).ok();
            Some(match intend(emitter, draft, until, timeout_ms, waited_ms)? {
                Attempted::NoRoom { limit_ms } => [0, limit_ms].map(u64::to_le_bytes).concat(),
                Attempted::Entered { deed } => {
                    let (id, timeout_ms) = (deed.id(), deed.timeout_ms());
                    let mut answer = [keep(deed), timeout_ms].map(u64::to_le_bytes).concat();
                    answer.extend_from_slice(id.as_bytes());
                    answer
                }
            })
        }
        _ => return Err(broken()),
    })
}

/// What a deed, or nobody, is asked.
fn of_deed(number: jlong, what: jint, mut bytes: &[u8], extra: jlong) -> Result<Option<Vec<u8>>> {
    Ok(match what {
        // Something: there is nothing to wait for.
        7 => deed(number)?.settle(extra as u64).then(Vec::new),
        8 => {
            deed(number)?.begin()?;
            None
        }
        9 => {
            deed(number)?.told(bytes)?;
            None
        }
        10 => {
            let (outcome, error_type) = (short_text(&mut bytes)?.ok_or_else(broken)?, bytes);
            let error_type = std::str::from_utf8(error_type).map_err(|_| broken())?;
            let error_type = Some(error_type).filter(|text| !text.is_empty());
            deed(number)?.finish(outcome, error_type, extra)?.map(|limit_ms| limit_ms.to_le_bytes().to_vec())
        }
        11 => {
            deed(number)?.give_up();
            None
        }
        12 => {
            // What it still has to say it says when nothing is locked.
            let ended = deeds().as_mut().and_then(|deeds| deeds.remove(&(number as u64)));
            drop(ended);
            None
        }
        13 => Some(sinkwell::host::new_id().into_bytes()),
        _ => return Err(broken()),
    })
}

/// Asks something. Nothing, or an answer: after a zero its bytes, after a one an error: the lengths (32 bits, little-endian; of the place all
/// ones where there is none) of kind and place, these two, and what happened.
///
/// # Safety
/// Called by the JVM; for what is asked of an emitter, `handle` is what `NativeEmitter::address` gave, and that object is alive; for
/// what is asked of a receipt, as [`ask_outcome`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn Java_dev_sinkwell_internal_Fast_ask(
    env: *mut JNIEnv,
    _class: jclass,
    what: jint,
    handle: jlong,
    buffer: jbyteArray,
    length: jint,
    number: jlong,
) -> jbyteArray {
    let ask = |bytes: &[u8]| {
        if what > 13 {
            // SAFETY: as the caller promises.
            return unsafe { ask_outcome(handle, what, number) };
        }
        if what > 6 {
            return of_deed(handle, what, bytes, number);
        }
        // SAFETY: the address in an `Arc` of an emitter that lives, as Kotlin holds the object meanwhile; that `Arc` stays its owner's.
        let emitter = ManuallyDrop::new(unsafe { Arc::from_raw(handle as usize as *const Emitter) });
        of_emitter(&emitter, what, bytes, number)
    };
    // SAFETY: what the JVM passed.
    let answer = match guarded(|| unsafe { with_bytes(env, buffer, length, ask) }) {
        Ok(None) => return null_mut(),
        Ok(Some(bytes)) => [&[0], &*bytes].concat(),
        Err(e) => {
            let (kind, place) = (e.kind().name(), e.place());
            let kind_length = u32::try_from(kind.len()).unwrap_or_default();
            let place_length = place.map_or(u32::MAX, |place| u32::try_from(place.len()).unwrap_or(u32::MAX));
            let lengths = [kind_length, place_length].map(u32::to_le_bytes).concat();
            let texts = [kind, place.unwrap_or_default(), e.message()].map(str::as_bytes).concat();
            [&[1], &*lengths, &*texts].concat()
        }
    };
    // SAFETY: the JVM's own table. Where it has no memory for the array, it has an exception pending.
    unsafe {
        let table = &(**env).v1_1;
        let length = jint::try_from(answer.len()).unwrap_or(jint::MAX);
        let array = (table.NewByteArray)(env, length);
        if !array.is_null() {
            (table.SetByteArrayRegion)(env, array, 0, length, answer.as_ptr().cast());
        }
        array
    }
}
