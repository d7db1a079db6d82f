/** How an event ended in a lane. */
export interface Ending {
    readonly state: 'delivered' | 'lost' | 'uncertain' | 'filtered';
    /** Why, unless it was delivered. */
    readonly reason: string | null;
    readonly streamid: string | null;
    readonly sequence: number | null;
    readonly hash: string | null;
    /** The event's digest: the same in every lane that sealed it in the same form. */
    readonly digest: string | null;
    /** RFC 3339 with nanoseconds. */
    readonly when: string;
}
/** How long a wait may take. */
export interface WaitOptions {
    /** In milliseconds; then the promise rejects with `TimeoutError`, while the event is still on its way. */
    readonly timeout?: number | undefined;
}
/** What `emit` gives back. Waiting on it costs memory only and keeps no process alive. */
export declare class Receipt {
    #private;
    /** The event's id, the same in every lane. */
    get id(): string;
    /** What each lane did with it: `enqueued`, `filtered`, `dropped: REASON`. */
    get lanes(): Readonly<Record<string, string>>;
    /** How many queued events of each lane went for it. */
    get evicted(): Readonly<Record<string, number>>;
    /** Settles when every lane's sink has answered; a loss is an answer, not an error. */
    delivered(options?: WaitOptions): Promise<Record<string, Ending>>;
    /** Settles when every durable lane that took the event has it on disk. */
    journaled(options?: WaitOptions): Promise<void>;
    /** The salt of a content part, which with the part proves its digest; once the event is sealed. */
    salt(part: number): Buffer | undefined;
}
