import { expect, test } from 'vitest';
import { findBridges } from './clusters.ts';

const link = (a: string, b: string) => ({ id: `${a}${b}`, customer_id: a, other_id: b });

test('a pair that alone holds a cluster together is a bridge, and a triangle has none', () => {
  expect(findBridges(['a', 'b', 'c'], [link('a', 'b'), link('b', 'c'), link('a', 'c')])).toEqual([]);
  expect(
    findBridges(
      ['a', 'b', 'c', 'd', 'e'],
      [link('a', 'b'), link('b', 'c'), link('a', 'c'), link('c', 'd'), link('d', 'e')],
    ),
  ).toEqual([
    { pair: 'de', left: ['a', 'b', 'c', 'd'], right: ['e'] },
    { pair: 'cd', left: ['a', 'b', 'c'], right: ['d', 'e'] },
  ]);
});

test('a pair alone has no bridge, because it joins nothing else', () => {
  expect(findBridges(['a', 'b'], [link('a', 'b')])).toEqual([]);
});
