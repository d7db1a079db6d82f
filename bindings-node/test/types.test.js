'use strict';
// The declarations in projects of every kind: how modules are found, strict or not, and what editors mark as misspelled.
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const ts = require('typescript');
const { folder, pkg, root } = require('./helpers');

const source = `
import { Emitter, emit, type Configuration } from 'sinkwell';
import { SinkwellSpanProcessor } from 'sinkwell/otel';
import { subscribeChannels } from 'sinkwell/diagnostics-channel';
import transport from 'sinkwell/pino';
const config: Configuration = { agent: { id: 'a' } };
export async function main(): Promise<void> {
  const sw = await Emitter.open(config);
  emit('tool.invocation', { tool: 'x' });
  console.log((await transport({ config })).writable, new SinkwellSpanProcessor({ emitter: sw }));
  subscribeChannels(['x'], { map: () => undefined });
}
`;

function project(t) {
  const dir = folder(t);
  fs.mkdirSync(path.join(dir, 'node_modules', '@types'), { recursive: true });
  fs.symlinkSync(pkg, path.join(dir, 'node_modules', 'sinkwell'));
  for (const name of ['node', 'undici-types'].filter((each) => each === 'node')) {
    fs.symlinkSync(
      path.join(pkg, 'node_modules', '@types', name),
      path.join(dir, 'node_modules', '@types', name),
    );
  }
  return dir;
}

const projects = {
  node10: ['main.ts', '--module', 'commonjs', '--moduleResolution', 'node10', '--esModuleInterop'],
  'node16, CommonJS': ['main.cts', '--module', 'node16'],
  'node16, ES module': ['main.mts', '--module', 'node16'],
  bundler: ['main.ts', '--module', 'esnext', '--moduleResolution', 'bundler'],
};

for (const [name, [file, ...flags]] of Object.entries(projects)) {
  test(`TypeScript finds all of it: ${name}`, (t) => {
    const dir = project(t);
    fs.writeFileSync(path.join(dir, file), source);
    const all = [
      file,
      ...flags,
      '--strict',
      '--noEmit',
      '--target',
      'es2022',
      '--types',
      'node',
      '--ignoreDeprecations',
      '5.0',
    ];
    const tsc = require.resolve('typescript/bin/tsc');
    try {
      execFileSync(process.execPath, [tsc, ...all], { cwd: dir, encoding: 'utf8' });
    } catch (error) {
      assert.fail(error.stdout);
    }
  });
}

test('a type that is nearly built in is struck out in the editor; others are not', (t) => {
  const dir = project(t);
  const file = path.join(dir, 'main.mts');
  const types = ['tool.invokation', 'run.complete', 'tool.invocation', 'com.example.note', 'run.started'];
  const lines = types.map((type) => `emit('${type}', { tool: 'x' });`);
  fs.writeFileSync(file, `import { emit } from 'sinkwell';\n${lines.join('\n')}\n`);
  const options = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    types: ['node'],
  };
  const service = ts.createLanguageService({
    getScriptFileNames: () => [file],
    getScriptVersion: () => '1',
    getScriptSnapshot: (name) =>
      fs.existsSync(name) ? ts.ScriptSnapshot.fromString(fs.readFileSync(name, 'utf8')) : undefined,
    getCurrentDirectory: () => dir,
    getCompilationSettings: () => options,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: fs.existsSync,
    readFile: (name) => fs.readFileSync(name, 'utf8'),
    directoryExists: fs.existsSync,
    realpath: fs.realpathSync,
  });
  assert.deepEqual(
    service.getSemanticDiagnostics(file).map((one) => one.messageText),
    [],
  );
  const marked = service
    .getSuggestionDiagnostics(file)
    .filter((one) => one.reportsDeprecated)
    .map((one) => one.file.getLineAndCharacterOfPosition(one.start).line - 1);
  assert.deepEqual(
    marked.map((line) => types[line]),
    ['tool.invokation', 'run.complete'],
  );
});

test('every key of docs/CONFIG.md has its place in the types', () => {
  const page = fs.readFileSync(path.join(root, 'docs', 'CONFIG.md'), 'utf8');
  const types = fs.readFileSync(path.join(pkg, 'types', 'config.d.ts'), 'utf8');
  const sections = ['At the top', 'key', 'journal', 'lanes'].map((name) => {
    const [, section] = new RegExp(`^## ${name}\n([^]*?)(?=^## )`, 'm').exec(page);
    return section;
  });
  const keys = sections.flatMap((section) =>
    [...section.matchAll(/^\| `([a-z0-9_.]+)` \|/gm)].flatMap(([, key]) => key.split('.')),
  );
  assert.ok(keys.length > 60, String(keys.length));
  for (const key of new Set(keys)) assert.match(types, new RegExp(`readonly ${key}\\??:`), key);
});

test('every export, and every method of it, says in the editor what it is', () => {
  const entries = ['index', 'otel', 'channel', 'pino'].map((name) => path.join(pkg, 'types', `${name}.d.ts`));
  const program = ts.createProgram(entries, {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: ['node'],
  });
  const checker = program.getTypeChecker();
  const bare = [];
  let seen = 0;
  const look = (symbol, name) => {
    seen++;
    const told = symbol.getDocumentationComment(checker).length + symbol.getJsDocTags(checker).length > 0;
    if (!told) bare.push(name);
  };
  const called = (node) =>
    ts.isMethodDeclaration(node) || ts.isMethodSignature(node) || ts.isGetAccessor(node);
  for (const entry of entries) {
    const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry)));
    for (const one of exported) {
      const symbol = one.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(one) : one;
      look(symbol, symbol.name);
      for (const member of [...(symbol.members?.values() ?? []), ...(symbol.exports?.values() ?? [])]) {
        const [node] = member.declarations ?? [];
        if (!node || member.name.startsWith('__') || !called(node)) continue;
        if (!(ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Private))
          look(member, `${symbol.name}.${member.name}`);
      }
    }
  }
  assert.deepEqual(bare, []);
  assert.ok(seen > 150, `${seen} names`);
});
