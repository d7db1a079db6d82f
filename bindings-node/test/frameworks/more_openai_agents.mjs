// A run that an input guardrail stops, one whose tool emits, and one that nobody watches any longer.
import {
  addTraceProcessor,
  Agent,
  Runner,
  setTraceProcessors,
  setTracingDisabled,
  tool,
} from '@openai/agents-core';
import { assistantMessage, functionCall, ScriptedModel } from '@openai/agents-core/testing';
import { Processor } from 'sinkwell/openai-agents';
import { z } from 'zod';
import { MARKER, opened } from './scripted.mjs';

const emitter = await opened(process.argv[2], 'up');
const processor = new Processor({ emitter, permit: 'raw' });
setTracingDisabled(false);
setTraceProcessors([]);
addTraceProcessor(processor);
const runner = new Runner({ workflowName: 'shop', modelProvider: {} });

const guarded = new Agent({
  name: 'guarded',
  model: new ScriptedModel([[assistantMessage(MARKER)]]),
  inputGuardrails: [
    {
      name: 'no_pii',
      runInParallel: false,
      execute: async () => ({ tripwireTriggered: true, outputInfo: MARKER }),
    },
  ],
});
await runner.run(guarded, MARKER).catch(({ constructor }) => console.log('TRIPPED', constructor.name));

const pay = tool({
  name: 'pay',
  description: 'Pays.',
  parameters: z.object({ q: z.string() }),
  execute: async () => {
    await new Promise(setImmediate);
    emitter.emit('com.example.inside');
    return MARKER;
  },
});
const call = functionCall('pay', { q: MARKER }, { callId: 'c1' });
const model = new ScriptedModel([[call], [assistantMessage('paid')]]);
const agent = processor.protect(new Agent({ name: 'shop', model, tools: [pay] }));
// Once more is no second deed.
processor.protect(agent);
console.log('RAN', (await runner.run(agent, MARKER)).finalOutput);
processor.stop();
const emit = emitter.emit;
emitter.emit = () => {};
model.enqueue([call], [assistantMessage('paid')]);
console.log('UNWATCHED', (await runner.run(agent, MARKER)).finalOutput);
emitter.emit = emit;
await emitter.shutdown();
