//! The members of an event that rules ask for, all found in one pass over its data.
//!
//! Guarantees: a dotted name is the member of that whole name if there is one, else the member of a shorter name with
//! the rest looked up inside it, the longest name first, wherever it stands; one pass over canonical data whatever the
//! number of rules; nothing is allocated once a thread has seen its largest event.

use std::cell::RefCell;

use super::raw::{self, Raw};
use crate::json::compare_keys;

/// One name of a path; a quoted one (`data["a.b"]`) is never joined with its neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) quoted: bool,
}

/// The most names of a path.
pub(super) const MAX_STEPS: usize = 8;

/// Every way to read a path, the best first: each is the keys to follow, one object in the other.
pub(super) fn readings(path: &[Step]) -> Vec<Vec<String>> {
    if path.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for taken in (1..=path.len()).rev() {
        let (head, rest) = path.split_at(taken);
        if taken > 1 && head.iter().any(|step| step.quoted) {
            continue;
        }
        let key = head.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(".");
        for rest in readings(rest) {
            let mut reading = vec![key.clone()];
            reading.extend(rest);
            all.push(reading);
        }
    }
    all
}

/// The paths that a set of rules asks for; each has a slot.
#[derive(Debug, Default)]
pub(super) struct Paths {
    paths: Vec<Vec<Step>>,
}

impl Paths {
    /// The slot of a path.
    pub(super) fn slot(&mut self, path: &[Step]) -> u16 {
        let at = self.paths.iter().position(|known| known == path).unwrap_or_else(|| {
            self.paths.push(path.to_vec());
            self.paths.len() - 1
        });
        // A set has at most some hundred rules of at most 256 parts each.
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// What finds them.
    pub(super) fn finder(&self) -> Finder {
        let mut root = Object::default();
        let mut whole = Vec::new();
        for (slot, path) in self.paths.iter().enumerate() {
            if path.is_empty() {
                whole.push(slot);
            }
            for (rank, reading) in readings(path).into_iter().enumerate().filter(|(_, keys)| !keys.is_empty())
            {
                root.want(&reading, slot, rank);
            }
        }
        root.sort();
        Finder { root, whole, slots: self.paths.len() }
    }
}

/// What is wanted of an object.
#[derive(Debug, Default)]
struct Object {
    /// In the order of canonical keys.
    wanted: Vec<Wanted>,
    /// Keys whose order as bytes may be another than the canonical one: compared one by one.
    odd: Vec<Wanted>,
}

#[derive(Debug)]
struct Wanted {
    name: String,
    /// As canonical JSON writes it.
    key: Box<[u8]>,
    /// Slots that the value fills, unless a better reading (a lower rank) has.
    fills: Vec<(usize, usize)>,
    inside: Object,
}

impl Object {
    fn want(&mut self, keys: &[String], slot: usize, rank: usize) {
        let Some((name, rest)) = keys.split_first() else { return };
        let plain = name.is_ascii() && !name.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\'));
        let list = if plain { &mut self.wanted } else { &mut self.odd };
        let at = list.iter().position(|wanted| wanted.name == *name).unwrap_or_else(|| {
            let key = raw::escaped(name);
            list.push(Wanted { name: name.clone(), key, fills: Vec::new(), inside: Self::default() });
            list.len() - 1
        });
        if rest.is_empty() {
            list[at].fills.push((slot, rank));
        } else {
            list[at].inside.want(rest, slot, rank);
        }
    }

    fn sort(&mut self) {
        self.wanted.sort_by(|a, b| compare_keys(&a.name, &b.name));
        self.wanted.iter_mut().chain(&mut self.odd).for_each(|wanted| wanted.inside.sort());
    }

    fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.odd.is_empty()
    }
}

/// Finds the values of paths in data. See the module's head.
#[derive(Debug, Default)]
pub(super) struct Finder {
    root: Object,
    /// Slots of the empty path: the data itself.
    whole: Vec<usize>,
    slots: usize,
}

/// A value that was found: where it stands in the data, or with its escapes undone in the workspace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Slot {
    Absent,
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(u32, u32),
    Unescaped(u32, u32),
    Object(u32, u32),
    Array(u32, u32),
}

/// What a thread keeps between events.
#[derive(Default)]
pub(super) struct Workspace {
    slots: Vec<Slot>,
    ranks: Vec<u8>,
    unescaped: Vec<u8>,
    /// For what rules put together themselves.
    pub(super) bump: Vec<u8>,
}

/// Bytes of text that the rules of one event may put together.
pub(super) const BUMP: usize = 16 * 1024;

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

/// Runs with the thread's workspace; with a fresh one where that is in use.
pub(super) fn with_workspace<R>(run: impl FnOnce(&mut Workspace) -> R) -> R {
    WORKSPACE.with(|workspace| match workspace.try_borrow_mut() {
        Ok(mut workspace) => run(&mut workspace),
        Err(_) => run(&mut Workspace::default()),
    })
}

/// What was found in one event's data.
#[derive(Clone, Copy)]
pub(super) struct FoundValues<'a> {
    pub(super) data: &'a [u8],
    pub(super) slots: &'a [Slot],
    pub(super) unescaped: &'a [u8],
}

impl Finder {
    /// Finds everything in canonical data; also answers room for texts.
    pub(super) fn find<'a>(
        &self,
        data: &'a [u8],
        workspace: &'a mut Workspace,
    ) -> (FoundValues<'a>, &'a mut [u8]) {
        let Workspace { slots, ranks, unescaped, bump } = workspace;
        slots.clear();
        slots.resize(self.slots, Slot::Absent);
        ranks.clear();
        ranks.resize(self.slots, u8::MAX);
        bump.resize(BUMP, 0);
        let mut search = Search { data, slots, ranks, unescaped, used: 0 };
        for slot in &self.whole {
            search.slots[*slot] = Slot::Object(0, offset(data.len()));
        }
        if !self.root.is_empty() {
            search.object(0, &self.root);
        }
        (FoundValues { data, slots, unescaped }, bump)
    }
}

fn offset(at: usize) -> u32 {
    // An envelope is far below 4 GiB.
    u32::try_from(at).unwrap_or(u32::MAX)
}

struct Search<'a> {
    data: &'a [u8],
    slots: &'a mut [Slot],
    ranks: &'a mut [u8],
    unescaped: &'a mut Vec<u8>,
    used: usize,
}

impl Search<'_> {
    /// Of an object that begins at `at`. Both its members and the wanted ones are in the same order.
    fn object(&mut self, at: usize, wants: &Object) -> Option<()> {
        let data = self.data;
        let mut at = at + 1;
        let mut next = 0;
        while data.get(at) == Some(&b'"') {
            let key_start = at + 1;
            let key_end = raw::string_end(data, key_start)?;
            let key = &data[key_start..key_end];
            let value = key_end + 2;
            while wants.wanted.get(next).is_some_and(|wanted| is_before(&wanted.key, key)) {
                next += 1;
            }
            if next == wants.wanted.len() && wants.odd.is_empty() {
                return Some(());
            }
            let end = raw::value_end(data, value)?;
            if let Some(wanted) = wants.wanted.get(next).filter(|wanted| *wanted.key == *key) {
                self.take(wanted, value, end);
                next += 1;
            }
            for wanted in wants.odd.iter().filter(|wanted| *wanted.key == *key) {
                self.take(wanted, value, end);
            }
            at = end + 1;
        }
        Some(())
    }

    fn take(&mut self, wanted: &Wanted, start: usize, end: usize) {
        for &(slot, rank) in &wanted.fills {
            let rank = u8::try_from(rank).unwrap_or(u8::MAX - 1);
            if rank < self.ranks[slot] {
                self.ranks[slot] = rank;
                self.slots[slot] = self.slot(start, end);
            }
        }
        if self.data[start] == b'{' && !wanted.inside.is_empty() {
            self.object(start, &wanted.inside);
        }
    }

    fn slot(&mut self, start: usize, end: usize) -> Slot {
        match Raw::of(&self.data[start..end]) {
            None => Slot::Absent,
            Some(Raw::Null) => Slot::Null,
            Some(Raw::Bool(value)) => Slot::Bool(value),
            Some(Raw::Int(value)) => Slot::Int(value),
            Some(Raw::Double(value)) => Slot::Double(value),
            Some(Raw::Text(_, false)) => Slot::Text(offset(start + 1), offset(end - 1)),
            Some(Raw::Text(text, true)) => {
                let from = self.used;
                // Never longer than what it is written as.
                if self.unescaped.len() < from + text.len() {
                    self.unescaped.resize(from + text.len(), 0);
                }
                match raw::unescape(text, &mut self.unescaped[from..]) {
                    Some(length) => {
                        self.used += length;
                        Slot::Unescaped(offset(from), offset(from + length))
                    }
                    None => Slot::Absent,
                }
            }
            Some(Raw::Object(_)) => Slot::Object(offset(start), offset(end)),
            Some(Raw::Array(_)) => Slot::Array(offset(start), offset(end)),
        }
    }
}

/// Whether a wanted key, which is plain ASCII, stands before a key of the data. A key with other characters or with
/// escapes equals none that is wanted here, and sorts by what it begins with up to there; so it never skips one.
fn is_before(wanted: &[u8], key: &[u8]) -> bool {
    let common = wanted.iter().zip(key).take_while(|(a, b)| a == b).count();
    match (wanted.get(common), key.get(common)) {
        (None, Some(_)) => true,
        (_, None) => false,
        // An escaped character may sort anywhere below `\`, one beyond ASCII above all that is wanted.
        (Some(_), Some(b'\\')) => false,
        (Some(wanted), Some(key)) => wanted < key,
    }
}
