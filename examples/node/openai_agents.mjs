// An agent of the OpenAI Agents SDK with a tool, on the SDK's own scripted model: runs, and the tool as a deed. Offline.
// `npm install sinkwell @openai/agents-core zod`, then `node openai_agents.mjs [FILE]`.
import { addTraceProcessor, Agent, run, setTraceProcessors, tool } from '@openai/agents-core';
import { assistantMessage, functionCall, ScriptedModel } from '@openai/agents-core/testing';
import { configure, shutdown } from 'sinkwell';
import { Processor } from 'sinkwell/openai-agents';
import { z } from 'zod';

await configure({
  agent: { id: 'urn:example:shop' },
  lanes: [{ sink: { file: { path: process.argv[2] ?? 'events.ndjson' } } }],
});
const processor = new Processor();
setTraceProcessors([]); // the SDK's own sends to its maker
addTraceProcessor(processor);

const pay = tool({
  name: 'pay',
  description: 'Pays; it runs only once its intent is safe.',
  parameters: z.object({ amount: z.number() }),
  execute: ({ amount }) => `paid ${amount}`,
});
const call = functionCall('pay', { amount: 3 }, { callId: 'call-1' });
const model = new ScriptedModel([[call], [assistantMessage('paid 3')]]);
const agent = processor.protect(new Agent({ name: 'shop', model, tools: [pay] }));

const result = await run(agent, 'pay, please');
console.log(result.finalOutput);
processor.stop();
await shutdown();
