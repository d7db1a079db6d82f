//! Numbers as RFC 8785 writes them: the shortest form ECMAScript would give for the double.

use super::parse::JsonError;

/// The largest integer that every JSON reader holds exactly: 2^53 − 1 (RFC 7493).
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// What errors say of NaN and infinities, in whatever form they come.
pub(super) const NOT_FINITE: &str = "NaN and infinities have no JSON form; send the value as a string";

/// Whether `value` is integral and outside ±(2^53−1), so that readers would disagree about it.
#[allow(clippy::cast_precision_loss, reason = "2^53 - 1 is exact")]
pub(crate) fn is_unsafe_integer(value: f64) -> bool {
    value.fract() == 0.0 && value.abs() > MAX_SAFE_INTEGER as f64
}

/// Appends `value` as ECMAScript's `Number::toString` does; −0 becomes 0.
///
/// # Errors
/// NaN or an infinity.
pub fn write_f64(out: &mut Vec<u8>, value: f64) -> Result<(), JsonError> {
    if !value.is_finite() {
        return Err(JsonError::new(NOT_FINITE));
    }
    if value == 0.0 {
        out.push(b'0');
    } else {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
    }
    Ok(())
}

/// Appends an integer that [`MAX_SAFE_INTEGER`] bounds.
pub(super) fn write_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// `value`, if it is within ±(2^53−1).
///
/// # Errors
/// It is not.
pub(super) fn safe(value: i128) -> Result<i64, JsonError> {
    if value.unsigned_abs() > u128::from(MAX_SAFE_INTEGER) {
        return Err(JsonError::unsafe_integer());
    }
    #[allow(clippy::cast_possible_truncation, reason = "checked above")]
    Ok(value as i64)
}
