'use strict';
// pack.js ADDON COMMAND OUT: the tarballs of the main package and of this platform's, into OUT. The main
// package asks for the platform's of the same version, which in a checkout it cannot, as none is published.
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const [addon, command, out] = process.argv.slice(2).map((file) => path.resolve(file));
const root = path.join(__dirname, '..');
const platform = 'linux-x64-gnu';
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'sinkwell-pack-'));

function pack(dir) {
  execFileSync('npm', ['pack', '--silent', '--pack-destination', out], {
    cwd: dir,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

try {
  fs.mkdirSync(out, { recursive: true });
  const native = path.join(work, platform);
  fs.cpSync(path.join(root, 'npm', platform), native, { recursive: true });
  fs.mkdirSync(path.join(native, 'bin'), { recursive: true });
  fs.copyFileSync(addon, path.join(native, `sinkwell.${platform}.node`));
  fs.copyFileSync(command, path.join(native, 'bin', 'sinkwell'));
  fs.chmodSync(path.join(native, 'bin', 'sinkwell'), 0o755);
  fs.copyFileSync(path.join(root, '..', 'LICENSE'), path.join(native, 'LICENSE'));
  pack(native);

  const main = path.join(work, 'main');
  const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  for (const name of [...manifest.files, 'README.md'])
    fs.cpSync(path.join(root, name), path.join(main, name), { recursive: true });
  fs.copyFileSync(path.join(root, '..', 'LICENSE'), path.join(main, 'LICENSE'));
  fs.cpSync(path.join(root, '..', 'schemas'), path.join(main, 'schemas'), { recursive: true });
  const { devDependencies, scripts, napi, ...published } = manifest;
  published.files = [...manifest.files, 'schemas'];
  published.optionalDependencies = { [`sinkwell-${platform}`]: manifest.version };
  fs.writeFileSync(path.join(main, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
  pack(main);
} finally {
  fs.rmSync(work, { recursive: true, force: true });
}
