import { expect, test } from 'vitest';
import { asChoices, findHits, guessMeant } from './picking.ts';

const currencies = asChoices(['EUR', 'USD', 'GBP', 'CHF', 'CLF']);
const labels = (typed: string | undefined, data: string[]) =>
  findHits(asChoices(data), typed).map(({ label }) => label);

test('an open picker shows all choices until something is typed', () => {
  expect(findHits(currencies, undefined)).toEqual(currencies);
  expect(findHits(currencies, ' ')).toEqual(currencies);
});

test('the first hit begins with what was typed, whatever its place in the list', () => {
  expect(labels('won', ['Not won', 'Unwonted', 'Won'])).toEqual(['Won', 'Not won', 'Unwonted']);
  expect(labels('chf', ['EUR', 'CHF'])).toEqual(['CHF']);
  expect(labels('xyz', ['EUR', 'CHF'])).toEqual([]);
});

test('accents and capitals are found by plain letters', () => {
  expect(labels('zurich', ['Europe/Zürich'])).toEqual(['Europe/Zürich']);
  expect(labels('ÖSTER', ['Österreich'])).toEqual(['Österreich']);
});

test('leaving picks what is called as typed, or the only hit, and never one of several', () => {
  const leave = (typed: string | undefined) => guessMeant(findHits(currencies, typed), typed)?.value;
  expect(leave('chf')).toBe('CHF');
  expect(leave('us')).toBe('USD');
  expect(leave('c')).toBeUndefined();
  expect(leave('EURCHF')).toBeUndefined();
  expect(leave('')).toBeUndefined();
  expect(leave(undefined)).toBeUndefined();
  expect(guessMeant(asChoices(['Won', 'Won back']), 'won')?.label).toBe('Won');
});
