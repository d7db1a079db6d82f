//! `sinkwell journal ls|show|replay|rm-acked`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use sinkwell::Result;
use sinkwell::journal::{self, Position, Removed, SubJournal};
use sinkwell::seam::{Fs, RealFs, format_time};

use crate::Outcome;
use crate::out::Out;

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
    let mut out = Out::new();
    let outcome = match command {
        Command::Ls { dir } => list(&fs, &dir, &mut out),
        Command::Show { dir } => show(&fs, &dir, &mut out),
        Command::Replay { dir } => replay(&fs, &dir, &mut out),
        Command::RmAcked { dir } => remove(&fs, &dir, &mut out),
    };
    out.flush()?;
    outcome
}

fn list(fs: &Arc<dyn Fs>, dir: &Path, out: &mut Out) -> Result<Outcome> {
    let overview = journal::list(fs, dir)?;
    let mut outcome = Outcome::Good;
    for sub in &overview.journals {
        head_line(sub, out)?;
        if !sub.damage.is_empty() {
            outcome = Outcome::Findings;
        }
    }
    for path in &overview.damaged {
        out.line(format_args!("set aside  {}", path.display()))?;
    }
    Ok(outcome)
}

fn head_line(sub: &SubJournal, out: &mut Out) -> Result<()> {
    let name = sub.path.file_name().unwrap_or_default().to_string_lossy();
    let (lane, sink, pid) = sub.identity.as_ref().map_or(("?", "?", 0), |id| (&id.lane, &id.sink, id.pid));
    let state = if sub.in_use { "in use" } else { "abandoned" };
    out.line(format_args!(
        "{name}  lane={lane} sink={sink} pid={pid} {state}  unacknowledged={} acknowledged={} last={} segments={} \
         bytes={} damage={}",
        sub.unacknowledged,
        sub.acknowledged.0,
        sub.last.0,
        sub.segments().len(),
        sub.bytes,
        sub.damage.len(),
    ))
}

fn show(fs: &Arc<dyn Fs>, dir: &Path, out: &mut Out) -> Result<Outcome> {
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
            out.line(format_args!(
                "  {:>10}  {}  {}/{:020}  {} bytes  {}  {state}{marks}",
                stored.position.0,
                String::from_utf8_lossy(&time),
                stored.streamid,
                stored.sequence,
                stored.bytes.len(),
                sinkwell::hex::text(&stored.hash),
            ))?;
            if out.gone() {
                return Ok(Outcome::Good);
            }
        }
        for head in &sub.heads {
            out.line(format_args!(
                "  stream {}  agent={} last={:020} head={}{}",
                head.streamid,
                head.agentid,
                head.sequence,
                sinkwell::hex::text(&head.hash),
                if head.closed { " closed" } else { "" },
            ))?;
        }
        for damage in &sub.damage {
            outcome = Outcome::Findings;
            let (from, to) = damage.bytes;
            let kind = damage.kind.name();
            let count = damage.count();
            let path = damage.path.display();
            out.line(format_args!("  damage {kind}  {path}:{from}-{to}  envelopes lost: {count}"))?;
            for lost in &damage.lost {
                let (streamid, from, to) = (lost.streamid, lost.from, lost.to);
                out.line(format_args!("    lost {streamid}/{from:020}-{to:020}"))?;
            }
        }
    }
    Ok(outcome)
}

fn replay(fs: &Arc<dyn Fs>, dir: &Path, out: &mut Out) -> Result<Outcome> {
    for sub in journal::list(fs, dir)?.journals {
        for stored in sub.read_from(sub.acknowledged) {
            out.data(&stored?.bytes)?;
            out.data(b"\n")?;
            if out.gone() {
                return Ok(Outcome::Good);
            }
        }
    }
    Ok(Outcome::Good)
}

fn remove(fs: &Arc<dyn Fs>, dir: &Path, out: &mut Out) -> Result<Outcome> {
    for removed in journal::remove_acknowledged(fs, dir)? {
        match removed {
            Removed::InUse(path) => out.line(format_args!("in use, left alone  {}", path.display()))?,
            Removed::Unknown(path) => out.line(format_args!("unknown, left alone  {}", path.display()))?,
            Removed::Whole(path) => out.line(format_args!("removed  {}", path.display()))?,
            Removed::Part(path, left) => {
                out.line(format_args!("kept, {left} waiting  {}", path.display()))?
            }
        }
    }
    Ok(Outcome::Good)
}
