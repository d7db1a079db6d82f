//! What the vacuum reads: files, standard input, a file that grows.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sinkwell::sqlite::open_plain;
use sinkwell::{Error, Result};

use super::{Command, Draw};
use crate::out::warn;
use crate::tail::{POLL, beside, same};

/// What is read at once.
const READ: usize = 256 << 10;
/// How much of a followed file's beginning, and of what was read last, is compared with what is there now.
const KNOWN: usize = 1 << 10;

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

/// A file that is followed, and what is known of what was read of it: by that a file that has grown is told from one that was
/// cut and has grown again since somebody looked.
struct Followed {
    file: File,
    read: u64,
    /// The file's beginning, as it was read.
    head: Vec<u8>,
    /// What was read last.
    tail: Vec<u8>,
    /// Something else is there now.
    gone: bool,
    /// When it was written to last, where all of that has been read.
    settled: Option<SystemTime>,
    /// A later time at which it was written to, as it seems, without growing.
    suspected: Option<SystemTime>,
}

/// What became of what was read of a file.
enum Became {
    /// It is there.
    Same,
    /// It was cut, and its writer goes on where it was: before that is a hole.
    Hole,
    /// Something else is there.
    Other,
    /// It is there, but it was written to.
    Touched,
}

impl Followed {
    fn new(file: File) -> Self {
        Self {
            file,
            read: 0,
            head: Vec::new(),
            tail: Vec::new(),
            gone: false,
            settled: None,
            suspected: None,
        }
    }

    /// Reads to the end that there is now.
    fn drain(&mut self, place: &str, to: &mut dyn Draw) -> Result<()> {
        if drain(self, place, to)? > 0 {
            let now = self.file.metadata().ok().filter(|now| now.len() == self.read);
            self.settled = now.and_then(|now| now.modified().ok());
        }
        Ok(())
    }

    fn became(&mut self, now: &Metadata) -> Became {
        if now.len() < self.read || self.gone {
            return Became::Other;
        }
        if let Some(became) = self.compared() {
            return became;
        }
        // A file's time may be that of a write whose bytes are not there yet; after another look they are.
        let (before, later) = (self.suspected.take(), now.modified().ok());
        if now.len() > self.read || self.settled.is_none() || later == self.settled {
            return Became::Same;
        }
        if before != later {
            self.suspected = later;
            return Became::Same;
        }
        self.settled = later;
        Became::Touched
    }

    /// What is there now instead of what was read; none: nothing else.
    fn compared(&self) -> Option<Became> {
        let places = [(0, &self.head), (self.read - self.tail.len() as u64, &self.tail)];
        places.into_iter().find_map(|(at, known)| {
            let mut there = vec![0; known.len()];
            // What cannot be read is seen to when it is read on.
            let differs = self.file.read_exact_at(&mut there, at).is_ok() && there != *known;
            let hole = there.iter().all(|b| *b == 0);
            differs.then_some(if hole { Became::Hole } else { Became::Other })
        })
    }

    /// A hole is all that is known of what was read.
    fn forget(&mut self) {
        self.head.fill(0);
        self.tail.fill(0);
    }
}

impl Read for Followed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        // It may have been cut just now: then these bytes are read again, in their order.
        self.gone |= n > 0 && matches!(self.compared(), Some(Became::Other));
        if self.gone {
            return Ok(0);
        }
        let new = &buffer[..n];
        self.read += n as u64;
        let room = KNOWN - self.head.len();
        self.head.extend_from_slice(&new[..n.min(room)]);
        self.tail.extend_from_slice(&new[n.saturating_sub(KNOWN)..]);
        self.tail.drain(..self.tail.len().saturating_sub(KNOWN));
        Ok(n)
    }
}

/// Follows a file for ever: renamed away, the old one is read to its end before the new one, and whatever was renamed away
/// between the two; cut, it is read from its beginning.
fn follow(path: &Path, to: &mut dyn Draw) -> Result<()> {
    let place = path.display().to_string();
    let mut file = Followed::new(open(path)?);
    let all = || rotated(path).map(|(_, file)| file).collect::<Vec<_>>();
    let mut known = all();
    let missing = |what: &str| warn(format_args!("{place}: the file was {what}; lines may be missing here"));
    loop {
        file.drain(&place, to)?;
        std::thread::sleep(POLL);
        // Between a rename and the new file there is none, and until its writer has opened the new one, the old one may
        // still grow.
        let (there, Ok(here)) = (std::fs::metadata(path), file.file.metadata()) else { continue };
        match file.became(&here) {
            Became::Same => {}
            Became::Touched => missing("written to while it was followed, and has not grown"),
            Became::Hole => {
                missing("cut while it was followed");
                file.forget();
            }
            Became::Other => {
                missing("cut while it was followed");
                to.end_part()?;
                let mut again = file.file;
                if again.rewind().is_err() {
                    again = open(path)?;
                }
                file = Followed::new(again);
                continue;
            }
        }
        let Ok(there) = there else { continue };
        if same(&there, &here) || there.len() == 0 {
            continue;
        }
        let Ok(next) = open_plain(path) else { continue };
        let Ok(now) = next.metadata() else { continue };
        file.drain(&place, to)?;
        if file.gone {
            continue;
        }
        to.end_part()?;
        for mut between in between(path, &known, &here, &now) {
            drain(&mut between, &place, to)?;
            to.end_part()?;
        }
        (file, known) = (Followed::new(next), all());
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
