/** Which envelope a proof is about. */
export type AuditPlace = {
    readonly id: string;
} | {
    readonly index: number;
} | {
    readonly stream: string;
    readonly sequence: number;
};
/** What to find; everything that is given must fit. */
export interface AuditFilter {
    /** A glob over the type: `policy.*`. */
    readonly type?: string;
    readonly agent?: string;
    readonly run?: string;
    readonly tenant?: string;
    /** Not before this time, or not longer ago than this: `48h`. */
    readonly since?: string | Date;
    /** Before this time, or longer ago than this: `48h`. */
    readonly until?: string | Date;
    /** At most so many; default 100. */
    readonly limit?: number;
    /** Only leaves after this index, to go on where the last query ended. */
    readonly after?: number;
}
/** A tree head and its note (C2SP tlog-checkpoint). */
export interface TreeHead {
    readonly origin: string;
    readonly size: number;
    readonly root: string;
    readonly note: string;
    /** The key as witnesses take it, of a signed note. */
    readonly verifier_key?: string;
}
/** What a whole check found. */
export interface AuditReport {
    readonly verdict: 'sound' | 'findings';
    readonly origin: string;
    readonly size: number;
    readonly root: string;
    readonly envelopes: number;
    readonly erased: number;
    readonly conflicts: number;
    readonly found: number;
    readonly findings: readonly {
        readonly kind: string;
        readonly note: string;
        readonly index?: number;
        readonly streamid?: string;
        readonly sequence?: string;
    }[];
}
/** A proof, as docs/AUDIT.md describes it. */
export type AuditProof = Readonly<Record<string, unknown>> & {
    readonly proof: string;
    readonly path: readonly string[];
};
/** An envelope that was found. */
export interface AuditFound {
    readonly index: number;
    readonly envelope: Readonly<Record<string, unknown>>;
}
/** What to count; a member is one of `data`, by its name, or a JSON pointer into the envelope, as `/type`. */
export interface AuditGrouping extends Omit<AuditFilter, 'limit'> {
    /** Events with the same values here are one group. */
    readonly by?: readonly string[];
    /** What to add up, exactly. */
    readonly sum?: readonly string[];
    /** What members must be. */
    readonly where?: Readonly<Record<string, string | number | boolean | null>>;
    /** Which members there must be. */
    readonly has?: readonly string[];
    /** More groups than this are an error; default 1000. */
    readonly groups?: number;
}
/** Events in groups. */
export interface AuditGroups {
    readonly events: number;
    /** What came again, and counts once. */
    readonly repeated: number;
    /** What retention erased of the whole log. */
    readonly erased: number;
    /** The largest first. */
    readonly groups: readonly {
        readonly by: Readonly<Record<string, unknown>>;
        readonly count: number;
        /** `sum` has all its digits, so it is a string. */
        readonly sum: Readonly<Record<string, {
            readonly sum: string;
            readonly numbers: number;
            readonly others: number;
        }>>;
    }[];
}
/** An audit database, for reading; one that is being written to as well. Each call opens it anew. */
export declare class AuditLog {
    #private;
    readonly path: string;
    constructor(path: string);
    /** Recomputes everything; `heads` are notes kept elsewhere, with which the log must still begin. */
    verify(options?: {
        readonly heads?: readonly string[];
    }): Promise<AuditReport>;
    /** The tree head and its note, signed by the Ed25519 key in the file `sign`. */
    head(options?: {
        readonly sign?: string;
    }): Promise<TreeHead>;
    /** Proves that an envelope is in the log, or in its first `size` leaves. */
    prove(place: AuditPlace, size?: number): Promise<AuditProof>;
    /** Proves that the log of `old` leaves was only added to. */
    consistency(old: number, size?: number): Promise<AuditProof>;
    /** Finds envelopes, oldest first. */
    query(filter?: AuditFilter): Promise<AuditFound[]>;
    /** Counts events in groups that have the same members, and adds members up, exactly. */
    group(grouping?: AuditGrouping): Promise<AuditGroups>;
    /** Writes the whole log to a file, one envelope or stub a line; answers how many. */
    export(to: string): Promise<number>;
}
