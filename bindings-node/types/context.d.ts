import type { EventData, EventOptions } from './emitter';
/** What events emitted within have in common. */
export interface Context {
    /** The agent run. */
    readonly run?: string | undefined;
    /** The run that this one is part of: `data.parent_run` of the `run.*` events. */
    readonly parentRun?: string | undefined;
    /** The turn in the run. */
    readonly turn?: string | undefined;
    /** The attempt in the turn. */
    readonly attempt?: string | undefined;
    /** Another agent than the emitter's; it must match `agent.allow`. */
    readonly agent?: string | undefined;
    /** Id of the event that caused what happens here. */
    readonly causation?: string | undefined;
    /** Id of the whole conversation. */
    readonly correlation?: string | undefined;
}
/** The context that holds here: empty outside of every run. */
export declare function context(): Context;
/**
 * Calls `body` within a run: events that are emitted in it, however late, belong to it. Of the context around it a run
 * inherits agent, causation and correlation, and has the run around it as its parent; turn and attempt are its own.
 * Emits nothing itself.
 *
 * ```js
 * await run('r-17', async () => {
 *   emit('run.started', { goal: 'answer' });
 *   await turn('1', answer); // what it emits has runid r-17, turnid 1
 *   emit('run.completed');
 * });
 * ```
 *
 * @param given The run's id, or more of the context; without a `run` one is made.
 * @returns What `body` returns.
 */
export declare function run<T>(given: string | Context, body: (context: Context) => T): T;
/**
 * Calls `body` within a turn of the run around it.
 *
 * @param given The turn's id, or more of the context.
 * @returns What `body` returns.
 */
export declare function turn<T>(given: string | Context, body: (context: Context) => T): T;
/** The options of an event, with what the context says where they say nothing. */
export declare function optionsHere(options: EventOptions | undefined): EventOptions | undefined;
/** A log record, with the context that holds here: what of it the record takes is the core's to say. */
export declare function recordHere<R extends object>(record: R): R;
/** The data of an event, with the run around its own where it is about a run and does not say. */
export declare function dataHere(type: string, data: EventData | null | undefined, options: EventOptions | undefined): EventData | null | undefined;
