// Calls that a person must approve: one says yes, one says no, one is asked in one process and answered in another, one calls
// a tool whose policy is a function that lets it through. `node approvals_openai_agents.mjs OUT`
import {
  addTraceProcessor,
  Agent,
  Runner,
  RunState,
  setTraceProcessors,
  setTracingDisabled,
  tool,
  Usage,
} from '@openai/agents-core';
import { Processor } from 'sinkwell/openai-agents';
import { z } from 'zod';
import { MARKER, opened } from './scripted.mjs';

const ran = [];

class Scripted {
  constructor(...script) {
    this.script = script;
  }
  async getResponse() {
    return { usage: new Usage(), output: [this.script.shift()], responseId: 'r' };
  }
}

const call = (name, callId) => ({
  type: 'function_call',
  id: callId,
  callId,
  name,
  status: 'completed',
  arguments: JSON.stringify({ q: MARKER }),
});
const said = {
  type: 'message',
  id: 'm',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text: 'done' }],
};
const made = (name, needsApproval) =>
  tool({
    name,
    description: 'Does.',
    parameters: z.object({ q: z.string() }),
    needsApproval,
    execute: async () => {
      ran.push(name);
      return MARKER;
    },
  });

const emitter = await opened(process.argv[2], 'up');
const processor = new Processor({ emitter, permit: 'raw' });
setTracingDisabled(false);
setTraceProcessors([]);
addTraceProcessor(processor);
const runner = new Runner({ workflowName: 'shop', modelProvider: {} });
const agentOf = (...script) =>
  processor.protect(
    new Agent({
      name: 'teller',
      model: new Scripted(...script),
      tools: [made('pay', true), made('look', async (_, { q }) => q !== MARKER)],
    }),
  );

for (const [how, answer] of [
  ['yes', 'approve'],
  ['no', 'reject'],
]) {
  const agent = agentOf(call('look', 'c1'), call('pay', 'c2'), said);
  const { interruptions, state } = await runner.run(agent, MARKER);
  state[answer](interruptions[0]);
  console.log(how, interruptions[0].name, (await runner.run(agent, state)).finalOutput);
}

// As another process would go on, from what was written down.
const agent = agentOf(call('pay', 'c3'), said);
const written = (await runner.run(agent, MARKER)).state.toString();
const again = agentOf(said);
const state = await RunState.fromString(again, written);
state.approve(state.getInterruptions()[0]);
console.log('later', (await runner.run(again, state)).finalOutput);
console.log('RAN', ran.join());
processor.stop();
await emitter.shutdown();
