// An event in a trace, and an error, from a bundle: what is bundled wrongly lacks the one or misnames the other.
import { Emitter } from 'sinkwell';
import { SinkwellSpanProcessor } from 'sinkwell/otel';

const context = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
const active = () => ({ getValue: () => ({ spanContext: () => context }) });
globalThis[Symbol.for('opentelemetry.js.api.1')] = { version: '1.9.0', context: { active } };
const sw = Emitter.openSync({ agent: { id: 'a1' }, lanes: ['stdout'] });
sw.emit('com.example.bundled', { processor: typeof SinkwellSpanProcessor });
try {
  sw.emit('com.example.bundled', { n: NaN });
} catch (error) {
  console.error(error.name, error.kind);
}
