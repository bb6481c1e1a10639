import { startMigrated } from '@aether/database/testing.local';
import { sample } from '@aether/database/testing.sample';
import { expect, test } from 'vitest';
import { compare, runBusChaos } from './testing.buschaos.ts';

// In `npm test` the broker and the consumer: chaos.test.ts kills workers and PostgreSQL under load.
const kills = sample(4, 2);

test('when broker, consumer, relay and PostgreSQL are killed under load, no event is lost, doubled or reordered on its way over the bus', {
  timeout: 240_000,
}, async () => {
  const counts = await runBusChaos({
    kills,
    seed: 20261129,
    processes: 1,
    effectsBetween: 1,
    start: startMigrated,
  });
  expect(counts).toMatchObject({ lost: 0, doubled: 0, inverted: 0 });
  expect(counts.effects).toBe(counts.changes);
  expect(Object.values(counts.kills).slice(0, kills)).toEqual(Array(kills).fill(1));
  expect(counts.writes).toBeGreaterThan(20);
});

test('the comparison sees what is lost, doubled and inverted', () => {
  const change = (version: number) => ({ key: 'k', version: String(version) });
  const changes = [1, 2, 3, 4].map(change);
  expect(compare(changes, changes)).toEqual({ lost: 0, doubled: 0, inverted: 0 });
  expect(compare(changes, [1, 3, 2, 2].map(change))).toEqual({ lost: 1, doubled: 1, inverted: 2 });
});
