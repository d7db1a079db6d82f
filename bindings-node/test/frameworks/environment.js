'use strict';
// Releases of frameworks, installed once from their lock file under target/, with this package beside them.
const { spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const assert = require('node:assert/strict');
const { pkg, root } = require('../helpers');

/** The folder to run in; without a registry the test is skipped, or fails where nothing may be missing. */
function environment(t, which = '.') {
  const from = path.join(__dirname, which);
  const lock = fs.readFileSync(path.join(from, 'package-lock.json'));
  const stamp = createHash('sha256').update(lock).digest('hex').slice(0, 16);
  const place = path.join(root, 'target', 'frameworks', `node-${stamp}`);
  fs.mkdirSync(place, { recursive: true });
  for (const name of ['package.json', 'package-lock.json'])
    fs.copyFileSync(path.join(from, name), path.join(place, name));
  for (const name of fs.readdirSync(__dirname).filter((one) => /\.m[jt]s$/.test(one)))
    fs.copyFileSync(path.join(__dirname, name), path.join(place, name));
  if (!fs.existsSync(path.join(place, 'installed'))) {
    const installed = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: place, encoding: 'utf8' });
    if (installed.status !== 0) {
      const missing = `npm ci: ${installed.stderr ?? installed.error}`;
      assert.notEqual(process.env.SINKWELL_REQUIRE, 'all', missing);
      t.skip(missing);
      return undefined;
    }
    fs.writeFileSync(path.join(place, 'installed'), '');
  }
  const link = path.join(place, 'node_modules', 'sinkwell');
  fs.rmSync(link, { force: true });
  fs.symlinkSync(pkg, link);
  return place;
}

module.exports = { environment };
