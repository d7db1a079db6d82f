/** What became of a log: counts, and what was first. */
export interface VacuumReport {
    readonly lines: number;
    /** Events that were taken. */
    readonly events: number;
    /** Events that every lane has already. */
    readonly skipped: number;
    /** Lines that went through. */
    readonly passed: number;
    readonly tooLarge: number;
    readonly tooDeep: number;
    readonly refused: number;
    /** Events that no lane took; their lines went through. */
    readonly unsent: number;
    readonly integersAsStrings: number;
    /** Flagged lines by what carried them. */
    readonly formats: Readonly<Record<string, number>>;
    /** The lanes that had the nonce already, and where their cursors stand. */
    readonly skippedBy?: readonly {
        lane: string;
        nonce: number;
        cursor: number;
        events: number;
    }[];
    readonly firstRefusal?: {
        line: number;
        why: string;
    };
    readonly firstUnsent?: {
        line: number;
        why: string;
    };
}
/** What a log is, beside its text. */
export interface VacuumOptions {
    /** Whose log it is. */
    process?: string | undefined;
    /** The message, block or batch that it is of, from 0 to 2^53-1. */
    nonce?: number | undefined;
    /** What carries the lines; by default each line as it looks. */
    format?: 'auto' | 'plain' | 'docker' | 'cri' | 'lambda' | 'journald' | undefined;
    /** Where what goes through is written; by default it is kept and answered. */
    out?: {
        write(bytes: Uint8Array): unknown;
    } | undefined;
}
/** A log: text, bytes, or anything that gives such, as a `Readable` does. */
export type Log = string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;
