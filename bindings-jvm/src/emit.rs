//! The one call that has to be cheap: emitting, over JNI.
//!
//! `unsafe`: JNI is a table of C functions, and what crosses are addresses. Each function is called by
//! `dev.sinkwell.internal.Fast` only, with what it was handed here before.

use std::mem::MaybeUninit;
use std::time::Duration;

use jni_sys::{JNIEnv, jbyteArray, jcharArray, jclass, jint, jlong};
use sinkwell::{Attempt, Emitter, Error, Receipt, Result, Wait, host};

use crate::error::guarded;
use crate::event::with_input;
use crate::receipt::{self, NativeReceipt};

/// So many bytes, or units, are copied to the stack.
const SMALL: usize = 1024;

/// What an emit that was no plain success came to.
enum Outcome {
    Receipt(Receipt),
    Failed(Error),
    NoRoom(Duration),
}

/// The same, by way of uniffi.
#[derive(uniffi::Enum)]
pub enum Emitted {
    /// The event is in the lanes.
    Receipt {
        /// Its receipt.
        receipt: std::sync::Arc<NativeReceipt>,
    },
    /// It is in no lane, as a blocking one has no room: for how many milliseconds the caller may wait, over all attempts.
    NoRoom {
        /// Milliseconds.
        limit_ms: u64,
    },
}

pub(crate) fn milliseconds(limit: Duration) -> u64 {
    u64::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Whether and how an emit may wait: at least 0, for how many milliseconds its caller has waited elsewhere; -1 it is inside
/// of a sink of the host's; -2 it must not wait.
pub(crate) fn wait(waited_ms: i64) -> Wait {
    match u64::try_from(waited_ms) {
        Ok(waited) => Wait::Elsewhere(Duration::from_millis(waited)),
        Err(_) if waited_ms == -1 => Wait::Inside,
        Err(_) => Wait::Never,
    }
}

/// Room for a copy that is made at once, and not cleared before.
struct Room<T> {
    small: [MaybeUninit<T>; SMALL],
    large: Vec<T>,
}

impl<T: Copy> Room<T> {
    fn new() -> Self {
        Self { small: [const { MaybeUninit::uninit() }; SMALL], large: Vec::new() }
    }

    /// What `fill` writes: so many of them, at that address.
    ///
    /// # Safety
    /// `T` is a number, and `fill` writes all of them, or leaves an exception pending.
    unsafe fn filled(&mut self, length: jint, fill: impl FnOnce(*mut T)) -> &[T] {
        let wanted = usize::try_from(length).unwrap_or_default();
        let start = if wanted <= SMALL {
            self.small.as_mut_ptr().cast()
        } else {
            self.large.reserve(wanted);
            self.large.as_mut_ptr()
        };
        fill(start);
        // SAFETY: there is room for so many, and the caller promises that they are written.
        unsafe { std::slice::from_raw_parts(start, wanted) }
    }
}

/// Copies the first `length` bytes of an array of the JVM's, and passes them on.
///
/// # Safety
/// `env` and `array` are what the JVM passed to the function that runs, on this thread; the array is as long.
pub(crate) unsafe fn with_bytes<T>(
    env: *mut JNIEnv,
    array: jbyteArray,
    length: jint,
    then: impl FnOnce(&[u8]) -> T,
) -> T {
    let mut room = Room::new();
    // SAFETY: the JVM's own table; it copies what lies within the array.
    let bytes = unsafe {
        let copy = |to: *mut u8| ((**env).v1_1.GetByteArrayRegion)(env, array, 0, length, to.cast());
        room.filled(length, copy)
    };
    then(bytes)
}

/// As [`with_bytes`], of units of text.
///
/// # Safety
/// As [`with_bytes`].
unsafe fn with_units<T>(
    env: *mut JNIEnv,
    array: jcharArray,
    count: jint,
    then: impl FnOnce(&[u16]) -> T,
) -> T {
    if count == 0 {
        return then(&[]);
    }
    let mut room = Room::new();
    // SAFETY: as in `with_bytes`.
    let units = unsafe {
        let copy = |to: *mut u16| ((**env).v1_1.GetCharArrayRegion)(env, array, 0, count, to);
        room.filled(count, copy)
    };
    then(units)
}

/// Emits the event in the first `length` bytes of `buffer`, with the first `count` of `units`. 0: it is in the lanes; an even address: so it is, and that
/// is the receipt's ([`ask_outcome`]), which only `keep` asks for; an odd one: it is in none, and why is said at the address before
/// it. A receipt is forgotten in the end, a reason asked for once.
///
/// # Safety
/// Called by the JVM; `emitter` is what `NativeEmitter::address` gave, and that object is alive.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn Java_dev_sinkwell_internal_Fast_emit(
    env: *mut JNIEnv,
    _class: jclass,
    emitter: jlong,
    buffer: jbyteArray,
    length: jint,
    units: jcharArray,
    count: jint,
    keep: u8,
    waited_ms: jlong,
) -> jlong {
    let outcome = guarded(|| {
        // SAFETY: the address of an emitter that lives, as Kotlin holds the object meanwhile.
        let emitter = unsafe { &*(emitter as usize as *const Emitter) };
        let emit = |bytes: &[u8], units: &[u16]| {
            with_input(bytes, units, emitter.depth_limit(), |input| {
                let wait = wait(waited_ms);
                if keep == 0 {
                    return Ok(emitter.put_waiting(input, &wait)?.map(Outcome::NoRoom));
                }
                Ok(Some(match emitter.emit_waiting(input, &wait)? {
                    Attempt::Accepted(receipt) => Outcome::Receipt(receipt),
                    Attempt::NoRoom(limit) => Outcome::NoRoom(limit),
                }))
            })
        };
        // SAFETY: what the JVM passed.
        unsafe {
            with_bytes(env, buffer, length, |bytes| with_units(env, units, count, |units| emit(bytes, units)))
        }
    });
    match outcome {
        Ok(None) => 0,
        Ok(Some(outcome)) => kept(outcome),
        Err(e) => kept(Outcome::Failed(e)),
    }
}

/// The address of what an emit came to, with its mark.
fn kept(outcome: Outcome) -> jlong {
    // A box lies at an even address.
    let mark = jlong::from(!matches!(outcome, Outcome::Receipt(_)));
    Box::into_raw(Box::new(outcome)) as usize as jlong + mark
}

/// Asks what an emit came to that did not answer 0. Of a receipt as often as one likes, until it is forgotten; why an event is in
/// no lane once, and for how many milliseconds its caller may wait for room where that is all.
///
/// # Safety
/// `address` is one that an emit answered, without its mark, and nobody has forgotten it or asked it why.
pub(crate) unsafe fn ask_outcome(address: jlong, what: jint, number: jlong) -> Result<Option<Vec<u8>>> {
    let address = address as usize as *mut Outcome;
    if what == 19 {
        // SAFETY: as the caller promises.
        return match *unsafe { Box::from_raw(address) } {
            Outcome::NoRoom(limit) => Ok(Some(milliseconds(limit).to_le_bytes().to_vec())),
            Outcome::Failed(e) => Err(e),
            Outcome::Receipt(_) => Err(Error::internal("the event is in its lanes; please report")),
        };
    }
    // SAFETY: as the caller promises.
    let Outcome::Receipt(receipt) = (unsafe { &*address }) else {
        return Err(Error::internal("there is no receipt; please report"));
    };
    Ok(match what {
        14 => Some(host::receipt_json(receipt)),
        15 => Some(host::endings_json(receipt)),
        16 | 17 => {
            receipt::on(receipt, what == 17, number as u64)?;
            None
        }
        _ => {
            let part = usize::try_from(number).ok();
            part.and_then(|part| receipt.salt(part)).map(|salt| salt.to_vec())
        }
    })
}

/// Drops what an emit came to.
///
/// # Safety
/// As [`ask_outcome`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn Java_dev_sinkwell_internal_Fast_forget(
    _env: *mut JNIEnv,
    _class: jclass,
    address: jlong,
) {
    // SAFETY: as the caller promises.
    drop(unsafe { Box::from_raw(address as usize as *mut Outcome) });
}
