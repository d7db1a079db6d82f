//! The report for people.

use std::fmt;

use super::report::{Finding, FindingKind, Report, StreamReport, Verdict, Weight};
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
        match (self.verdict, self.signed_by_others()) {
            (Verdict::Sound, _) if self.open > 0 => self.open_ends(f)?,
            (verdict, Some(who)) => writeln!(
                f,
                "{}: {}, so nobody can tell whether this is what was sealed (give --key ID=FILE)",
                verdict.name(),
                Safe(&who)
            )?,
            (verdict, None) => writeln!(f, "{}: {meaning}", verdict.name())?,
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
    /// Who signed it, where nothing else was found than that this key was not given: as often as not, its id was mistyped.
    fn signed_by_others(&self) -> Option<String> {
        let counts = |finding: &&Finding| match finding.kind.weight() {
            Weight::Finding => true,
            // They count with `strict`; a lane that is missed, also where it was named.
            Weight::Note => self.strict || finding.kind == FindingKind::MissingLane,
            Weight::Incomplete => false,
        };
        let mut found = self.all_findings().filter(counts);
        let first = found.next().filter(|first| first.kind == FindingKind::UnknownKey)?;
        let mut who = first.note.as_str();
        for finding in found {
            if finding.kind != FindingKind::UnknownKey {
                return None;
            }
            if finding.note != who {
                who = "signed by keys that were not given";
            }
        }
        let ranges = self.all_findings().filter(|finding| finding.kind == FindingKind::UnknownKey);
        let length = |finding: &Finding| Some(finding.to?.saturating_sub(finding.from?).saturating_add(1));
        let all = ranges.map(|finding| length(finding).unwrap_or(0)).fold(0, u64::saturating_add);
        Some(if all < self.envelopes { format!("in part {who}") } else { who.to_owned() })
    }

    /// The first line of what is sound, where streams are open.
    fn open_ends(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Ends that are named in the first line; each stream's own lines say the rest.
        const NAMED: usize = 3;
        let are = if self.open == 1 { "is" } else { "are" };
        write!(f, "sound as far as it goes: {} {are} open", plural(self.open, "stream"))?;
        let open = self.open_streams();
        let ends = open.iter().filter_map(|stream| stream.last.as_ref());
        for (n, last) in ends.enumerate().take(NAMED + 1) {
            match n {
                0 => write!(f, ", ending at {}", last.sequence)?,
                NAMED => write!(f, ", …")?,
                _ => write!(f, ", {}", last.sequence)?,
            }
        }
        writeln!(f)
    }

    /// The streams that are open; none where the report does not tell which. One that a crash cut off and that the next process
    /// went on from was closed by nobody, and is not open.
    fn open_streams(&self) -> Vec<&StreamReport> {
        let is_found =
            |stream: &StreamReport| stream.findings.iter().any(|one| one.kind == FindingKind::Open);
        let mut open: Vec<_> = self.streams.iter().filter(|stream| is_found(stream)).collect();
        if open.is_empty() {
            // With `partial` an open end is no finding.
            open = self.streams.iter().filter(|stream| !stream.closed).collect();
        }
        if open.len() as u64 == self.open { open } else { Vec::new() }
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
        let last = self.last.as_ref().map_or(0, |last| last.sequence);
        let end = match self.is_unchecked_from(last) {
            _ if self.closed => "closed",
            true => "its end unchecked",
            false => "open",
        };
        writeln!(f, ", {end}")?;
        list(f, &self.findings)
    }
}

impl StreamReport {
    /// Whether what stands at `sequence` or behind it is signed by a key that was not given: it may say that the stream was
    /// closed.
    fn is_unchecked_from(&self, sequence: u64) -> bool {
        let reaches = |finding: &Finding| finding.to.is_some_and(|to| to >= sequence);
        self.findings.iter().any(|finding| finding.kind == FindingKind::UnknownKey && reaches(finding))
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
    if let Some((_, unseen @ [_, ..])) = findings.split_at_checked(SHOWN) {
        let kept = unseen.len() as u64;
        let all = kept + unseen.iter().map(|finding| finding.more).sum::<u64>();
        let up_to = if all > kept { "up to 1000 of each kind" } else { "them" };
        writeln!(f, "  … and {all} more (--format json lists {up_to})")?;
    }
    Ok(())
}

pub(super) fn plural(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
