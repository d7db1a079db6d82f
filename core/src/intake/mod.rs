//! `sinkwell intake`: the other end of the `stream` sink. It takes streams, rebuilds every envelope byte for byte, and
//! gives them to a sink: a file, or that of any lane.
//!
//! Guarantees:
//! - A batch is acknowledged only after its sink has acknowledged it: of a file, after it is on disk.
//! - What one peer costs is bounded: streams, state, the size of a batch, batches and bytes on their way to the sink.
//! - A peer that cannot be read, or is not let in, ends its own stream and nobody else's. No panic, whatever the bytes.
//! - No token, header value or line of an event is in a log or an error.
//!
//! How: [`server`] accepts connections and reads streams, on one thread each core; [`writer`] owns the sink, on a thread
//! of its own, and takes what all streams have ready as one batch, so that they share a sync; [`watch`] verifies what
//! goes through.

mod server;
mod tls;
mod watch;
mod writer;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::seam::{Kept, read_kept};
use crate::secret::Secret;
use crate::sink::{Making, SinkConfig};
use crate::sinks::FileConfig;
use crate::verify::TrustedKey;

#[cfg(test)]
pub(crate) use watch::Watch;
pub use writer::Totals;

/// Where envelopes go.
#[derive(Clone, Debug)]
pub enum Output {
    /// A file of lines, rotated, synced before anything is acknowledged.
    File {
        /// The file.
        path: PathBuf,
        /// Another is begun when it would grow past this.
        rotate_bytes: Option<u64>,
        /// Another is begun when it is this old.
        rotate_age: Option<Duration>,
        /// How many rotated files stay; none: all.
        keep: Option<usize>,
    },
    /// The sink of a lane.
    Lane {
        /// The configuration that has the lane.
        config: Box<Config>,
        /// The lane's id.
        id: String,
    },
}

/// The certificates of the server.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The chain (PEM).
    pub certificate: PathBuf,
    /// Its key (PEM), which others must not be able to read.
    pub key: PathBuf,
    /// The key's file may be readable by its group.
    pub allow_group_readable: bool,
    /// Clients must have a certificate of one of these CAs (PEM).
    pub client_ca: Option<PathBuf>,
}

/// What peers may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Streams of one connection.
    pub streams: u32,
    /// Bytes of state of one stream.
    pub state: usize,
    /// Bytes of the lines of one batch.
    pub batch: usize,
    /// Bytes of lines on their way to the sink, of all streams together.
    pub pending: usize,
    /// Events a second of one stream; none: as many as it sends.
    pub rate: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            streams: 16,
            state: 16 << 20,
            batch: 16 << 20,
            pending: 256 << 20,
            rate: None,
        }
    }
}

/// What an intake is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// `HOST:PORT`, or `unix:PATH`.
    pub listen: String,
    /// Where envelopes go.
    pub output: Output,
    /// TLS; none: plain text.
    pub tls: Option<Tls>,
    /// Peers must say one of these, as `authorization: Bearer TOKEN`; none: anybody may send.
    pub tokens: Vec<Secret>,
    /// Bounds.
    pub limits: Limits,
    /// Keys to verify with as envelopes come; none: they are not verified.
    pub keys: Vec<TrustedKey>,
}

/// A running intake. Dropped, it stops at once.
#[derive(Debug)]
pub struct Intake {
    server: server::Server,
    writer: Option<writer::Writer>,
}

impl Intake {
    /// Opens the output, and listens.
    ///
    /// # Errors
    /// The output cannot be opened, the address is in use, a certificate cannot be read; kind `key`: others can read its key.
    pub fn start(options: Options) -> Result<Self> {
        let timeout = Duration::from_secs(10);
        let sink = match &options.output {
            Output::File { path, rotate_bytes, rotate_age, keep } => SinkConfig::new(FileConfig {
                path: crate::seam::absolute(path),
                rotate_bytes: *rotate_bytes,
                rotate_age: *rotate_age,
                keep: *keep,
                fsync: true,
                access: crate::seam::Access::default(),
            }),
            Output::Lane { config, id } => {
                let lane = config.lanes.iter().find(|lane| lane.id == *id).ok_or_else(|| {
                    let ids: Vec<_> = config.lanes.iter().map(|lane| lane.id.as_str()).collect();
                    Error::invalid_argument(format!("there is no lane {id:?}; there are: {}", ids.join(", ")))
                })?;
                if lane.sink.host().is_some() {
                    return Err(Error::invalid_argument(format!(
                        "the sink of lane {id:?} is a program's own, which only that program has"
                    )));
                }
                lane.sink.clone()
            }
        };
        let made = sink.make(&Making { timeout, type_prefix: crate::types::DEFAULT_PREFIX })?;
        let watch = (!options.keys.is_empty()).then(|| watch::Watch::new(options.keys.clone()));
        let (writer, door) = writer::Writer::start(made.sink, watch)?;
        let server = server::Server::start(&options, door)?;
        Ok(Self { server, writer: Some(writer) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// What has come so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.writer.as_ref().map(writer::Writer::totals).unwrap_or_default()
    }

    /// Takes no more, lets what it has read reach the sink for as long as this, and says what came.
    pub fn stop(mut self, limit: Duration) -> Totals {
        self.server.stop(limit);
        match self.writer.take() {
            Some(writer) => writer.stop(limit),
            None => Totals::default(),
        }
    }
}

impl Intake {
    /// Runs until SIGTERM or SIGINT, then [stops](Self::stop).
    ///
    /// # Errors
    /// Signals cannot be waited for.
    pub fn until_signal(self, limit: Duration) -> Result<Totals> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
            .map_err(|e| Error::internal(format!("signals cannot be waited for: {e}")))?;
        let _ = signals.forever().next();
        Ok(self.stop(limit))
    }
}

/// `64MiB`, `2GiB`; a number alone is bytes.
#[must_use]
pub fn read_size(text: &str) -> Option<u64> {
    crate::document::units::size(text).filter(|size| *size > 0)
}

/// `200ms`, `90s`, `1d`.
#[must_use]
pub fn read_duration(text: &str) -> Option<Duration> {
    crate::document::units::duration(text).filter(|duration| *duration > Duration::ZERO)
}

/// The tokens of a file, one a line; blanks around them, empty lines and those that begin with `#` do not count.
///
/// # Errors
/// Kind `key`: it cannot be read, or others can read it, too; `invalid_argument`: it holds none.
pub fn read_tokens(path: &std::path::Path, allow_group_readable: bool) -> Result<Vec<Secret>> {
    let bytes = read_kept(path, Kept::TOKENS, allow_group_readable)?;
    let lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let tokens: Vec<Secret> = lines
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(|line| Secret::new(line.to_vec()))
        .collect();
    if tokens.is_empty() {
        return Err(Error::invalid_argument("it holds no token").at(path.display().to_string()));
    }
    Ok(tokens)
}

/// Shared by the threads.
type Shared<T> = Arc<crate::sync::Mutex<T>>;
