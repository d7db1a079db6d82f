#!/usr/bin/env node
'use strict';
// The `sinkwell` command: the executable that the package of this platform brings.
const { spawn } = require('node:child_process');
const { existsSync } = require('node:fs');
const { dirname, join } = require('node:path');
const os = require('node:os');

const platform = { 'linux-x64': 'linux-x64-gnu' }[`${process.platform}-${process.arch}`];

function executable() {
  try {
    return join(dirname(require.resolve(`sinkwell-${platform}/package.json`)), 'bin', 'sinkwell');
  } catch {
    // A checkout: what `cargo build -p sinkwell-cli` made.
    const built = join(__dirname, '..', '..', 'target', 'debug', 'sinkwell');
    return existsSync(built) ? built : undefined;
  }
}

const command = platform && executable();
if (command === undefined) {
  console.error(`sinkwell: there is no command for ${process.platform}-${process.arch}`);
  process.exit(2);
}
const child = spawn(command, process.argv.slice(2), { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  console.error(`sinkwell: ${error.message}`);
  process.exitCode = 2;
});
child.on('close', (code, signal) => {
  process.exitCode = code ?? 128 + os.constants.signals[signal];
});
