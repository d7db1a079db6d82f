/**
 * A pino transport: each line becomes a `log.record`.
 *
 * `pino({ transport: { target: 'sinkwell/pino', options: { config: 'sinkwell.yaml' } } })`. It runs in
 * pino's worker thread with an emitter of its own, which ends with the logger.
 *
 * What a line says (its message, its bindings and members, an error's text) is the words of people: it travels as content
 * parts, and leaves the process only as far as `permit` and the content policy let it. Lines are read in the native half
 * (`src/log.rs`), so that no number is rounded on its way; none is dropped for what it holds.
 */
import { Writable } from 'node:stream';
import type { Configuration } from './config';
import type { ContentMode } from './content';
/** How the transport opens its emitter, and what may be captured. */
export interface PinoTransportOptions {
    /** As for `Emitter.open`. */
    readonly config?: Configuration | undefined;
    /** The most that messages, bindings and errors may be captured; default `off`. */
    readonly permit?: ContentMode | undefined;
    /** What the logger calls messages and errors, where pino does not tell (it does, in its worker). */
    readonly messageKey?: string | undefined;
    readonly errorKey?: string | undefined;
}
/** The transport, as pino calls it. */
export declare function transport(options?: PinoTransportOptions): Promise<Writable>;
export default transport;
