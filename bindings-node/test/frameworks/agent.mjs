// An agent of the AI SDK with a tool and a scripted model; its spans go to sinkwell by the processor alone.
// Arguments: this package's folder, the configuration's path.
import http from 'node:http';
import { createRequire } from 'node:module';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { generateText, stepCountIs, tool } from 'ai';
import { z } from 'zod';

const [folder, config] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { Emitter } = require(folder);
const { SinkwellSpanProcessor } = require(`${folder}/dist/otel`);

/** Answers chat completions: a call of the tool first, then a sentence. */
const server = http.createServer(async (request, response) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  const { messages } = JSON.parse(text);
  const called = messages.some((message) => message.role === 'tool');
  const city = text.includes('Atlantis') ? 'Atlantis' : 'Rome';
  const call = { name: 'weather', arguments: JSON.stringify({ city }) };
  const message = called
    ? { role: 'assistant', content: 'MARKER it is sunny.' }
    : { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: call }] };
  const choice = { index: 0, message, finish_reason: called ? 'stop' : 'tool_calls' };
  const usage = { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 };
  const answer = {
    id: 'r1',
    object: 'chat.completion',
    created: 1,
    model: 'scripted-1',
    choices: [choice],
    usage,
  };
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(answer));
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));

const emitter = await Emitter.open(config);
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const provider = new BasicTracerProvider({
  spanProcessors: [new SinkwellSpanProcessor({ emitter, permit: 'raw' })],
});
const baseURL = `http://127.0.0.1:${server.address().port}/v1`;
const weather = tool({
  description: 'MARKER what the tool is for',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    if (city === 'Atlantis') throw new RangeError('MARKER');
    return `MARKER sunny in ${city}`;
  },
});
for (const city of ['Rome', 'Atlantis']) {
  const { text } = await generateText({
    model: createOpenAICompatible({ name: 'scripted', baseURL, apiKey: 'none' })('small'),
    system: 'MARKER be brief.',
    prompt: `MARKER how is ${city}?`,
    tools: { weather },
    stopWhen: stepCountIs(3),
    experimental_telemetry: { isEnabled: true, tracer: provider.getTracer('ai'), functionId: 'forecaster' },
  });
  console.log(text);
}
await emitter.shutdown();
server.close();
server.closeAllConnections();
