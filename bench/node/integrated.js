// The frameworks that integrations.js measures: `node integrated.mjs FRAMEWORK MODE`, then on standard input how many runs;
// answers with the CPU time that they took, in microseconds. Its own tracing makes and batches its spans as in operation, and an
// exporter takes and forgets them; sinkwell seals each event into a file, without a key and without a journal.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { z } from 'zod';

const [framework, mode] = process.argv.slice(2);
const parameters = z.object({ amount: z.number() });

async function emitter() {
  const { Emitter } = await import('sinkwell');
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'sinkwell-bench-')), 'events.ndjson');
  const lanes = [{ id: 'out', sink: { file: { path: file } } }];
  return Emitter.open({ agent: { id: 'urn:example:bench' }, heartbeat: 'off', lanes });
}

const frameworks = {
  async langchain() {
    const { tool } = await import('@langchain/core/tools');
    const { AIMessage, HumanMessage } = await import('@langchain/core/messages');
    const { FakeListChatModel } = await import('@langchain/core/utils/testing');
    const { END, MessagesAnnotation, START, StateGraph } = await import('@langchain/langgraph');
    const { ToolNode } = await import('@langchain/langgraph/prebuilt');
    const callbacks = [];
    if (mode === 'its own') {
      // What LangSmith's tracer makes of a run, before it would be sent.
      const { RunCollectorCallbackHandler } = await import('@langchain/core/tracers/run_collector');
      callbacks.push(
        new (class extends RunCollectorCallbackHandler {
          async persistRun(run) {
            JSON.stringify(run);
          }
        })(),
      );
    } else if (mode === 'sinkwell') {
      const { Handler } = await import('sinkwell/langchain');
      callbacks.push(new Handler({ emitter: await emitter() }));
    }
    const pay = tool(async ({ amount }) => `paid ${amount}`, { name: 'pay', schema: parameters });
    const call = { name: 'pay', args: { amount: 3 }, id: 'c' };
    class Scripted extends FakeListChatModel {
      asked = 0;
      async _generate() {
        const message =
          this.asked++ % 2 === 0 ? new AIMessage({ content: '', tool_calls: [call] }) : new AIMessage('done');
        return { generations: [{ message, text: '' }], llmOutput: {} };
      }
    }
    const model = new Scripted({ responses: [''] });
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('model', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
      .addNode('tools', new ToolNode([pay]))
      .addEdge(START, 'model')
      .addEdge('tools', 'model')
      .addConditionalEdges('model', ({ messages }) => (messages.at(-1).tool_calls?.length ? 'tools' : END))
      .compile();
    return () => graph.invoke({ messages: [new HumanMessage('pay')] }, { callbacks });
  },

  async openai_agents() {
    const sdk = await import('@openai/agents-core');
    const { assistantMessage, functionCall, ScriptedModel } = await import('@openai/agents-core/testing');
    const { Agent, BatchTraceProcessor, Runner, setTraceProcessors, setTracingDisabled, tool } = sdk;
    setTracingDisabled(mode === 'without');
    let protect = (agent) => agent;
    if (mode === 'its own') {
      const exporter = { export: async (items) => void items.map((item) => item.toJSON()) };
      setTraceProcessors([new BatchTraceProcessor(exporter)]);
    } else if (mode === 'sinkwell') {
      const { Processor } = await import('sinkwell/openai-agents');
      const processor = new Processor({ emitter: await emitter() });
      setTraceProcessors([processor]);
      protect = (agent) => processor.protect(agent);
    } else setTraceProcessors([]);
    const runner = new Runner({
      workflowName: 'shop',
      modelProvider: {},
      tracingDisabled: mode === 'without',
    });
    const execute = async ({ amount }) => `paid ${amount}`;
    const pay = tool({ name: 'pay', description: 'Pays.', parameters, execute });
    return () => {
      const call = functionCall('pay', { amount: 3 }, { callId: 'c' });
      const model = new ScriptedModel([[call], [assistantMessage('done')]]);
      return runner.run(protect(new Agent({ name: 'shop', model, tools: [pay] })), 'pay');
    };
  },

  async ai_sdk() {
    const { generateText, stepCountIs, tool, wrapLanguageModel } = await import('ai');
    const { MockLanguageModelV3 } = await import('ai/test');
    const usage = {
      inputTokens: { total: 12, noCache: 12, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: 3, text: 3, reasoning: 0 },
    };
    const call = { type: 'tool-call', toolCallId: 'c', toolName: 'pay', input: '{"amount":3}' };
    const doGenerate = async ({ prompt }) => {
      const isAnswer = prompt.at(-1).role === 'tool';
      return {
        content: isAnswer ? [{ type: 'text', text: 'done' }] : [call],
        finishReason: { unified: isAnswer ? 'stop' : 'tool-calls', raw: undefined },
        usage,
        warnings: [],
      };
    };
    // Beside the model itself, one that keeps nothing of what it was asked.
    const scripted = () => Object.assign(new MockLanguageModelV3({ doGenerate }), { doGenerate });
    const pay = tool({ inputSchema: parameters, execute: async ({ amount }) => `paid ${amount}` });
    const asked = { model: scripted(), tools: { pay }, prompt: 'pay', stopWhen: stepCountIs(3) };
    if (mode === 'its own') {
      const { BasicTracerProvider, BatchSpanProcessor } = await import('@opentelemetry/sdk-trace-base');
      const { context } = await import('@opentelemetry/api');
      const { AsyncLocalStorageContextManager } = await import('@opentelemetry/context-async-hooks');
      context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
      const forget = { export: (_, done) => done({ code: 0 }), shutdown: async () => {} };
      const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(forget)] });
      asked.experimental_telemetry = { isEnabled: true, tracer: provider.getTracer('ai') };
    } else if (mode === 'sinkwell') {
      const { Watch } = await import('sinkwell/ai-sdk');
      const watch = new Watch({ emitter: await emitter() });
      asked.model = wrapLanguageModel({ model: asked.model, middleware: watch.middleware });
      asked.tools = watch.tools(asked.tools);
      return () => watch.run('shop', () => generateText(asked));
    }
    return () => generateText(asked);
  },
};

globalThis.AI_SDK_LOG_WARNINGS = false;
const run = await frameworks[framework]();
for await (const line of readline.createInterface({ input: process.stdin })) {
  const begun = process.cpuUsage();
  for (let i = 0; i < Number(line); i++) await run();
  const { user, system } = process.cpuUsage(begun);
  console.log(user + system);
}
process.exit(0);
