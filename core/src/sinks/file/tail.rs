//! What a write that was cut off leaves at a file's end, where one signature covers a batch.
//!
//! Such a write ends with the signature that covers it. A process that dies within it leaves whole lines that nothing
//! will ever cover: they were never acknowledged, and a verifier would call them unsigned for ever. So they are set
//! aside when the file is opened next, as a torn line is.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use crate::envelope::line::{Line, Reader};
use crate::lines::read_exact;
use crate::seam::{Fs, Uuid};

/// How far back it is looked for: more than a batch holds.
const WINDOW: u64 = 4 << 20;

/// Where the lines begin, at the end of a file of so many bytes, that no signature covers and that are of streams which
/// are signed: those of streams that nobody signs are as they are to be.
pub(super) fn covered_len(fs: &dyn Fs, path: &Path, len: u64) -> io::Result<u64> {
    let mut size = len.min(64 << 10);
    loop {
        let start = len - size;
        let mut block = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        read_exact(&mut *fs.open_read(path)?, start, &mut block)?;
        if let Some(covered) = look(&block, start == 0) {
            return Ok(start + covered as u64);
        }
        if size == len.min(WINDOW) {
            return Ok(len);
        }
        size = len.min(WINDOW).min(size * 8);
    }
}

/// The same of the end of a file; `None`: that does not show it. `whole`: this is all of the file.
fn look(block: &[u8], whole: bool) -> Option<usize> {
    let mut reader = Reader::default();
    let mut end = block.len();
    // Unsigned lines at the end, from the last: where each begins, and whose it is.
    let mut unsigned: Vec<(usize, Uuid)> = Vec::new();
    let mut signed: HashSet<Uuid> = HashSet::new();
    let mut waits: HashSet<Uuid> = HashSet::new();
    while end > 0 {
        let start = memchr::memrchr(b'\n', &block[..end - 1]).map(|at| at + 1);
        let start = match start {
            Some(start) => start,
            // The first line of a part may begin before it.
            None if whole => 0,
            None => return None,
        };
        let Line::Envelope(envelope) = reader.read(block[start..end].trim_ascii_end()) else { break };
        if !envelope.seal.is_absent() {
            waits.remove(&envelope.streamid);
            signed.insert(envelope.streamid);
        } else if signed.is_empty() {
            waits.insert(envelope.streamid);
            unsigned.push((start, envelope.streamid));
        }
        if waits.is_empty() {
            break;
        }
        end = start;
    }
    let uncovered = unsigned.iter().take_while(|(_, stream)| signed.contains(stream));
    Some(uncovered.last().map_or(block.len(), |&(start, _)| start))
}
