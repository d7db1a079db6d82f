'use strict';
// The agent of the canaries, in a process of its own: node canaries_agent.js CASE FOLDER (tests/vectors/README.md).
const fs = require('node:fs');
const path = require('node:path');
const { inspect } = require('node:util');
const { Emitter, Rejected } = require('..');

const [file, folder] = process.argv.slice(2);
const it = JSON.parse(fs.readFileSync(file, 'utf8'));
const debug = new Set(['debug']);
const kept = [];
let calls = 0;
const sinks = [
  { name: 'mine', classes: debug, emit: (event) => void kept.push(event) },
  {
    name: 'raises',
    classes: debug,
    emit() {
      if (++calls <= 2) throw new RangeError(it.raised);
    },
  },
  {
    name: 'refuses',
    classes: debug,
    emit(event) {
      if (event.origin !== 'core') throw new Rejected(it.refuses_with);
    },
  },
];

function options({ type, data, ...rest }) {
  return [type, data, rest];
}

async function main() {
  fs.mkdirSync(path.join(folder, 'dead'));
  const config = JSON.parse(JSON.stringify(it.config).replaceAll('{dir}', folder));
  const emitter = await Emitter.open(config, { sinks });
  const told = [];
  const tell = (thing) =>
    told.push(String(thing), inspect(thing, { depth: 9, showHidden: true }), JSON.stringify(thing));
  const receipt = emitter.emit(...options(it.event));
  for (const thing of [emitter, receipt, receipt.lanes, receipt.evicted]) tell(thing);
  for (const refused of it.refused) {
    let error;
    try {
      emitter.emit(...options(refused));
    } catch (thrown) {
      error = thrown;
    }
    if (error === undefined) throw new Error(`not refused: ${refused.type}`);
    tell(error);
    told.push(error.stack);
  }
  tell(await receipt.delivered({ timeout: 30_000 }));
  fs.writeFileSync(path.join(folder, 'health'), JSON.stringify(emitter.health()));
  for (const name of ['audit.db-wal', 'audit.db-shm']) {
    fs.copyFileSync(path.join(folder, name), path.join(folder, `${name}.live`));
  }
  tell(emitter.counters());
  tell(emitter.prometheus());
  tell(await emitter.shutdown({ timeout: 30_000 }));
  // Of what a sink was given, what a debugger or a log would show; its bytes are what it may have.
  for (const event of kept) told.push(inspect(event));
  fs.writeFileSync(
    path.join(folder, 'mine'),
    kept.map((event) => Buffer.from(event.bytes).toString('utf8')).join('\n'),
  );
  fs.writeFileSync(path.join(folder, 'told'), told.join('\n'));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
