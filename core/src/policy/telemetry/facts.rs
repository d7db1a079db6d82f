//! The members of an event that rules ask for, all found in one pass over its data.
//!
//! Guarantees: a dotted name is the member of that whole name if there is one, else the member of a shorter name with
//! the rest looked up inside it, the longest name first, wherever it stands; one pass over canonical data whatever the
//! number of rules; nothing is allocated once a thread has seen its largest event.

use std::cell::RefCell;
use std::ops::Range;

use super::raw::{self, Raw};
use crate::event::Event;
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
    /// The first eight bytes of the key and its closing quote, the first the highest; which of them there are.
    head: u64,
    mask: u64,
    /// Slots that the value fills, unless a better reading (a lower rank) has.
    fills: Vec<(usize, u8)>,
    inside: Object,
}

impl Object {
    fn want(&mut self, keys: &[String], slot: usize, rank: usize) {
        let Some((name, rest)) = keys.split_first() else { return };
        let plain = name.is_ascii() && !name.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\'));
        let list = if plain { &mut self.wanted } else { &mut self.odd };
        let at = list.iter().position(|wanted| wanted.name == *name).unwrap_or_else(|| {
            let key = raw::escaped(name);
            let mut head = [0; 8];
            let quoted = key.iter().chain(b"\"");
            head.iter_mut().zip(quoted).for_each(|(to, from)| *to = *from);
            let there = head.map(|byte| if byte == 0 { 0 } else { u8::MAX });
            list.push(Wanted {
                name: name.clone(),
                key,
                head: u64::from_be_bytes(head),
                mask: u64::from_be_bytes(there),
                fills: Vec::new(),
                inside: Self::default(),
            });
            list.len() - 1
        });
        if rest.is_empty() {
            list[at].fills.push((slot, u8::try_from(rank).unwrap_or(u8::MAX - 1)));
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

    /// The wanted member that is the one whose key begins there, from the `next` one on, all of which before it are passed
    /// by. `None` where the data ends in the key.
    #[inline]
    fn seek(&self, next: &mut usize, data: &[u8], key_start: usize) -> Option<Option<&Wanted>> {
        while let Some(wanted) = self.wanted.get(*next) {
            match wanted.place(data, key_start)? {
                Place::Before => *next += 1,
                Place::Here => return Some(Some(wanted)),
                Place::After => break,
            }
        }
        Some(None)
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
        self.find_at(data, std::iter::empty(), workspace)
    }

    /// Finds everything in an event's own data.
    pub(super) fn find_of<'a>(
        &self,
        event: &'a Event,
        workspace: &'a mut Workspace,
    ) -> (FoundValues<'a>, &'a mut [u8]) {
        self.find_at(event.data(), event.places(), workspace)
    }

    /// `places`: where the values of all top-level members are, if that is known.
    fn find_at<'a>(
        &self,
        data: &'a [u8],
        places: impl ExactSizeIterator<Item = Range<usize>>,
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
            match places.len() {
                0 => search.object(0, &self.root),
                _ => search.members(places, &self.root),
            };
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
            let here = wants.seek(&mut next, data, key_start)?;
            if next == wants.wanted.len() && wants.odd.is_empty() {
                return Some(());
            }
            let key_end = match here {
                Some(wanted) => key_start + wanted.key.len(),
                None => raw::string_end(data, key_start)?,
            };
            let value = key_end + 2;
            let (end, escaped) = raw::value_span(data, value)?;
            if let Some(wanted) = here {
                self.take(wanted, value, end, escaped);
                next += 1;
            }
            for wanted in wants.odd.iter().filter(|wanted| *wanted.key == data[key_start..key_end]) {
                self.take(wanted, value, end, escaped);
            }
            at = end + 1;
        }
        Some(())
    }

    /// Of the object that data is, as [`object`](Self::object), where it is known where the values of its members are.
    fn members(&mut self, places: impl Iterator<Item = Range<usize>>, wants: &Object) -> Option<()> {
        let data = self.data;
        // Behind the bracket and the quote, or the comma and the quote.
        let mut key_start = 2;
        let mut next = 0;
        for Range { start: value, end } in places {
            let here = wants.seek(&mut next, data, key_start)?;
            if next == wants.wanted.len() && wants.odd.is_empty() {
                return Some(());
            }
            if here.is_some() || !wants.odd.is_empty() {
                let text = data.get(value..end)?;
                let escaped = text.first() == Some(&b'"') && memchr::memchr(b'\\', text).is_some();
                if let Some(wanted) = here {
                    self.take(wanted, value, end, escaped);
                    next += 1;
                }
                // A quote and a colon before the value.
                let key = data.get(key_start..value.checked_sub(2)?)?;
                for wanted in wants.odd.iter().filter(|wanted| *wanted.key == *key) {
                    self.take(wanted, value, end, escaped);
                }
            }
            key_start = end + 2;
        }
        Some(())
    }

    fn take(&mut self, wanted: &Wanted, start: usize, end: usize, escaped: bool) {
        for &(slot, rank) in &wanted.fills {
            if rank < self.ranks[slot] {
                self.ranks[slot] = rank;
                self.slots[slot] = self.slot(start, end, escaped);
            }
        }
        if self.data[start] == b'{' && !wanted.inside.is_empty() {
            self.object(start, &wanted.inside);
        }
    }

    fn slot(&mut self, start: usize, end: usize, escaped: bool) -> Slot {
        // Most are.
        if !escaped && self.data[start] == b'"' {
            return Slot::Text(offset(start + 1), offset(end - 1));
        }
        match Raw::spanned(&self.data[start..end], escaped) {
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

/// Where a wanted key stands in an object, seen from a key of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Here,
    After,
}

impl Wanted {
    /// Where this key, which is plain ASCII, stands as seen from the key of the data that begins at `start`; `None` where
    /// the data ends in it.
    #[inline]
    fn place(&self, data: &[u8], start: usize) -> Option<Place> {
        // Eight bytes at once tell nearly all keys apart, short ones wholly.
        let Some(eight) = data.get(start..).and_then(<[u8]>::first_chunk) else {
            return self.place_from(0, data, start);
        };
        let eight = u64::from_be_bytes(*eight);
        let differ = (eight ^ self.head) & self.mask;
        if differ == 0 {
            return if self.key.len() < 8 { Some(Place::Here) } else { self.place_from(8, data, start) };
        }
        let shift = 56 - differ.leading_zeros() / 8 * 8;
        Some(Place::of((self.head >> shift) as u8, (eight >> shift) as u8))
    }

    /// As [`place`](Self::place), where so many bytes are the same.
    fn place_from(&self, common: usize, data: &[u8], start: usize) -> Option<Place> {
        let key = self.key.iter().chain(b"\"").skip(common);
        let mut both = key.zip(data.get(start + common..)?);
        match both.find(|(wanted, byte)| wanted != byte) {
            Some((wanted, byte)) => Some(Place::of(*wanted, *byte)),
            None => (data.len() > start + self.key.len()).then_some(Place::Here),
        }
    }
}

impl Place {
    /// By the first byte that is not the same in the wanted key and in the data's, each with the quote that closes it.
    #[inline]
    fn of(wanted: u8, byte: u8) -> Self {
        match (wanted, byte) {
            // The data's key is longer, which sorts behind what it begins with.
            (b'"', _) => Self::Before,
            // An escaped character may sort anywhere below `\`. Such a key equals none that is wanted here, and sorts by
            // what it begins with up to there; so it never skips one.
            (_, b'"' | b'\\') => Self::After,
            // One beyond ASCII sorts above all that is wanted, and so do its bytes.
            (wanted, byte) if wanted < byte => Self::Before,
            _ => Self::After,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json;

    /// Keys that stand close to each other in some way: one the beginning of the other, as long as what is compared at
    /// once, with what sorts below a closing quote, with escapes, beyond ASCII.
    const KEYS: [&str; 20] = [
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

    fn looked_up<'v>(value: &'v json::Value, keys: &[String]) -> Option<&'v json::Value> {
        keys.iter().try_fold(value, |value, key| value.get(key))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// What one pass finds is what following every reading by itself would.
        #[test]
        fn one_pass_finds_what_each_path_leads_to(
            data in object(),
            asked in proptest::collection::vec(proptest::collection::vec((key(), any::<bool>()), 1..3), 1..12),
        ) {
            let text = data.to_canonical().unwrap();
            let mut paths = Paths::default();
            let steps = |path: &Vec<(String, bool)>| -> Vec<Step> {
                path.iter().map(|(name, quoted)| Step { name: name.clone(), quoted: *quoted }).collect()
            };
            let slots: Vec<_> = asked.iter().map(|path| paths.slot(&steps(path))).collect();
            let mut workspace = Workspace::default();
            let (found, _) = paths.finder().find(&text, &mut workspace);
            let seen = (found.slots.to_vec(), found.unescaped.to_vec());
            // As events know it that note where their members are.
            let mut writer = json::ObjectWriter::new();
            json::parse_into(&text, &mut writer).unwrap();
            let values = writer.finish().unwrap();
            assert_eq!(values.bytes(), text);
            let mut other = Workspace::default();
            let (noted, _) = paths.finder().find_at(&text, values.values(), &mut other);
            assert_eq!((noted.slots, noted.unescaped), (seen.0.as_slice(), seen.1.as_slice()));
            for (path, slot) in asked.iter().zip(slots) {
                let expected = readings(&steps(path)).iter().find_map(|keys| looked_up(&data, keys));
                let part = |from: u32, to: u32| &found.data[from as usize..to as usize];
                let got = match found.slots[usize::from(slot)] {
                    Slot::Absent => None,
                    Slot::Int(number) => Some(number.to_string().into_bytes()),
                    Slot::Object(from, to) | Slot::Array(from, to) => Some(part(from, to).to_vec()),
                    Slot::Text(from, to) => Some([b"\"", part(from, to), b"\""].concat()),
                    Slot::Unescaped(from, to) => {
                        let text = std::str::from_utf8(&found.unescaped[from as usize..to as usize]).unwrap();
                        Some(json::Value::String(text.to_owned()).to_canonical().unwrap())
                    }
                    other => panic!("{other:?}"),
                };
                prop_assert_eq!(got, expected.map(|value| value.to_canonical().unwrap()), "{:?} in {:?}", path, data);
            }
        }
    }
}
