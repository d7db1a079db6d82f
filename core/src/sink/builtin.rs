//! The sinks that come with sinkwell, from their configuration.

use std::sync::Arc;

use crate::audit::{AuditHandle, AuditOptions, AuditSink};
use crate::config::{AuditConfig, AuditRetention, Config, LaneConfig, SinkConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::lines::with_suffix;
use crate::seam::{SharedFs, check_path};
use crate::sink::{Sink, console, file, memory, stream};

/// A sink, and what the lane keeps of an audit chain.
pub(crate) struct Made {
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) audit: Option<(AuditHandle, Option<AuditRetention>)>,
}

/// Makes the sink of a lane.
///
/// # Errors
/// `invalid_config` or `sink`: it cannot be made as configured.
pub(crate) fn make(lane: &LaneConfig, whole: &Config) -> Result<Made> {
    let sink: Box<dyn Sink> = match &lane.sink {
        SinkConfig::Stdout => Box::new(stream::Lines::stdout()),
        SinkConfig::Stderr => Box::new(stream::Lines::stderr()),
        SinkConfig::Console(console) => Box::new(console::Console::new(console, &whole.type_prefix)),
        SinkConfig::File(file) => Box::new(file::FileSink::open(file.clone())?),
        SinkConfig::Memory => Box::new(memory::MemorySink::keeping(memory::KEEP)),
        SinkConfig::Null => Box::new(memory::NullSink),
        #[cfg(feature = "otlp")]
        SinkConfig::Otlp(otlp) => Box::new(otlp_sink(otlp, lane.timeout)?),
        #[cfg(not(feature = "otlp"))]
        SinkConfig::Otlp(_) => return Err(Error::unsupported("this build is without the feature `otlp`")),
        SinkConfig::AuditChain(config) => {
            own_database(config)?;
            let sink = AuditSink::open(AuditOptions {
                fs: Arc::new(SharedFs(config.access)),
                ..AuditOptions::new(&config.path)
            })?;
            let audit = Some((sink.handle(), config.retention.clone()));
            return Ok(Made { sink: Box::new(sink), audit });
        }
        SinkConfig::Host(name) => {
            return Err(Error::invalid_config(format!("the host sink {name:?} was not given to open")));
        }
    };
    Ok(Made { sink, audit: None })
}

/// The database and the files that SQLite keeps beside it are ours to write, or the configuration allows it.
fn own_database(config: &AuditConfig) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let path = with_suffix(&config.path, suffix);
        check_path(&path, config.access).map_err(|e| {
            Error::new(ErrorKind::Sink, format!("the audit database cannot be used: {e}"))
                .at(path.display().to_string())
        })?;
    }
    Ok(())
}

#[cfg(feature = "otlp")]
pub(crate) fn otlp_sink(
    config: &crate::config::OtlpConfig,
    timeout: std::time::Duration,
) -> Result<crate::otlp::OtlpSink> {
    use crate::otlp::{Facts, OtlpSink, Settings, process_env};
    // The sink gives up a little before the lane does, so that it can say what it was waiting for.
    let timeout = timeout.mul_f32(0.9);
    let settings = Settings::resolve(config, &process_env, &Facts::of_process(), timeout)?;
    OtlpSink::new(settings, std::sync::Arc::new(crate::seam::SystemClock::default()))
}
