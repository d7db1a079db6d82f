//! How the members of an event's data stood, and what was wanted of them: events of a kind mostly have the same.
//!
//! Guarantees: what is taken by a layout is what a search would find. A layout holds what stood in front of each value, up
//! to the value before it: where that is the same, byte for byte, so are the members and their order, and so is what is
//! wanted of them. Within a member's object the same holds of everything in front of the value. What a thread remembers is
//! bounded, whatever events there are.

use smallvec::SmallVec;

use super::{Ends, Finder, Search, Slot, Wanted};
use crate::event::{Noted, noted};
use crate::json::words::same;
use crate::policy::telemetry::raw;

/// Layouts that a thread remembers.
const MOST: usize = 8;
/// Bytes that one remembers of what stands in front of values; where there is more it is searched.
const MOST_NAMES: usize = 2048;
/// Bytes that one remembers of the beginnings of members that are objects.
const MOST_BEGINS: usize = 1024;
/// Events of another layout in its place, before a layout is forgotten.
const PATIENCE: u8 = 3;

/// The layouts that a thread remembers.
#[derive(Default)]
pub(super) struct Layouts([Layout; MOST]);

impl Layouts {
    /// Where a layout of this finder for events of this kind is remembered, if it is.
    #[inline]
    pub(super) fn at(&mut self, finder: &Finder, members: usize, kind: usize) -> &mut Layout {
        &mut self.0[(finder.id as usize).wrapping_add(members).wrapping_add(kind) % MOST]
    }
}

#[derive(Default)]
pub(super) struct Layout {
    /// Whose it is; zero where nothing is remembered.
    finder: u64,
    members: usize,
    /// What stands in front of each member's value, one after the other: `{"a":`, then `,"b":`. None of them can end anywhere but at
    /// its colon, so that the same bytes are the same names.
    names: Vec<u8>,
    takes: Vec<Take>,
    /// What [`Take::begins`] stands in.
    begins: Vec<u8>,
    /// How often it was not that one.
    missed: u8,
}

/// Something that is wanted.
#[derive(Clone, Copy)]
struct Take {
    member: u16,
    slot: u16,
    /// One more than the number of what is wanted of the member's own members; zero where its value is.
    inside: u16,
    /// Where in [`Layout::begins`] stands what the member's value begins with, if all that is wanted within is the value
    /// behind that.
    begins: (u16, u16),
}

impl Search<'_> {
    /// Takes everything that is wanted, if the members are those of the layout; else nothing.
    #[inline]
    pub(super) fn take_alike(&mut self, finder: &Finder, places: &[Noted], layout: &Layout) -> bool {
        // An event with more members, or fewer, needs no look at their names.
        let known =
            layout.finder == finder.id && layout.members == places.len() && layout.is_of(self.data, places);
        if known {
            self.take_known(finder, places, layout);
        }
        known
    }

    /// Takes everything that is wanted, of members that are those of the layout.
    #[inline(never)]
    fn take_known(&mut self, finder: &Finder, places: &[Noted], layout: &Layout) {
        for take in &layout.takes {
            let Some(place) = places.get(usize::from(take.member)) else { continue };
            let (start, end, escaped) = noted(*place);
            if take.inside == 0 {
                self.fill(usize::from(take.slot), start, end, escaped);
            } else {
                self.take_inside(finder, take, layout, start, end);
            }
        }
    }

    #[inline(never)]
    fn take_inside(&mut self, finder: &Finder, take: &Take, layout: &Layout, start: usize, end: usize) {
        let begins = &layout.begins[usize::from(take.begins.0)..usize::from(take.begins.1)];
        let value = start + begins.len();
        if !begins.is_empty() && self.data.get(start..value).is_some_and(|written| same(written, begins)) {
            // Digits up to the bracket that ends the object: the value is those.
            if let Some(number) = raw::small_number(self.data, value, end - 1)
                && let Some(slot) = self.slots.get_mut(usize::from(take.slot))
            {
                *slot = Slot::Int(number);
                return;
            }
            if let Some((end, escaped)) = raw::value_span(self.data, value) {
                return self.fill(usize::from(take.slot), value, end, escaped);
            }
        }
        let wanted = finder.root.wanted.get(usize::from(take.inside) - 1);
        if let Some(wanted) = wanted.filter(|_| self.data.get(start) == Some(&b'{')) {
            // No other member fills these slots: see `remember`.
            self.ranks.fill(u8::MAX);
            self.object(start, &wanted.inside);
        }
    }

    /// Takes everything that is wanted, of members of which it is known where their values are; and remembers how they stand,
    /// if that has not been for some time as it is remembered.
    #[inline(never)]
    pub(super) fn take_noted(
        &mut self,
        finder: &Finder,
        places: &[Noted],
        layout: &mut Layout,
    ) -> Option<()> {
        let data = self.data;
        self.ranks.fill(u8::MAX);
        layout.missed = layout.missed.saturating_add(1);
        let mut remembers = layout.finder != finder.id || layout.missed > PATIENCE;
        if remembers {
            layout.forget();
        }
        let mut seen: SmallVec<[(u16, usize); 32]> = SmallVec::new();
        let mut from = 0;
        for (member, place) in places.iter().enumerate() {
            let (start, end, escaped) = noted(*place);
            // Behind the bracket and the quote, or the comma and the quote.
            let rest = data.get(from + 2..)?;
            // A quote and a colon before the value.
            let key = rest.get(..start.checked_sub(from + 4)?)?;
            if let Some(number) = finder.root.get(key, Ends::of(key, rest)) {
                self.take(&finder.root.wanted[number], start, end, escaped);
                if remembers {
                    seen.push((u16::try_from(member).ok()?, number));
                }
            }
            if remembers {
                let name = data.get(from..start)?;
                remembers = layout.names.len() + name.len() <= MOST_NAMES;
                layout.names.extend_from_slice(if remembers { name } else { &[] });
            }
            from = end;
        }
        if remembers {
            let remembered = layout.remember(data, finder, &seen, |member| {
                places.get(usize::from(member)).map_or(0, |place| noted(*place).0)
            });
            layout.finder = if remembered.is_some() { finder.id } else { 0 };
            layout.members = places.len();
        }
        Some(())
    }
}

impl Layout {
    /// Whether members, as many as the layout's, have its names, in their order.
    #[inline(never)]
    fn is_of(&self, data: &[u8], places: &[Noted]) -> bool {
        let mut names = self.names.as_slice();
        let mut from = 0;
        for place in places {
            let (start, end, _) = noted(*place);
            let Some(name) = data.get(from..start) else { return false };
            let Some((known, rest)) = names.split_at_checked(name.len()) else { return false };
            if !same(name, known) {
                return false;
            }
            (names, from) = (rest, end);
        }
        names.is_empty()
    }

    /// Room is kept.
    fn forget(&mut self) {
        let Self { finder, members, names, takes, begins, missed } = self;
        (*finder, *members, *missed) = (0, 0, 0);
        names.clear();
        takes.clear();
        begins.clear();
    }

    /// What is to be taken of members like these, each with the number of what is wanted. `None` where two of them can fill
    /// one slot, and which of them does depends on more than names.
    fn remember(
        &mut self,
        data: &[u8],
        finder: &Finder,
        seen: &[(u16, usize)],
        start: impl Fn(u16) -> usize,
    ) -> Option<()> {
        let mut contested: SmallVec<[usize; 8]> = SmallVec::new();
        for &(member, number) in seen {
            let wanted = &finder.root.wanted[number];
            for &slot in &wanted.contested {
                if contested.contains(&slot) {
                    return None;
                }
                contested.push(slot);
            }
            for &(slot, _) in &wanted.fills {
                let slot = u16::try_from(slot).ok()?;
                self.takes.push(Take { member, slot, inside: 0, begins: (0, 0) });
            }
            if wanted.inside.wanted.is_empty() {
                continue;
            }
            let inside = u16::try_from(number + 1).ok()?;
            let begins = self.begins(data.get(start(member)..)?, wanted);
            let (slot, begins) = begins.unwrap_or_default();
            self.takes.push(Take { member, slot, inside, begins });
        }
        Some(())
    }

    /// Of a member's object of which a single value is wanted: its slot, and what stands in front of it.
    fn begins(&mut self, object: &[u8], wanted: &Wanted) -> Option<(u16, (u16, u16))> {
        let [wanted] = wanted.inside.wanted.as_slice() else { return None };
        let [(slot, _)] = *wanted.fills else { return None };
        if !wanted.inside.wanted.is_empty() || object.first() != Some(&b'{') {
            return None;
        }
        let value = raw::member_at(object, &wanted.key)?;
        let from = self.begins.len();
        if from + value > MOST_BEGINS {
            return None;
        }
        self.begins.extend_from_slice(&object[..value]);
        let at = |at: usize| u16::try_from(at).ok();
        Some((at(slot)?, (at(from)?, at(self.begins.len())?)))
    }
}
