/**
 * A pino transport: each line becomes a `log.record`.
 *
 * `pino({ transport: { target: 'sinkwell/pino', options: { config: 'sinkwell.yaml' } } })`. It runs in
 * pino's worker thread with an emitter of its own, which ends with the logger.
 */
import { Writable } from 'node:stream';
import type { Configuration } from './config';
/** How the transport opens its emitter. */
export interface PinoTransportOptions {
    /** As for `Emitter.open`. */
    readonly config?: Configuration | undefined;
}
/** The transport, as pino calls it. */
export declare function transport(options?: PinoTransportOptions): Promise<Writable>;
export default transport;
