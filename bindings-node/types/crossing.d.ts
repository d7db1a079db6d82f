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
/** The event as JSON; throws what is wrong with it. `most` is how many bytes its data may have. */
export declare function written(most: number, type: string, data: EventData | null | undefined, options: EventOptions | undefined, trace?: Trace | undefined): Written;
/** The way into one emitter. */
export declare class Entrance {
    #private;
    constructor(emitter: NativeEmitter);
    /** The most bytes that an event's data may have; known once the emitter is open. */
    get most(): number;
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
