// Held against the types as a user's strict project would be; never run.
import {
  configure,
  deed,
  Emitter,
  emit,
  emitAsync,
  InvalidEventError,
  part,
  Rejected,
  run,
  tool,
  verify,
  type Configuration,
  type GovernanceEventSink,
  type SignedGovernanceEvent,
  type SinkClass,
  type SinkHealth,
} from 'sinkwell';
import { recordAll, SinkwellSpanProcessor } from 'sinkwell/otel';
import { subscribeChannels } from 'sinkwell/diagnostics-channel';
import { unwatch, watch } from 'sinkwell/mcp';
import transport from 'sinkwell/pino';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { Sampler, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace-base';

declare global {
  // The MCP SDK takes this from a browser's types.
  type HeadersInit = Headers | Record<string, string> | [string, string][];
}

class Defender implements GovernanceEventSink {
  readonly name = 'defender';
  readonly classes: ReadonlySet<SinkClass> = new Set(['siem']);

  async emit(event: SignedGovernanceEvent): Promise<void> {
    const sequence: number = event.sequence;
    const time: Date = event.time;
    if (event.data['tool'] === 'shell') throw new Rejected(`${sequence} ${time.toISOString()} ${event.agentId}`);
  }

  async health(): Promise<SinkHealth> {
    return { healthy: true };
  }
}

await using sw = await Emitter.open('sinkwell.yaml', { sinks: [new Defender()] });
const paid: number = await sw.deed('tool.invocation', { tool: 'pay' }, async (act) => {
  act.result({ receipt: act.id }, [part('tool_result', { text: 'paid' })]);
  return 7;
});
const own: string = await deed('com.example.act', null, { until: 'enqueued', timeout: 50, run: 'r-1' }, () => `${paid}`);
await sw.deed('com.example.act', { any: [1, own] }, () => {});
// @ts-expect-error A tool is a string.
await sw.deed('tool.invocation', { tool: 1 }, () => {});
// @ts-expect-error There is an act.
await sw.deed('tool.invocation', { tool: 'pay' });
const receipt = sw.emit('tool.invocation', { tool: 'x' }, { run: 'r', content: [part('prompt', { text: 'hi' })] });
const state: 'delivered' | 'lost' | 'uncertain' | 'filtered' | undefined = (await receipt.delivered())['out']?.state;
const admitted: number | undefined = sw.counters()['out']?.admitted;
sw.addSink({ name: 'plain', emit: (event) => console.log(event.type, state, admitted) }, { overflow: 'block' });
const processor: SpanProcessor = new SinkwellSpanProcessor({ emitter: sw });
subscribeChannels(['http.client.request.start'], { map: () => undefined });
console.log((await verify('events.ndjson', { keys: { k1: 'agent.pem.pub' } })).verdict, processor);

// @ts-expect-error a severity is one of six
emit('com.x', {}, { severity: 'loud' });
// @ts-expect-error data is an object
emit('com.x', 'text');
try {
  emit('com.x');
} catch (error) {
  if (error instanceof InvalidEventError) {
    const kind: 'invalid_event' = error.kind;
    const where: string | undefined = error.where;
    console.log(kind, error.code, where);
  }
}

// An interface's values, and members that are not there.
interface Note {
  text: string;
  author?: string;
}
const note: Note = { text: 'hi' };
emit('com.example.note', note, { run: undefined, content: undefined });
emit('tool.invocation', { tool: 'x', outcome: undefined, more: 1 });
declare const anyType: string;
emit(anyType, note);
await emitAsync('run.completed');
await emitAsync('run.failed', { 'error.type': 'x', mine: note }, { run: 'r' });
// @ts-expect-error an outcome is one of five
emit('tool.invocation', { tool: 'x', outcome: 'good' });
// @ts-expect-error it says which tool
emit('tool.invocation', { outcome: 'ok' });
// @ts-expect-error it says which tool
emit('tool.invocation');
// @ts-expect-error a list is no data
emit('com.example.note', [1]);
// @ts-expect-error nor is a date
emit('com.example.note', new Date());

const document: Configuration = {
  agent: { id: 'a' },
  key: { id: 'k1', ed25519: { file: 'agent.pem' } },
  lanes: ['stdout', { sink: { file: { path: 'x' } }, overflow: 'block', batch: { linger: '1s' } }, { sink: { host: 'h' } }],
};
await configure(document);
// @ts-expect-error a key of a lane that there is none
await configure({ lanes: [{ sink: 'stdout', overfow: 'block' }] });
// @ts-expect-error a value that there is none
await Emitter.open({ lanes: [{ sink: 'stdout', overflow: 'drop' }] });
const sum: number = run('r1', () => tool('add', (a: number, b: number) => a + b)(1, 2));
const later: Promise<string> = run({ agent: 'b' }, async ({ run }) => run ?? '');
const sampler: Sampler = recordAll(new AlwaysOffSampler());
const stream = await transport({ config: document });
console.log(sum, later, sampler, stream.writable);

const server: McpServer = watch(new McpServer({ name: 'shop', version: '1' }), { emitter: sw, permit: 'raw', timeout: 100 });
const client: Client = watch(new Client({ name: 'agent', version: '1' }));
unwatch(server);
unwatch(client);
// @ts-expect-error There is no such mode.
watch(server, { permit: 'all' });
const steps: number = sw.emitStep({ kind: 'agent', id: 'a-1', name: 'buyer', start_unix_nano: '1700000000000000000' });
const answer: number = await sw.deedOfStep({ id: 't-1', name: 'pay', input: { to: 'Ann' } }, (call) => {
  call.ended({ output: [steps], outcome: 'ok' });
  return 7;
});
// @ts-expect-error A step has a kind.
sw.emitStep({ id: `${answer}` });
