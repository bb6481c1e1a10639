import { expect, test } from 'vitest';
import { tellRarely } from './telling.ts';

test('a failure that repeats is told once a minute with how often it came, and another one at once', () => {
  const told: object[] = [];
  let ms = 0;
  const tell = tellRarely({ error: (about, part) => told.push({ part, ...about }) }, 'imports', () => ms);
  const [away, full] = [new Error('away'), new Error('full')];
  for (ms = 0; ms < 60_000; ms += 500) tell(away);
  tell(away);
  tell(full);
  expect(told).toEqual([
    { part: 'imports', err: away },
    { part: 'imports', err: away, again: 119 },
    { part: 'imports', err: full },
  ]);
});

test('what is told again after a quiet while says nothing of earlier times', () => {
  const told: object[] = [];
  let ms = 0;
  const tell = tellRarely({ error: (about) => told.push(about) }, 'imports', () => ms);
  const away = new Error('away');
  tell(away);
  ms = 3_600_000;
  tell(away);
  expect(told).toEqual([{ err: away }, { err: away }]);
});
