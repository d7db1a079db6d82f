// What the scripted runs share: an emitter whose required sink is up, or down when the run begins.
import { Emitter } from 'sinkwell';

export const MARKER = 'MARKER';

const CLASSES = ['prompt', 'system', 'completion', 'tool_arguments', 'tool_result', 'message'];

/**
 * An emitter that writes to a file; with `raw`, the policy lets people's words go there; with `down`, governance requires a
 * sink that has just gone away.
 */
export async function opened(out, how) {
  const lane = { id: 'out', sink: { file: { path: out } } };
  const config = { agent: { id: 'urn:example:agent' }, heartbeat: 'off', lanes: [lane] };
  if (how === 'raw') {
    const content = {
      mode: 'raw',
      retention: { class: 'short', window: '30d' },
      limits: { bytes: '64KiB' },
      sampling: { key: 'run', rate: { numerator: 1, denominator: 1 } },
      redaction: { id: 'none', detectors: ['card'] },
    };
    config.governance = { version: '1', content };
    lane.content = { mode: 'raw', classes: CLASSES };
  }
  if (how !== 'down') return Emitter.open(config);
  const siem = {
    name: 'siem',
    classes: ['siem'],
    down: false,
    emit() {
      if (this.down) throw new Error('away');
    },
  };
  const retry = { retry: { initial: '1h', cap: '1h' }, breaker: { failures: 1 } };
  config.lanes.push({ id: 'siem', classes: ['siem'], sink: { host: 'siem' }, ...retry });
  config.governance = { version: '1', requires_sink: 'siem' };
  const emitter = await Emitter.open(config, { sinks: [siem] });
  siem.down = true;
  emitter.emit('com.example.lost');
  for (;;) {
    try {
      emitter.ensureReady();
    } catch {
      return emitter;
    }
    await new Promise(setImmediate);
  }
}

/** As a program's own policy refuses a call. */
export class PolicyDenied extends Error {
  name = 'PolicyDenied';
}

/** Prints how the run was refused, or throws what was no refusal. */
export function refused(error, kind = error.kind) {
  if (kind === undefined) throw error;
  console.log('REFUSED', kind, error.message);
}
