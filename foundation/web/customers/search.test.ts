import { expect, test } from 'vitest';
import { sortingOf } from './search.ts';

test('a list whose address says no direction shows the one that the server sorts by', () => {
  expect(sortingOf({})).toEqual({ sort: 'created', dir: 'desc' });
  expect(sortingOf({ sort: 'last_activity' })).toEqual({ sort: 'last_activity', dir: 'desc' });
  expect(sortingOf({ sort: 'name' })).toEqual({ sort: 'name', dir: 'asc' });
  expect(sortingOf({ sort: 'open_deals', dir: 'asc' })).toEqual({ sort: 'open_deals', dir: 'asc' });
});
