import { expect, test } from 'vitest';
import { findDifferences } from './differences.ts';

test('a change of an object is each of its fields that differ, by its path', () => {
  const before = { name: 'Shop', settings: { texts: { greeting: 'Hi', title: 'Chat' }, asks_rating: true } };
  const after = { settings: { texts: { greeting: 'Hello', title: 'Chat' }, asks_rating: false } };
  expect(findDifferences(before, after)).toEqual([
    { field: 'name', before: 'Shop', is_hidden: false },
    { field: 'settings.texts.greeting', before: 'Hi', after: 'Hello', is_hidden: false },
    { field: 'settings.asks_rating', before: true, after: false, is_hidden: false },
  ]);
});

test('a part of a list is compared with the part of the same id, so that a new one does not show as a change of the others', () => {
  const price = { id: 'price', label: 'What does it cost?', answer: 'Little' };
  const hours = { id: 'hours', label: 'When are you there?', answer: 'Always' };
  const before = { questions: [price] };
  const after = { questions: [hours, { ...price, answer: 'Much' }] };
  expect(findDifferences(before, after)).toEqual([
    { field: 'questions.What does it cost?.answer', before: 'Little', after: 'Much', is_hidden: false },
    { field: 'questions.When are you there?.id', after: 'hours', is_hidden: false },
    { field: 'questions.When are you there?.label', after: 'When are you there?', is_hidden: false },
    { field: 'questions.When are you there?.answer', after: 'Always', is_hidden: false },
  ]);
});

test('a list of words is one value, long texts are cut, and a hidden field has none', () => {
  expect(findDifferences({ types: ['a'], body: 'x'.repeat(400) }, { types: ['a', 'b'] }, ['secret'])).toEqual([
    { field: 'types', before: 'a', after: 'a, b', is_hidden: false },
    { field: 'body', before: `${'x'.repeat(300)}…`, is_hidden: false },
    { field: 'secret', is_hidden: true },
  ]);
});

test('another order of a list is a difference of the list, and a part that is new or gone is none of the order', () => {
  const [a, b, c] = ['A', 'B', 'C'].map((label) => ({ id: label.toLowerCase(), label }));
  expect(findDifferences({ questions: [a, b, c] }, { questions: [c, a, b] })).toEqual([
    { field: 'questions', before: 'A, B, C', after: 'C, A, B', is_hidden: false },
  ]);
  expect(findDifferences({ questions: [a, b] }, { questions: [c, b] }).map(({ field }) => field)).toEqual([
    ...['questions.A.id', 'questions.A.label', 'questions.C.id', 'questions.C.label'],
  ]);
});

test('of long texts the place where they differ is shown', () => {
  const same = 'x'.repeat(400);
  expect(findDifferences({ body: `${same} within a day` }, { body: `${same} within a week` })).toEqual([
    {
      field: 'body',
      before: `…${'x'.repeat(50)} within a day`,
      after: `…${'x'.repeat(50)} within a week`,
      is_hidden: false,
    },
  ]);
});

test('what is empty on both sides is no difference', () => {
  expect(findDifferences({}, { origins: [], texts: {}, name: '' })).toEqual([]);
  expect(findDifferences({ origins: ['a'] }, { origins: [] })).toEqual([
    { field: 'origins', before: 'a', is_hidden: false },
  ]);
});

test('versions that are alike have no differences', () => {
  expect(findDifferences({ a: { b: [1, 2] } }, { a: { b: [1, 2] } })).toEqual([]);
});
