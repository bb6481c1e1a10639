import { expect, test } from 'vitest';
import { sourceOf } from './plannedsource.ts';

test.each([
  ['Old CRM (2020).csv', 'old-crm-2020'],
  ['fake_1000.csv', 'fake-1000'],
  ['Kunden_Märkte.xlsx', 'kunden-markte'],
  ['list.csv.gz', 'list'],
  ['名簿.csv', 'file'],
])('the list %s is the source %s, from the command and from the console', (name, source) => {
  expect(sourceOf(name)).toBe(source);
  expect(source).toMatch(/^[a-z0-9][a-z0-9._-]{0,59}$/);
});
