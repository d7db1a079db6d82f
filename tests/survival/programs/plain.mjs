// Emits, and ends as it is told to.
import fs from 'node:fs';
import { COUNT, emitAll } from './product.mjs';

await emitAll(0, COUNT);
const end = process.argv[2];
if (end === 'exception') throw new Error('the program failed');
if (end === 'process.exit') process.exit(3);
if (end === 'SIGKILL') process.kill(process.pid, 'SIGKILL');
if (end === 'SIGTERM') {
  fs.writeFileSync('ready', '');
  setInterval(() => {}, 1000);
}
