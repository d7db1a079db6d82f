'use strict';
// The declarations that are committed are those that the sources give.
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { folder, pkg } = require('./helpers');

test('types/ is what tsc makes of lib/', (t) => {
  const out = folder(t);
  const tsc = require.resolve('typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', pkg, '--emitDeclarationOnly', '--declarationDir', out]);
  const committed = (dir) =>
    fs
      .readdirSync(dir)
      .filter((name) => name.endsWith('.d.ts'))
      .sort();
  assert.deepEqual(committed(path.join(pkg, 'types')), committed(out));
  for (const name of committed(out)) {
    const read = (dir) => fs.readFileSync(path.join(dir, name), 'utf8');
    assert.equal(read(path.join(pkg, 'types')), read(out), name);
  }
});

test('native.d.ts names what the addon exports', () => {
  const text = fs.readFileSync(path.join(pkg, 'native.d.ts'), 'utf8');
  const declared = [...text.matchAll(/^export declare (?:class|function|const) (\w+)/gm)].map(
    (one) => one[1],
  );
  const native = require('../native.js');
  const exported = Object.keys(native);
  assert.deepEqual(declared.sort(), exported.sort());
  for (const name of ['EventLoop', 'NativeEmitter', 'NativeReceipts']) {
    const [, body] = new RegExp(`class ${name} \\{([^]*?)^\\}`, 'm').exec(text);
    const methods = [...body.matchAll(/^ {2}(?:static )?(\w+)\(/gm)].map((one) => one[1]);
    const own = Object.getOwnPropertyNames(native[name].prototype);
    const statics = Object.getOwnPropertyNames(native[name]).filter(
      (one) => typeof native[name][one] === 'function',
    );
    for (const method of methods)
      assert.ok(own.includes(method) || statics.includes(method), `${name}.${method}`);
  }
});
