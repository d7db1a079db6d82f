//! Arrays that cross the C ABI: this is the only place that turns a pointer and a length into a slice, after checks.

use sinkwell::{Error, Result};

/// An array as C gives it. NULL with a length, a size beyond the address space, or a misaligned pointer is
/// `invalid_argument`, so that nothing that the host meant to give is silently left out.
#[derive(Debug)]
pub(crate) struct Slice<T> {
    first: *const T,
    len: u64,
}

impl<T> Slice<T> {
    pub(crate) fn new(first: *const T, len: u64) -> Self {
        Self { first, len }
    }

    /// The values; none where the length is 0, whatever the pointer.
    ///
    /// # Safety
    /// If the pointer is not NULL and aligned, it points to as many values, which nobody changes for `'a`.
    pub(crate) unsafe fn get<'a>(self, what: impl FnOnce() -> String) -> Result<&'a [T]> {
        let refused = |message: String| Err(Error::invalid_argument(message).at(what()));
        let len = match usize::try_from(self.len) {
            Ok(0) => return Ok(&[]),
            Ok(len) if len.checked_mul(size_of::<T>()).is_some_and(|n| isize::try_from(n).is_ok()) => len,
            _ => return refused(format!("the length, {}, is larger than any memory", self.len)),
        };
        if self.first.is_null() {
            return refused(format!("is NULL, with a length of {len}; give what it points to, or 0"));
        }
        if !self.first.is_aligned() {
            return refused(format!("is not aligned to {} bytes, as its values must be", align_of::<T>()));
        }
        // SAFETY: the caller's promise; the pointer is neither NULL nor misaligned, and the size fits.
        Ok(unsafe { std::slice::from_raw_parts(self.first, len) })
    }
}
