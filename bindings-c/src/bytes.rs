//! Bytes that cross the C ABI: borrowed and owned bytes are two types, so that nobody can free what is not theirs.

use sinkwell::{Error, Result};

use crate::slice::Slice;

/// Borrowed bytes: valid for the call, or for the callback, that they are passed to. Text is UTF-8 without a
/// terminating zero. `data` NULL with a `len` of 0 means that the value is absent; an empty value that is present has
/// any other pointer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SinkwellBytes {
    /// The first byte, or NULL.
    pub data: *const u8,
    /// How many.
    pub len: u64,
}

/// Owned bytes, to be freed by `sinkwell_owned_free`. Zero it before the first use.
#[repr(C)]
#[derive(Debug)]
pub struct SinkwellOwned {
    /// The first byte, or NULL when there are none.
    pub data: *mut u8,
    /// How many.
    pub len: u64,
    /// 0 when there is nothing to free.
    pub capacity: u64,
}

impl SinkwellBytes {
    pub(crate) const ABSENT: Self = Self { data: std::ptr::null(), len: 0 };

    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() as u64 }
    }

    pub(crate) fn of_text(text: Option<&str>) -> Self {
        text.map_or(Self::ABSENT, |text| Self::of(text.as_bytes()))
    }

    /// # Safety
    /// `data` is NULL or points to `len` bytes that nobody changes for `'a`.
    pub(crate) unsafe fn get<'a>(self, what: &str) -> Result<Option<&'a [u8]>> {
        // SAFETY: the caller's promise.
        unsafe { self.get_at(|| what.to_owned()) }
    }

    /// As [`get`](Self::get); the closure makes the name, and is called for an error only.
    ///
    /// # Safety
    /// As [`get`](Self::get).
    pub(crate) unsafe fn get_at<'a>(self, what: impl Fn() -> String) -> Result<Option<&'a [u8]>> {
        if self.data.is_null() && self.len == 0 {
            return Ok(None);
        }
        // SAFETY: the caller's promise.
        unsafe { Slice::new(self.data, self.len).get(what) }.map(Some)
    }

    /// # Safety
    /// As [`get`](Self::get).
    pub(crate) unsafe fn text<'a>(self, what: &str) -> Result<Option<&'a str>> {
        // SAFETY: the caller's promise.
        match unsafe { self.get(what)? } {
            None => Ok(None),
            Some(bytes) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|e| not_utf8(&e, Error::invalid_argument).at(what)),
        }
    }

    /// # Safety
    /// As [`get`](Self::get).
    pub(crate) unsafe fn required<'a>(self, what: &str) -> Result<&'a str> {
        // SAFETY: the caller's promise.
        unsafe { self.text(what)? }.ok_or_else(|| Error::invalid_argument("is missing").at(what))
    }
}

/// The error for text that is not UTF-8; `kind` makes it an error of the kind that fits the place.
pub(crate) fn not_utf8(e: &std::str::Utf8Error, kind: impl Fn(String) -> Error) -> Error {
    kind(format!("is not UTF-8 from byte {} on; send text as UTF-8, other bytes as base64", e.valid_up_to()))
}

impl SinkwellOwned {
    pub(crate) const EMPTY: Self = Self { data: std::ptr::null_mut(), len: 0, capacity: 0 };

    pub(crate) fn from_vec(bytes: Vec<u8>) -> Self {
        let boxed = bytes.into_boxed_slice();
        let len = boxed.len() as u64;
        if len == 0 {
            return Self::EMPTY;
        }
        Self { data: Box::into_raw(boxed).cast(), len, capacity: len }
    }

    /// Text that is never freed.
    pub(crate) const fn from_static(text: &'static str) -> Self {
        Self { data: text.as_ptr().cast_mut(), len: text.len() as u64, capacity: 0 }
    }
}

/// Writes owned bytes to `out`, unless `out` is NULL.
///
/// # Safety
/// `out` is NULL or valid for a write; what it holds is overwritten, not freed.
pub(crate) unsafe fn put(out: *mut SinkwellOwned, bytes: impl FnOnce() -> Vec<u8>) {
    if !out.is_null() {
        // SAFETY: the caller's promise.
        unsafe { out.write(SinkwellOwned::from_vec(bytes())) };
    }
}

/// Frees owned bytes and empties `owned`, so that a second call does nothing.
///
/// # Ownership
/// Takes what `owned` holds; `owned` itself stays the caller's.
///
/// # Safety
/// `owned` is NULL or points to bytes that a function of this library filled in, or to zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_owned_free(owned: *mut SinkwellOwned) {
    if owned.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let taken = unsafe { std::mem::replace(&mut *owned, SinkwellOwned::EMPTY) };
    if taken.capacity == 0 || taken.data.is_null() {
        return;
    }
    let Ok(len) = usize::try_from(taken.capacity) else { return };
    // SAFETY: made by `from_vec` from a boxed slice of this length.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(taken.data, len)) });
}
