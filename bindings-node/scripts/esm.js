'use strict';
// Writes the ES modules beside the CommonJS ones: the same names, the same objects, so that `instanceof`
// holds for a program that uses both.
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
for (const file of [
  'index',
  'pino',
  'otel',
  'channel',
  'mcp',
  'langchain',
  'openai_agents',
  'ai_sdk',
  'http',
]) {
  const all = require(path.join(root, 'dist', `${file}.js`));
  const names = Object.keys(all).filter((n) => n !== 'default');
  const hasDefault = 'default' in all;
  const lines = [
    `import all from './${file}.js';`,
    ...(names.length > 0 ? [`export const { ${names.sort().join(', ')} } = all;`] : []),
    ...(hasDefault ? [`export default all.default;`] : []),
  ];
  fs.writeFileSync(path.join(root, 'dist', `${file}.mjs`), `${lines.join('\n')}\n`);
  const types = [`export * from './${file}.js';`];
  if (hasDefault) {
    // By its name: the default of a CommonJS module is all of it, to TypeScript as to Node.
    const name = names.find((n) => all[n] === all.default);
    types.push(`export { ${name} as default } from './${file}.js';`);
  }
  fs.writeFileSync(path.join(root, 'types', `${file}.d.mts`), `${types.join('\n')}\n`);
}
