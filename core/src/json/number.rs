//! Numbers as RFC 8785 writes them: the shortest form ECMAScript would give for the double.

use super::parse::JsonError;

/// The largest integer that every JSON reader holds exactly: 2^53 − 1 (RFC 7493).
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// What errors say of NaN and infinities, in whatever form they come.
pub(super) const NOT_FINITE: &str = "NaN and infinities have no JSON form; send the value as a string";

/// Whether `value` is integral and outside ±(2^53−1), so that readers would disagree about it.
#[allow(clippy::cast_precision_loss, reason = "2^53 - 1 is exact")]
pub(crate) fn is_unsafe_integer(value: f64) -> bool {
    value.abs() > MAX_SAFE_INTEGER as f64 && value.fract() == 0.0
}

/// The number that the shortest digits of `value` stand for, as in a JSON text: 0.1, not 0.10000000149011612.
pub(super) fn meant(value: f32) -> f64 {
    let mut digits = ryu_js::Buffer::new();
    let meant = if value.is_finite() { digits.format_finite(value).parse().ok() } else { None };
    meant.unwrap_or_else(|| f64::from(value))
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
    } else if !write_thousandths(out, value) {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
    }
    Ok(())
}

/// As [`write_f64`], of a number that every reader holds to be the same.
///
/// # Errors
/// As [`write_f64`]; or it is integral and outside ±(2^53−1).
pub(super) fn write_safe_f64(out: &mut Vec<u8>, value: f64) -> Result<(), JsonError> {
    if is_unsafe_integer(value) {
        return Err(JsonError::unsafe_integer());
    }
    write_f64(out, value)
}

/// Appends a number that has three decimals at most, as most that people mean have, in an eighth of the time that the general
/// way takes; nothing otherwise.
///
/// A quotient is rounded to the nearest double, so a decimal of `value` is found where the quotient is `value`. It has fewer than
/// fifteen digits; of such no two are the same double, so there is no shorter one.
fn write_thousandths(out: &mut Vec<u8>, value: f64) -> bool {
    if value.abs() >= 1e11 {
        return false;
    }
    #[allow(clippy::cast_possible_truncation, reason = "below 1e14")]
    let thousandths = (value * 1000.0 + 0.5_f64.copysign(value)) as i64;
    #[allow(
        clippy::cast_precision_loss,
        clippy::float_cmp,
        reason = "below 1e14, and whether it is the same number"
    )]
    if thousandths == 0 || thousandths as f64 / 1000.0 != value {
        return false;
    }
    if thousandths < 0 {
        out.push(b'-');
    }
    let magnitude = thousandths.unsigned_abs();
    out.extend_from_slice(itoa::Buffer::new().format(magnitude / 1000).as_bytes());
    let digits = [100, 10, 1].map(|unit| b'0' + (magnitude / unit % 10) as u8);
    if let Some(last) = digits.iter().rposition(|digit| *digit != b'0') {
        out.push(b'.');
        out.extend_from_slice(&digits[..=last]);
    }
    true
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
