export * from './pino.js';
export { transport as default } from './pino.js';
