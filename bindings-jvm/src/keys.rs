//! Types that events of the JVM's have again and again, and keys of their data: told once, and called by a number from then on.
//!
//! Guarantee: what is told is bounded, and stays for as long as the library does, so that it is read without a lock.
//!
//! `unsafe`: as [`emit`](crate::emit).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use jni_sys::{JNIEnv, jbyteArray, jclass, jint};
use sinkwell::json::Keys;
use sinkwell::{Error, Result};

use crate::emit::with_bytes;
use crate::error::guarded;

/// So many sets of keys; events with others bring their type and keys along each time.
const MOST: usize = 1024;

/// What events have in common.
pub(crate) struct Known {
    /// Empty: none.
    pub(crate) event_type: Box<str>,
    /// Those of the data.
    pub(crate) keys: Keys,
}

static KNOWN: [OnceLock<Box<Known>>; MOST] = [const { OnceLock::new() }; MOST];
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// What this number stands for.
pub(crate) fn known(number: u32) -> Option<&'static Known> {
    KNOWN.get(number as usize)?.get().map(|known| &**known)
}

/// Makes a type known, and the keys that follow, each given as a length of 32 bits and UTF-8; their number.
pub(crate) fn know(mut rest: &[u8]) -> Result<u32> {
    let broken = || Error::internal("keys that cannot be read; please report");
    let mut keys = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (key, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(broken)?;
        keys.push(std::str::from_utf8(key).map_err(|_| broken())?);
        rest = after;
    }
    let (event_type, keys) = keys.split_first().ok_or_else(broken)?;
    let known = Known { event_type: (*event_type).into(), keys: Keys::new(keys).map_err(|_| broken())? };
    let number = TAKEN
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| (taken < MOST).then_some(taken + 1))
        .map_err(|_| broken())?;
    let _ = KNOWN[number].set(Box::new(known));
    u32::try_from(number).map_err(|_| broken())
}

/// Makes the type and the keys in the first `length` bytes of `buffer` known. At least 0: their number; -1: they cannot be.
///
/// # Safety
/// Called by the JVM.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn Java_dev_sinkwell_internal_Fast_know(
    env: *mut JNIEnv,
    _class: jclass,
    buffer: jbyteArray,
    length: jint,
) -> jint {
    // SAFETY: what the JVM passed.
    let number = guarded(|| unsafe { with_bytes(env, buffer, length, know) });
    number.ok().and_then(|number| jint::try_from(number).ok()).unwrap_or(-1)
}
