//! What is spoken over a stream: which path, which headers, which encoder.

use std::io;

use hyper::header::{HeaderMap, HeaderValue};

use super::proto::{HEADER, PATH};
use super::{compact, datadog};
use crate::sink::Envelope;

/// A profile.
#[derive(Clone, Debug)]
pub(super) enum Profile {
    /// Our own.
    Compact,
    /// The published stateful logs intake: which of its paths, and the tags of every log.
    Datadog(&'static datadog::Layout, Box<str>),
}

impl Profile {
    pub(super) fn path(&self) -> &'static str {
        match self {
            Self::Compact => PATH,
            Self::Datadog(layout, _) => layout.path,
        }
    }

    /// Adds what a peer must be told before the first batch.
    pub(super) fn headers(&self, headers: &mut HeaderMap) {
        match self {
            Self::Compact => drop(headers.insert(HEADER, speaks())),
            Self::Datadog(layout, _) => {
                headers.insert("dd-content-encoding", HeaderValue::from_static("zstd"));
                if **layout == datadog::STATEFUL_STREAM {
                    headers.insert("dd-state-request-bytes", HeaderValue::from_static(datadog::REQUESTED));
                }
            }
        }
    }

    /// Whether a peer says that it speaks this before it is sent anything. One of a published path may say nothing at all
    /// before its first status.
    pub(super) fn asks_first(&self) -> bool {
        matches!(self, Self::Compact)
    }

    /// What it is called, for people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Compact => format!("compact/{}", compact::VERSION),
            Self::Datadog(layout, _) => format!("datadog ({})", layout.name),
        }
    }

    /// The encoder of a new stream.
    ///
    /// # Errors
    /// zstd has no memory.
    pub(super) fn encoder(&self) -> io::Result<Encoder> {
        Ok(match self {
            Self::Compact => Encoder::Compact(Box::new(compact::Encoder::new()?)),
            Self::Datadog(layout, tags) => Encoder::Datadog(Box::new(datadog::Encoder::new(layout, tags)?)),
        })
    }
}

/// What we speak, as a header.
pub(super) fn speaks() -> HeaderValue {
    HeaderValue::try_from(Profile::Compact.name()).unwrap_or(HeaderValue::from_static("compact"))
}

/// One end of a stream.
pub(super) enum Encoder {
    Compact(Box<compact::Encoder>),
    Datadog(Box<datadog::Encoder>),
}

impl Encoder {
    /// The bytes of a batch.
    ///
    /// # Errors
    /// It cannot be encoded; the encoder is of no more use.
    pub(super) fn encode(&mut self, batch: &[Envelope]) -> io::Result<Vec<u8>> {
        match self {
            Self::Compact(encoder) => encoder
                .encode(batch, usize::MAX)?
                .map_err(|compact::TooLarge| io::ErrorKind::InvalidInput.into()),
            Self::Datadog(encoder) => encoder.encode(batch),
        }
    }

    /// Bytes of the last batch before compression.
    pub(super) fn uncompressed(&self) -> usize {
        match self {
            Self::Compact(encoder) => encoder.uncompressed,
            Self::Datadog(encoder) => encoder.uncompressed,
        }
    }

    /// What was ever defined.
    pub(super) fn defined(&self) -> u64 {
        match self {
            Self::Compact(encoder) => encoder.defined,
            Self::Datadog(encoder) => encoder.defined,
        }
    }

    /// Definitions that can be referred to.
    pub(super) fn live(&self) -> u64 {
        match self {
            Self::Compact(encoder) => encoder.live(),
            Self::Datadog(encoder) => encoder.live(),
        }
    }

    /// Bytes of state, near enough.
    pub(super) fn state_bytes(&self) -> usize {
        match self {
            Self::Compact(encoder) => encoder.state_bytes(),
            Self::Datadog(encoder) => encoder.state_bytes(),
        }
    }
}
