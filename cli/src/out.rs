//! What the command prints: the one way to standard output and to standard error.
//!
//! Guarantees: a reader that went away (`| head -1`) ends the printing and is no failure; text that strangers wrote
//! cannot control a terminal ([`sinkwell::terminal`]); output for programs is exact to the byte, unless it goes to a
//! terminal.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Stdout, Write};

use sinkwell::terminal::{Safe, push_json, push_lines};
use sinkwell::{Error, Result};

/// Standard output.
pub(crate) struct Out<W: Write = Stdout> {
    to: BufWriter<W>,
    terminal: bool,
    gone: bool,
}

impl Out {
    pub(crate) fn new() -> Self {
        Self::onto(io::stdout(), io::stdout().is_terminal())
    }
}

impl<W: Write> Out<W> {
    fn onto(to: W, terminal: bool) -> Self {
        Self { to: BufWriter::new(to), terminal, gone: false }
    }

    /// One line for people; the text may hold anything.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<()> {
        self.put(format!("{}\n", Safe(&text.to_string())).as_bytes())
    }

    /// Lines for people; newlines in the text are kept.
    pub(crate) fn text(&mut self, text: &str) -> Result<()> {
        let mut safe = String::with_capacity(text.len());
        push_lines(&mut safe, text);
        self.put(safe.as_bytes())
    }

    /// Lines for programs: JSON, sealed lines, notes.
    pub(crate) fn data(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.terminal {
            return self.put(bytes);
        }
        let mut safe = String::with_capacity(bytes.len());
        push_json(&mut safe, &String::from_utf8_lossy(bytes));
        self.put(safe.as_bytes())
    }

    /// Whether the reader went away, so that a caller with much to print can stop.
    pub(crate) fn gone(&self) -> bool {
        self.gone
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        let done = if self.gone { Ok(()) } else { self.to.flush() };
        self.judge(done)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let done = if self.gone { Ok(()) } else { self.to.write_all(bytes) };
        self.judge(done)
    }

    fn judge(&mut self, done: io::Result<()>) -> Result<()> {
        match done {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => self.gone = true,
            Err(e) => {
                let text = format!("standard output cannot be written: {e}");
                return Err(Error::new(sinkwell::ErrorKind::Sink, text));
            }
            Ok(()) => {}
        }
        Ok(())
    }
}

/// For code that writes a whole file of data: it gets `BrokenPipe` when the reader went away.
impl<W: Write> Write for Out<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.data(bytes).map_err(|e| io::Error::other(e.to_string()))?;
        if self.gone { Err(ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Out::flush(self).map_err(|e| io::Error::other(e.to_string()))
    }
}

/// Prints a diagnostic, one line, to standard error; a failure to do so is ignored.
pub(crate) fn warn(text: impl Display) {
    let line = format!("sinkwell: {}\n", Safe(&text.to_string()));
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Prints lines about the command's arguments to standard error, as [`warn`].
pub(crate) fn refuse(text: &str) {
    let mut safe = String::with_capacity(text.len());
    push_lines(&mut safe, text);
    let _ = io::stderr().write_all(safe.as_bytes());
}

/// Prints a line of JSON for programs to standard error, as [`warn`].
pub(crate) fn warn_json(json: &str) {
    let mut safe = String::with_capacity(json.len() + 1);
    push_json(&mut safe, json);
    safe.push('\n');
    let _ = io::stderr().write_all(safe.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that has seen enough after so many bytes.
    struct Head<'a>(&'a mut Vec<u8>, usize);

    impl Write for Head<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.1.saturating_sub(self.0.len()).min(bytes.len());
            if room == 0 {
                return Err(ErrorKind::BrokenPipe.into());
            }
            self.0.extend_from_slice(&bytes[..room]);
            Ok(room)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let mut read = Vec::new();
        let mut out = Out::onto(Head(&mut read, 4), false);
        out.line("one").unwrap();
        out.flush().unwrap();
        assert!(!out.gone());
        out.line("two").unwrap();
        out.flush().unwrap();
        assert!(out.gone());
        out.data(&[b'x'; 1 << 16]).unwrap();
        assert!(Write::write(&mut out, b"x").is_err());
        drop(out);
        assert_eq!(read, b"one\n");
    }

    #[test]
    fn another_failure_is_one() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut out = Out::onto(Full, false);
        out.line("one").unwrap();
        assert!(out.flush().is_err());
    }

    #[test]
    fn data_is_exact_for_programs_and_harmless_on_a_terminal() {
        let line = "{\"s\":\"\u{9b}31m\u{202e}\"}\n";
        for (terminal, expected) in [(false, line), (true, "{\"s\":\"\\u009b31m\\u202e\"}\n")] {
            let mut read = Vec::new();
            let mut out = Out::onto(&mut read, terminal);
            out.data(line.as_bytes()).unwrap();
            out.line("a\nb\u{1b}").unwrap();
            out.text("a\nb\u{1b}\n").unwrap();
            out.flush().unwrap();
            drop(out);
            assert_eq!(
                String::from_utf8(read).unwrap(),
                format!("{expected}a\\u{{a}}b\\u{{1b}}\na\nb\\u{{1b}}\n")
            );
        }
    }
}
