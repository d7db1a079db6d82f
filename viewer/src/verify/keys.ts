// Keys that somebody trusts, and what they verify.
//
// Ed25519 is the browser's own where it has it, with the two checks that it leaves out (points of small order); where it has
// not, that of @noble/ed25519. HMAC is that of @noble/hashes, as the browser's can only be waited for.

import { Point, hashes, verify as nobleVerify } from '@noble/ed25519';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';

import { hex, unbase64, utf8 } from './bytes.ts';

hashes.sha512 = sha512;

export type Algorithm = 'ed25519' | 'hmac-sha256';

export interface Key {
  id: string;
  alg: Algorithm;
  raw: Uint8Array;
  /** The agents that it may seal for: a pattern where `*` stands for any text and `?` for one character. */
  agent?: string;
}

const SPKI = '302a300506032b6570032100';
const NO_KEY = 'neither ed25519: (a public key as SPKI PEM) nor hmac: (at least 32 bytes)';

/** Reads a key as its owner gives it: of a form that is named, or of none, which is then SPKI PEM. */
export function readKey(id: string, form: string, bytes: Uint8Array): Key {
  const written = new TextDecoder('latin1').decode(bytes);
  if ((form === '' || form === 'ed25519') && written.trim().startsWith('-----BEGIN PUBLIC KEY-----')) {
    return { id, alg: 'ed25519', raw: publicKey(written) };
  }
  if (form !== 'hmac' || written.includes('-----BEGIN ') || bytes.length < 32)
    throw new Error(`${id}: ${NO_KEY}`);
  return { id, alg: 'hmac-sha256', raw: bytes };
}

function publicKey(pem: string): Uint8Array {
  const body = /^-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*$/.exec(
    pem.trim(),
  );
  const der = unbase64((body?.[1] ?? '').replace(/\s+/g, ''));
  if (!der || der.length !== 44 || hex(der.subarray(0, 12)) !== SPKI)
    throw new Error('not an Ed25519 public key');
  const raw = der.slice(12);
  checkPoint(raw);
  return raw;
}

/** Refuses what RFC 8032 refuses, strictly: an encoding that is not the point's own, a point of small order. */
export function checkPoint(raw: Uint8Array): void {
  if (Point.fromBytes(raw, false).isSmallOrder()) throw new Error('a public key of small order');
}

/** The first half of what a person compares: SHA-256 of the key, in hex. Of a shared secret nothing is shown. */
export const fingerprint = (key: Key): string => (key.alg === 'ed25519' ? hex(sha256(key.raw)) : '');

/** The order of the group, to refuse scalars that are not reduced. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

function soundForm(signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  let s = 0n;
  for (let i = 63; i >= 32; i -= 1) s = (s << 8n) | BigInt(signature[i] as number);
  if (s >= ORDER) return false;
  // Points of small order are few: only what looks like one is asked the costly way.
  const y = signature.subarray(0, 32);
  if (SMALL.has(hex(y).slice(0, 62))) {
    try {
      return !Point.fromBytes(y, false).isSmallOrder();
    } catch {
      return false;
    }
  }
  return true;
}

/** The encodings of the points of small order, without their last byte, which holds the sign. */
const SMALL = new Set(
  [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ].map((point) => point.slice(0, 62)),
);

const imported = new Map<Key, Promise<CryptoKey> | null>();

async function own(key: Key): Promise<CryptoKey | null> {
  if (!imported.has(key)) {
    const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
    imported.set(
      key,
      subtle
        ? subtle.importKey('raw', key.raw as BufferSource, { name: 'Ed25519' }, false, ['verify'])
        : null,
    );
  }
  try {
    return await (imported.get(key) ?? null);
  } catch {
    imported.set(key, null);
    return null;
  }
}

/** Whether `signature` is this key's over `message`; at once for a shared secret, else to be waited for. */
export function verifies(
  key: Key,
  sigalg: string,
  signature: Uint8Array,
  message: Uint8Array,
): boolean | Promise<boolean> {
  if (sigalg !== key.alg) return false;
  if (key.alg === 'hmac-sha256') {
    return same(hmac(sha256, key.raw, message), signature);
  }
  return soundForm(signature) && verifiesEd25519(key, signature, message);
}

async function verifiesEd25519(key: Key, signature: Uint8Array, message: Uint8Array): Promise<boolean> {
  const known = await own(key);
  if (known) {
    return crypto.subtle.verify(
      { name: 'Ed25519' },
      known,
      signature as BufferSource,
      message as BufferSource,
    );
  }
  return nobleVerify(signature, message, key.raw, { zip215: false });
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let different = 0;
  for (let i = 0; i < a.length; i += 1) different |= (a[i] as number) ^ (b[i] as number);
  return different === 0;
}

/** Whether a key may seal for an agent; without any key given there is nothing to ask. */
export function mayseal(key: Key | undefined, agent: string | undefined): boolean {
  if (!key?.agent || agent === undefined) return true;
  return glob(Array.from(key.agent), Array.from(agent));
}

/** Whether `pattern`, where `*` stands for any text and `?` for one character, matches the whole of `text`. */
function glob(pattern: string[], text: string[]): boolean {
  let at = 0;
  let star = -1;
  let from = 0;
  for (let t = 0; t < text.length;) {
    if (pattern[at] === '*') {
      star = at++;
      from = t;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[t])) {
      at += 1;
      t += 1;
    } else if (star >= 0) {
      at = star + 1;
      t = from += 1;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}

export const sealMessage = (hash: Uint8Array): Uint8Array => {
  const out = new Uint8Array(SEAL.length + hash.length);
  out.set(SEAL);
  out.set(hash, SEAL.length);
  return out;
};

const SEAL = utf8('sinkwell-seal-v1\n');
