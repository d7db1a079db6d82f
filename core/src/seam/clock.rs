//! Wall clock and monotonic clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;

/// Nanoseconds since 1970-01-01T00:00:00Z.
pub type UnixNanos = i64;

/// A point on the monotonic clock, as nanoseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// Later than any other instant.
    pub const NEVER: Self = Self(u64::MAX);

    /// This point, later by `by`; saturating.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not later.
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
    /// Both. Where that is asked often, the wall clock may be followed for a tenth of a millisecond instead of being read: a
    /// step that it makes is seen after that.
    fn both(&self) -> (UnixNanos, Instant) {
        (self.unix_nanos(), self.now())
    }
}

/// The operating system's clocks. All of them have their arbitrary start in common, the process's first look at the clock.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

/// Without a lock, which a process that forks just then would leave held in its child.
static START: ArcSwapOption<std::time::Instant> = ArcSwapOption::const_empty();

impl Default for SystemClock {
    fn default() -> Self {
        let now = Arc::new(std::time::Instant::now());
        // The first stays.
        START.compare_and_swap(&None::<Arc<std::time::Instant>>, Some(Arc::clone(&now)));
        Self { start: *START.load_full().unwrap_or(now) }
    }
}

impl Clock for SystemClock {
    fn unix_nanos(&self) -> UnixNanos {
        wall()
    }

    #[inline]
    fn now(&self) -> Instant {
        let since = std::time::Instant::now().duration_since(self.start);
        // Not in 128 bits, as it is asked for every event: 64 are enough for five hundred years.
        Instant(since.as_secs().wrapping_mul(1_000_000_000).wrapping_add(since.subsec_nanos().into()))
    }

    fn both(&self) -> (UnixNanos, Instant) {
        let now = self.now();
        let last = FOLLOWED.get();
        (last.wall(now).unwrap_or_else(|| self.read(now, last)), now)
    }
}

fn wall() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// When this thread last read the wall clock, and what it said, if it is to be followed from there. Between two steps it goes
/// as the monotonic clock goes, so that only one of them need be read, which takes as long as an allocation. Not for long, as
/// the monotonic clock may stand still while a machine or a function is frozen.
#[derive(Clone, Copy)]
struct Followed {
    at: Instant,
    wall: Option<UnixNanos>,
}

/// For how many nanoseconds the wall clock is followed without being read.
const FOLLOW: u64 = 100_000;

/// Readings that lie further apart, in nanoseconds, had something come between them: nothing is worked out from these.
const TOGETHER: u64 = 5_000;

thread_local! {
    static FOLLOWED: std::cell::Cell<Followed> = const { std::cell::Cell::new(Followed::NOT) };
}

impl Followed {
    /// By a thread that has not read it yet: three hundred years from now.
    const NOT: Self = Self { at: Instant(1 << 63), wall: None };

    /// How many nanoseconds later `now` is, if that is soon enough.
    #[inline]
    fn since(&self, now: Instant) -> Option<i64> {
        // Where it is earlier that is a large number.
        let since = now.0.wrapping_sub(self.at.0);
        (since < FOLLOW).then_some(since.cast_signed())
    }

    /// What the wall clock says at `now`, if that is soon enough.
    #[inline]
    fn wall(&self, now: Instant) -> Option<UnixNanos> {
        Some(self.wall?.saturating_add(self.since(now)?))
    }
}

impl SystemClock {
    /// Reads the wall clock, a moment after `now`, and has it followed if it was asked for shortly before.
    #[inline(never)]
    fn read(&self, now: Instant, last: Followed) -> UnixNanos {
        let wall = wall();
        let followed = if last.since(now).is_some() {
            let after = self.now();
            Followed { at: after, wall: (after.0.wrapping_sub(now.0) < TOGETHER).then_some(wall) }
        } else {
            Followed { at: now, wall: None }
        };
        FOLLOWED.set(followed);
        wall
    }
}

/// Measures how long a thread of the host has waited: in real time, even if a test has replaced the emitter's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(std::time::Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// What is left of `limit`; zero when it is over.
    pub(crate) fn left(self, limit: Duration) -> Duration {
        limit.saturating_sub(self.elapsed())
    }
}

/// Lets this thread sleep.
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
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

    /// Moves both clocks forward.
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

/// What a time looks like up to its second.
type ToSecond = [u8; 19];

thread_local! {
    /// The second that this thread wrote last: thousands of times in a row lie in the same.
    static LAST: std::cell::Cell<(i64, ToSecond)> = const { std::cell::Cell::new((0, *b"1970-01-01T00:00:00")) };
}

/// Appends `YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ`. Written by hand for speed, as every envelope has two times.
pub fn format_time(out: &mut Vec<u8>, nanos: UnixNanos) {
    out.extend_from_slice(&time_text(nanos));
}

/// What [`format_time`] appends.
pub(crate) fn time_text(nanos: UnixNanos) -> [u8; 30] {
    const SECOND: i64 = 1_000_000_000;
    let (seconds, fraction) = (nanos.div_euclid(SECOND), nanos.rem_euclid(SECOND));
    let (last, mut to_second) = LAST.get();
    if last != seconds {
        to_second = written_to_second(seconds);
        LAST.set((seconds, to_second));
    }
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    text[..19].copy_from_slice(&to_second);
    // With a digit in front, so that it has ten whatever it is; 32 bits hold that, and divide faster.
    let fraction = 1_000_000_000 + u32::try_from(fraction).unwrap_or_default();
    if let [_, fraction @ ..] = itoa::Buffer::new().format(fraction).as_bytes() {
        text[20..29].copy_from_slice(fraction);
    }
    text
}

fn written_to_second(seconds: i64) -> ToSecond {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let mut text = *b"0000-00-00T00:00:00";
    let mut put = |at: usize, places: usize, value: i64| {
        digits(&mut text[at..at + places], u32::try_from(value).unwrap_or_default());
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, second / 3600);
    put(14, 2, second / 60 % 60);
    put(17, 2, second % 60);
    text
}

/// Writes a number with as many decimal digits as there are places.
fn digits(places: &mut [u8], mut value: u32) {
    for place in places.iter_mut().rev() {
        // A digit: the remainder is below ten.
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01 (Howard Hinnant's
/// `civil_from_days`: eras of 400 years that begin on a first of March).
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// Reads what [`format_time`] writes, and nothing else: writing it again gives the same bytes.
pub(crate) fn read_time(text: &[u8]) -> Option<UnixNanos> {
    let text: &[u8; 30] = text.try_into().ok()?;
    const FORM: &[u8; 30] = b"0000-00-00T00:00:00.000000000Z";
    let mut fits = true;
    for (byte, form) in text.iter().zip(FORM) {
        fits &= if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    }
    if !fits {
        return None;
    }
    let number = |from: usize, to: usize| {
        text[from..to].iter().fold(0_i64, |number, digit| number * 10 + i64::from(digit - b'0'))
    };
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    let days = days(year, month, day);
    // A day that no month has would be written otherwise.
    if hour > 23 || minute > 59 || second > 59 || civil(days) != (year, month, day) {
        return None;
    }
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(number(20, 29))
}

/// Days from 1970-01-01 to this one: what [`civil`] undoes.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, within) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + within * 365 + within / 4 - within / 100 + of_year - 719_468
}

/// Reads an RFC 3339 time of any offset and precision up to nanoseconds.
#[must_use]
pub fn parse_time(text: &str) -> Option<UnixNanos> {
    // As every envelope has them.
    if let Some(time) = read_time(text.as_bytes()) {
        return Some(time);
    }
    let time: Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::{
        Clock as _, FOLLOW, FOLLOWED, Followed, Instant, SystemClock, Timestamp, format_time, parse_time,
        read_time, wall,
    };

    #[test]
    fn the_wall_clock_is_followed_for_a_moment_and_then_read_again() {
        let followed = Followed { at: Instant(5), wall: Some(1_000) };
        let after = |nanos| followed.wall(Instant(5 + nanos));
        assert_eq!(after(0), Some(1_000));
        assert_eq!(after(FOLLOW - 1), Some(999 + FOLLOW.cast_signed()));
        assert_eq!(after(FOLLOW), None, "a step would be missed");
        assert_eq!(after(7_000_000_001), None, "seconds later");
        assert_eq!(followed.wall(Instant(4)), None, "earlier, by another clock of the host's");
        assert_eq!(Followed::NOT.wall(Instant(5)), None, "not read yet");
    }

    #[test]
    fn the_wall_clock_is_followed_only_by_who_asks_often_and_was_not_stopped() {
        let clock = SystemClock::default();
        let follows = || FOLLOWED.get().wall.is_some();
        // Not at once: a process that has just looked at its clock for the first time has no time before.
        while clock.now() < Instant(2_000_000) {}
        let before = |micros: u64| Instant(clock.now().0 - 1_000 * micros);
        clock.read(clock.now(), Followed::NOT);
        assert!(!follows(), "asked once");
        let last = |micros| Followed { at: before(micros), wall: None };
        clock.read(clock.now(), last(1_000));
        assert!(!follows(), "asked again a millisecond later");
        let now = before(50);
        clock.read(now, Followed { at: now, wall: None });
        assert!(!follows(), "something came between the two readings");
        let tried = (0..1_000).any(|_| {
            clock.read(clock.now(), last(1));
            follows()
        });
        assert!(tried, "asked often");
    }

    #[test]
    fn both_clocks_say_what_each_of_them_says() {
        let clock = SystemClock::default();
        for _ in 0..100_000 {
            let (before, first) = (wall(), clock.now());
            let (unix, now) = clock.both();
            let (after, then) = (wall(), clock.now());
            assert!(first <= now && now <= then);
            // As far apart as the readings may be that the other clock is worked out from.
            assert!(before - 10_000 <= unix && unix <= after + 10_000, "{before} {unix} {after}");
        }
    }

    /// Every day that the clock can show, at awkward times, against a library's calendar.
    #[test]
    fn times_are_written_as_jiff_writes_them() {
        const DAY: i64 = 86_400_000_000_000;
        let mut out = Vec::new();
        for day in i64::MIN / DAY + 1..i64::MAX / DAY {
            for within in [0, 1, DAY / 2 + 12_345_678_901, DAY - 1] {
                let nanos = day * DAY + within;
                out.clear();
                format_time(&mut out, nanos);
                let text = std::str::from_utf8(&out).unwrap();
                let time = Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
                assert_eq!(text, format!("{time:.9}"));
                assert_eq!(parse_time(text), Some(nanos));
                assert_eq!(read_time(text.as_bytes()), Some(nanos));
            }
        }
    }

    #[test]
    fn what_is_no_time_of_that_form_is_read_as_none() {
        for wrong in [
            "2026-02-30T00:00:00.000000000Z",
            "2026-13-01T00:00:00.000000000Z",
            "2026-00-01T00:00:00.000000000Z",
            "2026-01-00T00:00:00.000000000Z",
            "2026-01-01T24:00:00.000000000Z",
            "2026-01-01T00:60:00.000000000Z",
            "2026-01-01T00:00:60.000000000Z",
            "2026-01-01t00:00:00.000000000Z",
            "2026-01-01T00:00:00.00000000zZ",
            "2026-01-01T00:00:00.0000000000",
            "0000-01-01T00:00:00.000000000Z",
            "9999-12-31T23:59:59.999999999Z",
            "2262-04-11T23:47:16.854775808Z",
            "2026-01-01T00:00:00Z",
            "",
        ] {
            assert_eq!(read_time(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(read_time(b"2262-04-11T23:47:16.854775807Z"), Some(i64::MAX));
    }
}
