//! `audit_chain` in a configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::upkeep::Keeper;
use super::{AuditOptions, AuditSink};
use crate::document::keys::{ALLOW_LINKS, ALLOW_SHARED_WRITE, Form, Key};
use crate::document::reader::{Cursor, access};
use crate::error::{Error, ErrorKind, Result};
use crate::lines::with_suffix;
use crate::seam::{Access, SharedFs, check_path};
use crate::sink::{Alone, Examined, Kind, Made, Making, Settings, SinkClass, SinkConfig};
use crate::sinks::trial;

const RETENTION: &[Key] = &[
    Key::required("policy", Form::Text, "the policy's name, sealed in the `retention` envelope"),
    Key::required("max_age", Form::Duration, "older envelopes become stubs"),
];

/// `audit_chain`
pub(crate) const KIND: Kind = Kind {
    name: "audit_chain",
    about: "the audit log, an SQLite database: [AUDIT.md](AUDIT.md)",
    classes: &[SinkClass::Audit],
    linger: crate::sinks::LINGER,
    keys: &[
        Key::required("path", Form::Path, "the database, made 0600"),
        Key::new(
            "retention",
            Form::Any(&[Form::Word(&["none"]), Form::Table(RETENTION)]),
            "`none`",
            "what loses its data and content, and when",
        ),
        ALLOW_LINKS,
        ALLOW_SHARED_WRITE,
    ],
    alone: Alone::Needs("an `audit_chain` needs a path: `sink: { audit_chain: { path: audit.db } }`"),
    read,
};

/// `audit_chain`
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// The SQLite database.
    pub path: PathBuf,
    /// `allow_links`, `allow_shared_write`.
    pub access: Access,
    /// Erase content and data of envelopes older than this; `None` keeps all.
    pub retention: Option<AuditRetention>,
}

/// `audit_chain.retention`
#[derive(Clone, Debug)]
pub struct AuditRetention {
    /// The policy's name, sealed in the `retention` envelope.
    pub policy: String,
    /// Envelopes older than this become stubs.
    pub max_age: Duration,
}

fn read(cursor: &Cursor<'_>) -> Result<SinkConfig> {
    let table = cursor.table(KIND.keys)?;
    let retention = table.or("retention", None, |c| {
        if c.as_str() == Some("none") {
            return Ok(None);
        }
        if !c.is_map() {
            return Err(c.error("expected `none`, or a policy as `{ policy: two-years, max_age: 730d }`"));
        }
        let retention = c.table(RETENTION)?;
        Ok(Some(AuditRetention {
            policy: retention.require("policy")?.name()?.to_owned(),
            max_age: retention.require("max_age")?.span()?,
        }))
    })?;
    Ok(SinkConfig::new(AuditConfig {
        path: table.require("path")?.file()?,
        access: access(&table)?,
        retention,
    }))
}

impl Settings for AuditConfig {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn make(&self, _making: &Making<'_>) -> Result<Made> {
        own_database(self)?;
        let fs = Arc::new(SharedFs(self.access));
        let sink = AuditSink::open(AuditOptions { fs, ..AuditOptions::new(&self.path) })?;
        let upkeep = Keeper::new(sink.handle(), self.retention.clone());
        Ok(Made { upkeep: Some(Box::new(upkeep)), ..Made::new(sink) })
    }

    fn examine(&self, _making: &Making<'_>) -> Examined {
        trial::file(&self.path, self.access)
    }
}

/// Checks that nobody else may write the database or the files that SQLite keeps beside it, unless the configuration
/// allows it.
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
