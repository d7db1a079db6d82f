// A client and a server of the Model Context Protocol, linked in memory, whose calls are sealed: each side's own file, one
// graph. Offline. `npm install sinkwell @modelcontextprotocol/sdk zod`, then `node mcp.mjs [FOLDER]`.
import { mkdir, rm } from 'node:fs/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { Emitter, run } from 'sinkwell';
import { watch } from 'sinkwell/mcp';
import { z } from 'zod';

const folder = process.argv[2] ?? 'target/examples/node-mcp';
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const open = (name) =>
  Emitter.open({
    agent: { id: `urn:example:${name}` },
    lanes: [{ sink: { file: { path: `${folder}/${name}.ndjson` } } }],
  });
const [buyer, shop] = await Promise.all([open('buyer'), open('shop')]);

const server = watch(new McpServer({ name: 'shop', version: '1.0.0' }), {
  emitter: shop,
});
server.registerTool('pay', { inputSchema: { to: z.string(), amount: z.number() } }, ({ to, amount }) => ({
  content: [{ type: 'text', text: `paid ${amount} to ${to}` }],
}));
const client = watch(new Client({ name: 'buyer', version: '1.0.0' }), {
  emitter: buyer,
});

const [one, other] = InMemoryTransport.createLinkedPair();
await Promise.all([server.connect(one), client.connect(other)]);
await run('r-17', async () => {
  buyer.emit('run.started');
  const { content } = await client.callTool({
    name: 'pay',
    arguments: { to: 'Ann', amount: 3 },
  });
  console.log(content[0].text);
  buyer.emit('run.completed');
});
await client.close();
await Promise.all([buyer.shutdown(), shop.shutdown()]);
