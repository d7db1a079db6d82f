//! The process's own output.
//!
//! Guarantees: descriptors 1 and 2 are written without the standard library's lock, which a thread that hangs in a
//! write may hold, and then for ever in a forked child. No write into a pipe is larger than what the kernel keeps
//! whole, so that lines of several processes on one pipe (workers of a server) do not mingle, unless a single line is
//! larger. If a failure cut a line, the line is ended before the next one begins.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, fstat};
use rustix::stdio;

use crate::seam::fork::PerProcess;

/// How much a pipe takes whole or not at all: Linux's value, and elsewhere what POSIX demands at least.
const PIPE_BUF: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// One of the process's streams.
pub(crate) struct Output {
    /// Makes one write; answers how many bytes were taken.
    write: fn(&[u8]) -> io::Result<usize>,
    is_pipe: fn() -> bool,
    /// Held while a batch is written, so that batches of this process don't mingle.
    turn: &'static PerProcess<Mutex<()>>,
    /// Whether the last line was written only in part.
    torn: bool,
}

/// A write that failed: how many bytes were written before, and why it stopped.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) done: usize,
    pub(crate) error: io::Error,
}

static STDOUT: PerProcess<Mutex<()>> = PerProcess::new();
static STDERR: PerProcess<Mutex<()>> = PerProcess::new();

impl Output {
    pub(crate) fn stdout() -> Self {
        Self {
            write: |bytes| write(stdio::stdout(), bytes),
            is_pipe: || is_pipe(stdio::stdout()),
            turn: &STDOUT,
            torn: false,
        }
    }

    pub(crate) fn stderr() -> Self {
        Self {
            write: |bytes| write(stdio::stderr(), bytes),
            is_pipe: || is_pipe(stdio::stderr()),
            turn: &STDERR,
            torn: false,
        }
    }

    /// Writes lines, each with its end.
    ///
    /// # Errors
    /// As much as was written, and the error.
    pub(crate) fn lines(&mut self, lines: &[u8]) -> Result<(), Cut> {
        let turn = self.turn.get();
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.torn {
            self.all(b"\n").map_err(|error| Cut { done: 0, error })?;
            self.torn = false;
        }
        let pipe = (self.is_pipe)();
        let mut done = 0;
        while done < lines.len() {
            let end = if pipe { done + whole_lines(&lines[done..], PIPE_BUF) } else { lines.len() };
            while done < end {
                match (self.write)(&lines[done..end]) {
                    Ok(0) => return Err(self.cut(lines, done, io::ErrorKind::WriteZero.into())),
                    Ok(n) => done += n,
                    Err(e) => return Err(self.cut(lines, done, e)),
                }
            }
        }
        Ok(())
    }

    fn all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            bytes = &bytes[(self.write)(bytes)?..];
        }
        Ok(())
    }

    fn cut(&mut self, lines: &[u8], done: usize, error: io::Error) -> Cut {
        self.torn = done > 0 && lines[done - 1] != b'\n';
        Cut { done, error }
    }
}

/// Writes one line, with its end, to standard error.
///
/// # Errors
/// As the operating system says.
pub(crate) fn to_stderr(line: &str) -> io::Result<()> {
    Output::stderr().lines(line.as_bytes()).map_err(|cut| cut.error)
}

/// How many bytes at the start of `lines` are whole lines of together at most `most` bytes. If the first line alone is
/// longer, its length.
fn whole_lines(lines: &[u8], most: usize) -> usize {
    if lines.len() <= most {
        return lines.len();
    }
    let first = || memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1);
    memchr::memrchr(b'\n', &lines[..most]).map_or_else(first, |end| end + 1)
}

/// Makes one write; if the descriptor is non-blocking, as another process may have set it, waits until it can be
/// written.
fn write(to: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match rustix::io::write(to, bytes) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                // Whatever `poll` reports, the next write reports, too.
                let _ = poll(&mut [PollFd::new(&to, PollFlags::OUT)], None);
            }
            done => return Ok(done?),
        }
    }
}

fn is_pipe(of: BorrowedFd<'_>) -> bool {
    fstat(of).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
}
