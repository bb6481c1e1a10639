import { expect, test } from 'vitest';
import { fileAddress } from './fileaddress.ts';

test('the file of a list has the filters of the list', () => {
  expect(fileAddress('/api/log.csv', { type: 'a.b', app: undefined, actor: '' })).toBe('/api/log.csv?type=a.b');
  expect(fileAddress('/api/log.csv', {})).toBe('/api/log.csv');
});
