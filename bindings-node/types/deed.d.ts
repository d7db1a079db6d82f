import { type Part } from './content';
import type { EventOptions } from './emitter';
/** What a deed waits for. */
export interface DeedTerms {
    /**
     * When the intent is safe: `journaled` (on disk in every durable lane; by default where there is one), `delivered` (to a
     * sink of every class that governance requires) or `enqueued`.
     */
    readonly until?: 'journaled' | 'delivered' | 'enqueued' | undefined;
    /** How long the act may be held up, in milliseconds; 10 s if absent. */
    readonly timeout?: number | undefined;
    /** Ends the wait; the promise rejects with its reason then, and the act does not run. */
    readonly signal?: AbortSignal | undefined;
}
/** What a deed waits for, beside what else its event says. */
export interface DeedOptions extends EventOptions, DeedTerms {
}
/** The act under way, as it sees itself. */
export declare class Deed {
    #private;
    /** The intent's id, which the result has as `causationid`. */
    get id(): string;
    /**
     * Says what came of the act, for the result's data and content parts; said again, it replaces what was said. `outcome` may
     * be among it: `ok`, `error`, `denied`, `timeout`, `cancelled`.
     *
     * @throws {InvalidEventError} The type of the deed does not allow it.
     */
    result(data: object, content?: readonly Part[]): void;
}
/** What a deed does. */
export type Act<R> = (deed: Deed) => R | PromiseLike<R>;
