import { beforeEach, expect, test } from 'vitest';
import { clearDrafts, countDrafts, pruneDrafts, readDraft, writeDraft } from './drafts.ts';

/** The browser's storage: its keys are properties of its own. */
function createStorage(refuses = () => false): Storage {
  const methods = {
    getItem(this: Record<string, string>, key: string) {
      return Object.hasOwn(this, key) ? this[key] : null;
    },
    setItem(this: Record<string, string>, key: string, value: string) {
      if (refuses()) throw new Error('full');
      this[key] = value;
    },
    removeItem(this: Record<string, string>, key: string) {
      delete this[key];
    },
  };
  return Object.create(methods);
}
const draft = { id: 'one-id', at: '2026-06-15T12:00:00Z', value: { note: 'Called, no answer' } };
let storage: Storage;
beforeEach(() => {
  storage = createStorage();
});

test('a draft belongs to one person and one thing', () => {
  expect(writeDraft(storage, 'maya', 'note:ada', draft)).toBe(true);
  expect(readDraft(storage, 'maya', 'note:ada')).toEqual(draft);
  expect(readDraft(storage, 'tom', 'note:ada')).toBeUndefined();
  expect(readDraft(storage, 'maya', 'note:kenji')).toBeUndefined();
});

test('a draft that was sent leaves nothing behind', () => {
  writeDraft(storage, 'maya', 'note:ada', draft);
  expect(writeDraft(storage, 'maya', 'note:ada', undefined)).toBe(true);
  expect(Object.keys(storage)).toEqual([]);
});

test('an unreadable draft is no draft', () => {
  writeDraft(storage, 'maya', 'note:ada', draft);
  const [key = ''] = Object.keys(storage);
  for (const text of ['{half', '"text"', '{"value":1}', 'null']) {
    storage.setItem(key, text);
    expect(readDraft(storage, 'maya', 'note:ada'), text).toBeUndefined();
  }
});

test('a draft that the storage refuses is kept in memory, and the page knows that it does not survive a reload', () => {
  let isFull = true;
  const full = createStorage(() => isFull);
  expect(writeDraft(full, 'maya', 'note:full', draft)).toBe(false);
  expect(readDraft(full, 'maya', 'note:full')).toEqual(draft);
  expect(readDraft(full, 'tom', 'note:full')).toBeUndefined();
  isFull = false;
  expect(writeDraft(full, 'maya', 'note:full', { ...draft, id: 'later' })).toBe(true);
  expect(readDraft(full, 'maya', 'note:full')).toMatchObject({ id: 'later' });
});

test('a draft that is too long for the device is not written to it', () => {
  expect(writeDraft(storage, 'maya', 'note:long', { ...draft, value: 'x'.repeat(400_000) })).toBe(false);
  expect(Object.keys(storage)).toEqual([]);
  expect(readDraft(storage, 'maya', 'note:long')).toMatchObject({ id: 'one-id' });
});

test('signing out removes the drafts of that person, also those in memory, and nobody else’s', () => {
  storage.setItem('aether.other', 'stays');
  writeDraft(storage, 'maya', 'note:ada', draft);
  writeDraft(storage, 'maya', 'note:huge', { ...draft, value: 'x'.repeat(400_000) });
  writeDraft(storage, 'maya/two', 'note:ada', draft);
  expect(countDrafts(storage, 'maya')).toBe(1);
  clearDrafts(storage, 'maya');
  expect(readDraft(storage, 'maya', 'note:ada')).toBeUndefined();
  expect(readDraft(storage, 'maya', 'note:huge')).toBeUndefined();
  expect(readDraft(storage, 'maya/two', 'note:ada')).toEqual(draft);
  expect(storage.getItem('aether.other')).toBe('stays');
});

test('drafts that were unused for a month, or cannot be read, are removed; everything else stays', () => {
  writeDraft(storage, 'maya', 'old', draft);
  writeDraft(storage, 'maya', 'new', { ...draft, at: '2026-06-16T12:00:01Z' });
  writeDraft(storage, 'maya', 'broken', draft);
  storage.setItem('aether.draft.maya/broken', '{half');
  storage.setItem('aether.other', '{half');
  pruneDrafts(storage, Date.parse('2026-07-16T12:00:00Z'));
  expect(Object.keys(storage)).toEqual(['aether.draft.maya/new', 'aether.other']);
});

test('of too many drafts the oldest are removed', () => {
  for (let minute = 0; minute < 205; minute++)
    writeDraft(storage, 'maya', `note:${minute}`, { ...draft, at: new Date(minute * 60_000).toISOString() });
  pruneDrafts(storage, 205 * 60_000);
  expect(countDrafts(storage, 'maya')).toBe(200);
  expect(readDraft(storage, 'maya', 'note:4')).toBeUndefined();
  expect(readDraft(storage, 'maya', 'note:5')).toBeDefined();
});
