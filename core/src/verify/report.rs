//! What a verification found, under the names that every language and `--format json` use.

use std::collections::BTreeMap;

use crate::json::Value;

/// The kind of a finding, one of a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FindingKind {
    /// The producer declares a loss, sealed.
    DeclaredLoss,
    /// Retention removed it, and declares so in a sealed envelope.
    Erased,
    /// The same envelope again: a retry.
    Duplicate,
    /// Order in the file is not that of the sequence.
    Reordered,
    /// The content is right, the bytes are not RFC 8785's.
    NotCanonical,
    /// The last line is unfinished.
    Torn,
    /// An authorization edge leads to no envelope of the input.
    MissingEdge,
    /// An intent of a deed has no result.
    Unfinished,
    /// The result of a deed has no intent.
    ResultAlone,
    /// A deed has two results.
    SecondResult,
    /// A result stands before its intent.
    EarlyResult,
    /// Numbers are missing, undeclared, and the chain is unbroken over them.
    Gap,
    /// Numbers are missing, undeclared, and the chain is broken.
    Removed,
    /// Two envelopes that are both good have the same sequence.
    Conflict,
    /// Signature, chain, disclosure, the key's algorithm or agent, or the stream's agent is wrong.
    Altered,
    /// A key was given, and no signature covers it: neither its own nor a later one in the chain.
    Unsigned,
    /// Signed by a key that was not given.
    UnknownKey,
    /// Signed by a key after the stream announced its retirement.
    RetiredKey,
    /// A sequence past that of `closed`.
    AfterClose,
    /// A line that is no envelope.
    Malformed,
    /// An unknown major version of the schema.
    UnknownSchema,
    /// A stream was not closed, and nothing was heard of it for longer than allowed.
    Silence,
    /// A stream is shorter than a checkpoint says.
    Truncated,
    /// A stream that is named is not there.
    MissingStream,
    /// Nothing is there of a lane that a checkpoint names, or that the input should hold.
    MissingLane,
    /// Nobody closed the stream: its end is unproven.
    Open,
}

impl FindingKind {
    /// Every kind.
    pub const ALL: [Self; 26] = [
        Self::DeclaredLoss,
        Self::Erased,
        Self::Duplicate,
        Self::Reordered,
        Self::NotCanonical,
        Self::Torn,
        Self::MissingEdge,
        Self::Unfinished,
        Self::ResultAlone,
        Self::SecondResult,
        Self::EarlyResult,
        Self::Gap,
        Self::Removed,
        Self::Conflict,
        Self::Altered,
        Self::Unsigned,
        Self::UnknownKey,
        Self::RetiredKey,
        Self::AfterClose,
        Self::Malformed,
        Self::UnknownSchema,
        Self::Silence,
        Self::Truncated,
        Self::MissingStream,
        Self::MissingLane,
        Self::Open,
    ];

    /// The public name, `declared_loss` for example.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeclaredLoss => "declared_loss",
            Self::Erased => "erased",
            Self::Duplicate => "duplicate",
            Self::Reordered => "reordered",
            Self::NotCanonical => "not_canonical",
            Self::Torn => "torn",
            Self::MissingEdge => "missing_edge",
            Self::Unfinished => "unfinished",
            Self::ResultAlone => "result_alone",
            Self::SecondResult => "second_result",
            Self::EarlyResult => "early_result",
            Self::Gap => "gap",
            Self::Removed => "removed",
            Self::Conflict => "conflict",
            Self::Altered => "altered",
            Self::Unsigned => "unsigned",
            Self::UnknownKey => "unknown_key",
            Self::RetiredKey => "retired_key",
            Self::AfterClose => "after_close",
            Self::Malformed => "malformed",
            Self::UnknownSchema => "unknown_schema",
            Self::Silence => "silence",
            Self::Truncated => "truncated",
            Self::MissingStream => "missing_stream",
            Self::MissingLane => "missing_lane",
            Self::Open => "open",
        }
    }

    /// How a finding of this kind bears on the verdict, unless it is added with another weight.
    pub(super) const fn weight(self) -> Weight {
        match self {
            Self::DeclaredLoss | Self::Erased => Weight::Incomplete,
            Self::Duplicate
            | Self::Reordered
            | Self::NotCanonical
            | Self::Torn
            | Self::MissingEdge
            | Self::Unfinished
            | Self::MissingLane
            | Self::Open => Weight::Note,
            _ => Weight::Finding,
        }
    }
}

/// How a finding bears on the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Only with `strict`.
    Note,
    /// `incomplete`.
    Incomplete,
    /// `findings`.
    Finding,
}

/// The judgement, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Every signature verified, chain whole, nothing missing up to each stream's end; the end of an open stream is
    /// unproven.
    Sound,
    /// As `Sound`, but the producer declared that events were lost or erased.
    Incomplete,
    /// No key was given: chain and form hold, but anyone could have made them.
    Unchecked,
    /// Something is wrong; see the findings.
    Findings,
}

impl Verdict {
    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Incomplete => "incomplete",
            Self::Unchecked => "unchecked",
            Self::Findings => "findings",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The kind of the finding.
    pub kind: FindingKind,
    /// The first sequence concerned, if it is about sequences.
    pub from: Option<u64>,
    /// The last sequence concerned.
    pub to: Option<u64>,
    /// `file:line`, if there is one.
    pub place: Option<String>,
    /// For people.
    pub note: String,
    /// How many more of its kind were found, which are not kept one by one.
    pub(super) more: u64,
}

/// An end of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its sequence.
    pub sequence: u64,
    /// Its `time`.
    pub time: String,
}

/// What was found about one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReport {
    /// Its id.
    pub streamid: String,
    /// Its agent; absent when only stubs are left.
    pub agentid: Option<String>,
    /// How many envelopes were read, repeats of the same one not counted.
    pub envelopes: u64,
    /// The lowest sequence; absent when only stubs are left.
    pub first: Option<Point>,
    /// The highest sequence.
    pub last: Option<Point>,
    /// Whether it was closed.
    pub closed: bool,
    /// The hash of the last good envelope, 64 hex digits.
    pub head: Option<String>,
    /// The judgement on it.
    pub verdict: Verdict,
    /// What was found, in the order of sequences.
    pub findings: Vec<Finding>,
}

/// What was found in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The worst of all.
    pub verdict: Verdict,
    /// How many envelopes were read, repeats of the same one not counted.
    pub envelopes: u64,
    /// How many of them no signature covers, neither their own nor a later one of their stream; where a stream signs
    /// each, how many have none.
    pub unsigned: u64,
    /// How many lines were no envelope.
    pub malformed: u64,
    /// How many streams nobody closed: their ends are unproven.
    pub open: u64,
    /// By stream, in the order in which they were first seen.
    pub streams: Vec<StreamReport>,
    /// How many events the producer declared lost, by reason.
    pub lost: BTreeMap<String, u64>,
    /// How many envelopes retention left only stubs of.
    pub erased: u64,
    /// The findings that belong to no stream of the input.
    pub findings: Vec<Finding>,
    /// Files beside those that were read that may belong to them: of another emitter on the same path, or rotated.
    pub beside: Vec<String>,
    /// Whether notes and declared losses count for the exit status ([`Options::strict`](super::Options)).
    pub(super) strict: bool,
}

impl Report {
    /// Whether a command that prints it ends with 0: `sound` or `incomplete`; when strict, `sound` only.
    #[must_use]
    pub fn is_good(&self) -> bool {
        match self.verdict {
            Verdict::Sound => true,
            Verdict::Incomplete => !self.strict,
            Verdict::Unchecked | Verdict::Findings => false,
        }
    }

    /// All findings, those of streams first.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        self.streams.iter().flat_map(|stream| &stream.findings).chain(&self.findings)
    }

    /// The object of `sinkwell verify --format json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let lost = self.lost.iter().map(|(reason, &n)| (reason.clone(), int(n))).collect();
        let beside = self.beside.iter().map(|path| path.as_str().into()).collect::<Vec<Value>>();
        let beside = (!beside.is_empty()).then_some(("beside", Value::Array(beside)));
        let members = [
            ("verdict", self.verdict.name().into()),
            ("envelopes", int(self.envelopes)),
            ("unsigned", int(self.unsigned)),
            ("malformed", int(self.malformed)),
            ("streams", Value::Array(self.streams.iter().map(StreamReport::to_json).collect())),
            ("open", int(self.open)),
            ("lost", Value::Object(lost)),
            ("erased", int(self.erased)),
            ("findings", Value::Array(self.findings.iter().map(Finding::to_json).collect())),
        ];
        object(members.into_iter().chain(beside))
    }
}

impl StreamReport {
    fn to_json(&self) -> Value {
        let point =
            |point: &Point| object([("sequence", int(point.sequence)), ("time", point.time.as_str().into())]);
        let mut members = vec![("streamid", self.streamid.as_str().into())];
        members.extend(self.agentid.as_deref().map(|agent| ("agentid", agent.into())));
        members.push(("envelopes", int(self.envelopes)));
        members.extend(self.first.as_ref().map(|first| ("first", point(first))));
        members.extend(self.last.as_ref().map(|last| ("last", point(last))));
        members.push(("closed", self.closed.into()));
        members.extend(self.head.as_deref().map(|head| ("head", head.into())));
        members.push(("verdict", self.verdict.name().into()));
        members.push(("findings", Value::Array(self.findings.iter().map(Finding::to_json).collect())));
        object(members)
    }
}

impl Finding {
    fn to_json(&self) -> Value {
        let mut members = vec![("kind", self.kind.name().into())];
        members.extend(self.from.map(|from| ("from", int(from))));
        members.extend(self.to.map(|to| ("to", int(to))));
        members.extend(self.place.as_deref().map(|place| ("where", place.into())));
        members.push(("note", self.note.as_str().into()));
        object(members)
    }
}

pub(super) fn object<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

pub(super) fn int(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}
