'use strict';
// One scripted run in each framework: two agents, a handoff, three tools of which one fails and one is denied, streamed model
// output, usage. Each gives the same graph of events, as far as it has what that takes (docs/INTEGRATIONS.md).
const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const test = require('node:test');
const { verify } = require('../..');
const { environment } = require('./environment');
const { events, folder, pkg, root } = require('../helpers');

const execute = promisify(execFile);
const script = JSON.parse(
  fs.readFileSync(path.join(root, 'tests', 'vectors', 'scripted', 'run.json'), 'utf8'),
);
const GRAPH = script.graph.map((one) => one.map((said) => (said === 'usage' ? script.usage : said)));

/** What the events say, by the names of runs. */
function graph(all) {
  const names = new Map([[undefined, null]]);
  const name = (id) => names.get(id) ?? id ?? null;
  const handoffs = new Set();
  const found = [];
  for (const event of all) {
    const { data } = event;
    const kind = event.type.replace('dev.sinkwell.', '');
    if (kind === 'run.started')
      names.set(event.runid, data['gen_ai.agent.name'] ?? data['gen_ai.workflow.name']);
    const run = name(event.runid);
    if (['run.started', 'run.completed', 'run.failed'].includes(kind)) {
      const caused = handoffs.has(event.causationid) ? ['caused by the handoff'] : [];
      found.push([kind, run, name(data.parent_run), ...caused]);
    } else if (kind === 'model.usage') {
      const members = Object.keys(script.usage).map((member) => [member, data[member]]);
      found.push([kind, run, Object.fromEntries(members)]);
    } else if (kind === 'run.progress') {
      handoffs.add(event.id);
      found.push(['handoff', run, data.to]);
    } else if (kind === 'tool.invocation') {
      // LangGraph hands off by a tool, which is told as one, too.
      if (data.phase !== 'intent' && !data.tool.startsWith('transfer_to_'))
        found.push(['tool', run, data.tool, data.outcome]);
    } else if (kind === 'policy.decision') {
      found.push(['decision', run, data.decision, event.subject.replace('tool:', '')]);
    }
  }
  return found;
}

/** Each intent has one result that names it, and no two events have one id. */
function checkDeeds(all) {
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
  const intents = all.filter(({ data }) => data.phase === 'intent').map(({ id }) => id);
  const results = all.filter(({ data }) => data.phase === 'result').map(({ causationid }) => causationid);
  assert.ok(intents.length > 0);
  assert.deepEqual(results.sort(), intents.sort());
}

/** Runs a program; answers what it printed and the host's events that it sealed. */
async function scripted(t, place, program, ...how) {
  const out = path.join(folder(t), 'events.ndjson');
  const file = path.join(place, `${program}.mjs`);
  const { stdout } = await execute(process.execPath, [file, out, ...how], { cwd: place, timeout: 60_000 });
  // The policy lets none through: not one word of people left the process, whatever the integration permits.
  if (!how.includes('raw')) assert.ok(!fs.readFileSync(out, 'utf8').includes('MARKER'));
  assert.ok(!stdout.includes('MARKER'));
  return { said: stdout.split('\n').slice(0, -1), all: events(out), out };
}

const states = (all) =>
  all
    .filter(({ type }) => type.endsWith('coverage'))
    .map(({ data }) => [data.seam, data.state, data.version]);

const FRAMEWORKS = [
  { name: 'langchain', wanted: GRAPH, packages: ['@langchain/core'], classes: ['prompt', 'completion'] },
  {
    name: 'openai_agents',
    wanted: GRAPH,
    packages: ['@openai/agents-core'],
    classes: ['prompt', 'completion'],
  },
  {
    name: 'ai_sdk',
    // It has no handoffs: the program's own code runs one agent after the other.
    wanted: GRAPH.filter(([what]) => what !== 'handoff').map((one) =>
      one[0].startsWith('run.') ? one.slice(0, 3) : one,
    ),
    packages: ['ai'],
    classes: ['prompt', 'completion'],
  },
];

for (const { name, wanted, packages, classes } of FRAMEWORKS) {
  for (const release of ['newest', 'oldest']) {
    test(`${name}: the scripted run gives the same graph, with the ${release} release`, async (t) => {
      const place = environment(t, release === 'oldest' ? 'oldest' : '.');
      if (place === undefined) return;
      const { said, all, out } = await scripted(t, place, `scripted_${name}`, 'up');
      assert.deepEqual(said, ['END true', 'RAN look,charge']);
      assert.deepEqual(graph(all), wanted);
      checkDeeds(all);
      const manifest = path.join(place, 'node_modules', packages[0], 'package.json');
      const { version } = JSON.parse(fs.readFileSync(manifest, 'utf8'));
      assert.deepEqual(states(all), [
        [name, 'watching', version],
        [name, 'stopped', version],
      ]);
      assert.equal((await verify([out])).verdict, 'unchecked');
    });
  }

  test(`${name}: where the policy lets them, the words go as parts`, async (t) => {
    const place = environment(t);
    if (place === undefined) return;
    const { all } = await scripted(t, place, `scripted_${name}`, 'raw');
    const shown = new Set();
    for (const { data, ...event } of all) {
      const { disclosures = [], ...others } = data;
      for (const { text, part } of disclosures)
        if (text?.includes('MARKER')) shown.add(data.content[part].class);
      // They are parts, and nothing else of the event has them.
      assert.ok(!JSON.stringify([event, others]).includes('MARKER'));
    }
    assert.deepEqual(shown, new Set([...classes, 'tool_arguments', 'tool_result']));
  });

  test(`${name}: while a required sink is down no tool runs`, async (t) => {
    const place = environment(t);
    if (place === undefined) return;
    const { said } = await scripted(t, place, `scripted_${name}`, 'down');
    const [refused, ran] = said;
    assert.match(refused, /^REFUSED required_sink_unavailable .*siem.*mend the sink/);
    assert.equal(ran, 'RAN ');
  });

  test(`${name}: the example runs offline`, async (t) => {
    const place = environment(t);
    if (place === undefined) return;
    const example = path.join(place, `example_${name}.mjs`);
    fs.copyFileSync(path.join(root, 'examples', 'node', `${name}.mjs`), example);
    const out = path.join(folder(t), 'events.ndjson');
    const { stdout } = await execute(process.execPath, [example, out], { cwd: place, timeout: 60_000 });
    assert.equal(stdout, 'paid 3\n');
    checkDeeds(events(out));
  });
}

test('what the integrations take and give has the types of the frameworks', async (t) => {
  const place = environment(t);
  if (place === undefined) return;
  const options = ['--strict', '--noEmit', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022'];
  const types = ['--types', 'node', '--typeRoots', path.join(pkg, 'node_modules', '@types')];
  const tsc = path.join(pkg, 'node_modules', 'typescript', 'bin', 'tsc');
  const line = [tsc, ...options, ...types, 'types.mts'];
  const { stdout } = await execute(process.execPath, line, { cwd: place }).catch((error) => error);
  assert.equal(stdout, '');
});

test('langchain: an interrupt and its answer are decisions, and what a tool emits belongs to its call', async (t) => {
  const place = environment(t);
  if (place === undefined) return;
  const { said, all } = await scripted(t, place, 'more_langchain');
  assert.deepEqual(said, ['TURNS other,act']);
  const told = all
    .filter(({ type, data }) => data.phase === undefined && !type.endsWith('coverage'))
    .map(({ type, subject, data }) => [type.replace('dev.sinkwell.', ''), subject, data.decision]);
  assert.deepEqual(told, [
    ['run.started', undefined, undefined],
    ['policy.decision', 'tool:pay', 'ask'],
    ['run.completed', undefined, undefined],
    ['run.started', undefined, undefined],
    ['policy.decision', undefined, 'allow'],
    ['com.example.inside', undefined, undefined],
    ['com.example.own', undefined, undefined],
    ['run.completed', undefined, undefined],
  ]);
  const ends = all
    .filter(({ type }) => type.endsWith('run.completed'))
    .map(({ data }) => data.terminal_status);
  assert.deepEqual(ends, ['unknown', 'completed']);
  const [, second] = all.filter(({ data }) => data.phase === 'intent');
  const inside = all.find(({ type }) => type === 'com.example.inside');
  assert.deepEqual([inside.causationid, inside.runid], [second.id, second.runid]);
  const own = all.find(({ type }) => type === 'com.example.own');
  assert.deepEqual([own.causationid, own.runid], [second.id, 'r-own']);
  const results = all.filter(({ data }) => data.phase === 'result').map(({ data }) => data.outcome);
  assert.deepEqual(results, ['denied', 'ok']);
});

test('openai_agents: a guardrail that trips is a decision, and what a tool emits belongs to its call', async (t) => {
  const place = environment(t);
  if (place === undefined) return;
  const { said, all } = await scripted(t, place, 'more_openai_agents');
  assert.deepEqual(said, ['TRIPPED InputGuardrailTripwireTriggered', 'RAN paid', 'UNWATCHED paid']);
  const told = all
    .filter(({ type }) => !type.endsWith('coverage'))
    .map(({ type, data }) => [type.replace('dev.sinkwell.', ''), data.phase ?? data.decision]);
  const run = (what) => [`run.${what}`, undefined];
  assert.deepEqual(told, [
    run('started'),
    run('started'),
    ['policy.decision', 'deny'],
    // The SDK ends no trace of a run that throws (docs/INTEGRATIONS.md).
    run('failed'),
    run('started'),
    run('started'),
    ['tool.invocation', 'intent'],
    ['com.example.inside', undefined],
    ['tool.invocation', 'result'],
    run('completed'),
    run('completed'),
  ]);
  const intent = all.find(({ data }) => data.phase === 'intent');
  const inside = all.find(({ type }) => type === 'com.example.inside');
  assert.deepEqual([inside.causationid, inside.runid], [intent.id, intent.runid]);
});

for (const release of ['newest', 'oldest']) {
  test(`openai_agents: a call that waits for approval is a decision, and so is the answer, with the ${release} release`, async (t) => {
    const place = environment(t, release === 'oldest' ? 'oldest' : '.');
    if (place === undefined) return;
    const { said, all } = await scripted(t, place, 'approvals_openai_agents');
    assert.deepEqual(said, ['yes pay done', 'no pay done', 'later done', 'RAN look,pay,look,pay']);
    // Older releases go on in the agent that asked; newer ones in another of the same run.
    const told = graph(all).filter(([what]) => !what.startsWith('run.'));
    const call = (name, outcome) => ['tool', 'teller', name, outcome];
    const decided = (decision) => ['decision', 'teller', decision, 'pay'];
    assert.deepEqual(told, [
      ...[call('look', 'ok'), decided('ask'), decided('allow'), call('pay', 'ok')],
      // Of what a person rejects there is no intent.
      ...[call('look', 'ok'), decided('ask'), decided('deny'), call('pay', 'denied')],
      ...[decided('ask'), decided('allow'), call('pay', 'ok')],
    ]);
    checkDeeds(all);
    const ends = all.filter(({ type }) => type.endsWith('run.completed'));
    const status = (agent) =>
      ends
        .filter(({ data }) => (data['gen_ai.agent.name'] ?? '') === agent)
        .map(({ data }) => data.terminal_status);
    assert.deepEqual(status(''), ['unknown', 'unknown', 'unknown']);
    const agents = ['unknown', 'completed'];
    assert.deepEqual(
      status('teller'),
      release === 'oldest' ? Array(3).fill('completed') : [...agents, ...agents, ...agents],
    );
    const runs = new Set(
      all
        .filter(({ type, data }) => type.endsWith('run.started') && !data.parent_run)
        .map(({ runid }) => runid),
    );
    assert.equal(runs.size, 3);
    for (const { data } of ends) assert.ok(data.parent_run === undefined || runs.has(data.parent_run));
  });
}

const ENDS = [
  // Of what a tool throws the SDK makes an answer for the model, and tells the words alone; of a run that throws it ends no trace.
  ['openai_agents', 'late', ['error'], ['completed', 'completed']],
  ['openai_agents', 'limited', ['timeout'], ['completed', 'completed']],
  ['openai_agents', 'aborted', ['cancelled'], ['cancelled']],
  ['langchain', 'late', ['timeout'], ['timed_out']],
  ['langchain', 'aborted', ['cancelled'], ['cancelled']],
  ['ai_sdk', 'late', ['timeout'], ['completed']],
  ['ai_sdk', 'aborted', ['cancelled'], ['cancelled']],
];

for (const [framework, how, calls, runs] of ENDS) {
  test(`${framework}: a call that is ${how} has ended so, and its run`, async (t) => {
    const place = environment(t);
    if (place === undefined) return;
    const { all } = await scripted(t, place, 'outcomes', framework, how);
    checkDeeds(all);
    const outcomes = all.filter(({ data }) => data.phase === 'result').map(({ data }) => data.outcome);
    assert.deepEqual(outcomes, calls);
    const ends = all.flatMap(({ data: { terminal_status } }) => terminal_status ?? []);
    assert.deepEqual(ends, runs);
  });
}

test('ai_sdk: streamed output is not held back, a tool may stream, and a call that waits for approval is a decision', async (t) => {
  const place = environment(t);
  if (place === undefined) return;
  const { said, all } = await scripted(t, place, 'more_ai_sdk');
  assert.deepEqual(said, ['STREAMED one|two', 'SEARCHED found', 'RAN', 'YES done', 'NO done']);
  const told = all
    .filter(({ type }) => !type.endsWith('coverage'))
    .map(({ type, data }) => [
      type.replace('dev.sinkwell.', ''),
      data.phase ?? data.decision ?? data.total_tokens ?? data.terminal_status,
      data.outcome,
    ]);
  assert.deepEqual(told, [
    ['model.usage', 15, undefined],
    // Who had one piece and read no further.
    ['model.usage', undefined, undefined],
    ['run.started', undefined, undefined],
    ['com.example.own', undefined, undefined],
    ['model.usage', 15, undefined],
    ['tool.invocation', 'intent', undefined],
    ['com.example.inside', undefined, undefined],
    ['tool.invocation', 'result', 'ok'],
    ['model.usage', 15, undefined],
    ['run.completed', 'completed', undefined],
    // A person says yes, and then no.
    ['run.started', undefined, undefined],
    ['model.usage', 15, undefined],
    ['policy.decision', 'ask', undefined],
    ['policy.decision', 'allow', undefined],
    ['tool.invocation', 'intent', undefined],
    ['tool.invocation', 'result', 'ok'],
    ['model.usage', 15, undefined],
    ['run.completed', 'completed', undefined],
    ['run.started', undefined, undefined],
    ['model.usage', 15, undefined],
    ['policy.decision', 'ask', undefined],
    ['policy.decision', 'deny', undefined],
    ['model.usage', 15, undefined],
    ['run.completed', 'completed', undefined],
  ]);
  const intent = all.find(({ data }) => data.phase === 'intent');
  const inside = all.find(({ type }) => type === 'com.example.inside');
  assert.deepEqual([inside.causationid, inside.runid], [intent.id, intent.runid]);
  const own = all.find(({ type }) => type === 'com.example.own');
  assert.equal(own.runid, intent.runid);
});
