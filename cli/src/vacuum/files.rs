//! What the vacuum reads: files, standard input, a file that grows.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sinkwell::sqlite::open_plain;
use sinkwell::{Error, Result};

use super::{Command, Draw};
use crate::out::warn;
use crate::tail::{POLL, beside, same};

/// What is read at once.
const READ: usize = 256 << 10;

/// Reads all that the command names.
pub(super) fn suck(command: &Command, to: &mut dyn Draw) -> Result<()> {
    let done = draw(command, to);
    // What was read waits for nothing any more, however reading ended.
    let last = to.finish(done.is_ok());
    done.and(last)
}

fn draw(command: &Command, to: &mut dyn Draw) -> Result<()> {
    if command.follow {
        return follow(&command.paths[0], to);
    }
    for (i, path) in command.paths.iter().enumerate() {
        if i > 0 {
            to.end_part()?;
        }
        if path == Path::new("-") {
            drain(&mut io::stdin().lock(), "stdin", to)?;
        } else {
            drain(&mut open(path)?, &path.display().to_string(), to)?;
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<File> {
    open_plain(path).map_err(|e| {
        Error::invalid_argument(format!("it cannot be read: {e}")).at(path.display().to_string())
    })
}

/// Reads to the end that there is now; answers how much.
fn drain(reader: &mut dyn Read, place: &str, to: &mut dyn Draw) -> Result<u64> {
    let mut buffer = vec![0; READ];
    let mut all = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(all),
            Ok(n) => {
                all += n as u64;
                to.push(&buffer[..n])?;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::invalid_argument(format!("it cannot be read: {e}")).at(place)),
        }
    }
}

/// Follows a file for ever: renamed away, the old one is read to its end before the new one, and whatever was renamed away
/// between the two; cut, it is read from its beginning.
fn follow(path: &Path, to: &mut dyn Draw) -> Result<()> {
    let place = path.display().to_string();
    let mut file = open(path)?;
    let all = || rotated(path).map(|(_, file)| file).collect::<Vec<_>>();
    let (mut known, mut read) = (all(), 0);
    loop {
        read += drain(&mut file, &place, to)?;
        std::thread::sleep(POLL);
        // Between a rename and the new file there is none, and until its writer has opened the new one, the old one may
        // still grow.
        let (Ok(there), Ok(here)) = (std::fs::metadata(path), file.metadata()) else { continue };
        if !same(&there, &here) {
            if there.len() == 0 {
                continue;
            }
            let Ok(next) = open_plain(path) else { continue };
            let Ok(now) = next.metadata() else { continue };
            drain(&mut file, &place, to)?;
            to.end_part()?;
            for mut between in between(path, &known, &here, &now) {
                drain(&mut between, &place, to)?;
                to.end_part()?;
            }
            (file, read, known) = (next, 0, all());
        } else if there.len() < read {
            warn(format_args!("{place}: the file was cut while it was followed; lines may be missing here"));
            to.end_part()?;
            (file, read) = (open(path)?, 0);
        }
    }
}

/// Files that were rotated away from that name: what stands beside it under the name and a number or a date. `app.log.err`
/// may be another log.
fn rotated(path: &Path) -> impl Iterator<Item = (PathBuf, Metadata)> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let of_rotation = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'T' | b'Z');
    let all = beside(path).filter(move |entry| {
        let entry = entry.file_name().unwrap_or_default().as_encoded_bytes();
        let end = entry.strip_prefix(name).unwrap_or_default();
        end.iter().any(u8::is_ascii_digit) && end.iter().all(of_rotation)
    });
    let all = all.filter_map(|entry| std::fs::metadata(&entry).ok().map(|metadata| (entry, metadata)));
    all.filter(|(_, metadata)| metadata.is_file())
}

/// The files that had the name between the file `before` and `next`, oldest first: those of which `known` did not know, or
/// that were written to after `before` was. Says so where `before` itself is no longer there, as others may be gone as well.
fn between(path: &Path, known: &[Metadata], before: &Metadata, next: &Metadata) -> Vec<File> {
    let all: Vec<_> = rotated(path).collect();
    if !all.iter().any(|(_, file)| same(file, before)) {
        warn(format_args!(
            "{}: the file was removed, or rotated more than once, before it was read; lines may be missing here",
            path.display()
        ));
    }
    let written = |file: &Metadata| file.modified().ok();
    let unread = |file: &Metadata| {
        let is_new = !known.iter().any(|known| same(known, file)) || written(file) > written(before);
        is_new && !same(file, before) && !same(file, next)
    };
    let mut found: Vec<_> = all.into_iter().filter(|(_, file)| unread(file)).collect();
    found.sort_by_key(|(_, file)| written(file));
    found.into_iter().filter_map(|(path, _)| open_plain(&path).ok()).collect()
}
