// Builds the page: one HTML file without data, into which the command puts what it is to show.
//
//   node scripts/build.mjs          build/page.html
//   node scripts/build.mjs --test   build/test/*.test.mjs as well
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = join(root, 'build');
const common = {
  bundle: true,
  write: false,
  absWorkingDir: root,
  logLevel: 'warning',
  legalComments: 'none',
};

async function page() {
  const script = await build({
    ...common,
    entryPoints: ['src/main.tsx'],
    format: 'iife',
    minify: true,
    target: ['es2022'],
    charset: 'ascii',
    jsx: 'automatic',
    jsxImportSource: 'preact',
  });
  const style = await build({ ...common, entryPoints: ['src/ui/style.css'], minify: true });
  // A script ends at the first `</script`, wherever that stands.
  const code = script.outputFiles[0].text.trim().replaceAll('</script', '<\\/script');
  const css = style.outputFiles[0].text.trim();
  const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const html = readFileSync(join(root, 'src/page.html'), 'utf8')
    .replace('{{script-hash}}', () => hash(code))
    .replace('{{style-hash}}', () => hash(css))
    .replace('{{style}}', () => css)
    .replace('{{script}}', () => code);
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'page.html'), html);
  return html;
}

async function tests() {
  const entryPoints = readdirSync(join(root, 'test'))
    .filter((name) => name.endsWith('.test.ts') || name === 'figures.ts')
    .map((name) => `test/${name}`);
  await build({
    ...common,
    write: true,
    entryPoints,
    outdir: join(out, 'test'),
    outExtension: { '.js': '.mjs' },
    format: 'esm',
    platform: 'node',
    target: ['node20'],
    sourcemap: 'inline',
    external: ['playwright-core'],
  });
}

if (process.argv.includes('--test')) await tests();
if (!process.argv.includes('--only-tests')) await page();
