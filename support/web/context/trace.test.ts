import { expect, test } from 'vitest';
import type { TierChange } from '../api/records.ts';
import { listSteps } from './trace.ts';

const change: TierChange = {
  value: 'premium',
  since: '2026-06-15T12:02:00.000Z',
  deal: { name: 'Acme renewal' },
  by: { app: 'foundation', name: 'Maya Okafor' },
  event: {
    id: 7,
    position: 41,
    occurred_at: '2026-06-15T12:02:00.000Z',
    numbered_at: '2026-06-15T12:02:00.004Z',
    trace: null,
    previous: 'standard',
  },
};

test('the trace of a tier leads from the deal to this page and shows how long each step took', () => {
  const steps = listSteps(change, '2026-06-15T12:02:00.120Z');
  expect(steps.map(({ what }) => what)).toEqual([
    'Deal “Acme renewal” was won in Foundation by Maya Okafor',
    'The change became event 41 of the log',
    'The event came to this page, which read the customer again',
  ]);
  expect(steps.map(({ detail }) => detail)).toEqual([
    'standard → premium',
    '4 ms after the change',
    '120 ms after the change',
  ]);
});

test('a step has its day if it is not that of the step above; the first one if it is not today', () => {
  const [step] = listSteps(change, undefined, new Date('2026-08-15T12:02:00.000Z'));
  expect(step?.when).toContain('2026');
  expect(listSteps(change, undefined, new Date('2026-06-15T12:03:00.000Z'))[0]?.when).not.toContain('2026');
  const late = { ...change, event: { ...change.event, numbered_at: '2026-08-15T12:02:00.000Z' } };
  const days = listSteps(late, '2026-08-15T12:02:01.000Z', new Date('2026-08-15T12:03:00.000Z'));
  expect(days.map(({ when }) => when.includes('2026'))).toEqual([true, true, false]);
});

test('the trace omits steps that are not known', () => {
  const byProgram = { ...change, deal: null, by: { app: 'foundation', name: null } };
  expect(listSteps(byProgram, undefined).map(({ what }) => what)).toEqual([
    'A program changed the tier in Foundation',
    'The change became event 41 of the log',
  ]);
});

test('the trace shows no negative duration when clocks differ', () => {
  expect(listSteps(change, '2026-06-15T12:01:59.000Z').at(-1)?.detail).toBeUndefined();
});
