import { MutationObserver, onlineManager, QueryObserver } from '@tanstack/react-query';
import { afterEach, expect, test } from 'vitest';
import { LiveQueryClient } from './client.ts';

const client = new LiveQueryClient({ defaultOptions: { queries: { retry: false } } });
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
  client.clear();
});

/** A query on the screen whose answers are given one by one. */
function watch(key: string) {
  const asked: PromiseWithResolvers<string>[] = [];
  const observer = new QueryObserver(client, {
    queryKey: [key],
    queryFn: () => {
      const next = Promise.withResolvers<string>();
      asked.push(next);
      return next.promise;
    },
  });
  ends.push(observer.subscribe(() => {}));
  return { asked, shown: () => observer.getCurrentResult().data };
}

test('what changes while a list is being loaded for the first time is on the screen', async () => {
  const list = watch('list');
  const stale = client.invalidateQueries({ queryKey: ['list'] });
  list.asked[0]?.resolve('before the change');
  await expect.poll(() => list.asked.length).toBe(2);
  list.asked[1]?.resolve('after the change');
  await stale;
  expect(list.shown()).toBe('after the change');
});

test('a list that nobody changed is loaded once', async () => {
  const [list, other] = [watch('list'), watch('other')];
  const stale = client.invalidateQueries({ queryKey: ['other'] });
  list.asked[0]?.resolve('as it is');
  other.asked[0]?.resolve('before');
  await expect.poll(() => other.asked.length).toBe(2);
  other.asked[1]?.resolve('after');
  await stale;
  expect([list.shown(), list.asked.length]).toEqual(['as it is', 1]);
});

test('a first load that fails is not repeated by what became stale meanwhile', async () => {
  const list = watch('list');
  const stale = client.invalidateQueries({ queryKey: ['list'] });
  list.asked[0]?.reject(new Error('no line'));
  await stale;
  expect([list.shown(), list.asked.length]).toEqual([undefined, 1]);
});

test('a burst of changes during a first load makes it load once more, not once for each', async () => {
  const list = watch('list');
  const stale = Promise.all(Array.from({ length: 20 }, () => client.invalidateQueries({ queryKey: ['list'] })));
  list.asked[0]?.resolve('before the changes');
  await expect.poll(() => list.asked.length).toBeGreaterThan(1);
  list.asked.at(-1)?.resolve('after the changes');
  await stale;
  expect([list.shown(), list.asked.length]).toEqual(['after the changes', 2]);
});

test('nobody waits for a first load that has not begun because there is no network: it will be fresh', async () => {
  client.mount();
  onlineManager.setOnline(false);
  ends.push(
    () => onlineManager.setOnline(true),
    () => client.unmount(),
  );
  const list = watch('list');
  await client.invalidateQueries({ queryKey: ['list'] });
  expect(list.asked).toHaveLength(0);
  onlineManager.setOnline(true);
  await expect.poll(() => list.asked.length).toBe(1);
  list.asked[0]?.resolve('as it is');
  await expect.poll(list.shown).toBe('as it is');
  expect(list.asked).toHaveLength(1);
});

test('what is done after a change has the values that were on the screen when it was begun, and the next change the present ones', async () => {
  const saved = Promise.withResolvers<void>();
  const undone: string[] = [];
  const showing = (role: string) => ({ mutationFn: () => saved.promise, onSuccess: () => void undone.push(role) });
  const row = new MutationObserver(client, showing('staff'));
  ends.push(row.subscribe(() => {}));
  const saving = row.mutate();
  row.setOptions(showing('reader')); // the row is drawn with the new role before the change has ended
  saved.resolve();
  await saving;
  expect(undone).toEqual(['staff']);
  await row.mutate();
  expect(undone).toEqual(['staff', 'reader']);
});
