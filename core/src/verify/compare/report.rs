//! What a comparison found.

use std::fmt;

use super::side::Event;
use crate::json::Value;
use crate::terminal::Safe;
use crate::verify::report::{Report, Verdict, int, object};
use crate::verify::text::plural;

/// How many differences of one kind are kept one by one, per pair; all are counted.
pub(super) const KEPT: usize = 1000;

/// How many of a pair are printed; all that are kept are in the JSON form.
const SHOWN: usize = 100;

/// How an event differs between the two sides, as one of a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// Both sides have it, in forms that differ in more than a lane may.
    Differs,
    /// One side has it, and nothing says why the other has not.
    OnlyIn,
    /// Both sides have events, and no event is on both.
    NothingInCommon,
    /// Both have it, in forms that differ only in what each lane may see of content, or in how it was sampled.
    ViewDiffers,
    /// One side has it; the other declares the loss of as many events of its agent.
    DeclaredLoss,
    /// One side has it; the files of the other side do not cover that part of the stream or that time.
    NotCovered,
    /// One side has it; the other's lane counts as many events that it filtered.
    PerhapsFiltered,
}

/// Why an event is on one side alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// Nothing explains it.
    Unexplained,
    /// See [`DifferenceKind::DeclaredLoss`].
    DeclaredLoss,
    /// See [`DifferenceKind::NotCovered`].
    NotCovered,
    /// See [`DifferenceKind::PerhapsFiltered`].
    PerhapsFiltered,
}

impl DifferenceKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Differs,
        Self::OnlyIn,
        Self::NothingInCommon,
        Self::ViewDiffers,
        Self::DeclaredLoss,
        Self::NotCovered,
        Self::PerhapsFiltered,
    ];

    /// The public name, `only_in` for example.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Differs => "differs",
            Self::OnlyIn => "only_in",
            Self::NothingInCommon => "nothing_in_common",
            Self::ViewDiffers => "view_differs",
            Self::DeclaredLoss => "declared_loss",
            Self::NotCovered => "not_covered",
            Self::PerhapsFiltered => "perhaps_filtered",
        }
    }

    /// Whether it is a finding; else a note.
    #[must_use]
    pub const fn is_finding(self) -> bool {
        matches!(self, Self::Differs | Self::OnlyIn | Self::NothingInCommon)
    }
}

/// Where a side has an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The stream.
    pub streamid: String,
    /// The number there.
    pub sequence: u64,
    /// `file:line`; of a database its leaf, counted from 1.
    pub place: String,
}

impl Spot {
    pub(super) fn of(event: &Event<'_, '_>) -> Self {
        Self {
            streamid: event.envelope.streamid.to_string(),
            sequence: event.envelope.sequence,
            place: format!("{}:{}", event.place.0, event.place.1),
        }
    }
}

/// One event that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How the event differs.
    pub kind: DifferenceKind,
    /// The event's id; empty where it is about none.
    pub id: String,
    /// The event's agent; empty where it is about none.
    pub agentid: String,
    /// Where the first side has it.
    pub a: Option<Spot>,
    /// Where the second side has it.
    pub b: Option<Spot>,
    /// The members that differ, by path; never what is in them.
    pub members: Vec<String>,
    /// For people.
    pub note: String,
}

/// How many events are the same, differ, or are on one side alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The same on both sides.
    pub same: u64,
    /// On both sides, and different in what a lane may see.
    pub view_differs: u64,
    /// On both sides, and otherwise different.
    pub differs: u64,
    /// On the first side alone: by [`Only`], in its order.
    pub only_in_a: [u64; 4],
    /// On the second side alone.
    pub only_in_b: [u64; 4],
}

/// What was found of two sides, or of two of their lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The first side's lane, where lanes are compared.
    pub a: Option<String>,
    /// The second side's lane.
    pub b: Option<String>,
    /// The counts of events.
    pub counts: Counts,
    /// Those that are not the same, at most 1 000 of a kind and side, in the order of the input.
    pub differences: Vec<Difference>,
}

/// What was found in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The worst of both verifications; `findings` where the two differ.
    pub verdict: Verdict,
    /// What the verification of the first side found.
    pub a: Report,
    /// What the verification of the second side found.
    pub b: Report,
    /// One pair of all lanes together, or one for each lane of one side with each lane of the other.
    pub pairs: Vec<Pair>,
    strict: bool,
}

impl Pair {
    pub(super) fn new(a: Option<String>, b: Option<String>) -> Self {
        Self { a, b, counts: Counts::default(), differences: Vec::new() }
    }

    pub(super) fn only(&mut self, first: bool, why: Only, event: &Event<'_, '_>, note: &'static str) {
        let counts = if first { &mut self.counts.only_in_a } else { &mut self.counts.only_in_b };
        let count = &mut counts[why as usize];
        *count += 1;
        if *count > KEPT as u64 {
            return;
        }
        let kind = match why {
            Only::Unexplained => DifferenceKind::OnlyIn,
            Only::DeclaredLoss => DifferenceKind::DeclaredLoss,
            Only::NotCovered => DifferenceKind::NotCovered,
            Only::PerhapsFiltered => DifferenceKind::PerhapsFiltered,
        };
        let spot = Some(Spot::of(event));
        let (a, b) = if first { (spot, None) } else { (None, spot) };
        self.add(kind, event, (a, b), Vec::new(), note.into());
    }

    pub(super) fn differs(
        &mut self,
        kind: DifferenceKind,
        event: &Event<'_, '_>,
        a: Spot,
        b: Spot,
        members: Vec<String>,
    ) {
        let note = match kind {
            DifferenceKind::Differs => "the two have different forms of it",
            _ => "the two have it as each may see it",
        };
        self.add(kind, event, (Some(a), Some(b)), members, note.into());
    }

    fn add(
        &mut self,
        kind: DifferenceKind,
        event: &Event<'_, '_>,
        (a, b): (Option<Spot>, Option<Spot>),
        members: Vec<String>,
        note: String,
    ) {
        let (id, agentid) = (event.envelope.id.to_string(), shown(&event.envelope.agentid, 256));
        self.differences.push(Difference { kind, id: shown(&id, 128), agentid, a, b, members, note });
    }

    /// `empty`: neither side has an event at all.
    pub(super) fn finish(&mut self, empty: bool) {
        let counts = &self.counts;
        if !empty && counts.same + counts.view_differs + counts.differs == 0 {
            let note = "no event is on both sides: these are not sinks of one emitter, or not of one time";
            self.differences.push(Difference {
                kind: DifferenceKind::NothingInCommon,
                id: String::new(),
                agentid: String::new(),
                a: None,
                b: None,
                members: Vec::new(),
                note: note.into(),
            });
        }
        // Findings come before notes; the sort is stable, so that each kind stays in the order of the input.
        self.differences.sort_by_key(|difference| !difference.kind.is_finding());
    }

    fn counted(&self) -> [(DifferenceKind, u64); 7] {
        let counts = &self.counts;
        let only = |why: Only| counts.only_in_a[why as usize] + counts.only_in_b[why as usize];
        let apart = self.differences.iter().filter(|d| d.kind == DifferenceKind::NothingInCommon).count();
        [
            (DifferenceKind::Differs, counts.differs),
            (DifferenceKind::OnlyIn, only(Only::Unexplained)),
            (DifferenceKind::NothingInCommon, apart as u64),
            (DifferenceKind::ViewDiffers, counts.view_differs),
            (DifferenceKind::DeclaredLoss, only(Only::DeclaredLoss)),
            (DifferenceKind::NotCovered, only(Only::NotCovered)),
            (DifferenceKind::PerhapsFiltered, only(Only::PerhapsFiltered)),
        ]
    }

    fn to_json(&self) -> Value {
        let only = |counts: &[u64; 4]| {
            object([
                ("only_in", int(counts[Only::Unexplained as usize])),
                ("declared_loss", int(counts[Only::DeclaredLoss as usize])),
                ("not_covered", int(counts[Only::NotCovered as usize])),
                ("perhaps_filtered", int(counts[Only::PerhapsFiltered as usize])),
            ])
        };
        let mut members = Vec::new();
        members.extend(self.a.as_deref().map(|lane| ("a", lane.into())));
        members.extend(self.b.as_deref().map(|lane| ("b", lane.into())));
        members.extend([
            ("same", int(self.counts.same)),
            ("view_differs", int(self.counts.view_differs)),
            ("differs", int(self.counts.differs)),
            ("only_in_a", only(&self.counts.only_in_a)),
            ("only_in_b", only(&self.counts.only_in_b)),
            ("differences", Value::Array(self.differences.iter().map(Difference::to_json).collect())),
        ]);
        object(members)
    }
}

impl Difference {
    fn to_json(&self) -> Value {
        let spot = |spot: &Spot| {
            object([
                ("streamid", spot.streamid.as_str().into()),
                ("sequence", int(spot.sequence)),
                ("where", spot.place.as_str().into()),
            ])
        };
        let mut members = vec![("kind", self.kind.name().into())];
        if !self.id.is_empty() {
            members.push(("id", self.id.as_str().into()));
            members.push(("agentid", self.agentid.as_str().into()));
        }
        members.extend(self.a.as_ref().map(|at| ("a", spot(at))));
        members.extend(self.b.as_ref().map(|at| ("b", spot(at))));
        if !self.members.is_empty() {
            let names = self.members.iter().map(|name| name.as_str().into()).collect();
            members.push(("members", Value::Array(names)));
        }
        members.push(("note", self.note.as_str().into()));
        object(members)
    }
}

impl Comparison {
    pub(super) fn new(a: Report, b: Report, pairs: Vec<Pair>, strict: bool) -> Self {
        let found = |pair: &Pair| {
            let mut counted = pair.counted().into_iter();
            counted.any(|(kind, count)| count > 0 && (strict || kind.is_finding()))
        };
        let mut verdict = a.verdict.max(b.verdict);
        if pairs.iter().any(found) {
            verdict = Verdict::Findings;
        }
        Self { verdict, a, b, pairs, strict }
    }

    /// Whether a command that prints it ends with 0: both are `sound` or `incomplete` (when strict, `sound`), and the
    /// two do not differ.
    #[must_use]
    pub fn is_good(&self) -> bool {
        match self.verdict {
            Verdict::Sound => true,
            Verdict::Incomplete => !self.strict,
            Verdict::Unchecked | Verdict::Findings => false,
        }
    }

    /// The object of `sinkwell compare --format json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        object([
            ("verdict", self.verdict.name().into()),
            ("a", self.a.to_json()),
            ("b", self.b.to_json()),
            ("pairs", Value::Array(self.pairs.iter().map(Pair::to_json).collect())),
        ])
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differ = self.pairs.iter().flat_map(Pair::counted).any(|(kind, n)| n > 0 && kind.is_finding());
        let meaning = match self.verdict {
            Verdict::Sound => "every signature verified, and both were told the same",
            Verdict::Incomplete => "both were told the same, but for what was declared lost or erased",
            Verdict::Unchecked => {
                "both were told the same, but no key was given: anyone could have made them (give --key ID=FILE)"
            }
            Verdict::Findings if differ => "the two were not told the same; see below",
            Verdict::Findings => "one of them is not what was sealed, or not all of it; see below",
        };
        write!(f, "{}: {meaning}", self.verdict.name())?;
        if self.verdict != Verdict::Findings {
            let all = |why: Only| -> u64 {
                let counts =
                    self.pairs.iter().flat_map(|pair| [&pair.counts.only_in_a, &pair.counts.only_in_b]);
                counts.map(|counts| counts[why as usize]).sum()
            };
            // A cut file is sound as far as it goes: that much is no more than what stands there.
            match all(Only::NotCovered) {
                0 => {}
                n => write!(f, "; only as far as both reach: {} beyond", lie(n))?,
            }
            match all(Only::PerhapsFiltered) {
                0 => {}
                n => write!(f, "; but for {} that a lane may have filtered", plural(n, "event"))?,
            }
        }
        writeln!(f)?;
        for pair in &self.pairs {
            pair.fmt(f)?;
        }
        for (name, report) in [("first", &self.a), ("second", &self.b)] {
            write!(f, "\nverification of the {name}\n{report}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(a), Some(b)) = (&self.a, &self.b) {
            writeln!(f, "\nlane {} of the first and {} of the second", Safe(a), Safe(b))?;
        }
        write!(f, "{} the same on both sides", plural(self.counts.same, "event"))?;
        for (kind, n) in self.counted() {
            if n > 0 && kind != DifferenceKind::NothingInCommon {
                write!(f, ", {n} {}", kind.name())?;
            }
        }
        writeln!(f)?;
        for difference in self.differences.iter().take(SHOWN) {
            difference.fmt(f)?;
        }
        let all: u64 = self.counted().iter().map(|(_, n)| n).sum();
        let shown = self.differences.len().min(SHOWN) as u64;
        if all > shown {
            writeln!(f, "  … and {} more (--format json lists up to {KEPT} of each kind)", all - shown)?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:<16}", self.kind.name())?;
        if !self.id.is_empty() {
            write!(f, "  {}", Safe(&self.id))?;
        }
        for (side, spot) in [("first", &self.a), ("second", &self.b)] {
            if let Some(spot) = spot {
                write!(f, "  {side} {} ({})", spot.sequence, Safe(&spot.place))?;
            }
        }
        if !self.members.is_empty() {
            write!(f, "  in {}", Safe(&self.members.join(", ")))?;
        }
        writeln!(f, "  {}", Safe(&self.note))
    }
}

fn lie(n: u64) -> String {
    format!("{} {}", plural(n, "event"), if n == 1 { "lies" } else { "lie" })
}

/// A stranger's text, cut to so many bytes.
pub(super) fn shown(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", &text[..crate::terminal::boundary(text, most)])
}
