//! The report for people.

use std::fmt;

use super::report::{Finding, Report, StreamReport, Verdict};
use crate::terminal::Safe;

/// How many findings of one stream are printed; all are in the JSON form.
const SHOWN: usize = 100;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self.verdict {
            Verdict::Sound => "every signature verified, chain whole, nothing missing",
            Verdict::Incomplete => "sound, but for what the producer itself declared lost or erased",
            Verdict::Unchecked => {
                "no key was given: chain and form hold, but anyone could have made them (give --key ID=FILE)"
            }
            Verdict::Findings => "this is not what was sealed, or not all of it; see below",
        };
        match self.verdict {
            Verdict::Sound if self.open > 0 => self.open_ends(f)?,
            verdict => writeln!(f, "{}: {meaning}", verdict.name())?,
        }
        write!(
            f,
            "{} in {}",
            plural(self.envelopes, "envelope"),
            plural(self.streams.len() as u64, "stream")
        )?;
        for (n, what) in [(self.unsigned, "unsigned"), (self.malformed, "malformed"), (self.erased, "erased")]
        {
            if n > 0 {
                write!(f, ", {n} {what}")?;
            }
        }
        for (reason, n) in &self.lost {
            write!(f, ", {n} lost ({})", Safe(reason))?;
        }
        writeln!(f)?;
        for stream in &self.streams {
            stream.fmt(f)?;
        }
        if !self.findings.is_empty() {
            writeln!(f, "\nof no stream")?;
            list(f, &self.findings)?;
        }
        if let Some(first) = self.beside.first() {
            let more = match self.beside.len() - 1 {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            writeln!(
                f,
                "\nnot read: {}{more}, beside it: of another emitter on the same path, or rotated; name them too",
                Safe(first)
            )?;
        }
        Ok(())
    }
}

impl Report {
    /// The first line of what is sound, where streams are open.
    fn open_ends(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Ends that are named in the first line; each stream's own lines say the rest.
        const NAMED: usize = 3;
        let are = if self.open == 1 { "is" } else { "are" };
        write!(f, "sound as far as it goes: {} {are} open, ending at ", plural(self.open, "stream"))?;
        let ends = self.streams.iter().filter(|stream| !stream.closed).filter_map(|s| s.last.as_ref());
        for (n, last) in ends.enumerate().take(NAMED + 1) {
            match n {
                0 => write!(f, "{}", last.sequence)?,
                NAMED => write!(f, ", …")?,
                _ => write!(f, ", {}", last.sequence)?,
            }
        }
        writeln!(f)
    }
}

impl fmt::Display for StreamReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\nstream {}  {}", self.streamid, self.verdict.name())?;
        if let Some(agent) = &self.agentid {
            write!(f, "  {}", Safe(agent))?;
        }
        writeln!(f)?;
        write!(f, "  {}", plural(self.envelopes, "envelope"))?;
        if let (Some(first), Some(last)) = (&self.first, &self.last) {
            write!(
                f,
                ", {}–{}, {} – {}",
                first.sequence,
                last.sequence,
                Safe(&first.time),
                Safe(&last.time)
            )?;
        }
        writeln!(f, ", {}", if self.closed { "closed" } else { "open" })?;
        list(f, &self.findings)
    }
}

fn list(f: &mut fmt::Formatter<'_>, findings: &[Finding]) -> fmt::Result {
    for finding in findings.iter().take(SHOWN) {
        write!(f, "  {:<14}", finding.kind.name())?;
        match (finding.from, finding.to) {
            (Some(from), Some(to)) if from != to => write!(f, " {from}–{to}")?,
            (Some(at), _) | (None, Some(at)) => write!(f, " {at}")?,
            (None, None) => {}
        }
        if let Some(place) = &finding.place {
            write!(f, "  {}", Safe(place))?;
        }
        writeln!(f, "  {}", Safe(&finding.note))?;
    }
    if findings.len() > SHOWN {
        writeln!(f, "  … and {} more (--format json lists them)", findings.len() - SHOWN)?;
    }
    Ok(())
}

pub(super) fn plural(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
