// The scripted run (tests/vectors/scripted) with the OpenAI Agents SDK: `node scripted_openai_agents.mjs OUT up|raw|down`.
import {
  addTraceProcessor,
  Agent,
  Runner,
  setTraceProcessors,
  setTracingDisabled,
  tool,
  withGenerationSpan,
} from '@openai/agents-core';
import { Processor } from 'sinkwell/openai-agents';
import { z } from 'zod';
import { MARKER, opened, refused } from './scripted.mjs';

const [out, how] = process.argv.slice(2);
const ran = [];

/** Answers, streamed, with what the script says, each time with the same usage. */
class Scripted {
  constructor(script) {
    this.script = script;
  }
  async getResponse() {
    throw new Error('it streams');
  }
  async *getStreamedResponse() {
    const item = this.script.shift();
    // As the SDK's own models do.
    await withGenerationSpan(
      async ({ spanData }) => {
        spanData.output = [item];
        spanData.usage = {
          input_tokens: 12,
          output_tokens: 3,
          total_tokens: 15,
          input_tokens_details: { cached_tokens: 4 },
          output_tokens_details: { reasoning_tokens: 2 },
        };
      },
      { data: { model: 'small', input: [{ role: 'user', content: MARKER }] } },
    );
    const usage = { requests: 1, inputTokens: 12, outputTokens: 3, totalTokens: 15 };
    yield { type: 'response_started' };
    yield { type: 'response_done', response: { id: 'r', usage, output: [item] } };
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
const said = (text) => ({
  type: 'message',
  id: 'm',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text }],
});
const parameters = z.object({ q: z.string() });
const look = tool({
  name: 'look',
  description: 'Looks.',
  parameters,
  execute: () => {
    ran.push('look');
    return MARKER;
  },
});
const charge = tool({
  name: 'charge',
  description: 'Charges.',
  parameters,
  execute: () => {
    ran.push('charge');
    throw new RangeError(MARKER);
  },
});
const noPayments = {
  name: 'no_payments',
  run: async () => ({ behavior: { type: 'rejectContent', message: MARKER } }),
};
const pay = tool({
  name: 'pay',
  description: 'Pays.',
  parameters,
  inputGuardrails: [noPayments],
  execute: () => void ran.push('pay'),
});

const emitter = await opened(out, how);
const processor = new Processor({ emitter, permit: 'raw' });
// It is off in tests, and the SDK's own processor sends to its maker.
setTracingDisabled(false);
setTraceProcessors([]);
addTraceProcessor(processor);
const refunds = new Agent({
  name: 'refunds',
  model: new Scripted([call('charge', 'c2'), call('pay', 'c3'), said(MARKER)]),
  tools: [charge, pay],
});
const triage = new Agent({
  name: 'triage',
  model: new Scripted([call('look', 'c1'), call('transfer_to_refunds', 'c9')]),
  tools: [look],
  handoffs: [refunds],
});
processor.protect(triage);
try {
  const result = await new Runner({ workflowName: 'shop', modelProvider: {} }).run(triage, MARKER, {
    stream: true,
  });
  for await (const _ of result);
  await result.completed;
  console.log('END', result.finalOutput === MARKER);
} catch (error) {
  refused(error.error ?? error);
} finally {
  console.log('RAN', ran.join());
  processor.stop();
  await emitter.shutdown({ timeout: 500 });
}
