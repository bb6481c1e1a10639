import { describe, expect, test } from 'vitest';
import { fill, languages, wordsOf } from './words.ts';

const holes = (text: string) => text.match(/\{\w+\}/g) ?? [];

describe.each(languages)('the words in %s', (language) => {
  test('are complete, with the same placeholders, and are not English', () => {
    const [words, english] = [wordsOf(language, {}), wordsOf('en', {})];
    for (const [name, text] of Object.entries(words)) {
      expect(text, name).not.toBe('');
      expect(holes(text), name).toEqual(holes(english[name as keyof typeof english]));
    }
    if (language !== 'en') expect(words.greeting).not.toBe(english.greeting);
  });
});

test('for a language that the widget does not speak are English', () => {
  expect(wordsOf('xx', {})).toEqual(wordsOf('en', {}));
});

test('an administrator’s text replaces the widget’s own; an empty one does not', () => {
  expect(wordsOf('de', { greeting: 'Moin!', title: '' })).toMatchObject({
    greeting: 'Moin!',
    title: wordsOf('de', {}).title,
  });
});

test('a filled-in value is always text, also if it looks like markup', () => {
  expect(fill('We are back {time}.', { time: '$& {time} <b>' })).toBe('We are back $& {time} <b>.');
});
