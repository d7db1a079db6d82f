// Prints events for `sinkwell vacuum`: see docs/VACUUM.md.
'use strict';

/** Prints one event, in one write, on a line of its own. */
function emit(event) {
  process.stdout.write(`${JSON.stringify({ _e: 1, ...event })}\n`);
}

emit({ action: 'transfer', value: 7, note: 'a "quoted"\nline, ü 🌍' });
