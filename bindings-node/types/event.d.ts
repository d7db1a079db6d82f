import { type Keys } from './keys';
/** An event that has its place in a stream, with the bytes that prove it. */
export declare class SignedGovernanceEvent {
    #private;
    /** The exact line, without its newline: what verifies. */
    readonly bytes: Buffer;
    /** The envelope's hash: a receiver drops a repeat of the same. */
    readonly idempotencyKey: string;
    /** SHA-256, in hex, of what happened, without its place: the same in every lane that sealed it in the same form. */
    readonly eventDigest: string;
    constructor(bytes: Buffer, idempotencyKey: string, eventDigest: string);
    /** The whole envelope, by the names it has on the wire. */
    get envelope(): Record<string, unknown>;
    /** Whether one of these keys has sealed exactly this. Says nothing of its place in a stream. */
    verify(keys: Keys): boolean;
    /** The event's data. */
    get data(): Record<string, unknown>;
    /** Its number in its stream. */
    get sequence(): number;
    /** When it occurred; `envelope.time` has the nanoseconds. */
    get time(): Date;
    /** When it was sealed. */
    get recordedTime(): Date;
    /** Of CloudEvents. */
    get specVersion(): string;
    /** A UUIDv7, or the host's own; the same in every lane. */
    get id(): string;
    /** URI-reference of the producer. */
    get source(): string;
    /** The full type. */
    get type(): string;
    /** What it is about. */
    get subject(): string | undefined;
    /** Of `data`. */
    get dataContentType(): string;
    /** The schema and its version. */
    get dataSchema(): string;
    /** `core` on sinkwell's own envelopes. */
    get origin(): string | undefined;
    /** The emitting agent. */
    get agentId(): string;
    /** Tenant scope. */
    get tenantId(): string | undefined;
    /** Version of the policy bundle in force. */
    get policyVersion(): string | undefined;
    /** W3C trace context. */
    get traceParent(): string | undefined;
    /** W3C trace state. */
    get traceState(): string | undefined;
    /** Of the whole conversation. */
    get correlationId(): string | undefined;
    /** Of the event that caused this one. */
    get causationId(): string | undefined;
    /** `TRACE` … `FATAL`. */
    get severityText(): string;
    /** 1 … 21. */
    get severityNumber(): number;
    /** The agent run. */
    get runId(): string | undefined;
    /** The turn in the run. */
    get turnId(): string | undefined;
    /** The attempt in the turn. */
    get attemptId(): string | undefined;
    /** The stream it belongs to. */
    get streamId(): string;
    /** Hash of the stream's previous envelope; none on the first. */
    get prevHash(): string | undefined;
    /** `ed25519` or `hmac-sha256`. */
    get sigAlg(): string | undefined;
    /** Which key: a hint, never itself trusted. */
    get keyId(): string | undefined;
    /** Base64. */
    get signature(): string | undefined;
}
