/** What ends with the process. */
export interface Ending {
    /** Whether its configuration says `handle_signals`. */
    handlesSignals(): boolean;
    /** Whether it calls into JavaScript, and so has to end while that still runs. */
    needsLoop(): boolean;
    flush(): Promise<unknown>;
    shutdown(): Promise<unknown>;
    flushNow(limit: number): void;
    shutdownNow(limit: number): void;
}
/** How long an ending may take that nobody set a limit for, in milliseconds: the core's. */
export declare const LIMIT: number;
/** Ends it with the process, unless it ends before. */
export declare function endWithProcess(emitter: Ending): void;
/** It has ended already. */
export declare function ended(emitter: Ending): void;
