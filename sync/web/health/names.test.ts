import { expect, test } from 'vitest';
import type { Status } from '../api/health.ts';
import { nameCheck, sayVerdict } from './names.ts';

test.each([
  ['subscription:support.cache', 'subscription', 'Subscription support.cache'],
  ['process:sync', 'process', 'Processes of the worker'],
  ['pool:billing', 'pool', 'Connections of billing'],
  ['sequencer', 'sequencer', 'Sequencer'],
  ['relay:azure-eu', 'relay', 'Relay azure-eu'],
])('the check %s is named so that a person knows what it is about', (slug, kind, name) => {
  expect(nameCheck({ slug, kind })).toBe(name);
});

const found = (...statuses: Status[]) => statuses.map((status) => ({ status }));

test('one sentence says how many checks need somebody, and why', () => {
  expect(sayVerdict(found('ok', 'ok'))).toBe('All 2 checks are well.');
  expect(sayVerdict(found('silent', 'silent', 'paused', 'ok'))).toBe('3 of 4 checks need you: 2 silent, 1 paused.');
  expect(sayVerdict(found('unknown', 'ok'))).toBe('1 of 2 checks needs you: 1 unknown.');
  expect(sayVerdict([])).toBe('Nothing has been checked yet.');
});
