// Who is measured. A candidate emits (`emit`, or `wait`, which gives a promise), waits until everything so far is
// delivered (`flush`), and ends and tells what it knows (`settle`).
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { attributes, TYPE } from './event.js';

const KEY = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=';

// Three lanes as the bars ask for (memory, file, OTLP), or the one over OTLP; sealed with HMAC.
async function sinkwell(port, dir, { three, block, nothing }) {
  const { Emitter } = await import('../../bindings-node/dist/index.mjs');
  const common = { batch: { linger: '200ms' }, ...(block && { overflow: 'block' }) };
  const endpoint = { endpoint: `http://127.0.0.1:${port}`, protocol: 'http/protobuf', compression: 'none' };
  const lanes = [{ id: 'otlp', sink: { otlp: endpoint }, ...common }];
  if (three) {
    lanes.push({ id: 'memory', sink: 'memory', ...common });
    lanes.push({ id: 'file', sink: { file: { path: join(dir, 'events.ndjson') } }, ...common });
  }
  const key = { id: 'k1', hmac_sha256: { base64: KEY } };
  const emitter = await Emitter.open({ agent: { id: 'urn:example:agent' }, key, lanes });
  return {
    ...(block
      ? { wait: (n) => emitter.emitAsync(TYPE, attributes(n)) }
      : { emit: nothing ? () => emitter.emit(TYPE) : (n) => emitter.emit(TYPE, attributes(n)) }),
    flush: () => emitter.flush(),
    async settle() {
      await emitter.shutdown({ timeout: 60_000 });
      // Of a disabled emitter there are none.
      const { own = 0, dropped = 0, rejected = 0 } = emitter.counters().otlp ?? {};
      return { otlp_own: own, otlp_dropped: dropped, otlp_rejected: rejected };
    },
  };
}

// The SDK's batch processor and OTLP exporter, as they are by default. Of what it drops it tells a meter only.
async function openTelemetry(port) {
  const { SeverityNumber } = await import('@opentelemetry/api-logs');
  const { OTLPLogExporter } = await import('@opentelemetry/exporter-logs-otlp-proto');
  const { BatchLogRecordProcessor, LoggerProvider } = await import('@opentelemetry/sdk-logs');
  const exporter = new OTLPLogExporter({ url: `http://127.0.0.1:${port}/v1/logs` });
  const provider = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter })] });
  const logger = provider.getLogger('bench');
  return {
    emit: (n) =>
      logger.emit({
        eventName: TYPE,
        severityNumber: SeverityNumber.INFO,
        severityText: 'INFO',
        attributes: attributes(n),
      }),
    flush: () => provider.forceFlush(),
    async settle() {
      await provider.shutdown();
      return {};
    },
  };
}

// pino with its worker transport, to a file.
async function pinoFile(port, dir) {
  const { pino } = await import('pino');
  const transport = pino.transport({ target: 'pino/file', options: { destination: join(dir, 'peer.ndjson') } });
  await new Promise((resolve, reject) => transport.once('ready', resolve).once('error', reject));
  const logger = pino(transport);
  return {
    emit: (n) => logger.info(attributes(n), TYPE),
    flush: () => new Promise((resolve, reject) => logger.flush((e) => (e ? reject(e) : resolve()))),
    async settle() {
      const closed = new Promise((resolve) => transport.once('close', resolve));
      transport.end();
      await closed;
      return {};
    },
  };
}

// Keys in order, as a signature needs them.
function canonical(value) {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`;
}

// Signs each event where it happens, as toolkits for agents do: canonical JSON, the hash of the one before, HMAC,
// append.
function byHand(port, dir) {
  const file = openSync(join(dir, 'peer.ndjson'), 'a');
  const key = Buffer.from(KEY, 'base64');
  let previous = '';
  let sequence = 0;
  return {
    emit(n) {
      const event = {
        id: randomUUID(),
        type: TYPE,
        source: 'urn:example:agent',
        time: new Date().toISOString(),
        sequence: String(++sequence),
        previous,
        data: attributes(n),
      };
      event.signature = createHmac('sha256', key).update(canonical(event)).digest('hex');
      const line = canonical(event);
      previous = createHash('sha256').update(line).digest('hex');
      writeSync(file, `${line}\n`);
    },
    flush: async () => {},
    async settle() {
      closeSync(file);
      return {};
    },
  };
}

export const CANDIDATES = {
  otel: openTelemetry,
  three: (port, dir) => sinkwell(port, dir, { three: true }),
  'three-block': (port, dir) => sinkwell(port, dir, { three: true, block: true }),
  otlp: (port, dir) => sinkwell(port, dir, {}),
  convert: (port, dir) => sinkwell(port, dir, {}),
  'convert-nothing': (port, dir) => sinkwell(port, dir, { nothing: true }),
  pino: pinoFile,
  hand: byHand,
};
