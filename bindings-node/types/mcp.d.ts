import type { DeedTerms } from './deed';
import { type TellerOptions } from './teller';
/** How calls are watched. */
export interface WatchOptions extends TellerOptions, Pick<DeedTerms, 'until' | 'timeout'> {
}
/**
 * Makes each call of a tool that this `McpServer`, `Server` or `Client` answers or makes a deed; a server's `prompts/get` and
 * `resources/read` likewise. Returns it. Watching again is with the new options; `unwatch` ends it.
 *
 * @throws {InvalidArgumentError} It is none of them.
 */
export declare function watch<T extends object>(target: T, options?: WatchOptions): T;
/** Undoes `watch`. */
export declare function unwatch(target: object): void;
