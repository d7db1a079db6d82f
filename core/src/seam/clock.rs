//! Wall clock and monotonic clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Nanoseconds since 1970-01-01T00:00:00Z.
pub type UnixNanos = i64;

/// A point on the monotonic clock, as nanoseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// This point, later by `by`; saturating.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The time, as everything in sinkwell reads it.
pub trait Clock: Send + Sync {
    /// Wall-clock time.
    fn unix_nanos(&self) -> UnixNanos;
    /// Monotonic time, for deadlines.
    fn now(&self) -> Instant;
}

/// The operating system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn unix_nanos(&self) -> UnixNanos {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// A clock that moves only when told: for tests and for manual emitters.
#[derive(Debug, Default)]
pub struct ManualClock {
    unix: AtomicU64,
    mono: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `unix` nanoseconds.
    #[must_use]
    pub fn new(unix: u64) -> Self {
        Self { unix: AtomicU64::new(unix), mono: AtomicU64::new(0) }
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.unix.fetch_add(nanos, Ordering::SeqCst);
        self.mono.fetch_add(nanos, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn unix_nanos(&self) -> UnixNanos {
        i64::try_from(self.unix.load(Ordering::SeqCst)).unwrap_or(i64::MAX)
    }

    fn now(&self) -> Instant {
        Instant(self.mono.load(Ordering::SeqCst))
    }
}

/// Appends `YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ`.
pub fn format_time(out: &mut Vec<u8>, nanos: UnixNanos) {
    use std::io::Write as _;
    let time = Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default();
    // Writing to a vector cannot fail.
    let _ = write!(out, "{time:.9}");
}

/// Reads an RFC 3339 time of any offset and precision up to nanoseconds.
#[must_use]
pub fn parse_time(text: &str) -> Option<UnixNanos> {
    let time: Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}
