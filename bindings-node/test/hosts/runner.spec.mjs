import { test, expect } from 'vitest';
import { Emitter, InvalidEventError, InvalidConfigError, SinkwellError, verify } from 'sinkwell';
test('sinkwell under the default environment', async () => {
  expect(() => Emitter.openSync({ lanes: [{ sink: 'nothing' }] })).toThrow(InvalidConfigError);
  const got = [];
  const sw = await Emitter.open(
    { agent: { id: 'a' }, lanes: [] },
    {
      sinks: [
        {
          name: 'js',
          emit: (e) => {
            got.push(e);
          },
        },
      ],
    },
  );
  expect(() => sw.emit('com.x', { n: NaN })).toThrow(InvalidEventError);
  expect(() => sw.emit('tool.invocation', {})).toThrow(InvalidEventError);
  expect(() => sw.emit('tool.invocation', {})).toThrow(SinkwellError);
  sw.emit(
    'com.x',
    { n: 1, d: { e: [1, { f: 'g' }] } },
    { time: new Date(0), content: [{ class: 'prompt', bytes: new Uint8Array([1]) }] },
  );
  await sw.shutdown();
  await expect(verify('/nonexistent')).rejects.toThrow(SinkwellError);
  expect(got.filter((e) => e.origin !== 'core').map((e) => e.data.n)).toEqual([1]);
});
