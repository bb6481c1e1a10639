import { startMigrated } from '@aether/database/testing.local';
import { expect, test } from 'vitest';
import { compare, runBusChaos } from './testing.buschaos.ts';

test('when broker, consumer, relay and PostgreSQL are killed under load, no event is lost, doubled or reordered on its way over the bus', {
  timeout: 240_000,
}, async () => {
  const counts = await runBusChaos({
    kills: 4,
    seed: 20261129,
    processes: 1,
    effectsBetween: 1,
    start: startMigrated,
  });
  expect(counts).toMatchObject({ lost: 0, doubled: 0, inverted: 0 });
  expect(counts.effects).toBe(counts.changes);
  expect(Object.values(counts.kills)).toEqual([1, 1, 1, 1]);
  expect(counts.writes).toBeGreaterThan(20);
});

test('the comparison sees what is lost, doubled and inverted', () => {
  const change = (version: number) => ({ key: 'k', version: String(version) });
  const changes = [1, 2, 3, 4].map(change);
  expect(compare(changes, changes)).toEqual({ lost: 0, doubled: 0, inverted: 0 });
  expect(compare(changes, [1, 3, 2, 2].map(change))).toEqual({ lost: 1, doubled: 1, inverted: 2 });
});
