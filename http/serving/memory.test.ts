import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { giveBackMemory } from './memory.ts';

const soon = { firstMs: 1, quietMs: 20 };

test('a quiet process collects what its start has left, once', async () => {
  const forced: unknown[] = [];
  const observer = new PerformanceObserver((list) => forced.push(...list.getEntries()));
  observer.observe({ entryTypes: ['gc'] });
  let times = 0;
  await new Promise<void>((resolve) =>
    giveBackMemory(soon, () => {
      times += 1;
      resolve();
    }),
  );
  expect(times).toBe(1);
  giveBackMemory(soon);
  await vi.waitFor(() => expect(forced).not.toEqual([]), 10_000);
  observer.disconnect();
});

test('a busy process is left alone until it is quiet', async () => {
  let isCollected = false;
  const collected = new Promise<void>((resolve) =>
    giveBackMemory(soon, () => {
      isCollected = true;
      resolve();
    }),
  );
  const endsAt = performance.now() + 300;
  while (performance.now() < endsAt) {
    const busyUntil = performance.now() + 10;
    while (performance.now() < busyUntil);
    await setImmediate();
  }
  expect(isCollected).toBe(false);
  await collected;
});
