// An agent on the AI SDK with a tool, on the SDK's own mock model: its run, usage, and the tool as a deed. Offline.
// `npm install sinkwell ai zod`, then `node ai_sdk.mjs [FILE]`.
import { generateText, stepCountIs, tool, wrapLanguageModel } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { configure, shutdown } from 'sinkwell';
import { Watch } from 'sinkwell/ai-sdk';
import { z } from 'zod';

await configure({
  agent: { id: 'urn:example:shop' },
  lanes: [{ sink: { file: { path: process.argv[2] ?? 'events.ndjson' } } }],
});
const watch = new Watch();

const script = [
  [
    {
      type: 'tool-call',
      toolCallId: 'call-1',
      toolName: 'pay',
      input: '{"amount":3}',
    },
  ],
  [{ type: 'text', text: 'paid 3' }],
];
const usage = { inputTokens: { total: 12 }, outputTokens: { total: 3 } };
const mock = new MockLanguageModelV3({
  doGenerate: async () => {
    const content = script.shift();
    const unified = content[0].type === 'text' ? 'stop' : 'tool-calls';
    return { content, finishReason: { unified }, usage, warnings: [] };
  },
});
const model = wrapLanguageModel({ model: mock, middleware: watch.middleware });
const pay = tool({
  description: 'Pays; it runs only once its intent is safe.',
  inputSchema: z.object({ amount: z.number() }),
  execute: ({ amount }) => `paid ${amount}`,
});

await watch.run('shop', async () => {
  const tools = watch.tools({ pay });
  const { text } = await generateText({
    model,
    tools,
    prompt: 'pay, please',
    stopWhen: stepCountIs(3),
  });
  console.log(text);
});
watch.stop();
await shutdown();
