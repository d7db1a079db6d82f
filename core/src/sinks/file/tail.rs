//! Finds the end of a write that was cut off, where one signature covers a batch.
//!
//! The last line of such a write has the signature that covers all of it. If the process dies during the write, whole
//! lines are left that no signature will ever cover. They were never acknowledged, and a verifier would report them as
//! unsigned for ever. So they are set aside when the file is opened next, as a torn line is.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use crate::envelope::line::{Line, Reader};
use crate::lines::read_exact;
use crate::seam::{Fs, Uuid};

/// How far back from the end of the file the search goes: farther than a batch reaches.
const WINDOW: u64 = 4 << 20;

/// The length of the file without the lines at its end that no signature covers. Only lines of streams that have a
/// signed line before them count, as other streams may be unsigned on purpose. `len` is the file's length.
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

/// The same within `block`, the last bytes of a file; `None` if the block is too short to tell. `whole`: it is the
/// whole file.
fn look(block: &[u8], whole: bool) -> Option<usize> {
    let mut reader = Reader::default();
    let mut end = block.len();
    // The unsigned lines at the end, from the last one on: where each begins, and its stream.
    let mut unsigned: Vec<(usize, Uuid)> = Vec::new();
    let mut signed: HashSet<Uuid> = HashSet::new();
    let mut waits: HashSet<Uuid> = HashSet::new();
    while end > 0 {
        let start = memchr::memrchr(b'\n', &block[..end - 1]).map(|at| at + 1);
        let start = match start {
            Some(start) => start,
            // The first line in the block may begin before the block.
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
