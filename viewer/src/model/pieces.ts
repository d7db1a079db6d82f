// The bytes of the input, compressed as they came; pieces that somebody looks at are kept unpacked for a while.

export interface Piece {
  source: number;
  /** The number of its first line, from 1. */
  line: number;
  /** Compressed; absent where the line was too long to be kept. */
  gz: Uint8Array | undefined;
  /** How long that line was. */
  length: number;
}

const KEPT = 12;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export async function gunzip(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** What is in a piece; nothing where it cannot be unpacked. */
export const unpacked = (gz: Uint8Array | undefined): Promise<Uint8Array | undefined> =>
  gz ? gunzip(gz).catch(() => undefined) : Promise.resolve(undefined);

/** The lines of some bytes, without their ends; `undefined`: no UTF-8. `tail`: no newline ends the last one. */
export function linesOf(bytes: Uint8Array): { lines: (string | undefined)[]; tail: boolean } {
  const tail = bytes.length > 0 && bytes[bytes.length - 1] !== 10;
  let lines: (string | undefined)[];
  try {
    lines = utf8.decode(bytes).split('\n');
  } catch {
    lines = [];
    for (let from = 0; from <= bytes.length;) {
      const end = bytes.indexOf(10, from);
      const part = bytes.subarray(from, end < 0 ? bytes.length : end);
      try {
        lines.push(utf8.decode(part));
      } catch {
        lines.push(undefined);
      }
      from = end < 0 ? bytes.length + 1 : end + 1;
    }
  }
  if (!tail) lines.pop();
  return { lines, tail };
}

export class Pieces {
  readonly all: Piece[] = [];
  private readonly bySource = new Map<number, Piece[]>();
  private readonly open = new Map<Piece, Promise<(string | undefined)[]>>();

  add(piece: Piece): void {
    this.all.push(piece);
    const of = this.bySource.get(piece.source);
    if (of) of.push(piece);
    else this.bySource.set(piece.source, [piece]);
  }

  lines(piece: Piece): Promise<(string | undefined)[]> {
    let lines = this.open.get(piece);
    if (!lines) {
      lines = piece.gz
        ? gunzip(piece.gz).then((bytes) => linesOf(bytes).lines)
        : Promise.resolve([undefined]);
    }
    // The one used last stands last.
    this.open.delete(piece);
    this.open.set(piece, lines);
    for (const old of this.open.keys()) {
      if (this.open.size <= KEPT) break;
      this.open.delete(old);
    }
    return lines;
  }

  /** The text of a line. */
  async line(source: number, line: number): Promise<string | undefined> {
    const pieces = this.bySource.get(source) ?? [];
    let low = 0;
    let high = pieces.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((pieces[middle] as Piece).line <= line) low = middle + 1;
      else high = middle;
    }
    const piece = pieces[low - 1];
    return piece && (await this.lines(piece))[line - piece.line];
  }
}
