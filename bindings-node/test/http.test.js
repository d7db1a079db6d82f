'use strict';
// Requests over HTTP: what is emitted while one is answered belongs to its trace, whatever a client sends.
const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const test = require('node:test');
const { Emitter } = require('..');
const { answer, headers, middleware } = require('../dist/http');
const { events, folder, run } = require('./helpers');

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const traced = `traceparent: ${PARENT}`;

// What the client sends; then the trace context, the state and the correlation that events have.
const SENT = {
  'all is well': [
    [traced, 'tracestate: a=1', 'tracestate: b=2', 'x-request-id: c1'],
    PARENT,
    'a=1,b=2',
    'c1',
  ],
  'an id with a tab': [['x-request-id: a\tb'], undefined, undefined, 'a\ufffdb'],
  'an id past ASCII': [['x-request-id: caf\xe9'], undefined, undefined, 'caf\ufffd'],
  'an id of blanks': [['x-request-id:   \t '], undefined, undefined, undefined],
  'a long id': [[`x-request-id: ${'a'.repeat(5000)}`], undefined, undefined, 'a'.repeat(256)],
  'a state that is no text': [[traced, 'tracestate: a=\xff'], PARENT, undefined, undefined],
  'a long state': [[traced, `tracestate: ${'a'.repeat(5000)}`], PARENT, undefined, undefined],
  'a parent that is no text': [[`traceparent: \xff${PARENT}`], undefined, undefined, undefined],
  'a parent of zeros': [
    [`traceparent: 00-${'0'.repeat(32)}-b7ad6b7169203331-01`],
    undefined,
    undefined,
    undefined,
  ],
  'a parent of version ff': [[`traceparent: ff${PARENT.slice(2)}`], undefined, undefined, undefined],
  'two parents': [[traced, traced], undefined, undefined, undefined],
  'a state without a parent': [['tracestate: a=1'], undefined, undefined, undefined],
  'baggage of whatever it may': [['baggage: k=\xff\t'], undefined, undefined, undefined],
};

async function opened(t) {
  const out = path.join(folder(t), 'out.ndjson');
  const lanes = [{ id: 'out', sink: { file: { path: out } } }];
  return { out, emitter: await Emitter.open({ agent: { id: 'a1' }, heartbeat: 'off', lanes }) };
}

/** A request as it stands on the wire, and the status that it is answered with. */
async function asked(port, lines, line = 'GET /') {
  const socket = net.connect(port, '127.0.0.1');
  socket.end(
    Buffer.from(
      `${[`${line} HTTP/1.1`, 'host: x', 'connection: close', ...lines].join('\r\n')}\r\n\r\n`,
      'latin1',
    ),
  );
  let said = '';
  for await (const piece of socket) said += piece;
  return Number(said.split(' ')[1]);
}

async function serving(listener) {
  const server = http.createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: server.address().port };
}

async function ended(server) {
  server.close();
  await once(server, 'close');
}

test('what a client sends costs no event', async (t) => {
  const { out, emitter } = await opened(t);
  const inside = (request, response) => {
    setImmediate(() => {
      emitter.emit('com.example.inside');
      response.writeHead(204).end();
    });
  };
  const { server, port } = await serving(answer(inside, { emitter }));
  for (const [lines] of Object.values(SENT)) assert.equal(await asked(port, lines), 204);
  await ended(server);
  emitter.emit('com.example.outside');
  await emitter.shutdown();
  const all = events(out);
  const wanted = Object.values(SENT).flatMap(([, ...told]) => [told, told]);
  const told = all.map(({ traceparent, tracestate, correlationid }) => [
    traceparent,
    tracestate,
    correlationid,
  ]);
  assert.deepEqual(told, [...wanted, [undefined, undefined, undefined]]);
  assert.deepEqual(
    all.map(({ type }) => type),
    [
      ...Object.values(SENT).flatMap(() => ['com.example.inside', 'dev.sinkwell.span']),
      'com.example.outside',
    ],
  );
});

test('requests beside each other have their own, and what the program asks for goes on with it', async (t) => {
  const { out, emitter } = await opened(t);
  const waiting = [];
  const inside = async (request, response) => {
    await new Promise((go) => (waiting.push(go), waiting.length === 2 && waiting.forEach((one) => one())));
    emitter.emit('com.example.inside');
    response.end(headers().traceparent);
  };
  const { server, port } = await serving(answer(inside, { emitter }));
  const parents = ['aaaa', 'bbbb'].map((start) => PARENT.replace('0af7', start));
  const said = await Promise.all(
    parents.map(async (traceparent) =>
      (await fetch(`http://127.0.0.1:${port}/`, { headers: { traceparent, connection: 'close' } })).text(),
    ),
  );
  assert.deepEqual(said, parents);
  assert.deepEqual(headers(), {});
  await ended(server);
  await emitter.shutdown();
  const traces = events(out).map(({ traceparent }) => traceparent.slice(3, 7));
  assert.deepEqual(traces.sort(), ['aaaa', 'aaaa', 'bbbb', 'bbbb']);
});

test('what a request ended with, by its route', async (t) => {
  const { out, emitter } = await opened(t);
  const used = middleware({ emitter });
  const { server, port } = await serving((request, response) =>
    used(request, response, () => {
      // As Express says which route matched.
      if (request.url.startsWith('/orders/'))
        Object.assign(request, { baseUrl: '/orders', route: { path: '/:id' } });
      if (request.method === 'DELETE') return response.destroy();
      response.writeHead(request.method === 'POST' ? 503 : 404).end();
    }),
  );
  assert.equal(await asked(port, ['content-length: 0'], 'POST /orders/MARKER'), 503);
  assert.equal(await asked(port, [], 'PROPFIND /MARKER'), 404);
  await asked(port, [], 'DELETE /MARKER').catch(() => {});
  await ended(server);
  await emitter.shutdown();
  const all = events(out);
  const told = all.map(({ data, severitytext }) => [
    data.name,
    data['http.response.status_code'],
    severitytext,
  ]);
  assert.deepEqual(told, [
    ['POST /orders/:id', 503, 'ERROR'],
    ['HTTP', 404, 'INFO'],
    ['DELETE', 500, 'ERROR'],
  ]);
  assert.ok(!JSON.stringify(all).includes('MARKER'));
});

test('while governance forbids going on, requests are refused', async (t) => {
  const siem = {
    name: 'siem',
    classes: ['siem'],
    down: false,
    emit() {
      if (this.down) throw new Error('away');
    },
  };
  const retry = { retry: { initial: '1h', cap: '1h' }, breaker: { failures: 1 } };
  const governance = { version: '1', requires_sink: 'siem' };
  const lanes = [{ id: 'siem', classes: ['siem'], sink: { host: 'siem' }, ...retry }];
  const emitter = await Emitter.open(
    { agent: { id: 'a' }, heartbeat: 'off', governance, lanes },
    { sinks: [siem] },
  );
  siem.down = true;
  emitter.emit('com.example.lost');
  for (let ready = true; ready; await new Promise(setImmediate)) {
    try {
      emitter.ensureReady();
    } catch {
      ready = false;
    }
  }
  const { server, port } = await serving(answer(() => assert.fail('it was called'), { emitter }));
  assert.equal(await asked(port, []), 503);
  await ended(server);
  await emitter.shutdown({ timeout: 100 });
});

const GOVERNED = { agent: { id: 'a' }, governance: { required_sinks: [{ class: 'audit' }] } };
const FILE = { classes: ['audit'], sink: { file: { path: 'events.ndjson' } } };

// What the environment's document says, and what a request is answered with; `null` is a file that is not there.
const DEFAULTS = {
  'nothing is amiss': [{ ...GOVERNED, journal: { dir: 'journal' }, lanes: [FILE] }, 200],
  // What governance it would have required, nobody can say.
  'the document that is named is not there': [null, 503],
  'the document cannot be used': [{ ...GOVERNED, lanes: [FILE], lannes: 1 }, 503],
  'the policy cannot be used': [{ ...GOVERNED, governance: { required_sinks: 7 }, lanes: [FILE] }, 503],
  'nothing has the required class': [{ ...GOVERNED, lanes: ['null'] }, 503],
  'the key is missing where nothing is required': [
    { agent: { id: 'a' }, key: { id: 'k', ed25519: { file: 'none.pem' } }, lanes: ['null'] },
    200,
  ],
  'the key is missing where what is required fails closed': [
    { ...GOVERNED, key: { id: 'k', ed25519: { file: 'none.pem' } }, lanes: [FILE] },
    503,
  ],
  'a variable is missing': [
    { ...GOVERNED, lanes: [FILE, { sink: { file: { path: '${SINKWELL_TEST_NOT_SET}' } } }] },
    503,
  ],
};

for (const [what, [document, status]] of Object.entries(DEFAULTS)) {
  test(`without a default emitter a request is refused only where governance fails closed: ${what}`, async (t) => {
    const ran = await run(
      t,
      `import http from 'node:http';
       import { once } from 'node:events';
       import { answer, middleware } from 'sinkwell/http';
       const listener = (request, response) => response.end('answered');
       const used = middleware();
       for (const each of [answer(listener), (...given) => used(...given, () => listener(...given))]) {
         const server = http.createServer(each).listen(0, '127.0.0.1');
         await once(server, 'listening');
         const response = await fetch('http://127.0.0.1:' + server.address().port, { headers: { connection: 'close' } });
         console.log(response.status, await response.text());
         await new Promise((done) => server.close(done));
       }`,
      {
        ext: 'mjs',
        env: { SINKWELL_CONFIG: 'sinkwell.json' },
        prepare: (dir) => {
          if (document) fs.writeFileSync(path.join(dir, 'sinkwell.json'), JSON.stringify(document));
        },
      },
    );
    assert.equal(ran.code, 0, ran.stderr);
    const said = status === 200 ? '200 answered\n' : '503 a required sink is unavailable\n';
    assert.equal(ran.stdout, said + said);
    assert.equal(/SinkwellWarning/.test(ran.stderr), what !== 'nothing is amiss', ran.stderr);
  });
}

test('while the default emitter is configured requests wait for nothing: they are refused until it is open', async (t) => {
  const ran = await run(
    t,
    `import http from 'node:http';
     import { once } from 'node:events';
     import { configure, shutdown } from 'sinkwell';
     import { answer } from 'sinkwell/http';
     const server = http.createServer(answer((request, response) => response.end())).listen(0, '127.0.0.1');
     await once(server, 'listening');
     const ask = async () => {
       const asked = await fetch('http://127.0.0.1:' + server.address().port, { headers: { connection: 'close' } });
       await asked.arrayBuffer();
       console.log(asked.status);
     };
     let go;
     const gone = new Promise((resolve) => (go = resolve));
     const soc = { name: 'soc', classes: ['audit'], emit: () => gone };
     const config = { ...${JSON.stringify(GOVERNED)}, lanes: [{ sink: { host: 'soc' }, classes: ['audit'], timeout: '1h' }] };
     const opened = configure(config, { sinks: [soc] });
     await ask();
     go();
     await opened;
     await ask();
     await shutdown();
     await ask();
     await configure({ agent: { id: 'a' }, lanes: ['null'] });
     await ask();
     server.close();`,
    { ext: 'mjs' },
  );
  assert.equal(ran.signal, null, ran.stdout);
  assert.equal(ran.stdout, '503\n200\n503\n200\n', ran.stderr);
});

test('an emitter that has ended costs a request only where governance fails closed', async (t) => {
  const out = path.join(folder(t), 'out.ndjson');
  const lanes = [{ classes: ['audit'], sink: { file: { path: out } } }];
  for (const [governance, status] of [
    [undefined, 200],
    [{ required_sinks: [{ class: 'audit', on_unhealthy: 'degrade' }] }, 200],
    [{ required_sinks: [{ class: 'audit' }] }, 503],
  ]) {
    const emitter = await Emitter.open({ agent: { id: 'a' }, governance, lanes });
    await emitter.shutdown();
    const { server, port } = await serving(answer((request, response) => response.end(), { emitter }));
    assert.equal(await asked(port, []), status);
    await ended(server);
  }
});
