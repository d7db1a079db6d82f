// The scripted run (tests/vectors/scripted) with the AI SDK: `node scripted_ai_sdk.mjs OUT up|raw|down`.
import { simulateReadableStream, stepCountIs, streamText, tool, wrapLanguageModel } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { Watch } from 'sinkwell/ai-sdk';
import { z } from 'zod';
import { MARKER, opened, PolicyDenied, refused } from './scripted.mjs';

const [out, how] = process.argv.slice(2);
const ran = [];
const usage = {
  inputTokens: { total: 12, noCache: 8, cacheRead: 4, cacheWrite: 0 },
  outputTokens: { total: 3, text: 1, reasoning: 2 },
};

/** Streams what the script says, each time with the same usage. */
function scripted(script) {
  return new MockLanguageModelV3({
    provider: 'example',
    modelId: 'small',
    doStream: async () => {
      const said = script.shift();
      const pieces =
        typeof said === 'string'
          ? [
              { type: 'text-start', id: 't' },
              ...[...said].map((delta) => ({ type: 'text-delta', id: 't', delta })),
              { type: 'text-end', id: 't' },
            ]
          : [{ type: 'tool-call', ...said, input: JSON.stringify({ q: MARKER }) }];
      const reason = typeof said === 'string' ? 'stop' : 'tool-calls';
      const end = { type: 'finish', usage, finishReason: { unified: reason, raw: reason } };
      const chunks = [{ type: 'stream-start', warnings: [] }, ...pieces, end];
      return { stream: simulateReadableStream({ chunks, initialDelayInMs: null, chunkDelayInMs: null }) };
    },
  });
}

const inputSchema = z.object({ q: z.string() });
const look = tool({
  inputSchema,
  execute: () => {
    ran.push('look');
    return MARKER;
  },
});
const charge = tool({
  inputSchema,
  execute: async () => {
    ran.push('charge');
    throw new RangeError(MARKER);
  },
});
const pay = tool({
  inputSchema,
  execute: () => {
    throw new PolicyDenied(MARKER);
  },
});

const emitter = await opened(out, how);
const watch = new Watch({ emitter, permit: 'raw' });

/** An agent: its run, its model's streamed answers, its tools. */
function agent(name, script, tools) {
  return watch.run(name, async () => {
    const model = wrapLanguageModel({ model: scripted(script), middleware: watch.middleware });
    const result = streamText({
      model,
      tools: watch.tools(tools),
      prompt: MARKER,
      stopWhen: stepCountIs(5),
      onError: () => {},
    });
    let text = '';
    for await (const part of result.fullStream) {
      if (part.type === 'text-delta') text += part.text;
      if (part.type === 'tool-error' && part.error.kind !== undefined) throw part.error;
    }
    return text;
  });
}

try {
  await watch.run('shop', async () => {
    await agent('triage', [{ toolCallId: 'c1', toolName: 'look' }, MARKER], { look });
    const script = [{ toolCallId: 'c2', toolName: 'charge' }, { toolCallId: 'c3', toolName: 'pay' }, MARKER];
    console.log('END', (await agent('refunds', script, { charge, pay })) === MARKER);
  });
} catch (error) {
  refused(error);
} finally {
  console.log('RAN', ran.join());
  watch.stop();
  await emitter.shutdown({ timeout: 500 });
}
