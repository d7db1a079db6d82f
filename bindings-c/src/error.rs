//! Statuses and errors: what a function returns, and what it fills in on request.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sinkwell::{Error, ErrorKind, Result};

use crate::bytes::{SinkwellBytes, SinkwellOwned, sinkwell_owned_free};

/// An error: its code, its kind's public name, what happened and what to do, and where. Zero it before the
/// first use, and free what was filled in by `sinkwell_error_free`.
#[repr(C)]
#[derive(Debug)]
pub struct SinkwellError {
    /// The status that the function returned, too.
    pub code: i32,
    /// Always 0.
    pub reserved: i32,
    /// `invalid_event`, say; never freed.
    pub kind: SinkwellBytes,
    /// What happened and what to do.
    pub message: SinkwellOwned,
    /// A path, a key, a lane; empty where there is none.
    pub place: SinkwellOwned,
}

impl SinkwellError {
    fn new(error: &Error) -> Self {
        Self {
            code: i32::from(error.code()),
            reserved: 0,
            kind: SinkwellBytes::of(error.kind().name().as_bytes()),
            message: SinkwellOwned::from_vec(error.message().as_bytes().to_vec()),
            place: SinkwellOwned::from_vec(error.place().unwrap_or_default().as_bytes().to_vec()),
        }
    }

    /// The error for a defect. Allocates nothing, as a lack of memory may be the cause.
    fn defect() -> Self {
        Self {
            code: i32::from(ErrorKind::Internal.code()),
            reserved: 0,
            kind: SinkwellBytes::of(ErrorKind::Internal.name().as_bytes()),
            message: SinkwellOwned::from_static("a defect of sinkwell was contained; please report it"),
            place: SinkwellOwned::EMPTY,
        }
    }
}

/// Runs the body of an exported function: an error is written to `error`, and a panic becomes the error `internal`.
///
/// # Safety
/// `error` is NULL or valid for a write.
pub(crate) unsafe fn guard(error: *mut SinkwellError, run: impl FnOnce() -> Result<()>) -> i32 {
    let caught = catch_unwind(AssertUnwindSafe(|| run().map_err(|e| SinkwellError::new(&e))));
    let failed = match caught {
        Ok(Ok(())) => return 0,
        Ok(Err(failed)) => failed,
        Err(panic) => {
            contain(panic);
            SinkwellError::defect()
        }
    };
    let code = failed.code;
    if error.is_null() {
        let mut failed = failed;
        // SAFETY: filled in above.
        unsafe { sinkwell_error_free(&raw mut failed) };
    } else {
        // SAFETY: the caller's promise.
        unsafe { error.write(failed) };
    }
    code
}

/// Drops the payload of a panic. If that panics too, the second payload is leaked.
pub(crate) fn contain(panic: Box<dyn std::any::Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(second);
    }
}

/// The reference behind a pointer that must not be NULL.
///
/// # Safety
/// `pointer` is NULL or valid for `'a`.
pub(crate) unsafe fn at<'a, T>(pointer: *const T, what: &str) -> Result<&'a T> {
    // SAFETY: the caller's promise.
    unsafe { maybe(pointer, what)? }.ok_or_else(|| Error::invalid_argument("is NULL").at(what))
}

/// The reference behind a pointer that may be NULL.
///
/// # Safety
/// `pointer` is NULL or valid for `'a`.
pub(crate) unsafe fn maybe<'a, T>(pointer: *const T, what: &str) -> Result<Option<&'a T>> {
    if !pointer.is_aligned() {
        return Err(misaligned::<T>(what));
    }
    // SAFETY: the caller's promise, and it is aligned.
    Ok(unsafe { pointer.as_ref() })
}

#[cold]
fn misaligned<T>(what: &str) -> Error {
    Error::invalid_argument(format!("is not aligned to {} bytes, as it must be", align_of::<T>())).at(what)
}

/// The reference behind a pointer that must not be NULL, to write through it.
///
/// # Safety
/// `pointer` is NULL or valid for `'a`, and nobody else's meanwhile.
pub(crate) unsafe fn at_mut<'a, T>(pointer: *mut T, what: &str) -> Result<&'a mut T> {
    if !pointer.is_aligned() {
        return Err(misaligned::<T>(what));
    }
    // SAFETY: the caller's promise, and it is aligned.
    unsafe { pointer.as_mut() }.ok_or_else(|| Error::invalid_argument("is NULL").at(what))
}

/// Frees what a handle stands for, and sets the handle to NULL. A panic ends here: there is nobody to tell.
///
/// # Safety
/// `handle` is NULL, or points to NULL or to what `Box::into_raw` gave, which no other call is using.
pub(crate) unsafe fn free<T>(handle: *mut *mut T) {
    // SAFETY: the caller's promise.
    unsafe {
        let Some(place) = handle.as_mut() else { return };
        let taken = std::mem::replace(place, std::ptr::null_mut());
        if !taken.is_null() {
            guard(std::ptr::null_mut(), || {
                drop(Box::from_raw(taken));
                Ok(())
            });
        }
    }
}

/// Frees what an error holds and zeroes it.
///
/// # Ownership
/// Takes what `error` holds; `error` itself stays the caller's.
///
/// # Safety
/// `error` is NULL or points to an error that a function of this library filled in, or to zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_error_free(error: *mut SinkwellError) {
    if error.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let error = unsafe { &mut *error };
    // SAFETY: both are ours, or zeros.
    unsafe {
        sinkwell_owned_free(&raw mut error.message);
        sinkwell_owned_free(&raw mut error.place);
    }
    error.code = 0;
    error.kind = SinkwellBytes::ABSENT;
}

/// The public name of a status, `invalid_event` for 2: for errors that come as a status alone. Absent for 0
/// and for a number that is no code.
///
/// # Ownership
/// The name lives as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn sinkwell_error_name(code: i32) -> SinkwellBytes {
    let kind = ErrorKind::ALL.into_iter().find(|kind| i32::from(kind.code()) == code);
    SinkwellBytes::of_text(kind.map(ErrorKind::name))
}
