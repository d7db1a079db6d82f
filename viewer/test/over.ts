// A stream to which everything happens that a picture over time must show, each at a time that is known.
import { Sealer, keyOf } from './sealed.ts';

export const SECOND = 1000;

export interface Over {
  lines: string[];
  /** When what happened, in milliseconds. */
  at: Record<string, number>;
  /** At which number. */
  n: Record<string, number>;
}

/**
 * Signed in batches by `k`; watched at one seam for a while; losses that are declared; a number that was taken out; a
 * change to `k2`; a checkpoint; silence; a stretch that no checkpoint holds, and at its end lines that nothing signs.
 */
export function overTime(): Over {
  const of = new Sealer(1, 'urn:example:planner', keyOf(1), 'file', 'batch');
  const at: Record<string, number> = {};
  const n: Record<string, number> = {};
  const note = (what: string): void => {
    at[what] = of.clock;
    n[what] = of.n;
  };
  note('opened');
  let admitted = 0;
  const work = (many: number): void => {
    for (let i = 0; i < many; i += 1) {
      of.signs = i % 4 === 3 || i === many - 1;
      of.seal('tool.invocation', { outcome: 'ok', tool: `t${i % 3}` }, { runid: 'run-1' });
      admitted += 1;
    }
    of.signs = true;
  };
  const beat = (pending: number, retried: number, dropped: number, state = 'healthy'): void => {
    of.own('heartbeat', {
      counters: {
        admitted,
        delivered: admitted - pending - dropped,
        dropped,
        pending,
        rejected: 0,
        retried,
      },
      heads: [],
      lane: 'file',
      state,
    });
  };
  const cover = (state: string, id: string, cause?: string): void => {
    const more = cause === undefined ? { id } : { causationid: cause, id };
    of.seal('coverage', { package: 'mcp', seam: 'mcp.server', state, version: '1.2' }, more);
  };
  work(4);
  beat(1, 0, 0);
  cover('watching', 'watch-1');
  note('watching');
  work(8);
  beat(3, 2, 0);
  cover('stopped', 'stop-1', 'watch-1');
  note('stopped');
  work(8);
  of.own('sink.failed', {
    dropped: 0,
    failure: 'network',
    kind: 'otlp',
    lane: 'file',
    state: 'degraded',
    summary: 'connection refused',
    terminal_preserved: true,
    acked: { streamid: of.id, sequence: '00000000000000000004', export: 4 },
    repair: { streamid: of.id, sequence: '00000000000000000005', export: 5 },
    unsafe_replay: 'the receiver keeps no keys',
  });
  note('failed');
  const required = { rule: 'required_sinks.audit', action: 'fail_closed' };
  of.own('policy.breach', { reason: 'required_sink_unavailable', ...required });
  beat(8, 9, 0, 'degraded');
  work(3);
  // Three numbers that the producer itself lost, and says so.
  const prev = of.prev as string;
  const from = of.n + 1;
  of.n += 3;
  const digits = (number: number): string => String(number).padStart(20, '0');
  of.own('policy.breach', {
    count: 3,
    lane: 'file',
    lost: [{ from: digits(from), prev, to: digits(from + 2) }],
    reason: 'overflow',
  });
  note('declared');
  of.own('sink.recovered', {
    dropped: 3,
    failure: 'network',
    kind: 'otlp',
    lane: 'file',
    state: 'healthy',
    summary: 'works again',
    terminal_preserved: true,
  });
  note('recovered');
  of.own('policy.breach', { reason: 'required_sink_recovered', ...required });
  beat(0, 9, 3);
  work(4);
  // What somebody took out after it had been sealed.
  of.seal('tool.invocation', { outcome: 'ok', tool: 'taken-out' }, { runid: 'run-1' });
  note('removed');
  work(4);
  beat(0, 9, 3);
  of.own('audit.chain', { action: 'key_retiring', keyid: 'k', other: 'k2', alg: 'ed25519' });
  of.key = keyOf(2);
  of.keyid = 'k2';
  of.own('audit.chain', { action: 'key_active', keyid: 'k2', other: 'k', alg: 'ed25519', sign: 'each' });
  note('key');
  for (let i = 0; i < 4; i += 1) of.seal('tool.invocation', { outcome: 'ok', tool: 'u' });
  of.checkpoint();
  note('checkpoint');
  beat(0, 9, 3);
  note('quiet');
  of.clock += 300 * SECOND;
  beat(2, 9, 3);
  note('heard');
  for (let i = 0; i < 6; i += 1) of.seal('tool.invocation', { outcome: 'ok', tool: 'u' });
  note('last');
  of.signs = false;
  for (let i = 0; i < 3; i += 1) of.seal('tool.invocation', { outcome: 'ok', tool: 'unsigned' });
  note('unsigned');
  return { lines: of.lines.filter((line) => !line.includes('"taken-out"')), at, n };
}
