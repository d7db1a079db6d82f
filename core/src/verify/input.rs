//! Lines out of files, pipes and directories.
//!
//! Guarantees: one pass at a time; memory is bounded by the longest line that is allowed, even when a line is longer.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::sinks::audit_chain::AuditDb;

/// A line of the input.
pub(super) enum Text<'a> {
    /// A line that a newline ended.
    Whole(&'a [u8]),
    /// The bytes behind the last newline, which no newline ends.
    Rest(&'a [u8]),
    /// A line over the limit; only its length is known.
    TooLong(u64),
}

/// What [`walk`] hands to its callback.
pub(super) enum Step<'a> {
    /// A file or database of this name; its lines follow.
    Source(&'a str),
    /// A line and its number; of a database a leaf, counted from 1.
    Line(u64, Text<'a>),
}

/// Reads a file, an audit database, or those files of a directory that [`files_of`] selects.
///
/// # Errors
/// Kind `verification`: it cannot be read.
pub(super) fn walk(path: &Path, max: usize, take: &mut dyn FnMut(Step<'_>)) -> Result<()> {
    if crate::seam::metadata(path).is_ok_and(|found| found.is_dir()) {
        return inputs(path)?.iter().try_for_each(|file| walk(file, max, take));
    }
    let name = path.display().to_string();
    if AuditDb::is_one(path) {
        take(Step::Source(&name));
        AuditDb::open_read(path)?.for_each_line(0, |leaf, line| {
            let text = if line.len() > max { Text::TooLong(line.len() as u64) } else { Text::Whole(line) };
            take(Step::Line(leaf + 1, text));
            Ok(ControlFlow::Continue(()))
        })?;
        return Ok(());
    }
    let file = crate::seam::sqlite::open_plain(path).map_err(|e| unreadable(path, &e))?;
    take(Step::Source(&name));
    lines(&mut file_reader(file), max, |line, text| take(Step::Line(line, text)))
        .map_err(|e| Error::verification(format!("reading failed: {e}")).at(name))
}

pub(super) fn unreadable(path: &Path, e: &io::Error) -> Error {
    Error::verification(format!("it cannot be read: {e}")).at(path.display().to_string())
}

pub(super) fn file_reader(file: impl Read) -> BufReader<impl Read> {
    BufReader::with_capacity(256 << 10, file)
}

/// Reads all lines of `reader`; `take` gets each with its number, from 1.
pub(super) fn lines(
    reader: &mut dyn BufRead,
    max: usize,
    mut take: impl FnMut(u64, Text<'_>),
) -> io::Result<()> {
    let mut carry: Vec<u8> = Vec::new();
    // The length of the current line, once it is over the limit.
    let mut too_long: Option<u64> = None;
    let mut number = 1;
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        if buffer.is_empty() {
            break;
        }
        let end = memchr::memchr(b'\n', buffer);
        let part = &buffer[..end.unwrap_or(buffer.len())];
        let used = part.len() + usize::from(end.is_some());
        if let Some(length) = &mut too_long {
            *length += part.len() as u64;
        } else if carry.len() + part.len() > max {
            too_long = Some((carry.len() + part.len()) as u64);
            carry = Vec::new();
        } else if end.is_none() || !carry.is_empty() {
            carry.extend_from_slice(part);
        }
        if end.is_some() {
            match too_long.take() {
                Some(length) => take(number, Text::TooLong(length)),
                None if carry.is_empty() => take(number, Text::Whole(part)),
                None => take(number, Text::Whole(&carry)),
            }
            carry.clear();
            number += 1;
        }
        reader.consume(used);
    }
    match too_long {
        Some(length) => take(number, Text::TooLong(length)),
        None if carry.is_empty() => {}
        None => take(number, Text::Rest(&carry)),
    }
    Ok(())
}

/// The files that [`Verifier::read_path`](super::Verifier::read_path) reads for `path`: the path itself, or, of a
/// directory, the files of envelopes in it, sorted by name.
///
/// # Errors
/// Kind `verification`: it cannot be read, or is a directory without such a file.
pub fn inputs(path: &Path) -> Result<Vec<PathBuf>> {
    if !crate::seam::metadata(path).is_ok_and(|found| found.is_dir()) {
        return Ok(vec![path.to_owned()]);
    }
    let files = files_of(path).map_err(|e| unreadable(path, &e))?;
    if files.is_empty() {
        let what = "the directory holds no file of envelopes (*.ndjson, *.jsonl, *.log); name the file";
        return Err(Error::verification(what).at(path.display().to_string()));
    }
    Ok(files)
}

/// The files to read in a directory, sorted by name: those whose names say that they hold envelopes.
fn files_of(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in crate::seam::entries(directory)? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let envelopes = [".ndjson", ".jsonl", ".log"].iter().any(|part| name.contains(part));
        // Left out: torn ends that a `file` sink set aside, as they were never acknowledged; the reasons of dead
        // letters, which are no envelopes; and the files that SQLite keeps beside a database, which are read with it.
        let apart =
            [".torn", ".reasons.ndjson", "-wal", "-shm", "-journal"].iter().any(|end| name.ends_with(end));
        let file = || crate::seam::metadata(&path).is_ok_and(|found| found.is_file());
        if envelopes && !name.starts_with('.') && !apart && file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
