import { expect, test } from 'vitest';
import { chooseInk, findChange, type WidgetValues } from './widgetvalues.ts';

const stored: WidgetValues = {
  name: 'Shop',
  is_active: true,
  allowed_origins: ['https://shop.example'],
  settings: { theme: { color: '#2456d6', mode: 'auto' }, texts: { title: 'Hello' } },
};

test('only what differs is sent', () => {
  expect(findChange(stored, { ...stored })).toEqual({});
  expect(findChange(stored, { ...stored, name: 'Store' })).toEqual({ name: 'Store' });
});

test('another order of keys, or a text that is not set, is no change', () => {
  const same = { texts: { title: 'Hello', subtitle: undefined }, theme: { mode: 'auto' as const, color: '#2456d6' } };
  expect(findChange(stored, { ...stored, settings: same })).toEqual({});
});

test('words on a colour can be read', () => {
  expect([chooseInk('#2456d6'), chooseInk('#ffe066'), chooseInk('#000000'), chooseInk('#ffffff')]).toEqual([
    '#ffffff',
    '#111111',
    '#ffffff',
    '#111111',
  ]);
});
