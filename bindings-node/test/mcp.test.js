'use strict';
// The MCP SDK's own client and server, linked in memory: what they do is sealed, and what may not happen does not.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { InMemoryTransport } = require('@modelcontextprotocol/sdk/inMemory.js');
const { Server } = require('@modelcontextprotocol/sdk/server/index.js');
const { McpServer } = require('@modelcontextprotocol/sdk/server/mcp.js');
const { CallToolRequestSchema, ElicitRequestSchema } = require('@modelcontextprotocol/sdk/types.js');
const { z } = require('zod');
const { Emitter, InvalidArgumentError, run } = require('..');
const { unwatch, watch } = require('../dist/mcp.js');
const { deferred, events, folder, pkg, root, run: start } = require('./helpers');

const MARKER = 'CANARY-7f3a';

/** An emitter to a file. */
async function open(t, name, more = {}, options = {}) {
  const file = path.join(folder(t), `${name}.ndjson`);
  const lanes = [{ id: 'out', sink: { file: { path: file } } }, ...(more.lanes ?? [])];
  const config = { agent: { id: `urn:example:${name}` }, heartbeat: 'off', ...more, lanes };
  const sw = await Emitter.open(config, options);
  const sealed = async (ending = {}) => {
    await sw.shutdown(ending);
    const text = fs.readFileSync(file, 'utf8');
    assert.ok(!text.includes(MARKER), 'people’s words are in the file');
    return events(file).filter(({ type }) => !type.endsWith('coverage'));
  };
  return { sw, file, sealed };
}

async function linked(t, server, client) {
  const [one, other] = InMemoryTransport.createLinkedPair();
  await Promise.all([server.connect(one), client.connect(other)]);
  t.after(() => client.close());
}

/** A shop with a tool that pays, one that fails, and one that asks a person first. */
function shop(acts = []) {
  const server = new McpServer({ name: 'shop', version: '1.0.0' });
  const register = () => {
    server.registerTool('pay', { inputSchema: { to: z.string() } }, ({ to }) => {
      acts.push(to);
      return { content: [{ type: 'text', text: `paid ${to}` }] };
    });
    server.registerTool('fail', {}, () => {
      throw new RangeError(MARKER);
    });
    server.registerTool('asks', {}, async () => {
      const requestedSchema = { type: 'object', properties: {} };
      const { action } = await server.server.elicitInput({ message: MARKER, requestedSchema });
      if (action !== 'accept') return { isError: true, content: [{ type: 'text', text: 'declined' }] };
      acts.push('asked');
      return { content: [] };
    });
    server.registerPrompt('greet', { argsSchema: { name: z.string() } }, ({ name }) => ({
      messages: [{ role: 'user', content: { type: 'text', text: name } }],
    }));
  };
  return { server, register, acts };
}

const person = () => new Client({ name: 'agent', version: '1.0.0' }, { capabilities: { elicitation: {} } });
const brief = ({ type, data, ...event }) =>
  [
    type.replace('dev.sinkwell.', ''),
    data.rule ?? data.tool,
    data.phase ?? data.decision,
    data.outcome,
    data['error.type'],
    event.runid,
  ].filter((member) => member !== undefined);

test('a call is a deed at the client and at the server, and the two are one graph', async (t) => {
  const { server, register } = shop();
  const [a, b] = [await open(t, 'agent'), await open(t, 'shop')];
  // Before its tools are registered, or after: prompts come here after.
  register();
  watch(server, { emitter: b.sw });
  const client = watch(person(), { emitter: a.sw });
  await linked(t, server, client);
  await run('r-1', async () => {
    const paid = await client.callTool({ name: 'pay', arguments: { to: MARKER } });
    assert.equal(paid.content[0].text, `paid ${MARKER}`);
  });
  const greeting = await client.getPrompt({ name: 'greet', arguments: { name: MARKER } });
  assert.equal(greeting.messages[0].content.text, MARKER);

  const [client1, client2, ...more] = await a.sealed();
  assert.deepEqual(more, []);
  const served = await b.sealed();
  const [server1, server2, ...prompt] = served;
  assert.deepEqual([client1, client2, server1, server2].map(brief), [
    ['tool.invocation', 'pay', 'intent', 'r-1'],
    ['tool.invocation', 'pay', 'result', 'ok', 'r-1'],
    ['tool.invocation', 'pay', 'intent', 'r-1'],
    ['tool.invocation', 'pay', 'result', 'ok', 'r-1'],
  ]);
  assert.equal(server1.causationid, client1.id);
  assert.equal(server2.causationid, server1.id);
  assert.equal(server1.traceparent, client1.traceparent);
  assert.match(server1.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  assert.equal(server1.data['mcp.method.name'], 'tools/call');
  assert.deepEqual(
    [server1, server2].map(({ data }) => data.content.map((part) => part.class)),
    [['tool_arguments'], ['tool_result']],
  );
  assert.deepEqual(
    prompt.map(({ data }) => [data['mcp.method.name'], data['gen_ai.prompt.name'], data.phase]),
    [
      ['prompts/get', 'greet', 'intent'],
      ['prompts/get', 'greet', 'result'],
    ],
  );
});

test('what a tool throws is the client’s as ever, and its class is sealed', async (t) => {
  const { server, register } = shop();
  const b = await open(t, 'shop');
  watch(server, { emitter: b.sw });
  register();
  const client = person();
  await linked(t, server, client);
  const failed = await client.callTool({ name: 'fail' });
  assert.equal(failed.isError, true);
  assert.equal(failed.content[0].text, MARKER);
  unwatch(server);
  await client.callTool({ name: 'fail' });
  assert.deepEqual((await b.sealed()).map(brief), [
    ['tool.invocation', 'fail', 'intent'],
    ['tool.invocation', 'fail', 'result', 'error', 'tool_error'],
  ]);
});

test('content that governance lets leaves as parts', async (t) => {
  const { server, register } = shop();
  const classes = ['tool_arguments', 'tool_result'];
  const file = path.join(folder(t), 'see.ndjson');
  const sw = await Emitter.open({
    agent: { id: 'urn:example:shop' },
    heartbeat: 'off',
    lanes: [{ id: 'see', sink: { file: { path: file } }, content: { mode: 'raw', classes } }],
    governance: {
      version: '1',
      content: {
        mode: 'off',
        classes: Object.fromEntries(classes.map((one) => [one, { mode: 'raw' }])),
        redaction: { id: 'pii-1', detectors: ['email'] },
        retention: { class: 'short', window: '30d' },
        sampling: { key: 'run', rate: { numerator: 1, denominator: 1 } },
        limits: { bytes: '64KiB' },
      },
    },
  });
  watch(server, { emitter: sw, permit: 'raw' });
  register();
  const client = person();
  await linked(t, server, client);
  await client.callTool({ name: 'pay', arguments: { to: MARKER } });
  await sw.shutdown();
  const said = events(file).flatMap(({ data }) => (data.disclosures ?? []).map(({ text }) => text));
  assert.deepEqual(said, [
    JSON.stringify({ to: MARKER }),
    JSON.stringify({ content: [{ type: 'text', text: `paid ${MARKER}` }] }),
  ]);
});

for (const action of ['accept', 'decline', 'cancel']) {
  test(`what a person is asked and answers is a decision: ${action}`, async (t) => {
    const { server, register, acts } = shop();
    const [a, b] = [await open(t, 'agent'), await open(t, 'shop')];
    watch(server, { emitter: b.sw });
    register();
    const client = person();
    client.setRequestHandler(ElicitRequestSchema, () => ({ action }));
    watch(client, { emitter: a.sw });
    await linked(t, server, client);
    const { isError } = await client.callTool({ name: 'asks' });
    assert.equal(isError, action === 'accept' ? undefined : true);
    assert.deepEqual(acts, action === 'accept' ? ['asked'] : []);
    const served = await b.sealed();
    const ended = action === 'accept' ? ['ok'] : ['denied', 'tool_error'];
    assert.deepEqual(
      served.map(brief).map((one) => one.filter((member) => !/^[0-9a-f]{32}$/.test(member))),
      [
        ['tool.invocation', 'asks', 'intent'],
        ['policy.decision', 'elicitation', 'ask'],
        ['policy.decision', 'elicitation', action === 'accept' ? 'allow' : 'deny'],
        ['tool.invocation', 'asks', 'result', ...ended],
      ],
    );
    const decisions = (await a.sealed()).filter(({ type }) => type.endsWith('decision'));
    assert.deepEqual(
      decisions.map(({ data }) => data.decision),
      ['ask', action === 'accept' ? 'allow' : 'deny'],
    );
  });
}

/** An emitter whose required sink has just gone. */
async function withoutSiem(t, name) {
  const siem = {
    name: 'siem',
    down: false,
    async emit() {
      if (this.down) throw new Error('down');
    },
  };
  const it = await open(
    t,
    name,
    {
      governance: { version: '1', requires_sink: 'siem' },
      lanes: [
        {
          id: 'siem',
          classes: ['siem'],
          sink: { host: 'siem' },
          retry: { initial: '1h', cap: '1h' },
          breaker: { failures: 1 },
        },
      ],
    },
    { sinks: [siem] },
  );
  siem.down = true;
  it.sw.emit('com.example.tick');
  for (let ready = true; ready;) {
    await new Promise(setImmediate);
    try {
      it.sw.ensureReady();
    } catch {
      ready = false;
    }
  }
  return it;
}

test('a required sink that is down: the server’s tool does not run, and the caller hears which and what to do', async (t) => {
  const b = await withoutSiem(t, 'shop');
  const { server, register, acts } = shop();
  watch(server, { emitter: b.sw });
  register();
  const client = person();
  await linked(t, server, client);
  await assert.rejects(client.callTool({ name: 'pay', arguments: { to: 'x' } }), (error) => {
    assert.equal(error.code, -32603);
    assert.equal(error.data.kind, 'required_sink_unavailable');
    assert.match(error.message, /siem/);
    return true;
  });
  assert.deepEqual(acts, []);
  await b.sw.shutdown({ timeout: 100 });
});

test('a required sink that is down: the client’s call never leaves', async (t) => {
  const a = await withoutSiem(t, 'agent');
  const { server, register, acts } = shop();
  register();
  const client = watch(person(), { emitter: a.sw });
  await linked(t, server, client);
  await assert.rejects(client.callTool({ name: 'pay', arguments: { to: 'x' } }), (error) => {
    assert.equal(error.kind, 'required_sink_unavailable');
    assert.match(error.message, /siem/);
    return true;
  });
  assert.deepEqual(acts, []);
  await a.sw.shutdown({ timeout: 100 });
});

test('a call that its caller aborts ends as cancelled on both sides', async (t) => {
  const [a, b] = [await open(t, 'agent'), await open(t, 'shop')];
  const server = new Server({ name: 'low', version: '1.0.0' }, { capabilities: { tools: {} } });
  const [started, ended] = [deferred(), deferred()];
  server.setRequestHandler(CallToolRequestSchema, (_, { signal }) => {
    started.resolve();
    return new Promise((_, reject) =>
      signal.addEventListener('abort', () => {
        reject(new Error('aborted'));
        ended.resolve();
      }),
    );
  });
  watch(server, { emitter: b.sw });
  const client = watch(person(), { emitter: a.sw });
  await linked(t, server, client);
  const abort = new AbortController();
  const call = client.callTool({ name: 'slow' }, undefined, { signal: abort.signal });
  await started.promise;
  abort.abort();
  await assert.rejects(call);
  await ended.promise;
  await new Promise(setImmediate);
  for (const { sealed } of [a, b]) assert.equal((await sealed()).at(-1).data.outcome, 'cancelled');
});

test('a hundred calls at once are each their own, and none holds the event loop', async (t) => {
  const b = await open(t, 'shop');
  const { server, register } = shop();
  watch(server, { emitter: b.sw });
  register();
  const client = person();
  await linked(t, server, client);
  const calls = Array.from({ length: 100 }, (_, i) =>
    client.callTool({ name: 'pay', arguments: { to: `${i}` } }),
  );
  await Promise.all(calls);
  const sealed = await b.sealed();
  const intents = sealed.filter(({ data }) => data.phase === 'intent').map(({ id }) => id);
  const results = sealed.filter(({ data }) => data.phase === 'result').map(({ causationid }) => causationid);
  assert.equal(new Set(intents).size, 100);
  assert.deepEqual(new Set(results), new Set(intents));
});

test('what is no client and no server is refused', () => {
  assert.throws(() => watch({}), InvalidArgumentError);
});

test('the example: two files, one graph, no word of the arguments', async (t) => {
  const modules = (dir) => {
    for (const name of ['@modelcontextprotocol', 'zod'])
      fs.symlinkSync(path.join(pkg, 'node_modules', name), path.join(dir, 'node_modules', name));
  };
  const source = fs.readFileSync(path.join(root, 'examples', 'node', 'mcp.mjs'), 'utf8');
  const { code, stdout, stderr, dir } = await start(t, source, {
    ext: 'mjs',
    args: ['out'],
    prepare: modules,
  });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, 'paid 3 to Ann\n');
  const files = ['buyer', 'shop'].map((name) => path.join(dir, 'out', `${name}.ndjson`));
  for (const file of files) assert.ok(!fs.readFileSync(file, 'utf8').includes('Ann'));
  const [asked, served] = files.map((file) =>
    events(file).filter(({ type }) => type.endsWith('tool.invocation')),
  );
  assert.equal(served[0].causationid, asked[0].id);
  assert.deepEqual(new Set([...asked, ...served].map(({ runid }) => runid)), new Set(['r-17']));
  const [{ data }] = events(files[1]).filter(({ type }) => type.endsWith('coverage'));
  const installed = path.join(pkg, 'node_modules', '@modelcontextprotocol', 'sdk', 'package.json');
  const { version } = JSON.parse(fs.readFileSync(installed, 'utf8'));
  assert.deepEqual(data, {
    seam: 'mcp.server',
    package: '@modelcontextprotocol/sdk',
    version,
    state: 'watching',
  });
});
