/**
 * A pino transport: each line becomes a `log.record`.
 *
 * `pino({ transport: { target: 'sinkwell/pino', options: { config: 'sinkwell.yaml' } } })`. It runs in
 * pino's worker thread with an emitter of its own, which ends with the logger.
 */
import { Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { severity as severityOf } from '../native';
import type { Configuration } from './config';
import { Emitter, type EventOptions, type Severity } from './emitter';
import { warn } from './errors';

/** How the transport opens its emitter. */
export interface PinoTransportOptions {
  /** As for `Emitter.open`. */
  readonly config?: Configuration | undefined;
}

function severity(level: unknown): Severity {
  if (typeof level === 'string') return level as Severity;
  return severityOf(Math.trunc(Number(level)) || 0) as Severity;
}

async function record(emitter: Emitter, line: string): Promise<void> {
  const { level, time, msg, name, ...others } = JSON.parse(line) as Record<string, unknown>;
  const data: Record<string, unknown> = { ...others };
  if (typeof msg === 'string') data.message = msg;
  if (typeof name === 'string') data.logger = name;
  const options: { -readonly [K in keyof EventOptions]: EventOptions[K] } = { severity: severity(level) };
  if (typeof time === 'number') options.time = new Date(time);
  else if (typeof time === 'string') options.time = time;
  await emitter.emitAsync('log.record', data, options);
}

/** The transport, as pino calls it. */
export async function transport(options: PinoTransportOptions = {}): Promise<Writable> {
  const emitter = await Emitter.open(options.config);
  const decoder = new StringDecoder('utf8');
  let rest = '';
  const take = async (text: string): Promise<void> => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      try {
        if (line !== '') await record(emitter, line);
      } catch (error) {
        // One line that cannot be emitted must not end the logging.
        warn(error);
      }
    }
  };
  return new Writable({
    decodeStrings: true,
    write(chunk: Buffer, _encoding, done) {
      take(decoder.write(chunk)).then(() => done(), done);
    },
    final(done) {
      take(`${decoder.end()}\n`)
        .then(() => emitter.shutdown())
        .then(() => done(), done);
    },
  });
}

export default transport;
