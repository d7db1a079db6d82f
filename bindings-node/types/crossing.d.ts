/**
 * Events on their way into the core: as one string and a table of numbers that says what is what in it.
 *
 * Guarantees: what the table cannot say crosses as JSON, by {@link toJson}, and so does what is wrong: what an
 * error says never depends on the way. Each value is read once, or again only to be sent as JSON. The table has one
 * size; how many shapes are remembered is bounded.
 *
 * Of an event's data the table has what `JSON.stringify` would make text of and the core would read again: for
 * each value a number that says what it is (a string: its length), in the order of the keys. The keys of an object
 * do not cross: those that come in the same order are a shape, which the native half is told once. Shapes are found
 * by walking a tree from key to key; at each place the key of last time is looked at first.
 *
 * `src/crossing.rs` reads what is written here, and has the same layout.
 */
import { type NativeEmitter } from '../native';
import type { EventData, EventOptions } from './emitter';
import { Receipt } from './receipt';
import { type Trace } from './trace';
/** An event as JSON: its type, its data, its other members. */
export interface Written {
    readonly type: string;
    readonly data: string | undefined;
    readonly rest: string | undefined;
}
/** The event as JSON; throws what is wrong with it. */
export declare function written(type: string, data: EventData | null | undefined, options: EventOptions | undefined, trace?: Trace | undefined): Written;
/** The way into one emitter. */
export declare class Entrance {
    #private;
    constructor(emitter: NativeEmitter);
    /** Emits; `inside` a sink of the host's, a lane without room drops the event. */
    emit(type: string, data: EventData | null | undefined, options: EventOptions | undefined, inside: boolean): Receipt;
    /** Emits if there is room. */
    tryEmit(type: string, data: EventData | null | undefined, options: EventOptions | undefined): Receipt | undefined;
    /**
     * As `tryEmit`, having waited for so many milliseconds; answers for how many in all it may be waited, if there is
     * no room.
     */
    tryWritten(event: Written, waited: number): Receipt | number;
}
