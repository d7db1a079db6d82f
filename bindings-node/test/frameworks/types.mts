// What the integrations hand to the frameworks, and take of them, has the frameworks' own types: compiled, not run.
import * as context from '@langchain/core/context';
import { FakeListChatModel } from '@langchain/core/utils/testing';
import { addTraceProcessor, Agent, tool as agentTool } from '@openai/agents-core';
import { generateText, tool, wrapLanguageModel } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { view, type View } from 'sinkwell';
import { Watch } from 'sinkwell/ai-sdk';
import { Handler, install } from 'sinkwell/langchain';
import { Processor } from 'sinkwell/openai-agents';
import { z } from 'zod';

const handler: Handler = install(context, { permit: 'raw', timeout: 5 });
await new FakeListChatModel({ responses: ['x'] }).invoke('x', { callbacks: [handler, new Handler()] });
const processor = new Processor({ until: 'enqueued' });
addTraceProcessor(processor);
const agent: Agent = processor.protect(
  new Agent({
    name: 'a',
    tools: [agentTool({ name: 'x', description: 'x', parameters: z.object({}), execute: () => 'x' })],
  }),
);
const watch = new Watch();
const model = wrapLanguageModel({ model: new MockLanguageModelV3(), middleware: watch.middleware });
const tools = watch.tools({
  pay: tool({ inputSchema: z.object({ amount: z.number() }), execute: ({ amount }) => `paid ${amount}` }),
});
const { text }: { text: string } = await watch.run('shop', () => generateText({ model, tools, prompt: 'x' }));
const page: View = await view('x');
await page.save(text + agent.name);
