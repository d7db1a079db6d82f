//! Reads on as files and audit databases grow.
//!
//! A file that was rotated, so that another one has its name, is read to its end, then the new one from its beginning. A
//! file that was cut is read from its beginning: what it holds then shows in the page as what it is.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sinkwell::audit::AuditDb;
use sinkwell::sqlite::open_plain;
use sinkwell::{Error, Result};

use super::serve::Shared;
use crate::out::warn;
use crate::tail::POLL;

/// So many bytes are read before what is there of them is given, however fast a file grows.
const STEP: u64 = 1 << 20;
/// How long the page's questions have their turn between two of these.
const TURN: Duration = Duration::from_millis(2);

/// One that may grow.
enum Growing {
    File { source: usize, path: PathBuf, file: File, at: u64 },
    Database { source: usize, path: PathBuf, next: u64 },
}

/// Starts the thread that reads on.
pub(super) fn start(shared: &Arc<Shared>) -> Result<()> {
    let mut growing = Vec::new();
    {
        let collected = shared.lock();
        for (source, of) in collected.sources.iter().enumerate() {
            let Some(path) = of.path() else { continue };
            let path = path.to_owned();
            if AuditDb::is_one(&path) {
                growing.push(Growing::Database { source, path, next: of.lines() });
            } else {
                let file = open_plain(&path).map_err(|e| {
                    Error::verification(format!("it cannot be read: {e}")).at(path.display().to_string())
                })?;
                growing.push(Growing::File { source, path, file, at: of.bytes });
            }
        }
    }
    let shared = Arc::clone(shared);
    let follow = move || {
        loop {
            let mut more = false;
            for each in &mut growing {
                more |= step(each, &shared);
            }
            std::thread::sleep(if more { TURN } else { POLL });
        }
    };
    std::thread::Builder::new()
        .name("sinkwell-follow".into())
        .spawn(follow)
        .map_err(|e| Error::internal(format!("no thread to read on: {e}")))?;
    Ok(())
}

/// Reads some of it; answers whether there is more.
fn step(growing: &mut Growing, shared: &Shared) -> bool {
    let mut more = false;
    let mut collected = shared.lock();
    let before = collected.pieces.len();
    let source = match growing {
        Growing::Database { source, path, next } => {
            match collected.read_database(*source, path, *next, STEP) {
                Ok((now, whole)) => (*next, more) = (now, !whole),
                Err(e) => warn(e),
            }
            *source
        }
        Growing::File { source, path, file, at } => {
            let read = |file: &mut File, at: u64, collected: &mut super::collect::Collected| {
                file.seek(SeekFrom::Start(at))?;
                collected.take_all(*source, &mut BufReader::with_capacity(256 << 10, file.take(STEP)))
            };
            match read(file, *at, &mut collected) {
                Ok(taken) => {
                    *at += taken;
                    more = taken == STEP;
                }
                Err(e) => warn(format_args!("{}: it cannot be read on: {e}", path.display())),
            }
            let here = file.metadata().map(|here| (here.dev(), here.ino(), here.len()));
            let now = std::fs::metadata(&*path).map(|now| (now.dev(), now.ino()));
            if let (Ok((dev, ino, length)), Ok(now)) = (here, now) {
                if now != (dev, ino)
                    && !more
                    && let Ok(next) = open_plain(path)
                {
                    (*file, *at) = (next, 0);
                } else if length < *at {
                    *at = 0;
                }
            }
            *source
        }
    };
    collected.flush(source);
    let grew = collected.pieces.len() > before;
    drop(collected);
    if grew {
        shared.grew();
    }
    more
}
