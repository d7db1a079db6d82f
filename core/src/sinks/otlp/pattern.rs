//! What lines of an event's type looked like before: which members they have, in which order, and which of them are the
//! same from line to line. Most of an agent's line is: all of it but data, ids, hashes and times, and of data more than a
//! half.
//!
//! Guarantees: a pattern only ever says what a member with the same key and value, byte for byte, came to before, so that
//! a record is the same whatever was learned. Memory is bounded: [`PATTERNS`] types, [`MEMBERS`] members of each, with at
//! most [`LONGEST`] bytes of value. What was learned is forgotten after [`LINES`] lines, and learned again.
//!
//! How: members of which the values do not differ stand together in a step: one comparison and one copy for all of
//! them. A member whose value was different once is a step of its own from then on, of which the key is known, and what
//! comes before the value in the record; of strings that are always as long, ids and hashes, all but their text. One that is
//! not in every line is a step of its own, too. Where a line has
//! something else than the next step, the record's writer goes on member by member ([`record`](super::record)) until a
//! step fits again, and the pattern learns.

use std::ops::Range;

use super::record::ATTRIBUTES;
use super::value::{head_of, lead_of};
use crate::json::words::equal;

/// Types of events whose patterns are kept; one more takes the place of another.
const PATTERNS: usize = 8;
/// Members of a pattern.
const MEMBERS: usize = 128;
/// What a value, or what it came to, may take to be kept.
const LONGEST: usize = 512;
/// After so many lines a pattern begins anew: a value that was different once may be the same ever since.
const LINES: u32 = 1024;

/// What becomes of a member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// Nothing: a field of the record holds it already.
    Nothing,
    /// The field `severity_text`.
    SeverityText,
    /// The fields of the trace, if it says one, else an attribute.
    Trace,
    /// The field `event_name`, and an attribute.
    Type,
    /// An attribute.
    Attribute,
    /// A member of `data`: attributes, flattened.
    Data,
    /// `data` itself: its members come next.
    Opens,
    /// The end of `data`.
    Closes,
    /// `data`, which has to be read as a whole.
    Whole,
}

/// A member's value, and what key and value came to.
struct Known {
    value: Box<[u8]>,
    written: Box<[u8]>,
    /// See [`Flat`](super::record::Flat).
    dotted: bool,
    nested: bool,
}

/// A member of a line.
pub(super) struct Member {
    /// As it stands in the line, between its quotes.
    key: Box<[u8]>,
    /// What it is called as an attribute.
    pub(super) name: Box<[u8]>,
    /// What comes before its value as an attribute; empty where that is not known beforehand.
    pub(super) head: Box<[u8]>,
    pub(super) does: Does,
    /// As long as its value has always been the same.
    known: Option<Known>,
    /// How long the text of its value is, if that is a string without escapes and always as long; else 0.
    len: usize,
    /// Not every line has it.
    alone: bool,
}

/// What a member's value came to: for [`Pattern::learn`].
pub(super) struct Came<'a> {
    pub(super) value: &'a [u8],
    pub(super) written: &'a [u8],
    pub(super) dotted: bool,
    pub(super) nested: bool,
}

impl Member {
    pub(super) fn new(key: &[u8], name: &[u8], does: Does) -> Self {
        let head = match does {
            Does::Attribute => head_of(name),
            Does::Data if !is_reserved(name) => head_of(name),
            _ => Box::default(),
        };
        Self { key: key.into(), name: name.into(), head, does, known: None, len: 0, alone: false }
    }

    /// What it came to, and whether there is a dot or an object in it, if `rest`, the rest of a line, begins with its
    /// value.
    pub(super) fn same(&self, rest: &[u8]) -> Option<(&[u8], [bool; 2], usize)> {
        let known = self.known.as_ref()?;
        let len = known.value.len();
        // A value ends where the next member or the object's end follows, or it is only the beginning of another value.
        (rest.starts_with(&known.value) && ends(rest, len)).then_some((
            &*known.written,
            [known.dotted, known.nested],
            len,
        ))
    }
}

/// Whether a member of `data` of this name would look like one of the envelope's, or has no name.
pub(super) fn is_reserved(name: &[u8]) -> bool {
    name.is_empty() || name.starts_with(b"cloudevents.") || name.starts_with(b"sinkwell.")
}

/// Whether a string's text is free of quotes and escapes.
fn is_plain(text: &[u8]) -> bool {
    let special = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        equal(word, b'"') | equal(word, b'\\')
    };
    let (words, _) = text.as_chunks::<8>();
    match text.last_chunk::<8>() {
        // The rest, together with bytes before it that were looked at already.
        Some(last) => words.iter().fold(special(last), |found, word| found | special(word)) == 0,
        None => !text.iter().any(|byte| matches!(byte, b'"' | b'\\')),
    }
}

fn ends(rest: &[u8], at: usize) -> bool {
    matches!(rest.get(at), Some(b',' | b'}'))
}

/// Members that are compared at once.
#[derive(Clone)]
pub(super) struct Step {
    /// The members, by their index.
    pub(super) members: Range<usize>,
    /// Their text; of one whose value varies, up to the value, or up to the value's text.
    text: Range<usize>,
    written: Range<usize>,
    pub(super) dotted: bool,
    pub(super) nested: bool,
    /// The values are as before.
    pub(super) same: bool,
    /// As [`Member::len`].
    len: usize,
    /// It begins with an object's first member.
    leads: bool,
    /// It begins within `data`.
    pub(super) within: bool,
    pub(super) opens: bool,
    pub(super) closes: bool,
}

/// See the module's head.
#[derive(Default)]
pub(super) struct Pattern {
    event_type: Box<str>,
    members: Vec<Member>,
    steps: Vec<Step>,
    texts: Vec<u8>,
    written: Vec<u8>,
    /// The steps no longer say what the members do.
    stale: bool,
    lines: u32,
}

impl Pattern {
    /// To be called when a line begins.
    fn begin(&mut self) {
        self.lines += 1;
        if self.lines > LINES {
            *self = Self { event_type: std::mem::take(&mut self.event_type), ..Self::default() };
        }
        if std::mem::take(&mut self.stale) {
            self.lay_out();
        }
    }

    /// Makes steps of the members.
    fn lay_out(&mut self) {
        self.steps.clear();
        self.texts.clear();
        self.written.clear();
        let mut leads = true;
        for (at, member) in self.members.iter().enumerate() {
            let start = (self.texts.len(), self.written.len());
            match member.does {
                Does::Closes => self.texts.push(b'}'),
                _ => {
                    self.texts.extend_from_slice(if leads { b"\"" } else { b",\"" });
                    self.texts.extend_from_slice(&member.key);
                    self.texts.extend_from_slice(b"\":");
                }
            }
            let (mut dotted, mut nested, mut len) = (false, false, 0);
            if member.does == Does::Opens {
                self.texts.push(b'{');
            } else if let Some(known) = &member.known {
                self.texts.extend_from_slice(&known.value);
                self.written.extend_from_slice(&known.written);
                (dotted, nested) = (known.dotted, known.nested);
            } else if member.len > 0 && member.does == Does::Nothing {
                len = member.len;
                self.texts.push(b'"');
            } else if member.len > 0 && !member.head.is_empty() {
                len = member.len;
                self.texts.push(b'"');
                self.written.extend(lead_of(ATTRIBUTES, &member.head, len));
                dotted = member.does == Does::Data && member.name.contains(&b'.');
            }
            let step = Step {
                members: at..at + 1,
                text: start.0..self.texts.len(),
                written: start.1..self.written.len(),
                dotted,
                nested,
                same: member.known.is_some() || matches!(member.does, Does::Opens | Does::Closes),
                len,
                leads,
                within: matches!(member.does, Does::Data | Does::Closes),
                opens: member.does == Does::Opens,
                closes: member.does == Does::Closes,
            };
            leads = step.opens;
            match self.steps.last_mut() {
                Some(last)
                    if last.same
                        && step.same
                        && !(last.opens || step.closes || member.alone)
                        && !self.members[at - 1].alone =>
                {
                    last.members.end = step.members.end;
                    last.text.end = step.text.end;
                    last.written.end = step.written.end;
                    last.dotted |= step.dotted;
                    last.nested |= step.nested;
                    last.opens = step.opens;
                }
                _ => self.steps.push(step),
            }
        }
    }

    /// The step that begins with the member `next`; `at`, where it is sought from, moves along.
    pub(super) fn step(&self, at: &mut usize, next: usize) -> Option<&Step> {
        while self.steps.get(*at).is_some_and(|step| step.members.start < next) {
            *at += 1;
        }
        self.steps.get(*at).filter(|step| step.members.start == next)
    }

    /// If `rest`, the rest of a line, begins as `step` does: how many bytes of it those are, what they came to, and what
    /// follows that. `first`: an object has just begun.
    #[inline]
    pub(super) fn fits<'a>(
        &'a self,
        step: &Step,
        rest: &'a [u8],
        first: bool,
    ) -> Option<(usize, [&'a [u8]; 2])> {
        let text = &self.texts[step.text.clone()];
        if !rest.starts_with(text) || !(step.leads == first || step.closes) {
            return None;
        }
        let written = &self.written[step.written.clone()];
        if step.len > 0 {
            let value = rest.get(text.len()..text.len() + step.len)?;
            let end = text.len() + step.len;
            let fits = rest.get(end) == Some(&b'"') && ends(rest, end + 1) && is_plain(value);
            return fits.then_some((end + 1, [written, if written.is_empty() { &[] } else { value }]));
        }
        (!step.same || step.opens || ends(rest, text.len())).then_some((text.len(), [written, &[]]))
    }

    /// The member of a step whose value has yet to be read.
    #[inline]
    pub(super) fn unwritten(&self, step: &Step) -> Option<&Member> {
        if step.same || step.len > 0 { None } else { self.members.get(step.members.start) }
    }

    pub(super) fn member(&self, at: usize) -> Option<&Member> {
        self.members.get(at)
    }

    /// The member with this key, from `next` on: of `data`, or of the envelope. What stands between is not in every line.
    pub(super) fn find(&mut self, next: usize, key: &[u8], in_data: bool) -> Option<usize> {
        let mut found = None;
        for (at, member) in self.members.iter().enumerate().skip(next) {
            if in_data && member.does == Does::Closes {
                break;
            }
            if (member.does == Does::Data) == in_data && member.does != Does::Closes && *member.key == *key {
                found = Some(at);
                break;
            }
        }
        let at = found?;
        for member in &mut self.members[next..at] {
            self.stale |= !member.alone;
            member.alone = true;
        }
        Some(at)
    }

    /// The value of the member `at` is not what it was.
    pub(super) fn varies(&mut self, at: usize) {
        let member = &mut self.members[at];
        let before = std::mem::take(&mut member.len);
        if let Some(known) = member.known.take() {
            self.stale = true;
            if let [b'"', text @ .., b'"'] = &*known.value
                && is_plain(text)
            {
                member.len = text.len();
            }
        }
        // Nor is it as long.
        self.stale |= before > 0;
    }

    /// Adds a member before `next`; answers what is next then. The steps are of no use for the rest of this line.
    pub(super) fn learn(&mut self, next: usize, member: Member, came: &Came<'_>) -> usize {
        if self.members.len() >= MEMBERS {
            return next;
        }
        let fits = came.value.len().max(came.written.len()) <= LONGEST;
        let known = (fits && member.does != Does::Whole).then(|| Known {
            value: came.value.into(),
            written: came.written.into(),
            dotted: came.dotted,
            nested: came.nested,
        });
        self.insert(next, Member { known, ..member });
        next + 1
    }

    fn insert(&mut self, at: usize, member: Member) {
        self.members.insert(at, member);
        self.steps.clear();
        self.stale = true;
    }

    /// Adds `data`, whose members are to be learned, before `next`; answers what is next then, or nothing if there is no
    /// room.
    pub(super) fn open(&mut self, next: usize) -> Option<usize> {
        // What has `data` twice is nothing that we have sealed.
        if self.members.len() + 2 > MEMBERS || self.members.iter().any(|member| member.does == Does::Opens) {
            return None;
        }
        self.insert(next, Member::new(b"", b"", Does::Closes));
        self.insert(next, Member::new(b"data", b"", Does::Opens));
        Some(next + 1)
    }

    /// What comes after `data`.
    pub(super) fn after_data(&self) -> usize {
        self.members
            .iter()
            .position(|member| member.does == Does::Closes)
            .map_or(self.members.len(), |at| at + 1)
    }

    /// From now on `data` is read as a whole; answers what comes after it.
    pub(super) fn give_up_data(&mut self) -> usize {
        let opens = self.members.iter().position(|member| member.does == Does::Opens);
        self.members.retain(|member| !matches!(member.does, Does::Data | Does::Opens | Does::Closes));
        let at = opens.unwrap_or_default().min(self.members.len());
        self.insert(at, Member::new(b"data", b"", Does::Whole));
        at + 1
    }
}

/// The patterns of a sink.
#[derive(Default)]
pub(super) struct Patterns {
    known: Vec<Pattern>,
    latest: usize,
    next: usize,
}

impl Patterns {
    /// What is known of lines of this type; another line of it begins.
    pub(super) fn of(&mut self, event_type: &str) -> &mut Pattern {
        let is = |pattern: &Pattern| *pattern.event_type == *event_type;
        if !self.known.get(self.latest).is_some_and(is) {
            self.latest = self.known.iter().position(is).unwrap_or_else(|| {
                let new = Pattern { event_type: event_type.into(), ..Pattern::default() };
                let at = self.next % PATTERNS;
                self.next = at + 1;
                if at == self.known.len() {
                    self.known.push(new);
                } else {
                    self.known[at] = new;
                }
                at
            });
        }
        let pattern = &mut self.known[self.latest];
        pattern.begin();
        pattern
    }
}
