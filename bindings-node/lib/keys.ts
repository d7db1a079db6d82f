/** Keys that a verifier trusts. */
import type { Key } from '../native';
import { InvalidArgumentError } from './errors';

/**
 * A key: the path of its file, its bytes, or either with the agents that it may seal for. In front of path or bytes, `hmac:` (the
 * key's bytes as they are) or `ed25519:` (SPKI PEM) says which it is; without a name only SPKI PEM is taken.
 */
export type KeySource =
  | string
  | Uint8Array
  | { readonly file: string; readonly agent?: string }
  | { readonly bytes: Uint8Array; readonly agent?: string };

/** Keys by the id that envelopes name them by. */
export type Keys = Readonly<Record<string, KeySource>>;

/** Keys as the native half takes them. */
export function trusted(keys: Keys): Key[] {
  if (typeof keys !== 'object' || Array.isArray(keys))
    throw new InvalidArgumentError('keys are named by their ids, as { k1: "agent.pem.pub" }', 'keys');
  return Object.entries(keys).map(([id, key]) => {
    if (typeof key === 'string') return { id, file: key };
    if (key instanceof Uint8Array) return { id, bytes: key };
    return { id, ...key };
  });
}
