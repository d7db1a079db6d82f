//! The types of event: which are built in, what each requires, how much it matters.
//!
//! Guarantees: an event of a built-in type that lacks a required member, or has one of the wrong type, is
//! `invalid_event` with its path and the remedy, and never with the value. Types and members that only sinkwell may
//! write are refused from hosts, under every prefix in use. The check is one pass over the canonical bytes of the
//! top-level members, allocates nothing unless it refuses, and decides the default severity on the way. Members that no
//! table names are kept as they are.
//!
//! How: [`resolve`] finds the type once, [`Resolved::check`] looks each member up in the type's short table
//! ([`table`]; lengths differ, so few names are compared) and compares bytes ([`shape`]). Dotted names are literal members: a look-up tries the
//! literal name first, then the nested one. The normative form of the tables is
//! `schemas/governance-event/1.0/`; `core/tests/schemas.rs` holds the code to it.

mod near;
mod severity;
mod shape;
mod table;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::json::Canonical;
use crate::json::words::same;

pub(crate) use near::NearNames;
pub use severity::{LevelScale, Severity};
pub use table::Builtin;

use table::{Member, common, may_be_known, reserved};

/// The prefix of built-in types unless configured otherwise.
pub const DEFAULT_PREFIX: &str = "dev.sinkwell.";

/// The bytes that a type's name may have: `[A-Za-z0-9._-]`.
const NAME_BYTES: [bool; 256] = {
    let (mut allowed, mut byte) = ([false; 256], 0);
    while byte < 256 {
        allowed[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'.' | b'_' | b'-');
        byte += 1;
    }
    allowed
};

/// What a type's name stands for, as [`resolve`] found it.
#[derive(Clone, Copy, Debug)]
pub struct Resolved<'a> {
    given: &'a str,
    builtin: Option<&'static Builtin>,
    add_prefix: bool,
}

/// Finds what the type `name` stands for, where built-in types have `prefix`: a built-in type by its short
/// or its prefixed name, otherwise one of the host's own.
///
/// A built-in name under the default prefix stays as given even if another prefix is configured. It means the built-in
/// type all the same, as every reader would take it for that.
///
/// # Errors
/// `invalid_event` at `type`: the name is empty or has characters other than `[A-Za-z0-9._-]`.
pub fn resolve<'a>(name: &'a str, prefix: &str) -> Result<Resolved<'a>> {
    if name.is_empty() {
        return Err(Error::invalid_event(
            "the type is empty; name a built-in type or one of your own, as com.example.thing",
        )
        .at("type"));
    }
    // Without an early return, which would cost more than it saves on names this short.
    if !name.bytes().fold(true, |good, byte| good & NAME_BYTES[usize::from(byte)]) {
        return Err(Error::invalid_event(
            "a type consists of letters A-Z and a-z, digits, '.', '_' and '-'; rename it",
        )
        .at("type"));
    }
    let (builtin, add_prefix) = if let Some(builtin) = Builtin::find(name) {
        (Some(builtin), true)
    } else {
        let under = |prefix: &str| name.strip_prefix(prefix).and_then(Builtin::find);
        (under(prefix).or_else(|| under(DEFAULT_PREFIX)), false)
    };
    Ok(Resolved { given: name, builtin, add_prefix })
}

/// Whether a host may send events of this type, whatever their data.
pub(crate) fn may_be_sent(name: &str, prefix: &str) -> bool {
    resolve(name, prefix).is_ok_and(|resolved| !resolved.builtin.is_some_and(|builtin| builtin.own_only))
}

/// Checks the members of `data` against the type of this short name, as [`Resolved::check`] does.
///
/// # Errors
/// As [`Resolved::check`]; also a name that [`resolve`] refuses.
pub fn validate<'m>(short_type: &str, members: impl Iterator<Item = (&'m str, &'m [u8])>) -> Result<()> {
    resolve(short_type, DEFAULT_PREFIX)?.check(members).map(drop)
}

impl<'a> Resolved<'a> {
    /// The built-in type, if it is one.
    #[must_use]
    pub fn builtin(&self) -> Option<&'static Builtin> {
        self.builtin
    }

    /// The name as the envelope's `type` has it: a short built-in name gets `prefix`, which must be the one
    /// it was resolved with; all others stay as given.
    #[must_use]
    pub fn wire_name(&self, prefix: &str) -> Cow<'a, str> {
        if self.add_prefix {
            Cow::Owned(format!("{prefix}{}", self.given))
        } else {
            Cow::Borrowed(self.given)
        }
    }

    /// Whether the type itself says that its events are terminal; for a host's own type the event says so.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.builtin.is_some_and(|builtin| builtin.terminal)
    }

    /// Refuses members that only sinkwell may write, and checks the top-level members of `data` against the type's
    /// table. The members may come in any order, each with the canonical bytes of its value. Answers the severity that
    /// the event has unless the host gives one.
    ///
    /// # Errors
    /// `invalid_event` with the path and what to do: a type or a member that a host may not send, a
    /// required member that is missing, a member of the wrong type.
    pub fn check<'m>(&self, members: impl Iterator<Item = (&'m str, &'m [u8])>) -> Result<Severity> {
        if let Some(own) = self.builtin.filter(|builtin| builtin.own_only) {
            return Err(Error::invalid_event(format!(
                "only sinkwell itself makes {}; use another built-in type or one of your own",
                own.name
            ))
            .at("type"));
        }
        let mut check = Check::new(self.builtin);
        for (key, value) in members {
            check.member(key, value)?;
        }
        check.finish()
    }
}

impl<'a> Resolved<'a> {
    /// A type of the host's own, of a name that [`NearNames`] knows.
    pub(crate) fn own(given: &'a str) -> Self {
        Self { given, builtin: None, add_prefix: false }
    }

    /// As [`check`](Self::check), of what was written. In data of a host's own type few names mean anything, and mostly there
    /// is none.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    #[inline]
    pub(crate) fn check_written(&self, data: &Canonical<'_>) -> Result<Severity> {
        if self.builtin.is_none() && data.is_ordinary(|key| !may_be_known(key)) {
            return Ok(Severity::Info);
        }
        self.check(data.members())
    }
}

/// One pass over the members of an event.
struct Check<'m> {
    builtin: Option<&'static Builtin>,
    table: &'static [Member],
    /// Which of the table's members were found, one bit each, by their index.
    seen: u32,
    /// An object that may hold the table's dotted member, if no member has the literal name.
    nested: Option<&'m [u8]>,
    severity: Severity,
}

impl<'m> Check<'m> {
    fn new(builtin: Option<&'static Builtin>) -> Self {
        Self {
            builtin,
            table: builtin.map_or(&[], |builtin| builtin.members),
            seen: 0,
            nested: None,
            severity: builtin.map_or(Severity::Info, |builtin| builtin.severity),
        }
    }

    fn member(&mut self, key: &'m str, value: &'m [u8]) -> Result<()> {
        if let Some(at) = self.table.iter().position(|member| same(member.name.as_bytes(), key.as_bytes())) {
            self.seen |= 1 << at;
            self.hold(&self.table[at], value)?;
            if let Some(raised) = self.builtin.and_then(|builtin| builtin.raised.as_ref())
                && raised.member == key
                && raised.values.iter().any(|text| shape::is_string(value, text))
            {
                self.severity = raised.to;
            }
        } else if let Some(member) = common(key) {
            self.hold(member, value)?;
        } else if let Some(remedy) = reserved(key) {
            return Err(Error::invalid_event(remedy).at(format!("data.{key}")));
        } else if value.first() == Some(&b'{') && self.may_hold_dotted(key) {
            self.nested = Some(value);
        }
        Ok(())
    }

    /// Whether an object of this name may hold one of the table's dotted members.
    fn may_hold_dotted(&self, key: &str) -> bool {
        self.table.iter().any(|member| member.name.split_once('.').is_some_and(|(outer, _)| outer == key))
    }

    fn hold(&self, member: &Member, value: &[u8]) -> Result<()> {
        member.shape.check(value).map_err(|e| {
            let owner = self.builtin.map_or("an event", |builtin| builtin.name);
            Error::invalid_event(format!("{} here; {owner} takes {}", e.found, e.expected))
                .at(format!("data.{}{}", member.name, e.path))
        })
    }

    /// The checks that need all members: dotted names that are nested, and missing members.
    fn finish(self) -> Result<Severity> {
        let required = self.builtin.map_or(0, |builtin| builtin.required);
        if self.seen & required == required && self.nested.is_none() {
            return Ok(self.severity);
        }
        for (at, member) in self.table.iter().enumerate() {
            if self.seen & (1 << at) != 0 {
                continue;
            }
            let nested = member
                .name
                .split_once('.')
                .and_then(|(_, inner)| self.nested.and_then(|object| shape::member(object, inner)));
            match nested {
                Some(value) => self.hold(member, value)?,
                None if member.required => {
                    let owner = self.builtin.map_or("an event", |builtin| builtin.name);
                    return Err(Error::invalid_event(format!(
                        "missing; {owner} requires it: {}",
                        member.shape.describe()
                    ))
                    .at(format!("data.{}", member.name)));
                }
                None => {}
            }
        }
        Ok(self.severity)
    }
}
