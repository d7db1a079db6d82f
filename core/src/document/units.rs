//! Durations and sizes with their units.

use std::time::Duration;

const DURATIONS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// What a duration looks like, for errors.
pub(crate) const DURATION_FORM: &str = "a duration such as `200ms`, `30s`, `5m`, `1h` or `30d`";
/// What a size looks like, for errors.
pub(crate) const SIZE_FORM: &str = "a size such as `64KiB`, `10MB` or `1GiB`";

/// `200ms`, `1.5s`, `30d`; `0` needs no unit.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    scaled(text, &DURATIONS).map(Duration::from_nanos)
}

/// `64MiB`, `10kB`, `512B`; a number alone is bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| !text.starts_with('+')).or_else(|| scaled(text, &SIZES))
}

/// A decimal number and a unit, exact: a number that is no whole multiple of the smallest unit is refused.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = units.iter().find(|(name, _)| *name == unit.trim_start_matches(' '))?.1;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    let tenths = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(scale);
    if part % tenths != 0 {
        return None;
    }
    whole.checked_add(u64::try_from(part / tenths).ok()?)
}
