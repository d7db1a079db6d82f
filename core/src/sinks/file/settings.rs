//! `file` in a configuration.

use std::path::PathBuf;
use std::time::Duration;

use super::FileSink;
use crate::document::keys::{ALLOW_LINKS, ALLOW_SHARED_WRITE, Form, Key};
use crate::document::reader::{Cursor, access};
use crate::error::Result;
use crate::seam::Access;
use crate::sink::{Alone, Examined, Kind, Made, Making, Settings, SinkClass, SinkConfig};
use crate::sinks::trial;

const ROTATE: &[Key] = &[
    Key::new("size", Form::Size, "none", "when it would grow past this"),
    Key::new("age", Form::Duration, "none", "when it is this old"),
];

/// `file`
pub(crate) const KIND: Kind = Kind {
    name: "file",
    about: "one line of JSON per envelope, appended to a file; a pipe or a character device is written to as it is",
    classes: &[SinkClass::Observability, SinkClass::Debug, SinkClass::Audit],
    linger: crate::sinks::LINGER,
    keys: &[
        Key::required("path", Form::Path, "the file, made 0600; a second process writes `PATH.<pid>`"),
        Key::new("rotate", Form::Table(ROTATE), "never", "when another file is begun"),
        Key::new("keep", Form::Int(0, 1_000_000), "all", "how many rotated files stay"),
        Key::new("fsync", Form::Bool, "`false`", "acknowledge only what would survive a loss of power"),
        ALLOW_LINKS,
        ALLOW_SHARED_WRITE,
    ],
    alone: Alone::Needs("a `file` needs a path: `sink: { file: { path: events.ndjson } }`"),
    read,
};

/// `file`
#[derive(Clone, Debug)]
pub struct FileConfig {
    /// The file; created 0600.
    pub path: PathBuf,
    /// Rotate when it would grow past this many bytes.
    pub rotate_bytes: Option<u64>,
    /// Rotate when it is this old.
    pub rotate_age: Option<Duration>,
    /// How many rotated files to keep; `None` keeps all.
    pub keep: Option<usize>,
    /// `fdatasync` after every batch. Default false.
    pub fsync: bool,
    /// `allow_links`, `allow_shared_write`.
    pub access: Access,
}

fn read(cursor: &Cursor<'_>) -> Result<SinkConfig> {
    let table = cursor.table(KIND.keys)?;
    let rotate = table.maybe("rotate", |c| {
        let rotate = c.table(ROTATE)?;
        match (rotate.maybe("size", Cursor::size)?, rotate.maybe("age", Cursor::span)?) {
            (None, None) => Err(c.error("`rotate` needs a `size`, an `age` or both")),
            both => Ok(both),
        }
    })?;
    let keep = table.count("keep")?;
    if let (Some(keep), None) = (table.get("keep"), rotate) {
        return Err(
            keep.error("`keep` says how many rotated files stay, but nothing is rotated; add `rotate`")
        );
    }
    let (rotate_bytes, rotate_age) = rotate.unwrap_or_default();
    Ok(SinkConfig::new(FileConfig {
        path: table.require("path")?.file()?,
        rotate_bytes,
        rotate_age,
        keep,
        fsync: table.or("fsync", false, Cursor::bool)?,
        access: access(&table)?,
    }))
}

impl Settings for FileConfig {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn make(&self, _making: &Making<'_>) -> Result<Made> {
        Ok(Made::new(FileSink::open(self.clone())?))
    }

    fn examine(&self, _making: &Making<'_>) -> Examined {
        trial::file(&self.path, Access { pipes: true, ..self.access })
    }
}
