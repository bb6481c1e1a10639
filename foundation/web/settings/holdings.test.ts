import { expect, test } from 'vitest';
import { describeHoldings } from './holdings.ts';

test('what somebody has is said in words, without what they have none of', () => {
  const none = { customers: 0, companies: 0, deals: 0, tasks: 0, views: 0 };
  expect(describeHoldings(none)).toBe('nothing');
  expect(describeHoldings({ ...none, deals: 1 })).toBe('1 open deal');
  expect(describeHoldings({ ...none, customers: 1, tasks: 2 })).toBe('1 customer and 2 tasks');
  expect(describeHoldings({ customers: 1_234, companies: 1, deals: 2, tasks: 0, views: 1 })).toBe(
    '1,234 customers, 1 company, 2 open deals and 1 shared view',
  );
});
