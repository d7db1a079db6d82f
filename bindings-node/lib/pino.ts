/**
 * A pino transport: each line becomes a `log.record`.
 *
 * `pino({ transport: { target: 'sinkwell/pino', options: { config: 'sinkwell.yaml' } } })`. It runs in
 * pino's worker thread with an emitter of its own, which ends with the logger.
 *
 * What a line says (its message, its bindings and members, an error's text) is the words of people: it travels as content
 * parts, and leaves the process only as far as `permit` and the content policy let it. Lines are read in the native half
 * (`src/log.rs`), so that no number is rounded on its way; none is dropped for what it holds.
 */
import { Writable } from 'node:stream';
import { parentPort, workerData } from 'node:worker_threads';
import type { Configuration } from './config';
import type { ContentMode } from './content';
import { Emitter } from './emitter';
import { SinkwellError, warn } from './errors';

/** How the transport opens its emitter, and what may be captured. */
export interface PinoTransportOptions {
  /** As for `Emitter.open`. */
  readonly config?: Configuration | undefined;
  /** The most that messages, bindings and errors may be captured; default `off`. */
  readonly permit?: ContentMode | undefined;
  /** What the logger calls messages and errors, where pino does not tell (it does, in its worker). */
  readonly messageKey?: string | undefined;
  readonly errorKey?: string | undefined;
}

interface PinoConfig {
  messageKey?: string;
  errorKey?: string;
  levels?: { labels?: Record<string, string> };
}

/** What pino tells a transport of its logger, where it says that it will. */
function loggerConfig(): Promise<PinoConfig> {
  const told = workerData as { workerData?: { pinoWillSendConfig?: boolean } } | null;
  if (parentPort === null || told?.workerData?.pinoWillSendConfig !== true) return Promise.resolve({});
  return new Promise((resolve) => {
    const port = parentPort!;
    const take = (message: { code?: string; config?: PinoConfig } | null): void => {
      if (message?.code !== 'PINO_CONFIG') return;
      port.off('message', take);
      resolve(message.config ?? {});
    };
    port.on('message', take);
  });
}

/** The transport, as pino calls it. */
export async function transport(options: PinoTransportOptions = {}): Promise<Writable> {
  const config = loggerConfig();
  const emitter = await Emitter.open(options.config);
  let rest = Buffer.alloc(0);
  const take = async (lines: Buffer): Promise<void> => {
    const { messageKey, errorKey, levels } = await config;
    const keys = {
      message: options.messageKey ?? messageKey ?? 'msg',
      error: options.errorKey ?? errorKey ?? 'err',
      permit: options.permit,
      labels: levels?.labels,
    };
    try {
      await emitter.emitPino(lines, keys);
    } catch (error) {
      // Lines that cannot be emitted must not end the logging; of what the core refuses it counts and tells.
      if (!(error instanceof SinkwellError)) warn(error);
    }
  };
  return new Writable({
    decodeStrings: true,
    write(chunk: Buffer, _encoding, done) {
      const whole = chunk.lastIndexOf(10) + 1;
      const lines = whole ? Buffer.concat([rest, chunk.subarray(0, whole)]) : undefined;
      rest = whole ? Buffer.from(chunk.subarray(whole)) : Buffer.concat([rest, chunk]);
      if (lines) take(lines).then(() => done(), done);
      else done();
    },
    final(done) {
      const last = rest.length > 0 ? take(rest) : Promise.resolve();
      last.then(() => emitter.shutdown()).then(() => done(), done);
    },
  });
}

export default transport;
