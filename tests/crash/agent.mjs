// The program that is killed, in Node: `DIR RUN SEED` (see README.md). Its threads are asynchronous loops: what
// runs beside them are the lanes' own threads.
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { Emitter } = createRequire(import.meta.url)('../../bindings-node');
const [dir, run, seed] = process.argv.slice(2);

// One write, so that a line is whole or not there.
const tell = (line) => writeSync(1, line);

/** Numbers below `n`, from a seed (mulberry32). */
function chooser(state) {
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), 1 | state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) % n;
  };
}

async function work(emitter, thread) {
  const below = chooser(Number(seed) + thread);
  for (let n = 0; ;) {
    const burst = [];
    for (let left = 1 + below(8); left > 0; left--, n++) {
      const data = { run: Number(run), thread, n, text: 'x'.repeat(below(2000)) };
      burst.push([n, await emitter.emitAsync('com.example.step', data)]);
    }
    for (const [told, receipt] of burst) {
      await receipt.journaled({ timeout: 60_000 });
      tell(`${thread} ${told} ${receipt.id}\n`);
    }
  }
}

// Waiting for a receipt keeps no process alive.
setInterval(() => {}, 1 << 30);
tell('opening\n');
const emitter = await Emitter.open(join(dir, 'sinkwell.yaml'));
tell('open\n');
await Promise.all([0, 1, 2].map((thread) => work(emitter, thread)));
