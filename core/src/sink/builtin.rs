//! The sinks that come with sinkwell, from their configuration.

use std::sync::Arc;

use crate::audit::{AuditOptions, AuditSink};
use crate::config::{Config, LaneConfig, SinkConfig};
use crate::error::{Error, Result};
use crate::seam::SystemClock;
use crate::sink::{Sink, console, file, memory, stream};

/// Makes a sink.
///
/// # Errors
/// `invalid_config` or `sink`: it cannot be made as configured.
pub(crate) fn make(lane: &LaneConfig, whole: &Config) -> Result<Box<dyn Sink>> {
    Ok(match &lane.sink {
        SinkConfig::Stdout => Box::new(stream::Lines::stdout()),
        SinkConfig::Stderr => Box::new(stream::Lines::stderr()),
        SinkConfig::Console(console) => Box::new(console::Console::new(console, &whole.type_prefix)),
        SinkConfig::File(file) => Box::new(file::FileSink::open(file.clone())?),
        SinkConfig::Memory => Box::new(memory::MemorySink::default()),
        SinkConfig::Null => Box::new(memory::NullSink),
        #[cfg(feature = "otlp")]
        SinkConfig::Otlp(config) => {
            let facts = crate::otlp::Facts::of_process();
            let settings =
                crate::otlp::Settings::resolve(config, &crate::otlp::process_env, &facts, lane.timeout)?;
            Box::new(crate::otlp::OtlpSink::new(settings, Arc::new(SystemClock::default()))?)
        }
        #[cfg(not(feature = "otlp"))]
        SinkConfig::Otlp(_) => return Err(Error::unsupported("this build is without the feature `otlp`")),
        SinkConfig::AuditChain(config) => Box::new(AuditSink::open(AuditOptions::new(&config.path))?),
        SinkConfig::Host(name) => {
            return Err(Error::invalid_config(format!("the host sink {name:?} was not given to open")));
        }
    })
}
