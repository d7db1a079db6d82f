//! The one call that has to be cheap: emitting, over JNI.
//!
//! `unsafe`: JNI is a table of C functions, and what crosses are addresses. Each function is called by
//! `dev.sinkwell.internal.Fast` only, with what it was handed here before.

use std::time::Duration;

use jni_sys::{JNIEnv, jbyteArray, jclass, jint, jlong};
use sinkwell::{Attempt, Emitter, Error, Receipt, Wait};

use crate::error::{Failure, guarded};
use crate::event::with_input;
use crate::receipt::NativeReceipt;

/// Buffers up to here are copied to the stack.
const SMALL: usize = 1024;

/// What an emit that was no plain success came to.
enum Outcome {
    Receipt(Receipt),
    Failed(Error),
    NoRoom(Duration),
}

/// What Kotlin reads of it.
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

/// Copies the first `length` bytes of an array of the JVM's, and passes them on.
///
/// # Safety
/// `env` and `array` are what the JVM passed to the function that runs, on this thread.
pub(crate) unsafe fn with_bytes<T>(
    env: *mut JNIEnv,
    array: jbyteArray,
    length: jint,
    then: impl FnOnce(&[u8]) -> T,
) -> T {
    let wanted = usize::try_from(length).unwrap_or_default();
    let mut small = [0u8; SMALL];
    let mut large = Vec::new();
    let bytes: &mut [u8] = match small.get_mut(..wanted) {
        Some(small) => small,
        None => {
            large.resize(wanted, 0);
            &mut large
        }
    };
    // SAFETY: the JVM's own table; it copies only what lies within the array, and has an exception pending otherwise.
    unsafe {
        let table = &(**env).v1_1;
        (table.GetByteArrayRegion)(env, array, 0, length, bytes.as_mut_ptr().cast());
    }
    then(bytes)
}

/// Emits the event in the first `length` bytes of `buffer`. 0: it is in the lanes; an even address: so it is, and that is
/// where `emitted` finds the receipt, which only `keep` asks for; an odd one: it is in none, and `emitted` says why at the
/// address before it. Each address is asked about once, or forgotten.
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
    keep: u8,
    waited_ms: jlong,
) -> jlong {
    let outcome = guarded(|| {
        // SAFETY: the address of an emitter that lives, as Kotlin holds the object meanwhile.
        let emitter = unsafe { &*(emitter as usize as *const Emitter) };
        let emit = |bytes: &[u8]| {
            with_input(bytes, emitter.depth_limit(), |input| emitter.emit_waiting(input, &wait(waited_ms)))
        };
        // SAFETY: what the JVM passed.
        unsafe { with_bytes(env, buffer, length, emit) }
    });
    let (outcome, mark) = match outcome {
        Ok(Attempt::Accepted(_)) if keep == 0 => return 0,
        Ok(Attempt::Accepted(receipt)) => (Outcome::Receipt(receipt), 0),
        Ok(Attempt::NoRoom(limit)) => (Outcome::NoRoom(limit), 1),
        Err(e) => (Outcome::Failed(e), 1),
    };
    // A box lies at an even address.
    Box::into_raw(Box::new(outcome)) as usize as jlong + mark
}

/// What an emit came to that did not answer 0. Each address once.
#[uniffi::export]
fn emitted(address: i64) -> Result<Emitted, Failure> {
    // SAFETY: an address that an emit answered, which nobody has asked about before.
    let outcome = unsafe { Box::from_raw(address as usize as *mut Outcome) };
    match *outcome {
        Outcome::Receipt(receipt) => Ok(Emitted::Receipt { receipt: NativeReceipt { receipt }.into() }),
        Outcome::NoRoom(limit) => Ok(Emitted::NoRoom { limit_ms: milliseconds(limit) }),
        Outcome::Failed(e) => Err(e.into()),
    }
}

/// Drops what an emit came to, unasked.
///
/// # Safety
/// As `emitted`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn Java_dev_sinkwell_internal_Fast_forget(
    _env: *mut JNIEnv,
    _class: jclass,
    address: jlong,
) {
    // SAFETY: as the caller promises.
    drop(unsafe { Box::from_raw(address as usize as *mut Outcome) });
}
