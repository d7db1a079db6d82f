import { dirname } from 'node:path';

export default {
  serverExternalPackages: ['sinkwell'],
  outputFileTracingRoot: dirname(import.meta.dirname),
};
