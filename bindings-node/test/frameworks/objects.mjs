// What the AI SDK counts in spans within each other: objects and embeddings, streamed and not, from a scripted model that
// counts what it is asked for. Prints what the server counted. Arguments: this package's folder, the configuration's path.
import http from 'node:http';
import { createRequire } from 'node:module';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { embed, embedMany, generateObject, generateText, streamObject, streamText } from 'ai';
import { z } from 'zod';

const [folder, config] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { Emitter, modelUsage } = require(folder);
const { SinkwellSpanProcessor } = require(`${folder}/dist/otel`);

globalThis.AI_SDK_LOG_WARNINGS = false;
const counted = { input: 0, output: 0 };
const server = http.createServer(async (request, response) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  const { stream, input } = JSON.parse(text);
  response.setHeader('content-type', stream ? 'text/event-stream' : 'application/json');
  if (request.url.endsWith('/embeddings')) {
    const data = input.map((_, index) => ({ object: 'embedding', index, embedding: [0, 1] }));
    counted.input += 9;
    response.end(
      JSON.stringify({ object: 'list', data, model: 'e', usage: { prompt_tokens: 9, total_tokens: 9 } }),
    );
    return;
  }
  counted.input += 12;
  counted.output += 3;
  const usage = { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 };
  const base = { id: 'r1', created: 1, model: 'scripted-1' };
  const content = '{"answer":"MARKER"}';
  if (!stream) {
    const message = { role: 'assistant', content };
    const choices = [{ index: 0, message, finish_reason: 'stop' }];
    response.end(JSON.stringify({ ...base, object: 'chat.completion', choices, usage }));
    return;
  }
  const send = (chunk) =>
    response.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', ...chunk })}\n\n`);
  send({ choices: [{ index: 0, delta: { role: 'assistant', content } }] });
  send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage });
  response.end('data: [DONE]\n\n');
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));

const emitter = await Emitter.open(config);
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const provider = new BasicTracerProvider({ spanProcessors: [new SinkwellSpanProcessor({ emitter })] });
const baseURL = `http://127.0.0.1:${server.address().port}/v1`;
const scripted = createOpenAICompatible({ name: 'scripted', baseURL, apiKey: 'none', includeUsage: true });
const common = {
  experimental_telemetry: { isEnabled: true, tracer: provider.getTracer('ai'), functionId: 'f' },
};
const asked = { ...common, model: scripted('small'), prompt: 'MARKER?' };
const schema = z.object({ answer: z.string() });

const answered = [await generateText(asked), await generateObject({ ...asked, schema })];
const streamed = streamText(asked);
for await (const _ of streamed.textStream);
const object = streamObject({ ...asked, schema });
for await (const _ of object.partialObjectStream);
await object.object;
const model = scripted.textEmbeddingModel('e');
answered.push(await embed({ ...common, model, value: 'MARKER' }));
answered.push(await embedMany({ ...common, model, values: ['MARKER', 'MARKER'] }));
// What it hands out is taken as it is.
const usages = [...answered, await streamed.totalUsage, await object.usage].map((answer) =>
  modelUsage('ai_sdk', answer),
);
await emitter.shutdown();
console.log(JSON.stringify({ counted, usages }));
server.close();
server.closeAllConnections();
