import { expect, test } from 'vitest';
import { formatsOf, runAgain } from './runagain.ts';

const formats = formatsOf([true, false]);

/** The values of a Bind message, as PostgreSQL reads them. */
function valuesOf(message: Buffer): (string | null)[] {
  let at = message.indexOf(0, 6) + 3; // after the portal, the name of the statement and the number of formats
  const values: (string | null)[] = [];
  const count = message.readInt16BE(at);
  at += 2;
  for (let n = 0; n < count; n++) {
    const length = message.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : message.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  expect(message.readInt32BE(1)).toBe(at + formats.length - 1);
  expect(message.subarray(at, at + formats.length)).toEqual(formats);
  return values;
}

test('values go out as the driver writes them, and what has a meaning of its own in a list is left to the driver', () => {
  expect(valuesOf(runAgain('a', [['x', 'ä, {NULL}', ''], 'z"\\', null, 7, true, []], formats) as Buffer)).toEqual([
    '{"x","ä, {NULL}",""}',
    ...['z"\\', null, '7', 'true', '{}'],
  ]);
  for (const list of [['a"'], ['a","b'], ['"', 'b'], ['a\\'], ['a', null], [['a']]])
    expect(runAgain('a', [list], formats)).toBeUndefined();
  expect(runAgain('a', [new Date()], formats)).toBeUndefined();
});
