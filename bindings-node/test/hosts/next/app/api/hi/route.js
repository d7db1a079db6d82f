import { Emitter } from 'sinkwell';
export const dynamic = 'force-dynamic';
const sw = Emitter.openSync({
  agent: { id: 'a' },
  lanes: [{ id: 'out', sink: { file: { path: process.env.OUT ?? 'out.ndjson' } } }],
  handle_signals: true,
});
export async function GET() {
  sw.emit('tool.invocation', { tool: 'next' });
  let name;
  try {
    sw.emit('com.x', { n: NaN });
  } catch (e) {
    name = e.name;
  }
  return Response.json({ name });
}
