// The scripted run (tests/vectors/scripted) with LangGraph: `node scripted_langchain.mjs OUT up|raw|down`.
import * as context from '@langchain/core/context';
import { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { AIMessage, AIMessageChunk, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatGenerationChunk } from '@langchain/core/outputs';
import { tool } from '@langchain/core/tools';
import { Command, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { ToolNode } from '@langchain/langgraph/prebuilt';
import { install, uninstall } from 'sinkwell/langchain';
import { z } from 'zod';
import { MARKER, opened, PolicyDenied, refused } from './scripted.mjs';

// LangChain says each error of a handler aloud.
console.error = () => {};
const [out, how] = process.argv.slice(2);
const ran = [];
const usage = {
  input_tokens: 12,
  output_tokens: 3,
  total_tokens: 15,
  input_token_details: { cache_read: 4 },
  output_token_details: { reasoning: 2 },
};

/** Answers, in pieces, what the script says. */
class Scripted extends BaseChatModel {
  constructor(script) {
    super({});
    this.script = script;
  }
  _llmType() {
    return 'scripted';
  }
  getLsParams() {
    return { ls_model_type: 'chat', ls_model_name: 'small', ls_provider: 'example' };
  }
  async _generate() {
    throw new Error('it streams');
  }
  async *_streamResponseChunks(_messages, _options, runManager) {
    const { content, tool_calls } = this.script.shift();
    const tool_call_chunks = tool_calls.map(({ name, args, id }, index) => {
      return { name, args: JSON.stringify(args), id, index, type: 'tool_call_chunk' };
    });
    for (const [i, piece] of [...(content || ' ')].entries()) {
      const first = i === 0 ? { tool_call_chunks, usage_metadata: usage } : {};
      const message = new AIMessageChunk({ content: piece, ...first });
      yield new ChatGenerationChunk({ message, text: piece });
      await runManager?.handleLLMNewToken(piece);
    }
  }
}

const call = (name, id) => new AIMessage({ content: '', tool_calls: [{ name, args: { q: MARKER }, id }] });
const schema = z.object({ q: z.string() });
const look = tool(
  async () => {
    ran.push('look');
    return MARKER;
  },
  { name: 'look', schema },
);
const charge = tool(
  async () => {
    ran.push('charge');
    throw new RangeError(MARKER);
  },
  { name: 'charge', schema },
);
const pay = tool(
  async () => {
    throw new PolicyDenied(MARKER);
  },
  { name: 'pay', schema },
);
const transfer = tool(
  async (_, config) => {
    const answer = new ToolMessage({ content: 'handed off', tool_call_id: config.toolCall.id });
    return new Command({ goto: 'refunds', graph: Command.PARENT, update: { messages: [answer] } });
  },
  { name: 'transfer_to_refunds', schema },
);

/** An agent as LangGraph builds one: a model, and its tools. */
function agent(name, script, tools, handleToolErrors) {
  const model = new Scripted(script);
  return new StateGraph(MessagesAnnotation)
    .addNode('model', async ({ messages }, config) => ({ messages: [await model.invoke(messages, config)] }))
    .addNode('tools', new ToolNode(tools, { handleToolErrors }))
    .addEdge(START, 'model')
    .addConditionalEdges(
      'model',
      ({ messages }) => (messages.at(-1).tool_calls?.length ? 'tools' : '__end__'),
      ['tools', '__end__'],
    )
    .addEdge('tools', 'model')
    .compile({ name });
}

const emitter = await opened(out, how);
install(context, { emitter, permit: 'raw' });
const triage = agent(
  'triage',
  [call('look', 'c1'), call('transfer_to_refunds', 'c9')],
  [look, transfer],
  false,
);
const refunds = agent(
  'refunds',
  [call('charge', 'c2'), call('pay', 'c3'), new AIMessage(MARKER)],
  [charge, pay],
  true,
);
const graph = new StateGraph(MessagesAnnotation)
  .addNode('triage', triage, { ends: ['refunds'] })
  .addNode('refunds', refunds)
  .addEdge(START, 'triage')
  .compile({ name: 'shop' });
try {
  let pieces = 0;
  const stream = await graph.stream({ messages: [new HumanMessage(MARKER)] }, { streamMode: 'messages' });
  for await (const _ of stream) pieces++;
  console.log('END', pieces > 0);
} catch (error) {
  refused(error);
} finally {
  console.log('RAN', ran.join());
  uninstall();
  await emitter.shutdown({ timeout: 500 });
}
