import { expect, test } from 'vitest';
import { followOwnWrites, noteOwnWrite } from './ownwrites.ts';

test('own writes lead to their last version', () => {
  noteOwnWrite('customer:a', 1, 2);
  noteOwnWrite('customer:a', 2, 4);
  noteOwnWrite('customer:a', 4, 5);
  expect(followOwnWrites('customer:a', 2)).toBe(5);
  expect(followOwnWrites('customer:a', 5)).toBe(5);
  expect(followOwnWrites('customer:b', 2)).toBe(2);
});

test('somebody else’s write in between ends the sequence of own writes', () => {
  noteOwnWrite('customer:c', 1, 2);
  noteOwnWrite('customer:c', 3, 4); // somebody else made version 3
  expect(followOwnWrites('customer:c', 2)).toBe(2);
});

test('following own writes always ends', () => {
  noteOwnWrite('customer:d', 2, 2);
  noteOwnWrite('customer:d', 3, 1);
  expect(followOwnWrites('customer:d', 2)).toBe(2);
  expect(followOwnWrites('customer:d', 3)).toBe(3);
});
