// Four threads with what they emit with, each ending by itself.
import { isMainThread, Worker, workerData } from 'node:worker_threads';

if (isMainThread) {
  for (let thread = 0; thread < 4; thread++) new Worker(new URL(import.meta.url), { workerData: thread });
} else {
  const { COUNT, emitAll } = await import('./product.mjs');
  await emitAll((workerData * COUNT) / 4, ((workerData + 1) * COUNT) / 4);
}
