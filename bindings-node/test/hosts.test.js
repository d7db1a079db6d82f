'use strict';
// Under the test runners, and in the output of the bundlers, that README.md names: the real ones, installed once from their
// lock file under target/, with this package beside them as npm would install it.
const assert = require('node:assert/strict');
const { execFile, spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const test = require('node:test');
const { events, envelopes, folder, pkg } = require('./helpers');
const { environment } = require('./environment');

const runFile = promisify(execFile);

const { place, missing } = environment();
if (missing) assert.notEqual(process.env.SINKWELL_REQUIRE, 'all', missing);
const skip = missing ?? false;
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' };
// A run under this runner is none of its own.
delete env.NODE_TEST_CONTEXT;

/** Runs a command of the environment's; fails with what it said. */
async function tool(name, args, options = {}) {
  try {
    return await runFile(path.join(place, 'node_modules', '.bin', name), args, {
      cwd: place,
      env,
      timeout: 600_000,
      ...options,
    });
  } catch (error) {
    return assert.fail(`${name}: ${error.message}\n${error.stdout}\n${error.stderr}`);
  }
}

/** What a bundle does, run where it lies. */
async function works(file) {
  const { stdout, stderr } = await runFile(process.execPath, [file], { cwd: path.dirname(file), env });
  const [, event, closed] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(event.data.processor, 'function');
  assert.equal(event.traceparent, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
  assert.equal(closed.data.action, 'closed');
  assert.equal(stderr, 'InvalidEventError invalid_event\n');
}

test('Jest, in its default environment', { skip }, async () => {
  await tool('jest', [
    '--rootDir',
    place,
    '--testMatch',
    '**/runner.test.js',
    '--haste',
    '{"forceNodeFilesystemAPI":true}',
  ]);
});

for (const pool of ['forks', 'threads', 'vmForks', 'vmThreads']) {
  test(`Vitest: ${pool}`, { skip }, async () => {
    await tool('vitest', ['run', '--pool', pool, 'runner.spec.mjs']);
  });
}

const loader = '--loader:.node=copy';
const banner =
  "--banner:js=import{createRequire}from'node:module';const require=createRequire(import.meta.url);";
const bundles = {
  'sinkwell outside, ES module': ['a.mjs', '--format=esm', '--external:sinkwell'],
  'all packages outside, CommonJS': ['a.cjs', '--format=cjs', '--packages=external'],
  'all of it, CommonJS': ['b.cjs', '--format=cjs', loader],
  'all of it, ES module': ['b.mjs', '--format=esm', loader, banner],
};
for (const [name, [file, ...flags]] of Object.entries(bundles)) {
  test(`esbuild: ${name}, minified`, { skip }, async () => {
    const out = path.join(place, 'out', 'esbuild', file);
    await tool('esbuild', [
      'server.mjs',
      '--bundle',
      '--platform=node',
      '--minify',
      ...flags,
      `--outfile=${out}`,
    ]);
    await works(out);
  });
}

test('webpack, with sinkwell as an external', { skip }, async () => {
  const external = ({ request }, done) =>
    /^sinkwell(\/|$)/.test(request) ? done(null, `commonjs ${request}`) : done();
  const out = path.join(place, 'out', 'webpack');
  const webpack = require(path.join(place, 'node_modules', 'webpack'));
  const stats = await promisify(webpack)({
    mode: 'production',
    target: 'node',
    context: place,
    entry: './server.mjs',
    externals: [external],
    output: { path: out, filename: 'a.cjs' },
  });
  assert.deepEqual(stats.toJson({ all: false, errors: true, warnings: true }).errors, []);
  await works(path.join(out, 'a.cjs'));
});

test('Vite SSR', { skip }, async () => {
  await tool('vite', ['build', '--ssr', 'server.mjs', '--outDir', 'out/vite', '--logLevel', 'warn']);
  await works(path.join(place, 'out', 'vite', 'server.mjs'));
});

test('Next.js with serverExternalPackages: a route emits, and SIGTERM loses nothing', { skip }, async (t) => {
  const cwd = path.join(place, 'next');
  await tool('next', ['build'], { cwd });
  const out = path.join(folder(t), 'out.ndjson');
  const next = path.join(place, 'node_modules', 'next', 'dist', 'bin', 'next');
  const server = spawn(process.execPath, [next, 'start', '-p', '0', '-H', '127.0.0.1'], {
    cwd,
    env: { ...env, OUT: out },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => server.kill('SIGKILL'));
  const url = await new Promise((resolve) => {
    let said = '';
    server.stdout.on('data', (chunk) => {
      said += chunk;
      const [found] = /http:\/\/127\.0\.0\.1:\d+/.exec(said) ?? [];
      if (found && said.includes('Ready')) resolve(found);
    });
  });
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => fetch(`${url}/api/hi`).then((r) => r.json())),
  );
  assert.ok(answers.every(({ name }) => name === 'InvalidEventError'));
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGTERM');
  await ended;
  assert.equal(events(out).length, 20);
  assert.ok(envelopes(out).length > 20);
});

test('where the package of the platform is missing, the error says so, and what to do', (t) => {
  const dir = folder(t);
  const modules = path.join(dir, 'node_modules');
  fs.mkdirSync(path.join(modules, 'sinkwell'), { recursive: true });
  for (const name of ['dist', 'native.js', 'package.json'])
    fs.cpSync(path.join(pkg, name), path.join(modules, 'sinkwell', name), { recursive: true });
  const load = (before = '') => {
    const source = `${before}; try { require('sinkwell') } catch (e) { console.log(JSON.stringify([e.name, e.kind, e.code, e.message])) }`;
    const ran = spawnSync(process.execPath, ['-e', source], { cwd: dir, encoding: 'utf8' });
    assert.equal(ran.status, 0, ran.stderr);
    const [name, kind, code, message] = JSON.parse(ran.stdout);
    assert.deepEqual([name, kind, code], ['UnsupportedError', 'unsupported', 13]);
    return message;
  };
  assert.match(load(), /sinkwell-linux-x64-gnu.*is not installed.*--omit=optional.*external/);
  const as = (platform, arch) =>
    `Object.defineProperties(process, { platform: { value: '${platform}' }, arch: { value: '${arch}' } })`;
  assert.match(
    load(as('darwin', 'arm64')),
    /no build for darwin-arm64; there is one for linux-x64 with glibc 2\.28/,
  );
  const musl = 'process.report.getReport = () => ({ header: {} })';
  assert.match(load(musl), /no build for linux-x64 with musl/);
  const other = path.join(modules, 'sinkwell-linux-x64-gnu');
  fs.mkdirSync(other);
  fs.writeFileSync(
    path.join(other, 'package.json'),
    '{ "name": "sinkwell-linux-x64-gnu", "version": "9.9.9" }',
  );
  assert.match(load(), /needs sinkwell-linux-x64-gnu 0\.1\.0, and found 9\.9\.9/);
});
