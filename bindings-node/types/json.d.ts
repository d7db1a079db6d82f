/** What JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | {
    readonly [key: string]: Json;
};
/** The value as JSON text. `place` is what errors call it. */
export declare function toJson(value: unknown, place: string): string;
/** The names of an object's members in JavaScript's spelling: `dropped_by` is `droppedBy`. Not deeper. */
export declare function camel<T>(object: Record<string, unknown>): T;
/** The other way round: `requestedMode` is `requested_mode`. */
export declare function snake(object: object): Record<string, unknown>;
