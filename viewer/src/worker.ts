// Runs the model in a worker, or, where there is none to be had, in the page itself, by the same messages.

import { Model } from './model/model.ts';
import { unpacked } from './model/pieces.ts';
import type { Api, Core, Leave, Meta } from './model/types.ts';
import { unbase64 } from './verify/bytes.ts';

export type ToWorker =
  | { what: 'meta'; meta: Meta }
  | { what: 'piece'; source: number; line: number; lines?: string; length?: number }
  | { what: 'end' }
  | { what: 'core'; core: Core; pieces: number }
  | { what: 'graph'; packed?: string; leave?: Leave }
  | { what: 'call'; id: number; name: keyof Api; args: unknown[] };

export type ToPage =
  /** `judged`: for how many milliseconds, where all was judged just now. */
  | { what: 'progress'; lines: number; judged: number | undefined }
  | { what: 'answer'; id: number; value: unknown }
  | { what: 'failed'; id: number; why: string };

/** How often progress is told, in milliseconds. */
const TELL = 100;
/** So long is judged on, in milliseconds, before what was asked or read meanwhile has its turn. */
const SLICE = 12;

export function serve(send: (message: ToPage) => void): (message: ToWorker) => void {
  let model: Model | undefined;
  let told = 0;
  const waiting: ToWorker[] = [];
  let busy = false;
  let judging = false;
  let again = false;

  const tell = (judged?: number): void => {
    told = performance.now();
    send({ what: 'progress', lines: model?.lines ?? 0, judged });
  };

  // Questions go before what is still to be read, so that the page answers while it reads.
  const answer = async (message: ToWorker & { what: 'call' }): Promise<void> => {
    try {
      if (!model) throw new Error('there is nothing yet');
      const of = model[message.name] as (...args: unknown[]) => unknown;
      send({ what: 'answer', id: message.id, value: await of.apply(model, message.args) });
    } catch (error) {
      send({ what: 'failed', id: message.id, why: error instanceof Error ? error.message : String(error) });
    }
  };

  const tick = async (): Promise<void> => {
    if (performance.now() - told > TELL) tell();
    await breath();
  };

  // Reading goes on meanwhile. It begins where no line waits for its signature to be checked.
  const judge = async (of: Model): Promise<void> => {
    if (judging || of.changing > 0) {
      again = true;
      return;
    }
    judging = true;
    const begun = performance.now();
    let since = begun;
    for (const steps = of.judging(); !steps.next().done;) {
      if (performance.now() - since < SLICE) continue;
      await breath();
      since = performance.now();
    }
    await of.compareGraphs();
    judging = false;
    tell(performance.now() - begun);
    if (!again) return;
    again = false;
    waiting.push({ what: 'end' });
    void work();
  };

  let ahead: [of: ToWorker, open: Open] | undefined;
  const opened = (message: ToWorker & { what: 'piece' }): Open => {
    const known = ahead?.[0] === message ? ahead[1] : open(message);
    ahead = undefined;
    return known;
  };

  const work = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    for (let message = waiting.shift(); message; message = waiting.shift()) {
      if (message.what === 'meta') model = new Model(message.meta);
      if (message.what === 'graph') {
        model?.setGraph(message.packed === undefined ? undefined : decode(message.packed), message.leave);
        if (message.leave && !judging) await model?.compareGraphs();
      }
      if (message.what === 'core') {
        model?.setCore(message.core, message.pieces);
        tell();
      }
      if (message.what === 'piece' && model) {
        const { source, line, length = 0 } = message;
        const { gz, bytes } = opened(message);
        // What comes next is unpacked while this is read.
        if (waiting[0]?.what === 'piece') ahead = [waiting[0], open(waiting[0])];
        await model.take({ source, line, gz, length }, tick, bytes);
        await tick();
      }
      if (message.what === 'end' && model) void judge(model);
    }
    busy = false;
  };

  return (message) => {
    if (message.what === 'call') void answer(message);
    else {
      waiting.push(message);
      void work();
    }
  };
}

/** A piece as it came, and what is in it, once it is unpacked. */
interface Open {
  gz: Uint8Array | undefined;
  bytes: Promise<Uint8Array | undefined>;
}

function open({ lines }: ToWorker & { what: 'piece' }): Open {
  const gz = lines === undefined ? undefined : decode(lines);
  return { gz, bytes: unpacked(gz) };
}

/** Who waits for what waits already to have had its turn. */
const resting: (() => void)[] = [];
/** Kept for good: a channel of its own for each turn could be thrown away before its message comes. */
let bell: MessageChannel | undefined;

/** Lets all that waits have its turn. A timer would be held up, after some, by four milliseconds. */
function breath(): Promise<void> {
  if (!bell) {
    bell = new MessageChannel();
    bell.port1.onmessage = (): void => resting.shift()?.();
  }
  const { port2 } = bell;
  return new Promise((go) => {
    resting.push(go);
    port2.postMessage(0);
  });
}

function decode(base64: string): Uint8Array {
  const native = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array }).fromBase64;
  return native ? native.call(Uint8Array, base64) : (unbase64(base64) ?? new Uint8Array());
}
