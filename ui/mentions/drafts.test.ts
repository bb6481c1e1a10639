import { expect, test } from 'vitest';
import { findTyped, keep, knownIn, labelOf, show, toDraft, toText } from './drafts.ts';

const maya = { id: 'maya', name: 'Maya Okafor' };
const sams = [
  { id: 'sam-1', name: 'Sam Lee' },
  { id: 'sam-2', name: 'Sam Lee' },
];

test('a text of the server is edited with names and sent again with ids, whatever else is in it', () => {
  const text = 'Ask <@maya>, not maya@aether.example or <@gone>.';
  const draft = toDraft(text, [maya]);
  expect(show(draft)).toBe('Ask @Maya Okafor, not maya@aether.example or <@gone>.');
  expect(keep(show(draft), knownIn(draft))).toBe(draft);
  expect(toText(draft)).toBe(text);
});

test('two people of one name stay two people', () => {
  const text = 'Either <@sam-1> or <@sam-2>';
  const draft = toDraft(text, sams);
  expect(show(draft)).toBe('Either @Sam Lee or @Sam Lee (sam-2)');
  expect(toText(keep(show(draft), knownIn(draft)))).toBe(text);
  expect(labelOf({ id: 'sam-3', name: 'Sam Lee', email: 'sam@three.example' }, knownIn(draft))).toBe(
    'Sam Lee (sam@three.example)',
  );
});

test('a name of which a letter was changed mentions nobody, nor does one that was only typed', () => {
  expect(toText(keep('Ask @Maya Okafo', [maya]))).toBe('Ask @Maya Okafo');
  expect(toText(keep('Ask @Maya Okafors', [maya]))).toBe('Ask @Maya Okafors');
  expect(toText(keep('Ask @Maya Okafor', []))).toBe('Ask @Maya Okafor');
});

test('an @ begins a mention at the beginning of a word, and never in an address', () => {
  const typed = (shown: string) => findTyped(shown, shown.length)?.typed;
  expect(['@ma', 'Ask @Zoë L', '(@', 'a\n@ma'].map(typed)).toEqual(['ma', 'Zoë L', '', 'ma']);
  expect(['maya@aether', 'maya.o@', 'x+@y', '@@ma', 'no', '@Maya Okafor '].map(typed)).toEqual(
    Array(6).fill(undefined),
  );
  expect(keep('x@Maya Okafor', [maya])).toBe('x@Maya Okafor');
});
