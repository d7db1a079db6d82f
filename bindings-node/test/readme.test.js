'use strict';
// Every block of README.md that is code runs as it stands, with what its text takes for granted before it; every name in its
// other lines exists.
const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const ts = require('typescript');
const sinkwell = require('..');
const { events, folder, pkg, root, run } = require('./helpers');

const readme = fs.readFileSync(path.join(pkg, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^## (.*)\n(?:(?!^## )[^])*?(?=^## |$(?![^]))/gm)].flatMap(
  ([section, heading]) =>
    [...section.matchAll(/```(js|ts)\n([^]*?)```/g)].map(([, language, code]) => ({
      heading,
      language,
      code,
    })),
);

/** What stands before a block, by its heading. */
const before = {
  'First event': '',
  'The default emitter, runs and tools': '',
  'A sink of your own': `
    const posted = [];
    globalThis.fetch = async (_, { body }) => (posted.push(body), new Response('', { status: 200 }));
    process.on('exit', () => console.log(posted.length));`,
  'Evidence before the act': `
    import { Emitter } from 'sinkwell';
    const sw = await Emitter.open({ agent: { id: 'a1' }, journal: { dir: 'state' }, lanes: [{ sink: 'stdout', durable: true }] });
    const pay = async () => ({ id: 'x1' });`,
  'Waiting for delivery': `
    import { Emitter } from 'sinkwell';
    const sw = await Emitter.open({ agent: { id: 'a1' }, journal: { dir: 'state' }, lanes: [{ sink: 'stdout', durable: true }] });`,
  'Verifying, and what comes in from elsewhere': `
    import { Emitter, verify } from 'sinkwell';
    const sw = await Emitter.open('sinkwell.yaml');
    sw.emit('tool.invocation', { tool: 'search' });
    await sw.shutdown();
    process.on('exit', () => console.log(report.verdict));`,
};
/** What a block must have done. */
const after = {
  'First event': ({ dir }) => assert.equal(events(path.join(dir, 'events.ndjson'))[0].data.tool, 'search'),
  'The default emitter, runs and tools': ({ stdout }) => {
    const got = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter((one) => one.origin !== 'core');
    assert.deepEqual(
      got.map((one) => [one.type.replace('dev.sinkwell.', ''), one.runid, one.turnid]),
      [
        ['run.started', 'r-17', undefined],
        ['tool.invocation', 'r-17', '1'],
        ['run.completed', 'r-17', undefined],
      ],
    );
  },
  'A sink of your own': ({ stdout }) => assert.ok(Number(stdout) > 0, stdout),
  'Evidence before the act': ({ stdout }) => assert.match(stdout, /"phase":"result","receipt":"x1"/),
  'Waiting for delivery': ({ stdout }) => assert.match(stdout, /com\.example\.note/),
  'Verifying, and what comes in from elsewhere': ({ stdout }) => assert.equal(stdout, 'sound\n'),
};

test('every heading with code is known here', () => {
  const headings = [...new Set(blocks.map(({ heading }) => heading))];
  assert.deepEqual(headings.sort(), Object.keys(before).sort());
});

for (const { heading, language, code } of blocks) {
  test(`README: ${heading}`, async (t) => {
    const source = `${before[heading]}\n${code}`;
    const target = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    const text =
      language === 'ts' ? ts.transpileModule(source, { compilerOptions: target }).outputText : source;
    const ran = await run(t, text, {
      ext: 'mjs',
      prepare: (dir) => {
        const command = path.join(root, 'target', 'debug', 'sinkwell');
        execFileSync(command, ['keys', 'new', 'agent.pem'], { cwd: dir, stdio: 'ignore' });
        fs.writeFileSync(
          path.join(dir, 'sinkwell.yaml'),
          'agent: { id: a1 }\nkey: { id: k1, ed25519: { file: agent.pem } }\nlanes: [ { sink: { file: { path: events.ndjson } } } ]\n',
        );
      },
    });
    assert.equal(ran.code, 0, ran.stderr);
    after[heading](ran);
  });
}

test('the lines of the front page', async (t) => {
  const front = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
  const ran = await run(t, front.match(/```ts\n([^]*?)```/)[1], {
    ext: 'mjs',
    env: { SINKWELL_CONFIG: 'sinkwell.yaml' },
    prepare: (dir) =>
      fs.writeFileSync(
        path.join(dir, 'sinkwell.yaml'),
        'agent: { id: a1 }\nlanes: [ { sink: { file: { path: events.ndjson } } } ]\n',
      ),
  });
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(events(path.join(ran.dir, 'events.ndjson'))[0].data.tool, 'search');
});

test('every name that the README tells of exists', () => {
  const classes = [...readme.matchAll(/^\| `(\w+Error)`.*?\| `(\w+Error)`/gm)].flatMap(([, a, b]) => [a, b]);
  assert.equal(classes.length, 14);
  for (const name of classes) assert.equal(typeof sinkwell[name], 'function', name);
  for (const name of ['modelUsage', 'configure', 'flush', 'shutdown', 'run', 'turn', 'tool']) {
    assert.equal(typeof sinkwell[name], 'function', name);
  }
  const exported = Object.keys(require('../package.json').exports);
  for (const [, name] of readme.matchAll(/`sinkwell\/([a-z-]+)`/g))
    assert.ok(exported.includes(`./${name}`), name);
});

test('the first ten minutes are as they are told', (t) => {
  const page = fs.readFileSync(path.join(root, 'docs', 'FIRST-MINUTES.md'), 'utf8');
  const section = page.split('\n## TypeScript\n')[1].split('\n## ')[0];
  const dir = folder(t);
  fs.mkdirSync(path.join(dir, 'node_modules', '.bin'), { recursive: true });
  fs.symlinkSync(pkg, path.join(dir, 'node_modules', 'sinkwell'));
  fs.symlinkSync(path.join(pkg, 'bin', 'sinkwell.js'), path.join(dir, 'node_modules', '.bin', 'sinkwell'));
  const env = {
    PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`,
    HOME: dir,
    NO_COLOR: '1',
    // npx asks nobody for anything.
    npm_config_offline: 'true',
    npm_config_update_notifier: 'false',
  };
  let ran = 0;
  for (const [, kind, block] of section.matchAll(/```(\w+)\n([^]*?)```/g)) {
    if (kind === 'js') {
      const [name, ...body] = block.split('\n');
      fs.writeFileSync(path.join(dir, name.replace('// ', '')), body.join('\n'));
      continue;
    }
    for (const step of block.split(/^\$ /m).slice(1)) {
      const [command, ...expected] = step.split('\n');
      if (command.startsWith('npm install')) continue;
      const done = spawnSync('bash', ['-c', `{ ${command}; } 2>&1`], { cwd: dir, env, encoding: 'utf8' });
      // What a person sees: a word that differs from run to run is `…`.
      const wanted = expected.map((line) => line.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
      const pattern = new RegExp(`^${wanted.join('\n').replaceAll('…', '.*')}$`);
      assert.match(done.stdout, pattern, `$ ${command}\n${done.stdout}${done.stderr}`);
      ran++;
    }
  }
  assert.ok(ran >= 8, `${ran} commands`);
});
