//! How much an event matters: OpenTelemetry's names and numbers, as the CloudEvents severity extension
//! carries them.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The library whose numbers the level of a log record uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LevelScale {
    /// Python's `logging`: `DEBUG` 10 … `CRITICAL` 50.
    Logging,
    /// `pino`: `trace` 10 … `fatal` 60.
    Pino,
    /// Go's `slog`: `LevelDebug` -4 … `LevelError` 8, with 12 for what OpenTelemetry calls fatal.
    Slog,
    /// .NET's `LogLevel`: `Trace` 0 … `Critical` 5.
    LogLevel,
}

impl LevelScale {
    /// Every scale.
    pub const ALL: [Self; 4] = [Self::Logging, Self::Pino, Self::Slog, Self::LogLevel];

    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logging => "logging",
            Self::Pino => "pino",
            Self::Slog => "slog",
            Self::LogLevel => "loglevel",
        }
    }

    /// The lowest debug level, and the distance between two severities. Lower levels are trace.
    const fn steps(self) -> (i64, i64) {
        match self {
            Self::Logging => (10, 10),
            Self::Pino => (20, 10),
            Self::Slog => (-4, 4),
            Self::LogLevel => (1, 1),
        }
    }
}

/// An event's severity. The numbers are those of OpenTelemetry's log data model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Severity {
    /// Finest detail.
    Trace = 1,
    /// For people who debug the agent.
    Debug = 5,
    /// What happens normally; the default.
    #[default]
    Info = 9,
    /// Something was refused, or did not go as asked.
    Warn = 13,
    /// Something failed.
    Error = 17,
    /// The agent cannot go on.
    Fatal = 21,
}

impl Severity {
    /// Every severity, from low to high.
    pub const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// `severitynumber` of the envelope.
    #[inline]
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// `severitytext` of the envelope, as in `WARN`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// The name that host code gives to `emit`, as in `warn`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// The severity of a log record's level: levels between two named ones count as the lower.
    #[must_use]
    pub fn of_level(scale: LevelScale, level: i64) -> Self {
        let (debug, step) = scale.steps();
        let above = level.saturating_sub(debug).div_euclid(step).clamp(-1, 4);
        Self::ALL[usize::try_from(above + 1).unwrap_or_default()]
    }

    /// The severity that OpenTelemetry's number stands for: 1 to 24, four for each. Larger numbers are fatal, 0 is trace.
    #[must_use]
    pub fn of_number(number: u64) -> Self {
        let four = number.saturating_sub(1) / 4;
        Self::ALL[usize::try_from(four).unwrap_or(usize::MAX).min(Self::ALL.len() - 1)]
    }

    /// The severity for a log level's name, in any case and in the words of any supported language; `None` if the name
    /// is unknown. slog writes a level between two named ones as `INFO+2`: it counts as the lower.
    #[must_use]
    pub fn of_log_level(name: &str) -> Option<Self> {
        let name = name.split_once(['+', '-']).map_or(name, |(name, _)| name).trim();
        let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        Some(match name {
            _ if is(&["trace", "verbose", "silly", "finest"]) => Self::Trace,
            _ if is(&["debug", "fine"]) => Self::Debug,
            _ if is(&["info", "information", "informational", "notice", "log"]) => Self::Info,
            _ if is(&["warn", "warning"]) => Self::Warn,
            _ if is(&["error", "err", "exception"]) => Self::Error,
            _ if is(&["fatal", "critical", "crit", "alert", "emergency", "emerg", "panic"]) => Self::Fatal,
            _ => return None,
        })
    }

    /// The severity of a `severitynumber`; numbers between the six have none.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.number() == number)
    }
}

impl FromStr for Severity {
    type Err = Error;

    /// Takes a name in any case, or OpenTelemetry's number, `1` to `24`.
    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|severity| severity.name().eq_ignore_ascii_case(text));
        // Only digits, as a number parser accepts a sign, too.
        let number = || text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        named.or_else(|| number().filter(|number| (1..=24).contains(number)).map(Self::of_number)).ok_or_else(|| {
            Error::invalid_event(
                "not a severity; use trace, debug, info, warn, error or fatal, or OpenTelemetry's number from 1 to 24",
            )
            .at("severity")
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
