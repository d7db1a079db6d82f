'use strict';
// The tarballs, installed into an empty project outside of the source tree: the README's first event, and the
// command. Built for debugging; `dist.sh` packs the release build the same way.
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { folder, pkg, root } = require('./helpers');

test('npm install of the tarballs, the first event, and the command that verifies it', (t) => {
  const dir = folder(t);
  const addon = path.join(pkg, 'sinkwell.linux-x64-gnu.node');
  const command = path.join(root, 'target', 'debug', 'sinkwell');
  execFileSync(process.execPath, [path.join(pkg, 'scripts', 'pack.js'), addon, command, dir], {
    stdio: 'ignore',
  });
  const app = path.join(dir, 'app');
  fs.mkdirSync(app);
  fs.writeFileSync(path.join(app, 'package.json'), '{ "private": true }');
  const tarballs = fs.readdirSync(dir).filter((name) => name.endsWith('.tgz'));
  assert.equal(tarballs.length, 2);
  const paths = tarballs.map((name) => path.join(dir, name));
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', ...paths], {
    cwd: app,
    stdio: 'ignore',
  });
  const readme = fs.readFileSync(path.join(pkg, 'README.md'), 'utf8');
  const [, first] = /## First event\n\n```js\n([^]*?)```/.exec(readme);
  fs.writeFileSync(path.join(app, 'first.mjs'), first);
  const sinkwell = (...args) =>
    execFileSync(path.join(app, 'node_modules', '.bin', 'sinkwell'), args, {
      cwd: app,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  sinkwell('keys', 'new', 'agent.pem');
  execFileSync(process.execPath, ['first.mjs'], { cwd: app });
  const lines = fs.readFileSync(path.join(app, 'events.ndjson'), 'utf8').trim().split('\n');
  assert.ok(lines.some((line) => JSON.parse(line).data.tool === 'search'));
  const verdict = (...keys) =>
    JSON.parse(sinkwell('verify', '--format', 'json', ...keys, 'events.ndjson')).verdict;
  assert.equal(verdict('--key', 'k1=agent.pem.pub'), 'sound');
  // No key was given: exit 1, which the command of the package hands on.
  assert.throws(verdict, (error) => error.status === 1 && JSON.parse(error.stdout).verdict === 'unchecked');
});
