//! The sinks that come with sinkwell, from their configuration.

use crate::config::{Config, SinkConfig};
use crate::error::{Error, Result};
use crate::sink::{Sink, console, file, memory, stream};

/// Makes a sink.
///
/// # Errors
/// `invalid_config` or `sink`: it cannot be made as configured.
pub(crate) fn make(config: &SinkConfig, whole: &Config) -> Result<Box<dyn Sink>> {
    let _ = whole;
    Ok(match config {
        SinkConfig::Stdout => Box::new(stream::Lines::stdout()),
        SinkConfig::Stderr => Box::new(stream::Lines::stderr()),
        SinkConfig::Console(console) => Box::new(console::Console::new(console, &whole.type_prefix)),
        SinkConfig::File(file) => Box::new(file::FileSink::open(file.clone())?),
        SinkConfig::Memory => Box::new(memory::MemorySink::default()),
        SinkConfig::Null => Box::new(memory::NullSink),
        SinkConfig::Otlp(_) => return Err(Error::unsupported("this build has no otlp sink")),
        SinkConfig::AuditChain(_) => return Err(Error::unsupported("this build has no audit_chain sink")),
        SinkConfig::Host(name) => {
            return Err(Error::invalid_config(format!("the host sink {name:?} was not given to open")));
        }
    })
}
