// Held against the types as a user's strict project would be; never run.
import {
  Emitter,
  emit,
  InvalidEventError,
  part,
  Rejected,
  verify,
  type GovernanceEventSink,
  type SignedGovernanceEvent,
  type SinkClass,
  type SinkHealth,
} from 'sinkwell';
import { SinkwellSpanProcessor } from 'sinkwell/otel';
import { subscribeChannels } from 'sinkwell/diagnostics-channel';
import type { SpanProcessor } from '@opentelemetry/sdk-trace-base';

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
