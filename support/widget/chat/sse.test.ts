import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSseReader } from './sse.ts';

const read = (pieces: string[]) => {
  const reader = createSseReader();
  return pieces.flatMap((piece) => reader(piece));
};

test('an event is read when it is complete, and not before', () => {
  const reader = createSseReader();
  expect(reader('event: message\ndata: {"a"')).toEqual([]);
  expect(reader(':1}\n')).toEqual([]);
  expect(reader('\nevent: st')).toEqual([{ event: 'message', data: '{"a":1}' }]);
  expect(reader('ate\ndata: 2\n\n')).toEqual([{ event: 'state', data: '2' }]);
});

test('the stream reads the same, wherever it is cut into pieces', () => {
  const stream =
    ': here\r\n\r\nid: 7\nevent: message\ndata: one\ndata: two\n\ndata: plain\r\n\r\nevent: none\n\ndata:\n\n';
  const whole = read([stream]);
  expect(whole).toEqual([
    { event: '', data: '' },
    { event: 'message', data: 'one\ntwo' },
    { event: 'message', data: 'plain' },
    { event: 'message', data: '' },
  ]);
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
      const ends = [...cuts.sort((a, b) => a - b), stream.length];
      expect(read(ends.map((end, index) => stream.slice(ends[index - 1] ?? 0, end)))).toEqual(whole);
    }),
  );
});
