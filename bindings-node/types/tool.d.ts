/** Calls of tools as events. */
import { Emitter } from './emitter';
/** How calls of a tool become events. */
export interface ToolOptions {
    /** The process's default emitter if absent. */
    readonly emitter?: Pick<Emitter, 'emit'> | undefined;
    /** What the tool is called; the function's name if absent. */
    readonly name?: string | undefined;
}
type AnyFunction = (this: never, ...values: never[]) => unknown;
/**
 * The same function, whose calls are events: after each, when it has returned or its promise has settled, one
 * `tool.invocation` with `tool`, `outcome` (`ok`, `error`, `timeout`, `cancelled`), `duration_ms` and, of an exception,
 * its class as `error.type`. Neither arguments nor results are taken. It never waits, and never fails for it: an event
 * that cannot be emitted is a warning of the process. For an act that must not happen unrecorded this is too late. What
 * the function answers is answered; a promise of another class comes as a plain one.
 *
 * ```js
 * const search = tool('search', async (query) => …);
 * ```
 */
export declare function tool<F extends AnyFunction>(name: string, call: F, options?: ToolOptions): F;
export declare function tool<F extends AnyFunction>(call: F, options?: ToolOptions): F;
export {};
