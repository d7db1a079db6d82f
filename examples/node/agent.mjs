// A small agent that says what it does: run it with SINKWELL_TESTING=1, as its clock and ids are fixed so that
// every language's example writes the same bytes. Then `sinkwell verify --key k1=FOLDER/agent.pem.pub FOLDER`.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { Emitter } from 'sinkwell';

const folder = process.argv[2] ?? 'target/examples/node';
const agent = JSON.parse(await readFile(new URL('../agent.json', import.meta.url), 'utf8'));

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
await writeFile(`${folder}/agent.pem`, agent.key['agent.pem'], { mode: 0o600 });
await writeFile(`${folder}/agent.pem.pub`, agent.key['agent.pem.pub']);

// With an intake (`sinkwell intake`), there as well. A lane's name is part of what fixes its stream's id.
const endpoint = process.env.EXAMPLE_INTAKE;
const streamed = endpoint ? [{ id: 'node', sink: { stream: { endpoint } } }] : [];

const sw = await Emitter.open({
  ...agent.config,
  key: { id: agent.key.id, ed25519: { file: `${folder}/agent.pem` } },
  lanes: [{ id: 'file', sink: { file: { path: `${folder}/events.ndjson` } } }, ...streamed],
});
for (const { type, data, ...options } of agent.steps) sw.emit(type, data, options);
console.log(await sw.shutdown());
