//! The layout of the table that events cross by: `scripts/layout.js` writes `lib/layout.ts` from these lines, and
//! `test/declared.test.js` holds that it is what they say.

/// Places in the table.
pub(crate) const FLAGS: usize = 0;
pub(crate) const TEXT: usize = 1;
pub(crate) const TYPE: usize = 2;
pub(crate) const DATA: usize = 3;
pub(crate) const REST: usize = 4;
pub(crate) const END: usize = 5;
pub(crate) const OPTIONS: usize = 6;
pub(crate) const FIRST: usize = 7;

/// Bits of the flags: emitted inside a sink of the host's; may be waited for room elsewhere.
pub(crate) const INSIDE: i32 = 1;
pub(crate) const PATIENT: i32 = 2;

/// Instead of a length: there is none, or it is in the table.
pub(crate) const NONE: i32 = -1;
pub(crate) const TABLE: i32 = -2;

/// What a value is, if it is no string, whose length stands in this place.
pub(crate) const NUMBER: i32 = -1;
pub(crate) const TRUE: i32 = -2;
pub(crate) const FALSE: i32 = -3;
pub(crate) const NULL: i32 = -4;
pub(crate) const OBJECT: i32 = -5;
pub(crate) const ARRAY: i32 = -6;

/// Members of an event that are strings.
pub(crate) const SUBJECT: usize = 0;
pub(crate) const SEVERITY: usize = 1;
pub(crate) const RUN: usize = 2;
pub(crate) const TURN: usize = 3;
pub(crate) const ATTEMPT: usize = 4;
pub(crate) const AGENT: usize = 5;
pub(crate) const TENANT: usize = 6;
pub(crate) const TIME: usize = 7;
pub(crate) const ID: usize = 8;
pub(crate) const CAUSATION: usize = 9;
pub(crate) const CORRELATION: usize = 10;
pub(crate) const CHILD: usize = 11;
pub(crate) const TRACE_ID: usize = 12;
pub(crate) const SPAN_ID: usize = 13;
pub(crate) const TRACE_STATE: usize = 14;

/// Members that are numbers.
pub(crate) const TERMINAL: i32 = 15;
pub(crate) const TRACE_FLAGS: i32 = 16;

/// What a call answers, if not with the place of a receipt: the event cannot be read from the table.
pub(crate) const NOT_IN_TABLE: f64 = -1.0;
/// This and lower answers: there is no room, and the difference is how long the caller may wait in all, in milliseconds.
pub(crate) const NO_ROOM: f64 = -2.0;

/// A text of more units than this is not kept room for, and crosses as JSON.
pub(crate) const LONGEST: usize = 65_536;
