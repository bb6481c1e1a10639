import type { User } from '@aether/platform';
import { Hono } from 'hono';
import { expect, test } from 'vitest';
import type { Caller } from '../caller.ts';
import { openReading } from './reading.ts';

test('who has changed something while the primary does not say how far it is asks for the present next, and is told to', async () => {
  const asked: (string | undefined)[] = [];
  let isSilent = true;
  const seenNow = async () => {
    if (isSilent) throw new Error('no answer');
    return '0/20';
  };
  const reading = openReading({
    seenNow,
    replicaState: () => ({ ageMaxMs: 5_000 }) as never,
    async readAs(seen, work) {
      asked.push(seen);
      return { result: await work(), seen: seen === 'now' ? await seenNow() : undefined, ageMs: undefined };
    },
  });
  const app = new Hono();
  const maya = { actor: { id: 'maya' } as User } as Caller;
  app.use((c, next) => reading?.(c, maya, next) ?? next());
  app.all('/', (c) => c.text('done'));
  const seenIn = async (method: string, seen = '0/10') =>
    (await app.request('/', { method, headers: { 'Aether-Seen': seen } })).headers.get('aether-seen');

  expect(await seenIn('GET')).toBeNull();
  expect(await seenIn('POST')).toBe('now');
  isSilent = false;
  expect(await seenIn('GET')).toBe('0/20');
  expect(await seenIn('GET')).toBeNull();
  expect(asked).toEqual(['0/10', 'now', '0/20']);
});
