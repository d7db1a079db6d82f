//! Times as log lines have them.

use crate::seam::{UnixNanos, parse_time};

/// RFC 3339, or what [`epoch`] reads. A time without a zone is none: nobody knows which was meant.
pub(super) fn read(text: &str) -> Option<UnixNanos> {
    let text = text.trim();
    if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.')) { epoch(text) } else { parse_time(text) }
}

/// A time since 1970 in seconds, milliseconds, microseconds or nanoseconds, told apart by size: seconds end in the year
/// 5138, where milliseconds are still in 1973, and so on. Exact: digits are taken as they stand.
pub(super) fn epoch(text: &str) -> Option<UnixNanos> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.len() > 19 || whole.is_empty() || fraction.is_empty() || fraction.len() > 64 {
        return None;
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let value: i128 = whole.parse().ok()?;
    let places = match value {
        0..100_000_000_000 => 9,
        100_000_000_000..100_000_000_000_000 => 6,
        100_000_000_000_000..100_000_000_000_000_000 => 3,
        _ => 0,
    };
    let padded: String = fraction.chars().chain(std::iter::repeat('0')).take(places).collect();
    let below: i128 = if places == 0 { 0 } else { padded.parse().ok()? };
    i64::try_from(value * 10_i128.pow(u32::try_from(places).ok()?) + below).ok()
}
