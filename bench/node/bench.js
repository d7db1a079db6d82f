// What sinkwell costs a Node.js program beside the OpenTelemetry SDK, pino, and signing by hand. One run of one
// candidate, in a process of its own; bench/rust asks, counts what arrives, and makes the table:
//
//     node bench.js run CANDIDATE LOAD PORT DIR
//     node bench.js facts
import { readFileSync, writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';

import { CANDIDATES } from './candidates.js';

const WARM_UP = 3_000;
/** Whoever emits for ever lets nobody export: even a hot loop goes around the event loop so often. */
const HOT_TURN = 500;

/** How events come: `burst` at a time, every so many ms; without a pace as fast as one loop can. */
function readLoad(text) {
  const [kind, ...rest] = text.split(':');
  const [a, b, c] = rest.map(Number);
  if (kind === 'hot' && a > 0) return { events: a };
  // A timer of Node's has a millisecond.
  if (kind === 'paced' && a >= 1000 && b > 0) return { events: b, burst: a / 1000, every: 1 };
  if (kind === 'bursts' && a > 0 && b > 0 && c > 0) return { events: b, burst: (a * c) / 1000, every: c };
  throw new Error(`a load is hot:N, paced:RATE:N or bursts:RATE:N:EVERY_MS, not ${text}`);
}

/** Emits under the load; `times` is given the µs of each. */
async function drive({ events, burst, every }, candidate, times) {
  const { emit, wait } = candidate;
  const start = performance.now();
  let refused = 0;
  for (let n = 0; n < events; n++) {
    if (burst === undefined) {
      if (n % HOT_TURN === 0) await turn();
    } else if (n % burst === 0) {
      const left = start + (n / burst) * every - performance.now();
      // Also when late: the event loop is everybody's.
      await (left > 0 ? sleep(left) : turn());
    }
    const begin = performance.now();
    try {
      if (wait === undefined) emit(n);
      else await wait(n);
    } catch (error) {
      if (refused++ === 0) console.error(error);
    }
    times[n] = performance.now() - begin;
  }
  return refused;
}

/** A figure of /proc/self/status in kB. */
function resident(name) {
  const line = readFileSync('/proc/self/status', 'utf8')
    .split('\n')
    .find((l) => l.startsWith(name));
  return Number(line.split(/\s+/)[1]);
}

async function run(who, text, port, dir) {
  const load = readLoad(text);
  const candidate = await CANDIDATES[who](port, dir);
  // In parts, so that nobody loses any of it: an exporter's first call takes long.
  const part = { events: WARM_UP / 6, burst: 50, every: 5 };
  const early = new Float64Array(part.events);
  for (let done = 0; done < WARM_UP; done += part.events) {
    const refused = await drive(part, candidate, early);
    if (refused > 0) throw new Error(`${refused} refused while warming up`);
    await candidate.flush();
  }
  // Not the candidate's memory, and there before it is counted.
  const times = new Float64Array(load.events).fill(1);
  global.gc?.();
  await sleep(200);
  try {
    // The peak is of what follows.
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Then it is since the process began.
  }
  const idle = resident('VmRSS:');
  const before = process.cpuUsage();
  const start = performance.now();
  const refused = await drive(load, candidate, times);
  const settled = await candidate.settle();
  const wall = (performance.now() - start) / 1e3;
  const cpu = process.cpuUsage(before);
  const peak = resident('VmHWM:');
  const mean = times.reduce((sum, time) => sum + time, 0) / load.events;
  times.sort();
  const at = (share) => Math.round(times[Math.floor((load.events - 1) * share)] * 1e6);
  return {
    warm_up: WARM_UP,
    offered: load.events,
    refused,
    mean_ns: Math.round(mean * 1e6),
    p50_ns: at(0.5),
    p99_ns: at(0.99),
    p999_ns: at(0.999),
    cpu_s: (cpu.user + cpu.system) / 1e6,
    wall_s: wall,
    idle_kb: idle,
    growth_kb: peak - idle,
    ...settled,
  };
}

function facts() {
  const { dependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
  const versions = Object.entries(dependencies).map(([name, version]) => `${name} ${version}`);
  return [`node ${process.version}`, ...versions].join(', ');
}

const [, , command, ...rest] = process.argv;
if (command === 'facts') {
  console.log(facts());
} else if (command === 'run' && rest.length === 4 && rest[0] in CANDIDATES) {
  // A peer's worker that is waited for need not keep the process alive by itself.
  const alive = setInterval(() => {}, 60_000);
  const figures = await run(...rest);
  clearInterval(alive);
  console.log(
    Object.entries(figures)
      .map((pair) => pair.join('='))
      .join(' '),
  );
} else {
  console.error(`usage: node bench.js run ${Object.keys(CANDIDATES).join('|')} LOAD PORT DIR | node bench.js facts`);
  process.exitCode = 1;
}
