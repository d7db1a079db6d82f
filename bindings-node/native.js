'use strict';
/**
 * Loads the native half: the addon of a checkout, else that of the package of this platform, which npm installs as an
 * optional dependency. Where there is none, the error says why and what to do.
 *
 * The names stand in `require` as they are, so that what traces or bundles a program's files sees them.
 */
const { UnsupportedError } = require('./dist/errors.js');
const { version } = require('./package.json');

const PACKAGE = 'sinkwell-linux-x64-gnu';
const BUILDS = 'linux-x64 with glibc 2.28 or later';

function here() {
  const musl =
    process.platform === 'linux' && process.report?.getReport().header.glibcVersionRuntime === undefined;
  return `${process.platform}-${process.arch}${musl ? ' with musl' : ''}`;
}

function unsupported(message, cause) {
  const error = new UnsupportedError(message);
  if (cause !== undefined) error.cause = cause;
  return error;
}

const missing = (error) => error?.code === 'MODULE_NOT_FOUND' || /Cannot find module/.test(error?.message);

function load() {
  // Set by those who build and pack this package.
  if (process.env.NAPI_RS_NATIVE_LIBRARY_PATH) return require(process.env.NAPI_RS_NATIVE_LIBRARY_PATH);
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw unsupported(`sinkwell has no build for ${here()}; there is one for ${BUILDS}`);
  }
  try {
    return require('./sinkwell.linux-x64-gnu.node');
  } catch (error) {
    if (!missing(error)) throw unsupported(`the addon could not be loaded: ${error.message}`, error);
  }
  let found;
  try {
    found = require('sinkwell-linux-x64-gnu/package.json').version;
    if (found === version) return require('sinkwell-linux-x64-gnu');
  } catch (error) {
    if (here().endsWith('musl'))
      throw unsupported(`sinkwell has no build for ${here()}; there is one for ${BUILDS}`, error);
    if (!missing(error)) throw unsupported(`${PACKAGE} could not be loaded: ${error.message}`, error);
    throw unsupported(
      `the package ${PACKAGE}, which has the native half for this platform, is not installed. npm leaves it out with ` +
        '--omit=optional, and where a lock file or node_modules come from another platform: install again here. ' +
        'Where the program is bundled, sinkwell stays outside of the bundle (external): its README says how',
      error,
    );
  }
  throw unsupported(
    `sinkwell ${version} needs ${PACKAGE} ${version}, and found ${found}: install both again`,
  );
}

const native = load();
module.exports = native;
