'use strict';
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after } = require('node:test');

const root = path.join(__dirname, '..', '..');
const pkg = path.join(__dirname, '..');

// Waiting for a receipt keeps no process alive, and so no test runner.
const alive = setInterval(() => {}, 1000);
after(() => clearInterval(alive));

/** A folder that goes when the test ends. */
function folder(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'sinkwell-node-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Envelopes of a file, those about events of the host's only. */
function events(file) {
  return envelopes(file).filter((envelope) => envelope.origin !== 'core');
}

function envelopes(file) {
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** Runs a script in a process of its own, where `sinkwell` is this package. */
function run(t, source, { ext = 'cjs', env = {}, args = [], prepare, onStart } = {}) {
  const dir = folder(t);
  const script = path.join(dir, `main.${ext}`);
  fs.mkdirSync(path.join(dir, 'node_modules'));
  fs.symlinkSync(pkg, path.join(dir, 'node_modules', 'sinkwell'));
  fs.writeFileSync(script, source);
  prepare?.(dir);
  return new Promise((resolve) => {
    const started = performance.now();
    const child = execFile(
      process.execPath,
      [script, ...args],
      { cwd: dir, env: { ...process.env, ...env }, timeout: 30_000, killSignal: 'SIGKILL' },
      (error, stdout, stderr) =>
        resolve({
          dir,
          stdout,
          stderr,
          code: child.exitCode,
          signal: child.signalCode,
          ms: performance.now() - started,
        }),
    );
    onStart?.(child, dir);
  });
}

/** Writes down for the matrix (tests/vectors/matrix.py) that a case of the vectors ran, or why it did not. */
function record(name, reason = 'ran') {
  const file = path.join(root, 'target', 'vectors', 'node.tsv');
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.appendFileSync(file, `${name}\t${reason}\n`);
}

/** A promise, and who settles it. */
function deferred() {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}

/** An HMAC key as a verifier is given it. */
const hmac = (secret) => Buffer.concat([Buffer.from('hmac:'), secret]);

module.exports = { deferred, envelopes, events, folder, hmac, pkg, root, run, record };
