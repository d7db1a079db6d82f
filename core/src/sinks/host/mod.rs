//! `host`: a sink that the program gives, written in its own language.

use crate::error::{Error, Result};
use crate::sink::{Alone, Examined, Grade, Kind, Made, Making, Settings, SinkClass, SinkConfig};

/// `host`
pub(super) const KIND: Kind = Kind {
    name: "host",
    about: "a sink that the program gives, by its name: `sink: { host: NAME }`",
    classes: &[SinkClass::Observability, SinkClass::Siem, SinkClass::Audit, SinkClass::Debug],
    linger: super::LINGER,
    // It has a name in place of keys.
    keys: &[],
    alone: Alone::Needs("a `host` sink needs its name: `sink: { host: my-sink }`"),
    read: |cursor| Ok(SinkConfig::new(HostName(cursor.name()?.to_owned()))),
};

/// The name of a sink that the host gives or its language finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(pub String);

impl Settings for HostName {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn make(&self, _making: &Making<'_>) -> Result<Made> {
        Err(Error::invalid_config(format!("the host sink {:?} was not given to open", self.0)))
    }

    fn examine(&self, _making: &Making<'_>) -> Examined {
        let text = format!("the host sink {} is the program's, and was not tried", self.0);
        Examined::Found(Grade::Untried, text)
    }

    fn host(&self) -> Option<&str> {
        Some(&self.0)
    }
}
