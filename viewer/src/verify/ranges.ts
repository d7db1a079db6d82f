// Sets of numbers as ranges, since a range that somebody names may be as long as he likes.

export type Range = readonly [from: number, to: number];

export class Ranges {
  /** Without overlap, in order; both ends belong to each. */
  readonly list: [number, number][] = [];

  static of(numbers: Iterable<number>): Ranges {
    const out = new Ranges();
    for (const n of [...numbers].sort((a, b) => a - b)) out.add(n, n);
    return out;
  }

  add(from: number, to: number): void {
    const { list } = this;
    const last = list.at(-1);
    if (!last || last[1] < from - 1) {
      list.push([from, to]);
      return;
    }
    // The first range that ends right before `from` or behind it, and all that begin up to right behind `to`.
    const start = first(list, (range) => range[1] >= from - 1);
    let end = start;
    while (end < list.length && (list[end] as Range)[0] <= to + 1) end += 1;
    if (end > start) {
      from = Math.min(from, (list[start] as Range)[0]);
      to = Math.max(to, (list[end - 1] as Range)[1]);
    }
    list.splice(start, end - start, [from, to]);
  }

  has(n: number): boolean {
    const range = this.list[first(this.list, ([, to]) => to >= n)];
    return range !== undefined && range[0] <= n;
  }
}

/** The index of the first element for which `test` holds, where it holds for all behind it. */
export function first<T>(list: readonly T[], test: (value: T) => boolean): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(list[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** What of `from` to `to` is in none of the sets. */
export function minus(from: number, to: number, ...taken: Ranges[]): Range[] {
  let left: Range[] = from <= to ? [[from, to]] : [];
  for (const { list } of taken) {
    const next: Range[] = [];
    for (const [a, b] of left) {
      let at = a;
      for (let i = first(list, (range) => range[1] >= a); i < list.length; i += 1) {
        const [x, y] = list[i] as Range;
        if (x > b) break;
        if (x > at) next.push([at, x - 1]);
        at = y + 1;
      }
      if (at <= b) next.push([at, b]);
    }
    left = next;
  }
  return left;
}

export const size = (ranges: readonly Range[]): number => ranges.reduce((n, [a, b]) => n + b - a + 1, 0);

/** The first `count` numbers of some ranges. */
export function cut(ranges: readonly Range[], count: number): Range[] {
  const out: Range[] = [];
  for (const [a, b] of ranges) {
    if (count <= 0) break;
    const end = Math.min(b, a + count - 1);
    out.push([a, end]);
    count -= end - a + 1;
  }
  return out;
}

/** Neighbours among numbers, joined. */
export const runs = (numbers: Iterable<number>): Range[] => Ranges.of(numbers).list;
