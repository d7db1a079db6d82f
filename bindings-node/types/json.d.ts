/** What JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | {
    readonly [key: string]: Json;
};
/** A plain object, also one of another realm. */
export declare function isPlain(value: object): boolean;
/** The name of an error's class, which is all that may be said of somebody else's exception. */
export declare function nameOfThrown(error: unknown): string;
/**
 * The value as JSON text. `place` is what errors call it. What needs twice as many bytes as `most` is refused before it is written to
 * its end: lists that hold others again and again are longer than any memory. Of what is a little too long the core says how long.
 */
export declare function toJson(value: unknown, place: string, most?: number): string;
/**
 * What a client of a provider's answers, as JSON text: an instance of a class is read as its own members, and what JSON
 * cannot carry (an HTTP response, a stream, bytes) is left out, as are lists and what lies deep: counts are asked for.
 */
export declare function answerJson(value: unknown, place: string): string;
/** The names of an object's members in JavaScript's spelling: `dropped_by` is `droppedBy`. Not deeper. */
export declare function camel<T>(object: Record<string, unknown>): T;
/** The other way round: `requestedMode` is `requested_mode`. */
export declare function snake(object: object): Record<string, unknown>;
