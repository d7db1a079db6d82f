/** A sealed event, as sinks get it. */
import { verifyOne } from '../native';
import { native } from './errors';
import { trusted, type Keys } from './keys';

/** An event that has its place in a stream, with the bytes that prove it. */
export class SignedGovernanceEvent {
  /** The exact line, without its newline: what verifies. */
  readonly bytes: Buffer;
  /** The envelope's hash: a receiver drops a repeat of the same. */
  readonly idempotencyKey: string;
  /** SHA-256, in hex, of what happened, without its place: the same in every lane that sealed it in the same form. */
  readonly eventDigest: string;
  #envelope: Record<string, unknown> | undefined;

  constructor(bytes: Buffer, idempotencyKey: string, eventDigest: string) {
    this.bytes = bytes;
    this.idempotencyKey = idempotencyKey;
    this.eventDigest = eventDigest;
  }

  /** The whole envelope, by the names it has on the wire. */
  get envelope(): Record<string, unknown> {
    return (this.#envelope ??= JSON.parse(this.bytes.toString('utf8')) as Record<string, unknown>);
  }

  /** Whether one of these keys has sealed exactly this. Says nothing of its place in a stream. */
  verify(keys: Keys): boolean {
    return native(() => verifyOne(this.bytes, trusted(keys)));
  }

  /** The event's data. */
  get data(): Record<string, unknown> {
    return this.envelope.data as Record<string, unknown>;
  }
  /** Its number in its stream. */
  get sequence(): number {
    return Number(this.envelope.sequence);
  }
  /** When it occurred; `envelope.time` has the nanoseconds. */
  get time(): Date {
    return new Date(this.#text('time'));
  }
  /** When it was sealed. */
  get recordedTime(): Date {
    return new Date(this.#text('recordedtime'));
  }
  /** Of CloudEvents. */
  get specVersion(): string {
    return this.#text('specversion');
  }
  /** A UUIDv7, or the host's own; the same in every lane. */
  get id(): string {
    return this.#text('id');
  }
  /** URI-reference of the producer. */
  get source(): string {
    return this.#text('source');
  }
  /** The full type. */
  get type(): string {
    return this.#text('type');
  }
  /** What it is about. */
  get subject(): string | undefined {
    return this.#maybe('subject');
  }
  /** Of `data`. */
  get dataContentType(): string {
    return this.#text('datacontenttype');
  }
  /** The schema and its version. */
  get dataSchema(): string {
    return this.#text('dataschema');
  }
  /** `core` on sinkwell's own envelopes. */
  get origin(): string | undefined {
    return this.#maybe('origin');
  }
  /** The emitting agent. */
  get agentId(): string {
    return this.#text('agentid');
  }
  /** Tenant scope. */
  get tenantId(): string | undefined {
    return this.#maybe('tenantid');
  }
  /** Version of the policy bundle in force. */
  get policyVersion(): string | undefined {
    return this.#maybe('policyversion');
  }
  /** W3C trace context. */
  get traceParent(): string | undefined {
    return this.#maybe('traceparent');
  }
  /** W3C trace state. */
  get traceState(): string | undefined {
    return this.#maybe('tracestate');
  }
  /** Of the whole conversation. */
  get correlationId(): string | undefined {
    return this.#maybe('correlationid');
  }
  /** Of the event that caused this one. */
  get causationId(): string | undefined {
    return this.#maybe('causationid');
  }
  /** `TRACE` … `FATAL`. */
  get severityText(): string {
    return this.#text('severitytext');
  }
  /** 1 … 21. */
  get severityNumber(): number {
    return this.envelope.severitynumber as number;
  }
  /** The agent run. */
  get runId(): string | undefined {
    return this.#maybe('runid');
  }
  /** The turn in the run. */
  get turnId(): string | undefined {
    return this.#maybe('turnid');
  }
  /** The attempt in the turn. */
  get attemptId(): string | undefined {
    return this.#maybe('attemptid');
  }
  /** The stream it belongs to. */
  get streamId(): string {
    return this.#text('streamid');
  }
  /** Hash of the stream's previous envelope; none on the first. */
  get prevHash(): string | undefined {
    return this.#maybe('prevhash');
  }
  /** `ed25519` or `hmac-sha256`. */
  get sigAlg(): string | undefined {
    return this.#maybe('sigalg');
  }
  /** Which key: a hint, never itself trusted. */
  get keyId(): string | undefined {
    return this.#maybe('keyid');
  }
  /** Base64. */
  get signature(): string | undefined {
    return this.#maybe('signature');
  }

  #text(name: string): string {
    return this.envelope[name] as string;
  }
  #maybe(name: string): string | undefined {
    return this.envelope[name] as string | undefined;
  }
}
