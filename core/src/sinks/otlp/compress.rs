//! Compression of requests.

use std::io::{self, Write};

use crate::error::Result;

use super::env::Said;

/// How requests are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, at its fastest level.
    Gzip,
    /// zstd, at level 1: on such batches smaller and faster than its default of 3.
    Zstd,
}

impl Compression {
    pub(super) fn parse(said: &Said<String>) -> Result<Self> {
        match said.value.as_str() {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(said.error("unknown compression; use `none`, `gzip` or `zstd`")),
        }
    }

    /// Its name on the wire; `None` if there is nothing to name.
    pub(super) fn encoding(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// Appends the compressed form of `bytes`.
    pub(super) fn compress(self, bytes: &[u8], out: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Self::None => {
                let mut out = out;
                out.extend_from_slice(bytes);
                Ok(out)
            }
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(out, 1)?;
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }
}
