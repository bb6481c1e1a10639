import { expect, test } from 'vitest';
import { chooseLanguage, textsIn } from './widgetlanguage.ts';
import { readSettings, WidgetSettingsSchema } from './widgetsettings.ts';

const settings = WidgetSettingsSchema.parse({
  language: 'en',
  languages: ['de', 'fr'],
  choice: 'browser',
  texts: { greeting: 'Hi' },
  translations: { de: { greeting: 'Moin' } },
});
const fixed = { ...settings, choice: 'fixed' as const };

test.each([
  ['the page decides before the browser', { page: 'fr-CA', browser: ['de'] }, 'fr'],
  ['a language that the widget lacks leaves it to the browser', { page: 'nb', browser: ['de-AT', 'en'] }, 'de'],
  ['the first language of the browser that the widget has', { browser: ['nb', 'sv', 'fr', 'de'] }, 'fr'],
  ['the widget’s own, if it has none of them', { browser: ['nb', 'tr'] }, 'en'],
  ['the widget’s own, if nothing is known', {}, 'en'],
  ['what is no language is nothing', { page: '', browser: ['', '*', 'constructor'] }, 'en'],
])('the language of a widget is chosen: %s', (_, reads, chosen) => {
  expect(chooseLanguage(settings, reads)).toBe(chosen);
});

test('a widget that does not follow the browser follows the page, and otherwise keeps its own language', () => {
  expect(chooseLanguage(fixed, { browser: ['de'] })).toBe('en');
  expect(chooseLanguage(fixed, { page: 'de', browser: ['fr'] })).toBe('de');
});

test('a text that is not translated is the widget’s own word of that language, not the text of another one', () => {
  expect(textsIn(settings, 'en')).toEqual({ greeting: 'Hi' });
  expect(textsIn(settings, 'de')).toEqual({ greeting: 'Moin' });
  expect(textsIn(settings, 'fr')).toEqual({});
});

test('a field of another version is omitted from stored settings, and the others count', () => {
  expect(readSettings({ language: 'de', sound: 'loud' })).toMatchObject({ language: 'de', ask: 'before' });
  expect(readSettings({ language: 'de', sound: 'loud' })).not.toHaveProperty('sound');
});

test('settings that were stored before there were languages speak one, and a language twice is refused', () => {
  expect(WidgetSettingsSchema.parse({ language: 'de' })).toMatchObject({
    languages: [],
    choice: 'fixed',
    translations: {},
  });
  expect(WidgetSettingsSchema.safeParse({ languages: ['de', 'de'] }).success).toBe(false);
  expect(WidgetSettingsSchema.safeParse({ translations: { nb: {} } }).success).toBe(false);
});
