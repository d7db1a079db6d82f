/**
 * Refuses what is no object of options, and members that `call` does not know.
 *
 * @throws {InvalidArgumentError} It says which, and what is known.
 */
export declare function checked<T extends object>(call: string, options: T | undefined, members: readonly (keyof T & string)[]): void;
/** What every integration of a framework takes. */
export declare const INTEGRATION: readonly ["emitter", "permit", "until", "timeout"];
/**
 * A time in milliseconds.
 *
 * @throws {InvalidArgumentError} It is none.
 */
export declare function milliseconds(timeout: unknown): void;
/** The longest that a timer of Node's waits, in milliseconds (24 days); one that is to wait longer would end at once. */
export declare const LONGEST_TIMER = 2147483647;
