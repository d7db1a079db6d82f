/**
 * A span or a log record, as the core takes it. Its attributes come last: of one with too many values the core keeps the
 * first.
 */
export declare function spelled(record: object): Buffer;
