// How a call of a tool, and the run around it, end where they do not end well: the tool throws a time-out, or takes longer than
// the framework lets it, or the run is aborted. `node outcomes.mjs OUT openai_agents|langchain|ai_sdk late|limited|aborted`
import { z } from 'zod';
import { opened } from './scripted.mjs';

const [out, framework, how] = process.argv.slice(2);
const schema = z.object({ q: z.string() });
const abort = new AbortController();

/** Throws a time-out, or waits until it is aborted. */
function act(signal) {
  if (how === 'late') throw Object.assign(new Error('late'), { name: 'TimeoutError' });
  return new Promise((_, reject) => {
    // Not before whoever waits for it does.
    if (how === 'aborted') setImmediate(() => abort.abort());
    signal?.addEventListener('abort', () => reject(signal.reason));
  });
}

const frameworks = {
  async openai_agents(emitter) {
    const { Agent, Runner, setTraceProcessors, setTracingDisabled, tool } =
      await import('@openai/agents-core');
    const { assistantMessage, functionCall, ScriptedModel } = await import('@openai/agents-core/testing');
    const { Processor } = await import('sinkwell/openai-agents');
    const processor = new Processor({ emitter });
    setTracingDisabled(false);
    setTraceProcessors([processor]);
    const limit = how === 'limited' ? { timeoutMs: 20 } : {};
    const execute = (_, __, details) => act(details?.signal);
    const acts = tool({ name: 'act', description: 'Acts.', parameters: schema, execute, ...limit });
    const call = functionCall('act', { q: 'x' }, { callId: 'c' });
    const model = new ScriptedModel([[call], [assistantMessage('done')]]);
    const agent = processor.protect(new Agent({ name: 'shop', model, tools: [acts] }));
    const runner = new Runner({ workflowName: 'shop', modelProvider: {} });
    return () => runner.run(agent, 'x', { signal: abort.signal });
  },

  async langchain(emitter) {
    const { tool } = await import('@langchain/core/tools');
    const { AIMessage } = await import('@langchain/core/messages');
    const { MessagesAnnotation, START, StateGraph } = await import('@langchain/langgraph');
    const { ToolNode } = await import('@langchain/langgraph/prebuilt');
    const { Handler } = await import('sinkwell/langchain');
    const acts = tool(async (_, { signal }) => act(signal), { name: 'act', schema });
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('tools', new ToolNode([acts], { handleToolErrors: false }))
      .addEdge(START, 'tools')
      .compile();
    const call = { name: 'act', args: { q: 'x' }, id: 'c' };
    const messages = [new AIMessage({ content: '', tool_calls: [call] })];
    const config = { callbacks: [new Handler({ emitter })], signal: abort.signal };
    return () => graph.invoke({ messages }, config);
  },

  async ai_sdk(emitter) {
    const { generateText, stepCountIs, tool, wrapLanguageModel } = await import('ai');
    const { MockLanguageModelV3 } = await import('ai/test');
    const { Watch } = await import('sinkwell/ai-sdk');
    const watch = new Watch({ emitter });
    const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
    const script = [
      { type: 'tool-call', toolCallId: 'c', toolName: 'act', input: '{"q":"x"}' },
      { type: 'text', text: 'done' },
    ];
    const doGenerate = async () => {
      const content = [script.shift()];
      const unified = script.length > 0 ? 'tool-calls' : 'stop';
      return { content, finishReason: { unified, raw: undefined }, usage, warnings: [] };
    };
    const model = wrapLanguageModel({
      model: new MockLanguageModelV3({ doGenerate }),
      middleware: watch.middleware,
    });
    const execute = (_, { abortSignal }) => act(abortSignal);
    const tools = watch.tools({ act: tool({ inputSchema: schema, execute }) });
    const options = { model, tools, prompt: 'x', stopWhen: stepCountIs(3), abortSignal: abort.signal };
    return () => watch.run('shop', () => generateText(options));
  },
};

const emitter = await opened(out, 'up');
const run = await frameworks[framework](emitter);
await run().catch(() => {});
// What was aborted ends beside the run.
await new Promise(setImmediate);
await emitter.shutdown();
