//! What a page shows: the bytes of files and audit databases, read once, compressed in pieces that end with a line.
//!
//! Guarantees: memory is bounded by what the input compresses to, and its longest line; a line longer than the verifier
//! reads is noted, not kept. The core judges the very bytes that the page gets.

use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sinkwell::audit::AuditDb;
use sinkwell::verify::{Graph, GraphFilter, Options, Report, Verifier, inputs};
use sinkwell::{Error, Result};

/// How many bytes of lines a piece has, unless one line is longer.
const PIECE: usize = 512 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Input,
    Checkpoint,
}

/// Lines of one source that follow each other.
pub(super) struct Piece {
    pub(super) source: usize,
    /// The number of its first line, from 1.
    pub(super) line: u64,
    /// The lines, compressed; of a line that is too long nothing but its length.
    pub(super) lines: std::result::Result<Vec<u8>, u64>,
}

pub(super) struct Source {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// An audit database: its lines are the leaves of a tree, in order.
    pub(super) audit: bool,
    path: Option<PathBuf>,
    pub(super) bytes: u64,
    /// The line that comes next, and how far it has been read.
    next: u64,
    open: Vec<u8>,
    /// The length of the open line, once it is too long.
    long: Option<u64>,
}

impl Source {
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// How many lines of it were read.
    pub(super) fn lines(&self) -> u64 {
        self.next - 1
    }
}

/// Everything that was read.
pub(super) struct Collected {
    pub(super) sources: Vec<Source>,
    pub(super) pieces: Vec<Arc<Piece>>,
    /// Whether lines without their end wait for it.
    live: bool,
}

impl Collected {
    pub(super) fn new(live: bool) -> Self {
        Self { sources: Vec::new(), pieces: Vec::new(), live }
    }

    /// The same as it stands now, or stood when there were so many pieces, to be judged or written while more is read:
    /// pieces are shared.
    pub(super) fn snapshot(&self, of: usize) -> Self {
        let of_source = |source: &Source| Source {
            name: source.name.clone(),
            path: source.path.clone(),
            open: Vec::new(),
            long: None,
            ..*source
        };
        let pieces = self.pieces[..of.min(self.pieces.len())].to_vec();
        Self { sources: self.sources.iter().map(of_source).collect(), pieces, live: self.live }
    }

    /// The files that were read.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().filter_map(|source| source.path.as_deref())
    }

    /// Reads a path as `verify` does.
    pub(super) fn read(&mut self, path: &Path, kind: Kind) -> Result<()> {
        if path == Path::new("-") {
            let source = self.source("stdin".to_owned(), kind, None);
            self.take_all(source, &mut BufReader::with_capacity(PIECE, io::stdin()))
                .map_err(|e| unreadable("stdin", &e))?;
            return self.end(source);
        }
        for file in inputs(path)? {
            let name = file.display().to_string();
            let source = self.source(name.clone(), kind, Some(file.clone()));
            if AuditDb::is_one(&file) {
                self.read_database(source, &file, 0, u64::MAX)?;
                self.flush(source);
            } else {
                let opened = sinkwell::sqlite::open_plain(&file).map_err(|e| unreadable(&name, &e))?;
                self.take_all(source, &mut BufReader::with_capacity(PIECE, opened))
                    .map_err(|e| unreadable(&name, &e))?;
            }
            self.end(source)?;
        }
        Ok(())
    }

    /// Reads an audit database from a leaf on, up to about so many bytes; answers the leaf that comes next, and whether
    /// that was all.
    pub(super) fn read_database(
        &mut self,
        source: usize,
        path: &Path,
        from: u64,
        most: u64,
    ) -> Result<(u64, bool)> {
        let (mut next, mut left, mut whole) = (from, most, true);
        AuditDb::open_read(path)?.for_each_line(from, |leaf, line| {
            if left == 0 {
                whole = false;
                return Ok(ControlFlow::Break(()));
            }
            left = left.saturating_sub(line.len() as u64 + 1);
            self.take(source, line);
            self.take(source, b"\n");
            next = leaf + 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((next, whole))
    }

    fn source(&mut self, name: String, kind: Kind, path: Option<PathBuf>) -> usize {
        let audit = path.as_deref().is_some_and(AuditDb::is_one);
        let source = Source { name, kind, audit, path, bytes: 0, next: 1, open: Vec::new(), long: None };
        self.sources.push(source);
        self.sources.len() - 1
    }

    pub(super) fn take_all(&mut self, source: usize, reader: &mut dyn BufRead) -> io::Result<u64> {
        let mut taken = 0;
        loop {
            let buffer = match reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if buffer.is_empty() {
                return Ok(taken);
            }
            let used = buffer.len();
            self.take(source, buffer);
            reader.consume(used);
            taken += used as u64;
        }
    }

    /// Takes bytes of a source as they come.
    fn take(&mut self, source: usize, mut bytes: &[u8]) {
        let longest = Options::default().max_line;
        self.sources[source].bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let of = &mut self.sources[source];
            let end = bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            bytes = rest;
            let begun = of.open.iter().rev().take_while(|byte| **byte != b'\n').count();
            let length = (begun + part.len() - usize::from(end.is_some())) as u64;
            if let Some(long) = &mut of.long {
                *long += part.len() as u64;
            } else if length > longest as u64 {
                let whole = of.open.len() - begun;
                of.open.truncate(whole);
                self.flush(source);
                self.sources[source].long = Some(length);
            } else {
                of.open.extend_from_slice(part);
            }
            if end.is_none() {
                continue;
            }
            let of = &mut self.sources[source];
            if let Some(length) = of.long.take() {
                self.pieces.push(Arc::new(Piece { source, line: of.next, lines: Err(length) }));
                of.next += 1;
            } else if of.open.len() >= PIECE {
                self.flush(source);
            }
        }
    }

    /// Makes a piece of the whole lines that wait.
    pub(super) fn flush(&mut self, source: usize) {
        let of = &mut self.sources[source];
        let whole = of.open.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.cut(source, whole);
    }

    fn cut(&mut self, source: usize, length: usize) {
        if length == 0 {
            return;
        }
        let of = &mut self.sources[source];
        let rest = of.open.split_off(length);
        let lines = std::mem::replace(&mut of.open, rest);
        let line = of.next;
        of.next += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.pieces.push(Arc::new(Piece { source, line, lines: Ok(compress(&lines)) }));
    }

    /// What is left of a source that ends here: a line without its end, too, unless more of it may come.
    fn end(&mut self, source: usize) -> Result<()> {
        self.flush(source);
        if !self.live {
            if let Some(length) = self.sources[source].long.take() {
                let line = self.sources[source].next;
                self.pieces.push(Arc::new(Piece { source, line, lines: Err(length) }));
            }
            let rest = self.sources[source].open.len();
            self.cut(source, rest);
        }
        Ok(())
    }

    /// What the core says of it.
    pub(super) fn judge(&self, options: Options) -> Result<(Report, Graph)> {
        let mut verifier = Verifier::new(options);
        for (index, source) in self.sources.iter().enumerate() {
            let pieces = self.pieces.iter().map(AsRef::as_ref).filter(move |piece| piece.source == index);
            let mut reader = BufReader::with_capacity(PIECE, Lines::new(pieces));
            match source.kind {
                Kind::Input => verifier.read(&mut reader, &source.name)?,
                Kind::Checkpoint => verifier.read_checkpoints_from(&mut reader, &source.name)?,
            }
            if let Some(path) = &source.path {
                verifier.look_beside(path);
            }
        }
        verifier.graph(&GraphFilter::default())
    }
}

fn unreadable(name: &str, e: &io::Error) -> Error {
    Error::verification(format!("it cannot be read: {e}")).at(name)
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// The bytes of pieces, one after the other.
struct Lines<'a, I: Iterator<Item = &'a Piece>> {
    pieces: I,
    current: Option<Box<dyn Read + 'a>>,
}

impl<'a, I: Iterator<Item = &'a Piece>> Lines<'a, I> {
    fn new(pieces: I) -> Self {
        Self { pieces, current: None }
    }
}

impl<'a, I: Iterator<Item = &'a Piece>> Read for Lines<'a, I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(current) = &mut self.current {
                let read = current.read(buffer)?;
                if read > 0 {
                    return Ok(read);
                }
            }
            let Some(piece) = self.pieces.next() else { return Ok(0) };
            self.current = Some(match &piece.lines {
                Ok(lines) => Box::new(GzDecoder::new(&lines[..])),
                // As long as the line was, or as long as it must be to be too long.
                Err(length) => Box::new(io::repeat(b'?').take(*length).chain(&b"\n"[..])),
            });
        }
    }
}
