// Output that streams while its model waits, tools that stream, a call that waits for approval, answers that are whole.
import { generateText, stepCountIs, streamText, tool, wrapLanguageModel } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { Watch } from 'sinkwell/ai-sdk';
import { z } from 'zod';
import { MARKER, opened } from './scripted.mjs';

const emitter = await opened(process.argv[2], 'up');
const watch = new Watch({ emitter, permit: 'raw' });
const usage = {
  inputTokens: { total: 12, noCache: 12, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 3, text: 3, reasoning: 0 },
};
const watched = (model) =>
  wrapLanguageModel({ model: new MockLanguageModelV3(model), middleware: watch.middleware });
const finish = (unified) => ({ type: 'finish', usage, finishReason: { unified, raw: unified } });

// It goes on only once its reader has the first piece.
let open;
const gate = new Promise((resolve) => (open = resolve));
const slow = watched({
  doStream: async () => ({
    stream: new ReadableStream({
      async start(controller) {
        controller.enqueue({ type: 'stream-start', warnings: [] });
        controller.enqueue({ type: 'text-start', id: 't' });
        controller.enqueue({ type: 'text-delta', id: 't', delta: 'one' });
        await gate;
        controller.enqueue({ type: 'text-delta', id: 't', delta: 'two' });
        controller.enqueue({ type: 'text-end', id: 't' });
        controller.enqueue(finish('stop'));
        controller.close();
      },
    }),
  }),
});
const pieces = [];
for await (const piece of streamText({ model: slow, prompt: MARKER }).textStream) {
  pieces.push(piece);
  open();
}
console.log('STREAMED', pieces.join('|'));

// Who reads no further.
const endless = watched({
  doStream: async () => ({
    stream: new ReadableStream({
      pull: (controller) => controller.enqueue({ type: 'text-delta', id: 't', delta: 'x' }),
    }),
  }),
});
const { stream } = await endless.doStream({ prompt: [] });
const reader = stream.getReader();
await reader.read();
await reader.cancel();

const inputSchema = z.object({ q: z.string() });
const answers = (...script) =>
  watched({
    doGenerate: async () => {
      const said = script.shift();
      const isText = typeof said === 'string';
      return {
        content: isText
          ? [{ type: 'text', text: said }]
          : [{ type: 'tool-call', ...said, input: JSON.stringify({ q: MARKER }) }],
        finishReason: { unified: isText ? 'stop' : 'tool-calls', raw: undefined },
        usage,
        warnings: [],
      };
    },
  });
const tools = watch.tools({
  search: tool({
    inputSchema,
    execute: async function* () {
      emitter.emit('com.example.inside');
      yield 'some';
      yield MARKER;
    },
  }),
  pay: tool({ inputSchema, needsApproval: true, execute: () => console.log('RAN') }),
});
/** A call that waits for a person, who says so. */
const asked = (toolCallId, approved) =>
  watch.run(approved ? 'yes' : 'no', async () => {
    const model = answers({ toolCallId, toolName: 'pay' }, 'done');
    const messages = [{ role: 'user', content: MARKER }];
    const waits = await generateText({ model, tools, messages });
    const { approvalId } = waits.content.find(({ type }) => type === 'tool-approval-request');
    const answer = { role: 'tool', content: [{ type: 'tool-approval-response', approvalId, approved }] };
    messages.push(...waits.response.messages, answer);
    const { text } = await generateText({ model, tools, messages });
    console.log(approved ? 'YES' : 'NO', text);
  });
await watch.run('shop', async () => {
  emitter.emit('com.example.own');
  const model = answers({ toolCallId: 'c1', toolName: 'search' }, 'found');
  const { text } = await generateText({ model, tools, prompt: MARKER, stopWhen: stepCountIs(5) });
  console.log('SEARCHED', text);
});
await asked('c2', true);
await asked('c3', false);
watch.stop();
await emitter.shutdown();
