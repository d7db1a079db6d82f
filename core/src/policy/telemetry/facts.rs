//! The members of an event that rules ask for, all found in one pass over its data.
//!
//! Guarantees: a dotted name is the member of that whole name if there is one, else the member of a shorter name with
//! the rest looked up inside it, the longest name first, wherever it stands; one pass over canonical data whatever the
//! number of rules; nothing is allocated once a thread has seen its largest event.
//!
//! How: where the names of an event's members are those of one before it, it is known what is wanted of them ([`layout`]);
//! otherwise a key is told by its first and its last eight bytes. A text with escapes is left as it is written until somebody
//! asks for it without.

mod layout;

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cel::Memo;
use super::raw::{self, Raw};
use crate::event::{Event, Noted};
use layout::Layouts;

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
        root.ready();
        root.contest();
        Finder { id: NEXT.fetch_add(1, Ordering::Relaxed), root, whole, slots: self.paths.len() }
    }
}

/// What is wanted of an object.
#[derive(Debug, Default)]
struct Object {
    wanted: Vec<Wanted>,
    /// Finds a key: see [`get`](Self::get). A number is one more than the index in `wanted`; zero is none. A power of two
    /// long, and never more than a quarter full.
    table: Box<[u32]>,
}

#[derive(Debug)]
struct Wanted {
    /// As canonical JSON writes it.
    key: Box<[u8]>,
    ends: Ends,
    /// Slots that the value fills, unless a better reading (a lower rank) has.
    fills: Vec<(usize, u8)>,
    inside: Object,
    /// Of most members: the only slot that the value fills, of whose path this is the best reading.
    only: Option<usize>,
    /// Slots that this member, or one inside it, fills unless another member of the same object does.
    contested: Vec<usize>,
}

impl Wanted {
    #[inline]
    fn is(&self, key: &[u8], ends: Ends) -> bool {
        self.ends == ends && (key.len() <= 16 || *self.key == *key)
    }
}

/// What tells nearly all keys apart, and all of at most sixteen bytes: a key's first eight bytes, its last eight, and how
/// many it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    head: u64,
    /// Zero of fewer than eight bytes: all of them are in `head`.
    tail: u64,
    length: usize,
}

impl Ends {
    /// `rest`: the text from the key on.
    #[inline]
    fn of(key: &[u8], rest: &[u8]) -> Self {
        let head = match rest.first_chunk() {
            Some(eight) if key.len() < 8 => u64::from_le_bytes(*eight) & !(u64::MAX << (8 * key.len())),
            Some(eight) => u64::from_le_bytes(*eight),
            None => key.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)),
        };
        let tail = key.last_chunk().map_or(0, |eight| u64::from_le_bytes(*eight));
        Self { head, tail, length: key.len() }
    }

    #[inline]
    fn digest(self) -> u64 {
        (self.head ^ self.tail.rotate_left(29))
            .wrapping_add(self.length as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

impl Object {
    fn want(&mut self, keys: &[String], slot: usize, rank: usize) {
        let Some((name, rest)) = keys.split_first() else { return };
        let key = raw::escaped(name);
        let at = self.wanted.iter().position(|wanted| wanted.key == key).unwrap_or_else(|| {
            let ends = Ends::of(&key, &key);
            self.wanted.push(Wanted {
                key,
                ends,
                fills: Vec::new(),
                inside: Self::default(),
                only: None,
                contested: Vec::new(),
            });
            self.wanted.len() - 1
        });
        if rest.is_empty() {
            self.wanted[at].fills.push((slot, u8::try_from(rank).unwrap_or(u8::MAX - 1)));
        } else {
            self.wanted[at].inside.want(rest, slot, rank);
        }
    }

    /// Fills the tables, once all is wanted.
    fn ready(&mut self) {
        if self.wanted.is_empty() {
            return;
        }
        self.table = vec![0; (self.wanted.len() * 4).next_power_of_two()].into_boxed_slice();
        for (number, wanted) in (1..).zip(&mut self.wanted) {
            wanted.inside.ready();
            wanted.only = match *wanted.fills {
                [(slot, 0)] if wanted.inside.wanted.is_empty() => Some(slot),
                _ => None,
            };
            let mut at = first(wanted.ends.digest(), self.table.len());
            while self.table[at] != 0 {
                at = (at + 1) & (self.table.len() - 1);
            }
            self.table[at] = number;
        }
    }

    /// Every slot that a member of it fills, or one inside.
    fn reaches(&self, all: &mut Vec<usize>) {
        for wanted in &self.wanted {
            all.extend(wanted.fills.iter().map(|(slot, _)| *slot));
            wanted.inside.reaches(all);
        }
    }

    /// Notes which slots more than one of its members can fill.
    fn contest(&mut self) {
        let reached = self.wanted.iter().map(|wanted| {
            let mut all = wanted.fills.iter().map(|(slot, _)| *slot).collect();
            wanted.inside.reaches(&mut all);
            all.sort_unstable();
            all.dedup();
            all
        });
        let reached: Vec<Vec<usize>> = reached.collect();
        let mut times: std::collections::HashMap<usize, usize> = std::collections::HashMap::new();
        reached.iter().flatten().for_each(|slot| *times.entry(*slot).or_default() += 1);
        for (wanted, mut reached) in self.wanted.iter_mut().zip(reached) {
            reached.retain(|slot| times.get(slot).is_some_and(|times| *times > 1));
            wanted.contested = reached;
        }
    }

    /// The number of the wanted member with this key.
    #[inline]
    fn get(&self, key: &[u8], ends: Ends) -> Option<usize> {
        let mut at = first(ends.digest(), self.table.len());
        loop {
            let number = (*self.table.get(at)? as usize).checked_sub(1)?;
            if self.wanted.get(number)?.is(key, ends) {
                return Some(number);
            }
            at = (at + 1) & (self.table.len() - 1);
        }
    }
}

/// Where in a table of so many, a power of two, a digest is looked for first: by its highest bits, which depend on all.
#[inline]
fn first(digest: u64, table: usize) -> usize {
    digest.checked_shr(table.leading_zeros() + 1).unwrap_or(0) as usize
}

/// Finds the values of paths in data. See the module's head.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// Tells it from every other of this process.
    id: u64,
    root: Object,
    /// Slots of the empty path: the data itself.
    whole: Vec<usize>,
    slots: usize,
}

/// The next finder's id; zero is that of one that looks for nothing.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A value that was found: where it stands in the data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Slot {
    Absent,
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(u32, u32),
    /// As it is written.
    Escaped(u32, u32),
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
    bump: Vec<u8>,
    layouts: Layouts,
    memo: Memo,
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
pub(super) struct Found<'a> {
    pub(super) data: &'a [u8],
    pub(super) slots: &'a [Slot],
    /// Room for every text with escapes that was found, without them.
    pub(super) unescaped: &'a mut [u8],
    /// Room for [`BUMP`] bytes of texts that rules put together.
    pub(super) bump: &'a mut [u8],
    pub(super) memo: &'a mut Memo,
}

impl Finder {
    /// Finds everything in canonical data.
    pub(super) fn find<'a>(&self, data: &'a [u8], workspace: &'a mut Workspace) -> Found<'a> {
        self.find_at(data, &[], 0, workspace)
    }

    /// Finds everything in an event's own data.
    pub(super) fn find_of<'a>(&self, event: &'a Event, workspace: &'a mut Workspace) -> Found<'a> {
        let kind = event.short_type_bytes();
        // What tells many types apart.
        let kind = kind.len() + usize::from(kind.last().copied().unwrap_or(0));
        self.find_at(event.data(), event.places(), kind, workspace)
    }

    /// `places`: where the values of all top-level members are, if that is known. `kind`: alike for events that are likely to
    /// have the same members.
    #[inline]
    fn find_at<'a>(
        &self,
        data: &'a [u8],
        places: &[Noted],
        kind: usize,
        workspace: &'a mut Workspace,
    ) -> Found<'a> {
        if workspace.slots.len() < self.slots || workspace.bump.is_empty() {
            workspace.grow(self.slots);
        }
        let Workspace { slots, ranks, unescaped, bump, layouts, memo } = workspace;
        let (slots, ranks) = (&mut slots[..self.slots], &mut ranks[..self.slots]);
        slots.fill(Slot::Absent);
        let mut search = Search { data, slots, ranks, escaped: 0 };
        for slot in &self.whole {
            search.slots[*slot] = Slot::Object(0, offset(data.len()));
        }
        if !self.root.wanted.is_empty() {
            let layout = layouts.at(self, places.len(), kind);
            if places.is_empty() {
                search.ranks.fill(u8::MAX);
                search.object(0, &self.root);
            } else if !search.take_alike(self, places, layout) {
                search.take_noted(self, places, layout);
            }
        }
        let escaped = search.escaped;
        if unescaped.len() < escaped {
            more_room(unescaped, escaped);
        }
        Found { data, slots, unescaped: &mut unescaped[..escaped], bump, memo }
    }
}

impl Workspace {
    #[cold]
    #[inline(never)]
    fn grow(&mut self, slots: usize) {
        self.slots.resize(slots.max(self.slots.len()), Slot::Absent);
        self.ranks.resize(self.slots.len(), u8::MAX);
        self.bump.resize(BUMP, 0);
    }
}

#[cold]
#[inline(never)]
fn more_room(room: &mut Vec<u8>, wanted: usize) {
    room.resize(wanted, 0);
}

fn offset(at: usize) -> u32 {
    // An envelope is far below 4 GiB.
    u32::try_from(at).unwrap_or(u32::MAX)
}

struct Search<'a> {
    data: &'a [u8],
    slots: &'a mut [Slot],
    ranks: &'a mut [u8],
    /// Bytes of the texts with escapes that were found.
    escaped: usize,
}

impl Search<'_> {
    /// Of an object that begins at `at`.
    #[inline(never)]
    fn object(&mut self, at: usize, wants: &Object) -> Option<()> {
        let data = self.data;
        let mut at = at + 1;
        let mut left = wants.wanted.len();
        while left > 0 && data.get(at) == Some(&b'"') {
            let rest = &data[at + 1..];
            let key_end = raw::string_end(data, at + 1)?;
            let value = key_end + 2;
            let (end, escaped) = raw::value_span(data, value)?;
            let key = &data[at + 1..key_end];
            if let Some(number) = wants.get(key, Ends::of(key, rest)) {
                self.take(&wants.wanted[number], value, end, escaped);
                left -= 1;
            }
            at = end + 1;
        }
        Some(())
    }

    #[inline]
    fn take(&mut self, wanted: &Wanted, start: usize, end: usize, escaped: bool) {
        match wanted.only {
            Some(slot) => {
                self.ranks[slot] = 0;
                self.fill(slot, start, end, escaped);
            }
            None => self.take_all(wanted, start, end, escaped),
        }
    }

    #[inline(never)]
    fn take_all(&mut self, wanted: &Wanted, start: usize, end: usize, escaped: bool) {
        for &(slot, rank) in &wanted.fills {
            if rank < self.ranks[slot] {
                self.ranks[slot] = rank;
                self.fill(slot, start, end, escaped);
            }
        }
        if !wanted.inside.wanted.is_empty() && self.data[start] == b'{' {
            self.object(start, &wanted.inside);
        }
    }

    /// Fills a slot with a value: in its place, as one that is put together elsewhere and copied is waited for.
    #[inline(always)]
    fn fill(&mut self, slot: usize, start: usize, end: usize, escaped: bool) {
        let Some(slot) = self.slots.get_mut(slot) else { return };
        // Most are.
        if self.data.get(start) == Some(&b'"') {
            let (from, to) = (start + 1, end - 1);
            if escaped {
                self.escaped += to - from;
                *slot = Slot::Escaped(offset(from), offset(to));
            } else {
                *slot = Slot::Text(offset(from), offset(to));
            }
        } else if let Some(number) = raw::small_number(self.data, start, end) {
            *slot = Slot::Int(number);
        } else {
            *slot = other_slot(self.data, start, end);
        }
    }
}

/// The value of what is neither a text nor a small number.
#[inline(never)]
fn other_slot(data: &[u8], start: usize, end: usize) -> Slot {
    match Raw::spanned(&data[start..end], false) {
        // Texts are none of these.
        None | Some(Raw::Text(..)) => Slot::Absent,
        Some(Raw::Null) => Slot::Null,
        Some(Raw::Bool(value)) => Slot::Bool(value),
        Some(Raw::Int(value)) => Slot::Int(value),
        Some(Raw::Double(value)) => Slot::Double(value),
        Some(Raw::Object(_)) => Slot::Object(offset(start), offset(end)),
        Some(Raw::Array(_)) => Slot::Array(offset(start), offset(end)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json;

    /// Keys that are close to each other in some way: one the beginning of the other, as long as what is looked at at once,
    /// the same but for their middle, with escapes, beyond ASCII.
    const KEYS: [&str; 22] = [
        "",
        "a",
        "a ",
        "a!",
        "a\"",
        "a#",
        "a.b",
        "a\\",
        "a\u{1}",
        "aa",
        "aé",
        "abcdef",
        "abcdefg",
        "abcdefgh",
        "abcdefgh!",
        "abcdefghi",
        "abcdefgh-1-abcdefgh",
        "abcdefgh-2-abcdefgh",
        "b",
        "é",
        "\u{e000}",
        "\u{1f600}",
    ];

    fn key() -> impl Strategy<Value = String> {
        proptest::sample::select(&KEYS[..]).prop_map(str::to_owned)
    }

    fn object() -> impl Strategy<Value = json::Value> {
        let leaf = prop_oneof![
            any::<i16>().prop_map(|n| json::Value::from(i64::from(n))),
            proptest::sample::select(
                &["", "x", "with \" and \\ in it", "a text of more than eight bytes"][..]
            )
            .prop_map(|text| json::Value::String(text.to_owned())),
        ];
        let members = |inner| proptest::collection::btree_map(key(), inner, 0..8);
        let inner = leaf.prop_recursive(2, 16, 8, move |inner| {
            prop_oneof![
                members(inner.clone()).prop_map(|all| json::Value::Object(all.into_iter().collect())),
                proptest::collection::vec(inner, 0..3).prop_map(json::Value::Array),
            ]
        });
        members(inner.boxed()).prop_map(|all| json::Value::Object(all.into_iter().collect()))
    }

    /// The same names with other values within: what is remembered of one holds for the other.
    fn with_other_leaves(value: &json::Value) -> json::Value {
        match value {
            json::Value::Object(all) => json::Value::Object(
                all.iter().map(|(key, value)| (key.clone(), with_other_leaves(value))).collect(),
            ),
            json::Value::String(text) if text == "x" => json::Value::from(7),
            json::Value::String(text) => json::Value::String(format!("{text}\n")),
            json::Value::Int(n) if n % 3 == 0 => json::Value::String("x".to_owned()),
            json::Value::Int(n) => json::Value::from(n * 1000),
            other => other.clone(),
        }
    }

    /// The same top-level names, of which some have the values of others.
    fn with_other_members(value: &json::Value, others: &json::Value) -> json::Value {
        let (json::Value::Object(all), json::Value::Object(others)) = (value, others) else { panic!() };
        let mut others = others.iter().map(|(_, value)| value).cycle();
        let all = all.iter().enumerate().map(|(at, (key, value))| {
            let other = others.next().filter(|_| at % 2 == 0).unwrap_or(value);
            (key.clone(), other.clone())
        });
        json::Value::Object(all.collect())
    }

    fn looked_up<'v>(value: &'v json::Value, keys: &[String]) -> Option<&'v json::Value> {
        keys.iter().try_fold(value, |value, key| value.get(key))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// What one pass finds is what following every reading by itself would.
        #[test]
        fn one_pass_finds_what_each_path_leads_to(
            data in object(),
            before in object(),
            asked in proptest::collection::vec(proptest::collection::vec((key(), any::<bool>()), 1..3), 1..12),
        ) {
            let text = data.to_canonical().unwrap();
            let mut paths = Paths::default();
            let steps = |path: &Vec<(String, bool)>| -> Vec<Step> {
                path.iter().map(|(name, quoted)| Step { name: name.clone(), quoted: *quoted }).collect()
            };
            let slots: Vec<_> = asked.iter().map(|path| paths.slot(&steps(path))).collect();
            let mut workspace = Workspace::default();
            let found = paths.finder().find(&text, &mut workspace);
            let seen = (found.slots.to_vec(), found.unescaped.len());
            // As events know it that note where their members are.
            let noted_of = |value: &json::Value| -> (Vec<u8>, Vec<Noted>) {
                let mut writer = json::ObjectWriter::new();
                json::parse_into(&value.to_canonical().unwrap(), &mut writer).unwrap();
                let values = writer.finish().unwrap();
                let places = values.values().map(|(value, escaped)| crate::event::note(value, escaped));
                (values.bytes().to_vec(), places.collect())
            };
            let (itself, places) = noted_of(&data);
            assert_eq!(itself, text);
            let others = [
                data.clone(), with_other_leaves(&data), with_other_members(&data, &before), before.clone(),
            ];
            let mut other = Workspace::default();
            let finder = paths.finder();
            // With nothing remembered, then after others, until each is what is remembered.
            for before in std::iter::once(&data).chain(others.iter().flat_map(|other| std::iter::repeat_n(other, 6))) {
                let (before, places_before) = noted_of(before);
                finder.find_at(&before, &places_before, 0, &mut other);
                let noted = finder.find_at(&text, &places, 0, &mut other);
                assert_eq!((noted.slots, noted.unescaped.len()), (seen.0.as_slice(), seen.1));
            }
            for (path, slot) in asked.iter().zip(slots) {
                let expected = readings(&steps(path)).iter().find_map(|keys| looked_up(&data, keys));
                let part = |from: u32, to: u32| &found.data[from as usize..to as usize];
                let got = match found.slots[usize::from(slot)] {
                    Slot::Absent => None,
                    Slot::Int(number) => Some(number.to_string().into_bytes()),
                    Slot::Object(from, to) | Slot::Array(from, to) => Some(part(from, to).to_vec()),
                    Slot::Text(from, to) => {
                        assert!(!part(from, to).contains(&b'\\'));
                        Some([b"\"", part(from, to), b"\""].concat())
                    }
                    Slot::Escaped(from, to) => {
                        assert!(part(from, to).contains(&b'\\'));
                        Some([b"\"", part(from, to), b"\""].concat())
                    }
                    other => panic!("{other:?}"),
                };
                prop_assert_eq!(got, expected.map(|value| value.to_canonical().unwrap()), "{:?} in {:?}", path, data);
            }
        }
    }
}
