import { startMigrated } from '@aether/database/testing.local';
import { expect, test } from 'vitest';
import { runChaos } from './testing.chaos.ts';

test('when sequencers, subscribers and PostgreSQL are killed, lines go silent and handlers fail, no event is lost, doubled or reordered', {
  timeout: 120_000,
}, async () => {
  const counts = await runChaos({ seconds: 2, seed: 20261123, writesMin: 101, restMs: 15, start: startMigrated });
  expect(counts).toMatchObject({ lost: 0, doubled: 0, inverted: 0, gaps: 0 });
  expect(counts.writes).toBeGreaterThan(100);
  expect(counts.handled).toBe(2 * counts.events);
  expect(Math.min(counts.silences, ...Object.values(counts.kills))).toBeGreaterThan(0);
});
