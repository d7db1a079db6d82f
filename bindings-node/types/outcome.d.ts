/** The name that an error gives its kind: that of its class, or its own where that says more (`AbortError`). */
export declare function kindOf(error: unknown): string;
/** How it ended, by the names that the core knows: the error's own, else its code (`ETIMEDOUT`). */
export declare function outcomeOf(error: unknown): 'error' | 'timeout' | 'cancelled';
