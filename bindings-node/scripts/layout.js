'use strict';
// Writes lib/layout.ts from src/layout.rs, so that both halves of the package read a table by the same constants.
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');

/** The TypeScript of the constants of `src/layout.rs`. */
function layout() {
  const lines = [
    '/** The layout of the table that events cross by. Written by `scripts/layout.js` from `src/layout.rs`. */',
  ];
  for (const line of fs.readFileSync(path.join(root, 'src', 'layout.rs'), 'utf8').split('\n')) {
    const constant = /^pub\(crate\) const (\w+): \w+ = (-?[\d_]+)(?:\.0)?;$/.exec(line);
    if (constant !== null) {
      lines.push(`export const ${constant[1]} = ${constant[2]};`);
    } else if (line.startsWith('///')) {
      lines.push('', `/** ${line.slice(3).trim()} */`);
    } else if (line !== '' && !line.startsWith('//')) {
      throw new Error(`src/layout.rs holds more than constants: ${line}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

module.exports = { layout };
if (require.main === module) fs.writeFileSync(path.join(root, 'lib', 'layout.ts'), layout());
