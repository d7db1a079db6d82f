/** Content parts, and the decision about them as a value. */
import { types } from 'node:util';
import { evaluateContentCapture as evaluate } from '../native';
import { native } from './errors';
import { camel, snake, toJson } from './json';

/** How much of a part may be seen. */
export type ContentMode = 'off' | 'redacted_summary' | 'content_ref' | 'raw';

/** What a part may say of itself. */
export interface PartOptions {
  readonly text?: string | undefined;
  readonly bytes?: Uint8Array | undefined;
  readonly mediatype?: string | undefined;
  readonly role?: string | undefined;
  /** A reference into the host's own content store. */
  readonly ref?: string | undefined;
  readonly summary?: string | undefined;
  readonly tokens?: number | undefined;
  /** The most its source permits. */
  readonly permit?: ContentMode | undefined;
}

/** A content part: the words of people, which leave only through the gates. */
export interface Part extends PartOptions {
  /** `prompt`, `completion`, `tool_arguments`, `tool_result`, … or a class of your own. */
  readonly class: string;
}

/** A content part of this class. */
export function part(partClass: string, options: PartOptions): Part {
  return { class: partClass, ...options };
}

/** A part as the core reads it: bytes in base64. */
export function partJson(given: Part): Record<string, unknown> {
  const known: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    known[key] = types.isUint8Array(value)
      ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
      : value;
  }
  return known;
}

/** What is asked of the gates. What is absent closes its gate. */
export interface CaptureRequest {
  /** A `governance.content` section. */
  readonly policy?: object | undefined;
  /** A lane's `content`. */
  readonly sink?: object | undefined;
  readonly requestedMode: ContentMode;
  readonly class: string;
  readonly tenant?: string | undefined;
  readonly agent?: string | undefined;
  readonly sourcePermitsContent?: boolean | undefined;
  readonly retentionActive?: boolean | undefined;
  readonly deterministicSampleIncluded?: boolean | undefined;
  readonly requestedBytes?: number | undefined;
  readonly redactionPolicyId?: string | undefined;
  readonly childOrExtension?: string | boolean | undefined;
}

/** What the gates decide. */
export interface CaptureDecision {
  readonly requested: ContentMode;
  readonly effective: ContentMode;
  readonly allowed: boolean;
  /** The first gate that failed. */
  readonly reason: string | null;
  /** All that did. */
  readonly failed: readonly string[];
  readonly redactionPolicyId: string | null;
  readonly policyRefs: readonly string[];
}

/** Decides whether content may leave, without emitting anything. */
export function evaluateContentCapture(request: CaptureRequest): CaptureDecision {
  const text = toJson(snake(request), '');
  return camel(JSON.parse(native(() => evaluate(text))) as Record<string, unknown>);
}
