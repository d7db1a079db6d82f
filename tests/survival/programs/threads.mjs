// Four threads that emit, each ending by itself. The main thread has loaded the product, too, as a program's does.
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { COUNT, emitAll } from './product.mjs';

if (isMainThread) {
  for (let thread = 0; thread < 4; thread++) new Worker(new URL(import.meta.url), { workerData: thread });
} else {
  await emitAll((workerData * COUNT) / 4, ((workerData + 1) * COUNT) / 4);
}
