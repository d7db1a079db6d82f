//! Compression of requests, and of the answers that come compressed although none was asked for.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use crate::error::Result;

use super::env::Said;

/// How requests are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sinks) enum Compression {
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

    /// Its name in configuration.
    pub(in crate::sinks) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// What to send with to a receiver that does not read this.
    pub(super) const fn plainer(self) -> Self {
        match self {
            Self::Zstd => Self::Gzip,
            Self::Gzip | Self::None => Self::None,
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
    pub(in crate::sinks) fn compress(self, bytes: &[u8], out: Vec<u8>) -> io::Result<Vec<u8>> {
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

/// Undoes an encoding that an answer names, in whatever case; at most `most` bytes are made of it. `None`: it cannot be
/// read.
pub(in crate::sinks) fn decompress<'a>(
    encoding: &str,
    bytes: &'a [u8],
    most: usize,
) -> Option<Cow<'a, [u8]>> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    let mut out = Vec::new();
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => return Some(Cow::Borrowed(bytes)),
        "gzip" | "x-gzip" => flate2::read::MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut out),
        "deflate" => flate2::read::ZlibDecoder::new(bytes).take(limit).read_to_end(&mut out),
        "zstd" => zstd::stream::read::Decoder::new(bytes).ok()?.take(limit).read_to_end(&mut out),
        _ => return None,
    }
    .ok()?;
    Some(Cow::Owned(out))
}
