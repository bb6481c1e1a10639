import { expect, test } from 'vitest';
import { chooseInk, completeValues, findChange, setLanguage, type WidgetValues } from './widgetvalues.ts';

const stored: WidgetValues = {
  name: 'Shop',
  is_active: true,
  ends_after_hours: 72,
  reopens_days: 7,
  allowed_origins: ['https://shop.example'],
  settings: {
    language: 'en',
    theme: { color: '#2456d6', mode: 'auto', position: 'right' },
    texts: { title: 'Hello' },
    languages: [],
    choice: 'fixed',
    translations: {},
    ask: 'before',
    asks_rating: true,
  },
};

test('only changed settings are sent', () => {
  expect(findChange(stored, { ...stored })).toEqual({});
  expect(findChange(stored, { ...stored, name: 'Store' })).toEqual({ name: 'Store' });
});

test('another order of keys, or a text that is not set, is no change', () => {
  const same: WidgetValues['settings'] = {
    texts: { title: 'Hello', subtitle: undefined },
    ask: 'before',
    asks_rating: true,
    theme: { position: 'right', mode: 'auto', color: '#2456d6' },
    language: 'en',
    translations: {},
    choice: 'fixed',
    languages: [],
  };
  expect(findChange(stored, { ...stored, settings: same })).toEqual({});
});

test('text on any colour is readable', () => {
  expect([chooseInk('#2456d6'), chooseInk('#ffe066'), chooseInk('#000000'), chooseInk('#ffffff')]).toEqual([
    '#ffffff',
    '#111111',
    '#ffffff',
    '#111111',
  ]);
});

test('when a widget’s own language becomes one that it speaks already, their texts change places', () => {
  const settings = {
    ...stored.settings,
    languages: ['de' as const, 'fr' as const],
    translations: { de: { title: 'Hallo' } },
  };
  expect(setLanguage(settings, 'de')).toMatchObject({
    language: 'de',
    languages: ['fr', 'en'],
    texts: { title: 'Hallo' },
    translations: { en: { title: 'Hello' } },
  });
  expect(setLanguage(stored.settings, 'tr')).toEqual({ ...stored.settings, language: 'tr' });
});

test('a draft from before there were languages can go on, and keeps the languages of one that has them', () => {
  const { languages: _, choice: __, translations: ___, ...former } = stored.settings;
  const kept = { ...stored, settings: former as WidgetValues['settings'] };
  expect(completeValues(kept)).toEqual(stored);
  const polyglot = { ...stored, settings: { ...stored.settings, languages: ['de' as const] } };
  expect(completeValues(polyglot)).toEqual(polyglot);
});
