// A primary and two workers, ended by a signal to the primary, as docs/DEPLOY.md has it.
import cluster from 'node:cluster';
import fs from 'node:fs';

if (cluster.isPrimary) {
  let ready = 0;
  for (let n = 0; n < 2; n++) {
    cluster.fork({ PART: n }).on('message', () => {
      if (++ready === 2) fs.writeFileSync('ready', '');
    });
  }
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => cluster.disconnect());
} else {
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => {});
  const { COUNT, emitAll } = await import('./product.mjs');
  const part = Number(process.env.PART);
  await emitAll((part * COUNT) / 2, ((part + 1) * COUNT) / 2);
  process.send('ready');
}
