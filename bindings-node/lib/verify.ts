/** What files of sealed events prove. */
import { verify as start } from '../native';
import { trusted, type Keys } from './keys';
import { act, loop } from './loop';
import { checked } from './options';

/** How to verify. */
export interface VerifyOptions {
  /** Whom to trust: `{ k1: 'agent.pem.pub' }`. Without a key nothing is better than `unchecked`. */
  readonly keys?: Keys | undefined;
  /** Files of checkpoints. */
  readonly checkpoints?: readonly string[] | undefined;
  /** Report streams that were silent for this many milliseconds before the end of the input. */
  readonly silence?: number | undefined;
  /** Report authorization edges that lead nowhere. */
  readonly edges?: boolean | undefined;
  /** Notes and declared losses count as findings. */
  readonly strict?: boolean | undefined;
  /** The input is one file of a rotated set. */
  readonly partial?: boolean | undefined;
  /** Lanes of which the input should hold something: one of which it holds nothing is a finding. */
  readonly lanes?: readonly string[] | undefined;
}

/** From best to worst. */
export type Verdict = 'sound' | 'incomplete' | 'unchecked' | 'findings';

/** Something that is not as it should be. */
export interface Finding {
  readonly kind: string;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly where?: string | undefined;
  readonly note: string;
}

/** What was found of one stream. */
export interface StreamReport {
  readonly streamid: string;
  readonly agentid: string;
  readonly envelopes: number;
  readonly first: { readonly sequence: number; readonly time: string };
  readonly last: { readonly sequence: number; readonly time: string };
  readonly closed: boolean;
  readonly head: string;
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
}

/** What `sinkwell verify --format json` prints, too. */
export interface Report {
  readonly verdict: Verdict;
  readonly envelopes: number;
  readonly unsigned: number;
  readonly malformed: number;
  /** Streams that nobody closed: their ends are unproven. */
  readonly open: number;
  readonly streams: readonly StreamReport[];
  readonly lost: Readonly<Record<string, number>>;
  readonly erased: number;
  readonly findings: readonly Finding[];
  /** Files beside those that were read that may belong to them: of another emitter on the same path, or rotated. */
  readonly beside?: readonly string[];
}

/** Verifies files, or directories of `*.ndjson`, `*.jsonl` and `*.log`. */
export async function verify(
  paths: string | readonly string[],
  options: VerifyOptions = {},
): Promise<Report> {
  checked('verify', options, ['keys', 'checkpoints', 'silence', 'edges', 'strict', 'partial', 'lanes']);
  const { keys = {}, checkpoints = [], edges = false, strict = false, partial = false, lanes = [] } = options;
  const given = {
    keys: trusted(keys),
    checkpoints: [...checkpoints],
    edges,
    strict,
    partial,
    lanes: [...lanes],
  };
  const all = options.silence === undefined ? given : { ...given, silence: options.silence };
  const files = typeof paths === 'string' ? [paths] : [...paths];
  return JSON.parse(await act((token) => start(loop, token, files, all))) as Report;
}
