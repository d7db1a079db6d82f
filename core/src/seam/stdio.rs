//! The process's own output.
//!
//! Guarantees: descriptors 1 and 2 are written without the standard library's lock, which a thread that hangs in a
//! write may hold, and a forked child then for ever. Into a pipe no write is larger than the kernel keeps whole, so
//! that lines of several processes on one pipe (workers of a server) do not mingle, unless a line alone is larger.
//! A line that was cut by a failure is ended before the next one begins.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, fstat};
use rustix::stdio;

use crate::seam::fork::PerProcess;

/// What a pipe takes whole or not at all, on Linux and more than POSIX asks for elsewhere.
const PIPE_BUF: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// One of the process's streams.
pub(crate) struct Output {
    /// One write; how much of it was taken.
    write: fn(&[u8]) -> io::Result<usize>,
    is_pipe: fn() -> bool,
    /// Batches of one process take turns.
    turn: &'static PerProcess<Mutex<()>>,
    /// The last line that was written is not whole.
    torn: bool,
}

/// What was not written: how many bytes were, and why no more.
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
    /// What came of it, where not all was written.
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

/// How many bytes of `lines` are whole lines of at most `most` bytes together; the first line, where it alone is
/// longer.
fn whole_lines(lines: &[u8], most: usize) -> usize {
    if lines.len() <= most {
        return lines.len();
    }
    let first = || memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1);
    memchr::memrchr(b'\n', &lines[..most]).map_or_else(first, |end| end + 1)
}

/// One write; waits where the descriptor, which others may have made so, does not.
fn write(to: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match rustix::io::write(to, bytes) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                // What it says of the descriptor, the next write says as well.
                let _ = poll(&mut [PollFd::new(&to, PollFlags::OUT)], None);
            }
            done => return Ok(done?),
        }
    }
}

fn is_pipe(of: BorrowedFd<'_>) -> bool {
    fstat(of).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
}
