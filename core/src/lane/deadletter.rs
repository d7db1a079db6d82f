//! Envelopes that a receiver refused for good, kept for a person to look at (docs/spec/events.md, "Dead letters").
//!
//! Guarantees: an envelope and its reason are both there, whole and synced, or neither is; several processes may
//! write to one pair of files.

#[cfg(test)]
mod tests;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::envelope::push_sequence;
use crate::lane::Reason;
use crate::lines::{LineFile, Trouble};
use crate::seam::{Fs, SharedFs, UnixNanos, format_time};
use crate::settings::OwnPath;
use crate::sink::Envelope;

/// How long another process may write to the files before that is a failure.
const LOCK: Duration = Duration::from_secs(1);

/// `DIR/LANE.dead.ndjson` and `DIR/LANE.reasons.ndjson`, 0600, made when first needed.
pub(crate) struct DeadLetters {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    dead: PathBuf,
    reasons: PathBuf,
}

impl DeadLetters {
    pub(crate) fn open(dir: OwnPath, lane: &str) -> Self {
        Self::open_in(Arc::new(SharedFs(dir.access)), dir.path, lane)
    }

    fn open_in(fs: Arc<dyn Fs>, dir: PathBuf, lane: &str) -> Self {
        // A lane's id may hold characters that a file name may not.
        let safe: String = lane
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' })
            .collect();
        Self {
            fs,
            dead: dir.join(format!("{safe}.dead.ndjson")),
            reasons: dir.join(format!("{safe}.reasons.ndjson")),
            dir,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dead
    }

    /// Appends the sealed envelope without its disclosures, and the reason for its refusal.
    ///
    /// # Errors
    /// As the operating system says. Nothing is written then; the loss is declared all the same.
    pub(crate) fn append(&mut self, envelope: &Envelope, reason: Reason, at: UnixNanos) -> io::Result<()> {
        // An envelope from which the disclosures can't be removed is not written.
        let mut line = crate::content::strip(&envelope.bytes).map_err(io::Error::other)?;
        line.push(b'\n');
        let mut why = b"{\"at\":\"".to_vec();
        format_time(&mut why, at);
        write!(why, "\",\"reason\":\"{}\",\"sequence\":\"", reason.name())?;
        push_sequence(&mut why, envelope.sequence);
        writeln!(why, "\",\"streamid\":\"{}\"}}", envelope.streamid)?;
        let fs = &*self.fs;
        match fs.check_dir(&self.dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        // All processes lock the files in this order, so that no two wait for each other.
        let mut dead = LineFile::open_in_turn(fs, &self.dead, LOCK)?;
        let mut reasons = LineFile::open_in_turn(fs, &self.reasons, LOCK)?;
        let before = dead.len();
        dead.append(fs, &line, true).map_err(failed)?;
        reasons.append(fs, &why, true).map_err(|trouble| {
            dead.cut_to(before);
            failed(trouble)
        })
    }
}

fn failed(trouble: Trouble) -> io::Error {
    match trouble {
        Trouble::Io(e) => e,
        Trouble::Taken(taken) => io::Error::other(taken.to_string()),
    }
}
