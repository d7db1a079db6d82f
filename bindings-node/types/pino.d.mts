export * from './pino.js';
export { default } from './pino.js';
