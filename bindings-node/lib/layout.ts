/** The layout of the table that events cross by. Written by `scripts/layout.js` from `src/layout.rs`. */

/** Places in the table. */
export const FLAGS = 0;
export const TEXT = 1;
export const TYPE = 2;
export const DATA = 3;
export const REST = 4;
export const END = 5;
export const OPTIONS = 6;
export const FIRST = 7;

/** Bits of the flags: emitted inside a sink of the host's; may be waited for room elsewhere. */
export const INSIDE = 1;
export const PATIENT = 2;

/** Instead of a length: there is none, or it is in the table. */
export const NONE = -1;
export const TABLE = -2;

/** What a value is, if it is no string, whose length stands in this place. */
export const NUMBER = -1;
export const TRUE = -2;
export const FALSE = -3;
export const NULL = -4;
export const OBJECT = -5;
export const ARRAY = -6;

/** Members of an event that are strings. */
export const SUBJECT = 0;
export const SEVERITY = 1;
export const RUN = 2;
export const TURN = 3;
export const ATTEMPT = 4;
export const AGENT = 5;
export const TENANT = 6;
export const TIME = 7;
export const ID = 8;
export const CAUSATION = 9;
export const CORRELATION = 10;
export const CHILD = 11;
export const TRACE_ID = 12;
export const SPAN_ID = 13;
export const TRACE_STATE = 14;

/** Members that are numbers. */
export const TERMINAL = 15;
export const TRACE_FLAGS = 16;

/** What a call answers, if not with the place of a receipt: the event cannot be read from the table. */
export const NOT_IN_TABLE = -1;

/** This and lower answers: there is no room, and the difference is how long the caller may wait in all, in milliseconds. */
export const NO_ROOM = -2;

/** A text of more units than this is not kept room for, and crosses as JSON. */
export const LONGEST = 65_536;
