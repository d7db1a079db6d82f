//! The closed list of error kinds that every language shares.
//!
//! Guarantees: a kind's numeric code never changes meaning; a message says what happened and what to do;
//! `place` says where (a path in the data, a configuration key, a file and line, a lane). No message ever
//! carries a secret or the text of a content part.

use std::fmt;

/// What went wrong, as one of a closed list. The numbers are the C ABI's and never change meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum ErrorKind {
    /// The configuration document cannot be used.
    InvalidConfig = 1,
    /// The event cannot be sealed as given.
    InvalidEvent = 2,
    /// A call's argument is wrong.
    InvalidArgument = 3,
    /// A blocking lane had no room within its limit.
    Backpressure = 4,
    /// Governance forbids emitting now, as a required class has no healthy sink.
    RequiredSinkUnavailable = 5,
    /// Waiting took longer than asked.
    Timeout = 6,
    /// The emitter has been shut down.
    Closed = 7,
    /// A sink failed, or cannot be made.
    Sink = 8,
    /// The journal cannot be read or written.
    Journal = 9,
    /// A key is missing, malformed or refused.
    Key = 10,
    /// A policy document is invalid.
    Policy = 11,
    /// Input to the verifier cannot be read.
    Verification = 12,
    /// This build or platform does not support it.
    Unsupported = 13,
    /// A defect of sinkwell: please report.
    Internal = 255,
}

impl ErrorKind {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; 14] = [
        Self::InvalidConfig,
        Self::InvalidEvent,
        Self::InvalidArgument,
        Self::Backpressure,
        Self::RequiredSinkUnavailable,
        Self::Timeout,
        Self::Closed,
        Self::Sink,
        Self::Journal,
        Self::Key,
        Self::Policy,
        Self::Verification,
        Self::Unsupported,
        Self::Internal,
    ];

    /// The frozen numeric code.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind's public name, as in `invalid_event`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidConfig => "invalid_config",
            Self::InvalidEvent => "invalid_event",
            Self::InvalidArgument => "invalid_argument",
            Self::Backpressure => "backpressure",
            Self::RequiredSinkUnavailable => "required_sink_unavailable",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Sink => "sink",
            Self::Journal => "journal",
            Self::Key => "key",
            Self::Policy => "policy",
            Self::Verification => "verification",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An error of sinkwell: a kind, a message for a person, and the place it is about.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    message: String,
    place: Option<String>,
}

/// `Result` with sinkwell's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` whose message says what happened and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), place: None }))
    }

    /// The same error, with its place. A place that is set already stays.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.0.place.get_or_insert_with(|| place.into());
        self
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The kind's frozen numeric code.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.0.kind.code()
    }

    /// What happened and what to do, without kind and place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where: a path in the data, a configuration key with file and line, a lane's id.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.0.place.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.place {
            Some(place) => write!(f, "{}: {}: {}", self.0.kind, place, self.0.message),
            None => write!(f, "{}: {}", self.0.kind, self.0.message),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        impl Error {
            $($(#[$doc])* pub fn $name(message: impl Into<String>) -> Self {
                Self::new(ErrorKind::$kind, message)
            })*
        }
    };
}

constructors! {
    /// Shorthand for [`ErrorKind::InvalidConfig`].
    invalid_config => InvalidConfig;
    /// Shorthand for [`ErrorKind::InvalidEvent`].
    invalid_event => InvalidEvent;
    /// Shorthand for [`ErrorKind::InvalidArgument`].
    invalid_argument => InvalidArgument;
    /// Shorthand for [`ErrorKind::Key`].
    key => Key;
    /// Shorthand for [`ErrorKind::Journal`].
    journal => Journal;
    /// Shorthand for [`ErrorKind::Policy`].
    policy => Policy;
    /// Shorthand for [`ErrorKind::Verification`].
    verification => Verification;
    /// Shorthand for [`ErrorKind::Unsupported`].
    unsupported => Unsupported;
    /// Shorthand for [`ErrorKind::Internal`].
    internal => Internal;
}
