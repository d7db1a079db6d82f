// What an integration costs per step, beside the framework's own tracing: CPU time of the whole process.
//
//     node bench/node/integrations.js [FRAMEWORK]... [--rounds N] [--runs N] [--json]
//
// As bench/python/integrations.py: a run of an agent is four steps (the run, two requests to a model that answers at once, one
// call of a tool). Each framework runs in three processes (without anything, with its own tracing, with sinkwell), which take
// turns: a round is some runs in each. Shown are the medians over the rounds, in microseconds of CPU time per step, of all
// threads; and what tracing adds. The frameworks are those that the tests run with, installed once under target/. The package is
// that of the checkout; NAPI_RS_NATIVE_LIBRARY_PATH may name another build of its native half, a file that ends in .node.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

const STEPS = 4;
const MODES = ['without', 'its own', 'sinkwell'];
const FRAMEWORKS = ['langchain', 'openai_agents', 'ai_sdk'];

const args = process.argv.slice(2);
const option = (name, otherwise) => {
  const at = args.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(args.splice(at, 2)[1]);
};
const rounds = option('rounds', 15);
const runs = option('runs', 40);
const json = args.includes('--json');
const chosen = args.filter((one) => !one.startsWith('--'));

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.join(here, '..', '..');

/** The folder that has the frameworks: that of the tests (bindings-node/test/frameworks/environment.js). */
function environment() {
  const from = path.join(root, 'bindings-node', 'test', 'frameworks');
  const lock = fs.readFileSync(path.join(from, 'package-lock.json'));
  const stamp = createHash('sha256').update(lock).digest('hex').slice(0, 16);
  const place = path.join(root, 'target', 'frameworks', `node-${stamp}`);
  if (!fs.existsSync(path.join(place, 'installed'))) {
    fs.mkdirSync(place, { recursive: true });
    for (const name of ['package.json', 'package-lock.json'])
      fs.copyFileSync(path.join(from, name), path.join(place, name));
    execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: place, stdio: 'inherit' });
    fs.writeFileSync(path.join(place, 'installed'), '');
  }
  const link = path.join(place, 'node_modules', 'sinkwell');
  fs.rmSync(link, { force: true });
  fs.symlinkSync(path.join(root, 'bindings-node'), link);
  return place;
}

const place = environment();
const program = path.join(place, 'integrated.mjs');
fs.copyFileSync(path.join(here, 'integrated.js'), program);

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Microseconds per step, by mode, of each round. */
async function measure(framework) {
  const workers = Object.fromEntries(
    MODES.map((mode) => {
      const child = spawn(process.execPath, [program, framework, mode], {
        cwd: place,
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      return [
        mode,
        { child, lines: readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]() },
      ];
    }),
  );
  const ask = async (mode) => {
    workers[mode].child.stdin.write(`${runs}\n`);
    const { value, done } = await workers[mode].lines.next();
    if (done) throw new Error(`${framework}, ${mode}: it has ended`);
    return Number(value) / runs / STEPS;
  };
  try {
    for (const mode of MODES) await ask(mode);
    const found = Object.fromEntries(MODES.map((mode) => [mode, []]));
    for (let i = 0; i < rounds; i++) for (const mode of MODES) found[mode].push(await ask(mode));
    return found;
  } finally {
    for (const { child } of Object.values(workers)) child.stdin.end();
  }
}

console.log('| framework | without | its own tracing adds | sinkwell adds |');
console.log('| --- | --- | --- | --- |');
for (const framework of chosen.length > 0 ? chosen : FRAMEWORKS) {
  const found = await measure(framework);
  if (json) console.error(JSON.stringify(found));
  const [without, ...others] = MODES.map((mode) => median(found[mode]));
  const added = others.map((one) => `${(one - without).toFixed(0)} µs`);
  console.log(`| ${framework} | ${without.toFixed(0)} µs | ${added.join(' | ')} |`);
}
