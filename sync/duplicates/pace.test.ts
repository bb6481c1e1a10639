import { expect, test } from 'vitest';
import { createPace, lateMs } from './pace.ts';

const { signal } = new AbortController();
async function restAfter(pace: ReturnType<typeof createPace>, until = signal): Promise<number> {
  const beganAt = performance.now();
  await pace.next(until);
  return performance.now() - beganAt;
}

test('while events stream a look is followed by a rest of nineteen times its length, otherwise by none', async () => {
  let isStream = true;
  const pace = createPace(() => isStream);
  expect(await restAfter(pace)).toBeLessThan(15); // nothing was looked at
  pace.took(20, new Date());
  expect(await restAfter(pace)).toBeGreaterThanOrEqual(19 * 20);
  pace.took(20, new Date());
  isStream = false;
  expect(await restAfter(pace)).toBeLessThan(15);
});

test('a rest ends with the stream, with the stop, and after four seconds', async () => {
  let isStream = true;
  const pace = createPace(() => isStream);
  pace.took(60_000, undefined);
  setTimeout(() => {
    isStream = false;
  }, 100);
  expect(await restAfter(pace)).toBeLessThan(3_000);
  isStream = true;
  expect(await restAfter(pace, AbortSignal.timeout(100))).toBeLessThan(3_000);
  pace.took(60_000, undefined);
  const rest = await restAfter(pace);
  expect([rest >= 4_000, rest < 10_000], `${rest} ms`).toEqual([true, true]);
});

test('looks that are late do not give way', async () => {
  const pace = createPace(() => true);
  pace.took(60_000, new Date(Date.now() - lateMs - 1_000));
  expect(await restAfter(pace)).toBeLessThan(1_000);
});
