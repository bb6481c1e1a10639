import { expect, test } from 'vitest';
import { languageOf, mendLanguage } from './language.ts';

test.each([
  ['en-US@posix', 'en-US'],
  ['de_DE.UTF-8', 'de'],
  ['C', 'en'],
  ['', 'en'],
  ['pt-BR', 'pt-BR'],
])('a browser of the language %o shows charts with numbers as in %s', (written, language) => {
  expect(languageOf(written)).toBe(language);
  expect(new Intl.NumberFormat(languageOf(written)).format(1)).toBe('1');
});

test('a browser without a locale gets a language that number formats take, and any other keeps its own', () => {
  const posix = new (class {
    get language() {
      return 'en-US@posix';
    }
  })();
  expect(() => new Intl.NumberFormat(posix.language)).toThrow(RangeError);
  mendLanguage(posix);
  expect(posix.language).toBe('en-US');
  const german = Object.freeze({ language: 'de-DE' });
  mendLanguage(german);
  expect(german.language).toBe('de-DE');
});
