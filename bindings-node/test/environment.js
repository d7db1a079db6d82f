'use strict';
// Test runners, bundlers and process managers, installed once from their lock file under target/, with this package beside
// them as npm would install it.
const { spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { pkg, root } = require('./helpers');

const here = path.join(__dirname, 'hosts');

/** The folder to run in, or why there is none. */
function environment() {
  const stamp = createHash('sha256')
    .update(fs.readFileSync(path.join(here, 'package-lock.json')))
    .digest('hex')
    .slice(0, 16);
  const place = path.join(root, 'target', 'hosts', `node-${stamp}`);
  fs.mkdirSync(place, { recursive: true });
  fs.cpSync(here, place, { recursive: true });
  if (!fs.existsSync(path.join(place, 'installed'))) {
    const installed = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: place, encoding: 'utf8' });
    if (installed.status !== 0) return { missing: `npm ci: ${installed.stderr ?? installed.error}` };
    fs.writeFileSync(path.join(place, 'installed'), '');
  }
  const modules = path.join(place, 'node_modules');
  const native = path.join(modules, 'sinkwell-linux-x64-gnu');
  for (const dir of ['sinkwell', 'sinkwell-linux-x64-gnu']) {
    fs.rmSync(path.join(modules, dir), { recursive: true, force: true });
    fs.mkdirSync(path.join(modules, dir));
  }
  for (const name of ['bin', 'dist', 'types', 'native.js', 'native.d.ts', 'package.json'])
    fs.cpSync(path.join(pkg, name), path.join(modules, 'sinkwell', name), { recursive: true });
  fs.copyFileSync(path.join(pkg, 'npm', 'linux-x64-gnu', 'package.json'), path.join(native, 'package.json'));
  fs.copyFileSync(
    path.join(pkg, 'sinkwell.linux-x64-gnu.node'),
    path.join(native, 'sinkwell.linux-x64-gnu.node'),
  );
  return { place };
}

module.exports = { environment };
