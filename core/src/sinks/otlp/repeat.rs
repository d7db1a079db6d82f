//! What members came to in the lines before. Most members of an agent's lines are the same from one line to the next, so
//! that they need not be read and written anew.
//!
//! Guarantees: what is found is what a member with the same key and value, byte for byte, came to before. Memory is
//! bounded: [`PLACES`] members of at most [`LONGEST`] bytes each. Members whose values always differ, such as ids, are
//! soon left alone: they are tried once in [`REST`] lines.

/// How many members are remembered; one that needs the place of another takes it.
const PLACES: usize = 64;
/// What a member may take at most, read or written, to be remembered.
const LONGEST: usize = 256;
/// After so many values in a row that were not the one before, a place rests.
const TRIES: u8 = 4;
/// How many lines a place rests.
const REST: u8 = 64;

#[derive(Default)]
struct Known {
    key: Vec<u8>,
    /// The value's JSON text.
    value: Vec<u8>,
    written: Vec<u8>,
    dotted: bool,
    misses: u8,
    rests: u8,
}

/// See the module's head.
#[derive(Default)]
pub(super) struct Repeats(Vec<Known>);

/// Where a member may be remembered.
#[derive(Clone, Copy)]
pub(super) struct Place(usize);

/// What is known of a member.
pub(super) enum Found<'a> {
    /// It is as before.
    Same {
        /// How many bytes of text its value takes.
        len: usize,
        /// What it came to.
        written: &'a [u8],
        /// What [`keep`](Repeats::keep) was told.
        dotted: bool,
    },
    /// It must be read; what it comes to may be kept there.
    Other(Option<Place>),
}

impl Repeats {
    /// Looks for the member `key` whose value `rest`, the rest of a line, begins with.
    #[inline]
    pub(super) fn find(&mut self, key: &[u8], rest: &[u8]) -> Found<'_> {
        let &[first, .., last] = key else { return Found::Other(None) };
        if self.0.is_empty() {
            self.0.resize_with(PLACES, Known::default);
        }
        let at =
            (key.len() * 5 + usize::from(first) * 3 + usize::from(last) + usize::from(key[key.len() / 2]))
                % PLACES;
        let known = &mut self.0[at];
        if known.rests > 0 {
            known.rests -= 1;
            return Found::Other(None);
        }
        let len = known.value.len();
        // A value ends where the next member or the object's end follows, or it is only the beginning of another value.
        if known.key == key && rest.starts_with(&known.value) && matches!(rest.get(len), Some(b',' | b'}')) {
            known.misses = 0;
            return Found::Same { len, written: &known.written, dotted: known.dotted };
        }
        if known.misses == TRIES {
            known.rests = REST;
        } else {
            known.misses += 1;
        }
        Found::Other(Some(Place(at)))
    }

    /// Keeps what the scalar `value` of the member `key` came to. `dotted` is given back with it.
    pub(super) fn keep(&mut self, place: Place, key: &[u8], value: &[u8], written: &[u8], dotted: bool) {
        let Some(known) = self.0.get_mut(place.0) else { return };
        if value.is_empty() || key.len().max(value.len()).max(written.len()) > LONGEST {
            return;
        }
        for (kept, new) in [(&mut known.key, key), (&mut known.value, value), (&mut known.written, written)] {
            kept.clear();
            kept.extend_from_slice(new);
        }
        known.dotted = dotted;
    }
}
