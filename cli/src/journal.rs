//! `sinkwell journal ls|show|replay|rm-acked`

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use sinkwell::journal::{self, Position, Removed, SubJournal};
use sinkwell::seam::{Fs, RealFs, format_time};
use sinkwell::{Error, Result};

use crate::Outcome;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// One line per journal: whose it is, whether it is in use, what waits. Exit 1 if one is damaged.
    Ls {
        /// The directory, as in journal.dir.
        dir: PathBuf,
    },
    /// One line per envelope, never its content; then streams and damage. Exit 1 if something is damaged.
    Show {
        /// The directory, as in journal.dir.
        dir: PathBuf,
    },
    /// Write the envelopes that are not acknowledged to stdout, one a line, oldest first; content that
    /// they disclose included. Nothing is marked as delivered.
    Replay {
        /// The directory, as in journal.dir.
        dir: PathBuf,
    },
    /// Delete what is acknowledged from journals of dead processes. A later start then no longer names
    /// the streams of those that go as a whole.
    RmAcked {
        /// The directory, as in journal.dir.
        dir: PathBuf,
    },
}

pub(crate) fn run(command: Command) -> Result<Outcome> {
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    let mut out = BufWriter::new(io::stdout().lock());
    let outcome = match command {
        Command::Ls { dir } => list(&fs, &dir, &mut out),
        Command::Show { dir } => show(&fs, &dir, &mut out),
        Command::Replay { dir } => replay(&fs, &dir, &mut out),
        Command::RmAcked { dir } => remove(&fs, &dir, &mut out),
    };
    match outcome.and_then(|outcome| Ok(out.flush().map(|()| outcome)?)) {
        Ok(outcome) => Ok(outcome),
        Err(Failure::Ours(e)) => Err(e),
        // The reader has seen enough: `| head`.
        Err(Failure::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(Outcome::Good),
        Err(Failure::Output(e)) => Err(Error::journal(format!("cannot write the output: {e}")).at("stdout")),
    }
}

enum Failure {
    Ours(Error),
    Output(io::Error),
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::Ours(e)
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Self::Output(e)
    }
}

type Done = std::result::Result<Outcome, Failure>;

fn list(fs: &Arc<dyn Fs>, dir: &Path, out: &mut dyn Write) -> Done {
    let overview = journal::list(fs, dir)?;
    let mut outcome = Outcome::Good;
    for sub in &overview.journals {
        head_line(sub, out)?;
        if !sub.damage.is_empty() {
            outcome = Outcome::Findings;
        }
    }
    for path in &overview.damaged {
        writeln!(out, "set aside  {}", path.display())?;
    }
    Ok(outcome)
}

fn head_line(sub: &SubJournal, out: &mut dyn Write) -> io::Result<()> {
    let name = sub.path.file_name().unwrap_or_default().to_string_lossy();
    let (lane, sink, pid) = sub.identity.as_ref().map_or(("?", "?", 0), |id| (&id.lane, &id.sink, id.pid));
    let state = if sub.in_use { "in use" } else { "abandoned" };
    writeln!(
        out,
        "{name}  lane={lane} sink={sink} pid={pid} {state}  unacknowledged={} acknowledged={} last={} segments={} \
         bytes={} damage={}",
        sub.unacknowledged,
        sub.acknowledged.0,
        sub.last.0,
        sub.segments().len(),
        sub.bytes,
        sub.damage.len(),
    )
}

fn show(fs: &Arc<dyn Fs>, dir: &Path, out: &mut dyn Write) -> Done {
    let overview = journal::list(fs, dir)?;
    let mut outcome = Outcome::Good;
    for sub in &overview.journals {
        head_line(sub, out)?;
        for stored in sub.read_from(Position(0)) {
            let stored = stored?;
            let mut time = Vec::new();
            format_time(&mut time, stored.recordedtime);
            let state = if stored.position <= sub.acknowledged { "acknowledged" } else { "waiting" };
            let marks = [(stored.own, " own"), (stored.terminal, " terminal"), (stored.closes, " closes")];
            let marks: String = marks.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
            writeln!(
                out,
                "  {:>10}  {}  {}/{:020}  {} bytes  {}  {state}{marks}",
                stored.position.0,
                String::from_utf8_lossy(&time),
                stored.streamid,
                stored.sequence,
                stored.bytes.len(),
                hex(&stored.hash),
            )?;
        }
        for head in &sub.heads {
            writeln!(
                out,
                "  stream {}  agent={} last={:020} head={}{}",
                head.streamid,
                head.agentid,
                head.sequence,
                hex(&head.hash),
                if head.closed { " closed" } else { "" },
            )?;
        }
        for damage in &sub.damage {
            outcome = Outcome::Findings;
            let (from, to) = damage.bytes;
            let kind = damage.kind.name();
            let count = damage.count();
            writeln!(out, "  damage {kind}  {}:{from}-{to}  envelopes lost: {count}", damage.path.display())?;
            for lost in &damage.lost {
                writeln!(out, "    lost {}/{:020}-{:020}", lost.streamid, lost.from, lost.to)?;
            }
        }
    }
    Ok(outcome)
}

fn replay(fs: &Arc<dyn Fs>, dir: &Path, out: &mut dyn Write) -> Done {
    for sub in journal::list(fs, dir)?.journals {
        for stored in sub.read_from(sub.acknowledged) {
            out.write_all(&stored?.bytes)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(Outcome::Good)
}

fn remove(fs: &Arc<dyn Fs>, dir: &Path, out: &mut dyn Write) -> Done {
    for removed in journal::remove_acknowledged(fs, dir)? {
        match removed {
            Removed::InUse(path) => writeln!(out, "in use, left alone  {}", path.display())?,
            Removed::Unknown(path) => writeln!(out, "unknown, left alone  {}", path.display())?,
            Removed::Whole(path) => writeln!(out, "removed  {}", path.display())?,
            Removed::Part(path, left) => writeln!(out, "kept, {left} waiting  {}", path.display())?,
        }
    }
    Ok(Outcome::Good)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}
