import { expect, test } from 'vitest';
import { emptyDraft, pruneDrafts, readDraft, writeDraft } from './drafts.ts';

function memory() {
  const kept = new Map<string, string>();
  return {
    kept,
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
}
const draft = { ...emptyDraft, reply: 'Let me look', at: '2026-06-15T12:00:00Z' };

test('a draft belongs to one person and one conversation', () => {
  const storage = memory();
  expect(writeDraft(storage, 'priya', 'one', draft)).toBe(true);
  expect(readDraft(storage, 'priya', 'one')).toEqual(draft);
  expect(readDraft(storage, 'tom', 'one')).toEqual(emptyDraft);
  expect(readDraft(storage, 'priya', 'two')).toEqual(emptyDraft);
});

test('an empty draft leaves nothing behind', () => {
  const storage = memory();
  writeDraft(storage, 'priya', 'one', draft);
  writeDraft(storage, 'priya', 'one', { ...draft, reply: '  ' });
  expect(storage.kept.size).toBe(0);
});

test('the page knows when no draft can be kept; an unreadable draft is no draft', () => {
  const full = {
    ...memory(),
    setItem: () => {
      throw new Error('full');
    },
  };
  expect(writeDraft(full, 'priya', 'one', draft)).toBe(false);
  const storage = memory();
  storage.setItem('aether.support.draft.priya.one', '{half');
  expect(readDraft(storage, 'priya', 'one')).toEqual(emptyDraft);
});

test('drafts that were unused for a month, or cannot be read, are removed; everything else stays', () => {
  const kept: Record<string, string> = {
    'aether.support.draft.priya.old': JSON.stringify(draft),
    'aether.support.draft.priya.new': JSON.stringify({ ...draft, at: '2026-06-16T12:00:01Z' }),
    'aether.support.draft.priya.broken': '{half',
    'aether.support.draft.priya.nothing': 'null',
    'aether.support.other': '{half',
  };
  const methods = { getItem: (key: string) => kept[key] ?? null, removeItem: (key: string) => delete kept[key] };
  const storage = Object.setPrototypeOf(kept, methods);
  pruneDrafts(storage, Date.parse('2026-07-16T12:00:00Z'));
  expect(Object.keys(kept)).toEqual(['aether.support.draft.priya.new', 'aether.support.other']);
});
