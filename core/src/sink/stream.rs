//! `stdout` and `stderr`: one canonical line per envelope.

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use super::{Answer, Answers, Envelope, Failure, FailureKind, Sink};

/// Writes lines to one of the process's streams, whole batches at a time. A closed pipe is a failure like
/// any other: tried again, announced, never a crash.
pub(crate) struct Lines {
    kind: &'static str,
    write: fn(&[u8]) -> io::Result<()>,
    buf: Vec<u8>,
}

impl Lines {
    pub(crate) fn stdout() -> Self {
        let write = |bytes: &[u8]| {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()
        };
        Self { kind: "stdout", write, buf: Vec::new() }
    }

    pub(crate) fn stderr() -> Self {
        Self { kind: "stderr", write: |bytes| io::stderr().lock().write_all(bytes), buf: Vec::new() }
    }
}

impl Sink for Lines {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        self.buf.clear();
        for envelope in batch {
            self.buf.extend_from_slice(&envelope.bytes);
            self.buf.push(b'\n');
        }
        match (self.write)(&self.buf) {
            Ok(()) => Answers::Acknowledged,
            Err(e) => Answers::Retry(io_failure(&e), None),
        }
    }
}

/// An error of the operating system, as a failure: of whoever reads a pipe, or of what holds the file.
pub(crate) fn io_failure(e: &io::Error) -> Failure {
    let kind = match e.kind() {
        io::ErrorKind::BrokenPipe => FailureKind::Network,
        _ => FailureKind::Storage,
    };
    Failure::new(kind, format!("cannot write: {}", e.kind())).detail(e.to_string())
}

/// Answers for a batch of which the first `done` arrived.
pub(crate) fn first_arrived(done: usize, of: usize, failure: &Failure) -> Answers {
    if done == 0 {
        return Answers::Retry(failure.clone(), None);
    }
    let answer = |i| if i < done { Answer::Acknowledged } else { Answer::Retry(failure.clone(), None) };
    Answers::Each((0..of).map(answer).collect())
}
