// The tree of an audit log (RFC 9162), worked out from the lines that are here: docs/AUDIT.md, "Tree".
//
// A leaf is SHA-256(0x00 ‖ the envelope's hash), a node SHA-256(0x01 ‖ left ‖ right). Complete subtrees are kept once they
// are known, as bytes, so that a proof of any line against any head costs little after the first.

import { sha256 } from '@noble/hashes/sha2.js';

import { hex, unhex } from '../verify/bytes.ts';

const LEAF = new Uint8Array([0]);
const NODE = 1;

/** A step of a proof: the hash beside the way up, and on which side it stands. */
export interface Step {
  side: 'left' | 'right';
  hash: string;
}

export class Tree {
  /** By height: the roots of complete subtrees of 2^height leaves, one after the other. */
  private readonly levels: Uint8Array[] = [];
  private readonly counts: number[] = [];

  /** How many leaves it knows. */
  get size(): number {
    return this.counts[0] ?? 0;
  }

  /** Adds a leaf, by the hash of its envelope in hex. */
  add(hash: string): void {
    const bytes = new Uint8Array(33);
    bytes.set(LEAF);
    bytes.set(unhex(hash), 1);
    this.put(0, sha256(bytes));
  }

  private put(height: number, hash: Uint8Array): void {
    let level = this.levels[height];
    const at = this.counts[height] ?? 0;
    if (!level || level.length < (at + 1) * 32) {
      const grown = new Uint8Array(Math.max(1024, (at + 1) * 64));
      if (level) grown.set(level);
      this.levels[height] = level = grown;
    }
    level.set(hash, at * 32);
    this.counts[height] = at + 1;
    if (at % 2 === 1) this.put(height + 1, parent(this.known(height, at - 1), hash));
  }

  private known(height: number, at: number): Uint8Array {
    return (this.levels[height] as Uint8Array).subarray(at * 32, (at + 1) * 32);
  }

  /** The root over the leaves from `from` to before `to`, where `from` begins a complete subtree of at least that size. */
  private over(from: number, to: number): Uint8Array {
    const size = to - from;
    const height = Math.log2(size);
    if (Number.isInteger(height)) return this.known(height, from / size);
    const middle = from + half(size);
    return parent(this.over(from, middle), this.over(middle, to));
  }

  /** The root of the tree of the first `size` leaves, in hex. */
  root(size: number): string {
    return hex(size === 0 ? sha256(new Uint8Array()) : this.over(0, size));
  }

  /** The way from a leaf up to the root of the first `size` leaves. */
  proof(index: number, size: number): Step[] {
    const steps: Step[] = [];
    let [from, to] = [0, size];
    while (to - from > 1) {
      const middle = from + half(to - from);
      if (index < middle) {
        steps.push({ side: 'right', hash: hex(this.over(middle, to)) });
        to = middle;
      } else {
        steps.push({ side: 'left', hash: hex(this.over(from, middle)) });
        from = middle;
      }
    }
    return steps.reverse();
  }
}

/** Where a proof leads to, in hex. */
export function follow(hash: string, steps: readonly Step[]): string {
  const bytes = new Uint8Array(33);
  bytes.set(unhex(hash), 1);
  let at: Uint8Array = sha256(bytes);
  for (const step of steps) {
    const beside = unhex(step.hash);
    at = step.side === 'left' ? parent(beside, at) : parent(at, beside);
  }
  return hex(at);
}

/** The largest power of two below `size`. */
function half(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

function parent(left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(65);
  bytes[0] = NODE;
  bytes.set(left, 1);
  bytes.set(right, 33);
  return sha256(bytes);
}
