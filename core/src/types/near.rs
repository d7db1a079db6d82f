//! Types that are almost built in: `tool.invoked` is taken for a type of the host's own, and nobody who looks for
//! `tool.invocation` finds it. So the host's logger is told.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock};

use super::DEFAULT_PREFIX;
use super::table::Builtin;
use crate::diagnostics;

/// How many such names are reported.
const TOLD: usize = 64;

/// How many equal letters after the family's name make a name a near one.
const SAME: usize = 3;

/// How many names an emitter remembers to have looked at.
const LOOKED_AT: usize = 64;

/// The names of a host's own types that one emitter has looked at already. To compare a name with every built-in type costs
/// more than all else that is done to an event before it is queued, and a host has few names; so each is kept, unchanged from
/// then on, in the place that its bytes give it. A name that finds its place taken is looked at each time.
pub(crate) struct NearNames([OnceLock<Box<str>>; LOOKED_AT]);

impl Default for NearNames {
    fn default() -> Self {
        Self([const { OnceLock::new() }; LOOKED_AT])
    }
}

impl NearNames {
    /// Whether the name was looked at before: then it is good, and no built-in type's. `false` says nothing.
    #[inline]
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0[place(name)].get().is_some_and(|known| **known == *name)
    }

    /// Looks at a good name that is no built-in type's, and remembers it if its place is free. Warns the host's logger, once
    /// for each name, of one that is nearly a built-in type's. `prefix` is always the emitter's.
    #[cold]
    pub(crate) fn look_at(&self, name: &str, prefix: &str) {
        self.remember(name);
        tell_if_near(name, prefix);
    }

    pub(super) fn remember(&self, name: &str) {
        let place = &self.0[place(name)];
        if place.get().is_none() {
            // Where another thread was quicker, its name has the place.
            let _ = place.set(name.into());
        }
    }
}

/// The place of a name: by its length and three of its bytes, which tell the types of one host apart well enough.
fn place(name: &str) -> usize {
    let bytes = name.as_bytes();
    let at = |i: usize| bytes.get(i).copied().map_or(0, usize::from);
    let end = bytes.len();
    (end + 3 * at(end.wrapping_sub(1)) + 5 * at(end.wrapping_sub(4)) + 7 * at(end / 2)) % LOOKED_AT
}

fn tell_if_near(name: &str, prefix: &str) {
    static TOLD_OF: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let Some(meant) = nearly(name, prefix) else { return };
    // Not waited for: if the process forks while another thread holds the lock, the child would wait for ever.
    let Ok(mut told) = TOLD_OF.try_lock() else { return };
    if told.len() >= TOLD || !told.insert(name.to_owned()) {
        return;
    }
    drop(told);
    diagnostics::warn(&format!(
        "{name} is no built-in type and was taken as one of your own; did you mean {}? (this is said once)",
        meant.name
    ));
}

/// The built-in type that this name is near to, if any: one of the same family, or one that differs only in case, `_`
/// and `-`.
pub(super) fn nearly(name: &str, prefix: &str) -> Option<&'static Builtin> {
    let short = name.strip_prefix(prefix).or_else(|| name.strip_prefix(DEFAULT_PREFIX)).unwrap_or(name);
    let (family, rest) = short.split_once('.').unwrap_or((short, ""));
    let near = |builtin: &&Builtin| match builtin.name.split_once('.') {
        Some((known, known_rest)) if known.eq_ignore_ascii_case(family) => same(known_rest, rest) >= SAME,
        _ => squeezed(builtin.name).eq(squeezed(short)),
    };
    let of_hosts = Builtin::all().iter().filter(|builtin| !builtin.own_only && builtin.name != short);
    of_hosts.filter(near).max_by_key(|builtin| same(builtin.name, short))
}

/// How many letters two names have in common at their beginning.
fn same(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
}

fn squeezed(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(|byte| !matches!(byte, b'.' | b'_' | b'-')).map(|byte| byte.to_ascii_lowercase())
}
