import { expect, test } from 'vitest';
import { listMoments, toLocalInput } from './moments.ts';

const offered = (now: string) => listMoments(new Date(now)).map(({ label, at }) => [label, toLocalInput(at)]);

test('the choices for snoozing are an hour, tomorrow and Monday', () => {
  expect(offered('2026-11-25T16:20:00')).toEqual([
    ['In an hour', '2026-11-25T17:20'],
    ['In 3 hours', '2026-11-25T19:20'],
    ['Tomorrow 9:00', '2026-11-26T09:00'],
    ['Monday 9:00', '2026-11-30T09:00'],
  ]);
});

test('on a Sunday tomorrow is Monday, and offered once', () => {
  expect(offered('2026-11-29T10:00:00').map(([label]) => label)).toEqual(['In an hour', 'In 3 hours', 'Tomorrow 9:00']);
});

test('on a Monday the choice is the next Monday', () => {
  expect(offered('2026-11-30T10:00:00').at(-1)).toEqual(['Monday 9:00', '2026-12-07T09:00']);
});
