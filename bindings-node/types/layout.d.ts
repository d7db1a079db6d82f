/** The layout of the table that events cross by. Written by `scripts/layout.js` from `src/layout.rs`. */
/** Places in the table. */
export declare const FLAGS = 0;
export declare const TEXT = 1;
export declare const TYPE = 2;
export declare const DATA = 3;
export declare const REST = 4;
export declare const END = 5;
export declare const OPTIONS = 6;
export declare const FIRST = 7;
/** Bits of the flags: emitted inside a sink of the host's; may be waited for room elsewhere. */
export declare const INSIDE = 1;
export declare const PATIENT = 2;
/** Instead of a length: there is none, or it is in the table. */
export declare const NONE = -1;
export declare const TABLE = -2;
/** What a value is, if it is no string, whose length stands in this place. */
export declare const NUMBER = -1;
export declare const TRUE = -2;
export declare const FALSE = -3;
export declare const NULL = -4;
export declare const OBJECT = -5;
export declare const ARRAY = -6;
/** Members of an event that are strings. */
export declare const SUBJECT = 0;
export declare const SEVERITY = 1;
export declare const RUN = 2;
export declare const TURN = 3;
export declare const ATTEMPT = 4;
export declare const AGENT = 5;
export declare const TENANT = 6;
export declare const TIME = 7;
export declare const ID = 8;
export declare const CAUSATION = 9;
export declare const CORRELATION = 10;
export declare const CHILD = 11;
export declare const TRACE_ID = 12;
export declare const SPAN_ID = 13;
export declare const TRACE_STATE = 14;
/** Members that are numbers. */
export declare const TERMINAL = 15;
export declare const TRACE_FLAGS = 16;
/** What a call answers, if not with the place of a receipt: the event cannot be read from the table. */
export declare const NOT_IN_TABLE = -1;
/** This and lower answers: there is no room, and the difference is how long the caller may wait in all, in milliseconds. */
export declare const NO_ROOM = -2;
/** A text of more units than this is not kept room for, and crosses as JSON. */
export declare const LONGEST = 65536;
