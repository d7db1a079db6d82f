// A graph with a tool, on LangChain's own fake model: runs, usage, and the tool as a deed. Offline.
// `npm install sinkwell @langchain/core @langchain/langgraph zod`, then `node langchain.mjs [FILE]`.
import * as context from '@langchain/core/context';
import { AIMessage, HumanMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { FakeListChatModel } from '@langchain/core/utils/testing';
import { END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { ToolNode } from '@langchain/langgraph/prebuilt';
import { configure, shutdown } from 'sinkwell';
import { install, uninstall } from 'sinkwell/langchain';
import { z } from 'zod';

await configure({
  agent: { id: 'urn:example:shop' },
  lanes: [{ sink: { file: { path: process.argv[2] ?? 'events.ndjson' } } }],
});
install(context);

const pay = tool(async ({ amount }) => `paid ${amount}`, {
  name: 'pay', // it runs only once its intent is safe
  schema: z.object({ amount: z.number() }),
});
const model = new FakeListChatModel({ responses: ['done'] });
const call = { name: 'pay', args: { amount: 3 }, id: 'call-1' };
const graph = new StateGraph(MessagesAnnotation)
  .addNode('plan', () => ({
    messages: [new AIMessage({ content: '', tool_calls: [call] })],
  }))
  .addNode('tools', new ToolNode([pay]))
  .addNode('answer', async ({ messages }) => ({
    messages: [await model.invoke(messages)],
  }))
  .addEdge(START, 'plan')
  .addEdge('plan', 'tools')
  .addEdge('tools', 'answer')
  .addEdge('answer', END)
  .compile({ name: 'shop' });

const { messages } = await graph.invoke({
  messages: [new HumanMessage('pay, please')],
});
console.log(messages.at(-2).content);
uninstall();
await shutdown();
