// One product under a program: set up as its own first page says, and nothing at the end. As product.py.
import fs from 'node:fs';

export const { SURVIVAL_PRODUCT: PRODUCT, SURVIVAL_ENDPOINT: ENDPOINT } = process.env;
const JOURNAL = process.env.SURVIVAL_JOURNAL === '1';
export const COUNT = Number(process.env.SURVIVAL_COUNT);

const notes = fs.openSync(process.env.SURVIVAL_NOTES, 'a');
const note = (what, n) => fs.writeSync(notes, `${what} ${n}\n`);

const sinkwell = PRODUCT === 'sinkwell' ? await import(process.env.SURVIVAL_SINKWELL) : undefined;
let tracer;
if (PRODUCT === 'opentelemetry' || PRODUCT === 'langfuse') {
  const { NodeTracerProvider, BatchSpanProcessor } = await import('@opentelemetry/sdk-trace-node');
  let processor;
  if (PRODUCT === 'opentelemetry') {
    const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
    processor = new BatchSpanProcessor(new OTLPTraceExporter({ url: `${ENDPOINT}/v1/traces` }));
  } else {
    const { LangfuseSpanProcessor } = await import('@langfuse/otel');
    processor = new LangfuseSpanProcessor({ publicKey: 'public', secretKey: 'secret', baseUrl: ENDPOINT });
  }
  const provider = new NodeTracerProvider({ spanProcessors: [processor] });
  provider.register();
  tracer = provider.getTracer(PRODUCT === 'langfuse' ? 'langfuse-sdk' : 'survivor');
}

export async function emit(n) {
  if (!sinkwell) {
    tracer.startSpan(`event-${n}`).end();
    note('emitted', n);
    return;
  }
  const receipt = sinkwell.emit('com.example.n', { n });
  note('emitted', n);
  if (JOURNAL && n % 10 === 0) {
    await receipt.journaled();
    note('journaled', n);
  }
}

export async function emitAll(from, to) {
  for (let n = from; n < to; n++) {
    await emit(n);
    await new Promise((later) => setTimeout(later, 1));
  }
}
