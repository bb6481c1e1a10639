import { expect, test } from 'vitest';
import { sayReads } from './languages.ts';

test('an agent is told what the visitor reads, and what the widget speaks where that is another language', () => {
  expect(sayReads({ language: 'de', widget_language: 'de' })).toBe('Reads German');
  expect(sayReads({ language: 'de-AT', widget_language: 'de' })).toBe('Reads Austrian German');
  expect(sayReads({ language: 'nb', widget_language: 'en' })).toBe('Reads Norwegian Bokmål; the widget speaks English');
});

test('of a conversation from before there were languages, and of what is none, nothing is said that is not known', () => {
  expect(sayReads({ language: 'fr', widget_language: null })).toBe('Reads French');
  expect(sayReads({ language: null, widget_language: 'en' })).toBeUndefined();
  expect(sayReads({ language: 'x', widget_language: null })).toBeUndefined();
});
