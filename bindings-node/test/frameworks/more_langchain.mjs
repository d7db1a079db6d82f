// A graph that asks a person and is told yes, and a tool that waits for its intent while the program goes on.
import { AIMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { Command, interrupt, MemorySaver, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { ToolNode } from '@langchain/langgraph/prebuilt';
import { Emitter, run } from 'sinkwell';
import { Handler } from 'sinkwell/langchain';
import { z } from 'zod';
import { MARKER, opened } from './scripted.mjs';

const emitter = await opened(process.argv[2], 'up');
const handler = new Handler({ emitter, permit: 'raw' });
const schema = z.object({ q: z.string() });
const pay = tool(
  async () => {
    const answer = interrupt(MARKER);
    await new Promise(setImmediate);
    emitter.emit('com.example.inside');
    run('r-own', () => emitter.emit('com.example.own'));
    return String(answer);
  },
  { name: 'pay', schema },
);
const graph = new StateGraph(MessagesAnnotation)
  .addNode('tools', new ToolNode([pay]))
  .addEdge(START, 'tools')
  .compile({ checkpointer: new MemorySaver(), name: 'shop' });
const config = { callbacks: [handler], configurable: { thread_id: 't' } };
const call = { name: 'pay', args: { q: MARKER }, id: 'c1' };
await graph.invoke({ messages: [new AIMessage({ content: '', tool_calls: [call] })] }, config);
await graph.invoke(new Command({ resume: true }), config);
handler.stop();
await emitter.shutdown();

// A required sink that holds each intent until the gate is open.
let [hold, open] = [];
const held = new Promise((resolve) => (hold = resolve));
const gate = new Promise((resolve) => (open = resolve));
const siem = {
  name: 'siem',
  classes: ['siem'],
  async emit({ data }) {
    if (data.phase !== 'intent') return;
    hold();
    await gate;
  },
};
const gated = await Emitter.open(
  {
    agent: { id: 'a' },
    heartbeat: 'off',
    governance: { version: '1', requires_sink: 'siem' },
    lanes: [{ id: 'siem', classes: ['siem'], sink: { host: 'siem' } }],
  },
  { sinks: [siem] },
);
const turns = [];
const act = tool(async () => void turns.push('act'), { name: 'act', schema });
const other = held.then(() => {
  turns.push('other');
  open();
});
await Promise.all([act.invoke({ q: 'x' }, { callbacks: [new Handler({ emitter: gated })] }), other]);
console.log('TURNS', turns.join());
await gated.shutdown();
